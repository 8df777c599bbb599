"""./bell backtest: instances over a whole market in one process, with the demo's table at the end."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import report
import talk
from place import BIN, FAILED, INVALID, ROOT, STRATEGIES, USAGE, Trouble, near


def argv_of(args):
    if len(args.words) > 1:
        raise Trouble(f'backtest takes one CONFIG, an instance\'s file or a folder of them, not also "{args.words[1]}".', USAGE)
    config = Path(args.words[0] if args.words else args.config or ROOT / "config/strategies").absolute()
    if not config.exists():
        raise Trouble(f"There is no {config}.", INVALID)
    argv = [BIN / "bell-backtest", "--strategies", config, "--plugins", STRATEGIES]
    for name, value in (("bars", args.bars), ("from", args.start), ("to", args.to), ("seed", args.seed), ("out", args.out)):
        if value:
            argv += [f"--{name}", value]
    if args.out:
        os.makedirs(args.out, exist_ok=True)
    return list(map(str, argv))


def rows_of(found):
    return [report.Row(s["strategy"], s["plugin"], Decimal(s["capital"]), s["fills"], Decimal(s["realized_pnl"]), Decimal(s["fees"]),
                       Decimal(s["total_pnl"]), Decimal(s["max_drawdown"])) for s in found["strategies"]]


def run(args):
    argv = argv_of(args)
    if args.json:
        sys.stdout.flush()
        done = subprocess.run(argv, stdin=subprocess.DEVNULL)
    else:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return INVALID if done.returncode == 2 else FAILED
    if args.json:
        return 0
    found = json.loads(done.stdout)
    talk.table(report.table(rows_of(found)), left=2)
    held = [(s["strategy"], p) for s in found["strategies"] for p in s["positions"]]
    for name, p in held:
        talk.step("held", f"{name}: {p['quantity']} {p['symbol']} at {talk.money(p['average_price'])}, marked at {talk.money(p['market_price'])}: "
                          f"{talk.money(p['unrealized_pnl'], sign=True)}")
    talk.step("backtest", f"{found['bars']:,} {found['market']} bars {found['from'][:10]} to {found['to'][:10]}, {found['fills']:,} fills in "
                          f"{found['seconds']:.3f} s ({found['bars_per_second'] / 1e6:.1f} M bars/s; loading took {found['loading_seconds']:.2f} s)")
    if args.out:
        talk.step("written", f"{near(args.out)}/fills.csv, {near(args.out)}/decisions.csv")
    return 0
