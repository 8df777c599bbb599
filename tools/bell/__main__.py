"""What ./bell does once everything is installed and built: python3 tools/bell COMMAND [options]."""

import argparse
import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import talk  # noqa: E402
from place import INTERRUPTED, UNREACHABLE, Trouble  # noqa: E402


def arguments(argv):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("command")
    parser.add_argument("words", nargs="*")
    for name in ("bars", "config", "speed", "seed", "port", "to", "out", "account", "interval", "broker", "feed", "key-file", "secret-file", "state", "faults"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--from", dest="start")
    for name in ("json", "follow", "quick", "list", "once", "schema", "new", "live", "compose"):
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_intermixed_args(argv)


def status(args):
    import parts
    rows = parts.describe()
    if args.json:
        print(json.dumps({"parts": rows}, indent=2))
        return 0
    head = ("part", "state", "pid", "port", "since", "detail")
    talk.table([head] + [tuple("—" if row[k] in (None, "") else row[k] for k in head) for row in rows], left=len(head))
    return 0


def logs(args):
    import parts
    from place import LOG
    names = [*parts.BY_NAME, parts.SUPERVISOR]
    if not args.words or args.words[0] not in names:
        raise Trouble(f"logs wants one of: {' '.join(names)}" + (f', not "{args.words[0]}".' if args.words else "."), 2)
    path = LOG / f"{args.words[0]}.log"
    if not path.exists():
        raise Trouble(f"{args.words[0]} was not started yet: there is no {path}.")
    sys.stdout.flush()
    os.execvp("tail", ["tail", "-n", "1000" if args.follow else "+1", *(["-F"] if args.follow else []), str(path)])


def down(_args):
    import parts
    return parts.stop_all()


def flatten(_args):
    import parts
    code, out = parts.flatten()
    if code is None:
        talk.say("Neither engine nor exchange is running: there is nothing to flatten.")
        return 0
    talk.step("engine", parts.ENGINE_STATUS.get(code, f"ended with status {code}"))
    if code:
        for line in out:
            talk.say(f"  {line}")
    return 0 if code == 0 else 1


def command(name):
    """Imported when asked for: status and logs answer at once."""
    if name in ("demo", "up"):
        import demo
        return getattr(demo, name)
    if name == "_supervise":
        import supervisor
        return supervisor.run
    if name == "exchange":
        import exchange
        return exchange.run
    if name == "backtest":
        import backtest
        return backtest.run
    if name in ("check-config", "new-strategy", "settings"):
        import author
        return getattr(author, name.replace("-", "_"))
    if name == "watch":
        import watch
        return watch.run
    if name == "test":
        import checks
        return checks.run
    if name in ("export", "import"):
        import transfer
        return transfer.export if name == "export" else transfer.import_
    if name == "report":
        import notebook
        return notebook.report
    if name == "bench":
        import bench
        return bench.run
    return {"status": status, "logs": logs, "down": down, "flatten": flatten}[name]


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    args = arguments(sys.argv[1:])
    try:
        return command(args.command)(args)
    except Trouble as e:
        talk.say(f"{talk.red('bell:')} {e}")
        for hint in e.hints:
            talk.say(hint)
        return e.status
    except KeyboardInterrupt:
        talk.say("Interrupted: what was started now is stopped.")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except Exception as e:
        import web
        if not isinstance(e, web.Unreachable):
            raise
        talk.say(f"{talk.red('bell:')} {e}")
        return UNREACHABLE


sys.exit(main())
