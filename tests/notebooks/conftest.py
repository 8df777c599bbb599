"""One finished week for all tests here, traded by the real programs: the stage of the end-to-end tests."""

import importlib.util
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "notebooks"))

spec = importlib.util.spec_from_file_location("e2e_stage", ROOT / "tests/e2e/conftest.py")
e2e = importlib.util.module_from_spec(spec)
spec.loader.exec_module(e2e)


@pytest.fixture(scope="session")
def week():
    """The recorded week if it is there, else the synthetic one; env: what a notebook needs to find it."""
    stage = e2e.Stage("stage", 0)
    recorded = ("--bars", e2e.REAL_WEEK, "--from", "2013-10-07") if e2e.REAL_WEEK.is_dir() else ()
    try:
        report = stage.demo(*recorded)
        env = {k: v for k, v in os.environ.items() if k not in ("BELL_ACCOUNT", "BELL_CASH", "BELL_BENCHMARK")}
        env |= {"BELL_API": stage.api_url, "BELL_EXCHANGE": stage.exchange_url}
        yield SimpleNamespace(stage=stage, report=report, account=report["account"], env=env)
    finally:
        stage.bell("down")
