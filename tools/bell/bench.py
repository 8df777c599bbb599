"""./bell bench: a line a figure, with the floor or peer measured in the same run beside it.

bench/ holds the programs; each prints its own lines on stdout. What needs QuestDB and the API gets them here, with data and ports
of their own; the demo week is measured through ./bell itself."""

import http.client
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


def post_fills(port, count):
    """Of a share each, a hundred an order, as a streamer would send them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    for first in range(0, count, 1000):
        items = []
        for n in range(first, first + 1000):
            order, filled = n // 100, n % 100 + 1
            done = filled == 100
            items.append(f'{{"account":"BENCH","event_id":null,"event":"{"fill" if done else "partial_fill"}","execution_id":"{n:08}-0000-4000-8000-{n:012}",'
                         f'"timestamp":"2013-10-07T13:{n // 60000:02}:{n // 1000 % 60:02}.{n % 1000:03}Z","order_id":"{order:08}-0000-4000-9000-000000000000",'
                         f'"client_order_id":"bell.bench.20131007.{order + 1}","symbol":"SPY","side":"{"sell" if order % 2 else "buy"}","type":"market","time_in_force":"day",'
                         f'"quantity":"100","filled_quantity":"{filled}","average_price":"168.25","status":"{"filled" if done else "partially_filled"}",'
                         f'"submitted_at":"2013-10-07T13:00:00Z","fill_quantity":"1","fill_price":"168.25","fee":"0","raw":"{{\\"event\\":\\"fill\\",\\"n\\":{n}}}"}}')
        connection.request("POST", "/api/v1/order-events", f'{{"items":[{",".join(items)}]}}', {"Content-Type": "application/json"})
        reply = connection.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise Trouble(f"fills were not taken: {reply.status} {body[:200]}", FAILED)


def export():
    """The record of a million fills as one archive: MB/s of CSV, and what it takes of the API's memory."""
    count = int(os.environ.get("BELL_BENCH_FILLS", "1000000"))
    crew = parts.Crew(parts.Plan())
    crew.check_ports(["questdb", "api"])
    try:
        crew.start("questdb")
        crew.start("api")
        port, pid = crew.ports["api"], process.find("api")
        post_fills(port, count)
        with open(f"/proc/{pid}/clear_refs", "w") as f:
            f.write("5")  # the peak counts from here
        before, began, size = process.peak_memory(pid), time.monotonic(), 0
        archive = VAR / "export.tar.gz"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        connection.request("GET", "/api/v1/export")
        reply = connection.getresponse()
        first = time.monotonic() - began
        with open(archive, "wb") as file:
            while block := reply.read(1 << 20):
                size += file.write(block)
        took, peak = time.monotonic() - began, process.peak_memory(pid)
        plain = int(subprocess.run(["sh", "-c", 'gzip -dc "$0" | wc -c', archive], capture_output=True, text=True, check=True).stdout)
        began = time.monotonic()
        subprocess.run(["sh", "-c", 'gzip -dc "$0" | gzip -3 >/dev/null', archive], check=True)
        floor = time.monotonic() - began
        print(f"export of {count} fills: {plain / 1e6:.0f} MB of CSV in {took:.1f} s ({plain / took / 1e6:.1f} MB/s; first byte after {first:.1f} s), {size / 1e6:.0f} MB sent; "
              f"memory {before / 2**20:.0f} MB before, peak {peak / 2**20:.0f} MB; gzip -dc | gzip -3 of it: {plain / floor / 1e6:.1f} MB/s", flush=True)
        archive.unlink()
        return True
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
    good = [program("bench_book"), program("bench_venue"), program("bench_engine"), backtest(), program("bench_http", VAR), with_api(), export(), week()]
    if not all(good):
        raise Trouble("Not everything could be measured: see above.", FAILED)
    return 0
