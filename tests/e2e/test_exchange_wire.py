"""The exchange's streams and server-sent events, message by message. The market stands (lockstep) until somebody who takes ticks
lets it go on, so nothing here depends on the time of the world."""

import itertools
import json
import signal
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import madeup
import msgpack
import pytest
from conftest import Stage, get
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

START = "2024-07-01T14:00:30Z"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def start(name, ports_at, env=None):
    stage = Stage(name, ports_at)
    bars = madeup.write(stage.var / "market", ["2024-06-28", "2024-07-01", "2024-07-02"], ["ABC", "XYZ"], seed=5)
    process = stage.popen("exchange", "--bars", bars, "--from", START, "--speed", "max", "--port", stage.base + 5, env=env or {})
    url = f"http://127.0.0.1:{stage.base + 5}"

    def answers():
        assert process.poll() is None, process.communicate()[1]
        try:
            return get(url + "/v2/clock", {})[0] == 401
        except OSError:
            return False
    stage.wait("the exchange", answers)
    return stage, process, url


def stop(stage, process):
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode in (0, 130), err
    assert stage.no_process_left() == []


@pytest.fixture(scope="module")
def exchange():
    stage, process, url = start("wire", 80)
    yield url
    stop(stage, process)


@pytest.fixture(scope="module")
def strict():
    """With the broker's limits, and text frames."""
    stage, process, url = start("strict", 90, {"BELL_EXCHANGE_STREAM_SYMBOLS": "3", "BELL_EXCHANGE_DATA_CONNECTIONS": "2",
                                               "BELL_EXCHANGE_STREAM_FRAMES": "text"})
    yield url
    stop(stage, process)


@pytest.fixture
def key(request):
    return request.node.name[:100]


class Socket:
    def __init__(self, url, path, packed=False):
        headers = {"Content-Type": "application/msgpack"} if packed else {}
        self.packed = packed
        self.ws = connect(url.replace("http", "ws") + path, additional_headers=headers, proxy=None, compression=None).__enter__()

    def put(self, message):
        self.ws.send(msgpack.packb(message) if self.packed else message if isinstance(message, (str, bytes)) else json.dumps(message))

    def get(self):
        frame = self.ws.recv(timeout=20)
        return msgpack.unpackb(frame, timestamp=3) if self.packed else json.loads(frame)

    def ask(self, message):
        self.put(message)
        return self.get()

    def is_closed(self):
        try:
            self.ws.recv(timeout=20)
        except ConnectionClosed:
            return True
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ws.close()


def data(url, key, packed=False, path="/v2/iex"):
    s = Socket(url, path, packed)
    assert s.get()[0]["msg"] == "connected"
    assert s.ask({"action": "auth", "key": key, "secret": key}) == [{"T": "success", "msg": "authenticated"}]
    return s


def trades(url, key, *streams):
    s = Socket(url, "/stream")
    assert s.ask({"action": "auth", "key": key, "secret": key})["data"]["status"] == "authorized"
    s.ask({"action": "listen", "data": {"streams": streams or ["trade_updates"]}})
    return s


class Clock:
    """A client that takes ticks: lets the market go on to a time."""

    def __init__(self, url, key):
        self.socket, self.tick = data(url, key), None
        self.socket.put({"action": "lockstep"})

    def to(self, time):
        while not self.tick or self.tick["t"] < time:
            self.tick = next(m for m in self.socket.get() if m["T"] == "tick")
            if self.tick["t"] < time:
                self.socket.put({"action": "ack", "n": self.tick["n"], "wake": time})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.ws.close()


def call(url, key, method, path, body=None):
    request = urllib.request.Request(url + path, method=method, data=json.dumps(body).encode() if body is not None else None,
                                     headers={"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": key})
    with OPENER.open(request, timeout=20) as reply:
        text = reply.read()
        return json.loads(text) if text else None


def order(url, key, **more):
    return call(url, key, "POST", "/v2/orders", {"symbol": "ABC", "qty": 1, "side": "buy", "type": "market", "time_in_force": "day", **more})


LISTENING = {"stream": "listening", "data": {"streams": ["trade_updates"]}}


def status(word, action="authenticate"):
    return {"stream": "authorization", "data": {"status": word, "action": action}}


@pytest.mark.parametrize("name, asked, answers", [
    ("as the SDKs do", [{"action": "authenticate", "data": {"key_id": "k", "secret_key": "k"}}, {"action": "listen", "data": {"streams": ["trade_updates"]}}],
     [status("authorized"), LISTENING]),
    ("the short form", [{"action": "auth", "key": "k", "secret": "k"}], [status("authorized")]),
    ("a token", [{"action": "authenticate", "data": {"oauth_token": "k"}}], [status("authorized")]),
    ("binary", [json.dumps({"action": "auth", "key": "k", "secret": "k"}).encode()], [status("authorized")]),
    ("listen first", [{"action": "listen", "data": {"streams": ["trade_updates"]}}], [status("unauthorized", "listen")]),
    ("a wrong secret", [{"action": "auth", "key": "k", "secret": "k"}, {"action": "auth", "key": "k", "secret": "other"}], [status("authorized"), status("unauthorized")]),
    ("unknown streams are left out", [{"action": "auth", "key": "k", "secret": "k"}, {"action": "listen", "data": {"streams": ["account_updates", "trade_updates"]}},
                                      {"action": "listen", "data": {"streams": []}}], [status("authorized"), LISTENING, {"stream": "listening", "data": {"streams": []}}]),
])
def test_trade_stream_answers(exchange, name, asked, answers):
    with Socket(exchange, "/stream") as s:
        assert [s.ask(m) for m in asked] == answers
        if answers[-1] == status("unauthorized"):
            assert s.is_closed()


AUTH = {"action": "auth", "key": "d", "secret": "d"}
OK = [{"T": "success", "msg": "authenticated"}]


def error(code, text):
    return [{"T": "error", "code": code, "msg": text}]


def subscription(**channels):
    names = ["trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "imbalances"]
    lists = {name: channels.get(name, []) for name in names}
    return [{"T": "subscription", **lists, "corrections": lists["trades"], "cancelErrors": lists["trades"]}]


@pytest.mark.parametrize("packed", [False, True], ids=["json", "msgpack"])
@pytest.mark.parametrize("name, asked, answers, closes", [
    ("subscribe adds, unsubscribe removes", [AUTH, {"action": "subscribe", "trades": ["ABC"], "bars": ["*"]}, {"action": "subscribe", "trades": ["XYZ", "ABC"]},
                                             {"action": "unsubscribe", "trades": ["ABC"], "quotes": ["ABC"]}],
     [OK, subscription(trades=["ABC"], bars=["*"]), subscription(trades=["ABC", "XYZ"], bars=["*"]), subscription(trades=["XYZ"], bars=["*"])], False),
    ("every channel", [AUTH, {"action": "subscribe", "updatedBars": ["ABC"], "dailyBars": ["ABC"], "statuses": ["*"], "lulds": ["ABC"], "imbalances": ["ABC"]}],
     [OK, subscription(updatedBars=["ABC"], dailyBars=["ABC"], statuses=["*"], lulds=["ABC"], imbalances=["ABC"])], False),
    ("no action", [{"key": "d"}], [error(400, "invalid syntax")], False),
    ("a list that is none changes nothing", [AUTH, {"action": "subscribe", "bars": ["ABC"], "quotes": "ABC"}, {"action": "subscribe"}],
     [OK, error(400, "invalid syntax"), subscription()], False),
    ("subscribe first", [{"action": "subscribe", "bars": ["ABC"]}], [error(401, "not authenticated")], False),
    ("a wrong secret", [{**AUTH, "secret": "other"}], [error(402, "auth failed")], True),
    ("twice", [AUTH, AUTH], [OK, error(403, "already authenticated")], False),
    ("a token", [{"action": "auth", "key": "oauth", "secret": "d"}], [OK], False),
    ("too many symbols", [AUTH, {"action": "subscribe", "bars": [f"S{i}" for i in range(1001)]}, {"action": "subscribe", "bars": ["ABC"]}],
     [OK, error(405, "symbol limit exceeded"), subscription(bars=["ABC"])], False),
])
def test_data_stream_answers(exchange, packed, name, asked, answers, closes):
    with Socket(exchange, "/v2/iex"), Socket(exchange, "/v2/sip", packed) as s:
        assert s.get() == [{"T": "success", "msg": "connected", "lockstep": True}]
        assert [s.ask(m) for m in asked] == answers
        assert not closes or s.is_closed()


def test_what_is_no_message_is_told_so(exchange):
    with Socket(exchange, "/v2/test") as s:
        s.get()
        for text in ("", "x", "[]", "7", '{"action":7}', '{"action":"dance"}'):
            s.put(text)
            assert s.get()[0]["code"] in (400, 401), text


def test_a_second_connection_is_refused_until_the_first_is_gone(exchange, key):
    with data(exchange, key) as first:
        with Socket(exchange, "/v2/iex") as second:
            second.get()
            assert second.ask({"action": "auth", "key": key, "secret": key}) == error(406, "connection limit exceeded")
            assert second.is_closed()
        assert first.ask({"action": "subscribe", "bars": ["ABC"]}) == subscription(bars=["ABC"])
    data(exchange, key).ws.close()


def test_settings_move_the_limits(strict, key):
    with data(strict, key) as first, data(strict, key):
        with Socket(strict, "/v2/iex") as third:
            third.get()
            assert third.ask({"action": "auth", "key": key, "secret": key}) == error(406, "connection limit exceeded")
        assert first.ask({"action": "subscribe", "trades": ["A", "B"], "quotes": ["A", "A"], "bars": ["C", "D"]})[0]["T"] == "subscription"
        assert first.ask({"action": "subscribe", "quotes": ["B"]}) == error(405, "symbol limit exceeded")
        assert first.ask({"action": "unsubscribe", "trades": ["A"]})[0]["trades"] == ["B"]
        assert first.ask({"action": "subscribe", "quotes": ["A", "B"]})[0]["quotes"] == ["A", "B"]


@pytest.mark.parametrize("frames", ["binary", "text"])
def test_frames_of_the_trade_stream(request, frames):
    url = request.getfixturevalue("exchange" if frames == "binary" else "strict")
    with Socket(url, "/stream") as s:
        s.put({"action": "auth", "key": "frames", "secret": "frames"})
        assert isinstance(s.ws.recv(timeout=20), bytes if frames == "binary" else str)


def test_an_order_is_told_once_however_often_one_listens(exchange, key):
    with trades(exchange, key) as s:
        for _ in range(2):
            assert s.ask({"action": "listen", "data": {"streams": ["trade_updates", "trade_updates"]}}) == LISTENING
        placed = order(exchange, key, client_order_id="mine")
        told = [s.get()["data"] for _ in range(3)]
        assert s.ask({"action": "listen", "data": {"streams": []}})["data"]["streams"] == []  # nothing else had come
    assert [e["event"] for e in told] == ["pending_new", "new", "fill"]
    assert [e["execution_id"] is None for e in told] == [True, False, False]
    assert all(e["order"]["id"] == placed["id"] and e["order"]["client_order_id"] == "mine" for e in told)
    assert placed["status"] == "pending_new" and told[2]["order"]["status"] == "filled"
    assert (told[2]["qty"], told[2]["position_qty"]) == ("1", "1") and "qty" not in told[1]
    shown = call(exchange, key, "GET", f"/v2/orders/{placed['id']}")
    assert {**shown, "cancel_requested_at": None} == told[2]["order"]
    fills = call(exchange, key, "GET", "/v2/account/activities/FILL")
    assert [f["id"].split("::")[1] for f in fills] == [told[2]["execution_id"]]
    assert sorted(e["event_id"] for e in told) == [e["event_id"] for e in told]


def test_trade_updates_in_messagepack(exchange, key):
    with Socket(exchange, "/stream", packed=True) as s:
        assert s.ask({"action": "auth", "key": key, "secret": key}) == status("authorized")
        assert s.ask({"action": "listen", "data": {"streams": ["trade_updates"]}}) == LISTENING
        order(exchange, key)
        assert [s.get()["data"]["event"] for _ in range(3)] == ["pending_new", "new", "fill"]


def follow(url, key, path, count=None):
    """The first events of a stream, or all of one that ends."""
    request = urllib.request.Request(url + path, headers={"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": key})
    with OPENER.open(request, timeout=20) as reply:
        assert reply.headers["Content-Type"] == "text/event-stream"
        events = (json.loads(line[6:]) for line in reply if line.startswith(b"data: "))
        return list(itertools.islice(events, count))


def test_server_sent_events_have_the_past_and_go_on(exchange, key):
    with trades(exchange, key) as s, ThreadPoolExecutor(1) as pool:
        first = order(exchange, key)
        told = [s.get()["data"] for _ in range(3)]
        live = pool.submit(follow, exchange, key, "/v2/events/trades?since=2024-07-01", 9)
        order(exchange, key)
        order(exchange, key)
        told += [s.get()["data"] for _ in range(6)]
    assert live.result() == told
    ids = [e["event_id"] for e in told]
    for since, until in ((0, 8), (2, 5), (7, 8)):
        path = f"/v2/events/trades?since_id={ids[since]}&until_id={ids[until]}"
        assert follow(exchange, key, path) == told[since + 1:until + 1], path
    assert follow(exchange, key, "/v2/events/trades?since=2024-06-01&until=2024-06-30") == []
    activities = follow(exchange, key, "/v2beta1/events/activities?since=2024-06-01T00:00:00Z", 3)
    assert [a["ref_id"] for a in activities] == [e["execution_id"] for e in told if e["event"] == "fill"]
    assert activities[0]["activity_type"] == "FILL" and activities[0]["details"]["order_id"] == first["id"]
    assert follow(exchange, key, f"/v2beta1/events/activities?since_id={activities[0]['event_id']}&until_id={activities[2]['event_id']}") == activities[1:]


@pytest.mark.parametrize("query", ["since=soon", "until=2024-07-02", "until_id=01HCMKX30Y1M8KNQCMY7SZ3VZP", "since_id=7", "since=2024-07-01&since_id=01HCMKX30Y1M8KNQCMY7SZ3VZP"])
@pytest.mark.parametrize("path", ["/v2/events/trades", "/v2beta1/events/activities"])
def test_bad_bounds_of_events_are_refused(exchange, path, query):
    assert get(f"{exchange}{path}?{query}", {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "k"})[0] == 422


def test_market_data_goes_to_who_wants_it_once(exchange, key):
    """Also what the clock's going on does: bars, daily bars, quotes; the equity's course; nothing of the future."""
    with data(exchange, key) as s, data(exchange, key + "p", packed=True) as p, Clock(exchange, "clock") as clock:
        for socket in (s, s, p):
            socket.ask({"action": "subscribe", "bars": ["ABC"], "quotes": ["XYZ"], "dailyBars": ["ABC"]})
        order(exchange, key)
        clock.to("2024-07-01T14:05:00Z")
        s.put({"action": "unsubscribe", "bars": ["*"]})  # its answer comes after all that was sent
        p.put({"action": "unsubscribe", "bars": ["*"]})
        seen = []
        while not seen or seen[-1]["T"] != "subscription":
            seen += s.get()
        packed = []
        while not packed or packed[-1]["T"] != "subscription":
            packed += p.get()
        bars = call(exchange, key, "GET", "/v2/stocks/ABC/bars?timeframe=1Min&start=2024-07-01T14:00:00Z")["bars"]
        assert bars and max(b["t"] for b in bars) <= "2024-07-01T14:04:00Z"
        assert [{**b, "T": "b", "S": "ABC"} for b in bars] == [m for m in seen if m["T"] == "b"]
        day = call(exchange, key, "GET", "/v2/stocks/ABC/bars?timeframe=1Day&start=2024-07-01")["bars"]
        assert [m for m in seen if m["T"] == "d"][-1] == {**day[0], "T": "d", "S": "ABC"}
        quotes = call(exchange, key, "GET", "/v2/stocks/XYZ/quotes?start=2024-07-01T14:01:00Z")["quotes"]
        assert quotes and [{**q, "T": "q", "S": "XYZ"} for q in quotes] == [m for m in seen if m["T"] == "q"]
        assert [m["T"] for m in packed] == [m["T"] for m in seen]
        assert [m["c"] for m in packed if m["T"] == "b"] == [b["c"] for b in bars]
        assert packed[0]["t"].isoformat().startswith("2024-07-01T14:0")  # a timestamp, not a text
        history = call(exchange, key, "GET", "/v2/account/portfolio/history?period=1D&timeframe=1Min")
        position = call(exchange, key, "GET", "/v2/positions/ABC")
        cash = float(call(exchange, key, "GET", "/v2/account")["cash"])
        closes = {b["t"]: b["c"] for b in bars}
        for at, equity in zip(history["timestamp"], history["equity"]):
            stamp = madeup.stamp(at)
            if stamp in closes:
                assert equity == pytest.approx(cash + closes[stamp] * float(position["qty"])), stamp
        assert history["base_value"] == 100000 and len(history["equity"]) == 6


def test_many_accounts_at_once_keep_apart(exchange):
    def trade(name):
        with trades(exchange, name) as s:
            ids = [order(exchange, name, side="buy")["id"] for _ in range(5)]
            told = [s.get()["data"] for _ in range(15)]
            assert {e["order"]["id"] for e in told} == set(ids)
        return ids
    with ThreadPoolExecutor(8) as pool:
        ids = [i for found in pool.map(trade, [f"many{n}" for n in range(16)]) for i in found]
    assert len(set(ids)) == 80


# ---- how much the market takes

@pytest.fixture
def another(request):
    stage, process, url = start("another", 70, request.param)
    yield url
    stop(stage, process)


@pytest.mark.parametrize("another", [{"BELL_EXCHANGE_FILLS": "shown"}], indirect=True)
def test_no_more_is_filled_than_the_quote_shows(another, key):
    shown = call(another, key, "GET", "/v2/stocks/ABC/quotes/latest")["quote"]["as"]
    first = call(another, key, "GET", f"/v2/orders/{order(another, key, qty=shown + 7)['id']}")
    assert (first["status"], first["filled_qty"]) == ("partially_filled", str(shown))
    assert call(another, key, "GET", "/v2/positions/ABC")["qty"] == str(shown)


@pytest.mark.parametrize("another", [{"BELL_EXCHANGE_FILLS": "paper"}], indirect=True)
def test_some_fills_are_partial_as_at_the_brokers_paper_account(another, key):
    for _ in range(60):
        order(another, key, qty=10)
    fills = call(another, key, "GET", "/v2/account/activities/FILL?page_size=100")
    partial = [f for f in fills if f["type"] == "partial_fill"]
    assert 0 < len(partial) < 20 and all(0 < int(f["qty"]) < 10 for f in partial)


@pytest.mark.parametrize("another", [{"BELL_EXCHANGE_PARTICIPANTS": "true"}], indirect=True)
def test_participants_have_only_each_other(another, key):
    alone = order(another, key, side="sell", qty=3, type="limit", limit_price="150.25")
    with Clock(another, key + "-clock") as clock:
        clock.to("2024-07-01T15:00:00Z")  # an hour of a market that would have taken it
    assert call(another, key, "GET", f"/v2/orders/{alone['id']}")["filled_qty"] == "0"
    buyer = key + "-buyer"
    bought = call(another, buyer, "GET", f"/v2/orders/{order(another, buyer, qty=2, type='limit', limit_price='151')['id']}")
    assert (bought["status"], float(bought["filled_avg_price"])) == ("filled", 150.25)
    assert call(another, key, "GET", f"/v2/orders/{alone['id']}")["filled_qty"] == "2"
    assert call(another, key, "GET", "/v2/positions/ABC")["qty"] == "-2"
