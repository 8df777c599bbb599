"""Talk goes to stderr; colour and redrawn lines only on a terminal."""

import os
import sys

IS_TERMINAL = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
HAS_COLOUR = IS_TERMINAL and not os.environ.get("NO_COLOR")
_drawn = False


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if HAS_COLOUR else text


def bold(text):
    return paint(text, 1)


def red(text):
    return paint(text, 31)


def say(text=""):
    global _drawn
    if _drawn:
        sys.stderr.write("\r\033[K")
        _drawn = False
    print(text, file=sys.stderr, flush=True)


def step(what, text):
    say(f"{bold(f'{what:<9}')} {text}")


def redraw(text):
    """One line that the next redraw or say replaces; nothing when not on a terminal."""
    global _drawn
    if IS_TERMINAL:
        width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        sys.stderr.write("\r\033[K" + text[: width - 1])
        sys.stderr.flush()
        _drawn = True


def money(text, sign=False):
    """ "-1234.5" -> "-1,234.50"; exact: never through a float."""
    whole, _, fraction = str(text).lstrip("+-").partition(".")
    minus = str(text).startswith("-") and (int(whole or 0) or fraction.strip("0"))
    return ("-" if minus else "+" if sign else "") + f"{int(whole or 0):,}.{(fraction.rstrip('0')):0<2}"


def table(rows, left=1, out=sys.stdout):
    """rows[0] is the head; the first `left` columns are words, the rest are figures."""
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [f"{str(c):<{w}}" if i < left else f"{str(c):>{w}}" for i, (c, w) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip(), file=out, flush=True)
