"""A project is a copy of this one, as a clone would be, with ports and volumes of its own: docker compose up, nothing else."""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from daemon import Daemon, Trouble

ROOT = Path(__file__).resolve().parents[2]
VAR = Path(os.environ.get("BELL_VAR", ROOT / "var/test/compose"))
PORT_BASE = int(os.environ.get("BELL_PORT_BASE", "28100")) + 40
KEYS = {"APCA-API-KEY-ID": "demo", "APCA-API-SECRET-KEY": "demo"}
PARTS = ("questdb", "exchange", "api", "streamer", "engine")


def get(url, headers=None):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, headers=headers or {}), timeout=30) as reply:
        return json.loads(reply.read().decode(), parse_float=str)


class Project:
    def __init__(self, daemon, folder, name):
        self.daemon, self.folder, self.name = daemon, folder, name
        self.env = daemon.env | {"API_PORT": str(PORT_BASE), "EXCHANGE_PORT": str(PORT_BASE + 1), "JUPYTER_PORT": str(PORT_BASE + 8),
                                 "COMPOSE_PROJECT_NAME": name}
        self.api_url, self.exchange_url, self.keys = f"http://127.0.0.1:{PORT_BASE}", f"http://127.0.0.1:{PORT_BASE + 1}", KEYS

    def compose(self, *words, check=True, timeout=900, **env):
        done = subprocess.run([*self.daemon.compose, *map(str, words)], cwd=self.folder, env=self.env | env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout)
        assert not check or done.returncode == 0, f"compose {' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done

    def logs(self, part):
        return self.compose("logs", "--no-color", part).stdout

    def inspect(self, part):
        container = self.compose("ps", "-q", part).stdout.strip()
        return json.loads(self.daemon.call("inspect", container).stdout)[0] if container else None

    def is_healthy(self, part):
        state = self.inspect(part)["State"]
        return state["Running"] and state["Health"]["Status"] == "healthy"

    def api(self, path, **query):
        return get(f"{self.api_url}/api/v1{path}?{urllib.parse.urlencode(query)}")

    def items(self, path, **query):
        found, cursor = [], None
        while True:
            page = self.api(path, **query, **({"cursor": cursor} if cursor else {}))
            found += page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return found

    def exchange(self, path):
        return get(self.exchange_url + path, self.keys)

    def exchange_fills(self):
        found, token = [], ""
        while True:
            page = self.exchange(f"/v2/account/activities/FILL?direction=asc&page_size=100{token}")
            found += page
            if len(page) < 100:
                return found
            token = "&page_token=" + urllib.parse.quote(page[-1]["id"])

    def wait(self, what, true, seconds=120):
        deadline = time.monotonic() + seconds
        while True:
            try:
                if found := true():
                    return found
            except (OSError, ValueError, KeyError, TypeError, AssertionError, StopIteration):
                pass
            assert time.monotonic() < deadline, f"waited {seconds} s for {what}\n{self.compose('ps').stdout}\n{self.compose('logs', '--no-color', '--tail', '8').stdout[-5000:]}"
            time.sleep(0.2)

    def is_trading(self):
        return self.exchange("/v2/clock")["is_open"] and self.exchange("/v2/positions")

    def rests(self):
        return "The sessions are over" in self.logs("engine")

    def account(self):
        return self.exchange("/v2/account")["account_number"]


@pytest.fixture(scope="session")
def daemon():
    d = Daemon(Path(os.environ["BELL_CACHE"]) / "docker", os.environ["BELL_QUESTDB_JAR"])
    try:
        d.start()
        yield d
    except Trouble as e:
        pytest.exit(str(e), 1)
    finally:
        d.stop()


@pytest.fixture(scope="session")
def folder():
    """What git knows of this project and what is new in it, like a clone."""
    to = VAR / "project"
    shutil.rmtree(to, ignore_errors=True)
    for name in subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True,
                               check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)
    for path in Path("/usr/local/share/ca-certificates").glob("*.crt"):  # a proxy that looks into TLS
        shutil.copy(path, to / "docker/ca")
    return to


@pytest.fixture(scope="session")
def images(daemon, folder):
    Project(daemon, folder, "belltest").compose("--profile", "notebook", "build", timeout=1800)


@pytest.fixture(scope="module")
def project(daemon, folder, images, request):
    p = Project(daemon, folder, re.sub(r"[^a-z]", "", request.module.__name__))
    p.compose("--profile", "notebook", "down", "-v", check=False)
    yield p
    (VAR / f"{p.name}.log").write_text(p.compose("logs", "--no-color", check=False).stdout)
    p.compose("--profile", "notebook", "down", "-v", check=False)
