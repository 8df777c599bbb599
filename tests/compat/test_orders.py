"""Orders: each type, time in force and class; looking them up."""

import uuid

import market
import pytest
from alpaca.common.enums import Sort
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderClass, OrderSide, OrderStatus, OrderType, PositionIntent, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (GetOrderByIdRequest, GetOrdersRequest, LimitOrderRequest, MarketOrderRequest, StopLimitOrderRequest,
                                     StopLossRequest, StopOrderRequest, TakeProfitRequest, TrailingStopOrderRequest)

DAY, GTC, OPG, CLS, IOC, FOK = (TimeInForce(t) for t in ("day", "gtc", "opg", "cls", "ioc", "fok"))
BUY, SELL = OrderSide.BUY, OrderSide.SELL


def market_order(symbol="AAPL", qty=10, side=BUY, tif=DAY, **more):
    return MarketOrderRequest(symbol=symbol, side=side, time_in_force=tif, **({} if "notional" in more else {"qty": qty}), **more)


def limit_order(limit, symbol="AAPL", qty=10, side=BUY, tif=DAY, **more):
    return LimitOrderRequest(symbol=symbol, side=side, time_in_force=tif, limit_price=limit, **({} if "notional" in more else {"qty": qty}), **more)


def again(trader, order):
    return trader.trading.get_order_by_id(order.id)


# ---- what is answered and what becomes of it while nothing moves

def stop(price, side=BUY, tif=DAY, **more):
    return StopOrderRequest(symbol="AAPL", qty=10, side=side, time_in_force=tif, stop_price=price, **more)


def stop_limit(price, limit, side=BUY, tif=DAY, **more):
    return StopLimitOrderRequest(symbol="AAPL", qty=10, side=side, time_in_force=tif, stop_price=price, limit_price=limit, **more)


def trailing(side=BUY, tif=DAY, **more):
    return TrailingStopOrderRequest(symbol="AAPL", qty=10, side=side, time_in_force=tif, **more)


RESTING = [
    ("limit day below the market", limit_order(90), dict(type="limit", limit_price="90", time_in_force="day")),
    ("limit in cents", limit_order(99.98), dict(limit_price="99.98")),
    ("limit sell short above the market", limit_order(110, side=SELL), dict(side="sell", limit_price="110")),
    ("limit below a dollar with four decimals", limit_order(0.4321, symbol="SIRI"), dict(symbol="SIRI", limit_price="0.4321")),
    ("share class with a dot", limit_order(290, symbol="BRK.B"), dict(symbol="BRK.B", limit_price="290")),
    ("limit on close", limit_order(90, tif=CLS), dict(time_in_force="cls", type="limit")),
    ("market on close", market_order(tif=CLS), dict(time_in_force="cls", type="market")),
    ("intent as inferred", limit_order(90, position_intent=PositionIntent.BUY_TO_OPEN), dict(position_intent="buy_to_open")),
]


def numeric(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


@pytest.mark.parametrize("request_, expected", [row[1:] for row in RESTING], ids=[row[0] for row in RESTING])
def test_an_order_that_waits(me, request_, expected):
    order = me.trading.submit_order(request_)
    assert order.status in (OrderStatus.PENDING_NEW, OrderStatus.NEW, OrderStatus.ACCEPTED)
    later = me.raw.get_order_by_id(order.id)
    assert later["status"] in ("new", "accepted") and later["filled_qty"] == "0" and later["filled_avg_price"] is None
    assert {name: numeric(later[name]) for name in expected} == {name: numeric(value) for name, value in expected.items()}
    assert [o.id for o in me.trading.get_orders()] == [order.id]
    assert later["order_type"] == later["type"] and later["asset_class"] == "us_equity"


FILLED = [
    ("market buy", market_order(), 10, 100.01),
    ("market short sale", market_order(side=SELL), 10, 99.99),
    ("limit at the ask", limit_order(100.01), 10, 100.01),
    ("limit through the ask fills at the ask", limit_order(105), 10, 100.01),
    ("limit sell through the bid fills at the bid", limit_order(95, side=SELL), 10, 99.99),
    ("market below a dollar", market_order("SIRI", 1000), 1000, 0.5001),
]


@pytest.mark.parametrize("request_, qty, price", [row[1:] for row in FILLED], ids=[row[0] for row in FILLED])
def test_an_order_that_fills_at_once(me, request_, qty, price):
    order = again(me, me.trading.submit_order(request_))
    assert order.status == OrderStatus.FILLED
    assert (float(order.filled_qty), float(order.filled_avg_price)) == (qty, price)
    assert order.filled_at is not None and order.canceled_at is None
    assert me.trading.get_orders() == []


def test_the_answer_comes_before_anything_happened(me):
    order = me.trading.submit_order(market_order())
    assert order.status == OrderStatus.PENDING_NEW and order.filled_qty == "0" and order.order_type == OrderType.MARKET


def test_submitted_created_and_updated_are_the_market_s_time(me):
    order = me.trading.submit_order(limit_order(90))
    for time in (order.submitted_at, order.created_at, order.updated_at):
        assert time.isoformat().startswith("2024-07-02T14:00:00")


EXPIRES = [
    ("day: today's close", limit_order(90), "2024-07-02T20:00:00"),
]


@pytest.mark.parametrize("request_, time", [row[1:] for row in EXPIRES], ids=[row[0] for row in EXPIRES])
def test_an_order_says_when_it_expires(me, request_, time):
    assert me.raw.submit_order(request_)["expires_at"].startswith(time)


def test_one_client_order_id_of_128_characters(me):
    name = "x" * 128
    order = me.trading.submit_order(limit_order(90, client_order_id=name))
    assert order.client_order_id == name and me.trading.get_order_by_client_id(name).id == order.id


def test_without_a_client_order_id_the_server_makes_a_uuid(me):
    assert uuid.UUID(me.trading.submit_order(limit_order(90)).client_order_id)


def test_an_order_by_asset_id(me):
    asset = me.trading.get_asset("IBM")
    order = me.trading.submit_order(limit_order(90, symbol=str(asset.id)))
    assert order.symbol == "IBM" and order.asset_id == asset.id


def test_quantities_as_text_numbers_and_null_for_what_is_not_set(me):
    body = {"symbol": "AAPL", "qty": "10", "notional": None, "side": "buy", "type": "limit", "time_in_force": "day", "limit_price": "90.50",
            "stop_price": None, "client_order_id": "", "order_class": "", "take_profit": None, "stop_loss": None, "unheard_of": 1}
    for qty in ("10", 10, 10.0):
        order = me.trading.post("/orders", {**body, "qty": qty})
        assert float(order["qty"]) == 10 and float(order["limit_price"]) == 90.5


def test_a_body_without_content_type_is_taken(me):
    reply = me.http("POST", "/v2/orders", data='{"symbol":"AAPL","qty":1,"side":"buy","type":"market","time_in_force":"day"}', headers={"Content-Type": ""})
    assert reply.status_code == 200 and reply.json()["symbol"] == "AAPL"


# ---- lists

def three(trader):
    names = ["one", "two", "three"]
    return [trader.trading.submit_order(limit_order(90 + i, symbol=s, client_order_id=n)) for i, (n, s) in enumerate(zip(names, ["AAPL", "IBM", "SPY"]))]


def listed(trader, **what):
    return [o.client_order_id for o in trader.trading.get_orders(GetOrdersRequest(**what))]


def test_open_orders_newest_first(me):
    three(me)
    assert listed(me, status=QueryOrderStatus.OPEN) == ["three", "two", "one"]


def test_open_is_the_default(me):
    orders = three(me)
    me.trading.cancel_order_by_id(orders[1].id)
    assert [o.client_order_id for o in me.trading.get_orders()] == ["three", "one"]


def test_closed_and_all(me):
    orders = three(me)
    me.trading.cancel_order_by_id(orders[1].id)
    assert listed(me, status=QueryOrderStatus.CLOSED) == ["two"]
    assert listed(me, status=QueryOrderStatus.ALL, direction=Sort.ASC) == ["one", "two", "three"]


ORDER_FILTERS = [
    ("oldest first", dict(direction=Sort.ASC), ["one", "two", "three"]),
    ("at most two", dict(limit=2), ["three", "two"]),
    ("one symbol", dict(symbols=["IBM"]), ["two"]),
    ("two symbols", dict(symbols=["IBM", "AAPL"]), ["two", "one"]),
    ("a symbol nobody ordered", dict(symbols=["TSLA"]), []),
    ("buys", dict(side=BUY), ["three", "two", "one"]),
    ("sells", dict(side=SELL), []),
    ("after now", dict(after=market.at(market.TODAY, "10:00:01")), []),
    ("until before", dict(until=market.at(market.TODAY, "09:59:59")), []),
    ("within", dict(after=market.at(market.TODAY, "09:00"), until=market.at(market.TODAY, "11:00")), ["three", "two", "one"]),
    ("nested", dict(nested=True), ["three", "two", "one"]),
]


@pytest.mark.parametrize("what, names", [row[1:] for row in ORDER_FILTERS], ids=[row[0] for row in ORDER_FILTERS])
def test_orders_by(me, what, names):
    three(me)
    assert listed(me, **what) == names


def test_orders_page_by_order_id(me):
    orders = three(me)
    page = me.trading.get("/orders", {"before_order_id": str(orders[2].id), "limit": 1})
    assert [o["client_order_id"] for o in page] == ["two"]
    page = me.trading.get("/orders", {"after_order_id": str(orders[0].id), "direction": "asc"})
    assert [o["client_order_id"] for o in page] == ["two", "three"]


def test_bounds_in_time_are_exclusive(me):
    order = three(me)[0]
    assert listed(me, after=order.submitted_at) == [] and listed(me, until=order.submitted_at) == []


@pytest.mark.parametrize("limit", [0, 501])
def test_a_list_is_of_1_to_500_orders(me, limit):
    with pytest.raises(APIError) as caught:
        me.trading.get("/orders", {"limit": limit})
    assert caught.value.status_code == 422


def test_orders_of_others_are_not_seen(open_market, traders):
    one, other = traders(open_market), traders(open_market)
    order = one.trading.submit_order(limit_order(90, client_order_id="mine"))
    assert other.trading.get_orders() == []
    for look in (lambda: other.trading.get_order_by_id(order.id), lambda: other.trading.get_order_by_client_id("mine"),
                 lambda: other.trading.cancel_order_by_id(order.id)):
        with pytest.raises(APIError) as caught:
            look()
        assert caught.value.status_code == 404


def test_a_filled_order_stays_to_be_looked_up(me):
    order = me.trading.submit_order(market_order(client_order_id="done"))
    assert again(me, order).status == me.trading.get_order_by_client_id("done").status == OrderStatus.FILLED


def test_an_unknown_order_is_404(me, refused):
    unknown = uuid.uuid4()
    refused(lambda: me.trading.get_order_by_id(unknown), 404, 40410000, f"order not found for {unknown}")


def test_an_unknown_client_order_id_is_404(me):
    with pytest.raises(APIError) as caught:
        me.trading.get_order_by_client_id("nobody")
    assert caught.value.status_code == 404 and caught.value.code == 40410000


def test_a_malformed_order_id_is_422(me, refused):
    refused(lambda: me.trading.get("/orders/abc"), 422, 40010001, "order_id is missing")


# ---- outside the session

def test_after_the_close_an_order_is_accepted_for_the_next_session(standing, traders):
    me = traders(standing(market.TODAY, "18:00"))
    order = me.trading.submit_order(market_order())
    assert order.status == OrderStatus.ACCEPTED
    assert again(me, order).status == OrderStatus.ACCEPTED and me.raw.get_order_by_id(order.id)["expires_at"].startswith("2024-07-03T17:00:00")


def test_an_order_queued_overnight_fills_at_the_next_open(starting):
    me = starting(market.TODAY, "18:00")
    order = me.trading.submit_order(market_order())
    me.exchange.clock.to(market.at(market.HALF_DAY, "09:31"))
    order = again(me, order)
    assert order.status == OrderStatus.FILLED and order.filled_at.isoformat().startswith("2024-07-03T13:30")


OPENING = [
    ("market on open", market_order(tif=OPG), "filled"),
    ("limit on open that reaches", limit_order(101, tif=OPG), "filled"),
    ("limit on open that does not", limit_order(90, tif=OPG), "expired"),
]


@pytest.mark.parametrize("request_, end", [row[1:] for row in OPENING], ids=[row[0] for row in OPENING])
def test_the_opening_auction(starting, request_, end):
    me = starting(market.TODAY, "09:00")
    order = me.trading.submit_order(request_)
    me.exchange.clock.to(market.at(market.TODAY, "09:31"))
    order = again(me, order)
    assert order.status.value in (end, "canceled" if end == "expired" else end)
    if end == "filled":
        assert float(order.filled_avg_price) == 100 and order.filled_at.isoformat().startswith("2024-07-02T13:30:00")


CLOSING = [
    ("market on close", market_order("TSLA", tif=CLS), "filled"),
    ("limit on close that reaches", limit_order(248, symbol="TSLA", tif=CLS), "filled"),
    ("limit on close that does not", limit_order(240, symbol="TSLA", tif=CLS), "expired"),
]


@pytest.mark.parametrize("request_, end", [row[1:] for row in CLOSING], ids=[row[0] for row in CLOSING])
def test_the_closing_auction(starting, request_, end):
    me = starting(market.TODAY, "15:30")
    order = me.trading.submit_order(request_)
    me.exchange.clock.to(market.at(market.TODAY, "16:01"))
    order = again(me, order)
    assert order.status.value in (end, "canceled" if end == "expired" else end)
    if end == "filled":
        assert float(order.filled_avg_price) == 247 and order.filled_at.isoformat().startswith("2024-07-02T20:00:00")


def test_a_day_order_expires_at_the_close(starting):
    me = starting(market.TODAY, "15:50")
    order = me.trading.submit_order(limit_order(90))
    me.exchange.clock.to(market.at(market.TODAY, "16:01"))
    order = again(me, order)
    assert order.status == OrderStatus.EXPIRED and order.expired_at.isoformat().startswith("2024-07-02T20:00:00")


def test_a_day_order_expires_at_one_on_a_half_day(starting):
    me = starting(market.HALF_DAY, "12:50")
    order = me.trading.submit_order(limit_order(90))
    me.exchange.clock.to(market.at(market.HALF_DAY, "13:01"))
    assert again(me, order).expired_at.isoformat().startswith("2024-07-03T17:00:00")


def test_a_queued_market_order_reserves_a_collar(standing, traders):
    me = traders(standing(market.TODAY, "18:00"))
    me.trading.submit_order(market_order())
    assert 1000 < 400000 - float(me.trading.get_account().buying_power) <= 1040


# ---- while the market moves: MSFT rises from 200 to 203 between 10:30 and 11:00, TSLA falls from 250 to 247

def moved(starting, request_, until="11:05"):
    me = starting(market.TODAY, "10:29")
    order = me.trading.submit_order(request_)
    me.exchange.clock.to(market.at(market.TODAY, until))
    return me, again(me, order)


MOVING = [
    ("sell limit above is reached", limit_order(202, symbol="MSFT", side=SELL), pytest.approx(202.05, abs=0.06)),
    ("buy limit below is reached", limit_order(248, symbol="TSLA"), pytest.approx(247.95, abs=0.06)),
]


@pytest.mark.parametrize("request_, price", [row[1:] for row in MOVING], ids=[row[0] for row in MOVING])
def test_the_market_moves_and(starting, request_, price):
    _, order = moved(starting, request_)
    assert order.status == OrderStatus.FILLED and float(order.filled_avg_price) == price


# ---- brackets, oco, oto

def bracket(**more):
    return limit_order(100.01, order_class=OrderClass.BRACKET, take_profit=TakeProfitRequest(limit_price=105), stop_loss=StopLossRequest(stop_price=95), **more)


def legs(trader, order):
    return trader.trading.get_order_by_id(order.id, GetOrderByIdRequest(nested=True)).legs


def by_type(orders):
    return {o.order_type.value: o for o in orders}


def moved_bracket(starting, symbol, up, down):
    me = starting(market.TODAY, "10:29")
    order = me.trading.submit_order(market_order(symbol, order_class=OrderClass.BRACKET, take_profit=TakeProfitRequest(limit_price=up),
                                                 stop_loss=StopLossRequest(stop_price=down)))
    me.exchange.clock.to(market.at(market.TODAY, "11:05"))
    return me, by_type(legs(me, order))


def oco(take=105, stop_at=95, **more):
    return LimitOrderRequest(symbol="AAPL", qty=10, side=SELL, time_in_force=DAY, order_class=OrderClass.OCO, take_profit=TakeProfitRequest(limit_price=take),
                             stop_loss=StopLossRequest(stop_price=stop_at), **more)


def test_order_class_simple_is_simple(me):
    order = me.trading.submit_order(limit_order(90, order_class=OrderClass.SIMPLE))
    assert order.order_class == OrderClass.SIMPLE and order.legs is None
