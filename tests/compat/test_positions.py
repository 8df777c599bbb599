"""Positions: what they say, closing them whole and in part."""

import market
import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import AssetClass, AssetExchange, OrderSide, OrderStatus, OrderType, PositionSide, TimeInForce
from alpaca.trading.models import Order
from alpaca.trading.requests import ClosePositionRequest, LimitOrderRequest, MarketOrderRequest

BUY, SELL, DAY = OrderSide.BUY, OrderSide.SELL, TimeInForce.DAY


def trade(trader, symbol="AAPL", qty=10, side=BUY):
    return trader.trading.submit_order(MarketOrderRequest(symbol=symbol, qty=qty, side=side, time_in_force=DAY))


def numbers(position, *names):
    return [float(getattr(position, name)) for name in names]


def test_no_position_is_an_empty_list(me):
    assert me.trading.get_all_positions() == []


def test_a_long_position(me):
    trade(me)
    p = me.trading.get_open_position("AAPL")
    assert (p.symbol, p.side, p.asset_class, p.asset_marginable) == ("AAPL", PositionSide.LONG, AssetClass.US_EQUITY, True)
    assert isinstance(p.exchange, AssetExchange)
    assert numbers(p, "qty", "qty_available", "avg_entry_price", "cost_basis", "current_price", "market_value") == [10, 10, 100.01, 1000.1, 100, 1000]
    assert numbers(p, "unrealized_pl", "unrealized_intraday_pl", "lastday_price") == pytest.approx([-0.1, -0.1, 98])
    assert numbers(p, "unrealized_plpc", "change_today") == pytest.approx([-0.1 / 1000.1, 100 / 98 - 1])


def test_a_short_position_is_negative(me):
    trade(me, side=SELL)
    p = me.trading.get_open_position("AAPL")
    assert p.side == PositionSide.SHORT
    assert numbers(p, "qty", "avg_entry_price", "cost_basis", "market_value", "unrealized_pl") == pytest.approx([-10, 99.99, -999.9, -1000, -0.1])


def test_the_average_is_weighted_and_not_touched_by_a_sale(starting):
    me = starting(market.TODAY, "10:29")
    trade(me, "MSFT", 10)
    me.exchange.clock.to(market.at(market.TODAY, "11:05"))
    trade(me, "MSFT", 30)
    average = (10 * 200.01 + 30 * 203.01) / 40
    assert float(me.trading.get_open_position("MSFT").avg_entry_price) == pytest.approx(average)
    trade(me, "MSFT", 15, SELL)
    p = me.trading.get_open_position("MSFT")
    assert numbers(p, "qty", "avg_entry_price") == [25, pytest.approx(average)]


def test_open_sell_orders_hold_shares(me):
    trade(me)
    me.trading.submit_order(LimitOrderRequest(symbol="AAPL", qty=4, side=SELL, time_in_force=DAY, limit_price=110))
    assert numbers(me.trading.get_open_position("AAPL"), "qty", "qty_available") == [10, 6]


def test_positions_of_several_symbols(me):
    for symbol in ("AAPL", "BRK.B", "SPY"):
        trade(me, symbol, 1)
    assert sorted(p.symbol for p in me.trading.get_all_positions()) == ["AAPL", "BRK.B", "SPY"]


def test_a_position_by_asset_id(me):
    trade(me)
    asset = me.trading.get_asset("AAPL")
    assert me.trading.get_open_position(asset.id).symbol == "AAPL"


def test_no_such_position(me, refused):
    refused(lambda: me.trading.get_open_position("AAPL"), 404, 40410000, "position does not exist")


def test_no_such_symbol(me, refused):
    refused(lambda: me.trading.get_open_position("NOSUCH"), 404, 40410000, "symbol not found: NOSUCH")


def test_a_position_overnight_counts_today_against_yesterday(starting):
    me = starting(market.TODAY, "10:29")
    trade(me, "MSFT")
    me.exchange.clock.to(market.at(market.HALF_DAY, "10:00"))
    p = me.trading.get_open_position("MSFT")
    assert numbers(p, "unrealized_pl", "unrealized_intraday_pl", "lastday_price") == pytest.approx([29.9, 0, 203])


# ---- closing

def close(trader, symbol="AAPL", **what):
    return trader.trading.close_position(symbol, ClosePositionRequest(**what) if what else None)


def left(trader):
    return {p.symbol: float(p.qty) for p in trader.trading.get_all_positions()}


CLOSED = [
    ("everything", 10, {}, 10),
    ("by quantity", 10, {"qty": "4"}, 4),
    ("by quantity, all of it", 10, {"qty": "10"}, 10),
    ("half", 10, {"percentage": "50"}, 5),
    ("a third, whole shares only", 10, {"percentage": "33.333"}, 3),
    ("all hundred percent", 10, {"percentage": "100"}, 10),
    ("a fractional position", 2.5, {}, 2.5),
    ("half of a fractional position", 2.5, {"percentage": "50"}, 1.25),
    ("a fraction of a position", 10, {"qty": "0.5"}, 0.5),
]


@pytest.mark.parametrize("have, what, closed", [row[1:] for row in CLOSED], ids=[row[0] for row in CLOSED])
def test_close(me, have, what, closed):
    trade(me, qty=have)
    order = close(me, **what)
    assert (order.side, order.order_type, order.time_in_force, float(order.qty)) == (SELL, OrderType.MARKET, DAY, closed)
    assert me.trading.get_order_by_id(order.id).status == OrderStatus.FILLED
    assert left(me) == ({"AAPL": pytest.approx(have - closed)} if have > closed else {})


def test_a_short_position_is_bought_back(me):
    trade(me, side=SELL)
    assert close(me).side == BUY and left(me) == {}


def test_closing_by_asset_id(me):
    trade(me)
    close(me, me.trading.get_asset("AAPL").id)
    assert left(me) == {}


def test_closing_what_is_not_there(me, refused):
    refused(lambda: close(me), 404, 40410000, "position does not exist")


def test_closing_more_than_there_is(me):
    trade(me)
    with pytest.raises(APIError) as caught:
        close(me, qty="11")
    assert caught.value.status_code in (403, 422) and left(me) == {"AAPL": 10}


def test_closing_does_not_cancel_the_orders_that_hold_the_shares(me, refused):
    trade(me)
    order = me.trading.submit_order(LimitOrderRequest(symbol="AAPL", qty=10, side=SELL, time_in_force=DAY, limit_price=110))
    body = refused(lambda: close(me), 403, 40310000, "insufficient qty available for order (requested: 10, available: 0)")
    assert (body.available, body.existing_qty, body.held_for_orders, body.symbol) == ("0", "10", "10", "AAPL")
    assert [o.id for o in me.trading.get_orders()] == [order.id]


BAD_CLOSES = [
    ("above a hundred percent", {"percentage": "101"}),
    ("a negative quantity", {"qty": "-1"}),
    ("words", {"qty": "all"}),
]


@pytest.mark.parametrize("what", [row[1] for row in BAD_CLOSES], ids=[row[0] for row in BAD_CLOSES])
def test_a_close_that_is_none(me, what):
    trade(me)
    with pytest.raises(APIError) as caught:
        close(me, **what)
    assert caught.value.status_code == 422 and left(me) == {"AAPL": 10}


def test_close_all(me):
    trade(me, "AAPL")
    trade(me, "IBM", 5, SELL)
    answers = me.trading.close_all_positions(cancel_orders=False)
    assert {a.symbol: a.status for a in answers} == {"AAPL": 200, "IBM": 200} and all(isinstance(a.body, Order) for a in answers)
    assert left(me) == {}


def test_close_all_of_nothing_is_an_empty_list(me):
    assert me.trading.close_all_positions() == [] and me.http("DELETE", "/v2/positions").status_code == 207


def test_close_all_cancels_orders_when_asked(me):
    trade(me)
    me.trading.submit_order(LimitOrderRequest(symbol="AAPL", qty=10, side=SELL, time_in_force=DAY, limit_price=110))
    assert [a.status for a in me.trading.close_all_positions(cancel_orders=True)] == [200]
    assert left(me) == {} and me.trading.get_orders() == []


def test_close_all_tells_of_each_that_could_not_be_closed(me):
    trade(me, "AAPL")
    trade(me, "IBM")
    me.trading.submit_order(LimitOrderRequest(symbol="AAPL", qty=10, side=SELL, time_in_force=DAY, limit_price=110))
    answers = {a.symbol: a for a in me.trading.close_all_positions(cancel_orders=False)}
    assert {s: a.status for s, a in answers.items()} == {"AAPL": 403, "IBM": 200}
    assert answers["AAPL"].body.code == 40310000 and answers["AAPL"].body.message == "insufficient qty available for order (requested: 10, available: 0)"


def test_close_all_takes_booleans_in_any_case_and_nothing_else(me):
    for word in ("true", "True", "TRUE", "false"):
        assert me.http("DELETE", "/v2/positions", params={"cancel_orders": word}).status_code == 207
    reply = me.http("DELETE", "/v2/positions", params={"cancel_orders": "perhaps"})
    assert (reply.status_code, reply.json()["code"]) == (422, 40010001)


def test_after_the_close_closing_queues(starting):
    me = starting(market.TODAY, "15:59")
    trade(me)
    me.exchange.clock.to(market.at(market.TODAY, "18:00"))
    assert close(me).status == OrderStatus.ACCEPTED and left(me) == {"AAPL": 10}
