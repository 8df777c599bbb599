#!/usr/bin/env python3
"""Writes tests/unit/market/xnys.txt: facts about NYSE sessions from the exchange_calendars package.

    python3 -m venv venv && venv/bin/pip install exchange_calendars
    venv/bin/python tools/calendar-golden.py > tests/unit/market/xnys.txt

lib/market/calendar is computed from rules; this is the second opinion its test compares every date with.
One line per fact:
    closed YYYYMMDD                 a weekday without a session
    early  YYYYMMDD HHMM            a session that closes before 16:00, New York time
    clock  YYYYMMDD HHMM OFFSET     from this minute (UTC) New York is OFFSET seconds from UTC
"""
import datetime as dt
import sys
from zoneinfo import ZoneInfo

import exchange_calendars

FIRST, LAST = 1990, 2050
NEW_YORK = ZoneInfo("America/New_York")


def main():
    calendar = exchange_calendars.get_calendar("XNYS", start=f"{FIRST}-01-01", end=f"{LAST}-12-31")
    closes = {c.date(): c for c in calendar.closes.dt.tz_convert(NEW_YORK)}
    opens = {o.date(): o for o in calendar.opens.dt.tz_convert(NEW_YORK)}
    print(f"# XNYS {FIRST}..{LAST}, from exchange_calendars {exchange_calendars.__version__}; "
          "written by tools/calendar-golden.py")
    day = dt.date(FIRST, 1, 1)
    offset = None
    while day.year <= LAST:
        if day in closes:
            close = closes[day]
            if opens[day].strftime("%H%M") != "0930":
                sys.exit(f"{day}: opens at {opens[day]}, which the test knows nothing of")
            if close.strftime("%H%M") != "1600":
                print(f"early {day:%Y%m%d} {close:%H%M}")
        elif day.weekday() < 5:
            print(f"closed {day:%Y%m%d}")
        for hour in range(24):
            utc = dt.datetime(day.year, day.month, day.day, hour, tzinfo=dt.timezone.utc)
            now = int(utc.astimezone(NEW_YORK).utcoffset().total_seconds())
            if now != offset:
                print(f"clock {utc:%Y%m%d} {utc:%H%M} {now}")
                offset = now
        day += dt.timedelta(days=1)


main()
