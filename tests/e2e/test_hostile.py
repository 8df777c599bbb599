"""Slow, silent and hostile clients cost the others nothing: while they do their worst another client's order is answered, and
memory stays within bounds."""

import base64
import json
import os
import socket
import subprocess
import threading
import time
from contextlib import ExitStack

import pytest
from conftest import PORT_BASE, ROOT, get

PORT, RELAY = PORT_BASE + 60, PORT_BASE + 61
BIN = ROOT / "build" / os.environ.get("BELL_BUILD", "dev") / "bin"
GROWTH = 120 * 1024 * 1024  # bytes of memory they may cost while they are there
KEYS = {"APCA-API-KEY-ID": "good", "APCA-API-SECRET-KEY": "citizen"}


def resident(pid):
    return next(int(line.split()[1]) * 1024 for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))


def dial(port):
    s = socket.create_connection(("127.0.0.1", port), timeout=60)
    return s


def push(s, data):
    """False: the server has had enough."""
    try:
        s.sendall(data)
        return True
    except OSError:
        return False


def upgrade(port, path, more=""):
    s = dial(port)
    key = base64.b64encode(os.urandom(16)).decode()
    push(s, f"GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n{more}\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        more = s.recv(1)
        assert more, head
        head += more
    assert b"101" in head.split(b"\r\n")[0], head
    return s


def frame(text, opcode=1, fin=True):
    data = text if isinstance(text, bytes) else text.encode()
    size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xfe]) + len(data).to_bytes(2, "big") if len(data) < 65536 else bytes([0xff]) + len(data).to_bytes(8, "big")
    return bytes([(0x80 if fin else 0) | opcode]) + size + b"\0\0\0\0" + data


def auth(key="slow"):
    return frame(json.dumps({"action": "auth", "key": key, "secret": key}))


# ---- each starts its worst on a port and returns what must stay open; `more` is called again and again

def a_byte_a_second(port):
    head = b"POST /v2/orders HTTP/1.1\r\nHost: h\r\n" + b"X-Drip: " + b"a" * 1000
    return [(dial(port), lambda s, n: push(s, head[n:n + 1])) for _ in range(50)]


def five_hundred_idle(port):
    return [(dial(port), None) for _ in range(500)]


def a_header_of_10_mb(port):
    def more(s, n):
        return n > 0 or push(s, b"GET /v2/account HTTP/1.1\r\nHost: h\r\nX-Much: " + b"a" * 10_000_000 + b"\r\n\r\n")
    return [(dial(port), more) for _ in range(4)]


def a_body_without_end(port):
    def more(s, n):
        if n == 0:
            return push(s, b"POST /v2/orders HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        return push(s, b"10000\r\n" + b" " * 0x10000 + b"\r\n")
    return [(dial(port), more) for _ in range(20)]


def a_body_that_never_comes(port):
    def more(s, n):
        return n > 0 or push(s, b"POST /v2/orders HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n{")
    return [(dial(port), more) for _ in range(100)]


def an_upgrade_cut_short(port):
    def more(s, n):
        return n > 0 or push(s, b"GET /stream HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgr")
    return [(dial(port), more) for _ in range(100)]


def upgraded_and_silent(port):
    return [(upgrade(port, "/v2/iex"), None) for _ in range(100)]


def a_flood_of_fragments(port):
    def more(s, n):
        return push(s, frame(b"x" * 1000, 1 if n == 0 else 0, fin=False) + frame(b"", 0, fin=False) * 200)
    return [(upgrade(port, "/stream"), more) for _ in range(10)]


def a_message_without_end(port):
    def more(s, n):
        return push(s, (bytes([0x81, 0xff]) + (1 << 40).to_bytes(8, "big") + b"\0\0\0\0" if n == 0 else b"") + b"y" * 100_000)
    return [(upgrade(port, "/v2/iex"), more) for _ in range(10)]


def never_reads(port):
    def more(s, n):
        return n > 0 or push(s, auth(f"slow{s.fileno()}") + frame(json.dumps({"action": "subscribe", "bars": ["*"], "quotes": ["*"]})) +
                             frame(json.dumps({"action": "subscribe", "bars": [f"S{i}" for i in range(900)]})) * 200)
    return [(upgrade(port, "/v2/iex"), more) for _ in range(20)]


WORST = [a_byte_a_second, five_hundred_idle, a_header_of_10_mb, a_body_without_end, a_body_that_never_comes, an_upgrade_cut_short,
         upgraded_and_silent, a_flood_of_fragments, a_message_without_end, never_reads]


def start(stack, tmp, name, argv, ready):
    log = open(tmp / f"{name}.log", "wb")
    process = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    stack.callback(end, process)
    deadline = time.monotonic() + 60
    while process.poll() is None and not ready():
        assert time.monotonic() < deadline, (tmp / f"{name}.log").read_text()[-2000:]
        time.sleep(0.05)
    assert process.poll() is None, (tmp / f"{name}.log").read_text()[-2000:]
    return process


def end(process):
    process.terminate()
    try:
        status = process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert status == 0


def answers(port):
    try:
        dial(port).close()
        return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("hostile")
    (tmp / "secret").write_text("relay\n")
    (tmp / "secret").chmod(0o600)
    url = f"127.0.0.1:{PORT}"
    with ExitStack() as stack:
        exchange = start(stack, tmp, "exchange", [BIN / "bell-exchange", "--port", PORT, "--speed", "600", "--from", "2025-03-03T14:30:00Z",
                                                  "--state", tmp / "state"], lambda: answers(PORT))
        streamer = start(stack, tmp, "streamer", [BIN / "bell-streamer", "--port", RELAY, "--rest-url", f"http://{url}",
                                                  "--trades-url", f"ws://{url}/stream", "--data-url", f"ws://{url}/v2/iex",
                                                  "--api-url", f"http://127.0.0.1:{PORT_BASE + 62}", "--state", tmp / "streamer",
                                                  "--key-file", tmp / "secret", "--secret-file", tmp / "secret"], lambda: answers(RELAY))
        yield exchange, streamer


class Hostile:
    """Keeps at it until left."""

    def __init__(self, make, port):
        self.clients, self.over = make(port), threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        turn, alive = 0, [(s, more) for s, more in self.clients if more]
        for s, _ in self.clients:
            s.settimeout(0.2)
        while alive and not self.over.is_set():
            alive = [(s, more) for s, more in alive if more(s, turn) or turn == 0]
            turn += 1
            self.over.wait(0.01)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        for s, _ in self.clients:
            s.close()


def order(number):
    import urllib.request
    body = json.dumps({"symbol": "SPY", "qty": "1", "side": "buy", "type": "limit", "limit_price": "1.00", "time_in_force": "day",
                       "client_order_id": f"order-{number}"}).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(f"http://127.0.0.1:{PORT}/v2/orders", body, KEYS), timeout=30) as reply:
        return json.load(reply)["client_order_id"]


@pytest.mark.parametrize("worst", WORST, ids=lambda f: f.__name__)
def test_another_client_is_answered(parts, worst):
    exchange, _ = parts
    before = resident(exchange.pid)
    with Hostile(worst, PORT):
        deadline, number = time.monotonic() + 1, 0
        while time.monotonic() < deadline or number < 10:
            assert order(f"{worst.__name__}-{number}") == f"order-{worst.__name__}-{number}"
            number += 1
        assert resident(exchange.pid) - before < GROWTH
    status, text = get(f"http://127.0.0.1:{PORT}/metrics")
    assert status == 200 and "bell_exchange_orders_open" in text


@pytest.mark.parametrize("worst", [five_hundred_idle, a_header_of_10_mb, an_upgrade_cut_short, upgraded_and_silent, a_flood_of_fragments,
                                   a_message_without_end], ids=lambda f: f.__name__)
def test_the_relay_serves_an_engine_meanwhile(parts, worst):
    _, streamer = parts
    before = resident(streamer.pid)
    with ExitStack() as stack:
        stack.enter_context(Hostile(worst, RELAY))
        time.sleep(1)
        with upgrade(RELAY, "/v2/iex") as s:
            push(s, frame(json.dumps({"action": "auth", "key": "relay", "secret": "relay"})) +
                 frame(json.dumps({"action": "subscribe", "bars": ["SPY"]})))
            got = b""
            while b'"T":"b"' not in got:
                more = s.recv(65536)
                assert more, got[-300:]
                got += more
        assert resident(streamer.pid) - before < GROWTH
