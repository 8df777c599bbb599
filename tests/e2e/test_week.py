"""A demo, end to end: what the record says, what the exchange says, and what the files alone say must be the same."""

import shutil
from collections import defaultdict
from decimal import Decimal

import madeup
import oracle
import pytest
from conftest import INSTANCES, REAL_WEEK, write_instances

DAY_TRADERS = ("momentum", "moody", "crossover")
UNSEEN = {
    "crossover": ("ma_crossover", ["QQT", "ZZX", "LMN"], 50),
    "momentum": ("momentum_30min", ["QQT", "LMN"], 30),
    "moody": ("moody_trader", ["ZZX"], 20),
    "overnight": ("buy_close_sell_open", ["LMN"], 40),
}
DATES = {
    "a half day in the middle": ["2024-07-01", "2024-07-02", "2024-07-03", "2024-07-05"],
    "a half day at the end": ["2013-11-26", "2013-11-27", "2013-11-29"],
    "daylight saving begins": ["2024-03-07", "2024-03-08", "2024-03-11", "2024-03-12"],
}


class Week:
    """A demo that ran, and everything there is to know about it."""

    def __init__(self, stage, folder, instances, first, days, *words):
        self.stage, self.folder, self.instances, self.first, self.days = stage, folder, instances, first, days
        self.report = stage.demo("--bars", folder, "--from", first, *words)
        self.account = self.report["account"]
        self.fills = stage.items("/fills", account=self.account, limit=500)
        self.broker_fills = stage.exchange_fills()
        self.equity = Decimal(stage.exchange("/v2/account")["equity"])
        self.orders = {id: stage.order(id) for id in {f["order_id"] for f in self.broker_fills}}
        self.held = stage.exchange("/v2/positions"), stage.exchange("/v2/orders?status=open")

    def sessions(self):
        return [s for s in oracle.Market(self.folder).sessions if s.date >= self.first][:self.days]

    def as_oracle(self):
        return oracle.merged(oracle.Fill(f["strategy"], oracle.seconds(f["timestamp"]), f["symbol"], f["side"], int(f["quantity"]), Decimal(f["price"]))
                             for f in self.fills)


def the_week(stage, tmp, name):
    if name == "the real week":
        if not REAL_WEEK.is_dir():
            pytest.skip(f"there is no recorded week in {REAL_WEEK}: the same assertions run on made-up weeks only")
        return Week(stage, REAL_WEEK, INSTANCES, "2013-10-07", 5)
    if name == "the real week, bars alone":
        if not REAL_WEEK.is_dir():
            pytest.skip(f"there is no recorded week in {REAL_WEEK}: the same assertions run on made-up weeks only")
        (tmp / "bars").mkdir()
        shutil.copy(REAL_WEEK / "bars-1min.csv", tmp / "bars")
        return Week(stage, tmp / "bars", INSTANCES, "2013-10-07", 5)
    dates = DATES[name.removesuffix(", bars alone")]
    folder = madeup.write(tmp / "market", dates, ["LMN", "QQT", "ZZX"], seed=7, with_quotes=not name.endswith(", bars alone"), late=("LMN", dates[1]))
    return Week(stage, folder, UNSEEN, dates[0], len(dates), "--config", write_instances(tmp / "instances", UNSEEN, len(dates)))


@pytest.fixture(scope="module", params=["the real week", "the real week, bars alone", *DATES, *(f"{name}, bars alone" for name in DATES)])
def week(request, stage, tmp_path_factory):
    return the_week(stage, tmp_path_factory.mktemp("week"), request.param)


def test_every_fill_of_the_exchange_is_in_the_record_once(week):
    there = {a["id"].split("::")[1]: (a["symbol"], a["side"].removesuffix("_short"), Decimal(a["qty"]), Decimal(a["price"]), a["order_id"]) for a in week.broker_fills}
    here = {f["execution_id"]: (f["symbol"], f["side"], Decimal(f["quantity"]), Decimal(f["price"]), f["order_id"]) for f in week.fills}
    assert len(here) == len(week.fills) and len(there) == len(week.broker_fills) > 0
    assert here == there


def test_profit_by_strategy_is_the_accounts_change_to_the_cent(week):
    earned, record = defaultdict(Decimal), {r["strategy"]: r for r in week.stage.api("/pnl", group_by="strategy", account=week.account)["items"]}
    for a in week.broker_fills:
        strategy = week.orders[a["order_id"]]["client_order_id"].split(".")[1]  # bell.<instance>.<date>.<sequence>
        sign = 1 if a["side"].startswith("sell") else -1
        earned[strategy] += sign * Decimal(a["qty"]) * Decimal(a["price"])
    assert {name: Decimal(r["total_pnl"]) for name, r in record.items()} == dict(earned)
    assert {name: Decimal(r["realized_pnl"]) for name, r in record.items()} == dict(earned)
    assert sum(earned.values()) == week.equity - 1_000_000
    assert week.report["reconciled"] and Decimal(week.report["total_pnl"]) == sum(earned.values())


def test_fills_are_those_the_files_alone_say(week):
    quotes = (week.folder / "quotes-1min.csv").exists()
    expected = oracle.expected(oracle.Market(week.folder, quotes), week.instances, week.first, week.days)
    actual = week.as_oracle()
    missing = [f for f in expected if f not in set(actual)]
    surplus = [f for f in actual if f not in set(expected)]
    assert (missing[:8], surplus[:8], len(actual)) == ([], [], len(expected))


def test_day_traders_hold_nothing_after_a_close_and_nothing_is_held_at_the_end(week):
    for session in week.sessions():
        for name in DAY_TRADERS:
            held = defaultdict(int)
            for f in week.fills:
                if f["strategy"] == name and oracle.seconds(f["timestamp"]) <= session.close:
                    held[f["symbol"]] += int(f["quantity"]) * (1 if f["side"] == "buy" else -1)
            assert not any(held.values()), (session.date, name, dict(held))
    assert week.held == ([], [])


def test_moody_trades_every_session(week):
    traded = {s.date for s in week.sessions() for f in week.fills if f["strategy"] == "moody" and s.open <= oracle.seconds(f["timestamp"]) <= s.close}
    assert traded == {s.date for s in week.sessions()}


def test_report_says_what_the_api_says(week):
    for row in week.report["strategies"]:
        pnl = next(r for r in week.stage.api("/pnl", group_by="strategy", account=week.account)["items"] if r["strategy"] == row["strategy"])
        assert (row["fills"], Decimal(row["total_pnl"])) == (int(pnl["fills"]), Decimal(pnl["total_pnl"]))
        assert Decimal(row["max_drawdown"]) >= max(0, -Decimal(row["total_pnl"]))
    runs = week.stage.items("/runs", account=week.account)
    assert {r["strategy"]: r["status"] for r in runs} == {name: "finished" for name in week.instances}
    source, = week.stage.items("/accounts", account=week.account)
    assert week.stage.items("/bars", source=source["source"], start=week.first, limit=500)


def test_overnight_on_spy_makes_178(stage, tmp_path):
    week = the_week(stage, tmp_path, "the real week")
    fills = [f for f in week.as_oracle() if f.strategy == "overnight"]
    nights = [(sale.price - purchase.price) * 100 for purchase, sale in zip(fills[::2], fills[1::2])]
    assert nights == [3, 34, 175, -34]


def anonymous(fills):
    return [(f["strategy"], f["timestamp"], f["symbol"], f["side"], f["quantity"], f["price"], f["client_order_id"]) for f in fills]


def test_synthetic_week_is_the_same_each_time_and_another_with_another_seed(stage):
    runs = []
    for words in ([], [], ["--seed", "2"]):
        report = stage.demo(*words)
        assert report["market"] == "synthetic" and report["reconciled"] and report["api_fills"] > 50
        runs.append((report["account"], sorted(anonymous(stage.items("/fills", account=report["account"], limit=500)))))
    assert runs[0][1] == runs[1][1] != runs[2][1]
    # Three accounts, and what was recorded of the first is still there.
    assert len({account for account, _ in runs}) == 3
    assert sorted(anonymous(stage.items("/fills", account=runs[0][0], limit=500))) == runs[0][1]


def test_made_up_week_is_the_same_each_time(stage, tmp_path):
    dates = DATES["a half day in the middle"]
    folder = madeup.write(tmp_path / "market", dates, ["LMN", "QQT", "ZZX"], seed=9)
    config = write_instances(tmp_path / "instances", UNSEEN, len(dates))
    weeks = [Week(stage, folder, UNSEEN, dates[0], len(dates), "--config", config) for _ in range(2)]
    assert sorted(anonymous(weeks[0].fills)) == sorted(anonymous(weeks[1].fills))


def test_data_outlive_down_and_up(stage):
    accounts = stage.api("/pnl", group_by="account")["items"]
    assert accounts
    assert stage.bell("down").returncode == 0
    assert stage.no_process_left() == []
    done = stage.bell("up", "--new", "--speed", "max")
    assert done.returncode == 0, done.stderr
    again = {r["account"]: r for r in stage.api("/pnl", group_by="account")["items"]}
    for row in accounts:
        assert again[row["account"]] == row
