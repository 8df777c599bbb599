"""A stage is one ./bell with data and ports of its own. Everything here goes through ./bell and the real programs."""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REAL_WEEK = ROOT.parent / "shared/data/week-2013-10"
PORT_BASE = int(os.environ.get("BELL_PORT_BASE", "28100"))
VAR = Path(os.environ.get("BELL_VAR", ROOT / "var/test/e2e"))
KEYS = {"APCA-API-KEY-ID": "demo", "APCA-API-SECRET-KEY": "demo"}
INSTANCES = {  # config/strategies
    "crossover": ("ma_crossover", ["SPY", "AIG", "BAC", "IBM"], 100),
    "momentum": ("momentum_30min", ["SPY", "IBM"], 100),
    "moody": ("moody_trader", ["BAC"], 100),
    "overnight": ("buy_close_sell_open", ["SPY"], 100),
}


def get(url, headers=None):
    """(status, JSON or text)"""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers=headers or {}), timeout=30) as reply:
            status, text = reply.status, reply.read().decode()
    except urllib.error.HTTPError as e:
        status, text = e.code, e.read().decode()
    try:
        return status, json.loads(text, parse_float=str)
    except ValueError:
        return status, text


class Stage:
    def __init__(self, name, ports_at):
        self.var, self.base = VAR / name, PORT_BASE + ports_at
        self.keys = KEYS
        self.api_url, self.exchange_url = f"http://127.0.0.1:{self.base}", f"http://127.0.0.1:{self.base + 1}"
        self.env = {**os.environ, "BELL_VAR": str(self.var), "BELL_PORT_BASE": str(self.base), "BELL_BUILD": "dev", "NO_COLOR": "1"}
        shutil.rmtree(self.var, ignore_errors=True)

    def popen(self, *words, **more):
        more.setdefault("cwd", ROOT)
        return subprocess.Popen([ROOT / "bell", *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env={**self.env, **more.pop("env", {})}, start_new_session=True, **more)

    def bell(self, *words, timeout=240, **more):
        process = self.popen(*words, **more)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=200)
            pytest.fail(f"./bell {' '.join(map(str, words))} took more than {timeout} s\n{err[-3000:]}")
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def demo(self, *words, **more):
        """The report of a demo that ended well."""
        done = self.bell("demo", "--json", *words, **more)
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stderr[-4000:]}\n{done.stdout[-2000:]}"
        return json.loads(done.stdout)

    def api(self, path, **query):
        status, body = get(f"{self.api_url}/api/v1{path}?{urllib.parse.urlencode(query)}")
        assert status == 200, (path, status, body)
        return body

    def items(self, path, **query):
        found, cursor = [], None
        while True:
            page = self.api(path, **query, **({"cursor": cursor} if cursor else {}))
            found += page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return found

    def exchange(self, path):
        status, body = get(self.exchange_url + path, self.keys)
        assert status == 200, (path, status, body)
        return body

    def exchange_pages(self, path, ids="id"):
        """All of an Alpaca list that pages by page_token."""
        found, token = [], ""
        while True:
            page = self.exchange(f"{path}{'&' if '?' in path else '?'}direction=asc&page_size=100{token}")
            found += page
            if len(page) < 100:
                return found
            token = "&page_token=" + urllib.parse.quote(page[-1][ids])

    def exchange_fills(self):
        return self.exchange_pages("/v2/account/activities/FILL")

    def order(self, order_id):
        return self.exchange(f"/v2/orders/{order_id}")

    def status(self):
        return {row["part"]: row for row in json.loads(self.bell("status", "--json").stdout)["parts"]}

    def log(self, part, event):
        """The lines of a part's log with this event."""
        return [line for line in (self.var / f"log/{part}.log").read_text().splitlines() if f" event={event} " in line]

    def wait(self, what, true, seconds=60):
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
            time.sleep(0.05)

    def no_process_left(self):
        """What still runs of this stage, a second after it should not: programs with its var folder or its exchange's port in
        their command line."""
        deadline = time.monotonic() + 1
        while (left := self._processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def _processes(self):
        left = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state != "Z" and any(str(self.var) in word or word == str(self.base + 1) for word in words) and "pytest" not in " ".join(words):
                left.append(" ".join(words))
        return left


class Part:
    """A part that ./bell started, killed and started again by hand, as it was: ./bell would mend more than that."""

    def __init__(self, stage, name):
        self.pid_file = stage.var / f"run/{name}.pid"
        self.pid = int(self.pid_file.read_text().split()[0])
        self.argv = Path(f"/proc/{self.pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        self.log, self.child = stage.var / f"log/{name}.log", None
        self.first_is_gone = lambda: stage.wait("its end", lambda: (stage.var / f"run/{name}.exit").exists(), 120)

    def end(self, sig=signal.SIGKILL):
        self.pid_file.unlink(missing_ok=True)  # the supervisor is not to start it
        os.kill(self.pid, sig)
        return self.child.wait(120) if self.child else self.first_is_gone()

    def start(self):
        with open(self.log, "a") as out:
            self.child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.pid = self.child.pid


@pytest.fixture
def part(stage):
    """part(NAME): a Part of the stage; it does not outlive the test."""
    made = []
    yield lambda name: made.append(Part(stage, name)) or made[-1]
    for each in made:
        if each.child and each.child.poll() is None:
            each.end(signal.SIGTERM)


@pytest.fixture(scope="session")
def stage():
    stage = Stage("stage", 0)
    yield stage
    stage.bell("down")


@pytest.fixture
def empty_stage(request):
    """A stage where nothing was ever started."""
    stage = Stage("empty", 10)
    yield stage
    stage.bell("down")
    assert stage.no_process_left() == []


def write_instances(folder, instances, days):
    """YAML files like those of config/strategies, for other symbols."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (plugin, symbols, quantity) in instances.items():
        (folder / f"{name}.yaml").write_text(f"strategy: {plugin}\nsymbols: [{', '.join(symbols)}]\ncapital: 100000 USD\nquantity: {quantity}\ndays: {days}\n")
    return folder
