"""trade_updates as alpaca-py's TradingStream, plain sockets and server-sent events get them."""

import json

import market
import msgpack
import pytest
from alpaca.trading.enums import OrderClass, OrderSide, TimeInForce
from alpaca.trading.models import TradeUpdate
from alpaca.trading.requests import (LimitOrderRequest, MarketOrderRequest, ReplaceOrderRequest, StopLossRequest, TakeProfitRequest, StopOrderRequest,
                                     TrailingStopOrderRequest)
from conftest import PATIENCE
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

BUY, SELL = OrderSide.BUY, OrderSide.SELL
DAY, GTC, IOC, FOK, OPG, CLS = (TimeInForce(t) for t in ("day", "gtc", "ioc", "fok", "opg", "cls"))


def at_market(qty=10, side=BUY, symbol="AAPL", tif=DAY, **more):
    return MarketOrderRequest(symbol=symbol, qty=qty, side=side, time_in_force=tif, **more)


def limit(price, qty=10, side=BUY, symbol="AAPL", tif=DAY, **more):
    return LimitOrderRequest(symbol=symbol, qty=qty, side=side, time_in_force=tif, limit_price=price, **more)


# ---- sequences while nothing moves

SEQUENCES = [
    ("market", at_market(), ["pending_new", "new", "fill"]),
    ("short sale", at_market(side=SELL), ["pending_new", "new", "fill"]),
    ("limit that reaches", limit(100.01), ["pending_new", "new", "fill"]),
    ("market of a fraction", at_market(0.5), ["pending_new", "new", "fill"]),
]


@pytest.mark.parametrize("request_, events", [row[1:] for row in SEQUENCES], ids=[row[0] for row in SEQUENCES])
def test_one_event_for_each_step(me, request_, events):
    stream = me.trade_updates().listening()
    order = me.trading.submit_order(request_)
    stream.until_event(events[-1])
    assert stream.events(order.id) == events


RESTING = [
    ("limit", limit(90)),
    ("market on close", at_market(tif=CLS)),
]


@pytest.mark.parametrize("request_", [row[1] for row in RESTING], ids=[row[0] for row in RESTING])
def test_new_then_cancelled(me, request_):
    stream = me.trade_updates().listening()
    order = me.trading.submit_order(request_)
    stream.until_event("new", order.id)
    me.trading.cancel_order_by_id(order.id)
    update = stream.until_event("canceled", order.id)
    assert [e for e in stream.events(order.id) if e != "pending_cancel"] == ["pending_new", "new", "canceled"]
    assert update.order.status.value == "canceled" and update.order.canceled_at is not None


def test_a_fill_tells_the_execution(me):
    stream = me.trade_updates().listening()
    order = me.trading.submit_order(at_market(client_order_id="mine"))
    update = stream.until_event("fill")
    assert (update.qty, update.price, update.position_qty) == (10, 100.01, 10)
    assert update.order.client_order_id == "mine" and update.order.id == order.id and update.order.status.value == "filled"
    assert (float(update.order.filled_qty), float(update.order.filled_avg_price)) == (10, 100.01)
    assert update.timestamp == market.at(market.TODAY, "10:00")


def test_position_qty_is_signed_and_of_the_whole_position(me):
    stream = me.trade_updates().listening()
    for qty in (10, 5):
        me.trading.submit_order(at_market(qty, SELL))
    stream.until("both fills", lambda got: stream.events().count("fill") == 2)
    assert [u.position_qty for u in stream.parsed if u.event == "fill"] == [-10, -15]


def test_every_event_has_its_own_execution_id_but_pending_new_none(me):
    stream = me.trade_updates().listening()
    me.trading.submit_order(at_market())
    stream.until_event("fill")
    ids = [u.execution_id for u in stream.parsed]
    assert ids[0] is None and None not in ids[1:] and len(set(ids)) == len(ids)


def test_event_ids_are_ulids_that_rise(me):
    stream = me.trade_updates().listening()
    for _ in range(3):
        me.trading.submit_order(at_market())
    stream.until("three fills", lambda got: stream.events().count("fill") == 3)
    ids = [m["data"]["event_id"] for m in stream.messages if m.get("stream") == "trade_updates"]
    assert ids == sorted(set(ids)) and {len(i) for i in ids} == {26} and all(m["data"]["at"] for m in stream.messages if m.get("stream") == "trade_updates")


def test_the_order_of_the_last_event_is_the_one_of_rest(me):
    stream = me.trade_updates().listening()
    order = me.trading.submit_order(at_market())
    stream.until_event("fill")
    last = [m["data"]["order"] for m in stream.messages if m.get("stream") == "trade_updates"][-1]
    rest = me.raw.get_order_by_id(order.id)
    assert {k: v for k, v in last.items() if k in rest} == {k: v for k, v in rest.items() if k in last}


def test_a_fill_is_visible_everywhere_when_its_event_comes(me):
    stream = me.trade_updates().listening()
    me.trading.submit_order(at_market())
    update = stream.until_event("fill")
    [activity] = me.trading.get("/account/activities/FILL")
    assert activity["order_id"] == str(update.order.id) and me.trading.get_open_position("AAPL").qty == "10"


def test_each_account_hears_only_of_its_own(open_market, traders):
    one, other = traders(open_market), traders(open_market)
    streams = [t.trade_updates().listening() for t in (one, other)]
    orders = [t.trading.submit_order(at_market()) for t in (one, other)]
    for stream, order in zip(streams, orders):
        stream.until_event("fill")
        assert {u.order.id for u in stream.parsed} == {order.id}


def test_two_streams_of_one_account_both_hear(me):
    streams = [me.trade_updates().listening() for _ in range(2)]
    me.trading.submit_order(at_market())
    for stream in streams:
        stream.until_event("fill")
        assert stream.events() == ["pending_new", "new", "fill"]


def test_listening_twice_delivers_once(me):
    stream = me.trade_updates().listening()
    stream.sdk.subscribe_trade_updates(stream.take)  # sends listen again
    stream.until("the second acknowledgement", lambda _: sum(m.get("stream") == "listening" for m in stream.messages) == 2)
    me.trading.submit_order(at_market())
    stream.until_event("fill")
    assert stream.events() == ["pending_new", "new", "fill"]


def test_cancel_all_is_heard(me):
    stream = me.trade_updates().listening()
    orders = [me.trading.submit_order(limit(p)) for p in (90, 91)]
    me.trading.cancel_orders()
    for order in orders:
        stream.until_event("canceled", order.id)


# ---- sequences while the market moves

def test_a_queued_order_is_accepted_then_routed(starting):
    me = starting(market.TODAY, "18:00")
    stream = me.trade_updates().listening()
    order = me.trading.submit_order(at_market())
    stream.until_event("accepted")
    me.exchange.clock.to(market.at(market.HALF_DAY, "09:31"))
    stream.until_event("fill")
    assert [e for e in stream.events(order.id) if e != "pending_new"] == ["accepted", "new", "fill"]


def test_a_queued_order_is_cancelled(standing, traders):
    me = traders(standing(market.TODAY, "18:00"))
    stream = me.trade_updates().listening()
    order = me.trading.submit_order(limit(90))
    me.trading.cancel_order_by_id(order.id)
    stream.until_event("canceled", order.id)
    assert [e for e in stream.events(order.id) if e != "pending_cancel"] == ["accepted", "canceled"]


def test_an_expired_order_is_heard_of(starting):
    me = starting(market.TODAY, "15:59")
    stream = me.trade_updates().listening()
    order = me.trading.submit_order(limit(90))
    me.exchange.clock.to(market.at(market.TODAY, "16:01"))
    update = stream.until_event("expired", order.id)
    assert update.timestamp == market.at(market.TODAY, "16:00") and update.order.expired_at == update.timestamp


def test_auction_orders_are_heard_of(starting):
    me = starting(market.TODAY, "09:20")
    stream = me.trade_updates().listening()
    order = me.trading.submit_order(at_market(tif=OPG))
    me.exchange.clock.to(market.at(market.TODAY, "09:31"))
    update = stream.until_event("fill", order.id)
    assert (update.price, update.timestamp) == (100, market.at(market.TODAY, "09:30"))


def test_partial_fills_between_two_accounts(starting, traders):
    seller = starting(market.TODAY, "10:00")
    buyer = traders(seller.exchange)
    streams = [t.trade_updates().listening() for t in (seller, buyer)]
    seller.trading.submit_order(limit(100, 4, SELL))  # inside the market's spread
    streams[0].until_event("new")
    order = buyer.trading.submit_order(limit(100, 10))
    update = streams[1].until_event("partial_fill")
    assert (update.qty, update.price, update.position_qty, update.order.status.value) == (4, 100, 4, "partially_filled")
    assert streams[0].until_event("fill").price == 100
    seller.trading.submit_order(limit(100, 6, SELL))
    last = streams[1].until_event("fill")
    assert (last.qty, float(last.order.filled_qty), last.position_qty) == (6, 10, 10)
    assert streams[1].events(order.id) == ["pending_new", "new", "partial_fill", "fill"]
    activities = buyer.trading.get("/account/activities/FILL")
    assert [(a["type"], a["qty"], a["cum_qty"], a["leaves_qty"], a["order_status"]) for a in activities] == [
        ("fill", "6", "10", "0", "filled"), ("partial_fill", "4", "4", "6", "partially_filled")]


def test_a_partly_filled_order_cancelled_keeps_what_it_has(starting, traders):
    seller = starting(market.TODAY, "10:00")
    buyer = traders(seller.exchange)
    stream = buyer.trade_updates().listening()
    order = buyer.trading.submit_order(limit(100, 10))
    seller.trading.submit_order(limit(100, 4, SELL))
    stream.until_event("partial_fill")
    buyer.trading.cancel_order_by_id(order.id)
    update = stream.until_event("canceled")
    assert (update.order.status.value, float(update.order.filled_qty)) == ("canceled", 4) and buyer.trading.get_open_position("AAPL").qty == "4"


# ---- the socket itself

def socket(trader, **more):
    return connect(trader.exchange.ws + "/stream", proxy=None, **more)


def talk(ws, message):
    ws.send(json.dumps(message))
    return json.loads(ws.recv(PATIENCE))


def login(trader, secret=None):
    return {"action": "authenticate", "data": {"key_id": trader.keys[0], "secret_key": secret or trader.keys[1]}}


AUTHORIZED = {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}
UNAUTHORIZED = {"stream": "authorization", "data": {"status": "unauthorized", "action": "authenticate"}}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}


def test_both_forms_of_login(me):
    for message in (login(me), {"action": "auth", "key": me.keys[0], "secret": me.keys[1]}):
        with socket(me) as ws:
            assert talk(ws, message) == AUTHORIZED


def test_a_wrong_secret_is_unauthorized_and_ends_the_connection(me):
    me.trading.get_account()
    with socket(me) as ws:
        assert talk(ws, login(me, "wrong")) == UNAUTHORIZED
        with pytest.raises(ConnectionClosed):
            ws.recv(PATIENCE)


def test_listening_needs_a_login(me):
    with socket(me) as ws:
        assert talk(ws, LISTEN) == {"stream": "authorization", "data": {"status": "unauthorized", "action": "listen"}}


LISTENS = [
    ("trade_updates", ["trade_updates"], ["trade_updates"]),
    ("an unknown stream is left out", ["trade_updates", "tea"], ["trade_updates"]),
    ("nothing", [], []),
]


@pytest.mark.parametrize("streams, taken", [row[1:] for row in LISTENS], ids=[row[0] for row in LISTENS])
def test_listen_is_acknowledged_with_what_was_taken(me, streams, taken):
    with socket(me) as ws:
        talk(ws, login(me))
        assert talk(ws, {"action": "listen", "data": {"streams": streams}}) == {"stream": "listening", "data": {"streams": taken}}


def test_an_empty_listen_stops_the_updates(me):
    with socket(me) as ws:
        for message in (login(me), LISTEN, {"action": "listen", "data": {"streams": []}}):
            talk(ws, message)
        me.trading.submit_order(at_market())
        assert talk(ws, LISTEN) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}  # nothing before it


def test_paper_sends_json_in_binary_frames_and_takes_text_and_binary(me):
    with socket(me) as ws:
        ws.send(json.dumps(login(me)).encode())
        frame = ws.recv(PATIENCE)
        assert isinstance(frame, bytes) and json.loads(frame) == AUTHORIZED
        ws.send(json.dumps(LISTEN))
        assert json.loads(ws.recv(PATIENCE))["stream"] == "listening"


def test_a_message_in_fragments_is_one_message(me):
    with socket(me) as ws:
        text = json.dumps(login(me))
        ws.send([text[:10], text[10:20], text[20:]])
        assert json.loads(ws.recv(PATIENCE)) == AUTHORIZED


def test_messagepack_when_the_handshake_asks_for_it(me):
    with socket(me, additional_headers={"Content-Type": "application/msgpack"}) as ws:
        ws.send(msgpack.packb(login(me)))
        assert msgpack.unpackb(ws.recv(PATIENCE)) == AUTHORIZED
        ws.send(msgpack.packb(LISTEN))
        assert msgpack.unpackb(ws.recv(PATIENCE))["stream"] == "listening"
        me.trading.submit_order(limit(90))
        assert msgpack.unpackb(ws.recv(PATIENCE))["data"]["event"] == "pending_new"


def test_pings_are_answered(me):
    with socket(me) as ws:
        assert ws.ping().wait(PATIENCE)


# ---- server-sent events

def events_of(reply):
    return (json.loads(line[6:]) for line in reply.iter_lines(chunk_size=1) if line.startswith(b"data: "))
