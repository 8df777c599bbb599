"""./bell bench: a line a figure, with the floor or peer measured in the same run beside it.

bench/ holds the programs; each prints its own lines on stdout. What needs QuestDB and the API gets them here, with data and ports
of their own; the demo week is measured through ./bell itself."""

import json
import os
import subprocess
import time

import parts
import process
import talk
from place import BIN, FAILED, ROOT, VAR, Trouble, secret

PORT_BASE = 28200


def program(name, *words, env=None):
    """Its lines as they come; False when it failed."""
    if not (BIN / name).exists():
        talk.say(talk.red(f"{name} was not built"))
        return False
    done = subprocess.run([BIN / name, *map(str, words)], stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    if done.returncode:
        talk.say(talk.red(f"{name} ended with status {done.returncode}"))
    return done.returncode == 0


def with_api():
    """bench_api against a fresh API and database."""
    crew = parts.Crew(parts.Plan())
    crew.check_ports(["questdb", "api"])
    try:
        crew.start("questdb")
        crew.start("api")
        return program("bench_api", parts.api_url(crew.ports), process.find("api"), crew.ports["pg"], secret("questdb"))
    finally:
        crew.undo()


PEER = "backtesting==0.6.6"


def backtest():
    """Ours, then the peer on the bars ours wrote; without network or python3-venv the peer is left out, aloud."""
    bars, venv = VAR / "bars", VAR / "peer-venv"
    bars.mkdir(parents=True, exist_ok=True)
    if not program("bench_backtest", bars):
        return False
    if not (venv / ".ready").exists():
        for argv in (["/usr/bin/python3", "-m", "venv", "--clear", venv], [venv / "bin/pip", "install", "-q", "--disable-pip-version-check", PEER]):
            if subprocess.run(list(map(str, argv)), stdin=subprocess.DEVNULL, capture_output=True).returncode:
                talk.say(f"SKIPPED: backtesting.py as peer: {PEER} could not be installed")
                return True
        (venv / ".ready").touch()
    return subprocess.run([venv / "bin/python", ROOT / "bench/peer_backtest.py", bars], stdin=subprocess.DEVNULL).returncode == 0


def week():
    """The whole demo, QuestDB already up as in a second demo: the market's five sessions and their memory."""
    real = ROOT.parent / "shared/data/week-2013-10"
    words = ["--bars", str(real), "--from", "2013-10-07"] if real.is_dir() else []
    env = {**os.environ, "BELL_VAR": str(VAR / "week")}
    ok = True
    for which in ("first", "second"):
        done = subprocess.run([ROOT / "bell", "demo", "--json", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env)
        if done.returncode:
            talk.say(done.stderr)
            ok = False
            break
        report = json.loads(done.stdout)
        memory = ", ".join(f"{name} {size / 2**20:.0f} MB" for name, size in sorted(report["peak_bytes"].items()))
        print(f"demo week, {which} ({report['market']}, {len(report['strategies'])} strategies, {report['api_fills']} fills): "
              f"{report['trading_seconds']} s trading, {report['seconds']} s in all; peak memory {memory} (reach for 10 s)", flush=True)
    ok = ok and notebook(report["api_fills"], env)
    subprocess.run([ROOT / "bell", "down"], stdin=subprocess.DEVNULL, capture_output=True, env=env)
    return ok


def notebook(fills, env):
    """The week report, as a user asks for it; beside a Python that imports what it imports and does nothing."""
    def seconds(argv):
        began = time.monotonic()
        done = subprocess.run(list(map(str, argv)), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env)
        if done.returncode:
            talk.say(done.stderr)
        return time.monotonic() - began if done.returncode == 0 else None

    report = [ROOT / "bell", "report", VAR / "week_report.html"]
    python = os.path.join(os.environ["BELL_CACHE"], "venv/bin/python")
    first = seconds(report)     # makes the venv where there is none
    took, floor = first and seconds(report), first and seconds([python, "-c", "import pandas, matplotlib.pyplot, requests, nbconvert"])
    if took is None or floor is None:
        return False
    print(f"notebook: week report of {fills} fills executed and written in {took:.1f} s, {floor:.1f} s of it its imports alone", flush=True)
    return True


def run(_args):
    os.environ.update(BELL_VAR=str(VAR), BELL_PORT_BASE=os.environ.get("BELL_PORT_BASE", str(PORT_BASE)))
    good = [program("bench_engine"), backtest(), program("bench_http", VAR), with_api(), week()]
    if not all(good):
        raise Trouble("Not everything could be measured: see above.", FAILED)
    return 0
