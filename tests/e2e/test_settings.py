"""What can be set, as it is written down: docs/settings.md and the schema are the programs' own word, and both hold for the files that ship."""

import json
import os
import subprocess

import jsonschema
import pytest
import yaml
from conftest import ROOT

BIN = ROOT / "build" / os.environ.get("BELL_BUILD", "dev") / "bin"
PLUGINS = BIN.parent / "strategies"
SCHEMA = ROOT / "config/strategies/schema.json"


@pytest.fixture(scope="module")
def written():
    return json.loads(SCHEMA.read_text())


@pytest.fixture(scope="module")
def plugins(written, tmp_path_factory):
    """The strategies the project describes: somebody's own, in the same build, may be beside them."""
    folder = tmp_path_factory.mktemp("plugins")
    for name in written["properties"]["strategy"]["enum"]:
        (folder / f"{name}.so").symlink_to(PLUGINS / f"{name}.so")
    return folder


def prints(program, *words):
    return subprocess.run([BIN / program, *words], capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_schema_is_the_tables_own(plugins):
    assert SCHEMA.read_text() == prints("bell-engine", "--print-schema", "--plugins", plugins), \
        "stale: ./bell check-config --schema > config/strategies/schema.json"


def test_the_page_of_settings_is_the_tables_own(plugins):
    page = (ROOT / "docs/settings.md").read_text()
    for part in ("exchange", "streamer", "engine", "api", "backtest"):
        assert prints(f"bell-{part}", "--print-settings") in page, f"bell-{part} is stale: ./bell settings > docs/settings.md"
    assert page.endswith(prints("bell-engine", "--print-strategies", "--plugins", plugins)), "stale: ./bell settings > docs/settings.md"


def check(schema, text):
    """The engine's editor sees YAML as this does: a plain number is one."""
    return list(jsonschema.Draft7Validator(schema).iter_errors(yaml.safe_load(text)))


def test_what_ships_is_valid(written, plugins):
    jsonschema.Draft7Validator.check_schema(written)
    files = sorted((ROOT / "config/strategies").glob("*.yaml"))
    assert len(files) >= 4
    for file in files:
        text = file.read_text()
        assert text.startswith("# yaml-language-server: $schema=schema.json\n"), file
        if yaml.safe_load(text)["strategy"] in written["properties"]["strategy"]["enum"]:
            assert check(written, text) == [], file


def test_a_printed_file_runs_as_it_is(written, plugins, tmp_path):
    for name in written["properties"]["strategy"]["enum"]:
        text = prints("bell-engine", "--print-config", name, "--plugins", plugins)
        assert check(written, text) == []
        (tmp_path / f"{name.replace('_', '-')}.yaml").write_text(text)
    assert "4 instances, no mistakes" in prints("bell-engine", "--check-config", "--strategies", tmp_path, "--plugins", plugins)


GOOD = "strategy: ma_crossover\nsymbols: [SPY]\ncapital: 1000 USD\nquantity: 10\n"
BAD = [
    ("no strategy", GOOD.replace("strategy: ma_crossover\n", "")),
    ("a strategy there is not", GOOD.replace("ma_crossover", "ma_crosover")),
    ("a key there is not", GOOD + "dyas: 3\n"),
    ("symbols that are none", GOOD.replace("[SPY]", "[spy]")),
    ("one symbol, no list", GOOD.replace("[SPY]", "SPY")),
    ("a symbol twice", GOOD.replace("[SPY]", "[SPY, SPY]")),
    ("money in another currency", GOOD.replace("USD", "EUR")),
    ("no shares", GOOD.replace("quantity: 10", "quantity: 0")),
    ("half a share", GOOD.replace("quantity: 10", "quantity: 0.5")),
    ("a parameter there is not", GOOD + "params: {fsat: 3}\n"),
    ("a parameter of another strategy", GOOD + "params: {threshold: 1 %}\n"),
    ("a parameter beyond its limit", GOOD + "params: {slow: 9999}\n"),
    ("a time that is none", GOOD + "params: {exit: noon}\n"),
    ("a percentage without its sign", GOOD + "risk: {price_band: 10}\n"),
    ("a duration without its unit", GOOD + "risk: {max_age: 15}\n"),
    ("a mood there is not", GOOD.replace("ma_crossover", "moody_trader") + "params: {moods: {open: jolly}}\n"),
]


def test_a_good_file(written):
    assert check(written, GOOD + "days: 3\nparams: {fast: 3, exit: close-1h30m}\nrisk: {max_loss: 20 USD, price_band: 0.5 %, max_age: 1h}\n") == []


@pytest.mark.parametrize("text", [row[1] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_file(written, plugins, tmp_path, text):
    assert check(written, text)
    (tmp_path / "bad.yaml").write_text(text)  # and the engine agrees
    assert subprocess.run([BIN / "bell-engine", "--check-config", "--strategies", tmp_path, "--plugins", plugins], capture_output=True).returncode == 2
