"""Compare our decisions with what people use today, on simulated systems whose truth is known.

    python benchmarks/decisions.py --quick                a few minutes
    python benchmarks/decisions.py --seeds 30 --jobs 2    the whole comparison
    python benchmarks/decisions.py --plants linear,cliff --policies pattern,core
    python benchmarks/decisions.py --seeds 30 --known runs.json --json runs.json

Every policy governs the same instances of every plant under the same noise. What
counts is the plant's response without noise, which no policy sees. A figure is
the median over the seeds; a gain of 1 is that of the best fixed setting.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from itertools import groupby, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from baselines import BASELINES
from measure import Goal, Table, report, say
from plants import BY_NAME, SPECS, Plant
from trials import Result, judge, play, reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from trials import Policy

CORE = "core"
"""The name under which our own decisions stand in the tables."""

GAIN_GOAL = Goal(0.95, at_least=True)
FALSE_KEEP_GOAL = Goal(5.0)
LONG_HARM_GOAL = Goal(0.0)
NONE = "-"


@dataclass(frozen=True)
class Wish:
    """What was asked for on the command line."""

    plants: tuple[str, ...]
    policies: tuple[str, ...]
    seeds: int
    first_seed: int
    hours: float | None
    jobs: int
    json: Path | None
    known: Path | None
    quick: bool
    strict: bool


def parse(arguments: list[str]) -> Wish:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = (*BASELINES, CORE)
    add = parser.add_argument
    add("--plants", type=_some_of(tuple(BY_NAME)), default=tuple(BY_NAME), help=", ".join(BY_NAME))
    add("--policies", type=_some_of(known), default=(), help=", ".join(known))
    add("--seeds", type=int, default=10, help="instances of each plant (default: 10)")
    add("--first-seed", type=int, default=1, help="others than those somebody tuned on")
    add("--hours", type=float, help="length of each run (default: 8 to 24, by plant)")
    add("--jobs", type=int, default=1, help="processes at the same time")
    add("--json", type=Path, metavar="FILE", help="write the tables and every run to a file, too")
    add("--known", type=Path, metavar="FILE", help="do not run again what --json wrote there")
    add("--quick", action="store_true", help="3 seeds, 6 hours")
    add("--strict", action="store_true", help="exit with 1 when a goal is missed")
    wish = Wish(**vars(parser.parse_args(arguments)))
    return _quicker(wish) if wish.quick else wish


def _quicker(wish: Wish) -> Wish:
    return Wish(**{**vars(wish), "seeds": min(wish.seeds, 3), "hours": wish.hours or 6.0})


def _some_of(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def chosen(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return names

    return chosen


# ── runs ─────────────────────────────────────────────────────────────────────
def core_policy() -> Callable[[Plant], Policy] | None:
    """Find our own policy; None where ``benchmarks/core.py``, which builds it, is missing."""
    try:
        build: Callable[[Plant], Policy] = importlib.import_module("core").core_policy
    except ModuleNotFoundError as error:
        if error.name == "core":
            return None
        raise
    return build


def policies_of(wish: Wish) -> tuple[str, ...]:
    """Say which policies take part; ours is left out with a word where it is missing."""
    chosen = wish.policies or (*BASELINES, CORE)
    chosen = tuple(sorted(chosen, key=lambda name: name == CORE))  # goals stand at the last
    if CORE in chosen and core_policy() is None:
        note = "benchmarks/core.py is missing: nobody builds our own policy"
        if wish.policies:
            sys.exit(f"{note}; leave out `core`")
        say(f"{note}; comparing the others")
        return tuple(name for name in chosen if name != CORE)
    return chosen


Job = tuple[str, int, tuple[str, ...], float | None]


def run(job: Job) -> list[Result]:
    """Let every policy govern the same instance."""
    name, seed, policies, hours = job
    plant = Plant(BY_NAME[name], seed, hours)
    known = reference(plant)
    results = []
    for policy_name in policies:
        build = core_policy() if policy_name == CORE else BASELINES[policy_name]
        if build is None:
            continue
        start = time.process_time()
        policy = build(plant)
        changes = play(plant, policy)
        result = judge(plant, policy, changes, known)
        result.policy, result.cpu_s = policy_name, time.process_time() - start
        results.append(result)
    return results


def all_results(wish: Wish, policies: tuple[str, ...]) -> list[Result]:
    """Run what was asked for, in several processes if wished."""
    seeds = range(wish.first_seed, wish.first_seed + wish.seeds)
    results = known_results(wish, policies)
    done = {(one.plant, one.seed, one.policy) for one in results}
    jobs: list[Job] = []
    for name, seed in product(wish.plants, seeds):
        missing = tuple(policy for policy in policies if (name, seed, policy) not in done)
        jobs += [(name, seed, missing, wish.hours)] if missing else []
    every = max(1, len(jobs) // 20)
    with multiprocessing.Pool(wish.jobs) if wish.jobs > 1 else _Here() as pool:
        for number, found in enumerate(pool.imap(run, jobs), start=1):
            results += found
            if number % every == 0:
                say(f"{number} of {len(jobs)}: {found[0].plant}, seed {found[0].seed}")
    return results


def known_results(wish: Wish, policies: tuple[str, ...]) -> list[Result]:
    """Read those of the runs asked for that were made before; our own may have changed since."""
    if wish.known is None:
        return []
    written = json.loads(wish.known.read_text(encoding="utf-8"))
    if written["hours"] != wish.hours:
        sys.exit(f"{wish.known} holds runs of another length")
    seeds = range(wish.first_seed, wish.first_seed + wish.seeds)
    results = [Result(**run) for run in written["runs"]]
    return [
        one
        for one in results
        if one.policy in policies
        and one.policy != CORE
        and one.plant in wish.plants
        and one.seed in seeds
    ]


class _Here:
    """A pool of one: this process."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def imap(self, work: Callable[[Job], list[Result]], jobs: list[Job]) -> Iterator[list[Result]]:
        return map(work, jobs)


# ── tables ───────────────────────────────────────────────────────────────────
class Summary:
    """All results, by plant and policy."""

    def __init__(self, results: Sequence[Result]) -> None:
        def key(result: Result) -> tuple[str, str]:
            return result.plant, result.policy

        self.cells = {
            pair: list(group) for pair, group in groupby(sorted(results, key=key), key=key)
        }
        self.plants = [spec.name for spec in SPECS if any(spec.name == p for p, _ in self.cells)]
        self.effective = [name for name in self.plants if BY_NAME[name].effective]
        self.idle = [name for name in self.plants if not BY_NAME[name].effective]

    def of(self, policy: str) -> list[Result]:
        """Give all runs of a policy."""
        return [one for (_, name), cell in self.cells.items() if name == policy for one in cell]

    def gain(self, plant: str, policy: str) -> float:
        """Give the median share of the gain."""
        gains = (one.gain for one in self.cells[plant, policy])
        return round(statistics.median(gain for gain in gains if gain is not None), 4) + 0.0

    def gains(self, policy: str) -> list[float]:
        """Give the median shares on all plants on which there is something to be gained."""
        return [self.gain(plant, policy) for plant in self.effective]


def gains_table(summary: Summary, policies: tuple[str, ...]) -> Table:
    """Show every plant and every policy; the goal is for the last, if that is ours."""
    *others, last = policies
    table = Table(
        "Share of the gain of the best fixed setting (median over seeds)",
        ("plant", *others, last),
    )
    goal = GAIN_GOAL if last == CORE else None
    for plant in summary.effective:
        cells = [summary.gain(plant, policy) for policy in others]
        table.add(plant, *cells, figure=summary.gain(plant, last), goal=goal)
    return table


def policies_table(summary: Summary, policies: tuple[str, ...]) -> Table:
    """Show what each policy did over all plants."""
    table = Table(
        "All plants on which rules have an effect",
        (
            "policy",
            "worst plant",
            "below idle %",
            "harm kept/run",
            "changes",
            "h to 90 %",
            "never %",
            "CPU s",
            "mean gain",
        ),
        notes=(
            "Worst plant and mean are over medians of seeds.",
            "h to 90 %: the median of those runs that got there.",
        ),
    )
    for policy in policies:
        gains = summary.gains(policy)
        runs = [one for one in summary.of(policy) if one.gain is not None]
        hours = [one.hours_to_90 for one in runs if one.hours_to_90 is not None]
        table.add(
            policy,
            min(gains),
            100 * statistics.fmean(one.below_share for one in runs),
            statistics.fmean(one.harmful for one in runs),
            statistics.median(one.changes for one in runs),
            statistics.median(hours) if hours else NONE,
            100 * (1 - len(hours) / len(runs)),
            statistics.fmean(one.cpu_s for one in runs),
            figure=statistics.fmean(gains),
            goal=GAIN_GOAL if policy == CORE else None,
        )
    return table


def harm_table(summary: Summary, policies: tuple[str, ...]) -> Table:
    """Show, plant by plant, how often a change for the worse was kept for long."""
    *others, last = policies
    table = Table(
        "Changes for the worse that stayed for more than 15 minutes, per run",
        ("plant", *others, last),
        notes=(
            "Who changes something every minute or two holds nothing for long: see below idle.",
        ),
    )
    goal = LONG_HARM_GOAL if last == CORE else None

    def long(plant: str, policy: str) -> float:
        return statistics.fmean(one.harmful_long for one in summary.cells[plant, policy])

    for plant in summary.effective:
        table.add(
            plant, *(long(plant, other) for other in others), figure=long(plant, last), goal=goal
        )
    return table


def idle_tables(summary: Summary, policies: tuple[str, ...]) -> Iterator[Table]:
    """Show what each policy believes where nothing has any effect."""
    for plant in summary.idle:
        table = Table(
            f"{plant.capitalize()}: whatever is kept is kept in error",
            ("policy", "changes", "trials", "trials/h, 2nd half", "false keeps %"),
        )
        for policy in policies:
            cell = summary.cells[plant, policy]
            trials = sum(one.trials for one in cell)
            if not trials:
                continue
            table.add(
                policy,
                statistics.median(one.changes for one in cell),
                statistics.median(one.trials for one in cell),
                statistics.median(one.late_trials_per_h for one in cell),
                figure=100 * sum(one.kept for one in cell) / trials,
                goal=FALSE_KEEP_GOAL if policy == CORE else None,
            )
        yield table


def tables(results: Sequence[Result], policies: tuple[str, ...]) -> Iterator[Table]:
    """Show everything."""
    summary = Summary(results)
    if summary.effective:
        yield gains_table(summary, policies)
        yield policies_table(summary, policies)
        yield harm_table(summary, policies)
    yield from idle_tables(summary, policies)


def document(results: Sequence[Result], policies: tuple[str, ...], wish: Wish) -> dict[str, Any]:
    """Give everything as values, for a file."""
    return {
        "seeds": [wish.first_seed, wish.first_seed + wish.seeds - 1],
        "hours": wish.hours,
        "policies": list(policies),
        "tables": [table.document() for table in tables(results, policies)],
        "runs": [asdict(result) for result in results],
    }


def main(arguments: list[str]) -> int:
    """Run, print, and say whether every goal is met."""
    wish = parse(arguments)
    policies = policies_of(wish)
    results = all_results(wish, policies)
    met = report(tables(results, policies), None)
    if wish.json is not None:
        text = json.dumps(document(results, policies, wish), indent=1, ensure_ascii=False)
        wish.json.write_text(text + "\n", encoding="utf-8")
    return 1 if wish.strict and not met else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
