"""Account, configurations, activities, portfolio history."""

import datetime as dt
import re
from decimal import Decimal
from uuid import UUID

import market
import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import AccountStatus, DTBPCheck, OrderSide, PDTCheck, TimeInForce, TradeConfirmationEmail
from alpaca.trading.models import AccountConfiguration, NonTradeActivity, TradeActivity
from alpaca.trading.requests import GetPortfolioHistoryRequest, LimitOrderRequest, MarketOrderRequest

DAY, BUY, SELL = TimeInForce.DAY, OrderSide.BUY, OrderSide.SELL


def buy(trader, symbol="AAPL", qty=10, side=BUY):
    return trader.trading.submit_order(MarketOrderRequest(symbol=symbol, qty=qty, side=side, time_in_force=DAY))


# ---- account

def test_a_fresh_account_has_what_the_setting_says_and_nothing_else(me):
    account = me.trading.get_account()
    assert account.status == AccountStatus.ACTIVE and account.currency == "USD"
    assert Decimal(account.cash) == Decimal(account.equity) == Decimal(account.portfolio_value) == Decimal(account.last_equity) == 100000
    assert [Decimal(v) for v in (account.long_market_value, account.short_market_value, account.initial_margin, account.maintenance_margin)] == [0] * 4
    assert not (account.trading_blocked or account.transfers_blocked or account.account_blocked or account.trade_suspended_by_user)
    assert account.shorting_enabled is True


def test_buying_power_of_a_fresh_margin_account(me):
    account = me.trading.get_account()
    assert account.multiplier == "4"
    assert (Decimal(account.buying_power), Decimal(account.regt_buying_power)) == (400000, 200000)
    assert Decimal(account.non_marginable_buying_power) == 100000


def test_the_paper_account_number_begins_with_pa(me):
    account = me.trading.get_account()
    assert account.account_number.startswith("PA") and isinstance(account.id, UUID)


def test_an_account_is_the_same_for_the_same_keys(me):
    again = TradingClient(*me.keys, paper=True, url_override=me.exchange.url)
    assert again.get_account().id == me.trading.get_account().id


def test_equity_is_cash_and_both_market_values(me):
    buy(me)
    buy(me, "IBM", 20, SELL)
    account = me.trading.get_account()
    assert Decimal(account.equity) == Decimal(account.cash) + Decimal(account.long_market_value) + Decimal(account.short_market_value)
    assert Decimal(account.long_market_value) > 0 > Decimal(account.short_market_value)


def test_cash_falls_by_what_was_paid_to_the_cent(me):
    buy(me)
    assert Decimal(me.trading.get_account().cash) == Decimal("98999.90")  # 10 at the ask of 100.01


def test_short_proceeds_are_cash(me):
    buy(me, side=SELL)
    assert Decimal(me.trading.get_account().cash) == Decimal("100999.90")


def test_open_buy_orders_take_buying_power(me):
    before = Decimal(me.trading.get_account().buying_power)
    me.trading.submit_order(LimitOrderRequest(symbol="AAPL", qty=10, side=BUY, time_in_force=DAY, limit_price=90))
    assert before - Decimal(me.trading.get_account().buying_power) == 900


def test_cancelling_gives_buying_power_back(me):
    before = me.trading.get_account().buying_power
    order = me.trading.submit_order(LimitOrderRequest(symbol="AAPL", qty=10, side=BUY, time_in_force=DAY, limit_price=90))
    me.trading.cancel_order_by_id(order.id)
    assert me.trading.get_account().buying_power == before


def test_last_equity_is_that_of_the_last_close(starting):
    me = starting(market.TODAY, "15:00")
    buy(me)
    me.exchange.clock.to(market.at(market.HALF_DAY, "10:00"))
    account = me.raw.get_account()
    assert Decimal(account["last_equity"]) == Decimal("99999.90")  # 10 AAPL bought at 100.01 are worth 100.00 each
    assert account["balance_asof"] == market.TODAY


def test_a_wrong_secret_is_401_without_a_code(me):
    me.trading.get_account()
    with pytest.raises(APIError) as caught:
        TradingClient(me.keys[0], "wrong", paper=True, url_override=me.exchange.url).get_account()
    assert caught.value.status_code == 401 and str(caught.value).replace(" ", "") == '{"message":"unauthorized."}'


def test_401_names_the_ways_to_log_in(me):
    reply = me.http("GET", "/v2/account", headers={"APCA-API-SECRET-KEY": ""})
    assert reply.status_code == 401 and 'Basic realm=' in reply.headers["WWW-Authenticate"]


def test_basic_authorization_is_taken(me):
    account = me.trading.get_account()
    client = TradingClient(*me.keys, paper=True, url_override=me.exchange.url)
    client._use_basic_auth = True
    assert client.get_account().id == account.id


def test_replies_carry_a_request_id_and_a_charset(me):
    reply = me.http("GET", "/v2/account")
    assert reply.headers["Content-Type"].lower() == "application/json; charset=utf-8" and reply.headers["X-Request-ID"]


def test_an_unknown_path_is_404_in_json(me, refused):
    with pytest.raises(APIError) as caught:
        me.trading.get("/no/such/path")
    assert caught.value.status_code == 404 and caught.value.message


# ---- configurations

def test_configurations_of_a_fresh_account(me):
    c = me.trading.get_account_configurations()
    assert (c.suspend_trade, c.no_shorting, c.fractional_trading, c.max_margin_multiplier) == (False, False, True, "4")
    assert c.trade_confirm_email == TradeConfirmationEmail.ALL and c.ptp_no_exception_entry is False


def changed(trader, **what):
    c = trader.trading.get_account_configurations()
    return trader.trading.set_account_configurations(c.model_copy(update=what))


CONFIGURATIONS = [
    ("no shorting", dict(no_shorting=True)),
    ("trading suspended", dict(suspend_trade=True)),
    ("no fractions", dict(fractional_trading=False)),
    ("no margin", dict(max_margin_multiplier="1")),
    ("Reg-T margin", dict(max_margin_multiplier="2")),
    ("no mails", dict(trade_confirm_email=TradeConfirmationEmail.NONE)),
    ("ptp without exceptions", dict(ptp_no_exception_entry=True)),
]


@pytest.mark.parametrize("what", [row[1] for row in CONFIGURATIONS], ids=[row[0] for row in CONFIGURATIONS])
def test_a_configuration_set_is_answered_and_kept(me, what):
    for c in (changed(me, **what), me.trading.get_account_configurations()):
        assert {name: getattr(c, name) for name in what} == what


def test_null_leaves_a_configuration_alone(me):
    me.trading.patch("/account/configurations", {"no_shorting": True})
    body = me.trading.patch("/account/configurations", {"no_shorting": None, "suspend_trade": False, "dtbp_check": None})
    assert body["no_shorting"] is True and AccountConfiguration(**body)


def test_a_configuration_of_a_wrong_type_is_422_and_changes_nothing(me):
    with pytest.raises(APIError) as caught:
        me.trading.patch("/account/configurations", {"no_shorting": True, "suspend_trade": "perhaps"})
    assert caught.value.status_code == 422
    assert me.trading.get_account_configurations().no_shorting is False


# ---- activities

def activities(trader, path="", **query):
    return trader.trading.get("/account/activities" + path, query)


def test_each_execution_is_an_activity_the_sdk_knows(me):
    order = buy(me)
    [one] = activities(me, "/FILL")
    parsed = TradeActivity(**one)
    assert (parsed.order_id, parsed.symbol, parsed.side, parsed.type.value) == (order.id, "AAPL", BUY, "fill")
    assert (float(parsed.price), float(parsed.qty), float(parsed.cum_qty), float(parsed.leaves_qty)) == (100.01, 10, 10, 0)
    assert parsed.account_id == me.trading.get_account().id


def test_an_activity_id_begins_with_the_new_york_time(me):
    buy(me)
    [one] = activities(me, "/FILL")
    assert re.fullmatch(r"20240702100000\d{3}::[0-9a-f-]{36}", one["id"])
    assert one["transaction_time"].startswith("2024-07-02T14:00:00") and one["transaction_time"].endswith("Z")


def test_activities_come_newest_first_and_the_other_way_on_request(me):
    symbols = ["AAPL", "IBM", "SPY"]
    for symbol in symbols:
        buy(me, symbol, 1)
    assert [a["symbol"] for a in activities(me)] == symbols[::-1]
    assert [a["symbol"] for a in activities(me, direction="asc")] == symbols


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_activities_page_by_the_last_id(me, direction):
    for _ in range(5):
        buy(me, qty=1)
    found, token = [], None
    while True:
        page = activities(me, "/FILL", page_size=2, direction=direction, **({"page_token": token} if token else {}))
        found += [a["id"] for a in page]
        if len(page) < 2:
            break
        token = page[-1]["id"]
    everything = [a["id"] for a in activities(me, "/FILL", direction=direction)]
    assert found == everything and len(set(found)) == 5


def test_activities_of_one_order(me):
    orders = [buy(me, qty=n) for n in (1, 2, 3)]
    assert [a["order_id"] for a in activities(me, order_id=str(orders[1].id))] == [str(orders[1].id)]


def test_activities_of_one_day(me):
    buy(me)
    assert len(activities(me, date=market.TODAY)) == 1 and activities(me, date=market.BEFORE[-1]) == []


def test_activities_after_and_until_are_exclusive(me):
    buy(me)
    time = activities(me)[0]["transaction_time"]
    assert activities(me, after=time) == [] and activities(me, until=time) == []
    assert len(activities(me, after="2024-07-02T13:59:59Z", until="2024-07-02T14:00:01Z")) == 1


def test_activities_by_types_and_category(me):
    buy(me)
    assert len(activities(me, activity_types="FILL,DIV")) == 1 and activities(me, activity_types="DIV") == []
    assert len(activities(me, category="trade_activity")) == 1 and activities(me, "/DIV") == []
    for one in activities(me, category="non_trade_activity"):
        assert NonTradeActivity(**one)


def test_a_page_size_of_101_is_refused(me):
    with pytest.raises(APIError) as caught:
        activities(me, page_size=101)
    assert caught.value.status_code == 422 and "page_size" in caught.value.message


def test_activity_types_and_category_exclude_each_other(me):
    with pytest.raises(APIError) as caught:
        activities(me, activity_types="FILL", category="trade_activity")
    assert caught.value.status_code == 422


# ---- portfolio history

def history(trader, **what):
    return trader.trading.get_portfolio_history(GetPortfolioHistoryRequest(**what))


def test_portfolio_history_of_a_day_in_quarters_of_an_hour(starting):
    me = starting(market.TODAY, "09:35")
    buy(me, "TSLA")
    me.exchange.clock.to(market.at(market.TODAY, "16:30"))
    h = history(me, period="1D", timeframe="15Min")
    stamps = [dt.datetime.fromtimestamp(t, market.NEW_YORK).strftime("%H:%M") for t in h.timestamp]
    assert stamps[0] == "09:30" and stamps[1] == "09:45" and len(set(stamps)) == len(stamps)
    assert h.timeframe == "15Min" and h.base_value == 100000
    assert [len(v) for v in (h.equity, h.profit_loss, h.profit_loss_pct)] == [len(h.timestamp)] * 3
    at = {s: e for s, e in zip(stamps, h.equity)}
    assert at["15:45"] == pytest.approx(100000 - 0.10 - 30)  # 10 TSLA bought a cent above 250 which fell to 247
    assert h.profit_loss[stamps.index("15:45")] == pytest.approx(-30.10)
    assert h.profit_loss_pct[stamps.index("15:45")] == pytest.approx(-30.10 / 100000, rel=1e-3)


def test_portfolio_history_by_days(starting):
    me = starting(market.TODAY, "09:35")
    buy(me, "MSFT")
    me.exchange.clock.to(market.at(market.FRIDAY, "16:30"))
    h = history(me, period="1W", timeframe="1D")
    assert h.timeframe == "1D" and h.equity[-1] == pytest.approx(100000 - 0.10 + 30)
    assert sum(h.profit_loss) == pytest.approx(h.equity[-1] - 100000)


PORTFOLIO_TIMEFRAMES = [
    ("a minute for a day", dict(period="1D"), "1Min"),
    ("a quarter of an hour for a week", dict(period="1W"), "15Min"),
    ("a day for the default month", dict(), "1D"),
    ("a day for a year", dict(period="1A"), "1D"),
]


@pytest.mark.parametrize("asked, timeframe", [row[1:] for row in PORTFOLIO_TIMEFRAMES], ids=[row[0] for row in PORTFOLIO_TIMEFRAMES])
def test_portfolio_history_chooses_a_timeframe(me, asked, timeframe):
    h = history(me, **asked)
    assert h.timeframe == timeframe and len(h.timestamp) == len(h.equity)


def test_portfolio_history_of_an_unknown_timeframe_is_422(me):
    with pytest.raises(APIError) as caught:
        history(me, timeframe="7Min")
    assert caught.value.status_code == 422


def test_portfolio_history_takes_at_most_two_of_start_end_period(me):
    with pytest.raises(APIError) as caught:
        history(me, period="1D", start=market.at(market.TODAY, "09:30"), end=market.at(market.TODAY, "10:00"))
    assert caught.value.status_code == 422
