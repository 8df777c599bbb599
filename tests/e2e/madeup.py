"""A recorded market that never was: folders in the format of docs/market-data.md, the same for the same seed.

Has what real recordings have: minutes without a trade, extended hours, minutes without a quote, a symbol whose first
trade of a day comes late."""

import datetime as dt
import random
from pathlib import Path

import oracle


def stamp(time):
    return dt.datetime.fromtimestamp(time, dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def cents(value):
    return f"{value // 100}.{value % 100:02}"


def write(folder, dates, symbols, seed, with_quotes=True, late=None):
    """late: (symbol, date) that has no bar before 09:33."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    bars, quotes = ["symbol,timestamp,open,high,low,close,volume"], ["symbol,timestamp,bid,bid_size,ask,ask_size"]
    for symbol in symbols:
        rng = random.Random(f"{seed} {symbol}")
        price = rng.randrange(2000, 20000)
        for date in dates:
            session = oracle.session_of(date)
            drift = rng.choice([-1, 0, 1]) * price / 20000
            price = max(500, price + rng.randrange(-price // 50, price // 50 + 1))  # overnight
            for time in range(session.open - 3600, session.close + 1800, 60):
                regular = session.open <= time < session.close
                move = lambda: round(rng.gauss(drift, price / 1500))
                opened = price + move()
                price = max(200, opened + move())
                high, low = max(opened, price) + rng.randrange(3), min(opened, price) - rng.randrange(3)
                if rng.random() < (0.02 if regular else 0.7) and time != session.close - 60:
                    continue  # nobody traded
                if late == (symbol, date) and session.open <= time < session.open + 180:
                    continue
                bars.append(f"{symbol},{stamp(time)},{cents(opened)},{cents(high)},{cents(low)},{cents(price)},{rng.randrange(1, 90) * 100}")
                if rng.random() < 0.97:
                    half = rng.randrange(1, 3)
                    quotes.append(f"{symbol},{stamp(time)},{cents(price - half)},{rng.randrange(1, 50) * 100},{cents(price + half)},{rng.randrange(1, 50) * 100}")
    (folder / "bars-1min.csv").write_text("\n".join(bars) + "\n")
    if with_quotes:
        (folder / "quotes-1min.csv").write_text("\n".join(quotes) + "\n")
    return folder
