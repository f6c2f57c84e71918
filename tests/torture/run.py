"""Torture the real daemon, and tell what came of it; ends with 1 if anything was lost or broken.

python -m tests.torture.run
python -m tests.torture.run --only kills,zombie --kills 50 --seed 3
python -m tests.torture.run --quick --json torture.json
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
import traceback

from tests.torture import disk, fsync, kills, pairs, postgres, sessions, zombie
from tests.torture.report import Tally, dump, say, table

# How often, in full and for a quick look.
AMOUNTS = {
    "kills": (350, 8),
    "syscalls": (150, 8),
    "postgres": (20, 2),
    "drops": (50, 5),
    "disk": (1, 1),
    "fsync": (12, 3),
    "pairs": (100, 4),
    "zombie": (10, 2),
    "sessions": (50, 6),
}
PARTS = {
    "kills": kills.random_kills,
    "syscalls": kills.call_kills,
    "postgres": postgres.restarts,
    "drops": postgres.drops,
    "disk": disk.full,
    "fsync": fsync.failing,
    "pairs": pairs.meet,
    "zombie": zombie.wake,
    "sessions": sessions.kills,
}


def main() -> int:
    """Run what the command line asks for."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # and so everything is cleaned up
    chosen = options.only.split(",") if options.only else list(PARTS)
    if unknown := set(chosen) - PARTS.keys():
        say(f"there is no part {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
        return 64
    tallies = []
    for part in chosen:
        count = getattr(options, part)
        if count is None:
            count = AMOUNTS[part][options.quick]
        began_s = time.monotonic()
        try:
            tally = PARTS[part](count, random.Random(f"{options.seed}:{part}"))
        except Exception:  # noqa: BLE001 - the other parts are still worth running
            tally = Tally(part, violations=[traceback.format_exc()])
        tally.counts["seconds"] = round(time.monotonic() - began_s)
        tallies.append(tally)
        found = f"lost {len(tally.losses)}, broken {len(tally.violations)}"
        say(f"{part}: done in {tally.counts['seconds']} s, {found}")
        if options.json:
            dump(tallies, options.json)
    table(tallies)
    return int(any(tally.failed for tally in tallies))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help=f"parts, by commas: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="a few of each, for a look")
    parser.add_argument("--seed", default="1", help="what random moments are drawn from")
    parser.add_argument("--json", default="", help="a file for the numbers")
    for part, (full, _) in AMOUNTS.items():
        parser.add_argument(f"--{part}", type=int, metavar="N", help=f"how often ({full})")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
