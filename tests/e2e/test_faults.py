"""A week at a broker where things go wrong (exchange/faults.h): the record is the exchange's all the same.

In lockstep what goes wrong costs time and nothing else: the fills are those of an undisturbed week. With a speed factor
the market runs on while the parts find out, so decisions may differ; what was traded is recorded to the last share."""

import json
import urllib.request
from decimal import Decimal

import madeup
import oracle
import pytest
from conftest import write_instances

TRADERS = {
    "crossover": ("ma_crossover", ["LMN", "QQT", "ZZX"], 50),
    "moody": ("moody_trader", ["ZZX"], 20),
    "overnight": ("buy_close_sell_open", ["LMN"], 40),
}
DATES = ["2024-07-01", "2024-07-02", "2024-07-03"]  # the last is a half day

LOCKSTEP = {
    "accepted, the reply lost": [{"kind": "lose", "where": "POST /v2/orders", "one_in": 6}],
    "accepted, 504 answered": [{"kind": "lose", "where": "POST /v2/orders", "one_in": 6, "status": 504}],
    "503 before an order is looked at": [{"kind": "refuse", "where": "POST /v2/orders", "one_in": 8, "count": 6, "status": 503}],
    "frames sent twice": [{"kind": "duplicate", "one_in": 2}],
}
SPEED = {
    "bursts of 5xx": [{"kind": "refuse", "where": "/v2/orders", "one_in": 8, "burst": 3, "status": 500},
                      {"kind": "refuse", "where": "/v2/positions", "one_in": 3, "status": 503}],
    "bursts of 429": [{"kind": "refuse", "where": "/v2/orders", "one_in": 6, "burst": 2, "status": 429}],
    "trade updates that never come": [{"kind": "drop", "where": "trade_updates", "one_in": 5}],
    "trade updates that come late": [{"kind": "delay", "where": "trade_updates", "one_in": 3, "ms": 700}],
    "trade updates out of order": [{"kind": "reorder", "where": "trade_updates", "one_in": 2}],
    "the order stream cut": [{"kind": "disconnect", "where": "trade_updates", "one_in": 15, "count": 6}],
    "the data stream cut": [{"kind": "disconnect", "where": "data", "one_in": 80, "count": 4}],
    "market data lost, late, twice, out of order": [{"kind": "drop", "where": "data", "one_in": 6}, {"kind": "delay", "where": "data", "one_in": 6, "ms": 300},
                                                    {"kind": "duplicate", "where": "data", "one_in": 6}, {"kind": "reorder", "where": "data", "one_in": 6}],
    "symbols halted": [{"kind": "halt", "one_in": 12, "seconds": 900}],
    "everything at once": [{"kind": "lose", "where": "POST /v2/orders", "one_in": 10}, {"kind": "refuse", "where": "/v2/orders", "one_in": 12, "status": 502},
                           {"kind": "drop", "where": "trade_updates", "one_in": 10}, {"kind": "duplicate", "one_in": 10},
                           {"kind": "reorder", "one_in": 10}, {"kind": "disconnect", "one_in": 150, "count": 4}],
}


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return madeup.write(tmp_path_factory.mktemp("market"), DATES, ["LMN", "QQT", "ZZX"], seed=11)


def options(market, tmp_path, faults, dates):
    """Words and environment of a ./bell whose exchange has these faults."""
    file = tmp_path / "faults.json"
    file.write_text(json.dumps({"seed": 8, "faults": faults}))
    config = write_instances(tmp_path / "instances", TRADERS, len(dates))
    return (["--bars", market, "--from", dates[0], "--config", config],
            {"BELL_EXCHANGE_FAULTS": str(file), "BELL_EXCHANGE_ALLOW_FAULTS": "true", "BELL_STREAMER_RECONCILE": "2s"})


def executions(stage):
    return sorted(a["id"].split("::")[1] for a in stage.exchange_fills())


def recorded(stage):
    account = stage.exchange("/v2/account")["account_number"]
    return stage.items("/fills", account=account, limit=500)


def all_happened(stage):
    """And is over."""
    hits = [f["hits"] for f in stage.exchange("/v1/faults")["faults"]]
    assert all(hits), f"what never happened shows nothing: {hits}"
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        urllib.request.Request(f"{stage.exchange_url}/v1/faults", method="DELETE"), timeout=30).close()


def signed(rows):
    """{symbol: shares} of positions, here or there, without those that are none."""
    total = {}
    for row in rows:
        qty = Decimal(row.get("qty") or row["quantity"])
        total[row["symbol"]] = total.get(row["symbol"], 0) + (-abs(qty) if row.get("side") == "short" else qty)
    return {symbol: qty for symbol, qty in total.items() if qty}


@pytest.mark.parametrize("what", LOCKSTEP)
def test_lockstep_trades_what_an_undisturbed_week_trades(stage, market, tmp_path, what):
    words, env = options(market, tmp_path, LOCKSTEP[what], DATES)
    report = stage.demo(*words, "--speed", "max", env=env)
    assert report["reconciled"] and report["exchange_fills"] > 10
    all_happened(stage)
    fills = recorded(stage)
    # The demo has compared record and exchange; here once more, without its help.
    assert sorted(f["execution_id"] for f in fills) == executions(stage)
    assert stage.exchange("/v2/positions") == [] and stage.exchange("/v2/orders?status=open") == []
    traded = [oracle.Fill(f["strategy"], oracle.seconds(f["timestamp"]), f["symbol"], f["side"], int(f["quantity"]), Decimal(f["price"])) for f in fills]
    assert oracle.merged(traded) == oracle.expected(oracle.Market(market), TRADERS, DATES[0], len(DATES))


@pytest.mark.parametrize("what", SPEED)
def test_the_record_is_the_exchange_s(stage, market, tmp_path, what):
    words, env = options(market, tmp_path, SPEED[what], DATES[-1:])
    up = stage.bell("up", "--new", *words, "--speed", "1800", env=env)
    assert up.returncode == 0, up.stderr
    ended = stage.var / "run/engine.exit"
    stage.wait("the engine's end", ended.exists, 120)
    all_happened(stage)
    stage.wait("the record", lambda: sorted(f["execution_id"] for f in recorded(stage)) == executions(stage), 60)
    assert len(executions(stage)) > 4
    account = stage.exchange("/v2/account")["account_number"]
    held = stage.exchange("/v2/positions")
    assert signed(stage.items("/positions", account=account)) == signed(held)
    # Two seconds of the world are an hour here: it may not get out in time, or not hear of it, but then it says so.
    is_flat = held == [] and stage.exchange("/v2/orders?status=open") == []
    assert ended.read_text() in (("0\n", "3\n") if is_flat else ("3\n",))
    orders = [o["client_order_id"] for o in stage.exchange("/v2/orders?status=all&limit=500")]
    assert len(set(orders)) == len(orders)
