"""./bell watch: what it draws and tells, from looks made here; and on a pty, in a pipe and as JSON beside a real week."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from conftest import REAL_WEEK, ROOT
from glass import Glass

sys.path.insert(0, str(ROOT / "tools/bell"))
os.environ.setdefault("BELL_ROOT", str(ROOT))
os.environ.setdefault("BELL_VAR", str(ROOT / "var/test"))
os.environ.setdefault("BELL_QUESTDB_JAR", "")
import picture  # noqa: E402
import watch  # noqa: E402

MONDAY = datetime(2013, 10, 7, 10, 12, 33, tzinfo=watch.NEW_YORK)


def clock(now=MONDAY, is_open=True, ends=None):
    return {"now": now, "is_open": is_open, "ends": ends, "next_open": MONDAY.replace(day=8, hour=9, minute=30, second=0),
            "next_close": MONDAY.replace(hour=16, minute=0, second=0)}


def strategy(name, total="-1234.5", status="running"):
    return {"strategy": name, "status": status, "fills": 12, "realized": total, "unrealized": "3.25", "fees": "0", "today": "5", "total": total}


def fill(n, at="2013-10-07T14:00:00.000000Z"):
    return {"execution_id": f"x{n}", "strategy": "overnight", "side": "buy", "quantity": "100", "symbol": "SPY", "price": "167.4233", "fee": "0.00",
            "timestamp": at, "at": "10:00:00"}


def full(**more):
    order = {"strategy": "moody", "side": "sell", "quantity": "300", "filled_quantity": "100", "symbol": "BAC", "type": "limit", "limit_price": "14.25",
             "time_in_force": "day", "status": "partially_filled", "at": "10:11:00"}
    position = {"strategy": "overnight", "symbol": "SPY", "quantity": "-100", "average_price": "167.423333", "market_price": "168", "market_value": "-16800.00",
                "unrealized_pnl": "-57.67"}
    names = ["a", "crossover", "momentum", "a_name_that_is_quite_long_for_a_strategy", "overnight", ""]
    return watch.Look(**{"parts": [{"part": name, "state": state, "detail": "", "pid": 1} for name, state in
                                   (("questdb", "running"), ("exchange", "running"), ("api", "not ready"), ("streamer", "failed"), ("engine", "running"))],
                         "clock": clock(), "account": "PA5T9DJO5KMS", "equity": "999659.00", "day": date(2013, 10, 7), "strategies": [strategy(n) for n in names],
                         "total": strategy("all", "1000000"), "positions": [position] * 7, "orders": [order] * 4, "fills": [fill(n) for n in range(73)],
                         "errors": {"moody": "config/strategies/moody.yaml:4:11: quantity wants a whole number"}, "troubles": ["moody: refused"], **more})


def texts(look, width, height, foot="q quits"):
    return ["".join(text for text, _ in line) for line in picture.picture(look, width, height, foot)]


@pytest.mark.parametrize("look", [full(), watch.Look(), full(troubles=["x" * 300] * 40), full(positions=[], orders=[], fills=[])],
                         ids=["everything", "nothing", "all in trouble", "flat"])
def test_a_picture_is_as_big_as_the_screen_whatever_its_size(look):
    for width in (*range(1, 45), 60, 80, 100, 200):
        for height in (*range(1, 30), 60, 200):
            lines = texts(look, width, height)
            assert len(lines) == height and max(map(len, lines)) <= width, (width, height)
            assert lines[-1][:1] in ("q", "…")


SIZES = [  # columns, rows, what must be there, what must not
    (120, 60, ["10:12:33 New York", "open, closes 16:00, in 5 h 47 min", "api not ready", "streamer failed", "+1,000,000.00", "(none)", "167.4233", "14.25", "partially_filled",
               "-57.67", "moody: refused", "… "], []),
    (80, 24, ["New York", "all", "+1,000,000.00", "unrealised", "Last fills", "Open orders", "Positions", "more"], []),
    (46, 24, ["+1,000,000.00", "Last fills", "more"], ["status", "in force", "fees"]),
    (24, 8, ["all", "+1,000,000.00"], ["realised"]),
]


@pytest.mark.parametrize("width, height, there, gone", SIZES, ids=[f"{row[0]}x{row[1]}" for row in SIZES])
def test_what_matters_most_stays_on_a_small_screen(width, height, there, gone):
    look = full(strategies=[strategy(n) for n in ("crossover", "momentum", "")])
    drawn = "\n".join(texts(look, width, height))
    assert [words for words in there if words not in drawn] == [] and [words for words in gone if words in drawn] == []


CLOCKS = [
    ("open", clock(), "open, closes 16:00, in 5 h 47 min"),
    ("the last minute", clock(MONDAY.replace(hour=15, minute=59, second=18)), "open, closes 16:00, in 42 s"),
    ("closed", clock(MONDAY.replace(hour=17), False), "closed, opens Tue 09:30, in 16 h 17 min"),
    ("a weekend", clock(MONDAY - timedelta(2), False), "closed, opens Tue 09:30, in 2 d 23 h"),
    ("the end of the data", clock(ends=MONDAY), "its market data have ended"),
]


@pytest.mark.parametrize("told, words", [row[1:] for row in CLOCKS], ids=[row[0] for row in CLOCKS])
def test_session_clock(told, words):
    assert picture.session_clock(told) == words


# ---- the teller

def kinds(events):
    return [e["event"] for e in events]


def test_a_fill_is_told_once_and_those_before_the_start_are_not():
    teller = watch.Teller()
    assert kinds(teller.tell(full(fills=[fill(1)]))) == ["account", "part", "part", "trouble", "config", "pnl"]
    told = teller.tell(full(fills=[fill(3, "2013-10-07T14:02:00Z"), fill(2), fill(1)]))
    assert [e.get("execution_id") for e in told] == ["x2", "x3"]
    assert teller.tell(full(fills=[fill(3), fill(2), fill(1)])) == []
    # A new account began after us: all of it is told.
    assert kinds(teller.tell(full(account="PA2", fills=[fill(9)]))) == ["account", "fill", "pnl"]


def test_a_refused_configuration_is_told_and_so_is_its_mending():
    teller = watch.Teller()
    teller.tell(full(errors={}, troubles=[]))
    wrong = {"moody": "moody.yaml:1:1: no"}
    assert [(e["event"], e["error"]) for e in teller.tell(full(errors=wrong, troubles=["moody: the edit was refused: moody.yaml:1:1: no"]))] == [("config", wrong["moody"])]
    assert teller.tell(full(errors=wrong, troubles=[])) == []
    assert [watch.sentence(e)[21:] for e in teller.tell(full(errors={}, troubles=[]))] == ["config   moody: what is in its file is what runs"]


PNL = [  # the second look, is a line due?
    ("the same moment, the same figures", {}, False),
    ("the same moment, other figures", {"strategies": [strategy("a", "7")]}, True),
    ("the same minute, other figures", {"clock": clock(MONDAY + timedelta(seconds=5)), "strategies": [strategy("a", "7")]}, False),
    ("a new minute of an open market", {"clock": clock(MONDAY + timedelta(minutes=1))}, True),
    ("a new minute of a closed one", {"clock": clock(MONDAY + timedelta(minutes=1), False)}, False),
    ("no clock", {"clock": None}, False),
    ("no clock, other figures", {"clock": None, "strategies": [strategy("a", "7")]}, True),
    ("a new minute of a closed one, other figures", {"clock": clock(MONDAY + timedelta(minutes=1), False), "strategies": [strategy("a", "7")]}, True),
]


@pytest.mark.parametrize("change, due", [row[1:] for row in PNL], ids=[row[0] for row in PNL])
def test_a_line_of_pnl_a_minute(change, due):
    teller = watch.Teller()
    teller.tell(full())
    assert kinds(teller.tell(full(**change))) == ["pnl"] * due


@pytest.mark.parametrize("look", [watch.Look(), full(clock=None), full(account=None), full(clock=None, equity=None, positions=[], orders=[], fills=[], strategies=[], total=None)],
                         ids=["nothing", "no clock", "no account", "no record"])
def test_whatever_is_missing_is_told_and_shown(look):
    teller = watch.Teller()
    for each in (look, full(), look, full(account="PA2"), look):
        for event in teller.tell(each):
            assert watch.sentence(event) and json.dumps(event, default=str)
    assert len(texts(look, 80, 24)) == 24


# ---- sessions, by an exchange made here

class Market:
    """Answers as the broker does, at the time it is told."""

    is_local = True

    def __init__(self):
        self.now, self.account, self.is_up = MONDAY, "PA1", True

    def look(self):
        if not self.is_up:
            raise watch.web.Unreachable("http://market", "gone")
        return clock(self.now), {"account_number": self.account, "equity": "1"}

    def get(self, path, start, end):
        assert path == "/calendar"
        days = [start + timedelta(n) for n in range((end - start).days + 1)]
        return [{"date": str(day), "open": "09:30", "close": "13:00" if day.day == 9 else "16:00"} for day in days if day.weekday() < 5]


SESSIONS = [  # from one look to the next: what changes at the market, and what is told
    ("nothing of before the start", {}, []),
    ("a close", {"now": MONDAY.replace(hour=16)}, ["7 16:00 closed"]),
    ("told once", {"now": MONDAY.replace(hour=16, minute=13)}, []),
    ("a whole day between two looks", {"now": MONDAY.replace(day=8, hour=18)}, ["8 09:30 opened", "8 16:00 closed"]),
    ("away", {"is_up": False}, []),
    ("back after a half day", {"is_up": True, "now": MONDAY.replace(day=9, hour=14)}, ["9 09:30 opened", "9 13:00 closed"]),
    ("a weekend", {"now": MONDAY.replace(day=13)}, ["10 09:30 opened", "10 16:00 closed", "11 09:30 opened", "11 16:00 closed"]),
    ("another market, begun after us", {"account": "PA2", "now": MONDAY}, ["7 09:30 opened"]),
    ("its close", {"now": MONDAY.replace(hour=17)}, ["7 16:00 closed"]),
]


def test_sessions_are_told_when_they_open_and_close(monkeypatch):
    watcher, market, told = watch.Watcher(None), Market(), []
    watcher.broker = market
    monkeypatch.setattr(watch.parts, "describe", lambda detail: [])
    monkeypatch.setattr(watcher, "_record", lambda look, api: None)
    monkeypatch.setattr(watcher, "_delivered", lambda look, day, waited: {"fills": 0, "realized_pnl": "0"})
    for name, change, _ in SESSIONS:
        vars(market).update(change)
        told.append((name, [f"{at.day} {at:%H:%M} {what}" for at, what, _ in sorted(watcher.look().sessions, key=lambda s: s[0])]))
    assert told == [(name, sessions) for name, _, sessions in SESSIONS]


# ---- the real thing

def glass(stage, columns, rows, shell="exec {}", **env):
    return Glass(["bash", "-c", shell.format("./bell watch --interval 0.3")], columns, rows,
                 {**{k: v for k, v in stage.env.items() if k != "NO_COLOR"}, "TERM": "xterm", **env}, ROOT)


def total_line(stage):
    return rf"(?m)^all +{stage.report['api_fills']} .*{re.escape(picture.cents(stage.report['account_change'], sign=True))}$"


@pytest.fixture(scope="module")
def week(stage, tmp_path_factory):
    """A week with watchers beside it from before its start to after its end: on a terminal that changes its size, and two whose
    output goes to files, as lines and as JSON."""
    recorded = ("--bars", REAL_WEEK, "--from", "2013-10-07") if REAL_WEEK.is_dir() else ()
    stage.bell("down")      # they see it come up
    on_glass, files = glass(stage, 100, 40), [tmp_path_factory.mktemp("watch") / name for name in ("lines", "json")]
    to_files = [subprocess.Popen([ROOT / "bell", "watch", "--interval", "0.5", *words], stdin=subprocess.DEVNULL, stdout=path.open("w"), stderr=subprocess.STDOUT,
                                 env=stage.env, start_new_session=True) for path, words in zip(files, ([], ["--json"]))]
    demo = None
    try:
        on_glass.wait("nothing", lambda: on_glass.shows("No market clock: exchange is not running."))
        demo = stage.popen("demo", "--json", *recorded)
        on_glass.wait("an open session", lambda: on_glass.shows("open, closes 16:00, in"))
        on_glass.wait("a fill", lambda: on_glass.shows("Last fills"))
        for size in ((60, 20), (140, 50), (40, 12), (20, 6)):
            on_glass.resize(*size)
        clears = on_glass.clears
        while demo.poll() is None:
            on_glass.read(0.1)
        out, err = demo.communicate()
        assert demo.returncode == 0, err[-3000:]
        stage.report = json.loads(out)
        assert on_glass.clears == clears    # redrawn in place
        on_glass.resize(120, 60)
        on_glass.wait("the whole week", lambda: re.search(total_line(stage), "\n".join(on_glass.lines())) and on_glass.shows("engine finished"))
        sessions = len(stage.api("/pnl", group_by="day", account=stage.report["account"])["items"])
        for path in files:
            stage.wait(f"all fills and sessions in {path}", lambda: path.read_text().count("clos") >= sessions and
                       len(re.findall(r"(?m)  fill  |\"event\": \"fill\"", path.read_text())) >= stage.report["api_fills"])
        yield on_glass, *(path.read_text() for path in files)
    finally:
        for process in (demo, *to_files):
            if process and process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                process.wait(300)
        on_glass.close()


def test_the_screen_after_the_week(week, stage):
    on_glass = week[0]
    for words in (stage.report["account"], "its market data have ended", "no positions", "no open orders", "Last fills", *(row["strategy"] for row in stage.report["strategies"])):
        assert on_glass.shows(words), (words, on_glass.lines())
    assert on_glass.coloured and not on_glass.is_clean()


def test_lines_tell_every_fill_once_and_every_session(week, stage):
    told = [line for line in week[1].splitlines() if line[21:25] == "fill"]
    fills = stage.items("/fills", account=stage.report["account"], limit=1000)
    there = [f"{watch.new_york(f['timestamp']):%Y-%m-%d %H:%M:%S}  fill     {f['strategy']} {f['side']} {f['quantity']} {f['symbol']} at {picture.price(f['price'])}" for f in fills]
    assert Counter(told) == Counter(there)
    days = stage.api("/pnl", group_by="day", account=stage.report["account"])["items"]
    assert re.findall(r"(?m)^(\S+) 09:30:00  session  opened$", week[1]) == [d["day"] for d in days]
    assert re.findall(r"(?m)^(\S+) 16:00:00  session  closed; (\d+) fills, realised (\S+)$", week[1]) == [
        (d["day"], str(d["fills"]), picture.cents(d["realized_pnl"], sign=True)) for d in days]
    assert re.findall(r"  pnl +(\S+)", week[1])[-1] == picture.cents(stage.report["total_pnl"], sign=True)
    assert "exchange is not running" in week[1] and "Traceback" not in week[1]


def test_json_is_an_event_a_line(week, stage):
    events = [json.loads(line, parse_float=str) for line in week[2].splitlines()]
    fills = {f["execution_id"]: f for f in stage.items("/fills", account=stage.report["account"], limit=1000)}
    told = [e for e in events if e["event"] == "fill"]
    keys = ("order_id", "client_order_id", "account", "strategy", "symbol", "side", "quantity", "price", "fee")
    assert {e["execution_id"]: [e[k] for k in keys] for e in told} == {name: [f[k] for k in keys] for name, f in fills.items()} and len(told) == len(fills)
    assert Decimal([e for e in events if e["event"] == "pnl"][-1]["total"]["total"]) == Decimal(stage.report["total_pnl"])
    assert {e["event"] for e in events} >= {"account", "part", "trouble", "session", "fill", "pnl"}


WAYS_OUT = {
    "q": (lambda g: g.type("q"), 0),
    "Ctrl-C": (lambda g: g.type("\x03"), 130),
    "SIGTERM": (lambda g: os.kill(g.process.pid, signal.SIGTERM), 130),
}


def test_an_account_nobody_knows(week, stage):
    done = stage.bell("watch", "--account", "PA0", "--once")
    assert done.returncode == 1 and "The API has nothing of an account PA0. It knows: " in done.stderr
    assert stage.report["account"] in done.stderr


@pytest.mark.parametrize("way", WAYS_OUT)
def test_it_leaves_the_terminal_as_it_found_it(week, stage, way):
    do, status = WAYS_OUT[way]
    here = glass(stage, 80, 24, NO_COLOR="1")
    try:
        here.wait("the week", lambda: re.search(total_line(stage), "\n".join(here.lines())))
        assert not here.is_clean() and not here.coloured
        do(here)
        assert here.end() == status and here.is_clean()
    finally:
        here.close()


def test_a_suspended_watch_gives_the_terminal_back_and_draws_anew_afterwards(week, stage):
    here = glass(stage, 80, 24, shell="set -m; {}; echo SUSPENDED; read go; fg")
    try:
        here.wait("the week", lambda: here.shows("q quits"))
        here.type("\x1a")
        here.wait("the shell", lambda: "SUSPENDED" in here.log)
        assert here.is_clean()
        clears = here.clears
        here.type("\n")
        here.wait("it to be back", lambda: here.clears > clears and here.shows("q quits"))
        assert not here.is_clean()
        here.type("q")
        assert here.end() == 0 and here.is_clean()
    finally:
        here.close()


def test_once_is_the_picture_as_text(week, stage):
    done = stage.bell("watch", "--once")
    assert done.returncode == 0 and done.stderr == "" and "\033" not in done.stdout
    assert re.search(total_line(stage), done.stdout) and "Last fills" in done.stdout
    as_json = [json.loads(line) for line in stage.bell("watch", "--once", "--json").stdout.splitlines()]
    assert [e["event"] for e in as_json] == ["account", "part", "pnl"] and Decimal(as_json[2]["total"]["total"]) == Decimal(stage.report["total_pnl"])


def test_parts_that_die_are_said_and_what_was_seen_stays(week, stage):
    on_glass = week[0]
    for part, words in (("api", "No figures but those seen before: api is not running."), ("exchange", "No market clock: exchange is not running.")):
        os.kill(stage.status()[part]["pid"], signal.SIGKILL)
        on_glass.wait(words, lambda: on_glass.shows(words) and on_glass.shows(f"{part} failed"))
        assert re.search(total_line(stage), "\n".join(on_glass.lines()))
    on_glass.type("q")
    assert on_glass.end() == 0 and on_glass.is_clean()


WRONG = [
    ("an interval of nothing", ["--interval", "0"], 2, '--interval wants seconds from 0.1 to 3600, not "0".'),
    ("an interval in words", ["--interval", "soon"], 2, "--interval wants seconds"),
    ("a word too many", ["now"], 2, 'watch takes no "now"'),
    ("an option it has not", ["--acount", "x"], 2, 'Did you mean "account"?'),
]


@pytest.mark.parametrize("words, status, sentence", [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_asked_wrongly(empty_stage, words, status, sentence):
    done = empty_stage.bell("watch", *words)
    assert (done.returncode, done.stdout) == (status, "") and sentence in done.stderr


def test_nothing_was_ever_started(empty_stage):
    done = empty_stage.bell("watch", "--once")
    assert done.returncode == 0 and "exchange stopped" in done.stdout and "api is not running" in done.stdout
