"""./bell watch: what the strategies hold and earn while they trade: redrawn in place on a terminal, a line an event elsewhere.

Three steps: a Watcher looks (HTTP to API and exchange, the only input here), picture.py or the Teller makes of the look what is to be
said, and it is shown. What does not answer is said, and what was seen last stays."""

import json
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import parts
import picture
import web
from place import FAILED, INTERRUPTED, OK, USAGE, Trouble, ports

NEW_YORK = ZoneInfo("America/New_York")
OPEN = "intent,pending_new,accepted,new,partially_filled,pending_cancel,pending_replace,held,suspended,stopped,calculated"
FIGURES = ("realized", "unrealized", "fees", "today", "total")
PATIENCE = 60       # seconds a session's end waits for its last fills to be recorded
SETTLING = 15       # seconds after which another's exchange has told all fills of a close


def new_york(text):
    return datetime.fromisoformat(text).astimezone(NEW_YORK)


@dataclass
class Look:
    """What was seen at one moment; times are New York's. An older look's rows stand on when the API does not answer."""

    parts: list = field(default_factory=list)           # parts.describe()
    clock: dict | None = None                           # now, is_open, next_open, next_close, ends
    account: str | None = None
    equity: str | None = None                           # of the exchange's account, if that is the one
    day: date | None = None                             # the day of `today`
    strategies: list = field(default_factory=list)      # strategy status fills, FIGURES
    total: dict | None = None                           # the same, of all
    positions: list = field(default_factory=list)       # as the API has them
    orders: list = field(default_factory=list)          # open ones, newest first; `at`: when, as text
    fills: list = field(default_factory=list)           # of the last days, newest first; `at` too
    errors: dict = field(default_factory=dict)          # strategy: why its configuration was refused
    sessions: list = field(default_factory=list)        # (time, "opened" or "closed", the day's P&L or None) since the look before
    troubles: list = field(default_factory=list)        # sentences


# ---- looking

class Fills:
    """The fills of an account from the last day that had any on: each read once. When the record counts more than were read, one came
    late, and they are read anew."""

    def __init__(self, account, days):
        last = days[-1]["day"] if days else None
        self.account, self.since = account, last and datetime.fromisoformat(last).replace(tzinfo=NEW_YORK).isoformat()
        self.before = sum(int(d["fills"]) for d in days[:-1])
        self.known, self.newest, self.settled = {}, self.since, 0

    def read(self, api, count):
        self._read(api, self.newest)
        if self.before + len(self.known) < count != self.settled:
            self._read(api, self.since)
            self.settled = count
        return self.known.values()

    def _read(self, api, start):
        for fill in web.items(api + "/fills", account=self.account, start=start, limit=1000):
            self.known[fill["execution_id"]] = fill
            self.newest = max(self.newest or "", fill["timestamp"])


class Broker:
    """The market's clock and the account: of the exchange here, asked each time; of another's only now and then, as it counts
    requests, and its clock runs on in between."""

    EVERY = 15      # seconds

    def __init__(self):
        self.at, self.clock, self.account, self.speed = None, None, None, 1.0

    def get(self, path, **query):
        return web.get(self.url + "/v2" + path, self.headers, **query)

    def look(self):
        """Asks if it is time to; web.Unreachable when it does not answer."""
        plan = parts.saved_plan()
        self.is_local, self.url = plan.is_local, parts.broker_urls(plan, ports())[0]
        now = time.monotonic()
        if not self.is_local and self.clock:
            ahead = self.clock["now"] + timedelta(seconds=(now - self.at) * self.speed)
            if now - self.at < self.EVERY and ahead < self.clock["next_close" if self.clock["is_open"] else "next_open"]:
                return self.clock | {"now": ahead}, self.account
        self.clock, self.headers = None, parts.broker_headers() if self.is_local else parts.key_headers(plan)
        told, self.account, self.at = self.get("/clock"), self.get("/account"), now
        self.speed = float(told.get("speed", 1))
        self.clock = {"now": new_york(told["timestamp"]), "is_open": told["is_open"]}
        self.clock |= {key: told.get(key) and new_york(told[key]) for key in ("next_open", "next_close", "ends")}
        return self.clock, self.account


class Watcher:
    def __init__(self, account):
        self.wanted, self.ports, self.broker, self.last, self.fills = account, ports(), Broker(), Look(), None
        self.calendar, self.closing, self.until, self.first = [], {}, None, True

    def look(self):
        last, look, own = self.last, Look(parts=parts.describe(detail=False)), None
        api = parts.api_url(self.ports) + "/api/v1"
        try:
            look.clock, own = self.broker.look()
        except web.Unreachable as e:
            look.troubles.append(f"No market clock: {_silent(look, 'exchange' if self.broker.is_local else 'broker', e)}")
        try:
            look.account = self.wanted or (own and own["account_number"]) or last.account or self._newest(api)
            look.equity = own["equity"] if own and own["account_number"] == look.account else None
            self._record(look, api)
        except web.Unreachable as e:
            look.troubles.append(f"No figures{' but those seen before' if last.strategies else ''}: {_silent(look, 'api', e)}")
            look.account = look.account or last.account
            for name in ("day", "strategies", "total", "positions", "orders", "fills", "errors"):
                setattr(look, name, getattr(last, name))
        if look.clock:
            self._sessions(look)
        look.troubles += [f"{name}: the edit of its configuration was refused: {text}" for name, text in look.errors.items()]
        self.last, self.first = look, False
        return look

    def _newest(self, api):
        rows = list(web.items(api + "/accounts", limit=1000))
        return rows[-1]["account"] if rows else None

    def _record(self, look, api):
        if not look.account:
            return
        mine = {"account": look.account, "limit": 1000}
        days = list(web.items(api + "/pnl", group_by="day", **mine))
        runs = {row["id"]: row for row in web.items(api + "/strategies", **mine)}
        if self.wanted and self.first and not days and not runs:
            known = sorted({row["account"] for row in web.items(api + "/runs", limit=1000)})
            raise Trouble(f"The API has nothing of an account {self.wanted}. It knows: {', '.join(known) or 'none'}.", FAILED)
        now = look.clock and look.clock["now"].date()
        look.day = date.fromisoformat(days[-1]["day"]) if days and not (now and look.equity is not None) else now
        pnl = {row["strategy"]: row for row in web.items(api + "/pnl", group_by="strategy", **mine)}
        today = {}
        if look.day:
            today = {row["strategy"]: row for row in web.items(api + "/pnl", group_by="strategy", start=look.day, end=look.day + timedelta(1), **mine)}
        look.strategies = [_strategy(name, runs.get(name), pnl.get(name), today.get(name)) for name in sorted(runs.keys() | pnl.keys())]
        look.errors = {name: row["config_error"] for name, row in runs.items() if row.get("config_error")}
        if look.strategies:
            look.total = {"strategy": "all", "status": "", "fills": sum(r["fills"] for r in look.strategies)}
            look.total |= {key: sum(Decimal(r[key]) for r in look.strategies) for key in FIGURES}
        look.positions = list(web.items(api + "/positions", **mine))
        look.orders = self._dated(web.items(api + "/orders", status=OPEN, **mine), "submitted_at", look)
        if self.fills is None or self.fills.account != look.account:
            self.fills = Fills(look.account, days)
        look.fills = self._dated(self.fills.read(api, sum(int(d["fills"]) for d in days)), "timestamp", look)

    def _dated(self, rows, key, look):
        """Newest first, each with `at`: the time, of another day than the market's with its date."""
        dated = []
        for row in sorted(rows, key=lambda r: r[key] or "9"):     # an intent that the broker does not know yet has no time
            at = row[key] and new_york(row[key])
            dated.insert(0, row | {"at": "" if not at else f"{at:%H:%M:%S}" if at.date() == look.day else f"{at.day} {at:%b %H:%M}"})
        return dated

    def _sessions(self, look):
        """Which sessions opened and closed since the look before. One that closed is told when the record has its fills."""
        now = look.clock["now"]
        if self.until is None or self.until > now or look.account != self.last.account:
            # At our own start what has happened is not told; of a market that began after us all is.
            self.until = now if self.first else now.replace(hour=0, minute=0, second=0, microsecond=0)
            self.closing.clear()
        before = self.until
        if not self.calendar or now.date() >= self.calendar[-1][0] or before.date() < self.calendar[0][0]:
            try:
                days = self.broker.get("/calendar", start=before.date() - timedelta(1), end=now.date() + timedelta(14))
            except web.Unreachable:
                return      # the next look says so
            self.calendar = [(date.fromisoformat(d["date"]), *(datetime.fromisoformat(f"{d['date']}T{d[k]}").replace(tzinfo=NEW_YORK) for k in ("open", "close")))
                             for d in days]
        self.until = now
        for day, opens, closes in self.calendar:
            if before < opens <= now:
                look.sessions.append((opens, "opened", None))
            if before < closes <= now:
                self.closing[day] = (closes, time.monotonic())
        for day, (closes, since) in list(self.closing.items()):
            row = self._delivered(look, str(day), time.monotonic() - since)
            if row or time.monotonic() - since > PATIENCE:
                look.sessions.append((closes, "closed", row or None))
                del self.closing[day]

    def _delivered(self, look, day, waited):
        """The day's P&L if the record has every fill that the exchange has of it; another's exchange is given SETTLING instead."""
        try:
            rows = web.get(parts.api_url(self.ports) + "/api/v1/pnl", group_by="day", account=look.account, start=day,
                           end=date.fromisoformat(day) + timedelta(1))["items"]
            row = rows[0] if rows else {"day": day, "fills": 0, "realized_pnl": "0.00", "unrealized_pnl": "0.00", "fees": "0.00", "total_pnl": "0.00"}
            filled = sum(1 for _ in parts.broker_fills(self.ports, date=day)) if look.equity is not None and self.broker.is_local else 0
        except web.Unreachable:
            return None
        return row if int(row["fills"]) >= filled and (self.broker.is_local or waited > SETTLING) else None


def _silent(look, name, why):
    there = {part["part"]: part["pid"] for part in look.parts}
    return f"{name} does not answer ({why.reason})." if there.get(name, True) else f"{name} is not running."


def _strategy(name, run, pnl, today):
    none = {"fills": 0, "realized_pnl": "0", "unrealized_pnl": "0", "fees": "0", "total_pnl": "0"}
    pnl, today = pnl or none, today or none
    return {"strategy": name, "status": run["status"] if run else "", "fills": int(pnl["fills"]), "realized": pnl["realized_pnl"],
            "unrealized": pnl["unrealized_pnl"], "fees": pnl["fees"], "today": today["total_pnl"], "total": pnl["total_pnl"]}


# ---- telling, a line an event

class Teller:
    """What has happened from look to look, as events: dicts with `event` and the market's `timestamp`. Pure."""

    def __init__(self):
        self.account, self.fills, self.states, self.errors, self.troubles = None, None, {}, {}, set()
        self.told, self.figures, self.now = None, None, None

    def tell(self, look):
        now = look.clock and look.clock["now"]
        first, events = self.fills is None, []
        if look.account != self.account:
            events.append({"event": "account", "timestamp": now, "account": look.account, "fills": look.total["fills"] if look.total else 0})
            self.account, self.fills, self.figures = look.account, {f["execution_id"] for f in look.fills} if first else set(), None
        self.fills = set() if self.fills is None else self.fills
        for part in look.parts:
            was = self.states.get(part["part"])
            if part["state"] != was and not (was is None and part["state"] == "running"):
                events.append({"event": "part", "timestamp": now, **{k: part[k] for k in ("part", "state", "detail")}})
            self.states[part["part"]] = part["state"]
        for trouble in look.troubles:
            if trouble not in self.troubles and not any(trouble.endswith(text) for text in look.errors.values()):
                events.append({"event": "trouble", "timestamp": now, "text": trouble})
        self.troubles = set(look.troubles)
        for name in look.errors.keys() | self.errors.keys():
            if look.errors.get(name) != self.errors.get(name):
                events.append({"event": "config", "timestamp": now, "strategy": name, "error": look.errors.get(name)})
        self.errors = look.errors
        happened = [(at, {"event": "session", "timestamp": at, "what": what, "pnl": row}) for at, what, row in look.sessions]
        for fill in reversed(look.fills):
            if fill["execution_id"] not in self.fills:
                self.fills.add(fill["execution_id"])
                at = new_york(fill["timestamp"])
                happened.append((at, {"event": "fill", **{k: v for k, v in fill.items() if k != "at"}, "timestamp": at}))
        events += [event for _, event in sorted(happened, key=lambda pair: pair[0])]
        return events + self._pnl(look, now)

    def _pnl(self, look, now):
        """Each minute of an open market; of a closed one, or one that stands still, when the figures have changed."""
        minute = now and now.replace(second=0, microsecond=0)
        figures = [(r["strategy"], r["fills"], *(r[k] for k in FIGURES)) for r in look.strategies]
        changed, stands, self.now = figures != self.figures, now == self.now, now
        due = minute != self.told and (changed or now is not None and look.clock["is_open"]) or changed and stands
        if not look.strategies or not due:
            return []
        self.told, self.figures = minute, figures
        rows = [{k: str(v) if k in FIGURES else v for k, v in row.items()} for row in (*look.strategies, look.total)]
        return [{"event": "pnl", "timestamp": now, "strategies": rows[:-1], "total": rows[-1],
                 "positions": [{k: p[k] for k in ("strategy", "symbol", "quantity", "unrealized_pnl")} for p in look.positions]}]


def sentence(event):
    """An event as a person reads it."""
    kind, at = event["event"], event["timestamp"]
    if kind == "fill":
        text = f"{event['strategy'] or '(none)'} {event['side']} {event['quantity']} {event['symbol']} at {picture.price(event['price'])}"
    elif kind == "session":
        text = event["what"]
        if event["pnl"]:
            text += f"; {event['pnl']['fills']} fills, realised {picture.cents(event['pnl']['realized_pnl'], sign=True)}"
    elif kind == "pnl":
        total = event["total"]
        text = (f"{picture.cents(total['total'], sign=True)} (realised {picture.cents(total['realized'], sign=True)}, unrealised "
                f"{picture.cents(total['unrealized'], sign=True)}): " + ", ".join(f"{r['strategy'] or '(none)'} {picture.cents(r['total'], sign=True)}" for r in event["strategies"]))
    elif kind == "account":
        text = f"{event['account']}, {event['fills']} fills so far" if event["account"] else "none yet"
    elif kind == "part":
        text = f"{event['part']} {event['state']}" + (f": {event['detail']}" if event["detail"] else "")
    elif kind == "config":
        text = f"{event['strategy']}: " + ("the edit was refused: " + event["error"].replace("\n", "; ") if event["error"] else "what is in its file is what runs")
    else:
        text = event["text"]
    return f"{at:%Y-%m-%d %H:%M:%S}  {kind:<8} {text}" if at else f"{'':19}  {kind:<8} {text}"


def lines(watcher, interval, as_json, once=False):
    teller = Teller()
    while True:
        for event in teller.tell(watcher.look()):
            at = event["timestamp"]
            print(json.dumps(event | {"timestamp": at and at.isoformat()}) if as_json else sentence(event), flush=True)
        if once:
            return
        time.sleep(interval)


# ---- showing, redrawn in place

class Looker(threading.Thread):
    """Looks every so often, so that keys and a resize never wait for a part that hangs."""

    def __init__(self, watcher, interval, poke):
        super().__init__(daemon=True)
        self.watcher, self.interval, self.poke = watcher, interval, poke
        self.at, self.seen, self.failed = None, None, None

    def run(self):
        try:
            while True:
                self.seen, self.at = self.watcher.look(), time.monotonic()
                self.poke()
                time.sleep(self.interval)
        except Exception as e:
            self.failed = e
            self.poke()


def screen(watcher, interval):
    from terminal import Terminal
    colour = not os.environ.get("NO_COLOR")
    try:
        with Terminal() as terminal:
            looker = Looker(watcher, interval, terminal.poke)
            looker.start()
            while True:
                if looker.failed:
                    raise looker.failed
                size = terminal.measure()
                if looker.seen:
                    age = time.monotonic() - looker.at
                    foot = "q quits" if age < interval + 3 else f"q quits; looking, the last answer is {age:.0f} s old"
                    drawn = picture.picture(looker.seen, *size, foot)
                else:
                    drawn = [[("looking …", "dim")]]
                terminal.show([picture.painted(line, colour) for line in drawn], size)
                if terminal.wait(1.0) in ("q", "Q", "\x04"):
                    return OK
    except KeyboardInterrupt:
        return INTERRUPTED


def run(args):
    try:
        interval = float(args.interval or 1)
    except ValueError:
        interval = 0
    if not 0.1 <= interval <= 3600:
        raise Trouble(f'--interval wants seconds from 0.1 to 3600, not "{args.interval}".', USAGE)
    watcher, on_terminal = Watcher(args.account), sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    sys.stdout.reconfigure(errors="replace")
    if args.once and not args.json:
        width, _ = os.get_terminal_size(sys.stdout.fileno()) if sys.stdout.isatty() else (110, 0)
        for line in picture.picture(watcher.look(), width, 40):
            if line:
                print(picture.painted(line, on_terminal and not os.environ.get("NO_COLOR")))
        return OK
    if on_terminal and not args.json:
        return screen(watcher, interval)
    try:
        lines(watcher, interval, args.json, args.once)
    except KeyboardInterrupt:
        return INTERRUPTED
    return OK
