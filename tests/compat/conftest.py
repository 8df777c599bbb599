"""bell-exchange as somebody's own Alpaca client meets it: the official SDK, unmodified, with other URLs.

The market's clock is driven from here (docs/protocols.md §1): it stands while a test talks, so every reply is known in advance.
Exchanges that stand still are shared; each test has an account of its own."""

import asyncio
import datetime as dt
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import market
import pytest
import requests
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.live import StockDataStream
from alpaca.trading.client import TradingClient
from alpaca.trading.stream import TradingStream
from websockets.sync.client import connect

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("BELL_CACHE", ROOT / "var/cache"))  # what was fetched and built for these tests once
PORTS = iter(range(int(os.environ.get("BELL_PORT_BASE", "28100")) + 100, 65536))
PATIENCE = float(os.environ.get("BELL_PATIENCE", "60"))  # seconds until something that should have come counts as missing
for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(name, None)


def pytest_addoption(parser):
    parser.addoption("--exchange-binary", default=str(ROOT / "build/dev/bin/bell-exchange"), help="the bell-exchange to test")


def pytest_configure(config):
    config.logs = Path(os.environ.get("BELL_VAR", ROOT / "var/test/compat")) / "exchanges"
    shutil.rmtree(config.logs, ignore_errors=True)
    config.logs.mkdir(parents=True)


def free_port():
    for port in PORTS:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def text_time(text):
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def wait_until(what, is_so):
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until, f"{what}: not within {PATIENCE} s"
        time.sleep(0.002)


class Clock:
    """Holds the market's clock: it moves only in to()."""

    def __init__(self, exchange):
        self.socket = connect(exchange.ws + "/v2/iex", proxy=None)
        self.read()
        self.say(action="auth", key="the-clock", secret="the-clock")
        assert self.read()["msg"] == "authenticated"
        self.say(action="lockstep")
        self.tick = self.read()

    def say(self, **message):
        self.socket.send(json.dumps(message))

    def read(self):
        return json.loads(self.socket.recv(PATIENCE))[0]

    def to(self, time):
        """The market moves to time, and all that happens then has happened."""
        goal = market.text(time)
        while self.tick["t"] < goal:
            self.say(action="ack", n=self.tick["n"], wake=goal)
            self.tick = self.read()
        return self


class Exchange:
    """A bell-exchange whose clock stands at start; without bars one in real time."""

    def __init__(self, request, bars, start, *words):
        port = free_port()
        self.log = request.config.logs / f"exchange-{port}.log"
        self.url, self.ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
        market_words = ["--bars", bars, "--from", start, "--speed", "lockstep"] if bars else ["--speed", "real"]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([request.config.getoption("--exchange-binary"), "--port", str(port), *map(str, market_words), *words],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.accounts = 0
        wait_until("the exchange answers", self.answers)
        self.clock = Clock(self) if bars else None

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2]))).close()
            return True
        except OSError:
            return False

    def end(self):
        if self.clock:
            self.clock.socket.close()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, self.log.read_text()[-3000:]

    def trader(self):
        self.accounts += 1
        return Trader(self, f"PK{self.accounts:06}")


class Trader:
    """An account nobody used before, and the SDK's clients for it."""

    def __init__(self, exchange, key):
        self.exchange, self.keys = exchange, (key, "secret-of-" + key)
        self.trading = TradingClient(*self.keys, paper=True, url_override=exchange.url)
        self.raw = TradingClient(*self.keys, paper=True, url_override=exchange.url, raw_data=True)
        self.data = StockHistoricalDataClient(*self.keys, url_override=exchange.url)
        self.data_raw = StockHistoricalDataClient(*self.keys, url_override=exchange.url, raw_data=True)
        self.open_streams = []

    def http(self, method, path, **more):
        """Past the SDK: the reply as it is on the wire."""
        headers = {"APCA-API-KEY-ID": self.keys[0], "APCA-API-SECRET-KEY": self.keys[1], **more.pop("headers", {})}
        return requests.request(method, self.exchange.url + path, headers=headers, timeout=PATIENCE, **more)

    def trade_updates(self, **more):
        return self._streaming(Stream(TradingStream(*self.keys, paper=True, url_override=self.exchange.ws + "/stream", **more)))

    def market_data(self, **more):
        return self._streaming(Stream(StockDataStream(*self.keys, url_override=self.exchange.ws + "/v2/iex", **more)))

    def _streaming(self, stream):
        self.open_streams.append(stream)
        return stream


class Stream:
    """An SDK stream in a thread of its own. All it was sent is kept; parsed is what the SDK's handlers got."""

    def __init__(self, sdk):
        self.sdk, self.parsed, self.messages, self.thread = sdk, [], [], None
        dispatch = sdk._dispatch

        async def spy(message):
            self.messages.append(json.loads(json.dumps(message, default=str)))
            await dispatch(message)
        sdk._dispatch = spy

    async def take(self, parsed):
        self.parsed.append(parsed)

    def run(self, ready):
        """Returns when the server has acknowledged the subscription."""
        self.thread = threading.Thread(target=self.sdk.run, daemon=True)
        self.thread.start()
        wait_until("the stream's acknowledgement", lambda: self.sdk._running and any(map(ready, self.messages)))
        return self

    def listening(self):
        self.sdk.subscribe_trade_updates(self.take)
        return self.run(lambda m: m.get("stream") == "listening")

    def subscribed(self, count=1):
        """count: of acknowledgements until now."""
        if not self.thread:
            self.thread = threading.Thread(target=self.sdk.run, daemon=True)
            self.thread.start()
        wait_until("the subscription", lambda: sum(m.get("T") == "subscription" for m in self.messages) >= count)
        return self

    def until(self, what, is_so):
        wait_until(what, lambda: is_so(self.parsed))
        return self.parsed

    def events(self, order_id=None):
        return [u.event.value if hasattr(u.event, "value") else u.event for u in list(self.parsed) if order_id in (None, u.order.id)]

    def until_event(self, event, order_id=None):
        self.until(f"event {event}", lambda _: event in self.events(order_id))
        return next(u for u in self.parsed if (getattr(u.event, "value", u.event), order_id or u.order.id) == (event, u.order.id))

    def end(self):
        if self.thread and self.thread.is_alive():
            async def stop():
                await self.sdk.stop_ws()
                await self.sdk.close()  # without it the SDK looks up only every five seconds
            asyncio.run_coroutine_threadsafe(stop(), self.sdk._loop)
            self.thread.join(PATIENCE)
            assert not self.thread.is_alive()


def run_cases(exchange, argv, env=None):
    """What a program with cases of its own said of each: {name: (ok or failed, why)}. It may ask for the clock to be moved."""
    process = subprocess.Popen([*map(str, argv)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "NO_PROXY": "127.0.0.1", **(env or {})})
    found = {}
    try:
        for line in process.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "clock":
                exchange.clock.to(market.at(market.TODAY, rest))
                process.stdin.write("moved\n")
                process.stdin.flush()
            elif word in ("ok", "failed"):
                name, _, why = rest.partition(": ")
                found[name] = (word, why)
    finally:
        process.kill()
        process.wait(PATIENCE)
    return found


@pytest.fixture(scope="session")
def bars(tmp_path_factory):
    return market.write(tmp_path_factory.mktemp("market") / "bars")


@pytest.fixture(scope="session")
def standing(request, bars):
    """standing(date, time): an exchange whose clock stands there, shared by all who ask for it."""
    found = {}

    def at(date, time):
        if (date, time) not in found:
            found[date, time] = Exchange(request, bars, market.text(market.at(date, time)))
        return found[date, time]
    yield at
    for exchange in found.values():
        exchange.end()


@pytest.fixture
def traders():
    """traders(exchange): a new account; its streams are closed afterwards."""
    made = []

    def make(exchange):
        made.append(exchange.trader())
        return made[-1]
    yield make
    for trader in made:
        for stream in trader.open_streams:
            stream.end()


@pytest.fixture
def open_market(standing):
    """Tuesday, 10:00: half an hour into the session, nothing moves."""
    return standing(market.TODAY, "10:00")


@pytest.fixture
def me(open_market, traders):
    """A new account on the open market."""
    return traders(open_market)


@pytest.fixture
def starting(request, bars, traders):
    """starting(date, time, options): an exchange of one's own, whose clock may be moved; gives an account on it."""
    mine = []

    def start(date, time, *words):
        mine.append(Exchange(request, bars, market.text(market.at(date, time)), *words))
        return traders(mine[-1])
    yield start
    for exchange in mine:
        exchange.end()


@pytest.fixture
def refused():
    """refused(call, status, code, message): the SDK raises exactly that APIError; gives the whole body."""
    from alpaca.common.exceptions import APIError

    def check(call, status, code, message):
        with pytest.raises(APIError) as caught:
            call()
        body = json.loads(str(caught.value))
        assert (caught.value.status_code, body.get("code"), body.get("message")) == (status, code, message)
        return SimpleNamespace(**body)
    return check
