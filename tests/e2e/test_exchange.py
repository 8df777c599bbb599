"""./bell exchange, as somebody with Alpaca's own Python client meets it."""

import asyncio
import signal
import threading

import madeup
import pytest
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.live import StockDataStream
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest
from alpaca.trading.stream import TradingStream
from conftest import Stage, get

DATES = ["2024-07-01", "2024-07-02"]
PAIR = ("anyone", "anything")


@pytest.fixture(scope="module")
def exchange(tmp_path_factory):
    stage = Stage("exchange", 20)
    bars = madeup.write(tmp_path_factory.mktemp("market"), DATES, ["ABC", "XYZ"], seed=3)
    process = stage.popen("exchange", "--bars", bars, "--from", "2024-07-01T13:29:00Z", "--speed", "60", "--port", stage.base + 5)
    url = f"http://127.0.0.1:{stage.base + 5}"

    def is_open():
        assert process.poll() is None, process.communicate()[1]
        try:
            return get(url + "/v2/clock", {"APCA-API-KEY-ID": PAIR[0], "APCA-API-SECRET-KEY": PAIR[1]})[1]["is_open"]
        except OSError:
            return False
    stage.wait("the market's opening", is_open)
    yield url
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode in (0, 130), err
    assert stage.no_process_left() == []


def test_a_new_key_pair_is_a_new_account(exchange):
    accounts = [TradingClient(*pair, paper=True, url_override=exchange).get_account() for pair in (PAIR, ("other", "other"))]
    assert accounts[0].account_number != accounts[1].account_number
    assert accounts[1].cash == "100000.00" or float(accounts[1].cash) == 100000


def test_an_order_fills_and_is_reported_on_the_stream(exchange):
    client = TradingClient(*PAIR, paper=True, url_override=exchange)
    stream = TradingStream(*PAIR, url_override=exchange.replace("http", "ws") + "/stream")
    events, filled = [], threading.Event()

    async def on_update(update):
        events.append((update.event.value if hasattr(update.event, "value") else update.event, update.order.symbol))
        if events[-1][0] == "fill":
            filled.set()
    stream.subscribe_trade_updates(on_update)
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    for _ in range(100):
        if stream._running:
            break
        filled.wait(0.05)
    order = client.submit_order(MarketOrderRequest(symbol="ABC", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.DAY))
    assert filled.wait(20), events
    assert client.get_order_by_id(order.id).filled_qty == "10"
    assert [(p.symbol, p.qty) for p in client.get_all_positions()] == [("ABC", "10")]
    client.close_all_positions(cancel_orders=True)
    for _ in range(100):
        if not client.get_all_positions():
            break
        threading.Event().wait(0.1)
    assert client.get_all_positions() == []
    asyncio.run_coroutine_threadsafe(stream.stop_ws(), stream._loop).result(10)
    thread.join(10)


def test_bars_by_rest_and_live(exchange):
    history = StockHistoricalDataClient(*PAIR, url_override=exchange)
    bars = history.get_stock_bars(StockBarsRequest(symbol_or_symbols="ABC", timeframe=TimeFrame.Minute, start=None, limit=5))
    assert bars is not None
    live = StockDataStream(*PAIR, url_override=exchange.replace("http", "ws") + "/v2/iex")
    seen = threading.Event()

    async def on_bar(bar):
        if bar.symbol == "XYZ":
            seen.set()
    live.subscribe_bars(on_bar, "XYZ")
    thread = threading.Thread(target=live.run, daemon=True)
    thread.start()
    assert seen.wait(20)  # a minute a second
    asyncio.run_coroutine_threadsafe(live.stop_ws(), live._loop).result(10)
    thread.join(10)
