"""./bell up for days: at another's exchange, over deaths and stops. The broker here is an exchange of its own at a scaled clock."""

import os
import signal
import subprocess
from decimal import Decimal

import madeup
import pytest
from conftest import ROOT, write_instances

DATES = ["2024-07-01", "2024-07-02"]
TRADERS = {"crossover": ("ma_crossover", ["LMN", "QQT"], 50), "overnight": ("buy_close_sell_open", ["LMN"], 40)}


class Broker:
    """Somebody else's exchange: at a minute a second nothing that is done to it is done too late; later as fast as it can."""

    def __init__(self, folder, port):
        self.folder, self.port, self.process = folder, port, None
        self.market = madeup.write(folder / "market", DATES, ["LMN", "QQT"], seed=5)

    def run(self, speed):
        self.stop()
        self.process = subprocess.Popen(
            [ROOT / "build/dev/bin/bell-exchange", "--port", str(self.port), "--bars", self.market, "--from", f"{DATES[0]}T13:25:00Z", "--speed", speed,
             "--state", self.folder / "state"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(60)


@pytest.fixture
def at(empty_stage, tmp_path):
    """A stage whose exchange is the broker."""
    stage = empty_stage
    stage.broker = Broker(tmp_path, stage.base + 6)
    words = ["--broker", f"http://127.0.0.1:{stage.base + 6}", "--config", write_instances(tmp_path / "instances", TRADERS, len(DATES))]
    with open(tmp_path / "instances/crossover.yaml", "a") as instance:
        instance.write("params:\n  fast: 2\n  slow: 4\n")
    for name in ("key", "secret"):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text("elsewhere\n")
        words += [f"--{name}-file", tmp_path / name]
    stage.words, stage.exchange_url = words, f"http://127.0.0.1:{stage.base + 6}"
    stage.keys = {"APCA-API-KEY-ID": "elsewhere", "APCA-API-SECRET-KEY": "elsewhere"}
    stage.broker.run("60")
    stage.wait("the broker", lambda: is_there(stage))
    yield stage
    stage.bell("down")
    stage.broker.stop()


def is_there(stage):
    try:
        return bool(stage.exchange("/v2/account"))
    except OSError:
        return False


def pid_of(stage, part):
    return int((stage.var / f"run/{part}.pid").read_text().split()[0])


def trading(stage):
    try:
        return stage.exchange("/v2/clock")["is_open"] and stage.exchange("/v2/positions")
    except (OSError, AssertionError):
        return False


def compared(stage):
    """The record's fills, when it has all of the broker's and its P&L is the account's to the cent."""
    stage.wait("the record", lambda: len(stage.items("/fills", limit=500)) == len(stage.exchange_fills()))
    fills = stage.items("/fills", limit=500)
    assert {f["execution_id"] for f in fills} == {a["id"].split("::")[1] for a in stage.exchange_fills()}
    assert stage.exchange("/v2/positions") == []
    change = Decimal(stage.exchange("/v2/account")["equity"]) - 100_000
    assert sum(Decimal(r["total_pnl"]) for r in stage.api("/pnl", group_by="strategy")["items"]) == change
    return fills


def test_a_week_at_another_broker_over_deaths_and_a_stop(at):
    stage = at
    up = stage.bell("up", *stage.words)
    assert up.returncode == 0, up.stderr
    assert stage.exchange_url in up.stderr and "exchange" not in stage.status()
    for part in ("engine", "streamer", "api", "questdb"):
        stage.wait("positions", lambda: trading(stage))
        was = pid_of(stage, part)
        os.kill(was, signal.SIGKILL)
        stage.wait(f"another {part}", lambda: stage.status()[part]["state"] == "running" and pid_of(stage, part) != was, 120)
    supervisor = stage.status()["supervisor"]
    assert supervisor["state"] == "running" and "4 restarts" in supervisor["detail"] and stage.exchange_url in supervisor["detail"]
    assert "restart of engine: done" in stage.bell("logs", "supervisor").stdout
    again = stage.bell("up", *stage.words)  # everything runs: it stays as it is
    assert again.returncode == 0 and "started  " not in again.stderr, again.stderr

    runs = {r["strategy"]: r["run_id"] for r in stage.items("/runs")}
    down = stage.bell("down")
    assert down.returncode == 0 and "engine: flat" in down.stderr
    assert stage.exchange("/v2/positions") == []
    stage.broker.run("max")
    up = stage.bell("up", *stage.words)
    assert up.returncode == 0, up.stderr
    stage.wait("the last session's end", lambda: stage.status()["engine"]["state"] == "finished", 180)
    fills = compared(stage)
    assert {f["timestamp"][:10] for f in fills} == set(DATES)
    assert {r["strategy"]: r["run_id"] for r in stage.items("/runs")} == runs, "the runs went on, they did not begin anew"
    assert {r["status"] for r in stage.items("/runs")} == {"finished"}
    assert stage.status()["supervisor"]["state"] == "running"


KEYS = [
    ("no key file", ["--broker", "alpaca"], 3, "There is no"),
    ("real money without keys", ["--broker", "alpaca", "--live", "--key-file", "no/such"], 3, "no/such"),
    ("a broker that is none", ["--broker", "alpca"], 2, "--broker wants local, alpaca or a URL"),
    ("a market for a broker that has one", ["--broker", "alpaca", "--speed", "3"], 2, "--speed is for the local exchange"),
    ("real money at home", ["--live"], 2, "--live belongs to another broker"),
]


@pytest.mark.parametrize("words, status, sentence", [row[1:] for row in KEYS], ids=[row[0] for row in KEYS])
def test_a_broker_asked_for_wrongly(empty_stage, words, status, sentence):
    done = empty_stage.bell("up", *words)
    assert done.returncode == status and sentence in done.stderr
    assert empty_stage.no_process_left() == []


@pytest.mark.parametrize("key, words, sentence", [
    ("AKREALMONEY", [], "a real-money key"),
    ("PKPAPER", ["--live"], "a paper key"),
], ids=["a live key at paper", "a paper key at live"])
def test_a_key_of_the_other_kind_is_refused(empty_stage, tmp_path, key, words, sentence):
    for name in ("key", "secret"):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text(key + "\n")
    done = empty_stage.bell("up", "--broker", "alpaca", "--key-file", tmp_path / "key", "--secret-file", tmp_path / "secret", *words)
    assert done.returncode == 1 and sentence in done.stderr, done.stderr
    assert empty_stage.no_process_left() == []
