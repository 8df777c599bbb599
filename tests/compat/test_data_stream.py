"""Market data as alpaca-py's StockDataStream (MessagePack) and plain sockets get it."""

import datetime as dt
import json

import market
import msgpack
import pytest
from conftest import PATIENCE, Exchange
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


def today(time):
    return market.at(market.TODAY, time)


@pytest.fixture
def moving(starting):
    """At 10:29; MSFT is about to rise."""
    return starting(market.TODAY, "10:29")


def test_bars_of_one_symbol(moving):
    stream = moving.market_data()
    stream.sdk.subscribe_bars(stream.take, "MSFT")
    stream.subscribed()
    moving.exchange.clock.to(today("10:32"))
    got = stream.until("three bars", lambda got: len(got) >= 3)
    assert [(b.symbol, b.timestamp, b.open, b.close, b.volume) for b in got] == [
        ("MSFT", today("10:29"), 200, 200, 1000), ("MSFT", today("10:30"), 200, 200.1, 1000), ("MSFT", today("10:31"), 200.1, 200.2, 1000)]


def test_quotes_of_two_symbols(moving):
    stream = moving.market_data()
    stream.sdk.subscribe_quotes(stream.take, "AAPL", "MSFT")
    stream.subscribed()
    moving.exchange.clock.to(today("10:31"))
    got = stream.until("four quotes", lambda got: len(got) >= 4)
    assert {q.symbol for q in got} == {"AAPL", "MSFT"}
    assert [(q.bid_price, q.ask_price, q.bid_size, q.ask_size) for q in got if q.symbol == "MSFT"] == [(199.99, 200.01, 500, 500), (200.09, 200.11, 500, 500)]


def test_all_symbols(moving):
    stream = moving.market_data()
    stream.sdk.subscribe_bars(stream.take, "*")
    stream.subscribed()
    moving.exchange.clock.to(today("10:30"))
    got = stream.until("a bar of each", lambda got: len(got) >= len(market.PRICES))
    assert sorted(b.symbol for b in got) == sorted(market.PRICES)


def test_a_share_class(moving):
    stream = moving.market_data()
    stream.sdk.subscribe_bars(stream.take, "BRK.B")
    stream.subscribed()
    moving.exchange.clock.to(today("10:30"))
    assert [b.close for b in stream.until("a bar", lambda got: got)] == [300]


def test_a_symbol_added_and_one_taken_off_while_running(moving):
    stream = moving.market_data()
    stream.sdk.subscribe_bars(stream.take, "AAPL")
    stream.subscribed()
    stream.sdk.subscribe_bars(stream.take, "IBM")
    stream.subscribed(2)
    moving.exchange.clock.to(today("10:30"))
    stream.until("a bar of each", lambda got: len(got) == 2)
    stream.sdk.unsubscribe_bars("AAPL")
    stream.subscribed(3)
    moving.exchange.clock.to(today("10:31"))
    stream.until("another bar", lambda got: len(got) == 3)
    assert sorted(b.symbol for b in stream.parsed[:2]) == ["AAPL", "IBM"] and stream.parsed[2].symbol == "IBM"


def test_the_whole_subscription_is_acknowledged(me):
    stream = me.market_data()
    stream.sdk.subscribe_trades(stream.take, "AAPL")
    stream.sdk.subscribe_quotes(stream.take, "IBM")
    stream.sdk.subscribe_bars(stream.take, "*")
    stream.sdk.subscribe_updated_bars(stream.take, "SPY")
    stream.sdk.subscribe_daily_bars(stream.take, "SPY")
    stream.sdk.subscribe_trading_statuses(stream.take, "*")
    stream.subscribed()
    [ack] = [m for m in stream.messages if m["T"] == "subscription"]
    assert ack == {"T": "subscription", "trades": ["AAPL"], "quotes": ["IBM"], "bars": ["*"], "updatedBars": ["SPY"], "dailyBars": ["SPY"], "statuses": ["*"],
                   "lulds": [], "imbalances": [], "corrections": ["AAPL"], "cancelErrors": ["AAPL"]}


def test_raw_data_has_the_members_of_the_wire(moving):
    stream = moving.market_data(raw_data=True)
    stream.sdk.subscribe_bars(stream.take, "MSFT")
    stream.subscribed()
    moving.exchange.clock.to(today("10:30"))
    [bar] = stream.until("a bar", lambda got: got)
    assert {"T", "S", "o", "h", "l", "c", "v", "t", "n", "vw"} <= set(bar) and isinstance(bar["t"], msgpack.Timestamp)
    assert bar["t"].to_datetime() == today("10:29") and next(iter(bar)) == "T"


def test_subscribing_twice_delivers_once(moving):
    stream = moving.market_data()
    stream.sdk.subscribe_bars(stream.take, "MSFT")
    stream.subscribed()
    stream.sdk.subscribe_bars(stream.take, "MSFT")
    stream.subscribed(2)
    moving.exchange.clock.to(today("10:31"))
    stream.until("two bars", lambda got: len(got) >= 2)
    assert [b.timestamp for b in stream.parsed] == [today("10:29"), today("10:30")]


def test_the_sdk_stops_and_may_come_back(me):
    for _ in range(2):
        stream = me.market_data()
        stream.sdk.subscribe_bars(stream.take, "AAPL")
        stream.subscribed()
        stream.end()


# ---- the socket itself

def socket(trader, path="/v2/iex", **more):
    return connect(trader.exchange.ws + path, proxy=None, **more)


def read(ws):
    return json.loads(ws.recv(PATIENCE))


def talk(ws, **message):
    ws.send(json.dumps(message))
    return read(ws)


def auth(trader, **more):
    return {"action": "auth", "key": trader.keys[0], "secret": trader.keys[1], **more}


CONNECTED, AUTHENTICATED = [{"T": "success", "msg": "connected"}], [{"T": "success", "msg": "authenticated"}]


def without_ours(message):
    """docs/protocols.md: lockstep is no member of the broker's greeting."""
    return [{k: v for k, v in m.items() if k != "lockstep"} for m in message]


@pytest.mark.parametrize("feed", ["iex", "sip"])
def test_json_is_the_default_and_comes_in_text_frames(me, feed):
    with socket(me, "/v2/" + feed) as ws:
        frame = ws.recv(PATIENCE)
        assert isinstance(frame, str) and without_ours(json.loads(frame)) == CONNECTED
        assert talk(ws, **auth(me)) == AUTHENTICATED
        assert talk(ws, action="subscribe", bars=["AAPL"])[0]["bars"] == ["AAPL"]


def test_login_by_the_handshake_s_headers(me):
    with socket(me, additional_headers={"APCA-API-KEY-ID": me.keys[0], "APCA-API-SECRET-KEY": me.keys[1]}) as ws:
        assert without_ours(read(ws)) == CONNECTED and read(ws) == AUTHENTICATED


ERRORS = [
    ("subscribing without a login", False, {"action": "subscribe", "bars": ["AAPL"]}, 401, "not authenticated"),
    ("logging in twice", True, {"action": "auth", "key": "any", "secret": "any"}, 403, "already authenticated"),
    ("an unknown action", True, {"action": "dance"}, 400, "invalid syntax"),
    ("no action", True, {"bars": ["AAPL"]}, 400, "invalid syntax"),
    ("symbols that are no list", True, {"action": "subscribe", "bars": "AAPL"}, 400, "invalid syntax"),
    ("symbols that are no text", True, {"action": "subscribe", "bars": [1]}, 400, "invalid syntax"),
]


@pytest.mark.parametrize("logged_in, message, code, text", [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_an_error_leaves_the_stream_open(me, logged_in, message, code, text):
    with socket(me) as ws:
        read(ws)
        if logged_in:
            talk(ws, **auth(me))
        assert talk(ws, **message) == [{"T": "error", "code": code, "msg": text}]
        if not logged_in:
            assert talk(ws, **auth(me)) == AUTHENTICATED
        assert talk(ws, action="subscribe", bars=["AAPL"])[0]["T"] == "subscription"


def test_not_json_is_invalid_syntax(me):
    with socket(me) as ws:
        read(ws)
        ws.send("hello")
        assert read(ws) == [{"T": "error", "code": 400, "msg": "invalid syntax"}]


def test_a_wrong_secret_is_402_and_the_end(me):
    me.trading.get_account()
    with socket(me) as ws:
        read(ws)
        assert talk(ws, **auth(me, secret="wrong")) == [{"T": "error", "code": 402, "msg": "auth failed"}]
        with pytest.raises(ConnectionClosed):
            ws.recv(PATIENCE)


def test_one_connection_for_a_key(me):
    with socket(me) as first, socket(me) as second:
        read(first), read(second)
        assert talk(first, **auth(me)) == AUTHENTICATED
        assert talk(second, **auth(me)) == [{"T": "error", "code": 406, "msg": "connection limit exceeded"}]
    with socket(me) as third:
        read(third)
        assert talk(third, **auth(me)) == AUTHENTICATED


def test_a_refused_subscription_changes_nothing(me):
    with socket(me) as ws:
        read(ws), talk(ws, **auth(me))
        talk(ws, action="subscribe", bars=["AAPL"])
        assert talk(ws, action="subscribe", bars=["IBM"], quotes=7)[0]["code"] == 400
        assert talk(ws, action="subscribe", quotes=["SPY"])[0]["bars"] == ["AAPL"]


def test_unsubscribing_everything(me):
    with socket(me) as ws:
        read(ws), talk(ws, **auth(me))
        talk(ws, action="subscribe", bars=["AAPL", "IBM"], trades=["SPY"])
        ack = talk(ws, action="unsubscribe", bars=["AAPL", "IBM"], trades=["SPY"])[0]
        assert all(v == [] for k, v in ack.items() if k != "T")


def test_json_carries_the_same_numbers(moving):
    with socket(moving) as ws:
        read(ws), talk(ws, **auth(moving))
        talk(ws, action="subscribe", bars=["MSFT"], quotes=["MSFT"])
        moving.exchange.clock.to(today("10:31"))
        messages = []
        while sum(m["T"] == "b" for m in messages) < 2:
            messages += read(ws)
        bar = [m for m in messages if m["T"] == "b"][1]
        assert {k: bar[k] for k in "TSohlcvt"} == {"T": "b", "S": "MSFT", "o": 200, "h": 200.1, "l": 200, "c": 200.1, "v": 1000, "t": "2024-07-02T14:30:00Z"}
        quote = [m for m in messages if m["T"] == "q"][1]
        assert {k: quote[k] for k in ("S", "bp", "bs", "ap", "as")} == {"S": "MSFT", "bp": 200.09, "bs": 500, "ap": 200.11, "as": 500}
        assert all(k in quote for k in ("bx", "ax", "c", "t", "z"))


def test_the_first_bytes_of_a_messagepack_stream(request, bars):
    """In real time nothing of ours is in the greeting."""
    exchange = Exchange(request, None, None)
    try:
        with connect(exchange.ws + "/v2/iex", proxy=None, additional_headers={"Content-Type": "application/msgpack"}) as ws:
            assert ws.recv(PATIENCE).hex(" ") == "91 82 a1 54 a7 73 75 63 63 65 73 73 a3 6d 73 67 a9 63 6f 6e 6e 65 63 74 65 64"
    finally:
        exchange.end()
