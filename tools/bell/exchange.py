"""./bell exchange: the paper exchange alone, in the foreground, for anybody's Alpaca client."""

import os
import sys

import parts
import process
import talk
from place import UNREACHABLE, Trouble, ports


def run(args):
    p = ports()
    if args.port:
        p["exchange"] = int(args.port)
    if not process.port_is_free(p["exchange"]):
        holder = process.port_holder(p["exchange"])
        raise Trouble(f"Port {p['exchange']} is in use{f' by {holder}' if holder else ''}.", UNREACHABLE,
                      ["Take another one: ./bell exchange --port 8181"])
    speed = {None: "real" if not args.bars and not args.start else "1", "max": "lockstep"}.get(args.speed, args.speed)
    plan = parts.Plan(bars=args.bars, start=args.start, seed=args.seed, speed=speed, cash=100_000)
    url = parts.exchange_url(p)
    talk.step("market", f"recorded bars of {args.bars}" if args.bars else "synthetic: made up, no real prices")
    talk.step("exchange", f"REST {url}/v2, streams {url.replace('http', 'ws')}/stream and /v2/iex. Any key pair opens an account. Ctrl-C ends it.")
    sys.stderr.flush()
    plan.state = args.state
    argv = [*map(str, parts.exchange_argv(plan, p)), *(["--faults", args.faults, "--allow-faults", "true"] if args.faults else [])]
    os.execv(argv[0], argv)
