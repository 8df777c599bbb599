"""Files of running instances, edited: what is hot takes hold, anything else changes nothing and says so; a restart goes on with it."""

import hashlib
import re
import signal
from decimal import Decimal

import madeup
import oracle
import pytest
from conftest import write_instances

TRADERS = {"edited": ("ma_crossover", ["LMN"], 50), "moody": ("moody_trader", ["ZZX"], 20)}
DATES = ["2024-07-01", "2024-07-02", "2024-07-03", "2024-07-05"]


@pytest.fixture
def config(tmp_path):
    return write_instances(tmp_path / "instances", TRADERS, len(DATES))


@pytest.fixture
def words(tmp_path, config):
    return ["--bars", madeup.write(tmp_path / "market", DATES, ["LMN", "ZZX"], seed=12), "--from", DATES[0], "--config", config]


def replace(path, text):
    """As editors do: a new file in the place of the old one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def traded(stage):
    try:
        return len(stage.exchange_fills())
    except (OSError, AssertionError):  # not up yet
        return 0


def run_of(stage, strategy):
    account = stage.exchange("/v2/account")["account_number"]
    return stage.api("/runs/" + next(r for r in stage.items("/runs", account=account, strategy=strategy) if r["status"] == "running")["run_id"])


def test_an_edited_instance(stage, part, words, config):
    up = stage.bell("up", "--new", *words, "--speed", "300")
    assert up.returncode == 0, up.stderr
    file = config / "edited.yaml"
    text = file.read_text()
    stage.wait("the run", lambda: stage.items("/runs", account=stage.exchange("/v2/account")["account_number"], strategy="edited"))
    first = run_of(stage, "edited")
    assert first["config_text"] == text

    hot = text.replace("quantity: 50", "quantity: 40") + "params:\n  fast: 5\n"
    replace(file, hot)
    stage.wait("the next version", lambda: run_of(stage, "edited")["version"] > first["version"])
    second = run_of(stage, "edited")
    assert (second["run_id"], second["version"], second["config_text"]) == (first["run_id"], first["version"] + 1, hot)
    assert second["config_hash"] == hashlib.sha256(hot.encode()).hexdigest() and str(second["quantity"]) == "40"
    assert second["reason"] == "edited: quantity 50 -> 40, params: fast 10 -> 5"

    assert second["config_changed_at"] and stage.api("/strategies/edited")["config_error"] is None

    for wrong, why in ((hot.replace("days: 4", "days: 3"), "days 4 -> 3: takes a new start"),
                       (hot + "  slwo: 9\n  exit: never\n", '8:3: params: there is no setting "slwo"; did you mean slow?'),
                       (hot + "  slow: 3\n", "fast must be below slow")):
        file.write_text(wrong)  # in place
        stage.wait("a word about it", lambda: why in str(stage.api("/strategies/edited")["config_error"]))
        assert why in stage.log("engine", "edit_refused")[-1 - (why[0] == "8")].replace(chr(92), "")
    assert run_of(stage, "edited")["version"] == second["version"]

    # The file is wrong: a restart goes on with what is on record.
    engine = part("engine")
    engine.end()
    engine.start()
    stage.wait("the run", lambda: run_of(stage, "edited")["version"] > second["version"])
    third = run_of(stage, "edited")
    assert {k: third[k] for k in ("run_id", "config_text", "config_hash")} == {k: second[k] for k in ("run_id", "config_text", "config_hash")}
    assert "fast must be below slow" in stage.api("/strategies/edited")["config_error"]

    file.write_text(hot)
    stage.wait("the error to be gone", lambda: stage.api("/strategies/edited")["config_error"] is None)
    assert run_of(stage, "edited")["version"] == third["version"]

    # Edited while nobody runs it: taken up with it.
    engine.end()
    replace(file, hot.replace("fast: 5", "fast: 6"))
    engine.start()
    stage.wait("the run", lambda: run_of(stage, "edited")["version"] > third["version"])
    fourth = run_of(stage, "edited")
    assert fourth["run_id"] == first["run_id"] and fourth["reason"] == "taken up again after a restart; edited: params: fast 5 -> 6"
    assert engine.end(signal.SIGTERM) == 0


def test_an_edit_in_lockstep_holds_from_one_instant_on(stage, tmp_path):
    """Until then every fill is that of a run nobody edited; from then on the new quantity is what is wanted."""
    traders = {"stepped": ("ma_crossover", ["LMN", "ZZX"], 50)}
    config = write_instances(tmp_path / "instances", traders, len(DATES))
    market = madeup.write(tmp_path / "market", DATES, ["LMN", "ZZX"], seed=15)
    demo = stage.popen("demo", "--json", "--bars", market, "--from", DATES[0], "--config", config)
    try:
        stage.wait("some fills", lambda: traded(stage) > 10, 120)
        replace(config / "stepped.yaml", (config / "stepped.yaml").read_text().replace("quantity: 50", "quantity: 40"))
        out, err = demo.communicate(timeout=240)
    finally:
        if demo.poll() is None:
            demo.send_signal(signal.SIGINT)
            demo.communicate(timeout=200)
    assert demo.returncode == 0, err[-3000:]
    changed = oracle.seconds(re.search(r" at=(\S+)", stage.log("engine", "config_changed")[0])[1])
    account = stage.exchange("/v2/account")["account_number"]
    fills = [oracle.Fill(f["strategy"], oracle.seconds(f["timestamp"]), f["symbol"], f["side"], int(f["quantity"]), Decimal(f["price"]))
             for f in stage.items("/fills", account=account, limit=1000)]
    before = lambda all: [fill for fill in oracle.merged(all) if fill.time <= changed]
    assert before(fills) == before(oracle.expected(oracle.Market(market), traders, DATES[0], len(DATES))) and len(before(fills)) > 10
    assert {fill.quantity for fill in fills if fill.time > changed} <= {50, 40, 10} and [fill for fill in fills if fill.time > changed and fill.quantity == 40]
