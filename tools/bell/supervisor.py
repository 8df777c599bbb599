"""Stays beside the parts of ./bell up and starts again what ends without having been asked to. ./bell down stops it first.

One that ends over and over is started ever more rarely, but never given up: a broker or a disk may be away for hours. What was
to be delivered is on disk, and the engine takes its runs up where they were."""

import sys
import time

import parts
import process
import talk
from place import LOG, RUN, Trouble

EVERY = 0.5             # seconds between two looks
DELAY_MAX = 60          # seconds before the next try; it doubles from half a second
WELL_AFTER = 120        # seconds of running after which the next end counts as the first
ENGINE_IS_DONE = {0: "its sessions are over, or it was told to end",
                  2: "it refuses its configuration: ./bell logs engine says what to mend, then ./bell up",
                  3: "it could not get flat: ./bell logs engine says what is left; ./bell flatten tries again",
                  4: "exits are queued for the next open"}


def begin():
    """From ./bell up, when everything runs."""
    process.start(parts.SUPERVISOR, [sys.executable, sys.argv[0], "_supervise"])


def say(text):
    talk.say(time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime()) + text)


class Watched:
    def __init__(self):
        self.delay, self.due, self.started, self.told = 0.5, None, time.monotonic(), False


def look(crew, name, watched, now):
    """One part, once."""
    if process.find(name) is not None:
        watched.due = None
        return
    if process.was_asked(name) or not (RUN / f"{name}.pid").exists():
        return
    status = process.last_status(name)
    if name == "engine" and status in ENGINE_IS_DONE:
        if not watched.told:
            say(f"engine ended with status {status}: {ENGINE_IS_DONE[status]}")
        watched.told = True
        return
    if watched.due is None:
        watched.delay = 0.5 if now - watched.started > WELL_AFTER else min(watched.delay * 2, DELAY_MAX)
        watched.due = now + watched.delay
        say(f"{name} ended in the middle (status {status}); its log is in {LOG / f'{name}.died.log'}")
    if now < watched.due:
        return
    watched.due, watched.started = None, now
    try:
        (LOG / f"{name}.log").replace(LOG / f"{name}.died.log")
        crew.start(name)
        say(f"restart of {name}: done")
    except (Trouble, OSError) as e:
        say(f"restart of {name}: {e}")


def run(_args):
    crew = parts.Crew(parts.saved_plan())
    names = [part.name for part in crew.plan.parts()]
    watched = {name: Watched() for name in names}
    say(f"supervising {' '.join(names)}")
    try:
        while True:
            for name in names:
                look(crew, name, watched[name], time.monotonic())
            time.sleep(EVERY)
    except KeyboardInterrupt:
        say("stopped")
        return 0
