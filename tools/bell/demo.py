"""./bell demo and ./bell up: start the parts, watch the week, say what came of it."""

import json
import shutil
import sys
import time
from decimal import Decimal
from pathlib import Path

import instances
import parts
import process
import report
import supervisor
import talk
import web
from place import FAILED, INVALID, LOG, SECRETS, VAR, Trouble, near

SYNTHETIC_MONDAY = "2024-03-04"  # where the synthetic week begins unless told otherwise: the same for everybody
STALL = 60  # seconds without a step of a lockstep market
DELIVERY = 60  # seconds the API may lag behind the exchange when the market has ended


def plan_of(args, speed):
    start = args.start or (None if args.bars or speed == "real" else SYNTHETIC_MONDAY)
    plan = parts.Plan(speed=speed, bars=args.bars, start=start, seed=args.seed)
    if args.broker and args.broker != "local":
        plan = parts.Plan(broker=args.broker, live=args.live, feed=args.feed or "iex", start=None)
        plan.key_file, plan.secret_file = args.key_file or plan.key_file, args.secret_file or plan.secret_file
        check_keys(plan)
    if args.config:
        plan.config = args.config
    plan.symbols = instances.check(plan)  # complaints come before anything is touched
    return plan


def check_keys(plan):
    """The account's two files, before anything is started."""
    for what, option, path in (("key", "--key-file", plan.key_file), ("secret", "--secret-file", plan.secret_file)):
        if not Path(path).is_file():
            raise Trouble(f"There is no {near(path)} with the account's {what}.", INVALID,
                          [f"Write it with: mkdir -p {near(SECRETS)}; (umask 077; cat >{near(path)}), a line and Ctrl-D; or name another file: {option} FILE.",
                           "docs/alpaca.md goes through it."])


def start(plan, crew, anew):
    """A new exchange under the API that stays; anew: with a new account, else with the one its state has. At another's exchange what
    runs for the same plan runs on."""
    crew.check_ports([part.name for part in plan.parts()])
    process.stop(parts.SUPERVISOR, 60)
    if plan.is_local or plan != parts.saved_plan():
        for name in ("engine", "streamer", "exchange"):
            if process.find(name) is not None:
                talk.step("stopping", f"the {name} of the last run")
                parts.stop(name)
    if plan.is_local and anew:
        shutil.rmtree(plan.state, ignore_errors=True)
    plan.save()
    for part in plan.parts():
        if crew.start(part.name):
            talk.step("started", part.name + (f" on 127.0.0.1:{crew.ports[part.port_names[0]]}" if part.port_names else ""))


def say_market(plan):
    if not plan.is_local:
        talk.step("broker", parts.broker_urls(plan, {})[0] + (": REAL MONEY" if plan.live else ": paper" if plan.broker == "alpaca" else ""))
        return
    if plan.bars:
        talk.step("market", f"recorded bars of {near(plan.bars)}" + (f" from {plan.start}" if plan.start else ""))
    else:
        talk.step("market", f"synthetic{f' from {plan.start}' if plan.start else ''}, seed {plan.seed or 1}: made up, no real prices (--bars DIR replays recorded ones)")
    talk.step("account", f"paper, {plan.cash:,} USD to start with, keys demo/demo")


def up(args):
    world = "1" if args.bars or args.start else "real"
    plan = plan_of(args, {None: world, "max": "lockstep"}.get(args.speed, args.speed))
    crew = parts.Crew(plan)
    plan.state = plan.kept_state()
    try:
        say_market(plan)
        if plan.is_local and plan.state.exists() and not args.new:
            talk.step("resumed", f"where it was left, with the account of then ({near(plan.state)}); --new begins again")
        start(plan, crew, args.new)
        supervisor.begin()
    except BaseException:
        crew.undo()
        raise
    talk.say(f"Everything is up, and what ends in the middle is started again (./bell logs supervisor). Stop it with ./bell down;\n"
             f"look with ./bell status and {parts.api_url(crew.ports)}/api/v1/positions")
    return 0


def demo(args):
    plan = plan_of(args, "lockstep" if args.speed in (None, "max") else args.speed)
    plan.state = VAR / "exchange" / "demo"
    crew = parts.Crew(plan)
    began = time.monotonic()
    try:
        say_market(plan)
        start(plan, crew, anew=True)
        account = parts.broker_account(crew.ports)["account_number"]
        trading = time.monotonic()
        watch(crew, account)
        trading = time.monotonic() - trading
        status = finish(args, crew, account, time.monotonic() - began, trading)
    except BaseException:
        crew.undo()
        raise
    return status


# ---- while it trades

class Sessions:
    """A line for each session that has ended, once the API holds what the exchange filled in it."""

    def __init__(self, ports, account):
        self.ports, self.account, self.current, self.waiting, self.total = ports, account, None, [], Decimal(0)

    def update(self, day, flush=False):
        if self.current and (day != self.current or flush):
            self.waiting.append(self.current)
        self.current = None if flush else day
        if self.waiting:
            self._print()

    def _print(self):
        days = {r["day"]: r for r in web.items(parts.api_url(self.ports) + "/api/v1/pnl", group_by="day", account=self.account, limit=1000)}
        while self.waiting:
            day = self.waiting[0]
            filled = sum(1 for _ in parts.broker_fills(self.ports, date=day))
            row = days.get(day, {"fills": 0, "realized_pnl": "0"})
            if int(row["fills"]) < filled:
                return
            self.waiting.pop(0)
            if filled == 0 and not days:
                continue  # the days before the first session traded
            self.total += Decimal(row["realized_pnl"])
            talk.step("session", f"{day}  {filled:>4} fills  realised P&L {talk.money(row['realized_pnl'], sign=True):>12}  so far {talk.money(self.total, sign=True):>12}")


def watch(crew, account):
    """Until the engine has ended, which it does by itself after its last session."""
    p, sessions, moved, seen = crew.ports, Sessions(crew.ports, account), time.monotonic(), None
    while process.find("engine") is not None:
        crew.keep_up()
        crew.measure()
        clock = {"timestamp": seen}
        try:
            clock = web.get(parts.exchange_url(p) + "/v2/clock", parts.broker_headers())
            day, minute = clock["timestamp"][:10], clock["timestamp"][11:16]
            sessions.update(day)
            # What it made so far is the exchange's to say: the record may still be on its way to the API.
            made = Decimal(parts.broker_account(p)["equity"]) - crew.plan.cash
            rows = web.get(parts.api_url(p) + "/api/v1/pnl", group_by="account", account=account)["items"]
            fills = rows[0]["fills"] if rows else 0
            talk.redraw(f"{'trading':<9} {day} {minute} New York  {fills} fills  so far {talk.money(made, sign=True)}")
        except web.Unreachable as e:
            talk.redraw(f"{'trading':<9} waiting: {e}")
        if clock["timestamp"] != seen:
            seen, moved = clock["timestamp"], time.monotonic()
        elif crew.plan.speed == "lockstep" and time.monotonic() - moved > STALL:
            crew.failed("engine", f"The market has stood still at {seen} for {STALL} seconds: somebody does not acknowledge.")
        time.sleep(0.15)
    status = process.last_status("engine")
    crew.started = [name for name in crew.started if name != "engine"]
    if status != 0:
        raise Trouble(f"The engine ended with status {status} ({parts.ENGINE_STATUS.get(status, 'unexpected')}).",
                      hints=[*(f"  {line}" for line in process.log_tail("engine")), f"All of it: {near(LOG / 'engine.log')}"])
    deadline = time.monotonic() + DELIVERY
    while sessions.current or sessions.waiting:
        sessions.update(None, flush=True)
        if sessions.waiting and time.monotonic() > deadline:
            break
        time.sleep(0.05)


# ---- what came of it

def delivered(p, account):
    """The exchange's fills and the API's, when the API has as many, or after DELIVERY seconds."""
    broker = list(parts.broker_fills(p))
    deadline = time.monotonic() + DELIVERY
    while True:
        rows = web.get(parts.api_url(p) + "/api/v1/pnl", group_by="account", account=account)["items"]
        if sum(int(r["fills"]) for r in rows) >= len(broker) or time.monotonic() > deadline:
            return broker, list(web.items(parts.api_url(p) + "/api/v1/fills", account=account, limit=1000))
        talk.redraw(f"{'waiting':<9} until the API has all {len(broker)} fills")
        time.sleep(0.05)


def finish(args, crew, account, seconds, trading):
    plan, p = crew.plan, crew.ports
    api = parts.api_url(p) + "/api/v1"
    broker, recorded = delivered(p, account)
    differences = report.fill_differences(broker, recorded)
    pnl = web.items(api + "/pnl", group_by="strategy", account=account, limit=1000)
    rows = report.strategies(web.items(api + "/runs", account=account), pnl,
                             web.items(api + "/equity", timeout=30, account=account, limit=1000))
    total = sum((row.total for row in rows), Decimal(0))
    change = Decimal(parts.broker_account(p)["equity"]) - plan.cash
    right = not differences and total == change

    if args.json:
        json.dump({
            "account": account, "market": "recorded" if plan.bars else "synthetic", "seconds": round(seconds, 1), "trading_seconds": round(trading, 1),
            "strategies": [{"strategy": r.strategy, "plugin": r.plugin, "capital": str(r.capital), "fills": r.fills,
                            "realized_pnl": str(r.realized), "fees": str(r.fees), "total_pnl": str(r.total),
                            "return_pct": f"{r.return_pct:.4f}", "max_drawdown": str(r.drawdown)} for r in rows],
            "total_pnl": str(total), "account_change": str(change), "exchange_fills": len(broker), "api_fills": len(recorded),
            "reconciled": right, "differences": differences, "peak_bytes": crew.peaks, "api": api,
        }, sys.stdout, indent=2)
        print(flush=True)
    else:
        talk.say()
        talk.table(report.table(rows), left=2)
        print(flush=True)
    line = (f"API P&L {talk.money(total, sign=True)} USD, exchange's account {talk.money(change, sign=True)} USD; "
            f"fills {len(recorded)} in the API, {len(broker)} at the exchange: ")
    if right:
        talk.step("checked", line + "equal, one to one.")
    else:
        talk.step("checked", talk.red(line + "THEY DIFFER."))
        for d in differences[:10]:
            talk.say(f"  {d}")
        talk.say(f"  The logs are in {near(LOG)}; what the API does not have may still be in {near(VAR)}/streamer/outbox.")
        return FAILED
    talk.say(f"""
Still up: the API on {parts.api_url(p)}, the exchange on {parts.exchange_url(p)}. Account {account}, {seconds:.0f} s. Try:
  curl -s '{api}/pnl?group_by=strategy,day&account={account}'
  curl -s '{api}/fills?account={account}&format=csv'
  ./bell demo       another week: a new account; what was recorded stays
  ./bell down       stop everything""")
    return 0
