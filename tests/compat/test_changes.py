"""Replacing and cancelling."""

import uuid

import market
import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (GetOrderByIdRequest, GetOrdersRequest, LimitOrderRequest, MarketOrderRequest, ReplaceOrderRequest, StopLimitOrderRequest,
                                     StopLossRequest, StopOrderRequest, TakeProfitRequest, TrailingStopOrderRequest)

BUY, SELL, DAY, GTC = OrderSide.BUY, OrderSide.SELL, TimeInForce.DAY, TimeInForce.GTC


def limit(trader, price=90, qty=10, side=BUY, **more):
    return trader.trading.submit_order(LimitOrderRequest(symbol="AAPL", qty=qty, side=side, time_in_force=more.pop("tif", DAY), limit_price=price, **more))


def at_market(trader, qty=10, side=BUY):
    return trader.trading.submit_order(MarketOrderRequest(symbol="AAPL", qty=qty, side=side, time_in_force=DAY))


def bracket(trader):
    order = limit(trader, 99, order_class=OrderClass.BRACKET, take_profit=TakeProfitRequest(limit_price=105), stop_loss=StopLossRequest(stop_price=95))
    return order, {leg.order_type.value: leg for leg in order.legs}


STOP = StopOrderRequest(symbol="AAPL", qty=10, side=BUY, time_in_force=DAY, stop_price=110)
STOP_LIMIT = StopLimitOrderRequest(symbol="AAPL", qty=10, side=BUY, time_in_force=DAY, stop_price=110, limit_price=111)
TRAIL = TrailingStopOrderRequest(symbol="AAPL", qty=10, side=BUY, time_in_force=DAY, trail_price=5)
TRAIL_PERCENT = TrailingStopOrderRequest(symbol="AAPL", qty=10, side=BUY, time_in_force=DAY, trail_percent=5)
LIMIT = LimitOrderRequest(symbol="AAPL", qty=10, side=BUY, time_in_force=DAY, limit_price=90)


def number(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def partly_filled(starting, traders):
    """A buyer whose limit of ten has four."""
    buyer = starting(market.TODAY, "10:00")
    order = limit(buyer, 100)
    limit(traders(buyer.exchange), 100, 4, SELL)
    assert buyer.trading.get_order_by_id(order.id).status == OrderStatus.PARTIALLY_FILLED
    return buyer, order


# ---- cancelling

def test_cancel(me):
    order = limit(me)
    assert me.trading.cancel_order_by_id(order.id) is None
    order = me.trading.get_order_by_id(order.id)
    assert order.status == OrderStatus.CANCELED and order.canceled_at is not None


def test_cancel_is_204_without_a_body(me):
    reply = me.http("DELETE", f"/v2/orders/{limit(me).id}")
    assert (reply.status_code, reply.content) == (204, b"")


def test_cancelling_twice_is_no_error(me):
    order = limit(me)
    me.trading.cancel_order_by_id(order.id)
    me.trading.cancel_order_by_id(order.id)


def test_a_filled_order_is_not_cancelled(me, refused):
    order = at_market(me)
    refused(lambda: me.trading.cancel_order_by_id(order.id), 422, 42210000, 'order is already in "filled" state')


def test_an_expired_order_is_not_cancelled(starting, refused):
    me = starting(market.TODAY, "15:59")
    order = limit(me)
    me.exchange.clock.to(market.at(market.TODAY, "16:01"))
    refused(lambda: me.trading.cancel_order_by_id(order.id), 422, 42210000, 'order is already in "expired" state')


def test_an_unknown_order_is_not_cancelled(me, refused):
    unknown = uuid.uuid4()
    refused(lambda: me.trading.cancel_order_by_id(unknown), 404, 40410000, f"order not found for {unknown}")


def test_an_accepted_order_is_cancelled(standing, traders):
    me = traders(standing(market.TODAY, "18:00"))
    order = limit(me)
    me.trading.cancel_order_by_id(order.id)
    assert me.trading.get_order_by_id(order.id).status == OrderStatus.CANCELED


def test_cancel_all_is_207_with_each_order(me):
    orders = [limit(me, p) for p in (90, 91, 92)]
    answers = me.trading.cancel_orders()
    assert {a.id for a in answers} == {o.id for o in orders} and {a.status for a in answers} == {200}
    assert me.trading.get_orders() == []


def test_cancel_all_of_nothing_is_an_empty_list(me):
    assert me.trading.cancel_orders() == []
    assert me.http("DELETE", "/v2/orders").status_code == 207
