"""Every command that a document names works as it stands there, but for the ports and names in CAPITALS.

Commands are the lines of ```sh blocks, and what stands `so` and begins with a program of PROGRAMS. One that is in no table fails: add it to
HERE when it can run on a finished week, to ELSEWHERE with the test that runs it, or to NOT_RUN with the reason."""

import json
import os
import re
import shutil
import subprocess
from fnmatch import fnmatchcase

import pytest
from conftest import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "strategies/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = r"\./bell|curl|docker|docker-compose|cmake|ctest|ninja|pip|python3?|jupyter|git|sudo|apt|apt-get|[A-Z_]+=\S+ \./bell"

HERE = ["curl *", "./bell status", "./bell help", "./bell logs engine", "./bell check-config", "./bell check-config DIR", "./bell check-config --schema",
        "./bell settings", "./bell backtest my-strategies/momentum.yaml", "./bell backtest my-strategies/momentum.yaml --out DIR", "./bell backtest my-strategies --json",
        "BELL_INSTANCE_MOMENTUM_* ./bell backtest my-strategies/momentum.yaml", "./bell watch --once", "./bell test --list"]

ELSEWHERE = {
    "./bell demo": "tests/e2e/conftest.py",
    "./bell demo --bars DIR*": "tests/e2e/test_week.py",
    "./bell demo --config my-strategies": "tests/e2e/test_manners.py",
    "./bell up*": "tests/e2e/test_up.py",
    "./bell logs supervisor": "tests/e2e/test_up.py",
    "./bell down": "tests/e2e/test_stop.py",
    "./bell export FILE": "tests/e2e/test_transfer.py",
    "./bell import FILE": "tests/e2e/test_transfer.py",
    "./bell flatten": "tests/e2e/test_stop.py",
    "./bell exchange*": "tests/e2e/test_exchange.py",
    "./bell watch": "tests/e2e/test_watch.py",
    "./bell report": "tests/notebooks/test_notebooks.py",
    "./bell new-strategy *": "tests/e2e/test_backtest.py",
    "./bell backtest config/strategies/evening_dip.yaml": "tests/e2e/test_backtest.py",
    "./bell settings > docs/settings.md": "tests/e2e/test_settings.py",
    "./bell check-config --schema > config/strategies/schema.json": "tests/e2e/test_settings.py",
}

NOT_RUN = {
    "./bell test": "it runs this",
    "./bell test --quick": "a part of what runs this",
    "./bell test gcc api": "a part of what runs this",
    "./bell test strategies": "a part of what runs this",
    "./bell test --compose*": "needs Docker",
    "./bell build": "what the other commands do first",
    "mkdir -p var/secrets": "yours to do, and a test of ./bell up without them says so",
    "(umask 077; cat *": "yours to do, and a test of ./bell up without them says so",
    "sudo ch*": "needs Docker: ./bell test --compose",
    "*docker compose *": "needs Docker: ./bell test --compose",
    "*docker-compose *": "needs Docker: ./bell test --compose",
    "cmake --preset dev && ninja -C build/dev && ctest --test-dir build/dev": "what ./bell test gcc does",
}

NAMES = {"DIR": "my-strategies", "FILE": "file", "NAME": "evening_dip"}


def commands_of(text):
    """Comments and line breaks taken out."""
    blocks = re.findall(r"^ *```(?:sh|bash|console)\n(.*?)^ *```", text, re.S | re.M)
    lines = [re.sub(r"(^|\s+)#.*", "", line).strip() for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.S | re.M)
    inline = [re.sub(r"\s+", " ", code) for code in re.findall(r"`([^`]+)`", prose) if re.match(rf"(?:{PROGRAMS})\s", code)]
    return [line for line in lines if line] + inline


COMMANDS = {}   # command: the first document that names it
for document in DOCUMENTS:
    for command in commands_of(document.read_text()):
        COMMANDS.setdefault(command, str(document.relative_to(ROOT)))


def is_in(table, command):
    return [pattern for pattern in table if fnmatchcase(command, pattern)]


def test_commands_are_found():
    text = "a `./bell x\n y` and `bell.py`\n```sh\n# no\ncurl -s \\\n  'u'   # why\n```\n1. b\n   ```sh\n   ./bell z\n   ```\n```yaml\na: b\n```\n"
    assert commands_of(text) == ["curl -s 'u'", "./bell z", "./bell x y"]
    assert len(COMMANDS) > 25


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_run_or_says_why_not(command):
    found = [name for name, table in (("HERE", HERE), ("ELSEWHERE", ELSEWHERE), ("NOT_RUN", NOT_RUN)) if is_in(table, command)]
    assert len(found) == 1, f"{COMMANDS[command]} names `{command}`, which is in {found or 'no table'} of {os.path.basename(__file__)}"
    if found == ["ELSEWHERE"]:
        test = ROOT / ELSEWHERE[is_in(ELSEWHERE, command)[0]]
        word = command.split()[1]
        assert re.search(rf"[\"'( .]{word}\b", test.read_text()), f"{test} does not run ./bell {word}"


def test_no_table_names_what_no_document_does():
    assert [row for row in (*HERE, *ELSEWHERE, *NOT_RUN) if "*" not in row and row not in COMMANDS] == []


@pytest.fixture(scope="module")
def place(stage, tmp_path_factory):
    """A finished week, and a folder like the project's with the strategies copied, as the README says one does."""
    stage.demo()
    folder = tmp_path_factory.mktemp("project")
    for name in ("bell", "config"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "config/strategies", folder / "my-strategies")
    return folder


@pytest.mark.parametrize("command", [command for command in COMMANDS if is_in(HERE, command)])
def test_command(stage, place, command):
    here = command.replace(":8080/", f":{stage.base}/").replace(":8081/", f":{stage.base + 1}/").replace("curl ", "curl -sS --fail --noproxy '*' ", 1)
    for name, meant in NAMES.items():
        here = re.sub(rf"\b{name}\b", meant, here)
    done = subprocess.run(["bash", "-o", "pipefail", "-c", here], cwd=place, env=stage.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout, (here, done.stderr, done.stdout)
    if "csv" in command:
        head, *rows = done.stdout.splitlines()
        assert "execution_id" in head and rows
    elif command.startswith("curl"):
        body = json.loads(done.stdout)
        assert body and (not isinstance(body, dict) or "items" not in body or body["items"])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert target.startswith(("http://", "https://")) or (document.parent / target).exists(), target


def test_variables_of_the_compose_page():
    """Each that compose.yml takes is explained, and none that it does not."""
    taken = set(re.findall(r"\$\{([A-Z_]+):-", (ROOT / "compose.yml").read_text()))
    told = set(re.findall(r"`([A-Z]+_[A-Z_]+|BROKER)`", re.search(r"\| variable.*?\n\n", (ROOT / "docs/compose.md").read_text(), re.S).group(0)))
    assert taken == told
