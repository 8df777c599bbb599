"""Public recordings of the broker's replies, had again where their situation can be made.

A row: what was recorded and where it is published; the market's time; what is done; the recording. A member's value is
compared as it is, decimals by their value; VOLATILE ones (ids, times of ours, names) by their kind only. A member the recording
has not is a deviation, unless the broker added it since (NEWER)."""

import re
from decimal import Decimal, InvalidOperation

import pytest
import recorded_market
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import CreateWatchlistRequest, LimitOrderRequest, MarketOrderRequest, ReplaceOrderRequest
from conftest import Exchange, text_time

BUY, SELL, DAY, GTC = OrderSide.BUY, OrderSide.SELL, TimeInForce.DAY, TimeInForce.GTC


class Volatile:
    def __init__(self, name, pattern):
        self.name, self.pattern = name, re.compile(pattern)

    def __repr__(self):
        return f"<{self.name}>"


ID = Volatile("a UUID", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = Volatile("a time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
TEXT = Volatile("a text", r".+")
NUMBER = Volatile("a decimal", r"-?\d+(\.\d+)?")
TOKEN = Volatile("a token", r".+")
NEWER = {"expires_at", "position_intent", "subtag", "source", "ratio_qty", "commission", "qty_available", "asset_marginable", "account_id", "settlement_date",
         "related_orders", "currency", "attributes", "borrow_status", "margin_requirement_long", "margin_requirement_short", "maintenance_margin_requirement",
         "disable_overnight_trading", "cancel_requested_at", "cusip", "name", "n", "vw", "speed", "ends", "effective_buying_power", "admin_configurations",
         "user_configurations", "crypto_status", "crypto_tier", "pending_reg_taf_fees", "pending_transfer_in", "pending_transfer_out", "intraday_adjustments", "balance_asof", "bod_dtbp", "event_id", "at",
         "position_market_value", "options_trading_level", "options_approved_level", "options_buying_power", "max_options_trading_level", "legs", "assets",
         "base_value_asof", "cashflow", "easy_to_borrow"}


def decimal(value):
    try:
        return Decimal(str(value)) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    except InvalidOperation:
        return None


def kind(value):
    return float if type(value) is int else type(value)


def differences(recorded, seen, at=""):
    if isinstance(recorded, Volatile):
        if not (isinstance(seen, str) and recorded.pattern.fullmatch(seen)):
            yield f"{at}: {seen!r} is not {recorded!r}"
    elif isinstance(recorded, dict) and isinstance(seen, dict):
        for name in recorded.keys() - seen.keys():
            yield f"{at}.{name}: missing"
        for name in seen.keys() - recorded.keys() - NEWER:
            yield f"{at}.{name}: never recorded"
        for name in recorded.keys() & seen.keys():
            yield from differences(recorded[name], seen[name], f"{at}.{name}")
    elif isinstance(recorded, list) and isinstance(seen, list):
        if len(recorded) != len(seen):
            yield f"{at}: {len(seen)} instead of {len(recorded)}"
        for i, (one, other) in enumerate(zip(recorded, seen)):
            yield from differences(one, other, f"{at}[{i}]")
    elif kind(recorded) is not kind(seen) or (recorded != seen and (decimal(recorded) is None or decimal(recorded) != decimal(seen))):
        yield f"{at}: {seen!r} instead of {recorded!r}"


def order(**what):
    """The members of every recorded order, with those of this one."""
    return {"id": ID, "client_order_id": ID, "created_at": TIME, "updated_at": TIME, "submitted_at": TIME, "filled_at": None, "expired_at": None,
            "canceled_at": None, "failed_at": None, "replaced_at": None, "replaced_by": None, "replaces": None, "asset_id": ID, "symbol": "AAPL",
            "asset_class": "us_equity", "notional": None, "qty": "1", "filled_qty": "0", "filled_avg_price": None, "order_class": "", "order_type": "market",
            "type": "market", "side": "buy", "time_in_force": "day", "limit_price": None, "stop_price": None, "status": "pending_new", "extended_hours": False,
            "legs": None, "trail_percent": None, "trail_price": None, "hwm": None, **what}


def submit(me, qty, symbol="AAPL", side=BUY):
    return me.raw.submit_order(MarketOrderRequest(symbol=symbol, qty=qty, side=side, time_in_force=DAY))


def submit_limit(me, qty, price, symbol="AAPL", side=BUY, tif=DAY):
    return me.raw.submit_order(LimitOrderRequest(symbol=symbol, qty=qty, side=side, time_in_force=tif, limit_price=price))


def bought_five_the_day_before(me):
    submit(me, 5)
    me.exchange.clock.to(text_time("2019-08-23T14:01:00Z"))
    return me.raw.get_all_positions()


def bought_two(me):
    submit(me, 2)
    me.exchange.clock.to(text_time("2022-02-02T18:56:00Z"))
    return me.raw.get_open_position("AAPL")


def one_of_two_held(me):
    submit(me, 1)
    submit(me, 1000, "SQQQ")
    submit_limit(me, 1000, 13, "SQQQ", SELL)
    return me.raw.close_all_positions(cancel_orders=False)


def closing_what_is_held(me):
    submit(me, 1000, "SQQQ")
    submit_limit(me, 1000, 13, "SQQQ", SELL)
    return me.http("DELETE", "/v2/positions/SQQQ").json()


def cancelled_all(me):
    submit_limit(me, 1, 90)
    return me.raw.cancel_orders()


def replaced(me):
    first = submit_limit(me, 2, 90)
    return me.raw.replace_order_by_id(first["id"], ReplaceOrderRequest(qty=1))


def by_client_id(me):
    return me.raw.get_order_by_client_id(submit_limit(me, 1, 90)["client_order_id"])


def cancelling_a_filled_order(me):
    return me.http("DELETE", f"/v2/orders/{submit(me, 1)['id']}").json()


def days(**query):
    return lambda me: me.data.get("/stocks/bars", {"timeframe": "1Day", **query})


HELD = {"available": "0", "code": 40310000, "existing_qty": "1000", "held_for_orders": "1000",
        "message": "insufficient qty available for order (requested: 1000, available: 0)", "symbol": "SQQQ"}
BAR = lambda t, o, h, l, c, v: {"t": t, "o": o, "h": h, "l": l, "c": c, "v": v}
AAPL_1, AAPL_2 = BAR("2022-02-01T05:00:00Z", 174, 174.84, 172.31, 174.61, 85998033), BAR("2022-02-02T05:00:00Z", 174.64, 175.88, 173.33, 175.84, 84817432)
TSLA_DAYS = [BAR("2023-09-27T04:00:00Z", 244.262, 245.33, 234.58, 240.5, 136616287), BAR("2023-09-26T04:00:00Z", 242.98, 249.55, 241.6601, 244.12, 102033779),
             BAR("2023-09-25T04:00:00Z", 243.38, 247.1, 238.31, 246.99, 104668716)]
MARCH_9 = {"AAPL": [BAR("2022-03-09T05:00:00Z", 161.51, 163.41, 159.41, 162.95, 88496480)], "TSLA": [BAR("2022-03-09T05:00:00Z", 839, 860.56, 832.01, 858.97, 19227323)]}
APRIL, OCTOBER = "2022-04-01T15:00:00Z", "2023-10-02T15:00:00Z"

RECORDED = [
    # alpaca-py, tests/trading/trading_client/test_order_routes.py (its status "accepted" is of 2021) and the order published with the API's documentation
    ("market order", "2021-03-16T18:38:01.942282Z", lambda me: submit(me, 1), order()),
    ("limit order", "2021-03-16T18:38:01.942282Z", lambda me: submit_limit(me, 1, 120), order(order_type="limit", type="limit", limit_price="120")),
    ("list of orders", "2021-03-16T18:38:01.942282Z", lambda me: [submit_limit(me, 1, 90), me.raw.get_orders()][1],
     [order(order_type="limit", type="limit", limit_price="90", status="new")]),
    ("order by client id", "2021-03-16T18:38:01.942282Z", by_client_id, order(order_type="limit", type="limit", limit_price="90", status="new")),
    ("replaced order", "2021-03-16T18:38:01.942282Z", replaced, order(order_type="limit", type="limit", limit_price="90", replaces=ID)),
    ("gtc limit order while the market is closed", "2023-12-12T22:31:24.668464435Z", lambda me: submit_limit(me, 2, 150, tif=GTC),
     order(qty="2", order_type="limit", type="limit", limit_price="150", time_in_force="gtc", status="accepted",
           created_at="2023-12-12T22:31:24.668464435Z", updated_at="2023-12-12T22:31:24.668464435Z")),
    ("cancel all", "2021-03-16T18:38:01.942282Z", cancelled_all, [{"id": ID, "status": 200}]),
    ("cancelling a filled order", "2021-03-16T18:38:01.942282Z", cancelling_a_filled_order, {"code": 42210000, "message": 'order is already in "filled" state'}),
    # alpaca-py, tests/trading/trading_client/test_position_routes.py (its intraday profit of 10.0 and its usd copy do not fit 5 shares in dollars)
    ("positions", "2019-08-22T14:01:00Z", bought_five_the_day_before,
     [{"asset_id": ID, "symbol": "AAPL", "exchange": TEXT, "asset_class": "us_equity", "avg_entry_price": "100.0", "qty": "5", "side": "long", "market_value": "600.0",
       "cost_basis": "500.0", "unrealized_pl": "100.0", "unrealized_plpc": "0.20", "unrealized_intraday_pl": "5.0", "unrealized_intraday_plpc": NUMBER,
       "current_price": "120.0", "lastday_price": "119.0", "change_today": NUMBER}]),
    ("closing all with one held", "2021-03-16T18:38:01.942282Z", one_of_two_held,
     [{"symbol": "AAPL", "status": 200, "body": order(side="sell")}, {"symbol": "SQQQ", "status": 403, "body": HELD}]),
    ("closing what orders hold", "2021-03-16T18:38:01.942282Z", closing_what_is_held, HELD),
    # the position and the execution published with the API's documentation
    ("position", "2022-02-02T18:55:09.981482Z", bought_two,
     {"asset_id": ID, "symbol": "AAPL", "exchange": TEXT, "asset_class": "us_equity", "asset_marginable": True, "qty": "2", "avg_entry_price": "174.78", "side": "long",
      "market_value": "348.58", "cost_basis": "349.56", "unrealized_pl": "-0.98", "unrealized_plpc": "-0.0028035244307129", "unrealized_intraday_pl": "-0.98",
      "unrealized_intraday_plpc": "-0.0028035244307129", "current_price": "174.29", "lastday_price": "174.61", "change_today": "-0.0018326556325525", "qty_available": "2"}),
    ("execution", "2022-02-02T18:55:09.981482Z", lambda me: [submit(me, 2), me.trading.get("/account/activities/FILL")][1],
     [{"id": Volatile("20220202135509981::uuid", "20220202135509981::" + ID.pattern.pattern), "activity_type": "FILL", "transaction_time": "2022-02-02T18:55:09.981482Z",
       "type": "fill", "price": "174.78", "qty": "2", "side": "buy", "symbol": "AAPL", "leaves_qty": "0", "order_id": ID, "cum_qty": "2", "order_status": "filled"}]),
    # alpaca-py, tests/broker/broker_client/test_misc_routes.py
    ("clock", "2022-05-16T20:32:24.14373588Z", lambda me: me.raw.get_clock(),
     {"timestamp": "2022-05-16T16:32:24.14373588-04:00", "is_open": False, "next_open": "2022-05-17T09:30:00-04:00", "next_close": "2022-05-17T16:00:00-04:00"}),
    ("calendar", APRIL, lambda me: me.trading.get("/calendar", {"start": "2022-05-16", "end": "2022-05-17"}),
     [{"date": f"2022-05-{d}", "open": "09:30", "close": "16:00", "session_open": "0400", "session_close": "2000"} for d in (16, 17)]),
    # alpaca-py, tests/trading/trading_client/test_account_routes.py, test_asset_routes.py, tests/broker/broker_client/test_watchlist_routes.py
    ("account", APRIL, lambda me: me.raw.get_account(),
     {"account_blocked": False, "accrued_fees": "0", "account_number": TEXT, "buying_power": "400000", "cash": "100000", "created_at": TIME, "currency": "USD",
      "equity": "100000", "id": ID, "initial_margin": "0", "last_equity": "100000", "last_maintenance_margin": "0", "non_marginable_buying_power": "100000",
      "long_market_value": "0", "maintenance_margin": "0", "multiplier": "4", "portfolio_value": "100000", "regt_buying_power": "200000", "short_market_value": "0",
      "shorting_enabled": True, "sma": NUMBER, "status": "ACTIVE", "trade_suspended_by_user": False, "trading_blocked": False, "transfers_blocked": False}),
    ("configurations", APRIL, lambda me: me.raw.get_account_configurations(),
     {"no_shorting": False, "suspend_trade": False, "fractional_trading": True, "max_margin_multiplier": "4", "trade_confirm_email": "all", "ptp_no_exception_entry": False}),
    ("configurations changed", APRIL, lambda me: me.raw.patch("/account/configurations", {"no_shorting": True, "max_margin_multiplier": "1"}),
     {"no_shorting": True, "suspend_trade": False, "fractional_trading": True, "max_margin_multiplier": "1", "trade_confirm_email": "all", "ptp_no_exception_entry": False}),
    ("asset", APRIL, lambda me: me.raw.get_asset("AAPL"),
     {"id": ID, "class": "us_equity", "exchange": TEXT, "symbol": "AAPL", "status": "active", "tradable": True, "marginable": True, "shortable": True,
      "easy_to_borrow": True, "fractionable": True}),
    ("watchlist", APRIL, lambda me: me.raw.create_watchlist(CreateWatchlistRequest(name="test watchlist", symbols=["AAPL"])),
     {"id": ID, "account_id": ID, "created_at": TIME, "updated_at": TIME, "name": "test watchlist",
      "assets": [{"id": ID, "class": "us_equity", "exchange": TEXT, "symbol": "AAPL", "name": TEXT, "status": "active", "tradable": True, "marginable": True,
                  "shortable": True, "easy_to_borrow": True, "fractionable": True}]}),
    # alpaca-py, tests/data/test_historical_stock_data.py; n and vw are in no recording of ours
    ("day bars with more to come", APRIL, days(symbols="AAPL", start="2022-02-01", limit=2), {"bars": {"AAPL": [AAPL_1, AAPL_2]}, "next_page_token": TOKEN}),
    ("day bars, newest first", OCTOBER, days(symbols="TSLA", start="2023-09-01T00:00:00+00:00", end="2023-09-27T12:00:00+00:00", limit=3, sort="desc"),
     {"bars": {"TSLA": TSLA_DAYS}, "next_page_token": None}),
    ("day bars of two symbols", APRIL, days(symbols="AAPL,TSLA", start="2022-03-09", end="2022-03-09"), {"bars": MARCH_9, "next_page_token": None}),
    ("no bars", APRIL, days(symbols="AAPL", start="2022-03-26", end="2022-03-27"), {"bars": {}, "next_page_token": None}),
    ("latest trade not found", APRIL, lambda me: me.data.get("/stocks/trades/latest", {"symbols": "NOSUCH"}), {"trades": {}}),
    ("latest quote not found", APRIL, lambda me: me.data.get("/stocks/quotes/latest", {"symbols": "NOSUCH"}), {"quotes": {}}),
    ("latest bar not found", APRIL, lambda me: me.data.get("/stocks/bars/latest", {"symbols": "NOSUCH"}), {"bars": {}}),
    ("snapshots not found", APRIL, lambda me: me.data.get("/stocks/snapshots", {"symbols": "NOSUCH"}), {}),
]


@pytest.fixture(scope="module")
def recorded_bars(tmp_path_factory):
    return recorded_market.write(tmp_path_factory.mktemp("recorded") / "bars")


@pytest.mark.parametrize("time, situation, recording", [row[1:] for row in RECORDED], ids=[row[0] for row in RECORDED])
def test_recorded(request, recorded_bars, time, situation, recording):
    exchange = Exchange(request, recorded_bars, time)
    try:
        found = list(differences(recording, situation(exchange.trader())))
        assert not found, "\n".join(found)
    finally:
        exchange.end()
