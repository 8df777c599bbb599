"""Market data over REST: bars, trades, quotes, latest, snapshots; pages and DataFrames."""

import datetime as dt

import market
import pandas as pd
import pytest
from alpaca.common.enums import Sort
from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.requests import (StockBarsRequest, StockLatestBarRequest, StockLatestQuoteRequest, StockLatestTradeRequest, StockQuotesRequest,
                                  StockSnapshotRequest, StockTradesRequest)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

MINUTE = TimeFrame.Minute


def today(time):
    return market.at(market.TODAY, time)


def bars(trader, symbols="AAPL", timeframe=MINUTE, start="09:30", end="09:34", **more):
    start, end = (today(t) if isinstance(t, str) else t for t in (start, end))
    return trader.data.get_stock_bars(StockBarsRequest(symbol_or_symbols=symbols, timeframe=timeframe, start=start, end=end, **more))


def starts(found, symbol="AAPL"):
    return [bar.timestamp.astimezone(market.NEW_YORK).strftime("%H:%M") for bar in found.data.get(symbol, [])]


# ---- bars

def test_minute_bars_from_start_to_end_inclusive(me):
    found = bars(me)
    assert starts(found) == ["09:30", "09:31", "09:32", "09:33", "09:34"]
    assert {(b.open, b.high, b.low, b.close, b.volume) for b in found["AAPL"]} == {(100, 100, 100, 100, 1000)}


def test_the_minute_that_runs_has_no_bar_yet(me):
    assert starts(bars(me, start="09:57", end="10:30")) == ["09:57", "09:58", "09:59"]


def test_bars_before_the_open_are_there(me):
    assert starts(bars(me, start="09:27", end="09:30")) == ["09:27", "09:28", "09:29", "09:30"]


def test_without_an_end_until_now(me):
    assert starts(bars(me, start="09:58", end=None)) == ["09:58", "09:59"]


def test_without_a_start_from_the_day_s_beginning(me):
    assert starts(bars(me, start=None, end="09:01")) == ["09:00", "09:01"]


TIMEFRAMES = [
    ("5 minutes", TimeFrame(5, TimeFrameUnit.Minute), ["09:30", "09:35", "09:40", "09:45", "09:50", "09:55"], 5000),
    ("a quarter of an hour", TimeFrame(15, TimeFrameUnit.Minute), ["09:30", "09:45"], 15000),
    ("half an hour", TimeFrame(30, TimeFrameUnit.Minute), ["09:30"], 30000),
    ("an hour", TimeFrame.Hour, ["09:00"], 60000),
]


@pytest.mark.parametrize("timeframe, times, volume", [row[1:] for row in TIMEFRAMES], ids=[row[0] for row in TIMEFRAMES])
def test_bars_of(me, timeframe, times, volume):
    found = bars(me, timeframe=timeframe, start=times[0], end="09:59")
    assert starts(found) == times and {b.volume for b in found["AAPL"]} == {volume}


def test_a_longer_bar_is_made_of_its_minutes(standing, traders):
    me = traders(standing(market.TODAY, "12:00"))
    [bar] = bars(me, "MSFT", TimeFrame(30, TimeFrameUnit.Minute), "10:30", "10:30")["MSFT"]
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (200, 203, 200, 203, 30000)


def test_day_bars_start_at_new_york_midnight(me):
    found = bars(me, timeframe=TimeFrame.Day, start=market.at("2024-06-27", "00:00"), end=today("00:00") - dt.timedelta(seconds=1))["AAPL"]
    assert [b.timestamp for b in found] == [market.at(d, "00:00") for d in market.BEFORE]
    assert {(b.open, b.close) for b in found} == {(98, 98)}


def test_week_and_month_bars(standing, traders):
    me = traders(standing(market.FRIDAY, "12:00"))
    weeks = bars(me, timeframe=TimeFrame.Week, start=market.at("2024-06-24", "00:00"), end=market.at("2024-06-30", "00:00"))["AAPL"]
    assert [(b.timestamp, b.close) for b in weeks] == [(market.at("2024-06-24", "00:00"), 98)]
    months = bars(me, timeframe=TimeFrame.Month, start=market.at("2024-06-01", "00:00"), end=market.at("2024-06-30", "00:00"))["AAPL"]
    assert [(b.timestamp, b.close) for b in months] == [(market.at("2024-06-01", "00:00"), 98)]


def test_bars_of_several_symbols(me):
    found = bars(me, ["IBM", "AAPL", "BRK.B"])
    assert sorted(found.data) == ["AAPL", "BRK.B", "IBM"] and {len(v) for v in found.data.values()} == {5}
    assert found["BRK.B"][0].close == 300


def test_unknown_symbols_are_absent(me):
    assert sorted(bars(me, ["AAPL", "NOSUCH"]).data) == ["AAPL"] and bars(me, "NOSUCH").data == {}


def test_no_bars_is_an_empty_object(me):
    assert bars(me, start=market.at("2024-06-29", "10:00"), end=market.at("2024-06-29", "11:00")).data == {}
    assert me.data.get("/stocks/bars", {"symbols": "NOSUCH", "timeframe": "1Min"}) == {"bars": {}, "next_page_token": None}


@pytest.mark.parametrize("limit", [1, 3, 5, 7])
def test_limit_counts_over_all_symbols(me, limit):
    found = bars(me, ["AAPL", "IBM"], limit=limit)
    assert len(found.data.get("AAPL", [])) == min(limit, 5) and len(found.data.get("IBM", [])) == max(0, limit - 5)


def test_newest_first(me):
    assert starts(bars(me, sort=Sort.DESC)) == ["09:34", "09:33", "09:32", "09:31", "09:30"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10, 100])
@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_are_by_symbol_then_time_and_miss_nothing(me, size, sort):
    query = {"symbols": "IBM,AAPL,SPY", "timeframe": "1Min", "start": "2024-07-02T13:30:00Z", "end": "2024-07-02T13:34:00Z", "limit": size, "sort": sort}
    found, token = [], None
    while True:
        page = me.data.get("/stocks/bars", {**query, **({"page_token": token} if token else {})})
        rows = [(symbol, bar["t"]) for symbol in page["bars"] for bar in page["bars"][symbol]]
        assert len(rows) <= size
        found += rows
        token = page["next_page_token"]
        if token is None:
            break
    times = [f"2024-07-02T13:3{m}:00Z" for m in range(5)]
    assert found == [(s, t) for s in ("AAPL", "IBM", "SPY") for t in (times if sort == "asc" else times[::-1])]


def test_the_sdk_pages_by_itself(standing, traders):
    me = traders(standing(market.FRIDAY, "12:00"))
    asked = []
    get = me.data.get
    me.data.get = lambda path, data=None, **more: asked.append(dict(data)) or get(path, {**data, "limit": min(data["limit"] or 500, 500)}, **more)
    found = bars(me, ["AAPL", "IBM"], start=market.at(market.TODAY, "09:00"), end=market.at(market.FRIDAY, "11:59"))
    minutes = 450 + 270 + 180  # of the three days
    assert {s: len(v) for s, v in found.data.items()} == {"AAPL": minutes, "IBM": minutes} and len(asked) == 4
    times = [b.timestamp for b in found["IBM"]]
    assert times == sorted(set(times))


def test_bars_as_a_dataframe(me):
    frame = bars(me, ["AAPL", "IBM"]).df
    assert list(frame.columns)[:5] == ["open", "high", "low", "close", "volume"] and frame.index.names == ["symbol", "timestamp"]
    assert frame.loc["IBM"].index[0] == pd.Timestamp("2024-07-02T13:30:00Z") and frame.loc["IBM"]["close"].tolist() == [150] * 5


OPTIONS = [
    ("adjusted for splits", dict(adjustment=Adjustment.SPLIT)),
    ("adjusted for all", dict(adjustment=Adjustment.ALL)),
    ("feed iex", dict(feed=DataFeed.IEX)),
    ("feed sip", dict(feed=DataFeed.SIP)),
    ("as of a day", dict(asof="2024-07-02")),
    ("in dollars", dict(currency="USD")),
]


@pytest.mark.parametrize("more", [row[1] for row in OPTIONS], ids=[row[0] for row in OPTIONS])
def test_options_of_bars_are_taken(me, more):
    assert len(bars(me, **more)["AAPL"]) == 5


def test_a_time_with_an_offset(me):
    query = {"symbols": "AAPL", "timeframe": "1Min", "start": "2024-07-02T09:30:00-04:00", "end": "2024-07-02T15:31:00+02:00"}
    assert len(me.data.get("/stocks/bars", query)["bars"]["AAPL"]) == 2


BAD_QUERIES = [
    ("no symbols", "/stocks/bars", {"timeframe": "1Min"}),
    ("no timeframe", "/stocks/bars", {"symbols": "AAPL"}),
    ("90 minutes", "/stocks/bars", {"symbols": "AAPL", "timeframe": "90Min"}),
    ("24 hours", "/stocks/bars", {"symbols": "AAPL", "timeframe": "24Hour"}),
    ("2 days", "/stocks/bars", {"symbols": "AAPL", "timeframe": "2Day"}),
    ("5 months", "/stocks/bars", {"symbols": "AAPL", "timeframe": "5Month"}),
    ("a limit of 10001", "/stocks/bars", {"symbols": "AAPL", "timeframe": "1Min", "limit": 10001}),
    ("a limit of 0", "/stocks/bars", {"symbols": "AAPL", "timeframe": "1Min", "limit": 0}),
    ("a start that is no time", "/stocks/bars", {"symbols": "AAPL", "timeframe": "1Min", "start": "yesterday"}),
    ("a made-up token", "/stocks/bars", {"symbols": "AAPL", "timeframe": "1Min", "page_token": "!!"}),
    ("a sort of its own", "/stocks/bars", {"symbols": "AAPL", "timeframe": "1Min", "sort": "up"}),
    ("an unknown feed", "/stocks/bars", {"symbols": "AAPL", "timeframe": "1Min", "feed": "mine"}),
    ("an unknown adjustment", "/stocks/bars", {"symbols": "AAPL", "timeframe": "1Min", "adjustment": "some"}),
    ("quotes without symbols", "/stocks/quotes", {}),
    ("trades without symbols", "/stocks/trades", {}),
    ("latest of nobody", "/stocks/quotes/latest", {}),
    ("snapshots of nobody", "/stocks/snapshots", {}),
]


@pytest.mark.parametrize("path, query", [row[1:] for row in BAD_QUERIES], ids=[row[0] for row in BAD_QUERIES])
def test_a_bad_query_is_400(me, path, query):
    with pytest.raises(APIError) as caught:
        me.data.get(path, query)
    assert caught.value.status_code == 400 and caught.value.message


def test_market_data_needs_keys(me):
    reply = me.http("GET", "/v2/stocks/bars?symbols=AAPL&timeframe=1Min", headers={"APCA-API-KEY-ID": ""})
    assert reply.status_code in (401, 403)


# ---- quotes and trades

def test_quotes(me):
    found = me.data.get_stock_quotes(StockQuotesRequest(symbol_or_symbols=["AAPL", "IBM"], start=today("09:31"), end=today("09:35")))
    assert sorted(found.data) == ["AAPL", "IBM"]
    assert {(q.bid_price, q.bid_size, q.ask_price, q.ask_size) for q in found["AAPL"]} == {(99.99, 500, 100.01, 500)}
    assert len(found["AAPL"]) in (4, 5) and found["AAPL"] == sorted(found["AAPL"], key=lambda q: q.timestamp)


def test_quotes_as_a_dataframe(me):
    frame = me.data.get_stock_quotes(StockQuotesRequest(symbol_or_symbols="AAPL", start=today("09:31"), end=today("09:35"))).df
    assert {"bid_price", "bid_size", "ask_price", "ask_size"} <= set(frame.columns) and (frame["ask_price"] == 100.01).all()


def test_quotes_page(me):
    query = {"symbols": "AAPL,IBM", "start": "2024-07-02T13:31:00Z", "end": "2024-07-02T13:35:00Z"}
    everything = me.data.get("/stocks/quotes", query)["quotes"]
    found, token = [], None
    while True:
        page = me.data.get("/stocks/quotes", {**query, "limit": 3, **({"page_token": token} if token else {})})
        found += [(s, q["t"]) for s in page["quotes"] for q in page["quotes"][s]]
        token = page["next_page_token"]
        if not token:
            break
    assert found == [(s, q["t"]) for s in ("AAPL", "IBM") for q in everything[s]]


def test_a_market_recorded_in_bars_has_no_trades(me):
    found = me.data.get_stock_trades(StockTradesRequest(symbol_or_symbols="AAPL", start=today("09:31"), end=today("09:35")))
    assert found.data == {} and found.df.empty


def test_no_quotes_and_no_trades_are_empty_objects(me):
    night = {"symbols": "AAPL", "start": "2024-06-29T13:31:00Z", "end": "2024-06-29T13:35:00Z"}
    assert me.data.get("/stocks/quotes", night) == {"quotes": {}, "next_page_token": None}
    assert me.data.get("/stocks/trades", night) == {"trades": {}, "next_page_token": None}


# ---- latest and snapshots

def test_latest_quote(me):
    quote = me.data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="AAPL"))["AAPL"]
    assert (quote.bid_price, quote.ask_price, quote.bid_size, quote.ask_size) == (99.99, 100.01, 500, 500)
    assert quote.timestamp <= today("10:00")


def test_latest_bar(me):
    bar = me.data.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols="SPY"))["SPY"]
    assert (bar.timestamp, bar.close, bar.volume) == (today("09:59"), 400, 1000)


def test_latest_trade(me):
    trade = me.data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="IBM"))["IBM"]
    assert trade.price == 150 and trade.timestamp <= today("10:00")


def test_latest_of_several_and_of_unknown_symbols(me):
    found = me.data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=["AAPL", "NOSUCH", "SPY"]))
    assert sorted(found) == ["AAPL", "SPY"]
    assert me.data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="NOSUCH")) == {}


def test_snapshot(me):
    shot = me.data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="AAPL"))["AAPL"]
    assert shot.latest_trade.price == 100 and shot.latest_quote.ask_price == 100.01
    assert shot.minute_bar.timestamp == today("09:59") and shot.daily_bar.timestamp == today("00:00")
    assert (shot.daily_bar.open, shot.daily_bar.close) == (100, 100)
    assert (shot.previous_daily_bar.timestamp, shot.previous_daily_bar.close) == (market.at(market.BEFORE[-1], "00:00"), 98)


def test_snapshots_of_several_and_of_unknown_symbols(me):
    assert sorted(me.data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=["SPY", "AAPL", "NOSUCH"]))) == ["AAPL", "SPY"]
    assert me.data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="NOSUCH")) == {}


def test_the_daily_bar_runs_with_the_day(standing, traders):
    me = traders(standing(market.TODAY, "12:00"))
    shot = me.data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="MSFT"))["MSFT"]
    assert (shot.daily_bar.open, shot.daily_bar.high, shot.daily_bar.low, shot.daily_bar.close) == (200, 203, 200, 203)


# ---- the forms the Python SDK does not use

SINGLE = [
    ("bars", "/stocks/AAPL/bars", {"timeframe": "1Min", "start": "2024-07-02T13:30:00Z", "end": "2024-07-02T13:34:00Z"}, {"bars", "symbol", "next_page_token"}),
    ("quotes", "/stocks/AAPL/quotes", {"start": "2024-07-02T13:31:00Z", "end": "2024-07-02T13:35:00Z"}, {"quotes", "symbol", "next_page_token"}),
    ("trades", "/stocks/AAPL/trades", {"start": "2024-07-02T13:31:00Z", "end": "2024-07-02T13:35:00Z"}, {"trades", "symbol", "next_page_token"}),
    ("latest bar", "/stocks/AAPL/bars/latest", {}, {"bar", "symbol"}),
    ("latest quote", "/stocks/AAPL/quotes/latest", {}, {"quote", "symbol"}),
    ("latest trade", "/stocks/AAPL/trades/latest", {}, {"trade", "symbol"}),
    ("snapshot", "/stocks/AAPL/snapshot", {}, {"symbol", "latestTrade", "latestQuote", "minuteBar", "dailyBar", "prevDailyBar"}),
]


@pytest.mark.parametrize("path, query, members", [row[1:] for row in SINGLE], ids=[row[0] for row in SINGLE])
def test_one_symbol_in_the_path(me, path, query, members):
    body = me.data.get(path, query)
    assert set(body) - {"currency"} == members and body["symbol"] == "AAPL"


def test_a_share_class_in_the_path(me):
    assert me.data.get("/stocks/BRK.B/quotes/latest")["quote"]["ap"] == 300.01


def test_auctions(me):
    body = me.data.get("/stocks/auctions", {"symbols": "AAPL", "start": "2024-07-01T00:00:00Z", "end": "2024-07-02T14:00:00Z"})
    [first, second] = body["auctions"]["AAPL"]
    assert (first["d"], first["c"][0]["p"], second["d"], second["o"][0]["p"]) == ("2024-07-01", 98, "2024-07-02", 100)


def test_names_of_exchanges_and_conditions(me):
    exchanges = me.data.get("/stocks/meta/exchanges")
    assert exchanges["V"] == "IEX" and exchanges["N"] and all(len(code) == 1 for code in exchanges)
    for kind in ("trade", "quote"):
        names = me.data.get(f"/stocks/meta/conditions/{kind}", {"tape": "A"})
        assert names and all(isinstance(v, str) for v in names.values())
