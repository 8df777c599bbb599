"""Tables made by an earlier bell-api: a column for each member of an event and of an order."""
import signal
import uuid

import pytest

from conftest import wait_until
from test_api import NASTY, V1, answers, bar, event, fill, intent, life_of_an_order, stamp

UNPACKED = {
    "orders": """timestamp TIMESTAMP, order_id VARCHAR, client_order_id VARCHAR, account SYMBOL, strategy SYMBOL, symbol SYMBOL,
        side SYMBOL, type SYMBOL, time_in_force SYMBOL, quantity LONG, filled_quantity LONG, average_price LONG, limit_price LONG,
        status SYMBOL, submitted_at TIMESTAMP, updated_at TIMESTAMP, run_id SYMBOL, reason VARCHAR, version LONG
        KEYS(timestamp, account, client_order_id, version)""",
    "order_events": """timestamp TIMESTAMP, account SYMBOL, event_key VARCHAR, event_id VARCHAR, event SYMBOL, execution_id VARCHAR,
        order_id VARCHAR, client_order_id VARCHAR, strategy SYMBOL, symbol SYMBOL, side SYMBOL, type SYMBOL, time_in_force SYMBOL,
        quantity LONG, filled_quantity LONG, average_price LONG, limit_price LONG, status SYMBOL, submitted_at TIMESTAMP,
        fill_quantity LONG, fill_price LONG, fee LONG, raw VARCHAR KEYS(timestamp, account, event_key)""",
}
MONEY = {"average_price", "limit_price", "fill_price", "fee"}
TIMES = {"timestamp", "submitted_at", "updated_at"}


def literal(name, value):
    if value is None:
        return "null"
    if name in MONEY:
        return str(round(float(value) * 1_000_000))
    if name in ("quantity", "filled_quantity", "fill_quantity", "version"):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def make(db, table, rows):
    columns, keys = UNPACKED[table].split("KEYS")
    db.query(f"CREATE TABLE {table} ({columns}) TIMESTAMP(timestamp) PARTITION BY DAY WAL DEDUP UPSERT KEYS{keys}")
    names = [c.split()[0] for c in columns.split(",")]
    for row in rows:
        db.query(f"INSERT INTO {table} ({','.join(names)}) VALUES ({','.join(literal(n, row[n]) for n in names)})")


def record(api, account):
    """An account's week, and its rows as the earlier layout held them."""
    run_id = str(uuid.uuid4())
    api.put(f"{V1}/orders", intent(account, 1, run_id=run_id, reason="a\tb\nc\\ \\N"), intent(account, 2))
    api.put(f"{V1}/order-events", *life_of_an_order(account),
            *[event(account, 10 + n, client_order_id=f"x{text}", raw=text + "\t\\N\r\n") for n, text in enumerate(NASTY)],
            event(account, 50, limit_price="168.250001", event_id="01J", type="stop_limit", raw="x" * 3000),
            *[fill(account, 60 + n, timestamp=stamp(60 + n)) for n in range(3)])
    events = [{**e, "event_key": e["execution_id"] or f"{e['order_id']}/{e['event']}/{e['filled_quantity']}"}
              for e in api.items(f"{V1}/order-events", account=account)]
    orders = [{**o, "timestamp": o["updated_at"], "version": 1} for o in api.items(f"{V1}/orders", account=account)]
    # Each order's intent is a version of its own.
    orders += [{**o, "timestamp": stamp(n), "updated_at": stamp(n), "version": 1, "status": "intent", "filled_quantity": "0",
                "average_price": None, "order_id": None, "submitted_at": None}
               for o in orders for n in (1, 2) if o["client_order_id"] == f"bell.momentum.20131007.{n}" and o["run_id"]]
    for n, o in enumerate(orders):
        o["version"] = 1 if o["status"] == "intent" else 9
    return {"orders": orders, "order_events": events}


@pytest.mark.parametrize("cut_short", [False, True])
def test_rows_of_the_earlier_layout_are_taken_over(api, made_up, empty, cut_short):
    db, other = empty
    a = made_up.account()
    rows = record(api, a)
    for table in UNPACKED:
        make(db, table, rows[table])
    if cut_short:  # a start that renamed the table and had moved some rows when it died
        other.start()
        other.end(signal.SIGKILL)
        db.query("DROP TABLE order_events")
        make(db, "order_events", rows["order_events"])
        db.query("RENAME TABLE order_events TO order_events_unpacked")
    other.start()
    other.put(f"{V1}/bars", *api.items(f"{V1}/bars", symbol="SPY", start="2000-01-01"), bar("SPY", 0, "1", source="both"))
    api.put(f"{V1}/bars", bar("SPY", 0, "1", source="both"))
    assert answers(other, a) == answers(api, a)
    names = {row[0] for row in db.query("SELECT table_name FROM tables()")}
    assert {"orders", "order_events"} <= names and not [n for n in names if "unpacked" in n]
    wait_until("all is on record", 10, lambda: db.count("order_events") == len(rows["order_events"]))
    other.put(f"{V1}/order-events", *life_of_an_order(a), accepted=0)
    other.end(signal.SIGKILL)
    other.start()
    assert answers(other, a) == answers(api, a)


def test_a_table_of_a_newer_version_is_refused(empty):
    db, other = empty
    db.query("CREATE TABLE equity (timestamp TIMESTAMP, account SYMBOL, strategy SYMBOL, cash LONG, equity LONG, exposure LONG, mood SYMBOL)"
             " TIMESTAMP(timestamp) PARTITION BY MONTH WAL DEDUP UPSERT KEYS(timestamp, account, strategy)")
    other.start(wait=False)
    wait_until("it says why", 20, lambda: "mood is not known here: a newer bell-api made it" in other.log())
