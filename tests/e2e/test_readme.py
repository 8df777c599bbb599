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
