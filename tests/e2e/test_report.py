"""The figures a demo ends with, and that a difference between record and exchange is found."""

import os
import sys
from decimal import Decimal

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools/bell"))
os.environ.setdefault("BELL_ROOT", str(ROOT))
os.environ.setdefault("BELL_VAR", str(ROOT / "var/test"))
os.environ.setdefault("BELL_QUESTDB_JAR", "")
import instances  # noqa: E402
import report  # noqa: E402
import talk  # noqa: E402

DRAWDOWNS = [
    ("nothing", [], "0"),
    ("only up", ["100", "101", "105"], "0"),
    ("down from the start", ["100", "97", "99"], "3"),
    ("the deepest, not the last", ["100", "110", "104", "120", "118"], "6"),
    ("below zero", ["1", "-2.5"], "3.5"),
]


@pytest.mark.parametrize("curve, deepest", [row[1:] for row in DRAWDOWNS], ids=[row[0] for row in DRAWDOWNS])
def test_max_drawdown(curve, deepest):
    assert report.max_drawdown(map(Decimal, curve)) == Decimal(deepest)


def broker(id="20131007093000000::x", side="buy", qty="100", price="12.5"):
    return {"id": id, "symbol": "SPY", "side": side, "qty": qty, "price": price}


def recorded(id="x", side="buy", quantity="100", price="12.50"):
    return {"execution_id": id, "symbol": "SPY", "side": side, "quantity": quantity, "price": price}


DIFFERENCES = [
    ("equal, written otherwise", [broker()], [recorded()], []),
    ("a short sale is a sale", [broker(side="sell_short")], [recorded(side="sell")], []),
    ("not recorded", [broker()], [], ["fill x (SPY buy 100 12.5) is not in the API"]),
    ("never happened", [], [recorded()], ["fill x (SPY buy 100 12.50) is unknown to the exchange"]),
    ("another price", [broker()], [recorded(price="12.51")], ["fill x: exchange"]),
    ("twice", [broker()], [recorded(), recorded()], ["1 fills are in the API twice"]),
]


@pytest.mark.parametrize("there, here, sentences", [row[1:] for row in DIFFERENCES], ids=[row[0] for row in DIFFERENCES])
def test_fill_differences(there, here, sentences):
    found = report.fill_differences(there, here)
    assert len(found) == len(sentences) and all(f.startswith(s) for f, s in zip(found, sentences)), found


def test_a_strategy_that_never_traded_has_a_row():
    run = {"strategy": "idle", "plugin": "moody_trader", "capital": "1000"}
    (row,) = report.strategies([run], [], [])
    assert (row.strategy, row.fills, row.total, row.return_pct, row.drawdown) == ("idle", 0, 0, 0, 0)


MONEY = [("0", "0.00"), ("-0", "0.00"), ("1234567.5", "1,234,567.50"), ("-1234.123456", "-1,234.123456"), ("-0.01", "-0.01"), ("12.3000", "12.30")]


@pytest.mark.parametrize("text, shown", MONEY)
def test_money(text, shown):
    assert talk.money(text) == shown


SYMBOLS = [
    ("in brackets", "symbols: [SPY, BRK.B] # and NOT this\ncapital: 1 USD\n", ["SPY", "BRK.B"]),
    ("in brackets, broken over lines", "symbols: [\n  SPY,\n  IBM ]\nquantity: 1\n", ["SPY", "IBM"]),
    ("as a list", "symbols:\n  - SPY\n  - IBM\nparams:\n  X: A\n", ["SPY", "IBM"]),
    ("as a list, flush left", "symbols:\n- SPY\n\n- IBM\nparams: {}\n", ["SPY", "IBM"]),
]


@pytest.mark.parametrize("text, symbols", [row[1:] for row in SYMBOLS], ids=[row[0] for row in SYMBOLS])
def test_symbols_of_an_instance(text, symbols):
    assert instances.symbols_of(text) == symbols
