"""A whole record out of one system and into another."""
import csv
import gzip
import hashlib
import io
import json
import signal
import tarfile
import threading
import time
import uuid

import pytest
import requests

from conftest import wait_until
from test_api import (NASTY, V1, answers, bar, close_of, decision, event, everything, fill, intent, life_of_an_order, point,
                      refused_edit, run, source_of, trade_week)

PIECE = 256 * 1024


def exported(api):
    reply = api.ask("GET", f"{V1}/export", timeout=600)
    assert reply.status_code == 200, reply.text[:500]
    return reply.content


def send(api, archive, piece=PIECE):
    """The last reply."""
    for at in range(0, max(1, len(archive)), piece):
        last = at + piece >= len(archive)
        reply = api.ask("POST", f"{V1}/import", params={"offset": at, "complete": "true" if last else "false"},
                        data=archive[at:at + piece], headers={"Content-Type": "application/gzip"}, timeout=600)
        if last or reply.status_code != 200:
            return reply


def members(archive):
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {m.name: tar.extractfile(m).read() for m in tar.getmembers()}


def packed(files, manifest=None, change=None):
    """An archive like ours; manifest: instead of the right one."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in ([("manifest.json", manifest)] if manifest is not None else []) + list(files.items()):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if change:
                change(info)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def relisted(files):
    """The archive of these files with a manifest that fits them."""
    manifest = json.loads(files["manifest.json"])
    rest = {n: d for n, d in files.items() if n != "manifest.json"}
    for f in manifest["files"]:
        if f["name"] in rest:
            f.update(bytes=len(rest[f["name"]]), sha256=hashlib.sha256(rest[f["name"]]).hexdigest())
            if "rows" in f:
                f["rows"] = sum(1 for _ in csv.reader(io.StringIO(rest[f["name"]].decode(errors="replace"), newline=""))) - 1
    return rest, manifest


@pytest.fixture(scope="module")
def recorded(api, made_up):
    """A record with every kind of row, and its archive."""
    a, rid = made_up.account(), str(uuid.uuid4())
    trade_week(api, a)
    api.put(f"{V1}/order-events", *life_of_an_order(made_up.account()),
            *[event(a, 100 + n, client_order_id=f"x{text}", raw=f"{text}\t\\N,\"\r\n") for n, text in enumerate(NASTY)])
    api.put(f"{V1}/orders", intent(a, 50, reason='"quoted", \\N\tand\r\nlines'), intent(a, 51, type="limit", limit_price="0.000001"))
    api.put(f"{V1}/decisions", *[decision(a, n, rid, text=text, symbol=None) for n, text in enumerate(NASTY)])
    api.put(f"{V1}/equity", point(a, 1), close_of(a, 7, "alpha"), close_of(a, 8, "beta"))
    api.put(f"{V1}/runs", run(a, run_id=rid, reason=""), run(a, 2, run_id=rid, config_text="# ü,\"\n" * 1000, config_changed_at="2013-10-08T15:00:00Z"))
    api.put(f"{V1}/accounts", source_of(a, "test"))
    api.put(f"{V1}/config-errors", refused_edit(a, rid, 1), refused_edit(a, rid, 2, text=None))
    api.put(f"{V1}/bars", *[bar(f"{a}.Z", 60 * n, "9999999.999999") for n in range(500)])
    return a, exported(api)


def rows_of(files):
    return {name: sorted(csv.reader(io.StringIO(data.decode(), newline=""))) for name, data in files.items() if name.endswith(".csv")}


def test_a_record_comes_back_column_by_column(api, recorded, empty):
    a, archive = recorded
    db, other = empty
    other.start()
    files = members(archive)
    manifest = json.loads(files["manifest.json"])
    assert list(files)[:2] == ["manifest.json", "schema.json"] and {f["name"] for f in manifest["files"]} == set(files) - {"manifest.json"}
    for f in manifest["files"]:
        assert (len(files[f["name"]]), hashlib.sha256(files[f["name"]]).hexdigest()) == (f["bytes"], f["sha256"])
        assert "rows" not in f or f["rows"] == len(rows_of(files)[f["name"]]) - 1
    for table in json.loads(files["schema.json"])["tables"]:
        assert files[f"{table['name']}.csv"].decode().split("\r\n")[0] == ",".join(c["name"] for c in table["columns"])
    reply = send(other, archive)
    assert reply.status_code == 200, reply.text
    assert reply.json()["rows"] == sum(f.get("rows", 0) for f in manifest["files"]) > 500
    assert everything(other) == everything(api)
    assert answers(other, a) == answers(api, a)
    assert rows_of(members(exported(other))) == rows_of(files)
    other.end(signal.SIGKILL)
    other.start()
    assert rows_of(members(exported(other))) == rows_of(files)
    # What came is known: sent again it is a duplicate, and another import is refused.
    other.put(f"{V1}/accounts", source_of(a, "test"), accepted=0)
    reply = send(other, archive)
    assert reply.status_code == 409 and "not empty" in reply.json()["detail"]
    assert rows_of(members(exported(other))) == rows_of(files)


def flipped(archive, at):
    return archive[:at] + bytes([archive[at] ^ 0x20]) + archive[at + 1:]


def test_what_is_not_whole_is_refused_and_changes_nothing(recorded, empty):
    _, archive = recorded
    db, other = empty
    other.start()
    files = members(archive)
    rest, manifest = relisted(files)
    text = files["manifest.json"]

    def with_manifest(**more):
        return json.dumps({**manifest, **more}).encode()

    def edited(name, old, new):
        changed, fitting = relisted({**files, name: files[name].replace(old, new, 1)})
        assert changed[name] != files[name]
        return packed(changed, json.dumps(fitting).encode())
    wrong = {
        "nothing": b"", "no gzip": b"x" * 1000, "no tar": gzip.compress(b"x" * 100000), "an empty tar": packed({}),
        "followed by something": archive + b"x", "twice": archive + archive,
        "a byte of a file": packed({**rest, "runs.csv": flipped(rest["runs.csv"], 200)}, text),
        "a file less": packed({n: d for n, d in rest.items() if n != "bars_1m.csv"}, text),
        "a file more": packed({**rest, "../../etc/passwd": b"x"}, text),
        "a file that is listed elsewhere": packed({**rest, "/tmp/x.csv": b"x"}, with_manifest(
            files=manifest["files"] + [{"name": "/tmp/x.csv", "table": "runs", "rows": 0, "bytes": 1, "sha256": "0"}])),
        "no manifest": packed(rest), "a manifest of something else": packed(rest, with_manifest(format="x")),
        "a manifest of the future": packed(rest, with_manifest(version=2)), "a manifest that is none": packed(rest, b"{"),
        "a link": packed(rest, text, lambda i: setattr(i, "type", tarfile.SYMTYPE) if i.name == "runs.csv" else None),
        "rows that are not there": packed(rest, with_manifest(files=[{**f, "rows": f.get("rows", 0) + 1} for f in manifest["files"]])),
        "a column nobody knows": edited("equity.csv", b"timestamp,", b"mood,"),
        "a word that is none": edited("orders.csv", b",filled,", b",fulfilled,"),
        "a time before 1970": edited("equity.csv", b"\n2013-", b"\n1913-"),
        "money that is none": edited("equity.csv", b"100000.25", b"100000.x5"),
        "not UTF-8": edited("decisions.csv", b"null", b"\xff\xfe"),
        "a cell too many": edited("equity.csv", b"\n2013-", b"\n1,2013-"),
        "a table nobody knows": packed({**rest, "moods.csv": b"x"}, with_manifest(
            files=manifest["files"] + [{"name": "moods.csv", "table": "moods", "rows": 0, "bytes": 1, "sha256": "0"}])),
    }
    for at in (len(archive) - 1, len(archive) - 8, len(archive) - 100, len(archive) // 2, 100, 10):
        wrong[f"cut off at {at}"] = archive[:at]
    for at in range(10, len(archive), len(archive) // 12):
        wrong[f"altered at {at}"] = flipped(archive, at)
    for what, bad in wrong.items():
        reply = send(other, bad)
        assert reply.status_code == 422, (what, reply.text)
        assert reply.json()["detail"].startswith("nothing was imported: "), what
    assert all(db.count(table) == 0 for table in ("runs", "order_events", "orders", "bars_1m", "equity", "imports"))
    assert send(other, archive).status_code == 200  # and it is still taken


def test_pieces_come_in_order_and_from_here(recorded, empty):
    _, archive = recorded
    _, other = empty
    other.start()

    def piece(offset, data, **more):
        return other.ask("POST", f"{V1}/import", params={"offset": offset, **more}, data=data, headers={"Content-Type": "application/gzip"})
    assert piece(100, archive[100:200]).status_code == 409
    assert piece(0, archive[:100]).json() == {"received": 100}
    reply = piece(200, archive[200:])
    assert reply.status_code == 409 and "the next one is at 100" in reply.json()["detail"]
    assert piece(100, archive[100:], complete="true").status_code == 200
    for query in ("offset=x", "offset=-1", "complete=yes", "offset="):
        assert other.ask("POST", f"{V1}/import?{query}", data=b"x", headers={"Content-Type": "application/gzip"}).status_code == 400
    assert other.ask("POST", f"{V1}/import", data=b"x", headers={"Content-Type": "text/plain"}).status_code == 415


@pytest.mark.parametrize("victim", ["api", "database"])
def test_a_crash_in_the_middle_leaves_the_record_saying_so(recorded, empty, victim):
    _, archive = recorded
    db, other = empty
    other.start()
    files = members(archive)
    many = [r for r in csv.reader(io.StringIO(files["bars_1m.csv"].decode(), newline=""))]
    first = min(r[0] for r in many[1:])
    text = io.StringIO(newline="")
    csv.writer(text).writerows([many[0]] + [[f"2001-{m:02}-{d:02}T14:{n:02}:00.000000Z", f"S{s}"] + many[1][2:]
                                            for m in range(1, 13) for d in range(1, 28) for n in range(60) for s in range(12)] + many[1:])
    assert first > "2001-12-31"
    changed, manifest = relisted({**files, "bars_1m.csv": text.getvalue().encode()})
    large = packed(changed, json.dumps(manifest).encode())
    done, failed = [], []

    def importing():
        try:
            done.append(send(other, large, 1024 * 1024))
        except requests.RequestException as e:
            failed.append(e)
    thread = threading.Thread(target=importing)
    thread.start()
    wait_until("rows are being written", 300, lambda: tables_there(db) and db.count("bars_1m") > 1000)
    if victim == "api":
        other.end(signal.SIGKILL)
        thread.join()
        assert not done
        other.start(wait=False)
        wait_until("it listens", 240, lambda: answers_at_all(other))
        reply = other.ask("GET", "/readyz")
        assert reply.status_code == 503 and "not whole" in reply.json()["detail"]
        assert other.post(f"{V1}/order-events", fill("nobody", 1)).status_code == 503
        assert other.ask("GET", f"{V1}/export").status_code == 503
        reply = send(other, archive, 1024 * 1024)
        assert reply.status_code == 409 and "cut short" in reply.json()["detail"]
        assert send(other, large, 1024 * 1024).status_code == 200
    else:
        db.end(signal.SIGKILL)
        db.start()
        thread.join()
        assert not failed and done[0].status_code == 200, failed or done[0].text
    assert other.ask("GET", "/readyz").status_code == 200
    assert rows_of(members(exported(other))) == rows_of(changed)


def tables_there(db):
    return db.query("SELECT count() FROM tables() WHERE table_name = 'bars_1m'")[0][0]


def answers_at_all(server):
    try:
        return requests.get(f"{server.url}/healthz", timeout=10).ok
    except requests.RequestException:
        return False


def test_an_export_is_one_instant_while_fills_come(api, made_up):
    """Clients count what was acknowledged to them; an archive holds all from before it was asked for, and no gaps."""
    a, stop, acknowledged = made_up.account(), threading.Event(), []

    def client():
        session = requests.Session()
        for n in range(1, 100000):
            if stop.is_set():
                return
            if session.post(f"{api.url}{V1}/order-events", json=fill(a, n, timestamp=f"2013-10-07T14:00:00.{n:06}Z"), timeout=30).status_code == 200:
                acknowledged.append(f"{a}-x{n}-100")
    thread = threading.Thread(target=client)
    thread.start()
    try:
        wait_until("fills come", 30, lambda: len(acknowledged) > 20)
        for _ in range(3):
            before = len(acknowledged)
            with requests.get(f"{api.url}{V1}/export", stream=True, timeout=600) as reply:
                archive = reply.content
            rows = list(csv.DictReader(io.StringIO(members(archive)["order_events.csv"].decode(), newline="")))
            told = [r["execution_id"] for r in rows if r["account"] == a]
            assert told[:before] == acknowledged[:before] and told == [f"{a}-x{n}-100" for n in range(1, len(told) + 1)]
            orders = {r["client_order_id"] for r in csv.DictReader(io.StringIO(members(archive)["orders.csv"].decode(), newline="")) if r["account"] == a}
            assert len(orders) == len(told)  # what follows from a fill is in with it
    finally:
        stop.set()
        thread.join()


def test_a_reader_who_goes_away_is_forgotten(api):
    for _ in range(3):
        with requests.get(f"{api.url}{V1}/export", stream=True, timeout=600) as reply:
            assert reply.status_code == 200
            next(reply.iter_content(100))
        until = time.monotonic() + 240
        while (status := api.ask("GET", f"{V1}/export").status_code) == 503 and time.monotonic() < until:
            time.sleep(0.05)
        assert status == 200
