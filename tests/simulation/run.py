"""Run simulated worlds: many seeds, or one of them again.

python -m tests.simulation.run --seeds 20000
python -m tests.simulation.run --seed 4711 --cycles 60
python -m tests.simulation.run --mutant no_fence --seeds 40
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from tests.simulation import faults, ground, runs
from tests.simulation.mutants import MUTANTS
from tests.simulation.oracle import Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.world import World

CHUNK = 5
SHOWN = 10
"""Failures that are told; more would be the same."""


def main() -> int:
    """Run what the command line asks for; 1 if anything was violated."""
    options = _options()
    fond = frozenset(kind for kind in options.fond.split(",") if kind)
    plan = runs.Plan(options.cycles, options.mutant, fond)
    if options.fault is not None:
        where = (options.variant, options.at, options.fault)
        return _alone(lambda: runs.one_fault(*where, plan))
    if options.seed is not None:
        return _alone(lambda: runs.one_seed(options.seed, plan))
    return _many(options, plan)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=runs.COMMAND, description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="this one alone, with a traceback")
    parser.add_argument("--cycles", type=int, default=runs.CYCLES, help="cycles with faults")
    parser.add_argument("--mutant", default="", choices=["", *MUTANTS], help="a planted bug")
    parser.add_argument("--fond", default="", help="kinds of faults to see more of, by commas")
    parser.add_argument("--variant", default="one", choices=list(ground.VARIANTS))
    parser.add_argument("--fault", choices=faults.KINDS, help="this fault alone")
    parser.add_argument("--at", type=int, default=0, help="at this effect")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _alone(run: Callable[[], World]) -> int:
    try:
        world = run()
    except Violation:
        traceback.print_exc()
        return 1
    _say(_line(runs.tally(world), 0.0))
    return 0


def _many(options: argparse.Namespace, plan: runs.Plan) -> int:
    began, total = time.monotonic(), runs.Tally()
    end = options.first + options.seeds
    jobs = [(first, min(CHUNK, end - first), plan) for first in range(options.first, end, CHUNK)]
    with ProcessPoolExecutor(options.workers, initializer=_settled) as pool:
        for found in pool.map(_chunk, jobs):
            total.add(found)
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{_line(total, time.monotonic() - began)}")
    _say(_line(total, time.monotonic() - began))
    for name in ("faults", "decisions", "outcomes"):
        told = ", ".join(f"{kind} {n:,}" for kind, n in getattr(total, name).most_common())
        _say(f"{name}: {told}")
    for failure in total.failures[:SHOWN]:
        _say(failure)
    return 1 if total.failures else 0


def _settled() -> None:
    """Have the collector look at what a run leaves, and not at all modules again and again."""
    for variant in ground.VARIANTS:
        runs.begun(variant)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _chunk(job: tuple[int, int, runs.Plan]) -> runs.Tally:
    first, count, plan = job
    found = runs.Tally()
    for seed in range(first, first + count):
        try:
            found.add(runs.tally(runs.one_seed(seed, plan)))
        except Violation as violation:
            found.runs += 1
            found.failures.append(str(violation))
    return found


def _line(total: runs.Tally, seconds: float) -> str:
    rate = f", {total.cycles / seconds * 60:,.0f} cycles a minute" if seconds else ""
    return (
        f"{total.runs:,} runs, {total.cycles:,} cycles, {sum(total.faults.values()):,} faults,"
        f" {len(total.failures)} bad{rate}"
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
