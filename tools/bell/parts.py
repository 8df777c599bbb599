"""The parts: how each is started, when it is ready, how long it may take to end, and what status shows."""

import json
import shutil
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Callable

import process
import talk
import web
from place import BIN, JAR, LOG, QUESTDB, ROOT, RUN, SECRETS, STRATEGIES, UNREACHABLE, VAR, Trouble, near, ports, secret

KEYS = {"key": "demo", "secret": "demo"}  # the local exchange opens an account for any pair it has not seen
DEMO_CASH = 1_000_000


@dataclass
class Plan:
    """What the parts are started for."""

    config: str = str(ROOT / "config/strategies")
    bars: str | None = None     # None: the synthetic market
    start: str | None = None    # --from
    speed: str = "lockstep"     # lockstep, real, or a factor
    seed: str | None = None
    symbols: tuple = ()
    cash: int = DEMO_CASH
    broker: str = "local"       # our exchange beside us, alpaca, or the URL of another that speaks its protocol
    live: bool = False          # alpaca's real money
    feed: str = "iex"
    key_file: str = str(SECRETS / "alpaca-key")
    secret_file: str = str(SECRETS / "alpaca-secret")
    state: Path | None = None   # where the exchange keeps its accounts; None: nowhere

    @property
    def is_local(self):
        return self.broker == "local"

    def parts(self):
        return [part for part in PARTS if self.is_local or part.name != "exchange"]

    def save(self):
        RUN.mkdir(parents=True, exist_ok=True)
        new = RUN / "plan.new"
        new.write_text(json.dumps(asdict(self), default=str))
        new.replace(RUN / "plan.json")

    def source(self):
        """Bars of one minute and symbol differ from market to market: each market is a source of its own."""
        return f"recorded-{sha256(str(self.bars).encode()).hexdigest()[:8]}" if self.bars else f"synthetic-{self.seed or 1}"

    def kept_state(self):
        """The folder of this market: its accounts go on where they were when it is brought up again."""
        market = repr((self.bars, self.start, self.seed, sorted(self.symbols), self.cash, self.speed == "real"))
        return VAR / "exchange" / f"{self.source()}-{sha256(market.encode()).hexdigest()[:8]}"


def saved_plan():
    """What the parts were last started for."""
    try:
        saved = json.loads((RUN / "plan.json").read_text())
        return Plan(**saved | {"symbols": tuple(saved["symbols"]), "state": Path(saved["state"]) if saved["state"] else None})
    except (OSError, ValueError, TypeError, KeyError):
        return Plan()


@dataclass
class Part:
    name: str
    port_names: tuple                       # keys of ports(); the first is the one to show
    argv: Callable                          # (plan, ports) -> [program, flags...]
    is_ready: Callable                      # ports -> bool; may raise web.Unreachable
    patience: float                         # seconds from SIGTERM to SIGKILL
    env: Callable = lambda p: {}
    prepare: Callable = lambda p: None


def exchange_url(p):
    return f"http://127.0.0.1:{p['exchange']}"


def api_url(p):
    return f"http://127.0.0.1:{p['api']}"


def broker_urls(plan, p):
    """(REST, trade updates, market data, past bars)"""
    if plan.broker == "alpaca":
        host = "api.alpaca.markets" if plan.live else "paper-api.alpaca.markets"
        return f"https://{host}", f"wss://{host}/stream", f"wss://stream.data.alpaca.markets/v2/{plan.feed}", "https://data.alpaca.markets"
    url = exchange_url(p) if plan.is_local else plan.broker.rstrip("/")
    streams = "ws" + url.removeprefix("http")
    return url, f"{streams}/stream", f"{streams}/v2/{plan.feed}", url


def broker_headers():
    return {"APCA-API-KEY-ID": KEYS["key"], "APCA-API-SECRET-KEY": KEYS["secret"]}


def key_headers(plan):
    """For another's exchange, from the two files. Without them nobody asks it."""
    try:
        return {name: Path(path).read_text().strip() for name, path in (("APCA-API-KEY-ID", plan.key_file), ("APCA-API-SECRET-KEY", plan.secret_file))}
    except OSError as e:
        raise web.Unreachable(e.filename, e.strerror) from e


# ---- QuestDB: api/db/server.conf says how it is run; ports and passwords come from here

def _questdb_argv(_plan, _p):
    return ["java", "-Xmx512m", "-XX:+UseParallelGC", f"-Djava.io.tmpdir={QUESTDB}/tmp", "-jar", JAR, "-d", QUESTDB]


def _questdb_prepare(_p):
    # It unpacks its native library into a temporary folder, and /tmp may be mounted noexec.
    shutil.rmtree(QUESTDB / "tmp", ignore_errors=True)
    (QUESTDB / "tmp").mkdir(parents=True)
    (QUESTDB / "conf").mkdir(exist_ok=True)
    shutil.copyfile(ROOT / "api/db/server.conf", QUESTDB / "conf/server.conf")


def _questdb_env(p):
    password = secret("questdb").read_text().strip()
    return {
        "QDB_PG_NET_BIND_TO": f"127.0.0.1:{p['pg']}",
        "QDB_HTTP_BIND_TO": f"127.0.0.1:{p['questdb_http']}",
        "QDB_HTTP_MIN_NET_BIND_TO": f"127.0.0.1:{p['questdb_health']}",
        "QDB_PG_USER": "bell", "QDB_PG_PASSWORD": password,
        "QDB_HTTP_USER": "bell", "QDB_HTTP_PASSWORD": password,
    }


def _questdb_ready(p):
    return web.request(f"http://127.0.0.1:{p['questdb_health']}/status")[0] == 200 and process.port_answers(p["pg"])


# ---- ours

def _api_argv(_plan, p):
    scratch = VAR / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    return [BIN / "bell-api", "--scratch", scratch, "--host", "127.0.0.1", "--port", p["api"], "--database-port", p["pg"],
            "--database-user", "bell", "--password-file", secret("questdb")]


def exchange_argv(plan, p):
    argv = [BIN / "bell-exchange", "--host", "127.0.0.1", "--port", p["exchange"], "--speed", plan.speed, "--cash", plan.cash]
    if plan.bars:
        argv += ["--bars", plan.bars]
    elif plan.symbols:
        argv += ["--symbols", f"[{', '.join(plan.symbols)}]"]
    if plan.start:
        argv += ["--from", plan.start]
    if plan.seed:
        argv += ["--seed", plan.seed]
    if plan.state:
        argv += ["--state", plan.state]
    return argv


def _keys(plan):
    files = (secret("key", KEYS["key"]), secret("secret", KEYS["secret"])) if plan.is_local else (plan.key_file, plan.secret_file)
    return ["--key-file", files[0], "--secret-file", files[1], *(["--live"] if plan.live else [])]


def _streamer_argv(plan, p):
    source = ["--source", plan.source()] if plan.is_local else []
    rest, trades, data, _ = broker_urls(plan, p)
    return [BIN / "bell-streamer", "--port", p["relay"], "--rest-url", rest, "--trades-url", trades, "--data-url", data,
            "--api-url", api_url(p), "--state", VAR / "streamer", *source, *_keys(plan)]


def engine_argv(plan, p):
    rest, _, _, bars = broker_urls(plan, p)
    relay = f"ws://127.0.0.1:{p['relay']}"
    return [BIN / "bell-engine", "--rest-url", rest, "--trades-url", f"{relay}/stream", "--data-url", f"{relay}/v2/{plan.feed}", "--bars-url", bars,
            "--api-url", api_url(p), "--strategies", plan.config, "--plugins", STRATEGIES, "--state", VAR / "engine", *_keys(plan)]


def _engine_ready(_p):
    with open(LOG / "engine.log", "rb") as log:
        return b" event=run_" in log.read(1 << 20)


PARTS = [
    Part("questdb", ("pg", "questdb_http", "questdb_health"), _questdb_argv, _questdb_ready, 60,
         _questdb_env, _questdb_prepare),
    Part("exchange", ("exchange",), exchange_argv,
         lambda p: web.request(exchange_url(p) + "/v2/clock", broker_headers())[0] == 200, 20),
    Part("api", ("api",), _api_argv, lambda p: web.request(api_url(p) + "/readyz")[0] == 200, 60),
    Part("streamer", ("relay",), _streamer_argv, lambda p: process.port_answers(p["relay"]), 30),
    Part("engine", (), engine_argv, _engine_ready, 150),
]
BY_NAME = {part.name: part for part in PARTS}

SUPERVISOR = "supervisor"  # supervisor.py
REVIVALS = 3  # of one part in one demo
READY_WITHIN = 60  # seconds; QuestDB after a crash is the slowest

ENGINE_STATUS = {
    0: "flat",
    1: "failed",
    2: "refused its configuration",
    3: "not flat: its log says what is left",
    4: "market closed: exits are queued for the next open",
    137: "killed",
}


class Crew:
    """Starts parts, and stops those it started when something goes wrong."""

    def __init__(self, plan):
        self.plan, self.ports, self.started, self.revived, self.peaks = plan, ports(), [], [], {}

    def check_ports(self, names):
        for name in names:
            for key in BY_NAME[name].port_names:
                port = self.ports[key]
                if process.find(name) is None and not process.port_is_free(port):
                    holder = process.port_holder(port)
                    raise Trouble(
                        f"Port {port} ({name}) is in use{f' by {holder}' if holder else ''}.", UNREACHABLE,
                        ["Stop that program, or take other ports: BELL_PORT_BASE=28080 ./bell ... (28080 to 28085)."])

    def start(self, name):
        """True when it was started, False when it already ran."""
        part = BY_NAME[name]
        pid = process.find(name)
        if pid is not None and process.program_changed(pid):
            talk.step("restart", f"{name} (it was rebuilt)")
            stop(name)
            pid = None
        if pid is not None:
            return False
        part.prepare(self.ports)
        began = time.monotonic()
        process.start(name, part.argv(self.plan, self.ports), part.env(self.ports))
        self.started.append(name)
        while True:
            if process.find(name) is None:
                if name == "engine" and process.last_status(name) == 0:
                    break  # nothing was left to do
                self.failed(name, f"{name} ended at once (status {process.last_status(name)}).")
            try:
                if part.is_ready(self.ports):
                    break
            except web.Unreachable:
                pass
            if time.monotonic() - began > READY_WITHIN:
                self.failed(name, f"{name} was not ready within {READY_WITHIN} seconds.")
            time.sleep(0.03)
        return True

    def measure(self):
        """Notes the most memory each part ever had resident, in bytes."""
        for part in PARTS:
            pid = process.find(part.name)
            if pid is not None:
                self.peaks[part.name] = max(self.peaks.get(part.name, 0), process.peak_memory(pid))

    def keep_up(self):
        """Starts again what died on the way; what it had to deliver is on disk."""
        for name in ("exchange", "questdb", "api", "streamer"):
            if process.find(name) is not None:
                continue
            sentence = f"{name} ended in the middle (status {process.last_status(name)})."
            if self.revived.count(name) == REVIVALS:
                self.failed(name, sentence)
            talk.step("restart", sentence)
            (LOG / f"{name}.log").rename(LOG / f"{name}.died.log")
            self.revived.append(name)
            self.start(name)

    def failed(self, name, sentence):
        raise Trouble(sentence, hints=[*(f"  {line}" for line in process.log_tail(name)),
                                       f"That is the end of {near(LOG / f'{name}.log')}. Nothing that was started now is left running."])

    def undo(self):
        """Stops what this crew started, in order. A second Ctrl-C does not leave it half done: each stop is bounded."""
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, signal.SIG_IGN)
        for part in reversed(PARTS):
            if part.name in self.started and process.find(part.name) is not None:
                talk.step("stopping", part.name)
                stop(part.name)
        self.started.clear()


def stop(name):
    return process.stop(name, BY_NAME[name].patience)


def flatten():
    """(engine's status, lines it said): stops the engine, which ends flat; one that died is started just for that. (None, []):
    there is neither engine nor exchange."""
    talk.step("flatten", "entries frozen, orders cancelled, positions closed")
    p, plan = ports(), saved_plan()
    if process.find("engine") is not None:
        return stop("engine"), process.log_tail("engine", 5)
    if plan.is_local and process.find("exchange") is None:
        return None, []
    done = subprocess.run([*map(str, engine_argv(plan, p)), "--flatten"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode, [*done.stdout.splitlines(), *done.stderr.splitlines()[-5:]]


def stop_all():
    """The parts in order; the status to leave with: the engine's when it did not end flat."""
    status, stopped = 0, 0
    process.stop(SUPERVISOR, 60)
    for part in reversed(PARTS):
        if process.find(part.name) is None:
            process.stop(part.name, 0)
            continue
        code = stop(part.name)
        stopped += 1
        if part.name == "engine":
            talk.step("stopped", f"engine: {ENGINE_STATUS.get(code, f'status {code}')}")
            if code:
                status = 1
                for line in process.log_tail("engine", 5):
                    talk.say(f"  {line}")
        else:
            talk.step("stopped", part.name + (" (it had to be killed)" if code == 137 else ""))
    if not stopped:
        talk.say("Nothing was running.")
    return status


def _since(pid):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(process.started_at(pid)))


def describe(detail=True):
    """What status shows, one dict a part. detail: with what the running ones say of themselves."""
    p, plan, rows = ports(), saved_plan(), []
    for part in PARTS if process.find("exchange") else plan.parts():
        pid, code = process.find(part.name), process.exit_status(part.name)
        row = {"part": part.name, "state": "stopped", "pid": pid, "port": p[part.port_names[0]] if part.port_names else None,
               "since": None, "detail": ""}
        if pid is not None:
            row["since"] = _since(pid)
            try:
                row["state"] = "running" if part.is_ready(p) else "not ready"
                row["detail"] = _DETAIL[part.name](p) if detail and part.name in _DETAIL and row["state"] == "running" else ""
            except web.Unreachable as e:
                row["state"], row["detail"] = "not ready", str(e)
        elif code is not None:
            row["state"] = "finished" if part.name == "engine" and code == 0 else "stopped" if code in (0, 143) else "failed"
            row["detail"] = f"{ENGINE_STATUS.get(code, f'status {code}') if part.name == 'engine' else f'status {code}'}" if code not in (0, 143) else ""
        rows.append(row)
    pid = process.find(SUPERVISOR)
    if pid is not None:
        said = [line for line in process.log_tail(SUPERVISOR, 1000) if "restart" in line]
        market = "" if plan.is_local else f"broker {broker_urls(plan, p)[0]}"
        rows.append({"part": SUPERVISOR, "state": "running", "pid": pid, "port": None, "since": _since(pid),
                     "detail": ", ".join(filter(None, [market, f"{len(said)} restarts, the last: {said[-1]}" if said else ""]))})
    return rows


def _exchange_detail(p):
    clock = web.get(exchange_url(p) + "/v2/clock", broker_headers())
    return f"market {'open' if clock['is_open'] else 'closed'}, {clock['timestamp'][:19]}, account equity {talk.money(broker_account(p)['equity'])}"


def _api_detail(p):
    rows = list(web.items(api_url(p) + "/api/v1/pnl", group_by="account", limit=1000))
    return f"{sum(int(r['fills']) for r in rows)} fills of {len(rows)} account{'s' * (len(rows) != 1)}"


def broker_account(p):
    return web.get(exchange_url(p) + "/v2/account", broker_headers())


def broker_fills(p, date=None):
    """All FILL activities of the account, oldest first."""
    token = None
    while True:
        page = web.get(exchange_url(p) + "/v2/account/activities/FILL", broker_headers(),
                       direction="asc", page_size=100, page_token=token, date=date)
        yield from page
        if len(page) < 100:
            return
        token = page[-1]["id"]


_DETAIL = {"exchange": _exchange_detail, "api": _api_detail}
