"""The instances a demo will run: checked by the engine itself before anything is touched."""

import re
import subprocess
import sys
from pathlib import Path

import parts
import talk
from place import INVALID, Trouble, near, ports


def symbols_of(text):
    """Of a file that the engine has found valid: the words of its top-level `symbols`, however written."""
    found = re.search(r"^symbols:(.*?)(?=^\w|\Z)", re.sub(r"#.*", "", text), re.M | re.S)
    return re.findall(r"[A-Z][A-Z0-9.]*", found.group(1)) if found else []


def check(plan):
    """The symbols of all instances; the engine's complaints and INVALID when a file has mistakes."""
    argv = [*map(str, parts.engine_argv(plan, ports())), "--check-config"]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    if done.returncode:
        sys.stderr.write(done.stderr or done.stdout)
        raise Trouble(f"The instances in {near(plan.config)} have mistakes, listed above. Nothing was started.", INVALID)
    files = sorted([*Path(plan.config).glob("*.yaml"), *Path(plan.config).glob("*.yml")])
    talk.step("instances", ", ".join(f.stem for f in files) + f" ({near(plan.config)})")
    return tuple(sorted({symbol for f in files for symbol in symbols_of(f.read_text())}))
