"""Assets, clock, calendar, watchlists."""

import datetime as dt
import uuid

import market
import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import AssetClass, AssetExchange, AssetStatus
from alpaca.trading.requests import CreateWatchlistRequest, GetAssetsRequest, GetCalendarRequest, UpdateWatchlistRequest

# ---- assets


def test_all_assets(me):
    assets = me.trading.get_all_assets()
    assert sorted(a.symbol for a in assets) == sorted(market.PRICES)
    assert all(a.tradable and a.marginable and a.shortable and a.easy_to_borrow and a.fractionable and a.status == AssetStatus.ACTIVE for a in assets)


@pytest.mark.parametrize("symbol", ["AAPL", "BRK.B", "SPY"])
def test_one_asset(me, symbol):
    asset = me.trading.get_asset(symbol)
    assert asset.symbol == symbol and asset.asset_class == AssetClass.US_EQUITY and isinstance(asset.exchange, AssetExchange)
    assert me.trading.get_asset(asset.id) == asset


ASSET_FILTERS = [
    ("active", dict(status=AssetStatus.ACTIVE), len(market.PRICES)),
    ("inactive", dict(status=AssetStatus.INACTIVE), 0),
    ("equities", dict(asset_class=AssetClass.US_EQUITY), len(market.PRICES)),
    ("crypto", dict(asset_class=AssetClass.CRYPTO), 0),
    ("of an exchange nobody is listed at", dict(exchange=AssetExchange.OTC), 0),
    ("with an attribute nobody has", dict(attributes="ipo"), 0),
]


@pytest.mark.parametrize("what, count", [row[1:] for row in ASSET_FILTERS], ids=[row[0] for row in ASSET_FILTERS])
def test_assets_by(me, what, count):
    assert len(me.trading.get_all_assets(GetAssetsRequest(**what))) == count


def test_assets_of_each_exchange_add_up(me):
    found = {a.exchange for a in me.trading.get_all_assets()}
    assert sum(len(me.trading.get_all_assets(GetAssetsRequest(exchange=e))) for e in found) == len(market.PRICES)


def test_an_unknown_asset(me, refused):
    refused(lambda: me.trading.get_asset("NOSUCH"), 404, 40410000, "asset not found for NOSUCH")


# ---- clock

CLOCKS = [
    ("in the session", market.TODAY, "10:00", True, market.at(market.HALF_DAY, "09:30"), market.at(market.TODAY, "16:00")),
    ("before the open", market.TODAY, "09:00", False, market.at(market.TODAY, "09:30"), market.at(market.TODAY, "16:00")),
    ("after the close", market.TODAY, "18:00", False, market.at(market.HALF_DAY, "09:30"), market.at(market.HALF_DAY, "13:00")),
    ("on a half day", market.HALF_DAY, "12:49", True, market.at(market.FRIDAY, "09:30"), market.at(market.HALF_DAY, "13:00")),
    ("on a holiday", "2024-07-04", "12:00", False, market.at(market.FRIDAY, "09:30"), market.at(market.FRIDAY, "16:00")),
]


@pytest.mark.parametrize("date, time, is_open, next_open, next_close", [row[1:] for row in CLOCKS], ids=[row[0] for row in CLOCKS])
def test_clock(standing, traders, date, time, is_open, next_open, next_close):
    clock = traders(standing(date, time)).trading.get_clock()
    assert (clock.timestamp, clock.is_open, clock.next_open, clock.next_close) == (market.at(date, time), is_open, next_open, next_close)


def test_the_clock_speaks_new_york_time(me):
    body = me.raw.get_clock()
    assert body["timestamp"].startswith("2024-07-02T10:00:00") and all(body[k].endswith("-04:00") for k in ("timestamp", "next_open", "next_close"))


def test_the_clock_follows_the_market(starting):
    me = starting(market.TODAY, "15:59")
    assert me.trading.get_clock().is_open
    me.exchange.clock.to(market.at(market.TODAY, "16:00"))
    clock = me.trading.get_clock()
    assert not clock.is_open and clock.timestamp == market.at(market.TODAY, "16:00")


# ---- calendar

def calendar(trader, start, end):
    return trader.trading.get_calendar(GetCalendarRequest(start=dt.date.fromisoformat(start), end=dt.date.fromisoformat(end)))


def test_a_week_with_a_half_day_and_a_holiday(me):
    days = calendar(me, "2024-07-01", "2024-07-07")
    assert [d.date.isoformat() for d in days] == ["2024-07-01", "2024-07-02", "2024-07-03", "2024-07-05"]
    assert {d.open.strftime("%H:%M") for d in days} == {"09:30"}
    assert [d.close.strftime("%H:%M") for d in days] == ["16:00", "16:00", "13:00", "16:00"]


def test_a_weekend_has_no_day(me):
    assert calendar(me, "2024-07-06", "2024-07-07") == []


def test_start_and_end_are_inclusive(me):
    assert [d.date.isoformat() for d in calendar(me, "2024-07-02", "2024-07-02")] == ["2024-07-02"]


def test_a_year_has_252_sessions(me):
    assert len(calendar(me, "2024-01-01", "2024-12-31")) == 252


def test_the_calendar_s_other_members(me):
    [day] = me.trading.get("/calendar", {"start": "2024-07-02", "end": "2024-07-02"})
    assert day == {"date": "2024-07-02", "open": "09:30", "close": "16:00", "session_open": "0400", "session_close": "2000", "settlement_date": "2024-07-03"}


def test_a_calendar_without_bounds(me):
    days = me.trading.get_calendar()
    assert days[-1].date.year == 2029 and len(days) > 250 * 30


def test_a_date_that_is_none(me):
    with pytest.raises(APIError) as caught:
        me.trading.get("/calendar", {"start": "2024-13-01"})
    assert caught.value.status_code in (400, 422)


def test_newer_clock_and_calendar(me):
    assert me.trading.get("/clock", api_version="v3")
    assert me.trading.get("/calendar/NYSE", {"start": "2024-07-02", "end": "2024-07-03"}, api_version="v3")


# ---- watchlists

def made(trader, name="Tech", symbols=("AAPL", "IBM")):
    return trader.trading.create_watchlist(CreateWatchlistRequest(name=name, symbols=list(symbols)))


def symbols_of(watchlist):
    return [a.symbol for a in watchlist.assets]


def test_no_watchlists(me):
    assert me.trading.get_watchlists() == []


def test_a_watchlist_made_is_found(me):
    new = made(me)
    assert new.name == "Tech" and symbols_of(new) == ["AAPL", "IBM"] and new.account_id == me.trading.get_account().id
    assert me.trading.get_watchlist_by_id(new.id) == new and [w.id for w in me.trading.get_watchlists()] == [new.id]


def test_the_list_of_watchlists_has_no_assets(me):
    made(me)
    [one] = me.raw.get_watchlists()
    assert not one.get("assets")


def test_an_empty_watchlist(me):
    assert symbols_of(made(me, symbols=[])) == []


def test_a_watchlist_renamed_and_refilled(me):
    new = made(me)
    changed = me.trading.update_watchlist_by_id(new.id, UpdateWatchlistRequest(name="Cars", symbols=["TSLA", "F"]))
    assert changed.id == new.id and changed.name == "Cars" and symbols_of(changed) == ["TSLA", "F"]
    assert me.trading.get_watchlist_by_id(new.id).name == "Cars"


def test_an_asset_added_to_a_watchlist(me):
    assert symbols_of(me.trading.add_asset_to_watchlist_by_id(made(me).id, "SPY")) == ["AAPL", "IBM", "SPY"]


def test_an_asset_added_twice_is_422(me):
    with pytest.raises(APIError) as caught:
        me.trading.add_asset_to_watchlist_by_id(made(me).id, "AAPL")
    assert caught.value.status_code == 422


def test_an_asset_taken_off_a_watchlist(me):
    assert symbols_of(me.trading.remove_asset_from_watchlist_by_id(made(me).id, "AAPL")) == ["IBM"]


def test_a_watchlist_deleted(me):
    new = made(me)
    me.trading.delete_watchlist_by_id(new.id)
    assert me.trading.get_watchlists() == []
    with pytest.raises(APIError) as caught:
        me.trading.get_watchlist_by_id(new.id)
    assert caught.value.status_code == 404


def test_a_watchlist_s_name_is_taken_once(me):
    made(me)
    with pytest.raises(APIError) as caught:
        made(me)
    assert caught.value.status_code == 422 and len(me.trading.get_watchlists()) == 1


BAD_WATCHLISTS = [
    ("an unknown symbol", {"name": "A", "symbols": ["NOSUCH"]}, 404),
    ("no name", {"symbols": ["AAPL"]}, 422),
    ("a name of 65 characters", {"name": "x" * 65, "symbols": []}, 422),
    ("symbols that are no list", {"name": "A", "symbols": "AAPL"}, 422),
]


@pytest.mark.parametrize("body, status", [row[1:] for row in BAD_WATCHLISTS], ids=[row[0] for row in BAD_WATCHLISTS])
def test_a_watchlist_that_cannot_be(me, body, status):
    with pytest.raises(APIError) as caught:
        me.trading.post("/watchlists", body)
    assert caught.value.status_code == status and me.trading.get_watchlists() == []


def test_an_unknown_watchlist_is_404(me):
    for call in (me.trading.get_watchlist_by_id, me.trading.delete_watchlist_by_id):
        with pytest.raises(APIError) as caught:
            call(uuid.uuid4())
        assert caught.value.status_code == 404


def test_watchlists_by_name(me):
    new = made(me)
    name = {"name": "Tech"}
    assert me.http("GET", "/v2/watchlists:by_name", params=name).json()["id"] == str(new.id)
    assert [a["symbol"] for a in me.http("POST", "/v2/watchlists:by_name", params=name, json={"symbol": "F"}).json()["assets"]] == ["AAPL", "IBM", "F"]
    assert [a["symbol"] for a in me.http("PUT", "/v2/watchlists:by_name", params=name, json={"name": "Tech", "symbols": ["SPY"]}).json()["assets"]] == ["SPY"]
    assert me.http("DELETE", "/v2/watchlists:by_name", params=name).status_code == 204
    assert me.http("GET", "/v2/watchlists:by_name", params=name).status_code == 404


def test_watchlists_of_others_are_not_seen(open_market, traders):
    one, other = traders(open_market), traders(open_market)
    new = made(one)
    assert other.trading.get_watchlists() == []
    with pytest.raises(APIError) as caught:
        other.trading.get_watchlist_by_id(new.id)
    assert caught.value.status_code == 404
