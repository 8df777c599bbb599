"""bell-api as engine, streamer and notebooks see it."""
import copy
import csv
import io
import itertools
import re
import signal
import socket
import threading
import uuid
from decimal import Decimal

import pytest
import requests

from conftest import OPENAPI, resolve, wait_until

V1 = "/api/v1"
INGEST = {path: resolve(op["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0])
          for path, op in OPENAPI["paths"].items() if "application/json" in op.get("post", {}).get("requestBody", {}).get("content", {})}


# ---- making records

def stamp(seconds, day=7):
    seconds %= 10 * 3600
    return f"2013-10-{day:02}T{13 + seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.000000Z"


def event(account, n, strategy="momentum", **more):
    body = {"account": account, "event": "new", "timestamp": stamp(n), "order_id": f"{account}-o{n}",
            "client_order_id": f"bell.{strategy}.20131007.{n}", "symbol": "SPY", "side": "buy", "type": "market",
            "time_in_force": "day", "quantity": "100", "filled_quantity": "0", "status": "new",
            "submitted_at": stamp(n), "raw": "{}"}
    return {**body, **more}


def fill(account, n, side="buy", price="168.25", qty=100, cumulative=None, total=None, **more):
    cumulative = cumulative or qty
    total = total or cumulative
    is_last = cumulative == total
    body = dict(event="fill" if is_last else "partial_fill", status="filled" if is_last else "partially_filled",
                execution_id=f"{account}-x{n}-{cumulative}", side=side, quantity=str(total),
                filled_quantity=str(cumulative), average_price=price, fill_quantity=str(qty), fill_price=price,
                fee="0.010001")
    return event(account, n, **{**body, **more})


def intent(account, n, strategy="momentum", **more):
    return {"client_order_id": f"bell.{strategy}.20131007.{n}", "account": account, "run_id": str(uuid.uuid4()),
            "strategy": strategy, "symbol": "SPY", "side": "buy", "type": "market", "time_in_force": "day",
            "quantity": "100", "reason": "because", "timestamp": stamp(n), **more}


def bar(symbol, seconds, close, day=7, source="test"):
    return {"symbol": symbol, "timestamp": stamp(seconds - seconds % 60, day), "open": close, "high": close,
            "low": close, "close": close, "volume": "100", "source": source}


def point(account, n, **more):
    return {"timestamp": stamp(n), "account": account, "strategy": "momentum", "cash": "100000.25",
            "equity": "100001", "exposure": "-12.000001", **more}


def decision(account, n, run_id, **more):
    return {"run_id": run_id, "sequence": n, "timestamp": stamp(n), "account": account, "strategy": "momentum",
            "symbol": "SPY", "text": f"decision {n}", **more}


def source_of(account, source, n=0):
    return {"account": account, "source": source, "timestamp": stamp(n)}


def run(account, version=1, **more):
    return {"run_id": str(uuid.uuid4()), "version": version, "account": account, "strategy": "momentum",
            "plugin": "momentum_30min", "symbols": ["SPY", "IBM"], "capital": "100000", "quantity": "100", "days": 5,
            "mode": "replay", "status": "running", "config_text": "strategy: momentum_30min\n",
            "config_hash": "0" * 64, "plugin_hash": "a" * 64, "started_at": stamp(0), **more}


def example_of(schema):
    """A right body for an ingest route, from its schema alone."""
    made = {}
    for name, field in schema["properties"].items():
        made[name] = copy.deepcopy(resolve(field)["examples"][0])
    return made


def test_bodies_made_from_the_schema_are_taken(api):
    for path, schema in INGEST.items():
        reply = api.post(path, example_of(schema))
        assert reply.status_code == 200, (path, reply.text)
        assert api.post(path, example_of(schema)).json() == {"accepted": 0, "duplicates": 1}


def wrong_values(name, field):
    field = resolve(field)
    kinds = [resolve(k) for k in field.get("anyOf", [field])]
    yield {"an": "object"}
    if not any(k.get("type") == "null" or "null" in k.get("type", []) for k in kinds):
        yield None
    if any("enum" in k or "pattern" in k for k in kinds) or name.endswith("_at") or name == "timestamp":
        yield "no such ¿ value"
    if not any(k.get("type") == "array" for k in kinds):
        yield ["list"]
    if name in ("text", "raw", "config_text", "reason", "client_order_id"):
        yield "x" * (200 * 1024)
        yield 17


WRONG = [pytest.param(path, name, value, id=f"{path[8:]} {name} {i}")
         for path, schema in INGEST.items() for name, field in schema["properties"].items()
         for i, value in enumerate(wrong_values(name, field))]


@pytest.mark.parametrize("path, name, value", WRONG)
def test_each_wrong_field_is_named_and_nothing_is_stored(api, made_up, path, name, value):
    right, wrong = example_of(INGEST[path]), example_of(INGEST[path])
    if "account" in right:
        right["account"] = wrong["account"] = made_up.account()
    wrong[name] = value
    reply = api.post(path, {"items": [right, wrong]})
    assert reply.status_code == 422, reply.text
    assert f"/items/1/{name}" in [e["pointer"] for e in reply.json()["errors"]], reply.text
    if "account" in right and name != "account":
        for kind in ("orders", "fills", "equity", "decisions", "runs"):
            assert api.get(f"{V1}/{kind}", account=right["account"])["items"] == []


@pytest.mark.parametrize("path", INGEST)
def test_required_and_unknown_members(api, path):
    for name in INGEST[path]["required"]:
        body = example_of(INGEST[path])
        del body[name]
        reply = api.post(path, body)
        assert reply.status_code == 422
        assert f"/{name}" in [e["pointer"] for e in reply.json()["errors"]]
    reply = api.post(path, {**example_of(INGEST[path]), "tymestamp": 1})
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["pointer"] == "/tymestamp"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"17", b'"x"', b'{"items":3}', b'{"items":[]}', b'{"items":[3]}',
                                  b'{"items":[{}],"more":1}', b'{"a":1,"a":2}', b"\xff\xfe", b"{" * 5000,
                                  b'{"items":[' + b"{}," * 1000 + b"{}]}"])
@pytest.mark.parametrize("path", INGEST)
def test_bodies_that_are_none(api, path, body):
    reply = api.ask("POST", path, data=body, headers={"Content-Type": "application/json"})
    assert reply.status_code in (400, 422)


@pytest.mark.parametrize("what, wrong, pointer", [
    ("fill_without_execution", dict(execution_id=None), "/execution_id"),
    ("fill_without_price", dict(fill_price=None), "/fill_price"),
    ("fill_without_quantity", dict(fill_quantity=None), "/fill_quantity"),
    ("fill_of_more_than_filled", dict(fill_quantity="101"), "/fill_quantity"),
    ("filled_more_than_ordered", dict(quantity="99"), "/filled_quantity"),
    ("half_a_share", dict(fill_quantity="0.5"), "/fill_quantity"),
    ("a_price_too_fine", dict(fill_price="1.0000001"), "/fill_price"),
    ("the_epoch", dict(timestamp="1970-01-01T00:00:00Z"), "/timestamp"),
])
def test_events_that_contradict_themselves(api, what, wrong, pointer):
    reply = api.post(f"{V1}/order-events", fill("never", 1, **wrong))
    assert reply.status_code == 422
    assert pointer in [e["pointer"] for e in reply.json()["errors"]]


@pytest.mark.parametrize("path, body, pointer", [
    ("orders", intent("never", 1, type="limit"), "/limit_price"),
    ("orders", intent("never", 1, limit_price="3"), "/limit_price"),
    ("orders", intent("never", 1, client_order_id="bell.other.20131007.1"), "/client_order_id"),
    ("orders", intent("never", 1, quantity="0"), "/quantity"),
    ("bars", {**bar("SPY", 0, "1.5"), "timestamp": "2013-10-07T13:30:01Z"}, "/timestamp"),
    ("bars", {**bar("SPY", 0, "1.5"), "low": "1.6"}, "/low"),
    ("bars", {**bar("SPY", 0, "1.5"), "high": "1.4"}, "/high"),
    ("runs", run("never", ended_at="2013-10-01T00:00:00Z"), "/ended_at"),
])
def test_records_that_contradict_themselves(api, path, body, pointer):
    reply = api.post(f"{V1}/{path}", body)
    assert reply.status_code == 422
    assert pointer in [e["pointer"] for e in reply.json()["errors"]]


def refused_edit(account, run_id, n, **more):
    return {"run_id": run_id, "account": account, "strategy": "momentum", "timestamp": stamp(n),
            "text": f"momentum.yaml:4:3: threshold: {n}0 is above the maximum, 10", **more}


# ---- once, and in any order

def test_what_is_sent_again_is_a_duplicate(api, made_up, questdb):
    a = made_up.account()
    rid = str(uuid.uuid4())
    sent = [(f"{V1}/orders", [intent(a, n) for n in (1, 2)]),
            (f"{V1}/order-events", [event(a, 1), fill(a, 1), fill(a, 2)]),
            (f"{V1}/bars", [bar(a, n * 60, "10") for n in range(5)]),
            (f"{V1}/equity", [point(a, n) for n in range(5)]),
            (f"{V1}/decisions", [decision(a, n, rid) for n in range(5)]),
            (f"{V1}/runs", [run(a, run_id=rid)]),
            (f"{V1}/accounts", [source_of(a, "x"), source_of(a, "y", 1)]),
            (f"{V1}/config-errors", [refused_edit(a, rid, n) for n in range(3)])]
    for path, items in sent:
        api.put(path, *items, accepted=len(items))
        api.put(path, *items, accepted=0)
        api.put(path, *(items + items), accepted=0)
    tables = ["order_events", "bars_1m", "equity", "decisions", "runs", "accounts", "config_errors"]
    before = [questdb.count(t) for t in tables]
    api.end(signal.SIGKILL)
    api.start()
    for path, items in sent:
        api.put(path, *items, accepted=0)
    assert [questdb.count(t) for t in tables] == before


def test_twice_in_one_body_counts_once(api, made_up):
    a = made_up.account()
    api.put(f"{V1}/order-events", fill(a, 1), fill(a, 1), accepted=1)
    assert len(api.items(f"{V1}/fills", account=a)) == 1


def life_of_an_order(account):
    """Accepted, new, three partial fills and the last one."""
    steps = [event(account, 1, event="accepted", status="accepted", quantity="100"),
             event(account, 1, event="new", status="new", quantity="100", timestamp=stamp(2))]
    for n, cumulative in enumerate((10, 40, 60, 100)):
        steps.append(fill(account, 1, price=f"{10 + n}", qty=(10, 30, 20, 40)[n], cumulative=cumulative, total=100,
                          timestamp=stamp(3 + n), submitted_at=stamp(1)))
    return steps


def answers(api, account):
    """Everything that can be asked about an account, without what names it."""
    texts = {}
    for path in ("orders", "fills", "positions?flat=true", "pnl?group_by=day,symbol", "runs", "strategies",
                 "order-events", "equity", "decisions"):
        reply = api.ask("GET", f"{V1}/{path}{'&' if '?' in path else '?'}account={account}&limit=1000")
        assert reply.status_code == 200
        texts[path] = reply.text.replace(f'"{account}', '"ACCOUNT')
    return texts


def test_the_order_of_arrival_does_not_matter(api, made_up):
    answered = set()
    for number, order in enumerate(itertools.permutations(range(6))):
        if number % 36:
            continue
        a = made_up.account()
        steps = life_of_an_order(a)
        api.put(f"{V1}/order-events", *[steps[i] for i in order], accepted=6)
        told = answers(api, a)
        answered.add((told["orders"], told["fills"], told["positions?flat=true"], told["pnl?group_by=day,symbol"]))
    assert len(answered) == 1
    assert '"filled_quantity":"100"' in answered.pop()[0]


def test_a_late_event_takes_nothing_back(api, made_up):
    a = made_up.account()
    steps = life_of_an_order(a)
    api.put(f"{V1}/order-events", *steps)
    before = api.items(f"{V1}/orders", account=a)
    api.put(f"{V1}/order-events", event(a, 1, event="pending_new", status="pending_new", submitted_at=stamp(1)),
            event(a, 1, event="canceled", status="accepted", submitted_at=stamp(1), timestamp=stamp(5)), accepted=2)
    assert api.items(f"{V1}/orders", account=a) == before
    assert before[0]["status"] == "filled" and before[0]["updated_at"] == stamp(6)


def test_the_same_fill_by_stream_and_by_rest_counts_once(api, made_up):
    a = made_up.account()
    stream = fill(a, 1, qty=10, cumulative=40, total=100, timestamp="2013-10-07T13:30:00.123456789Z")
    other_time = {**stream, "timestamp": "2013-10-07T13:30:00.123Z"}
    other_id = {**other_time, "execution_id": "by-rest"}
    api.put(f"{V1}/order-events", stream, accepted=1)
    api.put(f"{V1}/order-events", other_time, other_id, accepted=0)
    earlier = fill(a, 1, qty=30, cumulative=30, total=100)  # came later, is another
    api.put(f"{V1}/order-events", earlier, accepted=1)
    # REST may tell the two as one
    api.put(f"{V1}/order-events", fill(a, 1, qty=40, cumulative=40, total=100, execution_id="both"), accepted=0)
    assert sum(int(f["quantity"]) for f in api.items(f"{V1}/fills", account=a)) == 40


def test_an_intent_may_come_after_its_events(api, made_up):
    a, b = made_up.account(), made_up.account()
    run_id = str(uuid.uuid4())
    for account, steps in ((a, [0, 1]), (b, [1, 0])):
        for step in steps:
            if step:
                api.put(f"{V1}/order-events", fill(account, 1, timestamp=stamp(9)), accepted=1)
            else:
                api.put(f"{V1}/orders", intent(account, 1, run_id=run_id), accepted=1)
    assert answers(api, a)["orders"] == answers(api, b)["orders"]
    order = api.get(f"{V1}/orders/{a}-o1")
    assert order["run_id"] == run_id and order["status"] == "filled"
    assert [f["run_id"] for f in api.items(f"{V1}/fills", run_id=run_id, account=a)] == [run_id]
    assert api.items(f"{V1}/positions", run_id=run_id, account=b)[0]["quantity"] == "100"
    assert api.items(f"{V1}/positions", run_id=str(uuid.uuid4())) == []


def test_an_order_by_either_id(api, made_up):
    a, b = made_up.account(), made_up.account()
    for account in (a, b):
        api.put(f"{V1}/orders", intent(account, 77, strategy="twins"), accepted=1)
    assert api.ask("GET", f"{V1}/orders/bell.twins.20131007.77").status_code == 409
    assert api.get(f"{V1}/orders/bell.twins.20131007.77", account=a)["account"] == a
    assert api.ask("GET", f"{V1}/orders/nobody").status_code == 404
    assert api.get(f"{V1}/orders/bell.twins.20131007.77", account=a)["order_id"] is None


# ---- numbers

def trade_week(api, account):
    """SPY and IBM, two strategies, long and short, through zero, overnight; bars of two dates."""
    n = itertools.count(1)

    def trade(strategy, symbol, side, qty, price, day, seconds):
        i = next(n)
        api.put(f"{V1}/order-events", fill(account, i, side, price, qty, strategy=strategy, symbol=symbol,
                                           timestamp=stamp(seconds, day), submitted_at=stamp(seconds, day)), accepted=1)
    spy, ibm = f"{account}.S", f"{account}.I"
    trade("alpha", spy, "buy", 100, "168.25", 7, 100)
    trade("alpha", spy, "buy", 33, "168.333333", 7, 200)
    trade("alpha", spy, "sell", 170, "169.000001", 8, 100)
    trade("beta", spy, "sell", 70, "168.1", 7, 300)
    trade("beta", ibm, "buy", 10, "181", 7, 300)
    trade("beta", ibm, "sell", 10, "182.5", 8, 300)
    for day, close_s, close_i in ((7, "168.5", "181.25"), (8, "168.9", "182")):
        api.put(f"{V1}/bars", bar(spy, 3600, close_s, day), bar(ibm, 3600, close_i, day), accepted=2)
    return spy, ibm


def figures(items):
    return tuple(sum(Decimal(i[k]) for i in items)
                 for k in ("fills", "quantity_traded", "realized_pnl", "unrealized_pnl", "fees", "total_pnl"))


def test_pnl_adds_up_in_every_grouping(api, made_up):
    a = made_up.account()
    spy, ibm = trade_week(api, a)
    total = figures(api.items(f"{V1}/pnl", account=a, group_by=""))
    keys = ("strategy", "symbol", "day", "account")
    for size in range(1, 5):
        for chosen in itertools.permutations(keys, size):
            items = api.items(f"{V1}/pnl", account=a, group_by=",".join(chosen))
            assert figures(items) == total, chosen
            for i in items:
                assert set(i) == set(chosen) | {"fills", "quantity_traded", "realized_pnl", "unrealized_pnl", "fees",
                                                "total_pnl"}
                assert Decimal(i["total_pnl"]) == (Decimal(i["realized_pnl"]) + Decimal(i["unrealized_pnl"])
                                                   - Decimal(i["fees"]))
    assert api.get(f"{V1}/pnl", account=a) == api.get(f"{V1}/pnl", account=a, group_by="strategy")
    # What was paid and received, and what the rest is worth: the same by another road.
    cash = sum(Decimal(f["price"]) * Decimal(f["quantity"]) * (1 if f["side"] == "sell" else -1) - Decimal(f["fee"])
               for f in api.items(f"{V1}/fills", account=a))
    held = sum(Decimal(p["market_value"]) for p in api.items(f"{V1}/positions", account=a))
    assert total[-1] == cash + held
    # Days of a range add up to the range, and ranges to the whole.
    days = [api.items(f"{V1}/pnl", account=a, group_by="", start=f"2013-10-0{d}", end=f"2013-10-0{d + 1}") for d in (7, 8)]
    assert figures(days[0] + days[1]) == total
    positions = {(p["strategy"], p["symbol"]): p["quantity"] for p in api.items(f"{V1}/positions", account=a)}
    assert positions == {("alpha", spy): "-37", ("beta", spy): "-70"}
    assert (("beta", ibm), "0") in [((p["strategy"], p["symbol"]), p["quantity"])
                                    for p in api.items(f"{V1}/positions", account=a, flat="true")]


def test_a_night_is_earned_the_next_day(api, made_up):
    a = made_up.account()
    symbol = f"{a}.N"
    api.put(f"{V1}/order-events", fill(a, 1, symbol=symbol, price="168", fee=None, timestamp=stamp(100)), accepted=1)
    api.put(f"{V1}/bars", bar(symbol, 3600, "168.03"), bar(symbol, 60, "168.37", 8), bar(symbol, 60, "170", 9), accepted=3)
    days = {i["day"]: i["total_pnl"] for i in api.items(f"{V1}/pnl", account=a, group_by="day")}
    assert days == {"2013-10-07": "3.00", "2013-10-08": "34.00", "2013-10-09": "163.00"}


def test_a_replay_is_marked_by_its_own_market_in_its_own_time(api, made_up):
    """Two demos on the same market and one on another share a record; each holds what it bought on its first morning."""
    early, late, elsewhere, live, stranger = (made_up.account() for _ in range(5))
    symbol, one, other = f"{early}.M", f"{early}-recorded", f"{early}-synthetic"
    for account in (early, late, elsewhere, live, stranger):
        api.put(f"{V1}/order-events", fill(account, 1, symbol=symbol, price="100", fee=None), accepted=1)
    api.put(f"{V1}/accounts", source_of(early, other), source_of(early, one, 1), source_of(late, one),
            source_of(elsewhere, other), source_of(live, one), accepted=5)
    api.put(f"{V1}/runs", run(early), run(late), run(elsewhere), run(live, mode="paper"), accepted=4)
    api.put(f"{V1}/bars", *[bar(symbol, n * 60, f"{101 + n}", source=one) for n in range(10)], bar(symbol, 0, "90", 8, source=one),
            bar(symbol, 0, "200", 15, source=other), accepted=12)
    api.put(f"{V1}/equity", point(early, 180), point(late, 0, timestamp="2013-10-08T13:01:00Z"),
            point(elsewhere, 0, timestamp="2013-10-15T20:30:00Z"), accepted=3)
    wanted = {early: ("103.00", "300.00"), late: ("90.00", "-1000.00"), elsewhere: ("200.00", "10000.00"),
              live: ("90.00", "-1000.00"), stranger: ("200.00", "10000.00")}

    def told():
        marked = {}
        for account in wanted:
            position, = api.items(f"{V1}/positions", account=account)
            total, = api.items(f"{V1}/pnl", account=account, group_by="")
            days = api.items(f"{V1}/pnl", account=account, group_by="day")
            assert position["unrealized_pnl"] == total["unrealized_pnl"]
            assert sum(Decimal(d["unrealized_pnl"]) for d in days) == Decimal(total["unrealized_pnl"])
            marked[account] = position["market_price"], position["unrealized_pnl"]
        return marked
    assert told() == wanted
    api.put(f"{V1}/equity", point(early, 240), accepted=1)  # a minute on
    wanted[early] = ("104.00", "400.00")
    assert told() == wanted
    api.end(signal.SIGKILL)
    api.start()
    assert told() == wanted


def close_of(account, day, strategy):
    return point(account, 0, timestamp=f"2013-10-{day:02}T20:00:00Z", strategy=strategy)


def test_a_position_at_the_close_is_on_record(api, made_up, questdb):
    a = made_up.account()
    spy, ibm = trade_week(api, a)
    path = f"{V1}/position-snapshots"
    assert api.items(path, account=a) == []
    api.put(f"{V1}/equity", close_of(a, 7, "alpha"), close_of(a, 7, "beta"), close_of(a, 8, "beta"), accepted=3)

    def told():
        return [(s["timestamp"][:16], s["strategy"], s["symbol"], s["quantity"], s["market_price"])
                for s in api.items(path, account=a)]
    monday, tuesday = "2013-10-07T20:00", "2013-10-08T20:00"
    wanted = [(monday, "alpha", spy, "133", "168.50"), (monday, "beta", ibm, "10", "181.25"),
              (monday, "beta", spy, "-70", "168.50"), (tuesday, "beta", ibm, "0", "182.00"),
              (tuesday, "beta", spy, "-70", "168.90")]
    wait_until("the closes are on record", 10, lambda: told() == wanted)
    # The same numbers as the P&L of the days up to then.
    for s in api.items(path, account=a):
        day = int(s["timestamp"][8:10])
        p, = api.items(f"{V1}/pnl", account=a, strategy=s["strategy"], symbol=s["symbol"], group_by="",
                       end=f"2013-10-{day + 1:02}")
        assert (s["realized_pnl"], s["unrealized_pnl"]) == (p["realized_pnl"], p["unrealized_pnl"])
    assert api.items(path, account=a, symbol=ibm) == [s for s in api.items(path, account=a) if s["symbol"] == ibm]
    assert len(api.items(path, account=a, start="2013-10-08")) == 2
    assert api.items(path, account=a, limit=2) == api.items(path, account=a)
    # A fill told late makes it another; there is still one row.
    api.put(f"{V1}/order-events", fill(a, 99, "buy", "181", 5, strategy="beta", symbol=ibm, timestamp=stamp(400),
                                       submitted_at=stamp(400)), accepted=1)
    wanted[1] = (monday, "beta", ibm, "15", "181.25")
    wanted[3] = (tuesday, "beta", ibm, "5", "182.00")
    wait_until("the late fill counts", 10, lambda: told() == wanted)
    before = api.items(path, account=a)
    api.end(signal.SIGKILL)
    api.start()
    assert api.items(path, account=a) == before
    # A crash between the equity and the snapshot.
    api.put(f"{V1}/equity", close_of(a, 8, "alpha"), accepted=1)
    api.end(signal.SIGKILL)
    api.start()
    wanted.insert(3, (tuesday, "alpha", spy, "-37", "168.90"))
    wait_until("it is made up for", 10, lambda: told() == wanted)


def test_sums_beyond_64_bits_are_refused(api, made_up):
    a = made_up.account()
    for n in range(1, 3):  # each holds what fits; together it does not
        api.put(f"{V1}/order-events", fill(a, n, price="1000000", qty=1000000, symbol=f"{a}.{n}", fee=None), accepted=1)
        api.put(f"{V1}/bars", bar(f"{a}.{n}", 60, "9000000"), accepted=1)
    assert len(api.items(f"{V1}/pnl", account=a, group_by="symbol")) == 2
    reply = api.ask("GET", f"{V1}/pnl?account={a}")
    assert reply.status_code == 500 and "64 bits" in reply.json()["detail"]
    assert api.items(f"{V1}/pnl", account=a, symbol=f"{a}.1")[0]["total_pnl"] == "8000000000000.00"


def test_a_fill_no_position_could_hold_is_refused(api, made_up):
    a = made_up.account()
    reply = api.post(f"{V1}/order-events", fill(a, 1, price="1000000.01", qty=1000000))
    assert reply.status_code == 422 and reply.json()["errors"][0]["pointer"] == "/fill_price"
    assert api.items(f"{V1}/fills", account=a) == []


# ---- lists

def test_pages_equal_one_page(api, made_up):
    a = made_up.account()
    rid = str(uuid.uuid4())
    api.put(f"{V1}/order-events", *[fill(a, n, timestamp=stamp(n // 7)) for n in range(1, 61)], accepted=60)
    api.put(f"{V1}/order-events", *[event(a, n, timestamp=stamp(n // 7)) for n in range(1, 61)], accepted=60)
    api.put(f"{V1}/equity", *[point(a, n // 2, strategy=f"s{n % 2}") for n in range(60)], accepted=60)
    api.put(f"{V1}/decisions", *[decision(a, n, rid, timestamp=stamp(n // 7)) for n in range(60)], accepted=60)
    api.put(f"{V1}/bars", *[bar(f"{a}.{n % 3}", n // 3 * 60, "10", source=f"s{n % 2}") for n in range(60)])
    api.put(f"{V1}/runs", *[run(a, strategy=f"s{n}") for n in range(30)], accepted=30)
    api.put(f"{V1}/accounts", *[source_of(a, "x", n) for n in range(30)], accepted=30)
    api.put(f"{V1}/config-errors", *[refused_edit(a, str(uuid.uuid4()), n // 7) for n in range(30)], accepted=30)
    symbols = {"symbol": f"{a}.0,{a}.1,{a}.2", "start": "2013-10-07", "end": "2013-10-08"}
    for path, params in (("fills", {"account": a}), ("orders", {"account": a}), ("order-events", {"account": a}),
                         ("equity", {"account": a}), ("decisions", {"account": a}), ("bars", symbols),
                         ("runs", {"account": a}), ("strategies", {"account": a}), ("accounts", {"account": a}),
                         ("config-errors", {"account": a}),
                         ("pnl", {"account": a, "group_by": "symbol,day"}), ("positions", {"account": a})):
        whole = api.get(f"{V1}/{path}", limit=1000, **params)
        assert whole["next_cursor"] is None and whole["items"]
        for limit in (1, 7, 30):
            assert api.items(f"{V1}/{path}", limit=limit, **params) == whole["items"], (path, limit)


def test_csv_says_what_json_says(api, made_up):
    a = made_up.account()
    trade_week(api, a)
    rid = str(uuid.uuid4())
    api.put(f"{V1}/orders", intent(a, 50, reason='with "quotes", commas\nand lines'), accepted=1)
    api.put(f"{V1}/decisions", decision(a, 1, rid, text='=1+1,"x"\r\n;', symbol=None), accepted=1)
    api.put(f"{V1}/equity", point(a, 1), close_of(a, 7, "alpha"), accepted=2)
    api.put(f"{V1}/runs", run(a), accepted=1)
    api.put(f"{V1}/accounts", source_of(a, "test"), accepted=1)
    api.put(f"{V1}/config-errors", refused_edit(a, rid, 1), accepted=1)
    wait_until("the close is on record", 10, lambda: api.items(f"{V1}/position-snapshots", account=a))
    lists = [p for p, op in OPENAPI["paths"].items() if "get" in op and "text/csv" in op["get"]["responses"]["200"]["content"]]
    assert len(lists) == 13
    for path in lists:
        params = {"symbol": f"{a}.S"} if path.endswith("bars") else {"account": a}
        items = api.get(path, limit=1000, **params)["items"]
        assert items, path
        for how in (dict(params={**params, "format": "csv", "limit": 1000}),
                    dict(params={**params, "limit": 1000}, headers={"Accept": "text/csv"})):
            reply = api.ask("GET", path, **how)
            rows = list(csv.DictReader(io.StringIO(reply.content.decode(), newline="")))
            told = [{k: "" if v is None else " ".join(v) if isinstance(v, list) else str(v) for k, v in i.items()}
                    for i in items]
            assert rows == told, path
            assert list(items[0]) == reply.text.splitlines()[0].split(",")
    page = api.ask("GET", f"{V1}/fills", params={"account": a, "format": "csv", "limit": 2})
    cursor = page.headers["X-Next-Cursor"]
    assert len(api.get(f"{V1}/fills", account=a, cursor=cursor)["items"]) == 4


def test_filters(api, made_up):
    a = made_up.account()
    trade_week(api, a)
    fills = api.items(f"{V1}/fills", account=a)
    assert len(fills) == 6
    assert [f for f in fills if f["strategy"] == "beta"] == api.items(f"{V1}/fills", account=a, strategy="beta")
    assert fills == api.items(f"{V1}/fills", account=f"{a},nobody", strategy="alpha,beta")
    assert [f for f in fills if f["symbol"] == f"{a}.I"] == api.items(f"{V1}/fills", symbol=f"{a}.I")
    at = fills[2]["timestamp"]
    assert fills[2:] == api.items(f"{V1}/fills", account=a, start=at)
    assert fills[:2] == api.items(f"{V1}/fills", account=a, end=at)
    assert fills[:4] == api.items(f"{V1}/fills", account=a, start="2013-10-07", end="2013-10-08")
    assert fills[2:] == api.items(f"{V1}/fills", account=a, start=at.replace("13:", "09:").replace("Z", "-04:00"))
    assert [f for f in fills if f["order_id"] == f"{a}-o2"] == api.items(f"{V1}/fills", order_id=f"{a}-o2")
    assert len(api.items(f"{V1}/orders", account=a, status="filled,new")) == 6
    assert api.items(f"{V1}/orders", account=a, status="canceled") == []
    events = api.items(f"{V1}/order-events", account=a)
    assert len(api.items(f"{V1}/order-events", account=a, event="fill", strategy="beta")) == 3
    assert [e for e in events if e["order_id"] in (f"{a}-o2", f"{a}-o5")] == api.items(f"{V1}/order-events", order_id=f"{a}-o2,{a}-o5,nobody")
    assert api.items(f"{V1}/order-events", order_id=f"{a}-o2", end="2013-10-07") == []
    assert api.items(f"{V1}/bars", symbol=f"{a}.S")[0]["timestamp"].startswith("2013-10-08")  # the last date
    assert len(api.items(f"{V1}/bars", symbol=f"{a}.S", start="2013-10-07")) == 2


def test_runs_and_strategies(api, made_up):
    a = made_up.account()
    first, second = run(a, strategy="moody"), run(a, strategy="moody", started_at=stamp(60), days=7)
    api.put(f"{V1}/runs", first, second, accepted=2)
    api.put(f"{V1}/runs", {**second, "version": 2, "status": "stopped", "reason": "SIGTERM", "ended_at": stamp(90)}, accepted=1)
    runs = api.items(f"{V1}/runs", account=a)
    assert [r["status"] for r in runs] == ["running", "stopped"]
    assert [r["run_id"] for r in runs] == [first["run_id"], second["run_id"]]
    latest, = api.items(f"{V1}/strategies", account=a)
    assert (latest["id"], latest["status"], latest["days"], latest["symbols"]) == ("moody", "stopped", 7, ["SPY", "IBM"])
    assert api.items(f"{V1}/runs", run_id=first["run_id"]) == runs[:1]
    text = "strategy: moody_trader # \u00fc\n" * 3000
    api.put(f"{V1}/runs", {**second, "version": 3, "config_text": text, "status": "failed"}, accepted=1)
    whole = api.get(f"{V1}/runs/{second['run_id']}")
    assert whole["config_text"] == text and whole["version"] == 3
    listed, = api.items(f"{V1}/runs", run_id=second["run_id"])
    assert {k: v for k, v in whole.items() if k != "config_text"} == listed
    for nobody in (str(uuid.uuid4()), "x", "x" * 3000, "%27", "a,b"):
        assert api.ask("GET", f"{V1}/runs/{nobody}").status_code == 404


def test_a_refused_edit_is_told_until_one_is_accepted(api, made_up):
    a, b = made_up.account(), made_up.account()
    running = run(a, strategy=a.lower())
    path = f"{V1}/strategies/{a.lower()}"
    api.put(f"{V1}/runs", running, run(b, strategy=a.lower(), started_at="2013-10-06T13:00:00Z"), accepted=2)

    def told(**params):
        one = api.get(path, **params)
        assert [one] == api.items(f"{V1}/strategies", strategy=a.lower(), **params)
        return one["version"], one["config_changed_at"], one["config_error"], one["config_error_at"]
    assert told() == (1, None, None, None)
    assert api.get(path)["account"] == a and api.get(path, account=b)["account"] == b
    refused = [refused_edit(a, running["run_id"], n, strategy=a.lower()) for n in (10, 20)]
    api.put(f"{V1}/config-errors", refused[1], refused[0], accepted=2)  # the newest counts
    assert told() == (1, None, refused[1]["text"], stamp(20))
    assert told(account=b) == (1, None, None, None)
    edited = {**running, "version": 2, "config_changed_at": stamp(30), "config_hash": "1" * 64}
    api.put(f"{V1}/runs", edited, accepted=1)
    assert told() == (2, stamp(30), None, None)
    api.put(f"{V1}/config-errors", refused_edit(a, running["run_id"], 40, strategy=a.lower(), text="x.yaml:1:1: \"ü\""), accepted=1)
    assert told() == (2, stamp(30), 'x.yaml:1:1: "ü"', stamp(40))
    api.end(signal.SIGKILL)
    api.start()
    assert told() == (2, stamp(30), 'x.yaml:1:1: "ü"', stamp(40))
    api.put(f"{V1}/config-errors", refused_edit(a, running["run_id"], 50, strategy=a.lower(), text=None), accepted=1)
    assert told() == (2, stamp(30), None, None)
    assert [e["text"] for e in api.items(f"{V1}/config-errors", account=a)][-1] is None
    assert api.ask("GET", f"{V1}/strategies/nobody").status_code == 404


@pytest.mark.parametrize("path", [p for p, op in OPENAPI["paths"].items() if "get" in op])
def test_long_texts_find_nothing_and_hurt_nobody(api, path):
    for text in ("A" * 600, "A" * 1900, "A," * 63 + "A", "%00" * 9):
        if "{id}" in path:
            assert api.ask("GET", path.replace("{id}", text)).status_code in (404, 400)
            continue
        for p in OPENAPI["paths"][path]["get"].get("parameters", []):
            name = resolve(p)["name"]
            if name in ("account", "strategy", "symbol", "run_id", "order_id", "status", "source", "event"):
                assert api.get(path, **{name: text})["items"] == []


NASTY = ["'; DROP TABLE orders; --", "' OR '1'='1", "\\", "$1", "%s%n", "a\\'b''c", "\U0001F4A9", "null", "{}", '"',
         "\u202e", "<script>"]


@pytest.mark.parametrize("text", NASTY)
def test_nasty_texts_are_texts(api, made_up, text):
    a = made_up.account()
    rid = str(uuid.uuid4())
    api.put(f"{V1}/decisions", decision(a, 1, rid, text=text), accepted=1)
    api.put(f"{V1}/order-events", event(a, 1, client_order_id=f"x{text}", raw=text), accepted=1)
    api.put(f"{V1}/runs", run(a, config_text=text, reason=text), accepted=1)
    assert api.items(f"{V1}/decisions", account=a)[0]["text"] == text
    assert api.items(f"{V1}/order-events", account=a)[0]["raw"] == text
    assert api.items(f"{V1}/orders", account=a)[0]["client_order_id"] == f"x{text}"
    assert api.items(f"{V1}/runs", account=a)[0]["reason"] == text
    for path in ("fills", "orders", "order-events", "equity", "decisions", "runs", "positions", "pnl", "strategies"):
        assert api.items(f"{V1}/{path}", account=text) == []
    assert api.items(f"{V1}/bars", symbol=text) == []


LISTS = [p for p, op in OPENAPI["paths"].items() if "get" in op and "text/csv" in op["get"]["responses"]["200"]["content"]]


@pytest.mark.parametrize("path", LISTS)
def test_wrong_queries(api, path):
    for query, parameter in (("limit=0", "limit"), ("limit=1001", "limit"), ("limit=-1", "limit"), ("limit=x", "limit"),
                             ("limit=", "limit"), ("limit=1&limit=2", "limit"), ("format=xml", "format"),
                             ("cursor=zzz", "cursor"), ("cursor=", "cursor"), ("limitt=3", "limitt")):
        reply = api.ask("GET", f"{path}?{query}")
        assert reply.status_code == 400, (query, reply.text)
        assert reply.json()["errors"][0]["pointer"] == parameter
    assert "limit?" in api.ask("GET", f"{path}?limitt=3").json()["detail"]
    if "bars" in path or "fills" in path:
        for when in ("yesterday", "2013-13-01", "17", "2013-10-07T25:00:00Z"):
            assert api.ask("GET", f"{path}?start={when}").status_code == 400
    assert api.ask("GET", f"{path}?limit=%ff").status_code == 400
    assert api.ask("GET", f"{path}?symbol=%ff" if "symbol" in str(OPENAPI["paths"][path]) else f"{path}?account=%ff").status_code == 400


def test_a_range_that_ends_before_it_starts_is_empty(api, made_up):
    a = made_up.account()
    api.put(f"{V1}/order-events", fill(a, 1), accepted=1)
    api.put(f"{V1}/equity", point(a, 1), accepted=1)
    for path in LISTS:
        parameters = [resolve(p)["name"] for p in OPENAPI["paths"][path]["get"]["parameters"]]
        if "start" in parameters:
            for start, end in (("2013-10-09", "2013-10-07"), ("2013-10-07", "2013-10-07")):
                assert api.get(path, start=start, end=end)["items"] == [], (path, start, end)


def test_pnl_refuses_what_it_cannot_group_by(api):
    assert api.ask("GET", f"{V1}/pnl?group_by=strategy,moon").status_code == 400
    assert api.ask("GET", f"{V1}/pnl?start=2013-10-07T00:00:00Z").status_code == 400


def test_cursors_belong_to_their_list(api, made_up):
    a = made_up.account()
    api.put(f"{V1}/order-events", *[fill(a, n) for n in range(1, 9)], accepted=8)
    cursor = api.get(f"{V1}/fills", account=a, limit=3)["next_cursor"]
    assert api.get(f"{V1}/fills", account=a, limit=4, cursor=cursor)["items"]
    for other in (f"fills?account=x&cursor={cursor}", f"fills?cursor={cursor}", f"orders?account={a}&cursor={cursor}",
                  f"fills?account={a}&symbol=SPY&cursor={cursor}"):
        assert api.ask("GET", f"{V1}/{other}").status_code == 400, other
    for i in range(len(cursor)):
        changed = cursor[:i] + ("A" if cursor[i] != "A" else "B") + cursor[i + 1:]
        assert api.ask("GET", f"{V1}/fills?account={a}&cursor={changed}").status_code == 400
    assert api.ask("GET", f"{V1}/fills?account={a}&cursor={cursor[:-1]}").status_code == 400
    assert api.ask("GET", f"{V1}/fills?account={a}&cursor={cursor}A").status_code == 400


# ---- HTTP

def test_no_such_place(api):
    for path in ("/", "/api", "/api/v1", "/api/v2/fills", "/api/v1/fillss", "/api/v1/fills/x", "/api/v1/orders/a/b",
                 "//api/v1/fills/..", "/%00", "/%ff%fe"):
        reply = api.ask("GET", path)
        assert reply.status_code == 404, path
        assert reply.headers["Content-Type"] == "application/problem+json"


def test_no_such_method(api):
    for path, operations in OPENAPI["paths"].items():
        path = path.replace("{id}", "x")
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "BREW"):
            if method.lower() in operations and method.isupper():
                continue
            reply = requests.request(method, api.url + path, timeout=10) if method != "get" else raw_method(api, "get", path)
            assert reply.status_code == 405, (method, path)
            allowed = {m.strip() for m in reply.headers["Allow"].split(",")}
            assert allowed == {m.upper() for m in operations} | ({"HEAD"} if "get" in operations else set())


def raw_method(api, method, path):
    session = requests.Session()
    prepared = session.prepare_request(requests.Request("GET", api.url + path))
    prepared.method = method
    return session.send(prepared, timeout=10)


def test_head_is_get_without_the_body(api):
    for path in ("/healthz", "/readyz", "/version", "/openapi.yaml", f"{V1}/fills", f"{V1}/positions"):
        get, head = api.ask("GET", path), api.ask("HEAD", path)
        assert head.status_code == 200 and head.content == b""
        assert head.headers["Content-Length"] == str(len(get.content))
        assert head.headers["Content-Type"] == get.headers["Content-Type"]


def test_health_and_version(api):
    assert api.get("/healthz") == {"status": "ok"}
    assert api.get("/readyz") == {"status": "ready"}
    assert api.get("/version")["name"] == "bell-api"
    import yaml
    assert yaml.safe_load(api.ask("GET", "/openapi.yaml").text) == OPENAPI


@pytest.mark.parametrize("accept, status", [
    ("application/json", 200), ("*/*", 200), ("text/csv", 200), ("text/*;q=0.5", 200), ("application/*", 200),
    ("image/png, application/json;q=0.1", 200), ("image/png", 406), ("application/xml,text/html", 406)])
def test_what_is_accepted(api, accept, status):
    assert api.ask("GET", f"{V1}/fills", headers={"Accept": accept}).status_code == status
    if accept.startswith("text"):
        assert api.ask("GET", "/healthz", headers={"Accept": accept}).status_code == 406


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
def test_bodies_that_are_not_json(api, made_up, kind):
    a = made_up.account()
    import json
    reply = api.ask("POST", f"{V1}/order-events", data=json.dumps(fill(a, 1)).encode(),
                    headers={"Content-Type": kind} if kind else {})
    assert reply.status_code == 415
    assert api.items(f"{V1}/fills", account=a) == []


def test_a_form_is_not_json(api):
    for form in (dict(files={"a": ("a.json", b"{}", "application/json")}), dict(data={"a": "{}"})):
        assert api.ask("POST", f"{V1}/order-events", **form).status_code == 415


def test_long_bodies(api, made_up):
    import json
    a = made_up.account()
    # Whole, it is right; cut anywhere in its padding it is right too: it must not be handled cut.
    body = json.dumps(fill(a, 1)).encode()
    for size, status in ((1024 * 1024, 200), (1024 * 1024 + 1, 413), (3 * 1024 * 1024, 413)):
        reply = requests.post(f"{api.url}{V1}/order-events", data=body + b" " * (size - len(body)), timeout=30,
                              headers={"Content-Type": "application/json"})
        assert reply.status_code == status, size
        if status == 413:
            assert reply.headers["Content-Type"] == "application/problem+json"
        body = json.dumps(fill(a, 2)).encode()
    assert len(api.items(f"{V1}/fills", account=a)) == 1

    def chunks():
        yield body
        for _ in range(3 * 1024):
            yield b" " * 1024
    reply = requests.post(f"{api.url}{V1}/order-events", data=chunks(), timeout=30, headers={"Content-Type": "application/json"})
    assert reply.status_code == 413
    assert len(api.items(f"{V1}/fills", account=a)) == 1


def spoken(api, data):
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as s:
        s.sendall(data)
        got = b""
        while True:
            more = s.recv(65536)
            got += more
            if not more:
                return got


@pytest.mark.parametrize("lengths", ["Content-Length: 2\r\nContent-Length: 30\r\n", "Content-Length: 2\r\ncontent-length: 2\r\n",
                                     "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"])
def test_two_lengths_are_none(api, lengths):
    head = f"POST {V1}/order-events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{lengths}\r\n"
    got = spoken(api, head.encode() + b"2\r\n{}\r\n0\r\n\r\n" + b" " * 30)
    assert got.startswith(b"HTTP/1.1 400 ") and got.count(b"HTTP/1.1") == 1


def test_a_request_has_a_name(api):
    for name in ("abc-123_x.Y", "x" * 64):
        reply = api.ask("GET", f"{V1}/fills", headers={"X-Request-ID": name})
        assert reply.headers["X-Request-ID"] == name
    for bad in ("x" * 65, "a b", 'a"b', "a=b"):
        assert re.fullmatch(r"[0-9a-f-]{36}", api.ask("GET", f"{V1}/fills", headers={"X-Request-ID": bad}).headers["X-Request-ID"])
    wait_until("the line is there", 5, lambda: "request_id=abc-123_x.Y" in api.log())
    line = next(l for l in api.log().splitlines() if "request_id=abc-123_x.Y" in l)
    assert "method=GET" in line and f"path={V1}/fills" in line and "status=200" in line and " ms=" in line


def test_an_order_is_followed_by_its_ids(api, made_up):
    a = made_up.account()
    api.ask("POST", f"{V1}/order-events", json={"items": [fill(a, 1), event(a, 2)]}, headers={"X-Request-ID": f"r-{a}"})
    lines = [line for line in api.log().splitlines() if f"request_id=r-{a}" in line]
    assert [("event=order_reported" in line, f"order_id={a}-o1 " in line) for line in lines] == [(True, True), (True, False), (False, False)]
    assert f"client_order_id=bell.momentum.20131007.1 order_id={a}-o1 what=fill" in lines[0] and "status=200" in lines[2]


def metrics(api):
    told = {}
    for line in api.ask("GET", "/metrics").text.splitlines():
        if not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            assert series not in told
            told[series] = Decimal(value)
    return told


def test_metrics_count_what_happens(api, made_up):
    a = made_up.account()
    stored = 'bell_api_requests_total{method="POST",route="/api/v1/order-events",status="200"}'
    nowhere = 'bell_api_requests_total{method="",route="",status="404"}'
    before = metrics(api)
    api.put(f"{V1}/order-events", fill(a, 1), fill(a, 2), accepted=2)
    api.put(f"{V1}/order-events", fill(a, 1), accepted=0)
    api.ask("GET", "/nowhere")
    after = metrics(api)
    assert after[stored] - before.get(stored, 0) == 2 and after[nowhere] - before.get(nowhere, 0) == 1
    assert after["bell_api_fills"] - before["bell_api_fills"] == 2
    assert after["bell_api_rows_total"] - before["bell_api_rows_total"] == 2
    assert after["bell_api_database_up"] == 1 and after["bell_api_commit_seconds_count"] > before["bell_api_commit_seconds_count"]
    assert after['bell_api_request_seconds_bucket{kind="ingest",le="+Inf"}'] == after['bell_api_request_seconds_count{kind="ingest"}']
    assert after['bell_build_info{part="api",version="%s"}' % api.get("/version")["version"]] == 1


def test_500_silent_connections_keep_nobody_out(api):
    """More than there may be: who has been silent longest makes room, whatever it has sent of a request."""
    silent = []
    try:
        for n in range(500):
            silent.append(socket.create_connection(("127.0.0.1", api.port), timeout=30))
            silent[-1].sendall([b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "][n % 2])
            if n % 50 == 49:
                assert requests.get(f"{api.url}/healthz", timeout=30).ok
        closed = 0
        for s in silent[:200]:  # these have made room
            try:
                closed += s.recv(4096) == b""
            except ConnectionResetError:
                closed += 1
        assert closed == 200
        assert metrics(api)["bell_api_connections"] <= 257
    finally:
        for s in silent:
            s.close()


# ---- many at once, and things that die

def test_32_connections_and_every_fill_once(api, made_up, questdb):
    a = made_up.account()
    before = questdb.count("order_events")
    accepted, trouble = [0] * 32, []

    def client(k):
        session = requests.Session()
        for n in range(20):
            # Each fill is sent by two clients.
            body = fill(a, (k // 2) * 20 + n + 1)
            reply = session.post(f"{api.url}{V1}/order-events", json=body, timeout=30)
            if reply.status_code != 200:
                trouble.append(reply.text)
            accepted[k] += reply.json().get("accepted", 0)
    threads = [threading.Thread(target=client, args=(k,)) for k in range(32)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not trouble
    assert sum(accepted) == 320
    assert len(api.items(f"{V1}/fills", account=a, limit=1000)) == 320
    assert questdb.count("order_events") == before + 320


def everything(api):
    told = {}
    for path in LISTS:
        params = {"start": "2000-01-01"} if path.endswith("bars") else {}
        if path.endswith("positions"):
            params = {"flat": "true"}
        if path.endswith("pnl"):
            params = {"group_by": "account,strategy,symbol,day"}
        told[path] = api.items(path, limit=1000, **params)
    return told


def test_killed_and_back_it_answers_the_same(api):
    before = everything(api)
    assert all(before.values())
    api.end(signal.SIGKILL)
    api.start()
    assert everything(api) == before


def test_versions_of_orders_are_on_record(api, made_up, questdb):
    a = made_up.account()
    api.put(f"{V1}/orders", intent(a, 1), accepted=1)
    for step in life_of_an_order(a):
        api.put(f"{V1}/order-events", step, accepted=1)
    api.end()
    api.start()
    questdb.query("SELECT wait_wal_table('orders')")
    rows = questdb.query(f"SELECT version, status, filled_quantity FROM orders WHERE account = '{a}' ORDER BY version")
    assert rows == [[1, "intent", 0], [2, "accepted", 0], [3, "new", 0], [4, "partially_filled", 10],
                    [5, "partially_filled", 40], [6, "partially_filled", 60], [7, "filled", 100]]
    # Lost between the event and its version: made up for at the next start.
    api.put(f"{V1}/order-events", event(a, 9, event="canceled", status="canceled", timestamp=stamp(50)), accepted=1)
    api.end(signal.SIGKILL)
    api.start()
    wait_until("the version is there", 10, lambda: questdb.query(
        f"SELECT status FROM orders WHERE account = '{a}' AND client_order_id = 'bell.momentum.20131007.9'") == [["canceled"]])


def test_sigterm_finishes_what_was_begun(api, made_up, questdb):
    a = made_up.account()
    answered, stop = [], threading.Event()

    def client(k):
        session = requests.Session()
        for n in range(1000):
            try:
                body = fill(a, k * 1000 + n + 1)
                reply = session.post(f"{api.url}{V1}/order-events", json=body, timeout=30)
                if reply.status_code == 200:
                    answered.append(body["execution_id"])
                elif reply.status_code != 503:
                    answered.append(reply.text)
            except requests.RequestException:
                return
            if stop.is_set():
                return
    threads = [threading.Thread(target=client, args=(k,)) for k in range(8)]
    [t.start() for t in threads]
    wait_until("some are answered", 20, lambda: len(answered) > 100)
    assert api.end() == 0
    stop.set()
    [t.join() for t in threads]
    api.start()
    known = {f["execution_id"] for f in api.items(f"{V1}/fills", account=a, limit=1000)}
    assert set(answered) <= known


def test_killed_under_load_it_keeps_what_it_acknowledged(api, made_up, questdb):
    a = made_up.account()
    acknowledged = set()

    def client(k):
        session = requests.Session()
        for n in range(100000):
            body = fill(a, k * 100000 + n + 1)
            try:
                if session.post(f"{api.url}{V1}/order-events", json=body, timeout=30).status_code == 200:
                    acknowledged.add(body["execution_id"])
            except requests.RequestException:
                return
    for _ in range(3):
        then = len(acknowledged)
        threads = [threading.Thread(target=client, args=(k,)) for k in range(8)]
        [t.start() for t in threads]
        wait_until("some are acknowledged", 30, lambda: len(acknowledged) > then + 50)
        api.end(signal.SIGKILL)
        [t.join() for t in threads]
        api.start()
        told = [f["execution_id"] for f in api.items(f"{V1}/fills", account=a, limit=1000)]
        assert len(told) == len(set(told)) and acknowledged <= set(told)
        assert api.items(f"{V1}/positions", account=a)[0]["quantity"] == str(100 * len(told))


def test_questdb_dies_and_comes_back(api, made_up, questdb):
    a = made_up.account()
    acknowledged, refused, stop = set(), [], threading.Event()

    def client(k):
        session = requests.Session()
        n = 0
        while not stop.is_set():
            body = fill(a, k * 100000 + n + 1)
            reply = session.post(f"{api.url}{V1}/order-events", json=body, timeout=30)
            if reply.status_code == 200:
                acknowledged.add(body["execution_id"])
                n += 1
            elif reply.status_code == 503 and int(reply.headers["Retry-After"]) > 0:
                refused.append(reply.json()["detail"])
                stop.wait(0.2)  # and the same again: as the outbox does
            else:
                refused.append(f"{reply.status_code} {reply.text}")
                return
    threads = [threading.Thread(target=client, args=(k,)) for k in range(4)]
    [t.start() for t in threads]
    wait_until("some are acknowledged", 20, lambda: len(acknowledged) > 50)
    questdb.end(signal.SIGKILL)
    wait_until("callers are told", 20, lambda: refused)
    not_ready = api.ask("GET", "/readyz")
    assert not_ready.status_code == 503 and "database" in not_ready.json()["detail"]
    assert api.get("/healthz") == {"status": "ok"}
    assert len(api.items(f"{V1}/fills", account=a, limit=1000)) >= len(acknowledged)  # memory goes on answering
    assert api.ask("GET", f"{V1}/equity").status_code == 503
    questdb.start()
    then = len(acknowledged)
    wait_until("it goes on", 30, lambda: len(acknowledged) > then + 50)
    stop.set()
    [t.join() for t in threads]
    assert [r for r in refused if not r.startswith("database: ")] == []
    wait_until("ready again", 10, api.is_ready)
    told = [f["execution_id"] for f in api.items(f"{V1}/fills", account=a, limit=1000)]
    assert len(told) == len(set(told)) and acknowledged <= set(told)
    questdb.query("SELECT wait_wal_table('order_events')")
    recorded = [r[0].split("\t")[1] for r in questdb.query(f"SELECT packed FROM order_events WHERE account = '{a}'")]
    assert sorted(recorded) == sorted(told)
    api.end(signal.SIGKILL)
    api.start()
    assert [f["execution_id"] for f in api.items(f"{V1}/fills", account=a, limit=1000)] == told


def test_a_suspended_table_is_said(api, questdb):
    questdb.query("ALTER TABLE equity SUSPEND WAL")
    try:
        reply = api.ask("GET", "/readyz")
        assert reply.status_code == 503 and "equity is suspended" in reply.json()["detail"]
    finally:
        questdb.query("ALTER TABLE equity RESUME WAL")
    assert api.get("/readyz") == {"status": "ready"}
