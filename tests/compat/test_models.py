"""Every object of the SDK's models, from the wire: it parses, nothing the model knows is lost on the way, and amounts are of the type the
broker sends (decimal strings in trading, numbers in market data)."""

import re
import uuid

import market
import pytest
from alpaca.data.models import Bar, Quote, Snapshot, Trade
from alpaca.data.models.bars import BarSet
from alpaca.data.models.quotes import QuoteSet
from alpaca.trading.models import (AccountConfiguration, Asset, Calendar, ClosePositionResponse, Clock, Order, PortfolioHistory, Position, TradeAccount, TradeActivity,
                                   TradeUpdate, Watchlist)
from alpaca.trading.requests import CancelOrderResponse

DECIMAL = re.compile(r"-?\d+(\.\d{1,16})?")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def post(me, **what):
    body = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "limit", "time_in_force": "day", "limit_price": "90", **what}
    return me.trading.post("/orders", {name: value for name, value in body.items() if value is not None})


def bought(me):
    return post(me, type="market", limit_price=None)


def order_of(**what):
    return lambda me: post(me, **what)


def filled(me):
    return me.trading.get(f"/orders/{bought(me)['id']}")


def cancelled(me):
    order = post(me)
    me.trading.delete(f"/orders/{order['id']}")
    return me.trading.get(f"/orders/{order['id']}")


def replaced(me):
    order = post(me)
    me.trading.patch(f"/orders/{order['id']}", {"limit_price": "91"})
    return me.trading.get(f"/orders/{order['id']}")


def replacement(me):
    return me.trading.patch(f"/orders/{post(me)['id']}", {"limit_price": "91"})


def after_buying(path, **query):
    return lambda me: [bought(me), me.trading.get(path, query)][1]


def closed_all(held):
    def close(me):
        bought(me)
        if held:
            post(me, side="sell", limit_price="110")
        return me.trading.delete("/positions")[0]
    return close


def update(number):
    def take(me):
        stream = me.trade_updates(raw_data=True).listening()
        bought(me)
        return stream.until("three updates", lambda got: len(got) == 3)[number]["data"]
    return take


LEGS = {"take_profit": {"limit_price": "105"}, "stop_loss": {"stop_price": "95"}}
NIGHT = {"start": "2024-07-02", "end": "2024-07-02"}
TRADING = [
    ("account", TradeAccount, lambda me: me.trading.get("/account")),
    ("account with positions both ways", TradeAccount, lambda me: [bought(me), post(me, symbol="IBM", type="market", limit_price=None, side="sell"), me.trading.get("/account")][2]),
    ("configurations", AccountConfiguration, lambda me: me.trading.get("/account/configurations")),
    ("clock", Clock, lambda me: me.trading.get("/clock")),
    ("calendar", Calendar, lambda me: me.trading.get("/calendar", NIGHT)[0]),
    ("asset", Asset, lambda me: me.trading.get("/assets/AAPL")),
    ("order at the market", Order, bought),
    ("order filled", Order, filled),
    ("order cancelled", Order, cancelled),
    ("limit order", Order, post),
    ("long position", Position, after_buying("/positions/AAPL")),
    ("short position", Position, lambda me: [post(me, type="market", limit_price=None, side="sell"), me.trading.get("/positions/AAPL")][1]),
    ("execution", TradeActivity, lambda me: [bought(me), me.trading.get("/account/activities/FILL")[0]][1]),
    ("portfolio history", PortfolioHistory, after_buying("/account/portfolio/history", period="1D", timeframe="5Min")),
    ("watchlist", Watchlist, lambda me: me.trading.post("/watchlists", {"name": "Tech", "symbols": ["AAPL"]})),
    ("watchlist in the list", Watchlist, lambda me: [me.trading.post("/watchlists", {"name": "Tech", "symbols": ["AAPL"]}), me.trading.get("/watchlists")[0]][1]),
    ("cancellation of one of all", CancelOrderResponse, lambda me: [post(me), me.trading.delete("/orders")[0]][1]),
    ("position closed", ClosePositionResponse, closed_all(held=False)),
    ("position not closed", ClosePositionResponse, closed_all(held=True)),
    ("update pending_new", TradeUpdate, update(0)),
    ("update new", TradeUpdate, update(1)),
    ("update fill", TradeUpdate, update(2)),
]
NUMBERS = {"daytrade_count", "maintenance_margin_requirement", "options_approved_level", "options_trading_level", "crypto_tier", "code", "status", "timestamp", "equity",
           "profit_loss", "profit_loss_pct", "base_value", "speed", "max_options_trading_level"}
AMOUNT = re.compile(r"qty|price|cash$|equity|power|value|margin|amount|notional|hwm|_pl|_plpc|cost_basis|change_today|fees|multiplier|sma|trail_percent")


def checked(value, name=""):
    """Each member of what came over the wire."""
    if isinstance(value, dict):
        for key, member in value.items():
            checked(member, key)
    elif isinstance(value, list):
        for member in value:
            checked(member, name)
    elif value is None or name in ("attributes", "message", "name", "symbol"):
        pass
    elif name.endswith("_at") or name in ("transaction_time", "at"):
        assert TIME.fullmatch(value), (name, value)
    elif name in ("id", "asset_id", "order_id", "account_id", "execution_id", "replaces", "replaced_by") and "::" not in str(value):
        assert str(uuid.UUID(value)) == value, (name, value)
    elif AMOUNT.search(name) and name not in NUMBERS and not isinstance(value, bool):
        assert isinstance(value, str) and DECIMAL.fullmatch(value), (name, value)


@pytest.mark.parametrize("model, get", [row[1:] for row in TRADING], ids=[row[0] for row in TRADING])
def test_trading(me, model, get):
    wire = get(me)
    parsed = model(**wire)
    lost = [name for name in model.model_fields if wire.get(name) not in (None, "") and getattr(parsed, name) is None]
    assert not lost
    checked(wire)


BARS = {"symbols": "AAPL", "timeframe": "1Min", "start": "2024-07-02T13:30:00Z", "end": "2024-07-02T13:34:00Z"}
DATA = [
    ("latest bar", lambda me: Bar("AAPL", me.data.get("/stocks/bars/latest", {"symbols": "AAPL"})["bars"]["AAPL"])),
    ("latest quote", lambda me: Quote("AAPL", me.data.get("/stocks/quotes/latest", {"symbols": "AAPL"})["quotes"]["AAPL"])),
    ("latest trade", lambda me: Trade("AAPL", me.data.get("/stocks/trades/latest", {"symbols": "AAPL"})["trades"]["AAPL"])),
    ("bars", lambda me: BarSet(me.data.get("/stocks/bars", BARS)["bars"])["AAPL"][0]),
    ("quotes", lambda me: QuoteSet(me.data.get("/stocks/quotes", {"symbols": "AAPL", "start": "2024-07-02T13:31:00Z", "end": "2024-07-02T13:34:00Z"})["quotes"])["AAPL"][0]),
    ("snapshot", lambda me: Snapshot("AAPL", me.data.get("/stocks/snapshots", {"symbols": "AAPL"})["AAPL"])),
]


@pytest.mark.parametrize("get", [row[1] for row in DATA], ids=[row[0] for row in DATA])
def test_market_data(me, get):
    parsed = get(me)
    unknown = {"trade_count", "vwap"}  # no file of bars has them
    assert {name for name in type(parsed).model_fields if getattr(parsed, name) is None} <= unknown, parsed


WIRE = [
    ("a bar", "/stocks/bars/latest", "bars", {"t": str, "o": float, "h": float, "l": float, "c": float, "v": int, "n": (int, type(None)), "vw": (float, int, type(None))}),
    ("a quote", "/stocks/quotes/latest", "quotes", {"t": str, "ax": str, "ap": float, "as": int, "bx": str, "bp": float, "bs": int, "c": list, "z": str}),
    ("a trade", "/stocks/trades/latest", "trades", {"t": str, "x": str, "p": float, "s": int, "c": list, "i": int, "z": str}),
]


@pytest.mark.parametrize("path, key, members", [row[1:] for row in WIRE], ids=[row[0] for row in WIRE])
def test_members_of(me, path, key, members):
    wire = me.data.get(path, {"symbols": "AAPL"})[key]["AAPL"]
    for name, kind in members.items():
        assert isinstance(wire[name], (int, float) if kind is float else kind) and not isinstance(wire[name], bool), (name, wire)
    assert TIME.fullmatch(wire["t"]) and wire["t"].endswith("Z")
