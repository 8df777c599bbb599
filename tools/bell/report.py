"""What a demo ends with: a row per strategy, and the one line that says whether the record is right.

Pure: facts in as the API and the exchange gave them (decimal strings), figures out as Decimal."""

from dataclasses import dataclass
from decimal import Decimal

from talk import money


@dataclass
class Row:
    strategy: str
    plugin: str
    capital: Decimal
    fills: int
    realized: Decimal
    fees: Decimal
    total: Decimal
    drawdown: Decimal           # dollars, >= 0

    @property
    def return_pct(self):
        return self.total / self.capital * 100 if self.capital else Decimal(0)

    @property
    def drawdown_pct(self):
        return self.drawdown / self.capital * 100 if self.capital else Decimal(0)


def max_drawdown(equities):
    """The deepest fall from a peak, in the order given."""
    peak, deepest = None, Decimal(0)
    for equity in equities:
        peak = equity if peak is None or equity > peak else peak
        deepest = max(deepest, peak - equity)
    return deepest


def strategies(runs, pnl, equity):
    """runs: /runs; pnl: /pnl?group_by=strategy; equity: /equity rows in time order; all of one account. A strategy
    that never traded has a row too. What nobody's strategy did (orders by hand) is the row ""."""
    rows = {}
    for run in runs:
        rows[run["strategy"]] = Row(run["strategy"], run["plugin"], Decimal(run["capital"]), 0, *[Decimal(0)] * 4)
    for p in pnl:
        row = rows.setdefault(p["strategy"], Row(p["strategy"], "", Decimal(0), 0, *[Decimal(0)] * 4))
        row.fills, row.realized = int(p["fills"]), Decimal(p["realized_pnl"])
        row.fees, row.total = Decimal(p["fees"]), Decimal(p["total_pnl"])
    curves = {}
    for e in equity:
        curves.setdefault(e["strategy"], []).append(Decimal(e["equity"]))
    for name, curve in curves.items():
        if name in rows:
            rows[name].drawdown = max_drawdown([rows[name].capital, *curve])
    return [rows[name] for name in sorted(rows)]


def table(rows):
    """What a person sees: a head, a row per strategy, the total."""
    def line(name, plugin, fills, realized, fees, percent, drawdown):
        return name, plugin, fills, money(realized, sign=True), money(fees), f"{percent:+.2f} %", drawdown

    sums = [sum((getattr(r, key) for r in rows), Decimal(0)) for key in ("capital", "realized", "fees", "total")]
    capital, realized, fees, total = sums
    return [("strategy", "plugin", "fills", "realised P&L", "fees", "return", "max drawdown"),
            *(line(r.strategy or "(none)", r.plugin, r.fills, r.realized, r.fees, r.return_pct, f"{money(r.drawdown)} ({r.drawdown_pct:.2f} %)") for r in rows),
            line("total", "", sum(r.fills for r in rows), realized, fees, total / capital * 100 if capital else 0, "")]


def fill_differences(broker, recorded):
    """Where the exchange's FILL activities and the API's /fills are not the same, one sentence each."""
    def of_broker(a):
        return a["id"].partition("::")[2], (a["symbol"], "buy" if a["side"] == "buy" else "sell", Decimal(a["qty"]), Decimal(a["price"]))

    def of_record(f):
        return f["execution_id"], (f["symbol"], f["side"], Decimal(f["quantity"]), Decimal(f["price"]))

    there, here, found = dict(map(of_broker, broker)), dict(map(of_record, recorded)), []
    for name, a, b in (("is not in the API", there, here), ("is unknown to the exchange", here, there)):
        found += [f"fill {key} ({' '.join(map(str, a[key]))}) {name}" for key in a.keys() - b.keys()]
    found += [f"fill {key}: exchange {there[key]}, API {here[key]}" for key in there.keys() & here.keys() if there[key] != here[key]]
    if len(recorded) != len(here):
        found.append(f"{len(recorded) - len(here)} fills are in the API twice")
    return sorted(found)
