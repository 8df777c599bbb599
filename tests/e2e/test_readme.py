"""Every curl and ./bell line of README.md works as it stands there, but for the ports."""

import json
import re
import subprocess

import pytest
from conftest import ROOT

README = (ROOT / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()
            if line.startswith("curl") or line in ("./bell status", "./bell help")]


@pytest.fixture(scope="module")
def up(stage):
    stage.demo()
    return stage


def test_readme_has_commands():
    assert len(COMMANDS) > 8


@pytest.mark.parametrize("command", COMMANDS)
def test_command_of_the_readme(up, command):
    here = command.replace(":8080/", f":{up.base}/").replace(":8081/", f":{up.base + 1}/").replace("curl -s", "curl -sS --fail --noproxy '*'")
    done = subprocess.run(["bash", "-c", here], cwd=ROOT, env=up.env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, (here, done.stderr, done.stdout)
    if "csv" in command:
        head, *rows = done.stdout.splitlines()
        assert "execution_id" in head and rows
    elif command.startswith("curl"):
        body = json.loads(done.stdout)
        assert body and (not isinstance(body, dict) or "items" not in body or body["items"])


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


PAGES = [page for page in ("docs/alpaca.md", "docs/compose.md") if (ROOT / page).exists()]


@pytest.mark.parametrize("page", PAGES)
def test_links_of_the_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def lines_of(page):
    return [line.split("#")[0].strip() for block in re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), re.S) for line in block.splitlines()]


def test_commands_of_the_alpaca_page(empty_stage):
    """All but the account: that is where ./bell up ends here, with a sentence."""
    lines = [line for line in lines_of("docs/alpaca.md") if line.startswith("./bell")]
    assert "./bell up --broker alpaca" in lines
    for line in lines:
        done = empty_stage.bell(*line.split()[1:], *(["--once"] if line == "./bell watch" else []))
        if "--broker" in line:
            assert done.returncode == 3 and "with the account's key" in done.stderr, done.stderr
        elif line == "./bell watch":
            assert done.returncode in (0, 1, 4) and "has no" not in done.stderr, done.stderr
        else:
            assert done.returncode == 0, (line, done.stderr)


def test_variables_of_the_compose_page():
    """Each that compose.yml takes is explained, and none that it does not."""
    taken = set(re.findall(r"\$\{([A-Z_]+):-", (ROOT / "compose.yml").read_text()))
    told = set(re.findall(r"`([A-Z]+_[A-Z_]+|BROKER)`", re.search(r"\| variable.*?\n\n", (ROOT / "docs/compose.md").read_text(), re.S).group(0)))
    assert taken == told
