"""What is refused, with the status, the code and the words of the broker; a refusal leaves nothing behind."""

import market
import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderClass, OrderSide, TimeInForce
from alpaca.trading.requests import GetOrdersRequest, LimitOrderRequest, MarketOrderRequest, StopLossRequest, StopOrderRequest, TakeProfitRequest, TrailingStopOrderRequest

BUY, SELL, DAY = OrderSide.BUY, OrderSide.SELL, TimeInForce.DAY


def order(**what):
    """A limit order that would rest, with changes; None takes a member out."""
    body = {"symbol": "AAPL", "qty": 10, "side": "buy", "type": "limit", "time_in_force": "day", "limit_price": 90, **what}
    return {name: value for name, value in body.items() if value is not None}


def at_market(**what):
    return order(type="market", limit_price=None, **what)


SUB_PENNY = "invalid %s_price %s. sub-penny increment does not fulfill minimum pricing criteria"
BRACKET = dict(order_class="bracket", limit_price=99)

REFUSED = [
    ("a quantity of 0", order(qty=0), 422, 40010001, "qty must be > 0"),
    ("a negative quantity", order(qty=-1), 422, 40010001, "qty must be > 0"),
    ("a limit of 0", order(limit_price=0), 422, 40010001, "limit price must be > 0"),
    ("a limit order without its limit", order(limit_price=None), 422, 40010001, "limit orders require a limit price"),
    ("qty and notional", at_market(notional=100), 422, 40010001, "only one of qty or notional is accepted"),
    ("an unknown type", order(type="peg"), 422, 40010001, "invalid order type"),
    ("a client order id of 129 characters", order(client_order_id="x" * 129), 422, 40010001, "client_order_id must be no more than 128 characters"),
    ("an unknown symbol", order(symbol="NOSUCH"), 422, 42210000, 'asset "NOSUCH" not found'),
    ("a symbol in lower case", order(symbol="aapl"), 422, 42210000, 'asset "aapl" not found'),
    ("a limit in tenths of a cent", order(limit_price=90.123), 422, 42210000, SUB_PENNY % ("limit", "90.123")),
    ("five decimals below a dollar", order(symbol="SIRI", limit_price=0.12345), 422, 42210000, SUB_PENNY % ("limit", "0.12345")),
    ("extended hours at the market", at_market(extended_hours=True), 422, 42210000, "extended hours order must be DAY or GTC limit orders"),
    ("a fraction sold short", at_market(qty=1.5, side="sell"), 422, 42210000, "fractional orders cannot be sold short"),
    ("an intent that does not fit", order(position_intent="buy_to_close"), 422, 42210000,
     "position intent mismatch, inferred: buy_to_open, specified: buy_to_close"),
    ("a fraction in the opening auction", at_market(qty=1.5, time_in_force="opg"), 422, 42210000, "fractional orders must be DAY orders"),
    ("more than the buying power", order(qty=10000), 403, 40310000, "insufficient buying power"),
    ("a market order beyond the buying power", at_market(qty=10000), 403, 40310000, "insufficient buying power"),
    ("an opg order in the session", order(time_in_force="opg"), 403, 40310000, "opg orders must be submitted after 7:00pm and before 9:28am"),
]


@pytest.mark.parametrize("body, status, code, message", [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(me, refused, body, status, code, message):
    refused(lambda: me.trading.post("/orders", body), status, code, message)
    assert me.raw.get_orders(GetOrdersRequest(status="all")) == []
    account = me.trading.get_account()
    assert float(account.cash) == 100000 and float(account.buying_power) == 400000


REFUSED_WITH_MORE = [
    ("buying power says what there is and what it costs", order(qty=10000), dict(buying_power="400000", cost_basis="900000")),
]


@pytest.mark.parametrize("body, more", [row[1:] for row in REFUSED_WITH_MORE], ids=[row[0] for row in REFUSED_WITH_MORE])
def test_refused_with_what_one_needs_to_know(me, body, more):
    reply = me.http("POST", "/v2/orders", json=body)
    number = lambda v: float(v) if isinstance(v, str) and v.replace(".", "").isdigit() else v
    assert reply.status_code in (403, 422) and {k: number(reply.json().get(k)) for k in more} == {k: number(v) for k, v in more.items()}


def test_a_client_order_id_is_unique_for_ever(me, refused):
    me.trading.post("/orders", order(client_order_id="mine"))
    refused(lambda: me.trading.post("/orders", order(client_order_id="mine")), 422, 40010001, "client_order_id must be unique")
    me.trading.cancel_orders()
    refused(lambda: me.trading.post("/orders", order(client_order_id="mine")), 422, 40010001, "client_order_id must be unique")


def test_a_refused_order_does_not_use_up_its_client_order_id(me):
    with pytest.raises(APIError):
        me.trading.post("/orders", order(client_order_id="mine", qty=10000))
    assert me.trading.post("/orders", order(client_order_id="mine"))["client_order_id"] == "mine"


BODIES = [
    ("nothing", ""),
    ("not JSON", "symbol=AAPL"),
    ("a list", "[]"),
    ("cut off", '{"symbol":"AAPL",'),
    ("a quantity that is a word", '{"symbol":"AAPL","qty":"many","side":"buy","type":"market","time_in_force":"day"}'),
    ("a quantity that is an object", '{"symbol":"AAPL","qty":{},"side":"buy","type":"market","time_in_force":"day"}'),
    ("a quantity that is no number", '{"symbol":"AAPL","qty":"NaN","side":"buy","type":"market","time_in_force":"day"}'),
    ("a quantity beyond all", '{"symbol":"AAPL","qty":1e308,"side":"buy","type":"market","time_in_force":"day"}'),
    ("no side", '{"symbol":"AAPL","qty":1,"type":"market","time_in_force":"day"}'),
    ("no symbol", '{"qty":1,"side":"buy","type":"market","time_in_force":"day"}'),
]


@pytest.mark.parametrize("body", [row[1] for row in BODIES], ids=[row[0] for row in BODIES])
def test_a_body_that_is_no_order(me, body):
    reply = me.http("POST", "/v2/orders", data=body, headers={"Content-Type": "application/json"})
    assert reply.status_code in (400, 422) and isinstance(reply.json()["code"], int) and reply.json()["message"]
    assert me.raw.get_orders(GetOrdersRequest(status="all")) == []


# ---- rules of the account

def test_more_than_is_available_is_refused_with_the_orders_that_hold_it(me):
    me.trading.submit_order(MarketOrderRequest(symbol="AAPL", qty=10, side=BUY, time_in_force=DAY))
    held = me.trading.submit_order(LimitOrderRequest(symbol="AAPL", qty=8, side=SELL, time_in_force=DAY, limit_price=110))
    body = me.http("POST", "/v2/orders", json=order(side="sell", qty=5, limit_price=111)).json()
    related = body.pop("related_orders", [str(held.id)])
    assert related == [str(held.id)]
    assert body == {"code": 40310000, "message": "insufficient qty available for order (requested: 5, available: 2)", "available": "2",
                    "existing_qty": "10", "held_for_orders": "8", "symbol": "AAPL"}


def test_long_to_short_in_one_order_is_refused(me, refused):
    me.trading.submit_order(MarketOrderRequest(symbol="AAPL", qty=10, side=BUY, time_in_force=DAY))
    refused(lambda: me.trading.submit_order(MarketOrderRequest(symbol="AAPL", qty=20, side=SELL, time_in_force=DAY)), 403, 40310000,
            "insufficient qty available for order (requested: 20, available: 10)")


def test_short_to_long_in_one_order_is_refused(me):
    me.trading.submit_order(MarketOrderRequest(symbol="AAPL", qty=10, side=SELL, time_in_force=DAY))
    reply = me.http("POST", "/v2/orders", json=at_market(qty=20))
    assert (reply.status_code, reply.json()["message"]) == (403, "insufficient qty available for order (requested: 20, available: 10)")


NOT_ADVANCED = [
    ("a bracket in extended hours", order(**BRACKET, extended_hours=True, take_profit={"limit_price": 105}, stop_loss={"stop_price": 95})),
    ("a bracket at once or not at all", order(**BRACKET, time_in_force="ioc", take_profit={"limit_price": 105}, stop_loss={"stop_price": 95})),
    ("a bracket in the closing auction", order(**BRACKET, time_in_force="cls", take_profit={"limit_price": 105}, stop_loss={"stop_price": 95})),
    ("a trailing stop in extended hours", order(type="trailing_stop", limit_price=None, trail_price=1, extended_hours=True)),
    ("a trailing stop at once or not at all", order(type="trailing_stop", limit_price=None, trail_price=1, time_in_force="ioc")),
    ("a stop in the opening auction", order(type="stop", limit_price=None, stop_price=110, time_in_force="opg")),
    ("an unknown class", order(order_class="pair")),
    ("a stop loss of nothing", order(**BRACKET, take_profit={"limit_price": 105}, stop_loss={})),
    ("a take profit that is no object", order(**BRACKET, take_profit=105, stop_loss={"stop_price": 95})),
    ("a market order with a limit", order(type="market")),
    ("an unknown intent", order(position_intent="buy_to_keep")),
    ("an unknown side", order(side="hold")),
]


@pytest.mark.parametrize("body", [row[1] for row in NOT_ADVANCED], ids=[row[0] for row in NOT_ADVANCED])
def test_what_does_not_go_together(me, body):
    reply = me.http("POST", "/v2/orders", json=body)
    assert reply.status_code in (403, 422) and isinstance(reply.json()["code"], int) and reply.json()["message"]
    assert me.raw.get_orders(GetOrdersRequest(status="all")) == []


def test_a_client_order_id_is_unique_within_an_account_only(open_market, traders):
    for trader in (traders(open_market), traders(open_market)):
        assert trader.trading.post("/orders", order(client_order_id="common"))["client_order_id"] == "common"


def test_a_short_sale_reserves_what_it_may_cost(me):
    me.trading.post("/orders", order(side="sell", limit_price=110))
    assert 400000 - float(me.trading.get_account().buying_power) == 1100


def test_a_short_sale_below_the_market_reserves_the_ask_and_three_percent(standing, traders):
    me = traders(standing(market.TODAY, "18:00"))
    me.trading.post("/orders", order(side="sell", limit_price=90))
    assert 1000 <= 400000 - float(me.trading.get_account().buying_power) <= 1031


def test_closing_orders_reserve_nothing(me):
    me.trading.submit_order(MarketOrderRequest(symbol="AAPL", qty=10, side=BUY, time_in_force=DAY))
    before = me.trading.get_account().buying_power
    me.trading.post("/orders", order(side="sell", limit_price=110))
    assert me.trading.get_account().buying_power == before


def test_a_long_buy_waits_for_an_open_short_sale(me, refused):
    me.trading.post("/orders", order(side="sell", limit_price=110))
    refused(lambda: me.trading.post("/orders", order(limit_price=90)), 403, 40310000, "cannot open a long buy while a short sell order is open")


def test_a_short_sale_waits_for_an_open_long_buy(me, refused):
    me.trading.post("/orders", order(limit_price=90))
    refused(lambda: me.trading.post("/orders", order(side="sell", limit_price=110)), 403, 40310000,
            "cannot open a short sell while a long buy order is open")


WASH = [  # what rests, what comes, the reason given
    ("a market buy against an own limit", dict(side="sell", limit_price=110), dict(type="market", limit_price=None), "opposite side limit order exists"),
    ("a limit that crosses an own limit", dict(side="sell", limit_price=110), dict(limit_price=110), "opposite side limit order exists"),
]


@pytest.mark.parametrize("resting, incoming, reason", [row[1:] for row in WASH], ids=[row[0] for row in WASH])
def test_a_wash_trade_is_refused(me, resting, incoming, reason):
    me.trading.submit_order(MarketOrderRequest(symbol="AAPL", qty=20, side=BUY, time_in_force=DAY))
    there = me.trading.post("/orders", order(**resting))
    reply = me.http("POST", "/v2/orders", json=order(**incoming))
    assert (reply.status_code, reply.json()) == (403, {"code": 40310000, "message": "potential wash trade detected. use complex orders",
                                                       "existing_order_id": there["id"], "reject_reason": reason})


def test_a_limit_that_does_not_cross_an_own_limit_is_no_wash_trade(me):
    me.trading.submit_order(MarketOrderRequest(symbol="AAPL", qty=20, side=BUY, time_in_force=DAY))
    me.trading.post("/orders", order(side="sell", limit_price=110))
    assert me.trading.post("/orders", order(limit_price=90))["status"]


def test_an_account_below_2000_dollars_cannot_short(starting, refused):
    me = starting(market.TODAY, "10:00", "--cash", "1500 USD")
    refused(lambda: me.trading.post("/orders", at_market(side="sell", qty=1)), 403, 40310000, "account is not allowed to short")
    account = me.trading.get_account()
    assert (account.multiplier, float(account.buying_power), account.shorting_enabled) == ("1", 1500, False)


# ---- windows

WINDOWS = [
    ("opg at nine", market.TODAY, "09:00", "opg", None),
    ("opg at 9:27", market.TODAY, "09:27", "opg", None),
    ("opg at 9:28", market.TODAY, "09:28", "opg", "opg orders must be submitted after 7:00pm and before 9:28am"),
    ("opg at six in the evening", market.TODAY, "18:00", "opg", "opg orders must be submitted after 7:00pm and before 9:28am"),
    ("opg at eight in the evening", market.TODAY, "20:00", "opg", None),
    ("cls at 15:49", market.TODAY, "15:49", "cls", None),
    ("cls at 15:56", market.TODAY, "15:56", "cls", "cls orders must be submitted after 7:00pm and before 3:55pm"),
    ("cls at six in the evening", market.TODAY, "18:00", "cls", "cls orders must be submitted after 7:00pm and before 3:55pm"),
    ("cls at 12:49 of a half day", market.HALF_DAY, "12:49", "cls", None),
    ("cls at 12:56 of a half day", market.HALF_DAY, "12:56", "cls", "cls orders must be submitted after 7:00pm and before 3:55pm"),
]


@pytest.mark.parametrize("date, time, tif, message", [row[1:] for row in WINDOWS], ids=[row[0] for row in WINDOWS])
def test_when_auction_orders_are_taken(standing, traders, refused, date, time, tif, message):
    me = traders(standing(date, time))
    if message:
        refused(lambda: me.trading.post("/orders", order(time_in_force=tif)), 403, 40310000, message)
    else:
        assert me.trading.post("/orders", order(time_in_force=tif))["status"] in ("accepted", "pending_new", "new")
