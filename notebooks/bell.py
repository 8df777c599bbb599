"""What the notebooks share: every list of the API as a DataFrame in one call, and the figures of a week.

    api = bell.Api()                                # BELL_API, BELL_ACCOUNT, BELL_EXCHANGE; see below
    api.fills(strategy="overnight")                 # pages followed, types right, times in UTC
    api.pnl(group_by="strategy,day")

Money is Decimal and exact. Bars and equity, of which there are thousands and which are drawn and not added up, are float64
(exact=True: Decimal too). Times are UTC and carry their zone; the index of a list is its time. What goes wrong is a sentence.

    BELL_API        the API, default http://127.0.0.1:8080
    BELL_EXCHANGE   the broker, for the reconciliation, default http://127.0.0.1:8081; keys APCA_API_KEY_ID, APCA_API_SECRET_KEY
    BELL_ACCOUNT    default: the newest, which is the broker's own if the API knows it
    BELL_CASH       what that account began with, default 1000000
    BELL_BENCHMARK  the symbol to compare with, default SPY
"""

import os
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partialmethod
from html import escape
from math import sqrt

import numpy as np
import pandas as pd
import requests

NEW_YORK = "America/New_York"
MINUTES_A_YEAR = 252 * 390
CENT = Decimal("0.005")
AUCTIONS = ("opg", "cls")

# ---- the API's lists

LISTS = {  # method: path, the time that is the index, has it an account
    "fills": ("/fills", "timestamp", True),
    "orders": ("/orders", "submitted_at", True),
    "order_events": ("/order-events", "timestamp", True),
    "positions": ("/positions", None, True),
    "pnl": ("/pnl", None, True),
    "bars": ("/bars", "timestamp", False),
    "equity": ("/equity", "timestamp", True),
    "decisions": ("/decisions", "timestamp", True),
    "runs": ("/runs", "started_at", True),
    "strategies": ("/strategies", "started_at", True),
    "position_snapshots": ("/position-snapshots", "timestamp", True),
    "accounts": ("/accounts", "timestamp", True),
    "config_errors": ("/config-errors", "timestamp", True),
}
TIMES = {"timestamp", "submitted_at", "updated_at", "started_at", "ended_at", "config_changed_at", "config_error_at"}
WHOLE = {"quantity", "filled_quantity", "fill_quantity", "quantity_traded", "fills", "volume", "sequence", "version", "days"}
MONEY = {"price", "fee", "fees", "fill_price", "average_price", "limit_price", "market_price", "market_value", "capital",
         "realized_pnl", "unrealized_pnl", "total_pnl"}
DRAWN = {"open", "high", "low", "close", "cash", "equity", "exposure"}


class BellError(Exception):
    """One sentence for the reader."""

    def _render_traceback_(self):  # what IPython shows in place of a traceback
        return [f"BellError: {self}"]


def typed(frame, exact=False):
    """The API's strings as what they mean."""
    for name in frame.columns:
        column = frame[name]
        if name in TIMES:
            frame[name] = pd.to_datetime(column, utc=True, format="ISO8601")
        elif name in WHOLE:
            frame[name] = pd.array([None if pd.isna(v) else int(v) for v in column], dtype="Int64" if column.isna().any() else "int64")
        elif name in MONEY or (exact and name in DRAWN):
            frame[name] = pd.Series([None if pd.isna(v) else Decimal(str(v)) for v in column], index=frame.index, dtype=object)
        elif name in DRAWN:
            frame[name] = column.astype("float64")
    return frame


def get(session, url, query):
    """The reply of a 200; anything else is a BellError. What is on this machine is not asked for through a proxy."""
    session.trust_env = url.startswith("https:")
    try:
        reply = session.get(url, params=query, timeout=60)
    except requests.RequestException:
        raise BellError(f"{url} does not answer. Is it up? (./bell status)") from None
    if reply.status_code == 200:
        return reply
    try:
        said = reply.json()
        said = said.get("detail") or said.get("message") or said.get("title")
    except (ValueError, AttributeError):
        said = reply.text[:200]
    raise BellError(f"{url} refused ({reply.status_code}): {said}")


class Api:
    """The API, for one account. Lists: fills orders order_events positions position_snapshots pnl bars equity decisions runs
    strategies accounts config_errors."""

    def __init__(self, url=None, account=None, exchange=None):
        self.url = (url or os.environ.get("BELL_API") or "http://127.0.0.1:8080").rstrip("/")
        self.session = requests.Session()
        self.exchange = exchange or Exchange()
        self.account = account or os.environ.get("BELL_ACCOUNT") or self.newest_account()
        if self.account not in self.known_accounts():
            raise BellError(f"The API has nothing of an account {self.account}. It knows: {', '.join(self.known_accounts()) or 'none'}.")

    def get(self, path, **query):
        return get(self.session, self.url + path, query).json()

    def items(self, path, **query):
        """All items of a list as the API gives them, page by page."""
        query, found = {"limit": 1000} | query, []
        while True:
            page = self.get("/api/v1" + path, **query)
            found += page["items"]
            if not page["next_cursor"]:
                return found
            query["cursor"] = page["next_cursor"]

    def frame(self, name, exact=False, **filters):
        """All items of a list; filters as in api/openapi.yaml, a list or a time will do for a value."""
        path, index, has_account = LISTS[name]
        query = {"account": self.account} if has_account else {}
        for key, value in filters.items():
            value = ",".join(value) if isinstance(value, (list, tuple, set)) else value
            value = str(value).lower() if isinstance(value, bool) else value
            query[key] = value.isoformat() if hasattr(value, "isoformat") else value
        items = self.items(path, **query)
        if items:
            frame = pd.DataFrame(items)
        else:  # nothing: the names of the columns are in the head of the CSV
            head = get(self.session, f"{self.url}/api/v1{path}", {**query, "format": "csv"}).text.splitlines()[0]
            frame = pd.DataFrame(columns=head.split(","), dtype=object)
        frame = typed(frame, exact)
        return frame.set_index(index) if index else frame

    def known_accounts(self):
        found = self.items("/runs") + self.items("/pnl", group_by="account")
        return sorted({row["account"] for row in found})

    def newest_account(self):
        """The broker's, if the API knows it; otherwise that of the run that began last."""
        known = self.known_accounts()
        if not known:
            raise BellError(f"{self.url} has no account yet. Trade a week first: ./bell demo")
        try:
            now = self.exchange.account()["account_number"]
        except BellError:
            now = None
        if now in known:
            return now
        runs = sorted(self.items("/runs"), key=lambda run: run["started_at"])
        return runs[-1]["account"] if runs else known[-1]


for _name in LISTS:
    setattr(Api, _name, partialmethod(Api.frame, _name))


class Exchange:
    """The broker, as Alpaca's REST has it: what it says of the account and its fills."""

    def __init__(self, url=None):
        self.url = (url or os.environ.get("BELL_EXCHANGE") or "http://127.0.0.1:8081").rstrip("/")
        self.session = requests.Session()
        self.session.headers.update({"APCA-API-KEY-ID": os.environ.get("APCA_API_KEY_ID", "demo"),
                                     "APCA-API-SECRET-KEY": os.environ.get("APCA_API_SECRET_KEY", "demo")})

    def get(self, path, **query):
        return get(self.session, self.url + path, query).json()

    def account(self):
        return self.get("/v2/account")

    def fills(self):
        items, page, query = [], None, {"page_size": 100, "direction": "asc"}
        while page is None or len(page) == 100:
            page = self.get("/v2/account/activities/FILL", **query)
            items += page
            query["page_token"] = items[-1]["id"] if items else None
        rows = [(a["id"].partition("::")[2], a["symbol"], "buy" if a["side"] == "buy" else "sell", int(Decimal(a["qty"])), Decimal(a["price"])) for a in items]
        return pd.DataFrame(rows, columns=["execution_id", "symbol", "side", "quantity", "price"])

    def sessions(self, first, last):
        """A row a session, by its New York date: open and close, UTC."""
        days = self.get("/v2/calendar", start=str(first), end=str(last))
        at = {k: [pd.Timestamp(f"{d['date']} {d[k]}", tz=NEW_YORK).tz_convert("UTC") for d in days] for k in ("open", "close")}
        return pd.DataFrame(at, index=pd.Index([d["date"] for d in days], name="day"))


# ---- time

def new_york_day(times):
    """The date in New York of each time, as text."""
    return pd.Index(pd.DatetimeIndex(times).tz_convert(NEW_YORK).strftime("%Y-%m-%d"))


def opens_session(times):
    """True for each first row of a New York day."""
    day = pd.Series(new_york_day(times))
    return (day != day.shift()).to_numpy(copy=True)


def gaps(bars, sessions):
    """A row for each symbol and session with missing minutes: how many, and which (the first few)."""
    rows = []
    for day, at in sessions.iterrows():
        minutes = pd.date_range(at["open"], at["close"], freq="1min", inclusive="left")
        for symbol, own in bars.groupby("symbol"):
            missing = minutes.difference(own.index)
            if len(missing):
                shown = ", ".join(missing[:4].tz_convert(NEW_YORK).strftime("%H:%M")) + (", …" if len(missing) > 4 else "")
                rows.append((symbol, day, len(missing), len(minutes), shown))
    return pd.DataFrame(rows, columns=["symbol", "day", "missing", "of", "New York"])


# ---- trades: from flat to flat, by strategy and symbol

def slippage(fills, orders, bars):
    """Dollars lost by each fill against the last minute's close when its order was sent (negative: gained). NaN for orders
    in an auction, which trade at its one price, and where no bar came before."""
    asked = orders.reset_index()[["order_id", "submitted_at", "time_in_force"]].dropna(subset=["order_id"])
    sent = fills.reset_index().merge(asked, on="order_id", how="left")
    known = bars.reset_index()[["timestamp", "symbol", "close"]]
    known = known.assign(timestamp=known["timestamp"] + pd.Timedelta(minutes=1)).sort_values("timestamp")  # a close is known when its minute is over
    rows = sent.reset_index().dropna(subset=["submitted_at"]).sort_values("submitted_at")
    rows["submitted_at"] = rows["submitted_at"].astype(known["timestamp"].dtype)
    rows = pd.merge_asof(rows, known.rename(columns={"timestamp": "known_at"}), left_on="submitted_at", right_on="known_at", by="symbol")
    lost = (rows["price"].astype(float) - rows["close"]) * rows["quantity"] * rows["side"].map({"buy": 1, "sell": -1})
    lost = lost.where(~rows["time_in_force"].isin(AUCTIONS))
    return pd.Series(lost.to_numpy(), index=rows["index"]).reindex(range(len(fills))).to_numpy()


TRADE = ["strategy", "symbol", "side", "quantity", "entry", "exit", "hold", "entry_price", "exit_price", "pnl", "fees", "slippage"]


def trades(fills, marks=None):
    """A row a trade, from flat to flat: pnl after fees; what is still held is valued at marks {symbol: price}, its exit NaT.
    A fill that goes through zero ends one trade and begins the next. slippage: of fills' column, if it has one."""
    done, held = [], {}
    for f in fills.reset_index().itertuples():
        key, sign, left, fee = (f.strategy, f.symbol), 1 if f.side == "buy" else -1, int(f.quantity), f.fee or Decimal(0)
        while left:
            t = held.setdefault(key, {"side": sign, "entry": f.timestamp, "position": 0, "bought": [0, Decimal(0)], "sold": [0, Decimal(0)],
                                      "fees": Decimal(0), "slippage": float("nan")})
            part = min(left, abs(t["position"])) if sign != t["side"] else left
            t["position"] += sign * part
            traded = t["bought" if sign > 0 else "sold"]
            traded[0] += part
            traded[1] += part * f.price
            share = fee * part / left if part < left else fee
            fee -= share
            t["fees"] += share
            lost = getattr(f, "slippage", float("nan")) * part / int(f.quantity)
            t["slippage"] = lost if np.isnan(t["slippage"]) else t["slippage"] if np.isnan(lost) else t["slippage"] + lost
            left -= part
            if t["position"] == 0:
                done.append(_trade(key, held.pop(key), f.timestamp))
    done += [_trade(key, t, pd.NaT, (marks or {}).get(key[1])) for key, t in held.items()]
    return pd.DataFrame(done, columns=TRADE).sort_values(["entry", "strategy", "symbol"], kind="stable").reset_index(drop=True)


def _trade(key, t, exit, mark=None):
    opened, closed = (t["bought"], t["sold"]) if t["side"] > 0 else (t["sold"], t["bought"])
    price = [side[1] / side[0] if side[0] else None for side in (opened, closed)]
    if t["position"] and mark is None:
        raise BellError(f"{key[0]} still holds {t['position']} {key[1]}, and there is no price to value it at.")
    pnl = t["sold"][1] - t["bought"][1] + t["position"] * (mark or 0) - t["fees"]
    return (*key, "long" if t["side"] > 0 else "short", opened[0], t["entry"], exit, exit - t["entry"], *price, pnl, t["fees"], t["slippage"])


# ---- statistics. None where a figure is undefined, never 0

def wilson(hits, n, z=1.96):
    """Share of hits with its 95 % interval (Wilson): right for small n too."""
    if n == 0:
        return None, None, None
    p, middle, spread = hits / n, (hits + z * z / 2) / (n + z * z), z * sqrt(hits * (n - hits) / n + z * z / 4) / (n + z * z)
    return p, max(0.0, middle - spread), min(1.0, middle + spread)


def profit_factor(pnl):
    """Won dollars for each lost one."""
    values = np.asarray(pnl, dtype=float)
    lost = -values[values < 0].sum()
    return values[values > 0].sum() / lost if lost > 0 else None


def bootstrap(values, statistic, draws=2000, seed=1):
    """95 % interval of a statistic by drawing again from the values (the same each time). None: no values, or it is
    undefined in more than one draw of forty, so that the interval has no end."""
    values, random = np.asarray(values, dtype=float), np.random.default_rng(seed)
    if len(values) == 0:
        return None, None
    found = [statistic(random.choice(values, len(values))) for _ in range(draws)]
    found = [np.inf if v is None else v for v in found]
    low, high = np.quantile(found, [0.025, 0.975], method="inverted_cdf")
    return tuple(None if np.isinf(v) else float(v) for v in (low, high))


def by_strategy(trips):
    """How the trades went: a row a strategy and one for all of them."""
    groups = [(name, own) for name, own in trips.groupby("strategy")] + [("all", trips)]
    rows = {}
    for name, own in groups:
        pnl = own["pnl"].astype(float).to_numpy()
        won, lost = pnl[pnl > 0], pnl[pnl < 0]
        rate, factor = wilson(len(won), len(pnl)), profit_factor(pnl)
        rows[name] = {"trades": len(pnl), "hit_rate": rate[0], "hit_low": rate[1], "hit_high": rate[2],
                      "profit_factor": factor, **dict(zip(("factor_low", "factor_high"), bootstrap(pnl, profit_factor))),
                      "expectancy": pnl.mean() if len(pnl) else None, **dict(zip(("expectancy_low", "expectancy_high"), bootstrap(pnl, np.mean))),
                      "average_win": won.mean() if len(won) else None, "average_loss": lost.mean() if len(lost) else None,
                      "median_hold": own["hold"].median()}
    return pd.DataFrame(rows).T


def capital(runs):
    """Of each strategy, as its latest run has it."""
    return runs.groupby("strategy")["capital"].last().astype(float)


def curves(equity, runs, column="equity"):
    """One column a strategy, one row a minute. A strategy without a row yet stands at its capital; later gaps keep the last value."""
    start = capital(runs) if column != "exposure" else {}
    wide = equity.pivot_table(index=equity.index, columns="strategy", values=column, aggfunc="last").ffill()
    return wide.fillna({name: start.get(name, 0.0) for name in wide.columns})


def minute_returns(curve, capital):
    """Returns on capital from minute to minute within sessions; a night is no minute."""
    return (curve.diff() / capital)[~opens_session(curve.index)]


def sharpe(returns, sessions, minutes=MINUTES_A_YEAR):
    """Annualised from minute returns, with its 95 % interval (Lo 2002) and a warning under 20 sessions."""
    n = len(returns)
    found = {"n": n, "sharpe": None, "low": None, "high": None, "warning": "short sample" if sessions < 20 else ""}
    deviation = float(np.std(returns, ddof=1)) if n > 1 else 0.0
    if deviation > 1e-15:
        each = float(np.mean(returns)) / deviation
        error = sqrt((1 + each * each / 2) / n)
        found |= {k: v * sqrt(minutes) for k, v in (("sharpe", each), ("low", each - 1.96 * error), ("high", each + 1.96 * error))}
    return found


def drawdown(curve, capital):
    """Dollars below the highest point so far (0 or less); the start counts."""
    return curve - curve.cummax().clip(lower=capital)


def worst_drawdowns(curve, capital, count=3):
    """The deepest falls: from which peak, to which trough, and when it was made good (NaT: not yet)."""
    below, rows = drawdown(curve, capital), []
    under = below < 0
    for _, spell in below[under].groupby((~under).cumsum()[under]):
        at = below.index.get_loc(spell.index[0])
        after = below.index.get_loc(spell.index[-1]) + 1
        rows.append((-spell.min(), below.index[max(at - 1, 0)], spell.idxmin(), below.index[after] if after < len(below) else pd.NaT))
    found = pd.DataFrame(rows, columns=["depth", "peak", "trough", "recovered"])
    return found.sort_values("depth", ascending=False, kind="stable").head(count).reset_index(drop=True)


def pnl_by_hour(wide, capital):
    """Dollars by New York hour and strategy. What changed from a session's last row to the next one's first is the night's."""
    local = wide.index.tz_convert(NEW_YORK)
    changes = wide.diff()
    changes.iloc[:1] = wide.iloc[:1] - capital.reindex(wide.columns)
    hour = np.where(local.hour == 16, 15, local.hour)  # the closing auction stands at 16:00
    label = np.array(["09:30–10" if h == 9 else f"{h:02d}–{h + 1:02d}" for h in hour], dtype=object)
    night = opens_session(wide.index)
    night[:1] = False
    label[night] = "night"
    return changes.groupby(label).sum().sort_index()


# ---- does it all agree?

@dataclass
class Reconciliation:
    api: Decimal
    trades: Decimal
    exchange: Decimal | None = None     # the account's change; None: it could not be asked
    differences: list = field(default_factory=list)
    trading: bool = False               # the figures were read one after another, while they moved

    @property
    def right(self):
        return self.exchange is not None and not self.differences and abs(self.api - self.trades) < CENT and abs(self.api - self.exchange) < CENT

    @property
    def sentence(self):
        there = "not known" if self.exchange is None else f"{dollars(self.exchange, sign=True)}"
        line = f"P&L by the API {dollars(self.api, sign=True)}, sum of the trades {dollars(self.trades, sign=True)}, change of the exchange's account {there}"
        if self.right:
            return line + ": they agree to the cent, and every fill of the exchange is in the API once."
        why = self.differences[:5] + [f"And {len(self.differences) - 5} more."] * (len(self.differences) > 5)
        why += ["A strategy is still trading, and figures read one after another need not agree: look again when it has finished."] * self.trading
        return " ".join([line + ": THEY DO NOT AGREE.", *why])

    def _repr_html_(self):
        colour, back = ("#14532d", "#e8f5e9") if self.right else ("#ffffff", "#b71c1c")
        return f'<p style="padding:.6em 1em;font-weight:600;color:{colour};background:{back};-webkit-print-color-adjust:exact">{escape(self.sentence)}</p>'


def reconcile(api, fills, trips, cash=None):
    """The API's total, the trades, and what the broker says of account and fills."""
    total = sum(api.pnl(group_by="account")["total_pnl"], Decimal(0))
    found = Reconciliation(total, sum(trips["pnl"], Decimal(0)), trading=not api.runs(status="running").empty)
    try:
        account = api.exchange.account()
        if account["account_number"] != api.account:
            raise BellError(f"The exchange now serves account {account['account_number']}, not {api.account}.")
        there = api.exchange.fills()
    except BellError as e:
        found.differences.append(str(e))
        return found
    found.exchange = Decimal(account["equity"]) - Decimal(cash or os.environ.get("BELL_CASH") or 1_000_000)
    found.differences = fill_differences(fills, there)
    return found


def fill_differences(here, there):
    """A sentence for each fill that the API and the exchange do not have alike, once."""
    columns = ["symbol", "side", "quantity", "price"]
    ours, theirs = ({row[0]: row[1:] for row in side[["execution_id", *columns]].itertuples(index=False, name=None)} for side in (here, there))
    found = [f"Fill {key} is not in the API." for key in theirs if key not in ours] + [f"Fill {key} is unknown to the exchange." for key in ours if key not in theirs]
    found += [f"Fill {key} is {ours[key]} in the API, {theirs[key]} at the exchange." for key in ours if key in theirs and ours[key] != theirs[key]]
    return found + ([f"{len(here) - len(ours)} fills are in the API twice."] if len(here) != len(ours) else [])


# ---- words

def dollars(value, sign=False):
    if value is None or pd.isna(value):
        return "—"
    rounded = Decimal(str(value)).quantize(Decimal("0.01"))
    return ("-" if rounded < 0 else "+" if sign and rounded else "") + f"${abs(rounded):,.2f}"


def percent(value, digits=2, sign=False):
    return "—" if value is None or pd.isna(value) else f"{value * 100:{'+' if sign else ''}.{digits}f} %"


def interval(value, low, high, show=lambda v: f"{v:.2f}"):
    """0.43 [0.35, 0.51]; an end that does not exist is ∞."""
    if value is None or pd.isna(value):
        return "—"
    return f"{show(value)} [{'−∞' if low is None or pd.isna(low) else show(low)}, {'∞' if high is None or pd.isna(high) else show(high)}]"


def verdict(pnl, capital, trips, depth, days, benchmark=None, name="SPY"):
    """The week in a paragraph. pnl, capital: by strategy; depth: of the worst drawdown, dollars."""
    total, put_in = sum(pnl, Decimal(0)), float(capital.sum())
    word = "made" if total > 0 else "lost" if total < 0 else "neither made nor lost anything:"
    said = [f"In {days} session{'s' * (days != 1)} the {len(pnl)} strategies together {word} {dollars(abs(total))} after fees, "
            f"{percent(float(total) / put_in, sign=True) if put_in else '—'} on {dollars(put_in)} of capital."]
    if benchmark is not None:
        said.append(f"{name} did {percent(benchmark, sign=True)} from its first open to its last close.")
    if len(pnl) > 1 and pnl.max() != pnl.min():
        said.append(f"Best was {pnl.astype(float).idxmax()} ({dollars(pnl.max(), sign=True)}), worst {pnl.astype(float).idxmin()} ({dollars(pnl.min(), sign=True)}).")
    said.append(f"At the worst moment they were {dollars(depth)} below their peak.")
    values = trips["pnl"].astype(float).to_numpy()
    if len(values):
        rate, mean = wilson((values > 0).sum(), len(values)), bootstrap(values, np.mean)
        said.append(f"{len(values)} trades, {percent(rate[0], 0)} of them won (interval {percent(rate[1], 0)} to {percent(rate[2], 0)}); the average one made "
                    f"{dollars(values.mean(), sign=True)}, and the interval from {dollars(mean[0], sign=True)} to {dollars(mean[1], sign=True)} "
                    + ("holds zero: this week does not show an edge, nor its absence." if mean[0] <= 0 <= mean[1] else "leaves zero out, in this one week."))
    held = trips["exit"].isna().sum()
    said.append(f"{held} trade{'s are' if held != 1 else ' is'} still open." if held else "Nothing is held at the end.")
    return " ".join(said)


# ---- pictures

ON_PAPER = """<style>@media print {
@page { size: A4 landscape; margin: 12mm }
body { zoom: 0.8 }
body, main, .jp-Notebook, .jp-Cell, .jp-OutputArea, .jp-OutputArea-child, .jp-OutputArea-output { display: block !important; overflow: visible !important }
.jp-OutputPrompt, .jp-InputPrompt { display: none !important }
.jp-MarkdownCell, h1, h2 { break-after: avoid }
tr, img { break-inside: avoid }
img { max-height: 165mm; width: auto !important; height: auto !important }
thead { display: table-header-group }
}</style>"""

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7b3294", "#8c510a"]
TOTAL, BENCHMARK = "#222222", "#888888"


def colours(names):
    """One colour a strategy, by the order of the names: the same in every plot."""
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(sorted(names))}


def session_axis(axes, times):
    """Sessions side by side without the nights between them: x is the row's number. Shades every other one, names each."""
    day = new_york_day(times)
    starts = [*np.flatnonzero(opens_session(times)), len(day)]
    for n, (a, b) in enumerate(zip(starts, starts[1:])):
        if n % 2:
            axes.axvspan(a - 0.5, b - 0.5, color="#f2f2f2", zorder=0, linewidth=0)
    axes.set_xticks([(a + b) / 2 for a, b in zip(starts, starts[1:])], [pd.Timestamp(day[a]).strftime("%a %-d %b") for a in starts[:-1]])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, len(day) - 0.5)


def table(frame, words=(), size="1em", **formats):
    """A frame for the page: words to the left, figures to the right, losses in red, — for what is not defined.
    formats: column=function; size: of the letters."""
    frame = frame.rename_axis(None).rename_axis(None, axis=1)
    signed = [name for name in frame.columns if formats.get(name) is signed_dollars]
    shown = frame.style.format(formats, na_rep="—").set_table_styles([
        {"selector": "", "props": f"font-size: {size}"},
        {"selector": "td, th", "props": "text-align: right; padding: .25em .7em; white-space: nowrap; font-variant-numeric: tabular-nums"},
        {"selector": "th.row_heading", "props": "text-align: left"}])
    shown.set_table_styles({name: [{"selector": "", "props": "text-align: left"}] for name in words}, overwrite=False)
    return shown.map(lambda v: "color: #b71c1c" if not pd.isna(v) and v < 0 else "", subset=signed)


def signed_dollars(value):
    return dollars(value, sign=True)


def duration(value):
    """12 min, 3 h 05, 2 d 17 h."""
    if pd.isna(value):
        return "—"
    minutes = round(pd.Timedelta(value).total_seconds() / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d}" if hours < 24 else f"{hours // 24} d {hours % 24} h"
