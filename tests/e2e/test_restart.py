"""An exchange with --state that dies and comes back: everything is as it was, to the id."""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

import madeup
import pytest
from conftest import PORT_BASE, ROOT

PORT = PORT_BASE + 65
URL = f"http://127.0.0.1:{PORT}"
BIN = ROOT / "build" / os.environ.get("BELL_BUILD", "dev") / "bin/bell-exchange"


def call(method, path, body=None, key="one"):
    request = urllib.request.Request(URL + path, None if body is None else json.dumps(body).encode(), method=method,
                                     headers={"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": "secret"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as reply:
            text = reply.read()
    except urllib.error.HTTPError as e:
        text = e.read()
    return json.loads(text) if text else None


class Exchange:
    """Its market stands as good as still, unless told otherwise."""

    def __init__(self, folder, market, speed="0.001", words=()):
        self.log = open(folder / "log", "ab")
        self.process = subprocess.Popen([BIN, "--port", str(PORT), "--bars", market, "--from", "2024-07-01T14:00:00Z", "--speed", speed,
                                         "--state", folder / "state", *words], stderr=self.log)
        for _ in range(1200):
            try:
                call("GET", "/v2/clock")
                return
            except OSError:
                assert self.process.poll() is None, (folder / "log").read_text()[-2000:]
                time.sleep(0.05)
        pytest.fail("it did not answer")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        self.log.close()


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return madeup.write(tmp_path_factory.mktemp("market"), ["2024-07-01", "2024-07-02"], ["ABC", "XYZ"], seed=3)


def order(**more):
    return {"symbol": "ABC", "qty": "5", "side": "buy", "type": "market", "time_in_force": "day", **more}


def everything(key):
    lists = [w["id"] for w in call("GET", "/v2/watchlists", key=key)]
    return {path: call("GET", path, key=key) for path in (
        "/v2/account", "/v2/account/configurations", "/v2/account/activities", "/v2/orders?status=all&limit=500", "/v2/positions",
        "/v2/watchlists", *(f"/v2/watchlists/{i}" for i in lists))}


def test_all_is_there_again_after_kill_9(market, tmp_path):
    exchange = Exchange(tmp_path, market, "120")
    try:
        for i in range(20):
            call("POST", "/v2/orders", order(client_order_id=f"mine-{i}", symbol="XYZ" if i % 3 else "ABC"))
        while len(call("GET", "/v2/account/activities")) < 20:
            time.sleep(0.05)
        told = call("GET", "/v2/account/activities"), call("GET", "/v2/orders?status=closed&limit=500")
        exchange.kill()
        exchange = Exchange(tmp_path, market)  # what moves with the market can be compared now
        assert told == (call("GET", "/v2/account/activities"), call("GET", "/v2/orders?status=closed&limit=500"))
        call("DELETE", "/v2/positions/ABC?qty=2")
        call("POST", "/v2/orders", order(symbol="XYZ", type="limit", limit_price="1.00", client_order_id="open"))
        gone = call("POST", "/v2/orders", order(symbol="XYZ", type="limit", limit_price="2.00"))
        call("DELETE", f"/v2/orders/{gone['id']}")
        call("POST", "/v2/orders", order(side="sell", qty="3"), key="two")
        call("PATCH", "/v2/account/configurations", {"no_shorting": True}, key="two")
        call("POST", "/v2/watchlists", {"name": "first", "symbols": ["ABC"]})
        call("POST", "/v2/watchlists:by_name?name=first", {"symbol": "XYZ"})
        before = {key: everything(key) for key in ("one", "two")}
        assert len(before["one"]["/v2/orders?status=all&limit=500"]) == 23 and before["one"]["/v2/positions"]
        for _ in range(2):  # the second time from what the first wrote on
            exchange.kill()
            exchange = Exchange(tmp_path, market)
            assert {key: everything(key) for key in ("one", "two")} == before
        # Used client ids are used, the secret is the account's, and it goes on.
        assert call("POST", "/v2/orders", order(client_order_id="mine-3"))["message"] == "client_order_id must be unique"
        call("POST", "/v2/orders", order(client_order_id="after"))
        after = everything("one")
        exchange.kill()
        exchange = Exchange(tmp_path, market)
        assert everything("one") == after != before["one"]
    finally:
        exchange.kill()


def test_a_restart_ends_what_faults_did_to_the_market(market, tmp_path):
    exchange = Exchange(tmp_path, market, "60", ["--allow-faults", "true"])
    try:
        call("POST", "/v1/faults", {"faults": [{"kind": "stick", "seconds": 100000}, {"kind": "halt", "where": "ABC", "count": 1, "seconds": 100000}]})
        stuck = call("POST", "/v2/orders", order(symbol="XYZ", type="limit", limit_price="1.00"))["id"]
        call("DELETE", f"/v2/orders/{stuck}")
        assert call("GET", f"/v2/orders/{stuck}")["status"] == "pending_cancel"
        while any(fault["hits"] == 0 for fault in call("GET", "/v1/faults")["faults"]):
            time.sleep(0.05)
        halted = call("POST", "/v2/orders", order())["id"]
        exchange.kill()
        exchange = Exchange(tmp_path, market, "600")
        assert call("GET", f"/v2/orders/{stuck}")["status"] == "canceled"
        deadline = time.monotonic() + 60
        while call("GET", f"/v2/orders/{halted}")["status"] != "filled":
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        exchange.kill()


def test_a_torn_tail_is_cut_and_the_rest_stands(market, tmp_path):
    exchange = Exchange(tmp_path, market)
    journal = tmp_path / "state/inputs.journal"
    try:
        call("POST", "/v2/orders", order(client_order_id="whole"))
        before = everything("one")
        size = journal.stat().st_size
        call("POST", "/v2/orders", order(client_order_id="torn"))
        exchange.kill()
        with open(journal, "r+b") as f:
            f.truncate((size + journal.stat().st_size) // 2)
        exchange = Exchange(tmp_path, market)
        assert everything("one") == before
    finally:
        exchange.kill()


@pytest.mark.parametrize("words, word", [(["--cash", "7 USD"], "cash"), (["--fee", "1 USD"], "fee"), (["--bars", "other"], "bars"),
                                         (["--from", "2024-07-02"], "from")], ids=lambda w: w if isinstance(w, str) else "")
def test_another_market_is_refused_in_a_sentence(market, tmp_path, words, word):
    Exchange(tmp_path, market).kill()
    if "other" in words:
        shutil.copytree(market, tmp_path / "other")
        with open(tmp_path / "other/bars-1min.csv", "a") as f:
            f.write("XYZ,2024-07-03T13:30:00Z,1,1,1,1,1\n")
        words = ["--bars", str(tmp_path / "other")]
    kept = (tmp_path / "state/inputs.journal").read_bytes()
    done = subprocess.run([BIN, "--port", str(PORT), "--bars", market, "--from", "2024-07-01T14:00:00Z", "--speed", "0.001",
                           "--state", tmp_path / "state", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and f"another market: its {word} was" in done.stderr, done.stderr
    assert (tmp_path / "state/inputs.journal").read_bytes() == kept
