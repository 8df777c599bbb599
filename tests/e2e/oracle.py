"""What the four strategies must have traded, from the recorded files alone: an independent second opinion.

Knows nothing of the programs; only the rules of README.md and docs/architecture.md ("Replay rules"), written
again in the plainest way. Times are whole seconds UTC, prices Decimal."""

import bisect
import csv
import datetime as dt
import itertools
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
MINUTE = 60
HALF_DAYS = {"2013-07-03", "2013-11-29", "2013-12-24", "2024-07-03", "2024-11-29", "2024-12-24"}  # 13:00; enough for the tests


def seconds(text):
    return int(dt.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def rows(path):
    with open(path, newline="") as f:
        yield from csv.DictReader(f)


@dataclass(frozen=True)
class Bar:
    start: int
    open: Decimal
    close: Decimal


@dataclass(frozen=True)
class Session:
    date: str
    open: int
    close: int


@dataclass(frozen=True, order=True)
class Fill:
    strategy: str
    time: int
    symbol: str
    side: str
    quantity: int
    price: Decimal


def session_of(date):
    day = dt.date.fromisoformat(date)
    at = lambda hour, minute: int(dt.datetime.combine(day, dt.time(hour, minute), NEW_YORK).timestamp())
    return Session(date, at(9, 30), at(13, 0) if date in HALF_DAYS else at(16, 0))


class Market:
    def __init__(self, folder, with_quotes=True):
        folder = Path(folder)
        self.bars, self.quotes = defaultdict(list), defaultdict(list)
        for row in rows(folder / "bars-1min.csv"):
            self.bars[row["symbol"]].append(Bar(seconds(row["timestamp"]), Decimal(row["open"]), Decimal(row["close"])))
        if with_quotes and (folder / "quotes-1min.csv").exists():
            for row in rows(folder / "quotes-1min.csv"):
                # The state at the end of its minute.
                self.quotes[row["symbol"]].append((seconds(row["timestamp"]) + MINUTE, Decimal(row["bid"] or 0), Decimal(row["ask"] or 0)))
        self.starts = {symbol: [bar.start for bar in bars] for symbol, bars in self.bars.items()}
        dates = {dt.datetime.fromtimestamp(bar.start, NEW_YORK).date().isoformat() for bars in self.bars.values() for bar in bars}
        self.sessions = [s for s in map(session_of, sorted(dates)) if any(self.regular(symbol, s) for symbol in self.bars)]

    def between(self, symbol, start, end):
        starts = self.starts[symbol]
        return self.bars[symbol][bisect.bisect_left(starts, start):bisect.bisect_left(starts, end)]

    def regular(self, symbol, session):
        return self.between(symbol, session.open, session.close)

    def opening(self, symbol, session):
        """Price and time of the opening auction: the open of the first regular bar."""
        bars = self.regular(symbol, session)
        return (bars[0].open, bars[0].start) if bars else None

    def closing(self, symbol, session):
        bars = self.regular(symbol, session)
        return (bars[-1].close, session.close) if bars else None

    def last_price(self, symbol, time):
        """Close of the newest bar that has ended."""
        i = bisect.bisect_right(self.starts[symbol], time - MINUTE)
        return self.bars[symbol][i - 1].close if i else None

    def market_order(self, symbol, side, time, session):
        """(price, time) at which a market order sent at `time` trades; None when it never does."""
        quotes = self.quotes[symbol]
        i = bisect.bisect_right(quotes, time, key=lambda q: q[0])
        if i:
            end, bid, ask = quotes[i - 1]
            price = ask if side == "buy" else bid
            if price > 0 and dt.datetime.fromtimestamp(end, NEW_YORK).date().isoformat() == session.date:
                return price, time
        for bar in self.between(symbol, time, session.close):
            return bar.open, bar.start
        return None


class Book:
    """Collects fills of one instance; asserts that nothing is ever lost."""

    def __init__(self, market, strategy):
        self.market, self.strategy, self.fills = market, strategy, []

    def trade(self, symbol, side, quantity, at):
        price, time = at
        self.fills.append(Fill(self.strategy, time, symbol, side, quantity, price))
        return time


def buy_close_sell_open(market, strategy, sessions, symbols, quantity):
    book = Book(market, strategy)
    for today, tomorrow in itertools.pairwise(sessions):  # no purchase in the last one
        for symbol in symbols:
            book.trade(symbol, "buy", quantity, market.closing(symbol, today))
            book.trade(symbol, "sell", quantity, market.opening(symbol, tomorrow))
    return book.fills


def momentum_30min(market, strategy, sessions, symbols, quantity, threshold=Decimal("0.01"), entry=30 * MINUTE, exit=5 * MINUTE):
    book = Book(market, strategy)
    for session in sessions:
        for symbol in symbols:
            at = session.open + entry
            opened = market.opening(symbol, session)
            if opened is None or opened[1] >= at:
                continue
            rose = market.last_price(symbol, at) > opened[0] * (1 + threshold)
            side, back = ("buy", "sell") if rose else ("sell", "buy")
            book.trade(symbol, side, quantity, market.market_order(symbol, side, at, session))
            book.trade(symbol, back, quantity, market.market_order(symbol, back, session.close - exit, session))
    return book.fills


def ma_crossover(market, strategy, sessions, symbols, quantity, fast=10, slow=30, exit=5 * MINUTE):
    book = Book(market, strategy)
    for session in sessions:
        for symbol in symbols:
            closes, held = [], False
            out = session.close - exit
            for bar in market.regular(symbol, session):
                now = bar.start + MINUTE
                if now >= out:
                    break
                closes.append(bar.close)
                if len(closes) < slow:
                    continue
                # fast average > slow average, without dividing
                wanted = sum(closes[-fast:]) * slow > sum(closes[-slow:]) * fast
                if wanted != held:
                    side = "buy" if wanted else "sell"
                    if book.trade(symbol, side, quantity, market.market_order(symbol, side, now, session)):
                        held = wanted
            if held:
                book.trade(symbol, "sell", quantity, market.market_order(symbol, "sell", out, session))
    return book.fills


HOUR = 3600
MOODS = (("open", 0, "cheerful"), ("open", 2 * HOUR, "gloomy"), ("close", -HOUR, "greedy"))  # config/strategies/moody.yaml


def moody_trader(market, strategy, sessions, symbols, quantity, moods=MOODS, exit=5 * MINUTE):
    book = Book(market, strategy)
    for session in sessions:
        plan = [(getattr(session, base) + offset, mood) for base, offset, mood in moods]
        for symbol in symbols:
            held = 0
            for at, mood in [*plan, (session.close - exit, "out")]:
                opened, last = market.opening(symbol, session), market.last_price(symbol, at)
                known = opened is not None and opened[1] <= at and last is not None
                greedy = -quantity if known and last <= opened[0] else quantity
                target = {"cheerful": quantity, "gloomy": -quantity, "greedy": greedy, "out": 0}[mood]
                if target != held:
                    side = "buy" if target > held else "sell"
                    book.trade(symbol, side, abs(target - held), market.market_order(symbol, side, at, session))
                    held = target
    return book.fills


PLUGINS = {f.__name__: f for f in (buy_close_sell_open, momentum_30min, ma_crossover, moody_trader)}


def expected(market, instances, first, days):
    """instances: {name: (plugin, symbols, quantity)} with the parameters of config/strategies. All fills, sorted; what one order
    filled in parts at one time and price counts as one."""
    sessions = [s for s in market.sessions if s.date >= first][:days]
    fills = [fill for name, (plugin, symbols, quantity) in instances.items()
             for fill in PLUGINS[plugin](market, name, sessions, symbols, quantity)]
    return merged(fills)


def merged(fills):
    total = defaultdict(int)
    for f in fills:
        total[(f.strategy, f.time, f.symbol, f.side, f.price)] += f.quantity
    return sorted(Fill(strategy, time, symbol, side, quantity, price) for (strategy, time, symbol, side, price), quantity in total.items())
