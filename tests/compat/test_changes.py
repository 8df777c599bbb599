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

REPLACED = [
    ("a limit's price", LIMIT, dict(limit_price=91), dict(limit_price=91, qty=10)),
    ("a limit's quantity up", LIMIT, dict(qty=20), dict(limit_price=90, qty=20)),
    ("a limit's quantity down", LIMIT, dict(qty=5), dict(limit_price=90, qty=5)),
    ("a limit's time in force", LIMIT, dict(time_in_force=GTC), dict(time_in_force="gtc")),
    ("price, quantity and id together", LIMIT, dict(limit_price=91, qty=20, client_order_id="second"), dict(limit_price=91, qty=20, client_order_id="second")),
    ("a stop's price", STOP, dict(stop_price=112), dict(stop_price=112)),
    ("a stop limit's prices", STOP_LIMIT, dict(stop_price=112, limit_price=113), dict(stop_price=112, limit_price=113)),
    ("a trail", TRAIL, dict(trail=6), dict(trail_price=6, stop_price=106)),
    ("a trail in percent", TRAIL_PERCENT, dict(trail=6), dict(trail_percent=6, stop_price=106)),
]


def number(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


@pytest.mark.parametrize("request_, change, expected", [row[1:] for row in REPLACED], ids=[row[0] for row in REPLACED])
def test_replace(me, request_, change, expected):
    old = me.trading.submit_order(request_)
    new = me.trading.replace_order_by_id(old.id, ReplaceOrderRequest(**change))
    assert new.id != old.id and new.replaces == old.id and new.client_order_id != old.client_order_id
    now = me.raw.get_order_by_id(new.id)
    assert now["status"] == "new" and {name: number(now[name]) for name in expected} == expected
    old = me.trading.get_order_by_id(old.id)
    assert old.status == OrderStatus.REPLACED and old.replaced_by == new.id and old.replaced_at is not None
    assert [o.id for o in me.trading.get_orders()] == [new.id]


def test_a_replacement_that_reaches_the_market_fills(me):
    old = limit(me)
    new = me.trading.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=100.01))
    assert me.trading.get_order_by_id(new.id).status == OrderStatus.FILLED
    assert me.trading.get_order_by_id(old.id).status == OrderStatus.REPLACED and me.trading.get_open_position("AAPL").qty == "10"


def test_a_chain_of_replacements(me):
    orders = [limit(me)]
    for price in (91, 92, 93):
        orders.append(me.trading.replace_order_by_id(orders[-1].id, ReplaceOrderRequest(limit_price=price)))
    chain = [me.trading.get_order_by_id(o.id) for o in orders]
    assert [o.replaced_by for o in chain] == [*(o.id for o in orders[1:]), None] and [o.replaces for o in chain] == [None, *(o.id for o in orders[:-1])]


def test_replacing_frees_the_difference_in_buying_power(me):
    order = limit(me, qty=20)
    me.trading.replace_order_by_id(order.id, ReplaceOrderRequest(qty=10))
    assert float(me.trading.get_account().buying_power) == 400000 - 900


def partly_filled(starting, traders):
    """A buyer whose limit of ten has four."""
    buyer = starting(market.TODAY, "10:00")
    order = limit(buyer, 100)
    limit(traders(buyer.exchange), 100, 4, SELL)
    assert buyer.trading.get_order_by_id(order.id).status == OrderStatus.PARTIALLY_FILLED
    return buyer, order


def test_the_quantity_of_a_replacement_is_that_of_the_whole_chain(starting, traders):
    buyer, order = partly_filled(starting, traders)
    new = buyer.trading.replace_order_by_id(order.id, ReplaceOrderRequest(qty=6))
    limit(traders(buyer.exchange), 100, 5, SELL)
    new = buyer.trading.get_order_by_id(new.id)
    assert (new.status, float(new.qty)) == (OrderStatus.FILLED, 6) and buyer.trading.get_open_position("AAPL").qty == "6"


def test_a_replacement_of_no_more_than_is_filled_is_refused(starting, traders):
    buyer, order = partly_filled(starting, traders)
    with pytest.raises(APIError) as caught:
        buyer.trading.replace_order_by_id(order.id, ReplaceOrderRequest(qty=4))
    assert caught.value.status_code == 422 and caught.value.message.endswith("qty must be > filled_qty")


def test_empty_texts_and_nulls_change_nothing(me):
    order = limit(me, client_order_id="first")
    body = {"qty": None, "limit_price": "91", "stop_price": None, "trail": None, "time_in_force": "", "client_order_id": ""}
    new = me.trading.patch(f"/orders/{order.id}", body)
    assert (float(new["limit_price"]), float(new["qty"]), new["time_in_force"]) == (91, 10, "day") and new["client_order_id"] not in ("", "first")


NOT_REPLACED = [
    ("with nothing new", lambda me: limit(me).id, dict(limit_price=90), 42210000, "order parameters are not changed"),
    ("a filled order", lambda me: at_market(me).id, dict(qty=20), 42210000, "order is not open"),
    ("an order of the quantity it has", lambda me: limit(me).id, dict(qty=10), 42210000, "order parameters are not changed"),
    ("a bracket's quantity", lambda me: bracket(me)[0].id, dict(qty=20), 42210000, "qty cannot be changed for advanced orders"),
]


@pytest.mark.parametrize("make, change, code, message", [row[1:] for row in NOT_REPLACED], ids=[row[0] for row in NOT_REPLACED])
def test_not_replaced(me, refused, make, change, code, message):
    order_id = make(me)
    refused(lambda: me.trading.replace_order_by_id(order_id, ReplaceOrderRequest(**change)), 422, code, message)


def test_a_cancelled_order_is_not_replaced(me, refused):
    order = limit(me)
    me.trading.cancel_order_by_id(order.id)
    refused(lambda: me.trading.replace_order_by_id(order.id, ReplaceOrderRequest(qty=20)), 422, 42210000, "order is not open")


def test_a_replaced_order_is_not_replaced_again(me, refused):
    order = limit(me)
    me.trading.replace_order_by_id(order.id, ReplaceOrderRequest(qty=20))
    refused(lambda: me.trading.replace_order_by_id(order.id, ReplaceOrderRequest(qty=30)), 422, 42210000, "order already replaced")


def test_an_accepted_order_is_not_replaced(standing, traders, refused):
    me = traders(standing(market.TODAY, "18:00"))
    order = limit(me)
    refused(lambda: me.trading.replace_order_by_id(order.id, ReplaceOrderRequest(qty=20)), 422, 42210000, "cannot replace order in accepted status")


def test_an_unknown_order_is_not_replaced(me, refused):
    unknown = uuid.uuid4()
    refused(lambda: me.trading.replace_order_by_id(unknown, ReplaceOrderRequest(qty=20)), 404, 40410000, f"order not found for {unknown}")


def test_a_replacement_with_a_used_client_order_id_is_refused(me, refused):
    order = limit(me, client_order_id="first")
    refused(lambda: me.trading.replace_order_by_id(order.id, ReplaceOrderRequest(qty=20, client_order_id="first")), 422, 40010001,
            "client_order_id must be unique")
    assert me.trading.get_order_by_id(order.id).status == OrderStatus.NEW


def test_a_replacement_beyond_the_buying_power_changes_nothing(me):
    order = limit(me)
    with pytest.raises(APIError) as caught:
        me.trading.replace_order_by_id(order.id, ReplaceOrderRequest(qty=10000))
    assert (caught.value.status_code, caught.value.message) == (403, "insufficient buying power")
    assert me.trading.get_order_by_id(order.id).status == OrderStatus.NEW


def test_a_sub_penny_replacement_is_refused(me, refused):
    order = limit(me)
    refused(lambda: me.trading.replace_order_by_id(order.id, ReplaceOrderRequest(limit_price=91.001)), 422, 42210000,
            "invalid limit_price 91.001. sub-penny increment does not fulfill minimum pricing criteria")


@pytest.mark.parametrize("type_, change, name", [("limit", dict(limit_price=106), "limit_price"), ("stop", dict(stop_price=94), "stop_price")], ids=["take profit", "stop loss"])
def test_a_held_leg_may_be_priced_anew(me, type_, change, name):
    order, legs = bracket(me)
    new = me.trading.replace_order_by_id(legs[type_].id, ReplaceOrderRequest(**change))
    assert number(getattr(new, name)) == change[name]
    nested = me.trading.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))
    assert change[name] in {number(getattr(leg, name)) for leg in nested.legs}


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


def test_a_replaced_order_is_not_cancelled(me, refused):
    order = limit(me)
    me.trading.replace_order_by_id(order.id, ReplaceOrderRequest(qty=20))
    refused(lambda: me.trading.cancel_order_by_id(order.id), 422, 42210000, 'order is already in "replaced" state')


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


def test_cancel_all_takes_a_bracket_along(me):
    order, legs = bracket(me)
    me.trading.cancel_orders()
    everything = me.trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL))
    assert len(everything) == 3 and {o.status for o in everything} == {OrderStatus.CANCELED}
