"""The market runs on while a part is away: the record has no hole, and strategies have seen every bar."""

import csv
import hashlib
import signal

import madeup
import oracle
from conftest import write_instances

DATES = ["2024-07-01", "2024-07-02", "2024-07-03"]


def test_bars_while_the_streamer_was_dead(stage, part, tmp_path):
    market = madeup.write(tmp_path / "market", DATES, ["LMN", "ZZX"], seed=13)
    config = write_instances(tmp_path / "instances", {"gaps": ("ma_crossover", ["LMN", "ZZX"], 10)}, len(DATES))
    up = stage.bell("up", "--new", "--bars", market, "--from", DATES[0], "--config", config, "--speed", "900")
    assert up.returncode == 0, up.stderr
    source = "recorded-" + hashlib.sha256(str(market).encode()).hexdigest()[:8]
    opened = oracle.session_of(DATES[0]).open
    now = lambda: oracle.seconds(stage.exchange("/v2/clock")["timestamp"])
    streamer = part("streamer")
    stage.wait("a quarter of an hour after the open", lambda: now() > opened + 900)
    streamer.end()
    dead = now()
    stage.wait("half an hour without it", lambda: now() > dead + 1800)
    back = now()
    streamer.start()
    stage.wait("the engine to have caught up", lambda: stage.log("engine", "bars_missed"))
    stage.wait("minutes of both", lambda: now() > back + 1200)
    at = now() - 600
    expected = {(r["symbol"], oracle.seconds(r["timestamp"])) for r in csv.DictReader(open(market / "bars-1min.csv"))}
    expected = {key for key in expected if opened <= key[1] and key[1] + 60 <= at}
    assert any(dead < time < back for _, time in expected)
    recorded = lambda: {(r["symbol"], oracle.seconds(r["timestamp"])) for symbol in ("LMN", "ZZX")
                        for r in stage.items("/bars", symbol=symbol, source=source, start=f"{DATES[0]}T00:00:00Z", limit=1000)}
    stage.wait("every bar on record", lambda: not expected - recorded())
    assert stage.log("streamer", "bars_filled")
    # The strategy's averages ran on over them: its next decisions are those of one that was never away.
    account = stage.exchange("/v2/account")["account_number"]
    traded = lambda: [f for f in stage.items("/fills", account=account, limit=1000) if oracle.seconds(f["timestamp"]) > back + 120]
    stage.wait("trades after it", lambda: len(traded()) >= 4)
    assert streamer.end(signal.SIGTERM) == 0
    assert stage.bell("down").returncode in (0, 1)
