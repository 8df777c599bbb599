"""What ./bell watch draws: a look as lines of a screen that big.

Pure. A line is a list of (text, style) with style one of STYLES; whoever shows it paints it. Nothing is ever wider than `width`, and
there are never more lines than `height`: columns and rows that do not fit are left out, the least needed first."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Callable

STYLES = {"": "", "bold": "1", "dim": "2", "red": "31", "green": "32", "alarm": "1;31"}


@dataclass
class Column:
    head: str
    text: Callable              # row -> text
    right: bool = False
    need: int = 9               # what has the least goes first when it is narrow; 9 never does
    style: Callable = lambda row: ""


def cents(value, sign=False):
    return "" if value is None else f"{Decimal(value):{'+' if sign and Decimal(value) else ''},.2f}"


def price(value):
    """At least two decimals, at most four."""
    if value is None:
        return ""
    text = f"{Decimal(value):,.4f}"
    return text[:-2] if text.endswith("00") else text


def lean(value):
    """The colour of a gain or loss; the sign says the same."""
    return "" if value is None or Decimal(value) == 0 else "red" if Decimal(value) < 0 else "green"


def span(delta):
    """48 s, 12 min, 5 h 48 min, 2 d 17 h."""
    seconds = max(0, int(delta.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 1:
        return f"{seconds} s"
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60:02d} min" if days < 1 else f"{days} d {hours % 24} h"


def session_clock(clock):
    """Where the market's day stands, in words."""
    now = clock["now"]
    if clock["ends"] and now >= clock["ends"]:
        return "its market data have ended"
    if clock["is_open"]:
        return f"open, closes {clock['next_close']:%H:%M}, in {span(clock['next_close'] - now)}"
    return f"closed, opens {clock['next_open']:%a %H:%M}, in {span(clock['next_open'] - now)}"


def day_of(time):
    return f"{time:%a} {time.day} {time:%b %Y}"


# ---- lines

def cut(line, width):
    """The line, no wider; an ellipsis where something is missing."""
    if sum(len(text) for text, _ in line) <= width:
        return line
    short, left = [], width - 1
    for text, style in line:
        short.append((text[:left], style))
        left -= len(text)
        if left <= 0:
            break
    return [*short, ("…", "dim")] if width > 0 else []


def flow(pieces, width):
    """Pieces side by side, as many lines as that takes."""
    lines = []
    for text, style in pieces:
        if lines and sum(len(t) for t, _ in lines[-1]) + 2 + len(text) <= width:
            lines[-1] += [("  ", ""), (text, style)]
        else:
            lines.append([(text, style)])
    return lines


def table(columns, rows, width, most, total=None):
    """Head, rows and total in at most `most` lines; rows that do not fit are counted, the total stays."""
    rows, most = list(rows), most - bool(total)
    hidden = max(0, len(rows) - (most - 1))
    if hidden:
        hidden, rows = hidden + 1, rows[:max(0, most - 2)]
    rows += [total] if total else []
    columns = list(columns)
    while True:
        cells = [[c.head for c in columns], *([c.text(row) for c in columns] for row in rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
        least = min(columns, key=lambda c: c.need)
        if sum(widths) + 2 * (len(columns) - 1) <= width or least.need == 9:
            break
        columns.remove(least)
    lines = []
    for n, line in enumerate(cells):
        row = rows[n - 1] if n else None
        lines.append([part for i, c in enumerate(columns) for part in (
            ("" if i == 0 else "  ", ""),
            (f"{line[i]:>{widths[i]}}" if c.right else f"{line[i]:<{widths[i]}}", ("bold" if i == 0 else "dim") if row is None else c.style(row)))])
    if hidden and most >= 2:
        lines.insert(len(lines) - bool(total), [(f"… {hidden} more", "dim")])
    return lines


def share(free, wants, least):
    """How many of the free lines each section gets: its least if there is room, the first one up to half of all, then in turns."""
    got = []
    for i, want in enumerate(wants):
        some = min(want, max(least, free // 2) if i == 0 else least)
        got.append(some if some <= free else 0)
        free -= got[i]
    while hungry := [i for i, want in enumerate(wants) if 0 < got[i] < want][:free]:
        for i in hungry:
            got[i] += 1
        free -= len(hungry)
    return got


# ---- the sections

def strategy_columns(day):
    gain = lambda key: dict(text=lambda r: cents(r[key], sign=True), right=True, style=lambda r: lean(r[key]))
    return [
        Column("P&L", lambda r: r["strategy"] or "(none)", style=lambda r: "bold" if r["strategy"] == "all" else ""),
        Column("status", lambda r: r["status"], need=3, style=lambda r: "alarm" if r["status"] in ("failed", "stopped") else ""),
        Column("fills", lambda r: str(r["fills"]), right=True, need=2),
        Column("realised", **gain("realized"), need=6),
        Column("unrealised", **gain("unrealized"), need=7),
        Column("fees", lambda r: cents(r["fees"]), right=True, need=1),
        Column(f"{day.day} {day:%b}" if day else "day", **gain("today"), need=5),
        Column("total", **gain("total")),
    ]


POSITIONS = [
    Column("Positions", lambda r: r["strategy"] or "(none)"),
    Column("symbol", lambda r: r["symbol"]),
    Column("quantity", lambda r: r["quantity"], right=True),
    Column("average", lambda r: price(r["average_price"]), right=True, need=4),
    Column("price", lambda r: price(r["market_price"]), right=True, need=3),
    Column("value", lambda r: cents(r["market_value"]), right=True, need=2),
    Column("unrealised", lambda r: cents(r["unrealized_pnl"], sign=True), right=True, need=5, style=lambda r: lean(r["unrealized_pnl"])),
]

ORDERS = [
    Column("Open orders", lambda r: r["strategy"] or "(none)"),
    Column("sent", lambda r: r["at"], need=2),
    Column("side", lambda r: r["side"]),
    Column("quantity", lambda r: r["quantity"], right=True),
    Column("filled", lambda r: r["filled_quantity"], right=True, need=3),
    Column("symbol", lambda r: r["symbol"]),
    Column("type", lambda r: r["type"] + (f" {price(r['limit_price'])}" if r["limit_price"] else ""), need=5),
    Column("in force", lambda r: r["time_in_force"], need=1),
    Column("status", lambda r: r["status"], need=4),
]

FILLS = [
    Column("Last fills", lambda r: r["strategy"] or "(none)"),
    Column("time", lambda r: r["at"], need=5),
    Column("side", lambda r: r["side"]),
    Column("quantity", lambda r: r["quantity"], right=True),
    Column("symbol", lambda r: r["symbol"]),
    Column("price", lambda r: price(r["price"]), right=True, need=6),
    Column("fee", lambda r: cents(r["fee"]), right=True, need=1),
]


def head(look, width):
    clock, pieces = look.clock, []
    if clock:
        pieces += [(f"{day_of(clock['now'])} {clock['now']:%H:%M:%S} New York", "bold"), (session_clock(clock), "")]
    pieces.append((f"account {look.account}" if look.account else "no account yet", ""))
    if look.equity is not None:
        pieces.append((f"equity {cents(look.equity)}", ""))
    health = [(part["part"] if part["state"] == "running" else f"{part['part']} {part['state']}" + (f" ({part['detail']})" if part["detail"] else ""),
               "green" if part["state"] in ("running", "finished") else "alarm") for part in look.parts]
    return flow(pieces, width) + flow(health, width)


def picture(look, width, height, foot=""):
    """look: watch.Look; foot: the last line."""
    top, gap = head(look, width)[:max(1, height // 2)], int(height >= 20)
    alarms = [[(text, "alarm")] for text in look.troubles]
    most = max(1, height // 3)
    if len(alarms) > most:
        alarms = alarms[:most - 1] + [[(f"… {len(alarms) - most + 1} more", "alarm")]]
    low = [[(foot, "dim")]] if foot else []
    sections = [(strategy_columns(look.day), look.strategies, "no strategy has run yet", look.total), (POSITIONS, look.positions, "no positions", None),
                (ORDERS, look.orders, "no open orders", None), (FILLS, look.fills, "no fills yet", None)]
    wants = [gap + 1 + len(rows) + bool(total) for _, rows, _, total in sections]     # without rows: a line in words
    heights = share(height - len(top) - len(alarms) - len(low), wants, gap + 2)
    lines = top + alarms
    for (columns, rows, nothing, total), most in zip(sections, heights):
        if most:
            lines += [[]] * gap
            lines += table(columns, rows, width, most - gap, total) if rows else [[(nothing, "dim")]]
    lines = lines[:height - len(low)]
    return [cut(line, width) for line in (*lines, *[[]] * (height - len(low) - len(lines)), *low)]


def painted(line, colour):
    return "".join(f"\033[{STYLES[style]}m{text}\033[0m" if colour and style and text else text for text, style in line).rstrip()
