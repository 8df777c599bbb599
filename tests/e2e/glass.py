"""A terminal to test programs on: a pty, and what would stand on its glass. Knows the sequences that tools/bell/terminal.py writes,
and refuses any other."""

import codecs
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time

SEQUENCE = re.compile(r"\033\[(\??)([\d;]*)([A-Za-z])")


class Glass:
    def __init__(self, argv, columns, rows, env, cwd):
        self.main, self.side = os.openpty()
        self.modes, self.clears, self.text, self.log, self.coloured = set(), 0, "", "", False
        self.decode = codecs.getincrementaldecoder("utf-8")().decode
        self._resize(columns, rows)
        self.before = termios.tcgetattr(self.side)
        self.process = subprocess.Popen(list(map(str, argv)), stdin=self.side, stdout=self.side, stderr=self.side, env=env, cwd=cwd,
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def _resize(self, columns, rows):
        self.columns, self.rows, self.at, self.cells = columns, rows, (0, 0), [[" "] * columns for _ in range(rows)]
        self.is_new = True      # what was written for the size before may still come, until it is cleared
        fcntl.ioctl(self.side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        """As a user drags the window; returns when the program has drawn anew."""
        self.read(0)
        self._resize(columns, rows)
        self.wait(f"{columns} x {rows}", lambda: not self.is_new)

    def type(self, text):
        os.write(self.main, text.encode())

    def lines(self):
        return ["".join(line).rstrip() for line in self.cells]

    def shows(self, words):
        return words in "\n".join(self.lines())

    def read(self, seconds):
        """Takes what is written within that time."""
        while select.select([self.main], [], [], seconds)[0]:
            came = self.decode(os.read(self.main, 65536))
            self.text, self.log = self.text + came, self.log + came
            self._draw()
            seconds = 0

    def wait(self, what, true, seconds=60):
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"waited {seconds} s for {what}; the glass shows\n" + "\n".join(self.lines())
            assert self.process.poll() is None, f"it ended while {what} was waited for; it wrote {self.log[-2000:]!r}"
            self.read(0.1)

    def end(self, seconds=30):
        """Its status, after what it still wrote; whatever was typed or sent should end it."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "it did not end"
            self.read(0.05)
        self.read(0.05)
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.main)
        os.close(self.side)

    def is_clean(self):
        """The terminal is as it was found: modes, cursor, wrapping, screen."""
        return self.modes == set() and termios.tcgetattr(self.side) == self.before

    def _draw(self):
        while self.text:
            if self.text[0] == "\033":
                found = SEQUENCE.match(self.text)
                if not found:
                    assert len(self.text) < 12, f"an unknown sequence: {self.text[:12]!r}"
                    return      # the rest of it is on its way
                self.text = self.text[found.end():]
                self._sequence(*found.groups())
            else:
                plain = re.match(r"[^\033]+", self.text)[0]
                self.text = self.text[len(plain):]
                self._plain(plain)

    def _sequence(self, private, numbers, letter):
        row, column = self.at
        if private:
            # Set or reset; the cursor (25) and wrapping (7) are on when nobody asked.
            on = (letter == "h") != (numbers in ("25", "7"))
            (self.modes.add if on else self.modes.discard)(numbers)
        elif letter == "H":
            self.at = tuple(int(n or 1) - 1 for n in (numbers.split(";") + [""])[:2]) if numbers else (0, 0)
        elif letter == "J":
            assert numbers == "2"
            self.clears, self.is_new = self.clears + 1, False
            self.cells = [[" "] * self.columns for _ in range(self.rows)]
        elif letter == "K":
            if row < self.rows:
                self.cells[row][column:] = [" "] * (self.columns - column)
        elif letter == "m":
            self.coloured |= numbers not in ("", "0")
        else:
            raise AssertionError(f"an unknown sequence: {private}{numbers}{letter}")

    def _plain(self, text):
        for letter in text:
            row, column = self.at
            if letter in "\r\n":
                self.at = (row, 0) if letter == "\r" else (min(row + 1, self.rows - 1), column)
                continue
            fits = row < self.rows and column < self.columns
            assert fits or self.is_new or "1049" not in self.modes, f"{letter!r} is written beyond the edge, at {self.at}"
            if fits:
                self.cells[row][column] = letter
                self.at = (row, column + 1)
