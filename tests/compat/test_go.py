"""The official Go SDK (go/main.go): a run of all its cases, each a test of its own."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import market
import pytest
from conftest import CACHE, Exchange, run_cases

HERE = Path(__file__).parent / "go"
SOURCES = [HERE / name for name in ("go.mod", "go.sum", "main.go")]
CASES = re.findall(r'^\t{"(.+)", func', (HERE / "main.go").read_text(), re.M)
OLDEST = (1, 21)


def program():
    """The cases, built once; the modules are those of go.sum."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    version = re.search(r"go(\d+)\.(\d+)", subprocess.run([go, "version"], capture_output=True, text=True).stdout) if go else None
    if not version or tuple(map(int, version.groups())) < OLDEST:
        pytest.skip(f"the Go SDK needs go {OLDEST[0]}.{OLDEST[1]}; here is {version.group() if version else 'no go'}")
    built = CACHE / ("compat-go-" + hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()[:12])
    if not built.exists():
        fetched = subprocess.run([go, "mod", "download"], cwd=HERE, capture_output=True, text=True)
        if fetched.returncode:
            pytest.skip(f"go could not fetch the Go SDK: {fetched.stderr.strip()[-300:]}")
        done = subprocess.run([go, "build", "-mod=readonly", "-o", built, "."], cwd=HERE, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return built


@pytest.fixture(scope="module")
def results(request, bars):
    """What each case said, by its name."""
    argv = [program()]
    exchange = Exchange(request, bars, market.text(market.at(market.TODAY, "10:29")))
    try:
        return run_cases(exchange, [*argv, exchange.url, "PKGO"])
    finally:
        exchange.end()


@pytest.mark.parametrize("name", CASES)
def test_go(results, name):
    assert results.get(name, ("failed", "it never came to that"))[0] == "ok", results.get(name)
