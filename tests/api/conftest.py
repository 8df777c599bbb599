"""bell-api on a real QuestDB: both started here, on free ports, in a folder of their own.

    BELL_QUESTDB_JAR=questdb-9.3.4.jar python -m pytest tests/api --api-binary build/dev/bin/bell-api
"""
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import jsonschema
import pytest
import requests
import yaml

ROOT = Path(__file__).resolve().parents[2]
OPENAPI = yaml.safe_load((ROOT / "api/openapi.yaml").read_text())
PASSWORD = "made-up-for-tests"


def pytest_addoption(parser):
    parser.addoption("--api-binary", default=str(ROOT / "build/dev/bin/bell-api"), help="the bell-api to test")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, seconds, is_so):
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"{what}: not within {seconds} s"
        time.sleep(0.02)


class QuestDB:
    def __init__(self, folder):
        self.folder, self.process = folder, None
        self.pg, self.http, self.health = free_port(), free_port(), free_port()
        (folder / "conf").mkdir(parents=True)
        (folder / "tmp").mkdir()
        (folder / "conf/server.conf").write_text((ROOT / "api/db/server.conf").read_text())

    def start(self):
        env = dict(os.environ, QDB_PG_NET_BIND_TO=f"127.0.0.1:{self.pg}", QDB_HTTP_BIND_TO=f"127.0.0.1:{self.http}",
                   QDB_HTTP_MIN_NET_BIND_TO=f"127.0.0.1:{self.health}", QDB_PG_PASSWORD=PASSWORD,
                   QDB_HTTP_PASSWORD=PASSWORD,
                   QDB_HTTP_SECURITY_READONLY="false", QDB_DEV_MODE_ENABLED="true")  # to suspend a table
        with open(self.folder / "out.log", "a") as log:
            self.process = subprocess.Popen(
                ["java", "-Xmx512m", "-XX:+UseParallelGC", f"-Djava.io.tmpdir={self.folder}/tmp", "-jar",
                 os.environ["BELL_QUESTDB_JAR"], "-d", self.folder], env=env, stdout=log, stderr=log)
        wait_until("QuestDB is up", 240, self.answers)

    def answers(self):
        assert self.process.poll() is None, (self.folder / "out.log").read_text()[-2000:]
        try:
            return requests.get(f"http://127.0.0.1:{self.health}/status", timeout=2).ok
        except requests.RequestException:
            return False

    def end(self, how=signal.SIGTERM):
        if self.process:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def query(self, sql):
        """Rows straight from the database, past the API: what really is recorded."""
        reply = requests.get(f"http://127.0.0.1:{self.http}/exec", params={"query": sql}, auth=("bell", PASSWORD),
                             timeout=10)
        assert reply.ok, reply.text
        return reply.json().get("dataset")

    def count(self, table):
        self.query(f"SELECT wait_wal_table('{table}')")
        return self.query(f"SELECT count() FROM {table}")[0][0]


class Api:
    """A running bell-api. Every reply is held to openapi.yaml, and every route that was asked is noted."""

    exercised = set()

    def __init__(self, binary, folder, pg):
        self.binary, self.folder, self.pg = binary, folder, pg
        self.port, self.process = free_port(), None
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = folder / "api.log"
        password = folder / "password"
        password.write_text(PASSWORD + "\n")
        password.chmod(0o600)
        self.session = requests.Session()

    def start(self, wait=True):
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(
                [self.binary, "--port", str(self.port), "--database-port", str(self.pg), "--password-file",
                 self.folder / "password"], stdout=log, stderr=log)
        if wait:
            wait_until("the API is ready", 240, self.is_ready)

    def is_ready(self):
        assert self.process.poll() is None, self.log()[-3000:]
        try:
            return requests.get(self.url + "/readyz", timeout=10).ok
        except requests.RequestException:
            return False

    def end(self, how=signal.SIGTERM):
        if not self.process:
            return None
        self.process.send_signal(how)
        status = self.process.wait(30)
        self.process = None
        return status

    def log(self):
        return self.log_path.read_text()

    def ask(self, method, path, **more):
        more.setdefault("timeout", 60)
        reply = self.session.request(method, self.url + path, **more)
        self.check(method, path.split("?")[0], reply)
        return reply

    def check(self, method, path, reply):
        assert reply.headers["X-Request-ID"]
        operation = None
        for template, operations in OPENAPI["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                operation = operations.get(method.lower().replace("head", "get"))
                if operation:
                    self.exercised.add((method.upper(), template))
        kind = reply.headers["Content-Type"].split(";")[0]
        if not operation:
            assert reply.status_code in (400, 404, 405, 413)
            if method != "HEAD":
                validate("Problem", reply.json())
            return
        answer = operation["responses"].get(str(reply.status_code))
        assert answer, f"{method} {path}: {reply.status_code} is not in openapi.yaml: {reply.text[:500]}"
        answer = resolve(answer)
        assert kind in answer["content"], f"{method} {path}: {kind} is not in openapi.yaml"
        if "json" in kind and method != "HEAD":
            validate(answer["content"][kind]["schema"], reply.json())
            if reply.status_code >= 400:
                assert reply.json()["status"] == reply.status_code

    def get(self, path, **params):
        reply = self.ask("GET", path, params=params)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def items(self, path, **params):
        """Every page of a list."""
        found, cursor = [], None
        while True:
            page = self.get(path, **params, **({"cursor": cursor} if cursor else {}))
            found += page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return found

    def post(self, path, body):
        return self.ask("POST", path, json=body)

    def put(self, path, *items, accepted=None):
        reply = self.post(path, {"items": list(items)})
        assert reply.status_code == 200, reply.text
        counts = reply.json()
        assert counts["accepted"] + counts["duplicates"] == len(items)
        if accepted is not None:
            assert counts["accepted"] == accepted
        return counts


def resolve(node):
    while "$ref" in node:
        target = OPENAPI
        for part in node["$ref"][2:].split("/"):
            target = target[part]
        node = {**target, **{k: v for k, v in node.items() if k != "$ref"}}
    return node


def validate(schema, value):
    if isinstance(schema, str):
        schema = {"$ref": f"#/components/schemas/{schema}"}
    jsonschema.Draft202012Validator({**schema, "components": OPENAPI["components"]}).validate(value)


@pytest.fixture(scope="session")
def questdb(tmp_path_factory):
    assert os.environ.get("BELL_QUESTDB_JAR"), "BELL_QUESTDB_JAR: the path of questdb-9.3.4.jar"
    db = QuestDB(tmp_path_factory.mktemp("questdb"))
    try:
        db.start()
        yield db
    finally:
        db.end()


@pytest.fixture(scope="session")
def api(questdb, request, tmp_path_factory):
    server = Api(request.config.getoption("--api-binary"), tmp_path_factory.mktemp("api"), questdb.pg)
    try:
        server.start()
        yield server
    finally:
        status = server.end()
        assert status in (0, None), server.log()[-5000:]
        for fault in ("AddressSanitizer", "ThreadSanitizer", "runtime error"):
            assert fault not in server.log(), server.log()[-5000:]


@pytest.fixture
def empty(request, tmp_path):
    """A system of its own: a database without tables, and an API that is not started yet."""
    db = QuestDB(tmp_path / "questdb")
    server = Api(request.config.getoption("--api-binary"), tmp_path, db.pg)
    try:
        db.start()
        yield db, server
    finally:
        status = server.end()
        db.end()
        assert status in (0, None), server.log()[-5000:]


@pytest.fixture(scope="session")
def made_up():
    """Names nobody used before: tests share one database, and none looks at another's rows."""
    class Names:
        number = 0

        def account(self):
            Names.number += 1
            return f"T{Names.number}"
    return Names()
