"""A whole screen of a terminal, redrawn in place, and left as it was found.

ANSI sequences alone, so that no terminal has to be looked up; only lines that changed are written, in one write, so nothing flickers.
One thread; poke() is for others."""

import fcntl
import os
import select
import signal
import struct
import sys
import termios
import tty

ENTER, LEAVE = "\033[?1049h\033[?25l\033[?7l\033[H\033[2J", "\033[0m\033[?7h\033[?25h\033[?1049l"
BEGIN, END = "\033[?2026h", "\033[?2026l"      # together on the glass, where the terminal knows that


class Terminal:
    def __enter__(self):
        self.keys = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else None
        self.before = termios.tcgetattr(self.keys) if self.keys is not None else None
        self.pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.handlers = {sig: signal.signal(sig, do) for sig, do in ((signal.SIGWINCH, lambda *_: self.poke()), (signal.SIGTSTP, self._suspend))}
        self._enter()
        return self

    def __exit__(self, *_):
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):     # a second Ctrl-C must not leave it half done
            signal.signal(sig, signal.SIG_IGN)
        self._leave()
        for sig, handler in self.handlers.items():
            signal.signal(sig, handler)
        for end in self.pipe:
            os.close(end)

    def _enter(self):
        if self.keys is not None:
            tty.setcbreak(self.keys, termios.TCSANOW)
        self.shown, self.size = [], None
        self._write(ENTER)

    def _leave(self):
        try:
            self._write(LEAVE)
            if self.keys is not None:
                termios.tcsetattr(self.keys, termios.TCSANOW, self.before)
        except (OSError, termios.error):
            pass        # the terminal is gone

    def _suspend(self, *_):
        self._leave()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})    # here it stands until fg
        signal.signal(signal.SIGTSTP, self._suspend)
        self._enter()
        self.poke()

    def _write(self, text):
        sys.stdout.write(text)
        sys.stdout.flush()

    def poke(self):
        """Ends wait(). From any thread, or a signal."""
        try:
            os.write(self.pipe[1], b"x")
        except BlockingIOError:
            pass        # it is full of pokes already

    def measure(self):
        """(columns, rows) right now: never the environment's COLUMNS, which a resize leaves behind."""
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, b"\0" * 8))
        return columns or 80, rows or 24

    def show(self, lines, size):
        """lines: painted, no wider than size. Writes what differs from what stands there."""
        if size != self.size:
            self.size, self.shown = size, []
            out = "\033[H\033[2J"
        else:
            out = ""
        for n in range(max(len(lines), len(self.shown))):
            new, old = (each[n] if n < len(each) else "" for each in (lines, self.shown))
            if new != old:
                out += f"\033[{n + 1};1H{new}\033[K" if n < size[1] else ""
        self.shown = list(lines)
        if out:
            self._write(BEGIN + out + END)

    def wait(self, seconds):
        """A key, or "" after that time or a poke. The end of the input is no key."""
        ready, _, _ = select.select([self.pipe[0], *([self.keys] if self.keys is not None else [])], [], [], seconds)
        if self.pipe[0] in ready:
            os.read(self.pipe[0], 4096)
        if self.keys in ready:
            typed = os.read(self.keys, 64).decode(errors="replace")
            if not typed:
                self.keys = None
            return typed
        return ""
