"""The market in which public recordings of the broker's replies can be had again: their days, times and prices.

Minutes without a row are minutes without a trade; nothing else is needed."""

from pathlib import Path


def minutes(symbol, date, rows):
    """rows: (UTC minute, last price, bid, ask); a quote without bid and ask is left out."""
    for time, last, bid, ask in rows:
        stamp = f"{date}T{time}:00Z"
        yield f"{symbol},{stamp},{last},{last},{last},{last},100", f"{symbol},{stamp},{bid},200,{ask},200" if bid else None


DAYS = """\
AAPL,2022-02-01,174,174.84,172.31,174.61,85998033
AAPL,2022-02-02,174.64,175.88,173.33,175.84,84817432
AAPL,2022-03-09,161.51,163.41,159.41,162.95,88496480
TSLA,2022-03-09,839,860.56,832.01,858.97,19227323
TSLA,2023-09-25,243.38,247.1,238.31,246.99,104668716
TSLA,2023-09-26,242.98,249.55,241.6601,244.12,102033779
TSLA,2023-09-27,244.262,245.33,234.58,240.5,136616287
"""


def write(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    made = [
        # 5 bought at 100, 119 at that day's close, 120 the next day
        *minutes("AAPL", "2019-08-22", [("14:00", 100, 99.98, 100), ("19:59", 119, 118.99, 119.01)]),
        *minutes("AAPL", "2019-08-23", [("14:00", 120, 119.99, 120.01)]),
        *minutes("AAPL", "2021-03-16", [("18:36", 125, 124.99, 125.01)]),
        # 2 bought at 174.78, now 174.29
        *minutes("AAPL", "2022-02-01", [("20:59", 174.61, 174.6, 174.62)]),
        *minutes("AAPL", "2022-02-02", [("18:54", 174.77, 174.76, 174.78), ("18:55", 174.29, 174.28, 174.3)]),
        *minutes("AAPL", "2023-12-12", [("20:59", 194.71, 194.7, 194.72)]),
        *minutes("SQQQ", "2021-03-16", [("18:36", 12, 11.99, 12.01)]),
        *minutes("TSLA", "2022-02-02", [("18:54", 900, 899.9, 900.1)]),
    ]
    (folder / "bars-1min.csv").write_text("\n".join(["symbol,timestamp,open,high,low,close,volume", *(bar for bar, _ in made)]) + "\n")
    (folder / "quotes-1min.csv").write_text("\n".join(["symbol,timestamp,bid,bid_size,ask,ask_size", *(q for _, q in made if q)]) + "\n")
    (folder / "bars-1day.csv").write_text("symbol,date,open,high,low,close,volume\n" + DAYS)
    return folder
