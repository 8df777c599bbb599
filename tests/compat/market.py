"""The market these tests trade on: recorded bars and quotes whose every price is known in advance.

Today is Tuesday 2024-07-02. Before 10:30 New York nothing moves; then MSFT rises 10 cents a minute for half an hour, TSLA falls
10 cents a minute, and all others stand. Tomorrow is a half day, the day after a holiday, and Friday a whole session."""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
BEFORE = ["2024-06-27", "2024-06-28", "2024-07-01"]
TODAY, HALF_DAY, FRIDAY = "2024-07-02", "2024-07-03", "2024-07-05"
HALF_SPREAD, SIZE, VOLUME = 0.01, 500, 1000
PRICES = {  # today's price until 10:30, yesterday's close
    "AAPL": (100.00, 98.00),
    "BRK.B": (300.00, 300.00),
    "F": (12.00, 12.00),
    "IBM": (150.00, 150.00),
    "MSFT": (200.00, 200.00),
    "SIRI": (0.50, 0.50),
    "SPY": (400.00, 396.00),
    "TSLA": (250.00, 250.00),
}


def at(date, time):
    """New York wall time as an aware UTC time."""
    return dt.datetime.fromisoformat(f"{date}T{time}").replace(tzinfo=NEW_YORK).astimezone(dt.timezone.utc)


def text(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def close_of(date):
    return at(date, "13:00" if date == HALF_DAY else "16:00")


def price(symbol, time):
    """(open, close) of the minute that starts at time."""
    today, before = PRICES[symbol]
    if time < at(TODAY, "00:00"):
        return before, before
    move = {"MSFT": 0.10, "TSLA": -0.10}.get(symbol, 0)
    minutes = (time - at(TODAY, "10:30")).total_seconds() / 60
    step = lambda m: round(today + move * min(max(m, 0), 30), 4)
    return step(minutes), step(minutes + 1)


def spread(symbol):
    return 0.0001 if PRICES[symbol][0] < 1 else HALF_SPREAD


def decimal(value):
    return f"{value:.4f}".rstrip("0").rstrip(".")


def write(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    bars, quotes = ["symbol,timestamp,open,high,low,close,volume"], ["symbol,timestamp,bid,bid_size,ask,ask_size"]
    for symbol in PRICES:
        for date in [*BEFORE, TODAY, HALF_DAY, FRIDAY]:
            time = at(date, "09:00")  # half an hour before the open, half an hour after the close
            while time < close_of(date) + dt.timedelta(minutes=30):
                first, last = price(symbol, time)
                bars.append(",".join([symbol, text(time), *map(decimal, (first, max(first, last), min(first, last), last)), str(VOLUME)]))
                half = spread(symbol)
                quotes.append(",".join([symbol, text(time), decimal(last - half), str(SIZE), decimal(last + half), str(SIZE)]))
                time += dt.timedelta(minutes=1)
    (folder / "bars-1min.csv").write_text("\n".join(bars) + "\n")
    (folder / "quotes-1min.csv").write_text("\n".join(quotes) + "\n")
    return folder
