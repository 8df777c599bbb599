"""What runs can be watched: an order by its id through the logs of all parts, and numbers of engine and streamer at /metrics."""

import re

import madeup
import oracle
from conftest import get, write_instances

DATES = ["2024-07-01", "2024-07-02"]
LINE = re.compile(r'([a-z_:]+)(\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? (-?[0-9.e+-]+|\+Inf)')


def metrics(url):
    """{name: {labels: value}}, every line checked."""
    status, text = get(url)
    assert status == 200, text
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = LINE.fullmatch(line).groups()
            found.setdefault(name, {})[labels or ""] = float(value)
    assert {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")} >= {n for n in found if n.endswith("_total")}
    return found


def test_one_order_in_all_logs_and_the_numbers(stage, tmp_path):
    market = madeup.write(tmp_path / "market", DATES, ["LMN", "ZZX"], seed=14)
    config = write_instances(tmp_path / "instances", {"followed": ("ma_crossover", ["LMN", "ZZX"], 10)}, len(DATES))
    port = stage.base + 8
    up = stage.bell("up", "--new", "--bars", market, "--from", DATES[0], "--config", config, "--speed", "1800", env={"BELL_ENGINE_METRICS_PORT": str(port)})
    assert up.returncode == 0, up.stderr
    account = stage.exchange("/v2/account")["account_number"]
    fills = lambda: stage.items("/fills", account=account, limit=1000)
    stage.wait("some fills on record", lambda: len(fills()) >= 3)

    followed = fills()[0]["client_order_id"]
    for part in ("engine", "exchange", "streamer", "api"):
        lines = (stage.var / f"log/{part}.log").read_text().splitlines()
        assert [line for line in lines if f"client_order_id={followed}" in line], f"{followed} is not in the log of {part}"
    sent, accepted = (next(line for line in stage.log("engine", event) if followed in line) for event in ("order_sent", "order_accepted"))
    assert "symbol=" in sent and re.search(r"request_id=[0-9a-f-]{36}\b", accepted)
    reported = next(line for line in stage.log("api", "order_reported") if followed in line)
    assert re.search(r"request_id=[0-9a-f-]{36}\b", reported)

    engine, streamer = metrics(f"http://127.0.0.1:{port}/metrics"), metrics(f"http://127.0.0.1:{stage.base + 2}/metrics")
    assert engine["bell_engine_orders_total"][""] >= 3 and engine["bell_engine_fills_total"]['{strategy="followed"}'] >= 3
    assert engine["bell_engine_order_seconds_count"][""] >= 3 and engine["bell_engine_config_version"]['{strategy="followed"}'] == 1
    assert set(engine["bell_engine_position_shares"]) == {'{strategy="followed",symbol="LMN"}', '{strategy="followed",symbol="ZZX"}'}
    assert engine["bell_engine_market_time_seconds"][""] >= oracle.session_of(DATES[0]).open
    assert engine["bell_engine_stream"] == {'{stream="trades"}': 1, '{stream="data"}': 1} and engine["process_cpu_seconds_total"]
    assert streamer["bell_streamer_engines"][""] == 1 and streamer["bell_streamer_updates_total"][""] >= 3
    assert streamer["bell_streamer_bars_total"][""] > 10 and streamer["process_resident_memory_bytes"]
    assert get(f"http://127.0.0.1:{port}/other")[0] == 404
    assert stage.bell("down").returncode == 0
