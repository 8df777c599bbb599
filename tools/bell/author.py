"""For who writes strategies: ./bell check-config and ./bell new-strategy."""

import re
import subprocess
from pathlib import Path

import talk
from place import BIN, FAILED, INVALID, REFUSED, ROOT, STRATEGIES, USAGE, Trouble, near

TEMPLATES = Path(__file__).parent / "new_strategy"
SETTINGS_HEAD = """# Settings

What can be set, from the tables the programs check their settings with: `./bell settings > docs/settings.md` prints this page.

A program takes each of its settings from, weakest first: its default, `--config FILE` (YAML), the environment (a variable set to nothing is
not set), a flag (`--rest-url URL`). `--print-config` prints such a file with every default, `--check-config` says what is wrong.
An instance's file is checked by `./bell check-config`; `bell-engine --print-config STRATEGY` prints one with every default, and editors that
know JSON Schema complete and check it by [schema.json](../config/strategies/schema.json) (`./bell check-config --schema` prints that).
"""
NAME = re.compile(r"[a-z][a-z0-9_]{0,46}")


def engine_prints(what, plugins=STRATEGIES):
    return subprocess.run([BIN / "bell-engine", what, "--plugins", plugins], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=True).stdout


def settings(_args):
    """docs/settings.md: everything that can be set, from the programs' own tables."""
    print(SETTINGS_HEAD)
    for name in ("exchange", "streamer", "engine", "api", "backtest"):
        print(subprocess.run([BIN / f"bell-{name}", "--print-settings"], capture_output=True, text=True, timeout=60, check=True).stdout)
    print(engine_prints("--print-strategies"), end="", flush=True)
    return 0


def check_config(args):
    """Every mistake in every file, by the engine itself; --schema: what an editor needs to know of them."""
    if args.schema:
        print(engine_prints("--print-schema"), end="", flush=True)
        return 0
    bad = 0
    for word in args.words or [ROOT / "config/strategies"]:
        path = Path(word).absolute()
        if not path.exists():
            talk.say(f"{word}: there is no such file or folder")
            bad += 1
            continue
        done = subprocess.run([BIN / "bell-engine", "--check-config", "--strategies", path, "--plugins", STRATEGIES], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        if done.returncode:
            talk.say(done.stderr.rstrip("\n"))
            bad += 1
        else:
            print(f"{near(path)}: {done.stdout.strip()}", flush=True)
    return INVALID if bad else 0


def targets():
    """Names the build knows already: a strategy is one of them."""
    found = {"all", "clean", "help", "install", "test"}
    for path in [ROOT / "CMakeLists.txt", *ROOT.glob("*/CMakeLists.txt"), *ROOT.glob("lib/*/CMakeLists.txt")]:
        found |= set(re.findall(r"add_(?:library|executable|strategy|custom_target)\((\w+)", path.read_text()))
    return found


def new_strategy(args):
    if len(args.words) != 1:
        raise Trouble("new-strategy wants one name, like ./bell new-strategy evening_dip.", USAGE)
    name = args.words[0]
    if not NAME.fullmatch(name):
        raise Trouble(f'"{name}" cannot name a strategy: up to 47 of a-z, 0-9 and _, a letter first.', USAGE)
    if name in targets() or name.startswith(("test_", "bench_", "fuzz_")):
        raise Trouble(f'"{name}" is a name the build uses itself: take another one.', REFUSED)
    files = {"strategy.c": ROOT / f"strategies/{name}.c", "test.c": ROOT / f"tests/unit/strategies/test_{name}.c",
             "instance.yaml": ROOT / f"config/strategies/{name}.yaml"}
    for path in files.values():
        if path.exists():
            raise Trouble(f'"{name}" is taken: there is a {near(path)}. Nothing was written.', REFUSED)
    for template, path in files.items():
        try:
            path.write_text((TEMPLATES / template).read_text().replace("@NAME@", name))
        except OSError as e:
            raise Trouble(f"{near(path)}: {e.strerror}.", FAILED) from e
        talk.step("written", near(path))
    talk.say(f"""
It builds and trades as it is. Next:
  ./bell backtest {near(files['instance.yaml'])}       builds it, trades its five sessions
  ./bell test strategies                                     runs its test
  strategies/README.md                                       what to change, and how
  ./bell check-config --schema > config/strategies/schema.json   once built: editors complete and check its parameters""")
    return 0
