"""./bell backtest decides and fills as the same week on the exchange; ./bell check-config; ./bell new-strategy."""

import csv
import json
import shutil
import subprocess
from decimal import Decimal

import pytest
from conftest import REAL_WEEK, ROOT, Stage, write_instances

FILL = ("strategy", "timestamp", "client_order_id", "symbol", "side", "quantity", "price")
DECISION = ("strategy", "sequence", "timestamp", "symbol", "text")


def rows(path, keys):
    with open(path, newline="") as f:
        return sorted(tuple(plain(row[k]) for k in keys) for row in csv.DictReader(f))


def plain(value):
    """As both write it: no symbol is "", 11.10 is 11.1, fractions of a second of 0 are none."""
    text = "" if value is None else str(value)
    return str(Decimal(text).normalize()) if text.replace(".", "", 1).isdigit() else text.replace(".000000Z", "Z")


def same_week(stage, out, *words):
    """Both ways; the fills and decisions must be equal."""
    live = stage.demo(*words)
    done = stage.bell("backtest", "--json", "--out", out, *words)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    there = {"fills": stage.items("/fills", account=live["account"], limit=500), "decisions": stage.items("/decisions", account=live["account"], limit=500)}
    for name, keys in (("fills", FILL), ("decisions", DECISION)):
        expected = sorted(tuple(plain(row[k]) for k in keys) for row in there[name])
        assert len(expected) > 10
        assert rows(out / f"{name}.csv", keys) == expected
    figures = ("strategy", "plugin", "fills", "realized_pnl", "fees", "total_pnl", "max_drawdown")
    assert [[plain(s[k]) for k in figures] for s in found["strategies"]] == [[plain(s[k]) for k in figures] for s in live["strategies"]]
    assert [s["status"] for s in found["strategies"]] == ["finished"] * len(found["strategies"])
    return found


@pytest.mark.parametrize("quotes", [True, False], ids=["with quotes", "bars alone"])
def test_backtest_is_the_recorded_week(stage, tmp_path, quotes):
    if not REAL_WEEK.is_dir():
        pytest.skip(f"there is no recorded week in {REAL_WEEK}: the synthetic week is compared instead")
    folder = REAL_WEEK
    if not quotes:
        folder = tmp_path / "bars"
        folder.mkdir()
        shutil.copy(REAL_WEEK / "bars-1min.csv", folder)
    found = same_week(stage, tmp_path / "out", "--bars", folder, "--from", "2013-10-07")
    assert found["market"] == "recorded" and {s["strategy"] for s in found["strategies"]} == {"crossover", "momentum", "moody", "overnight"}


def test_backtest_is_the_synthetic_week(stage, tmp_path):
    assert same_week(stage, tmp_path / "out", "--seed", "5")["market"] == "synthetic"


def closes(folder, count):
    """A session that rises by a dollar a minute from 100."""
    folder.mkdir()
    lines = ["symbol,timestamp,open,high,low,close,volume"]
    for i in range(count):
        at = f"2013-10-07T{13 + (30 + i) // 60}:{(30 + i) % 60:02}:00Z"
        lines.append(f"ABC,{at},{100 + i}.00,{101 + i}.00,{100 + i}.00,{101 + i}.00,100")
    (folder / "bars-1min.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def quiet():
    return Stage("backtest", 70)


def test_without_days_it_runs_to_the_last_bar_and_marks(quiet, tmp_path):
    config = tmp_path / "held.yaml"
    config.write_text("strategy: ma_crossover\nsymbols: [ABC]\ncapital: 100000 USD\nquantity: 10\nparams: {fast: 1, slow: 2, overnight: true}\n")
    done = quiet.bell("backtest", config, "--bars", closes(tmp_path / "up", 60), "--json")
    found = json.loads(done.stdout)
    # Bought at the open of the third bar, 102; the last close is 160.
    assert (found["bars"], found["fills"], found["realized_pnl"], found["unrealized_pnl"], found["total_pnl"]) == (60, 1, "0.00", "580.00", "580.00")
    assert found["strategies"][0]["positions"] == [{"symbol": "ABC", "quantity": "10", "average_price": "102.00", "market_price": "160.00",
                                                   "market_value": "1600.00", "unrealized_pnl": "580.00"}]
    assert found["seconds"] > 0
    table = quiet.bell("backtest", config, "--bars", tmp_path / "up")
    assert table.returncode == 0 and "held" in table.stdout and "total" in table.stdout and "10 ABC" in table.stderr


ASKED_WRONGLY = [
    ("no such config", ["backtest", "no/such.yaml"], 3, "There is no"),
    ("two configs", ["backtest", "config/strategies", "config"], 2, "takes one CONFIG"),
    ("the last day before the first", ["backtest", "--from", "2024-03-05", "--to", "2024-03-04"], 3, "to 2024-03-04 is before the first day"),
    ("a day that is none", ["backtest", "--to", "2024-02-30"], 3, "expected a date like"),
    ("a symbol the market has not", ["backtest", "--bars", "BARS"], 3, "the market has no"),
    ("a strategy's name that is none", ["new-strategy", "Big-Idea"], 2, "cannot name a strategy"),
    ("no name", ["new-strategy"], 2, "wants one name"),
    ("a name that is taken", ["new-strategy", "ma_crossover"], 5, "is taken"),
    ("a name of the build", ["new-strategy", "market"], 5, "take another one"),
]


@pytest.mark.parametrize("words, status, sentence", [row[1:] for row in ASKED_WRONGLY], ids=[row[0] for row in ASKED_WRONGLY])
def test_asked_wrongly(quiet, tmp_path, words, status, sentence):
    words = [closes(tmp_path / "bars", 3) if word == "BARS" else word for word in words]
    done = quiet.bell(*words)
    assert (done.returncode, done.stdout) == (status, "")
    assert sentence in done.stderr


def test_a_synthetic_market_without_an_end_is_refused(quiet, tmp_path):
    config = tmp_path / "endless.yaml"
    config.write_text("strategy: ma_crossover\nsymbols: [ABC]\ncapital: 100000 USD\nquantity: 10\n")
    done = quiet.bell("backtest", config)
    assert done.returncode == 3 and "give --to" in done.stderr
    assert quiet.bell("backtest", config, "--to", "2024-03-06").returncode == 0


def test_check_config_tells_all_mistakes(quiet, tmp_path):
    folder = write_instances(tmp_path / "good", {"fine": ("momentum_30min", ["ABC"], 10)}, 2)
    done = quiet.bell("check-config", folder, folder / "fine.yaml")
    assert done.returncode == 0 and done.stdout.count("1 instance, no mistakes") == 2
    bad = tmp_path / "bad.yaml"
    bad.write_text("strategy: momentum_30min\nsymbols: [SPY]\ncapital: lots\nquantity: -5\n")
    done = quiet.bell("check-config", bad, folder, tmp_path / "missing")
    assert done.returncode == 3 and "bad.yaml:3:10" in done.stderr and "bad.yaml:4:11" in done.stderr and "no such file" in done.stderr
    assert quiet.bell("check-config").returncode == 0


def test_a_new_strategy_builds_passes_and_trades_untouched(quiet, tmp_path):
    """In a copy of the tree: the written files must not stay in this one."""
    copy = tmp_path / "tree"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("build", "var", ".git", "__pycache__"))
    env = {**quiet.env, "BELL_VAR": str(tmp_path / "var"), "BELL_BUILD": "release"}

    def bell(*words):
        return subprocess.run([copy / "bell", *words], cwd=copy, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)

    done = bell("new-strategy", "evening_dip")
    assert done.returncode == 0, done.stderr
    again = bell("new-strategy", "evening_dip")
    assert again.returncode == 5 and "Nothing was written" in again.stderr
    done = bell("backtest", "config/strategies/evening_dip.yaml", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["fills"] > 0 and found["strategies"][0]["status"] == "finished"
    assert "1 instance, no mistakes" in bell("check-config", "config/strategies/evening_dip.yaml").stdout
    build = copy / "build/test"
    for argv in (["cmake", "-G", "Ninja", "-S", copy, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DWERROR=ON"],
                 ["ninja", "-C", build, "test_strategies_evening_dip"], [build / "bin/test_strategies_evening_dip"]):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "2 test(s)" in done.stderr + done.stdout
