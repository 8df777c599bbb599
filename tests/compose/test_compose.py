"""docker compose up, for real: the week, deaths, an edit, stops and starts. One story, told in order."""

import os
import signal
import subprocess
import time
from decimal import Decimal

import pytest
from conftest import PARTS, PORT_BASE, ROOT


def edit(project, name, old, new):
    """As an editor does it: another file takes the place."""
    path = project.folder / "config/strategies" / name
    text = path.read_text()
    assert old in text
    path.with_suffix(".new").write_text(text.replace(old, new))
    path.with_suffix(".new").replace(path)


def reconciled(project):
    """Fills of the account when record and exchange have the same ones, and its P&L is the account's to the cent."""
    account = project.account()
    project.wait("the record", lambda: len(project.items("/fills", account=account, limit=1000)) == len(project.exchange_fills()))
    fills = project.items("/fills", account=account, limit=1000)
    assert {f["execution_id"] for f in fills} == {a["id"].split("::")[1] for a in project.exchange_fills()}
    change = Decimal(project.exchange("/v2/account")["equity"]) - 1_000_000
    assert sum(Decimal(r["total_pnl"]) for r in project.api("/pnl", group_by="strategy", account=account)["items"]) == change
    return fills


@pytest.fixture(scope="module")
def week(project):
    """Slow enough that what is done to it is done in the middle; later as fast as it can."""
    project.env |= {"BELL_SPEED": "60", "BELL_FROM": "2024-03-04T14:25:00Z"}
    began = time.monotonic()
    project.compose("up", "-d", "--no-build")
    print(f"up in {time.monotonic() - began:.1f} s")
    return project


def test_all_parts_are_well(week):
    for part in PARTS:
        week.wait(f"{part}'s health", lambda: week.is_healthy(part))


@pytest.mark.parametrize("part", PARTS)
def test_a_container_has_no_rights_it_does_not_need(week, part):
    c = week.inspect(part)
    host = c["HostConfig"]
    assert c["Config"]["User"] not in ("", "0", "root")
    assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["CapAdd"] and not host["Privileged"]
    assert any("no-new-privileges" in o for o in host["SecurityOpt"])
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert {b["HostIp"] for bindings in (host["PortBindings"] or {}).values() for b in bindings} <= {"127.0.0.1"}
    if part == "engine":
        assert c["Config"]["StopTimeout"] == 120


@pytest.mark.parametrize("part", ["engine", "streamer", "exchange", "api", "questdb"])
def test_kill_9_and_it_comes_back(week, part):
    week.wait("trading", week.is_trading, 300)
    assert not week.rests(), "too late to show anything"
    before = week.inspect(part)
    os.kill(before["State"]["Pid"], signal.SIGKILL)
    week.wait(f"another {part}", lambda: week.inspect(part)["RestartCount"] > before["RestartCount"] and week.is_healthy(part))
    stood = week.exchange("/v2/clock")["timestamp"]
    week.wait("the market to go on", lambda: week.exchange("/v2/clock")["timestamp"] != stood)


def test_an_edit_takes_hold_while_it_runs(week):
    week.wait("trading", week.is_trading, 300)
    assert not week.rests(), "too late to show anything"
    run = next(r for r in week.items("/runs", account=week.account()) if r["strategy"] == "momentum")
    edit(week, "momentum.yaml", "threshold: 1 %", "threshold: 0.7 %")
    edited = time.monotonic()
    now = week.wait("the edit", lambda: next(r for r in week.items("/runs", account=week.account())
                                             if r["strategy"] == "momentum" and r["config_hash"] != run["config_hash"]), 60)
    print(f"on record {time.monotonic() - edited:.1f} s after the edit")
    assert (now["run_id"], now["status"]) == (run["run_id"], "running") and now["version"] > run["version"]
    assert "threshold: 0.7 %" in week.api(f"/runs/{run['run_id']}")["config_text"]


def test_the_week_ends_and_adds_up(week):
    account = week.account()
    week.env["BELL_SPEED"] = "max"
    week.compose("up", "-d", "--no-build")  # another exchange, the same market and account
    week.wait("the last session", week.rests, 900)
    assert week.account() == account
    assert week.exchange("/v2/positions") == []
    fills = reconciled(week)
    assert {f["strategy"] for f in fills} == {"crossover", "momentum", "moody", "overnight"}
    runs = week.items("/runs", account=week.account())
    assert {r["status"] for r in runs} == {"finished"} and len(runs) == 4
    assert "P&L by strategy" in week.logs("engine") and "crossover" in week.logs("engine").split("P&L by strategy")[-1]


def test_down_and_up_keep_the_data(week):
    account, fills = week.account(), {f["execution_id"] for f in week.items("/fills", limit=1000)}
    week.compose("down")
    week.compose("up", "-d", "--no-build")
    week.wait("health", lambda: all(week.is_healthy(part) for part in PARTS))
    assert week.account() == account
    week.wait("the engine to rest", week.rests)
    assert {f["execution_id"] for f in week.items("/fills", limit=1000)} == fills, "its days are over: nothing more is traded"
    assert len(week.items("/runs")) == 4


def test_stop_leaves_it_flat_and_start_goes_on(week):
    """Another market, at a speed to watch, and so another account."""
    week.env |= {"BELL_SEED": "2", "BELL_SPEED": "60"}
    week.compose("up", "-d", "--no-build")
    week.wait("trading", week.is_trading, 300)
    runs = {r["run_id"] for r in week.items("/runs", account=week.account())}
    began = time.monotonic()
    week.compose("stop", "engine")
    took = time.monotonic() - began
    state = week.inspect("engine")["State"]
    assert (state["ExitCode"], week.exchange("/v2/positions"), week.exchange("/v2/orders?status=open")) == (0, [], []), week.logs("engine")[-2000:]
    assert took < 120
    reconciled(week)
    week.compose("stop")
    week.compose("start")
    week.wait("trading again", week.is_trading, 300)
    assert {r["run_id"] for r in week.items("/runs", account=week.account())} == runs, "the runs went on"
    week.compose("stop", "engine")
    reconciled(week)


def test_a_config_with_mistakes_waits_to_be_mended(week):
    edit(week, "moody.yaml", "moody_trader", "modoy_trader")
    edit(week, "moody.yaml", "quantity: 100", "quantity: 120")
    week.env["BELL_SEED"] = "3"
    week.compose("up", "-d", "--no-build")
    week.wait("the complaint", lambda: "Mend the mistakes" in week.logs("engine"))
    assert 'moody_trader' in week.logs("engine")  # the nearest name
    edit(week, "moody.yaml", "modoy_trader", "moody_trader")
    week.wait("the start", lambda: {r["strategy"] for r in week.items("/runs", account=week.account())} >= {"moody"}, 60)


@pytest.fixture
def broker(week):
    """An exchange on the host, where containers find it: somebody else's broker."""
    week.compose("up", "-d", "--no-build", "exchange")
    network = week.daemon.call("network", "inspect", f"{week.name}_default", "--format", "{{(index .IPAM.Config 0).Gateway}}").stdout.strip()
    port = PORT_BASE + 4
    process = subprocess.Popen([ROOT / "build/dev/bin/bell-exchange", "--host", network, "--port", str(port), "--speed", "max", "--from", "2024-03-04"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    week.exchange_url, week.keys = f"http://{network}:{port}", {"APCA-API-KEY-ID": "elsewhere", "APCA-API-SECRET-KEY": "elsewhere"}
    yield week.exchange_url
    process.terminate()
    process.wait(30)


def test_another_broker_with_two_secret_files(week, broker):
    for name in ("key", "secret"):
        path = week.folder / f"{name}.txt"
        path.touch(0o600)
        path.write_text("elsewhere\n")
    words = {"BROKER": broker, "ALPACA_KEY_FILE": "./key.txt", "ALPACA_SECRET_FILE": "./secret.txt"}
    week.compose("stop")
    week.compose("up", "-d", "--no-build", check=False, **words)  # ours, and not to be read in there
    week.wait("the sentence", lambda: "sudo chown 10001 FILE" in week.logs("streamer"))
    for name in ("key", "secret"):
        os.chown(week.folder / f"{name}.txt", 10001, 10001)
        os.chmod(week.folder / f"{name}.txt", 0o400)
    week.compose("up", "-d", "--no-build", **words)
    week.env |= words
    week.wait("trading", lambda: len(week.items("/fills", account=week.account())) > 20, 300)
    assert "no exchange is needed here" in week.logs("exchange")
    week.compose("stop", "engine")
    assert week.inspect("engine")["State"]["ExitCode"] == 0 and week.exchange("/v2/positions") == []


def test_jupyter_shows_its_token_and_reads_the_api(week):
    week.compose("--profile", "notebook", "up", "-d", "--no-build", "jupyter")
    week.wait("Jupyter", lambda: week.is_healthy("jupyter"))
    assert f"http://127.0.0.1:{PORT_BASE + 8}/lab?token=" in week.logs("jupyter")
    done = week.compose("--profile", "notebook", "exec", "-T", "jupyter", "/opt/venv/bin/jupyter", "nbconvert", "--to", "html", "--execute", "--stdout",
                        "quickstart.ipynb", check=False)
    assert done.returncode == 0 and "image/png" in done.stdout, done.stderr[-2000:]
