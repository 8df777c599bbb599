"""Stopping and dying in the middle of a session."""

import os
import signal
from decimal import Decimal

import madeup
import oracle
import pytest
from conftest import write_instances

TRADERS = {
    "crossover": ("ma_crossover", ["LMN", "QQT", "ZZX"], 50),
    "moody": ("moody_trader", ["ZZX"], 20),
    "overnight": ("buy_close_sell_open", ["LMN"], 40),
}
DATES = ["2024-07-01", "2024-07-02", "2024-07-03", "2024-07-05"]


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return madeup.write(tmp_path_factory.mktemp("market"), DATES, ["LMN", "QQT", "ZZX"], seed=11)


@pytest.fixture
def words(market, tmp_path):
    return ["--bars", market, "--from", DATES[0], "--config", write_instances(tmp_path / "instances", TRADERS, len(DATES))]


def pid_of(stage, part):
    return int((stage.var / f"run/{part}.pid").read_text().split()[0])


def market_time(stage):
    """None: nobody answers."""
    try:
        return stage.exchange("/v2/clock")["timestamp"]
    except OSError:
        return None


def trading(stage):
    """A position is held and the market is open."""
    try:
        return stage.exchange("/v2/clock")["is_open"] and len(stage.exchange("/v2/positions")) > 1
    except (OSError, AssertionError):
        return False


@pytest.mark.parametrize("how", ["flatten", "kill"])
def test_sigterm_in_mid_session_leaves_nothing(stage, words, how):
    up = stage.bell("up", "--new", *words, "--speed", "900")
    assert up.returncode == 0, up.stderr
    stage.wait("positions", lambda: trading(stage))
    if how == "flatten":
        done = stage.bell("flatten")
        assert done.returncode == 0, done.stderr
    else:
        os.kill(pid_of(stage, "engine"), signal.SIGTERM)
        stage.wait("the engine's end", lambda: (stage.var / "run/engine.exit").exists(), 120)
    assert (stage.var / "run/engine.exit").read_text() == "0\n"
    assert (stage.exchange("/v2/positions"), stage.exchange("/v2/orders?status=open")) == ([], [])
    account = stage.exchange("/v2/account")["account_number"]
    stage.wait("the record", lambda: len(stage.items("/fills", account=account, limit=500)) == len(stage.exchange_fills()))
    change = Decimal(stage.exchange("/v2/account")["equity"]) - 1_000_000
    assert sum(Decimal(r["total_pnl"]) for r in stage.api("/pnl", group_by="strategy", account=account)["items"]) == change


def test_down_in_mid_session_ends_flat_and_in_order(stage, words):
    up = stage.bell("up", "--new", *words, "--speed", "900")
    assert up.returncode == 0, up.stderr
    stage.wait("positions", lambda: trading(stage))
    done = stage.bell("down")
    assert done.returncode == 0, done.stderr
    order = [line.split()[1].rstrip(":") for line in done.stderr.splitlines() if line.startswith("stopped")]
    assert order == ["engine", "streamer", "api", "exchange", "questdb"]
    assert "engine: flat" in done.stderr
    assert stage.no_process_left() == []


def test_an_engine_without_streamer_still_ends_flat(stage, words):
    up = stage.bell("up", "--new", *words, "--speed", "max")
    assert up.returncode == 0, up.stderr
    stage.wait("positions", lambda: trading(stage))
    os.kill(pid_of(stage, "streamer"), signal.SIGKILL)
    done = stage.bell("flatten")
    assert done.returncode == 0, done.stderr
    assert (stage.exchange("/v2/positions"), stage.exchange("/v2/orders?status=open")) == ([], [])


@pytest.mark.parametrize("part, times", [("api", 1), ("streamer", 3), ("questdb", 1), ("exchange", 3)])
def test_kill_9_in_the_middle_loses_nothing(stage, words, market, part, times):
    demo = stage.popen("demo", "--json", *words, "--speed", "max")
    try:
        stage.wait("a third of the week", lambda: trading(stage) and len(stage.exchange_fills()) > 60, 120)
        for again in reversed(range(times)):  # whatever is on its way at that moment
            os.kill(pid_of(stage, part), signal.SIGKILL)
            if again:
                stage.wait("the exchange", lambda: market_time(stage), 120)
                stood = market_time(stage)
                stage.wait("the market to go on", lambda: market_time(stage) not in (stood, None), 120)
        out, err = demo.communicate(timeout=200)
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGINT)
            demo.communicate(timeout=200)
    assert demo.returncode == 0, err[-3000:]
    assert f"{part} ended in the middle" in err, "it was killed too late to show anything"
    account = stage.exchange("/v2/account")["account_number"]
    fills = stage.items("/fills", account=account, limit=500)
    # The demo itself has compared record and exchange; here once more, without its help.
    assert {f["execution_id"] for f in fills} == {a["id"].split("::")[1] for a in stage.exchange_fills()} and len(fills) > 60
    assert stage.exchange("/v2/positions") == []
    if part != "streamer":  # without the relay no entry is made: that minute's signals are rightly missed
        traded = [oracle.Fill(f["strategy"], oracle.seconds(f["timestamp"]), f["symbol"], f["side"], int(f["quantity"]), Decimal(f["price"])) for f in fills]
        assert oracle.merged(traded) == oracle.expected(oracle.Market(market), TRADERS, DATES[0], len(DATES))
