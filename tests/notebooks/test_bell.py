"""The figures of notebooks/bell.py on examples small enough to work out by hand."""

import sys
from decimal import Decimal as D
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "notebooks"))

import bell  # noqa: E402


def at(text):
    return pd.Timestamp(f"2024-03-{text}", tz="UTC")


def fills(*rows):
    """(time, strategy, symbol, side, quantity, price, fee[, slippage])"""
    names = ["timestamp", "strategy", "symbol", "side", "quantity", "price", "fee", "slippage"]
    frame = pd.DataFrame([(at(r[0]), *r[1:5], D(r[5]), D(r[6]), r[7] if len(r) > 7 else float("nan")) for r in rows], columns=names)
    return frame.set_index("timestamp")


def series(*rows):
    return pd.Series([v for _, v in rows], index=pd.DatetimeIndex([at(t) for t, _ in rows]), dtype=float)


# ---- trades

TRADES = {  # fills -> (side, quantity, entry, exit, entry price, exit price, pnl, fees)
    "long": ([("04 15:00", "a", "X", "buy", 10, "5.00", "0.10"), ("04 15:30", "a", "X", "sell", 10, "6.50", "0.20")],
             [("long", 10, "04 15:00", "04 15:30", "5", "6.5", "14.70", "0.30")]),
    "short": ([("04 15:00", "a", "X", "sell", 10, "5.00", "0"), ("04 15:30", "a", "X", "buy", 10, "6.50", "0")],
              [("short", 10, "04 15:00", "04 15:30", "5", "6.5", "-15", "0")]),
    "in two steps and out in two": (
        [("04 15:00", "a", "X", "buy", 10, "5.00", "0"), ("04 15:01", "a", "X", "buy", 30, "6.00", "0"),
         ("04 15:02", "a", "X", "sell", 20, "7.00", "0"), ("04 15:03", "a", "X", "sell", 20, "5.00", "0")],
        [("long", 40, "04 15:00", "04 15:03", "5.75", "6", "10", "0")]),
    "through zero: two trades, the fee shared": (
        [("04 15:00", "a", "X", "buy", 10, "5.00", "0"), ("04 15:01", "a", "X", "sell", 30, "6.00", "0.30"), ("04 15:02", "a", "X", "buy", 20, "5.50", "0")],
        [("long", 10, "04 15:00", "04 15:01", "5", "6", "9.90", "0.10"), ("short", 20, "04 15:01", "04 15:02", "6", "5.5", "9.80", "0.20")]),
    "two strategies in one symbol do not mix": (
        [("04 15:00", "a", "X", "buy", 10, "5.00", "0"), ("04 15:01", "b", "X", "sell", 10, "6.00", "0"),
         ("04 15:02", "a", "X", "sell", 10, "5.50", "0"), ("04 15:03", "b", "X", "buy", 10, "6.25", "0")],
        [("long", 10, "04 15:00", "04 15:02", "5", "5.5", "5", "0"), ("short", 10, "04 15:01", "04 15:03", "6", "6.25", "-2.5", "0")]),
}


@pytest.mark.parametrize("name", TRADES)
def test_trades_go_from_flat_to_flat(name):
    given, expected = TRADES[name]
    found = bell.trades(fills(*given))
    assert [(t.side, t.quantity, t.entry, t.exit, t.entry_price, t.exit_price, t.pnl, t.fees) for t in found.itertuples()] == [
        (side, n, at(a), at(b), D(p), D(q), D(pnl), D(fee)) for side, n, a, b, p, q, pnl, fee in expected]


def test_what_is_held_is_valued_at_the_mark_and_has_no_exit():
    open_one = fills(("04 15:00", "a", "X", "sell", 10, "5.00", "0.25"))
    trade = bell.trades(open_one, {"X": D("4.60")}).iloc[0]
    assert (trade["pnl"], pd.isna(trade["exit"]), trade["exit_price"]) == (D("3.75"), True, None)
    with pytest.raises(bell.BellError, match="a still holds -10 X, and there is no price"):
        bell.trades(open_one)


def test_slippage_of_a_trade_is_that_of_its_fills():
    given = fills(("04 15:00", "a", "X", "buy", 10, "5", "0", 1.0), ("04 15:01", "a", "X", "sell", 40, "5", "0", 4.0),
                  ("04 15:02", "a", "X", "buy", 30, "5", "0"), ("04 15:03", "b", "X", "buy", 1, "5", "0"), ("04 15:04", "b", "X", "sell", 1, "5", "0"))
    found = bell.trades(given)
    assert list(found["slippage"][:2]) == [2.0, 3.0] and np.isnan(found["slippage"][2])


def test_no_fills_no_trades():
    assert bell.trades(fills()).empty


def test_slippage_is_against_the_last_close_known_when_the_order_was_sent():
    bars = pd.DataFrame({"symbol": ["X", "X", "Y", "X"], "close": [10.0, 11.0, 99.0, 50.0]},
                        index=pd.DatetimeIndex([at("04 14:58"), at("04 14:59"), at("04 14:59"), at("04 15:00")], name="timestamp"))
    orders = pd.DataFrame({"order_id": ["1", "2", "3", "4"], "time_in_force": ["day", "day", "cls", "day"]},
                          index=pd.DatetimeIndex([at("04 15:00"), at("04 14:59:30"), at("04 15:00"), at("04 14:00")], name="submitted_at"))
    given = fills(("04 15:00", "a", "X", "buy", 10, "11.20", "0"), ("04 15:01", "a", "X", "sell", 10, "9.50", "0"),
                  ("04 20:00", "a", "X", "buy", 10, "60", "0"), ("04 20:00", "a", "X", "buy", 10, "60", "0"))
    given["order_id"] = ["1", "2", "3", "4"]
    # 11.20 against 11 (the 15:00 bar is not over); a sale at 9.50 against 10; an auction; an order before any bar.
    assert bell.slippage(given, orders, bars) == pytest.approx([2.0, 5.0, np.nan, np.nan], nan_ok=True)


# ---- statistics

def test_wilson():
    assert bell.wilson(0, 0) == (None, None, None)
    # 1 of 2, z = 2: middle (1 + 2) / (2 + 4), spread 2 / 6 * sqrt(1/2 + 1)
    assert bell.wilson(1, 2, z=2) == pytest.approx((0.5, 0.5 - sqrt(1.5) / 3, 0.5 + sqrt(1.5) / 3))
    assert bell.wilson(0, 5)[:2] == (0, 0) and bell.wilson(5, 5)[::2] == (1, 1)


def test_profit_factor_is_undefined_without_a_loss():
    assert bell.profit_factor([3, -1, 0, -1]) == 1.5
    assert bell.profit_factor([3, 1]) is None and bell.profit_factor([]) is None
    assert bell.profit_factor([-3]) == 0


def test_bootstrap():
    assert bell.bootstrap([], np.mean) == (None, None)
    assert bell.bootstrap([2.0, 2.0, 2.0], np.mean) == (2, 2)
    values = [1.0, -1.0] * 50  # the mean's error is 0.1
    low, high = bell.bootstrap(values, np.mean)
    assert low == pytest.approx(-0.196, abs=0.03) and high == pytest.approx(0.196, abs=0.03)
    assert bell.bootstrap(values, np.mean) == (low, high)
    assert bell.bootstrap([5.0, -1.0], bell.profit_factor)[1] is None  # one draw of four has no loss


def test_by_strategy():
    trips = bell.trades(fills(("04 15:00", "a", "X", "buy", 1, "10", "0"), ("04 15:10", "a", "X", "sell", 1, "13", "0"),
                              ("04 15:20", "a", "X", "buy", 1, "10", "0"), ("04 15:50", "a", "X", "sell", 1, "9", "0")))
    for row in (bell.by_strategy(trips).loc["a"], bell.by_strategy(trips).loc["all"]):
        assert (row["trades"], row["hit_rate"], row["profit_factor"], row["expectancy"]) == (2, 0.5, 3, 1)
        assert (row["average_win"], row["average_loss"], row["median_hold"]) == (3, -1, pd.Timedelta("20min"))
    nothing = bell.by_strategy(bell.trades(fills())).loc["all"]
    assert nothing["trades"] == 0 and nothing[["hit_rate", "profit_factor", "expectancy", "average_win"]].isna().all()


def test_sharpe():
    # 1 %, 3 %: mean 2, deviation sqrt 2; interval sqrt 2 +- 1.96 sqrt((1 + 2/2) / 2)
    found = bell.sharpe([0.01, 0.03], 5, minutes=1)
    assert (found["n"], found["warning"]) == (2, "short sample")
    assert (found["sharpe"], found["low"], found["high"]) == pytest.approx((sqrt(2), sqrt(2) - 1.96, sqrt(2) + 1.96))
    assert bell.sharpe([0.01, 0.03], 5)["sharpe"] == pytest.approx(sqrt(2 * 252 * 390))
    assert bell.sharpe([0.01, 0.03], 20)["warning"] == ""
    assert bell.sharpe([0.01, 0.01, 0.01], 5)["sharpe"] is None and bell.sharpe([], 5)["sharpe"] is None and bell.sharpe([0.01], 5)["low"] is None


NIGHT = series(("04 20:58", 100), ("04 20:59", 101), ("05 14:30", 201), ("05 14:31", 203))


def test_a_night_is_no_minute():
    assert list(bell.minute_returns(NIGHT, 100)) == pytest.approx([0.01, 0.02])


def test_drawdown_counts_from_the_start():
    curve = series(("04 15:00", 98), ("04 15:01", 103), ("04 15:02", 100), ("04 15:03", 104), ("04 15:04", 99), ("04 15:05", 101))
    assert list(bell.drawdown(curve, 100)) == [-2, 0, -3, 0, -5, -3]
    worst = bell.worst_drawdowns(curve, 100, 2)
    assert list(worst["depth"]) == [5, 3]
    assert list(worst["peak"]) == [at("04 15:03"), at("04 15:01")] and list(worst["trough"]) == [at("04 15:04"), at("04 15:02")]
    assert pd.isna(worst["recovered"][0]) and worst["recovered"][1] == at("04 15:03")
    assert bell.worst_drawdowns(series(("04 15:00", 100), ("04 15:01", 101)), 100).empty


def test_pnl_by_hour_adds_up_and_gives_the_night_its_own():
    wide = pd.DataFrame({"a": NIGHT}).reindex(NIGHT.index.union([at("04 21:00")])).ffill()
    wide.loc[at("04 21:00"), "a"] = 111  # the closing auction
    found = bell.pnl_by_hour(wide, pd.Series({"a": 90.0}))["a"]
    assert dict(found) == {"15–16": (100 - 90) + 1 + 10, "night": 90, "09:30–10": 2}
    assert found.sum() == 203 - 90


def test_curves_start_at_the_capital_and_keep_the_last_value():
    equity = pd.DataFrame({"strategy": ["a", "b", "a"], "equity": [10.0, 21.0, 12.0], "exposure": [1.0, 2.0, 3.0]},
                          index=pd.DatetimeIndex([at("04 15:00"), at("04 15:01"), at("04 15:02")]))
    runs = pd.DataFrame({"strategy": ["a", "b"], "capital": [D(10), D(20)]})
    assert bell.curves(equity, runs).to_numpy().tolist() == [[10, 20], [10, 21], [12, 21]]
    assert bell.curves(equity, runs, "exposure").to_numpy().tolist() == [[1, 0], [1, 2], [3, 2]]


def test_gaps_are_the_missing_minutes_of_sessions():
    minutes = pd.date_range(at("04 14:30"), at("04 14:35"), freq="1min", inclusive="left")
    bars = pd.concat([pd.DataFrame({"symbol": "X"}, index=minutes.delete([1, 2])), pd.DataFrame({"symbol": "Y"}, index=minutes)])
    sessions = pd.DataFrame({"open": [at("04 14:30")], "close": [at("04 14:35")]}, index=["2024-03-04"])
    assert bell.gaps(bars, sessions).to_numpy().tolist() == [["X", "2024-03-04", 2, 5, "09:31, 09:32"]]


# ---- agreement

AGREEMENTS = [
    ("all three", "1.00", "1.00", "1.00", [], True), ("less than half a cent apart", "1.00", "1.004", "1.00", [], True),
    ("trades a cent off", "1.00", "1.01", "1.00", [], False), ("exchange a cent off", "1.00", "1.00", "0.99", [], False),
    ("exchange silent", "1.00", "1.00", None, [], False), ("a fill differs", "1.00", "1.00", "1.00", ["Fill x is not in the API."], False),
]


@pytest.mark.parametrize("name, api, trades, exchange, differences, right", AGREEMENTS)
def test_reconciliation_is_red_unless_all_agree(name, api, trades, exchange, differences, right):
    found = bell.Reconciliation(D(api), D(trades), None if exchange is None else D(exchange), differences)
    assert (found.right, "DO NOT AGREE" in found.sentence, "#b71c1c" in found._repr_html_()) == (right, not right, not right)


def test_fill_differences():
    columns = ["execution_id", "symbol", "side", "quantity", "price"]
    here = pd.DataFrame([("1", "X", "buy", 10, D("5.00")), ("2", "X", "buy", 10, D(5)), ("3", "X", "buy", 10, D(5)), ("3", "X", "buy", 10, D(5))], columns=columns)
    there = pd.DataFrame([("1", "X", "buy", 10, D(5)), ("2", "X", "sell", 10, D(5)), ("4", "X", "buy", 10, D(5))], columns=columns)
    found = bell.fill_differences(here, there)
    assert [line.partition(",")[0].partition("(")[0] for line in found] == [
        "Fill 4 is not in the API.", "Fill 3 is unknown to the exchange.", "Fill 2 is ", "1 fills are in the API twice."]
    assert bell.fill_differences(here[:1], there[:1]) == []


# ---- words

def test_words():
    assert [bell.dollars(v, sign=True) for v in (D("-1234.5"), 0.0, D("-0.001"), None, float("nan"), 2)] == ["-$1,234.50", "$0.00", "$0.00", "—", "—", "+$2.00"]
    assert (bell.percent(0.1234), bell.percent(None), bell.percent(0.01, 0, sign=True)) == ("12.34 %", "—", "+1 %")
    assert (bell.interval(1, 0.5, None), bell.interval(None, 1, 2)) == ("1.00 [0.50, ∞]", "—")
    assert [bell.duration(pd.Timedelta(v)) for v in ("90s", "185min", "65h")] == ["2 min", "3 h 05", "2 d 17 h"]
    assert bell.duration(pd.NaT) == "—"


def test_verdict_says_what_happened():
    trips = bell.trades(fills(("04 15:00", "a", "X", "buy", 1, "10", "0"), ("04 15:10", "a", "X", "sell", 1, "13", "0"),
                              ("04 15:20", "b", "X", "buy", 1, "10", "0"), ("04 15:50", "b", "X", "sell", 1, "9", "0")))
    said = bell.verdict(pd.Series({"a": D(3), "b": D(-1)}), pd.Series({"a": 100.0, "b": 100.0}), trips, 1.5, 1, 0.01)
    for words in ("In 1 session the 2 strategies together made $2.00 after fees, +1.00 % on $200.00", "SPY did +1.00 %", "Best was a (+$3.00), worst b (-$1.00)",
                  "$1.50 below their peak", "2 trades, 50 % of them won", "holds zero", "Nothing is held at the end."):
        assert words in said
    idle = bell.verdict(pd.Series({"a": D(0)}), pd.Series({"a": 100.0}), bell.trades(fills()), 0, 5)
    assert "neither made nor lost anything" in idle and "trades," not in idle


def test_one_colour_a_strategy_whatever_the_order():
    assert bell.colours(["b", "a"]) == bell.colours(["a", "b"]) and len(set(bell.colours("abcdefgh").values())) == 8


# ---- types

def test_types():
    frame = bell.typed(pd.DataFrame({"price": ["1.10", None], "quantity": ["3", "-4"], "filled_quantity": [None, "1"], "close": ["1.5", "2.5"],
                                     "timestamp": ["2024-03-04T14:30:00.000001Z", None], "symbol": ["X", "Y"]}))
    assert list(frame["price"]) == [D("1.10"), None] and list(frame["quantity"]) == [3, -4] and frame["quantity"].dtype == "int64"
    assert frame["filled_quantity"].dtype == "Int64" and frame["close"].dtype == "float64"
    assert frame["timestamp"][0] == pd.Timestamp("2024-03-04T14:30:00.000001Z") and str(frame["timestamp"].dt.tz) == "UTC"
    assert bell.typed(pd.DataFrame({"close": ["1.5"]}), exact=True)["close"][0] == D("1.5")
