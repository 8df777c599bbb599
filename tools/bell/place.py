"""Where things are: folders, binaries, ports. From the environment that ./bell sets, so that a second copy
(the tests, a second checkout) lives beside the first with its own BELL_VAR and BELL_PORT_BASE."""

import os
import secrets
from pathlib import Path

ROOT = Path(os.environ["BELL_ROOT"])
VAR = Path(os.environ["BELL_VAR"])
BUILD = ROOT / "build" / os.environ.get("BELL_BUILD", "release")
BIN = BUILD / "bin"
STRATEGIES = BUILD / "strategies"
JAR = Path(os.environ["BELL_QUESTDB_JAR"])
RUN, LOG, SECRETS, QUESTDB = VAR / "run", VAR / "log", VAR / "secrets", VAR / "questdb"

DEFAULT_PORTS = {"api": 8080, "exchange": 8081, "relay": 8082, "pg": 8812, "questdb_http": 9000, "questdb_health": 9003}


def ports():
    base = os.environ.get("BELL_PORT_BASE")
    if not base:
        return dict(DEFAULT_PORTS)
    if not base.isdigit() or not 1024 <= int(base) <= 65000:
        raise Trouble(f'BELL_PORT_BASE wants a number from 1024 to 65000, not "{base}".', USAGE)
    return {name: int(base) + i for i, name in enumerate(DEFAULT_PORTS)}


# Exit codes, as ./bell help lists them.
OK, FAILED, USAGE, INVALID, UNREACHABLE, REFUSED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


class Trouble(Exception):
    """Something the user is told in one sentence, and the status to leave with. hints: more lines."""

    def __init__(self, sentence, status=FAILED, hints=()):
        super().__init__(sentence)
        self.status, self.hints = status, list(hints)


def secret(name, value=None):
    """The file with that secret, made with `value` (else at random) when it is missing; 0600."""
    SECRETS.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = SECRETS / name
    if not path.exists() or (value is not None and path.read_text().strip() != value):
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as f:
            f.write((value or secrets.token_hex(16)) + "\n")
    return path


def near(path):
    """A path as the user would type it."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return str(path)
