"""./bell report: the week report executed, and written as one HTML page that needs nothing else."""

import os
import re
import subprocess
from pathlib import Path

import parts
import talk
import web
from place import FAILED, ROOT, UNREACHABLE, VAR, Trouble, near, ports

PYTHON = os.path.join(os.environ["BELL_CACHE"], "venv/bin/python")
QUIET = ["--no-input", "--log-level=ERROR"]
ALONE = ["--HTMLExporter.require_js_url=", "--HTMLExporter.mathjax_url="]  # or the page asks others for scripts


def environment():
    """Where the notebook finds the parts, unless told otherwise; what Jupyter writes of its own lies under var/."""
    p, own = ports(), VAR / "jupyter"
    own.mkdir(parents=True, exist_ok=True)
    found = {"BELL_API": parts.api_url(p), "BELL_EXCHANGE": parts.exchange_url(p), "BELL_CASH": str(parts.DEMO_CASH)} | os.environ
    return found | {name: str(own) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")}


def report(args):
    target, env = Path(args.words[0]), environment()
    try:
        web.get(env["BELL_API"].rstrip("/") + "/readyz")
    except web.Unreachable as e:
        raise Trouble(f"The API is not ready: {e}", UNREACHABLE, ["Trade a week first: ./bell demo. What runs: ./bell status"]) from e
    if not target.parent.is_dir():
        raise Trouble(f"There is no folder {target.parent} to write {target.name} into.")
    talk.step("report", f"{env['BELL_API']}, account {env.get('BELL_ACCOUNT') or 'newest'}")
    done = subprocess.run([PYTHON, "-m", "nbconvert", "--to", "html", "--execute", "--stdout", *QUIET, *ALONE, ROOT / "notebooks/week_report.ipynb"],
                          env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = re.findall(r"^BellError: (.*)$", done.stderr, re.M)
        raise Trouble(said[-1] if said else "The notebook failed.", FAILED, () if said else done.stderr.splitlines()[-15:])
    # Only a page with a Mermaid diagram would load this, and ours has none; there is no option for it.
    page = re.sub(r"https://cdnjs\.[^\"]*", "", done.stdout)
    page = re.sub(r'<script src="">\s*</script>', "", page)  # what the two empty addresses leave behind
    new = target.with_name(target.name + ".new")
    new.write_text(page)
    new.replace(target)
    talk.step("written", f"{near(target)} ({len(page) // 1024} kB, no other file or network needed)")
    return 0
