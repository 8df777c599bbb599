"""The official Node SDK (node/cases.js): a run of all its cases, each a test of its own."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import market
import pytest
from conftest import CACHE, Exchange, run_cases

HERE = Path(__file__).parent / "node"
CASES = re.findall(r'^    async "(.+)"\(', (HERE / "cases.js").read_text(), re.M)


def modules():
    """The SDK of the lock file, installed once."""
    node = shutil.which("node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip() if node else ""
    if not shutil.which("npm") or not version or int(version[1:].split(".")[0]) < 20:
        pytest.skip(f"the Node SDK needs node 20 and npm; here is {version or 'no node'}")
    folder = CACHE / ("compat-node-" + hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:12])
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"npm could not fetch the Node SDK: {done.stderr.strip()[-300:]}")
        (folder / "installed").touch()
    return folder / "node_modules"


@pytest.fixture(scope="module")
def results(request, bars):
    """What each case said, by its name."""
    env = {"NODE_PATH": str(modules())}
    exchange = Exchange(request, bars, market.text(market.at(market.TODAY, "10:29")))
    try:
        return run_cases(exchange, ["node", HERE / "cases.js", exchange.url, "PKNODE"], env)
    finally:
        exchange.end()


@pytest.mark.parametrize("name", CASES)
def test_node(results, name):
    assert results.get(name, ("failed", "it never came to that"))[0] == "ok", results.get(name)
