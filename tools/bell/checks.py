"""./bell test: every check there is, one step after the other, all counted into the last line.

A step is a row of STEPS. It returns a Count; what went wrong is printed with the end of its log that matters.
The unit tests under sanitizers and the build by clang count as one check each: they are counted already."""

import os
import re
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import talk
from place import LOG, ROOT, USAGE, VAR, Trouble

PYTHON = os.path.join(os.environ["BELL_CACHE"], "venv/bin/python")
FUZZ_SECONDS = 10
FUZZ_LONGER = {"fuzz_exchange_rest": 60, "fuzz_exchange_stream": 60, "fuzz_exchange_order": 60}  # what strangers send
PORT_BASE = int(os.environ.get("BELL_PORT_BASE", "28100"))


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else "")


def run_logged(name, argv, env=None, timeout=1500):
    """(status, output); the output is also in var/.../log/NAME.log."""
    LOG.mkdir(parents=True, exist_ok=True)
    path = LOG / f"{name}.log"
    with open(path, "w") as log:
        try:
            child = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                     env={**os.environ, **(env or {})}, cwd=ROOT)
        except OSError as e:
            log.write(f"{argv[0]}: {e.strerror}\n")
            return 127, f"{argv[0]}: {e.strerror}"
        try:
            status = child.wait(timeout)
        except subprocess.TimeoutExpired:
            end(child)
            log.write(f"\nstopped after {timeout} s\n")
            status = 124
        except KeyboardInterrupt:
            end(child)
            raise
    return status, path.read_text(errors="replace")


def end(child):
    """Lets it put away what it started: tests stop their parts."""
    before = {sig: signal.signal(sig, signal.SIG_IGN) for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    child.send_signal(signal.SIGINT)
    try:
        child.wait(300)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for sig, handler in before.items():
        signal.signal(sig, handler)


def complain(title, output, lines=30):
    talk.say(talk.red(f"  FAILED {title}"))
    for line in output.splitlines()[-lines:]:
        talk.say(f"    {line}")


def built(preset, *targets):
    status, output = run_logged(f"make-{preset}", [ROOT / "bell", "_build", preset, *targets])
    if status:
        complain(f"build of {preset}", output, 45)
    return status == 0


def ctest(preset, *selection):
    """(count of test functions, names of failing programs)"""
    folder, report = ROOT / "build" / preset, VAR / f"ctest-{preset}.xml"
    report.unlink(missing_ok=True)
    status, output = run_logged(f"ctest-{preset}", [
        "ctest", "--test-dir", folder, "--output-on-failure", "-j", "2", "--no-tests=error", "--timeout", "300",
        "--test-output-size-passed", "4000000", "--test-output-size-failed", "4000000", "--output-junit", report, *selection],
        env={"CMOCKA_MESSAGE_OUTPUT": "stdout", "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1",
             "TSAN_OPTIONS": "halt_on_error=1"})
    if not report.exists():
        complain(f"ctest of {preset}", output)
        return Count(failed=1), ["ctest"]
    total, bad = Count(), []
    for case in ET.parse(report).iter("testcase"):
        text = case.findtext("system-out") or ""
        each = Count(len(re.findall(r"^\[ +OK \]", text, re.M)), 0, len(re.findall(r"^\[ +SKIPPED \]", text, re.M)))
        if case.get("status") != "run":
            each.failed = max(1, len(set(re.findall(r"^\[ +FAILED +\] (\w\S*)$", text, re.M))))
            bad.append(case.get("name"))
            complain(case.get("name"), text)
        elif each == Count():
            each.passed = 1  # not a cmocka program
        total += each
    return total, bad


def pytest(name, folder, *words, timeout=1500):
    if not (ROOT / folder).is_dir():
        talk.say(talk.red(f"  FAILED there is no {folder}"))
        return Count(failed=1)
    report = VAR / f"pytest-{name}.xml"
    report.unlink(missing_ok=True)
    status, output = run_logged(f"pytest-{name}", [PYTHON, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--tb=short", "--junitxml", report, folder, *words],
                                env={"BELL_BUILD": "dev", "BELL_PORT_BASE": str(PORT_BASE), "BELL_VAR": str(VAR / name)})
    if not report.exists():
        complain(f"pytest {folder}", output, 40)
        return Count(failed=1)
    suite = next(ET.parse(report).iter("testsuite"))
    tests, failures, errors, skipped = (int(suite.get(k)) for k in ("tests", "failures", "errors", "skipped"))
    count = Count(tests - failures - errors - skipped, failures + errors, skipped)
    for line in output.splitlines():
        if line.startswith("SKIPPED"):
            talk.say(f"  {line}")  # a skip is said aloud
    if status:
        complain(f"pytest {folder}", output, 80)
        count.failed = max(1, count.failed)
    return count


# ---- the steps

def gcc():
    """gcc, warnings are errors; unit tests"""
    return ctest("dev")[0] if built("dev") else Count(failed=1)


def strategies():
    """the strategies' own unit tests"""
    return ctest("dev", "-R", r"^unit\.strategies\.")[0] if built("dev") else Count(failed=1)


def includes():
    """who may include whom, and no libpq outside api/db"""
    status, output = run_logged("includes", [ROOT / "tools/check-includes"])
    if status:
        complain("includes", output)
    return Count(passed=int(status == 0), failed=int(status != 0))


def plugins():
    """strategies link nothing but libc and libm, and export one symbol"""
    count = Count()
    for so in sorted((ROOT / "build/dev/strategies").glob("*.so")):
        needs = set(re.findall(r"NEEDED\s+(\S+)", subprocess.run(["objdump", "-p", so], capture_output=True, text=True, check=True).stdout))
        symbols = subprocess.run(["nm", "-D", "--defined-only", so], capture_output=True, text=True, check=True).stdout.split()[2::3]
        if needs <= {"libc.so.6", "libm.so.6"} and symbols == ["strategy_plugin"]:
            count.passed += 1
        else:
            count.failed += 1
            complain(so.name, f"needs {sorted(needs)}, exports {symbols}")
    if count == Count():
        complain("plugins", "no strategy was built")
        count.failed = 1
    return count


def clang():
    """clang, warnings are errors"""
    return Count(passed=1) if built("clang") else Count(failed=1)


def sanitized(preset, *selection, targets=()):
    if not built(preset, *targets):
        return Count(failed=1)
    count, bad = ctest(preset, *selection)
    return Count(failed=len(bad)) if bad else Count(passed=1)


def asan():
    """unit tests under AddressSanitizer and UndefinedBehaviorSanitizer"""
    return sanitized("asan", "-L", "unit")


def tsan():
    """tests of threads under ThreadSanitizer"""
    return sanitized("tsan", "-R", r"^unit\.(core|client|api)\.", targets=("test_core_*", "test_client_*", "test_api_*"))


def fuzz_one(program):
    seeds = ROOT / "tests/fuzz/corpus" / program.name.removeprefix("fuzz_")
    made, seconds = VAR / "fuzz" / program.name, FUZZ_LONGER.get(program.name, FUZZ_SECONDS)
    made.mkdir(parents=True, exist_ok=True)
    folders = [made] + ([seeds] if seeds.is_dir() else [])
    return run_logged(program.name, [program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                                     f"-artifact_prefix={made}/", *folders], timeout=seconds + 120)


def fuzz():
    """each fuzzer for ten seconds (what strangers send: sixty), under ASan and UBSan"""
    if not built("fuzz", "fuzz_*"):
        return Count(failed=1)
    count, programs = Count(), sorted((ROOT / "build/fuzz/bin").glob("fuzz_*"), key=lambda p: (p.name not in FUZZ_LONGER, p.name))
    with ThreadPoolExecutor(2) as pool:
        for program, (status, output) in zip(programs, pool.map(fuzz_one, programs)):
            count += Count(passed=int(status == 0), failed=int(status != 0))
            if status:
                complain(program.name, output)
    if not programs:
        complain("fuzz", "no fuzzer was built")
        count.failed = 1
    return count


def api():
    """the API on a real QuestDB"""
    return pytest("api", "tests/api")


def api_asan():
    """the same under AddressSanitizer and UndefinedBehaviorSanitizer: nothing leaks either"""
    return pytest("api_asan", "tests/api", "--api-binary", ROOT / "build/asan/bin/bell-api") if built("asan") else Count(failed=1)


def e2e():
    """./bell and all parts, end to end"""
    return pytest("e2e", "tests/e2e")


def compat():
    """the exchange as the official Alpaca clients meet it"""
    return pytest("compat", "tests/compat")


def compat_asan():
    """the same under AddressSanitizer and UndefinedBehaviorSanitizer"""
    return pytest("compat_asan", "tests/compat", "--exchange-binary", ROOT / "build/asan/bin/bell-exchange") if built("asan") else Count(failed=1)


def notebooks():
    """the notebooks, executed on a finished week"""
    return pytest("notebooks", "tests/notebooks")


def compose():
    """compose.yml on a real Docker: the week, deaths, edits, stops (also: ./bell test --compose; needs root)"""
    return pytest("compose", "tests/compose", timeout=3600)


STEPS = [gcc, strategies, includes, plugins, clang, asan, tsan, fuzz, api, api_asan, compat, compat_asan, e2e, notebooks, compose]
SLOW = {clang, asan, tsan, fuzz, api_asan, compat_asan}  # left out by --quick
ON_REQUEST = {strategies, compose}  # gcc has the former; the latter wants Docker
NEEDS_DEV = {plugins, api, compat, e2e, notebooks, compose}


def run(args):
    by_name = {step.__name__: step for step in STEPS}
    if args.list:
        talk.table([("step", "what")] + [(name, step.__doc__) for name, step in by_name.items()], left=2)
        return 0
    if args.compose:
        args.words.append("compose")
    for word in args.words:
        if word not in by_name:
            raise Trouble(f'test knows no "{word}". It has: {" ".join(by_name)}.', USAGE)
    chosen = [by_name[w] for w in args.words] or [s for s in STEPS if s not in ON_REQUEST and not (args.quick and s in SLOW)]
    total, began = Count(), time.monotonic()
    if NEEDS_DEV & set(chosen) and gcc not in chosen and not built("dev"):
        total.failed += 1
        chosen = [s for s in chosen if s not in NEEDS_DEV]
    for step in chosen:
        talk.step(step.__name__, step.__doc__)
        at = time.monotonic()
        count = step()
        total += count
        talk.step("", f"{count} in {time.monotonic() - at:.0f} s" if count.failed == 0 else talk.red(f"{count} in {time.monotonic() - at:.0f} s"))
    talk.say(f"{time.monotonic() - began:.0f} s in all; logs in {LOG}")
    print(total, flush=True)
    return 1 if total.failed else 0
