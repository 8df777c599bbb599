"""What ./bell says when it is asked wrongly or the world is not as it should be: a sentence, the right status, nothing left behind."""

import os
import socket
import subprocess
import time

import pytest
from conftest import ROOT, write_instances

ONE = {"quiet": ("momentum_30min", ["ABC"], 10)}

USAGE = [
    ("a mistyped command", ["dmeo"], 2, 'There is no command "dmeo". Did you mean "demo"?'),
    ("a mistyped option", ["demo", "--sped", "3"], 2, 'demo has no option "--sped". Did you mean "speed"?'),
    ("an option without its value", ["demo", "--bars"], 2, "--bars wants a value"),
    ("a word too many", ["demo", "now"], 2, 'demo takes no "now"'),
    ("a folder that is not there", ["demo", "--bars", "no/such"], 3, "there is no folder"),
    ("a folder without bars", ["demo", "--bars", "docs"], 3, "holds no readable bars-1min.csv"),
    ("an impossible date", ["demo", "--from", "2013-02-30"], 2, "--from wants a date"),
    ("a speed of nothing", ["demo", "--speed", "0"], 2, "--speed wants max or a number above 0"),
    ("a seed that is no number", ["demo", "--seed", "x"], 2, "--seed wants a whole number"),
    ("a folder without instances", ["demo", "--config", "docs"], 3, "no *.yaml"),
    ("logs of nothing", ["logs", "engin"], 1, "Nothing was started here yet"),
]


@pytest.mark.parametrize("words, status, sentence", [row[1:] for row in USAGE], ids=[row[0] for row in USAGE])
def test_asked_wrongly(empty_stage, words, status, sentence):
    done = empty_stage.bell(*words, timeout=20)
    assert (done.returncode, done.stdout) == (status, "")
    assert sentence in done.stderr
    assert not (empty_stage.var / "run").exists()


def test_help_is_data_and_leads_with_examples(empty_stage):
    done = empty_stage.bell("help")
    assert done.returncode == 0 and done.stderr == "" and done.stdout.index("./bell demo --bars") < done.stdout.index("Commands")


def test_status_and_down_of_nothing(empty_stage):
    assert empty_stage.bell("status", "--json").stdout == '{"parts":[]}\n'
    assert empty_stage.bell("down").returncode == 0


def bad_instances(folder):
    folder.mkdir()
    (folder / "one.yaml").write_text("strategy: momentum_30min\nsymbols: [SPY]\ncapital: lots\nquantity: -5\ndays: 5\n")
    (folder / "two.yaml").write_text("strategy: momentun_30min\nsymbols: [SPY]\ncapital: 1000 USD\nquantity: 5\ndays: 5\n")
    (folder / "three.yaml").write_text("strategy: ma_crossover\nsymbols: [SPY]\ncapital: 1000 USD\nquantity: 5\ndays: 5\nparams:\n  fats: 10\n  slow: many\n")
    return folder


def test_all_mistakes_of_all_instances_with_line_and_column(empty_stage, tmp_path):
    done = empty_stage.bell("demo", "--config", bad_instances(tmp_path / "bad"))
    assert done.returncode == 3
    for place in ("one.yaml:3:10", "one.yaml:4:11", "two.yaml:1:11", "three.yaml:7:3", "three.yaml:8:9"):
        assert place in done.stderr, (place, done.stderr)
    assert "momentum_30min" in done.stderr and "fast" in done.stderr  # the nearest valid names
    assert "Nothing was started" in done.stderr
    assert empty_stage.no_process_left() == []


BAD_BARS = [
    ("a price that is none", "ABC,2024-03-04T14:30:00Z,10.00,10.10,x,10.05,100", 2),
    ("high below low", "ABC,2024-03-04T14:30:00Z,10.00,9.00,9.90,10.05,100", 2),
    ("a field too few", "ABC,2024-03-04T14:30:00Z,10.00,10.10,9.90,10.05", 2),
    ("a time that is none", "ABC,2024-03-04 quarter past,10.00,10.10,9.90,10.05,100", 2),
    ("time going back", "ABC,2024-03-04T14:31:00Z,10.00,10.10,9.90,10.05,100\nABC,2024-03-04T14:30:00Z,10.00,10.10,9.90,10.05,100", 3),
]


@pytest.mark.parametrize("rows, line", [row[1:] for row in BAD_BARS], ids=[row[0] for row in BAD_BARS])
def test_broken_bar_file(stage, tmp_path, rows, line):
    (tmp_path / "bars-1min.csv").write_text("symbol,timestamp,open,high,low,close,volume\n" + rows + "\n")
    config = write_instances(tmp_path / "instances", ONE, 1)
    done = stage.bell("demo", "--bars", tmp_path, "--config", config)
    assert done.returncode in (1, 3), done.stderr
    assert f"bars-1min.csv:{line}" in done.stderr
    assert stage.status()["exchange"]["state"] != "running"


def test_plugin_of_another_abi(empty_stage, tmp_path):
    """The engine names the plugin, its ABI and its own; no instance of it runs."""
    source = (ROOT / "strategies/momentum_30min.c").read_text().replace(".abi = STRATEGY_ABI", ".abi = STRATEGY_ABI + 1")
    (tmp_path / "momentum_30min.c").write_text(source)
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-shared", "-fPIC", "-fvisibility=hidden", "-I", ROOT, "-I", ROOT / "lib", "-o",
                    tmp_path / "momentum_30min.so", tmp_path / "momentum_30min.c"], check=True)
    config = write_instances(tmp_path / "instances", ONE, 1)
    done = subprocess.run([ROOT / "build/dev/bin/bell-engine", "--strategies", config, "--plugins", tmp_path, "--check-config"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "quiet.yaml:1:11" in done.stderr and "abi" in done.stderr.lower()


def test_port_in_use(empty_stage):
    with socket.create_server(("127.0.0.1", empty_stage.base + 1)):
        done = empty_stage.bell("demo")
    assert done.returncode == 4
    assert f"Port {empty_stage.base + 1} (exchange) is in use by" in done.stderr and "BELL_PORT_BASE" in done.stderr
    assert empty_stage.no_process_left() == []


def test_twice_at_once_and_then_interrupted(empty_stage):
    first = empty_stage.popen("demo", "--speed", "60")
    try:
        empty_stage.wait("the lock", lambda: (empty_stage.var / "lock").exists() and "demo" in (empty_stage.var / "lock").read_text(), 20)
        second = empty_stage.bell("demo")
        assert second.returncode == 5 and f"{first.pid} demo" in second.stderr, second.stderr
        empty_stage.wait("the engine", lambda: (empty_stage.var / "run/engine.pid").exists())
        time.sleep(0.3)
    finally:
        first.send_signal(2)
        _, err = first.communicate(timeout=200)
    assert first.returncode == 130, err
    assert empty_stage.no_process_left() == []


def test_down_ends_a_demo_that_trades(empty_stage):
    first = empty_stage.popen("demo", "--speed", "60")
    empty_stage.wait("the engine", lambda: (empty_stage.var / "run/engine.pid").exists())
    down = empty_stage.bell("down")
    _, err = first.communicate(timeout=200)
    assert (down.returncode, first.returncode) == (0, 130), (down.stderr, err)
    assert empty_stage.no_process_left() == []


def test_interrupted_while_starting(empty_stage):
    first = empty_stage.popen("demo")
    empty_stage.wait("QuestDB", lambda: (empty_stage.var / "run/questdb.pid").exists())
    first.send_signal(2)
    _, err = first.communicate(timeout=200)
    assert first.returncode == 130, err
    assert empty_stage.no_process_left() == []


def test_stale_pid_file_is_nobody(empty_stage):
    """A pid that another process has now is not our part."""
    (empty_stage.var / "run").mkdir(parents=True)
    (empty_stage.var / "run/api.pid").write_text(f"{os.getpid()} 1\n")
    (empty_stage.var / "run/engine.pid").write_text("999999 1\n")
    assert {row["state"] for row in empty_stage.status().values()} == {"stopped"}
    assert empty_stage.bell("down").returncode == 0
