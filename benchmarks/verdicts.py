"""How often common tests are wrong about live signals, and how often our verdicts are.

    python benchmarks/verdicts.py --quick                  under a minute
    python benchmarks/verdicts.py --repetitions 1000
    python benchmarks/verdicts.py --only same,trigger --families "AR .9,AR .99"

One signal at 5 Hz, the lower the better; 90 s before a change, 30 s to settle,
90 s after it. Effects are in multiples of the smallest one that counts, 0.4 sd
of a sample. With R repetitions a share of 5 % is known to about 22/sqrt(R) points.
The last tests of a table know half an hour of quiet history, as our verdicts do.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from judges import (
    EXTENDED,
    HISTORY,
    OURS,
    PAIRS,
    SETTLE,
    TURN,
    WINDOW,
    chunks,
    core_part,
    judge_all,
    judge_toggled,
    judges,
    shares,
)
from measure import Goal, Table, report, say
from noise import FAMILIES, RATE_HZ, SMALLEST_EFFECT_SD
from textbook import Z

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from core import Ending
    from numpy.typing import NDArray
    from textbook import Verdicts

    Floats = NDArray[np.float64]
    Toggles = Callable[[Floats, int, float], list[Ending]]
    Guard = Callable[[Floats, int], Floats]

BAD_SD = 1.5
"""How much worse than usual a window must be to call for a change, in sd of windows."""

LONGEST = 2 * 3600 * RATE_HZ
"""For how long a change is followed that is made again and again."""

GUARDED_FOR = 120 * RATE_HZ
SLOW_FAMILIES = {"AR .99", "AR .999", "mixed"}
"""What remembers for so long that a guard has to wait."""

TRENDS = (0.0, 0.5, 1.0, 2.0)

SECTIONS = ("memory", "same", "power", "harm", "trigger", "trend", "toggles", "guard")
SAME_GOAL = Goal(6.0)
"""5 %, and what chance adds to a few hundred repetitions in ten columns."""

HARM_GOAL = Goal(0.5)
ALARM_GOAL = Goal(1.0)
NOTICED_GOAL = Goal(20.0)

_POWER = 0.8416212335729143
"""What a normal variable exceeds in 20 % of cases: together with ``Z``, a power of 80 %."""


@dataclass(frozen=True)
class Wish:
    """What was asked for on the command line."""

    only: tuple[str, ...]
    families: tuple[str, ...]
    repetitions: int
    seed: int
    json: Path | None
    quick: bool
    strict: bool


def parse(arguments: list[str]) -> Wish:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", type=_some_of(SECTIONS), default=SECTIONS, help=f"some of {','.join(SECTIONS)}")
    add("--families", type=_some_of(tuple(FAMILIES)), default=tuple(FAMILIES))
    add("--repetitions", type=int, default=600, help="of each case (default: 600)")
    add("--seed", type=int, default=1, help="another one draws other noise")
    add("--json", type=Path, metavar="FILE", help="write the tables to a file, too")
    add("--quick", action="store_true", help="200 repetitions")
    add("--strict", action="store_true", help="exit with 1 when a goal is missed")
    wish = Wish(**vars(parser.parse_args(arguments)))
    return Wish(**{**vars(wish), "repetitions": 200}) if wish.quick else wish


def _some_of(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def chosen(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return names

    return chosen


# ── the shares of wrong and right verdicts ───────────────────────────────────
def _chunks(family: str, wish: Wish, samples: int) -> Iterator[Floats]:
    return chunks(FAMILIES[family], wish.repetitions, (wish.seed, samples))


def shares_table(title: str, effect: float, wish: Wish, *, worst: bool) -> Table:
    """Show how often each keeps changes of this effect, by family; the last column sums up."""
    last = "worst" if worst else "mean"
    table = Table(title, ("test", *wish.families, last))
    results = []
    for family in wish.families:
        say(f"effect {effect:g}: {family}")
        results.append(judge_all(FAMILIES[family], effect, wish.repetitions, wish.seed))
    for name in results[0]:
        kept = [round(result[name].kept, 1) for result in results]
        figure = max(kept) if worst else sum(kept) / len(kept)
        goal = None if effect > 0 else HARM_GOAL if effect else SAME_GOAL
        table.add(name, *kept, figure=figure, goal=goal if name == OURS else None)
    return table


# ── what 90 seconds hold ─────────────────────────────────────────────────────
def mean_variance(lag_one: float, samples: int) -> float:
    """Give the variance of a mean of correlated samples, in variances of one of them."""
    lags = np.arange(1, samples)
    weights = (1 - lags / samples) * lag_one**lags
    return float(1 + 2 * weights.sum()) / samples


def window_needed_s(lag_one: float) -> float:
    """Say how long two windows must be to find the smallest effect four times out of five."""
    allowed = (SMALLEST_EFFECT_SD / (Z + _POWER)) ** 2 / 2
    samples = 1
    while mean_variance(lag_one, samples) > allowed:
        samples = math.ceil(samples * 1.05)
    return samples / RATE_HZ


def memory_table() -> Table:
    """Show what is left of 450 samples when each tells of the next; computed, not drawn."""
    table = Table(
        "What 90 s at 5 Hz hold, by how much of a sample is still in the next",
        ("lag one", "memory s", "worth samples", "sd of the mean", "smallest found", "needed s"),
        notes=(
            "Memory: until 1/e is left. Smallest found: what two windows show four times out of",
            "five, in smallest effects that count; needed: the window that would show just that.",
        ),
    )
    for lag_one in (0.0, 0.5, 0.9, 0.97, 0.99, 0.999):
        variance = mean_variance(lag_one, WINDOW)
        memory_s = -1 / math.log(lag_one) / RATE_HZ if lag_one else 0.0
        found = (Z + _POWER) * math.sqrt(2 * variance) / SMALLEST_EFFECT_SD
        table.add(
            f"{lag_one:g}",
            memory_s,
            1 / variance,
            math.sqrt(variance),
            found,
            figure=window_needed_s(lag_one),
        )
    return table


# ── a change that a bad window asked for ─────────────────────────────────────
def triggered(family: str, wish: Wish) -> Floats:
    """Cut each run that has a bad window so that it ends at one place.

    Bad is a window whose mean is so many sd of window means above the half hour
    before. Nothing is ever changed.
    """
    cut = []
    reach = HISTORY + WINDOW
    more = 2 * (SETTLE + WINDOW) + EXTENDED
    for noise in _chunks(family, wish, 2 * HISTORY + reach + more):
        for row in noise:
            end = _bad_window_end(row, len(row) - more)
            if end is not None:
                cut.append(row[end - reach : end + more])
    return np.array(cut)


def _bad_window_end(row: Floats, last: int) -> int | None:
    step = WINDOW // 18
    windows = np.nanmean(row[: last // step * step].reshape(-1, step), axis=1)
    means = np.convolve(windows, np.ones(18) / 18, "valid")
    quiet = means[: HISTORY // step]
    bad = means[HISTORY // step :] > quiet.mean() + BAD_SD * quiet.std()
    if not bad.any():
        return None
    return (HISTORY // step + int(bad.argmax()) + 18) * step


def trigger_table(wish: Wish, *, fresh: bool) -> Table:
    """Show what comes of using the window that called for a change as its baseline."""
    which = "a fresh baseline after" if fresh else "the baseline is"
    table = Table(
        f"Kept though nothing changed, %: {which} a window {BAD_SD:g} sd worse than usual",
        ("test", *wish.families, "worst"),
    )
    change = HISTORY + WINDOW + (SETTLE + WINDOW if fresh else 0)
    found: list[dict[str, float]] = []
    for family in wish.families:
        say(f"after a bad window: {family}")
        samples = triggered(family, wish)
        found.append(
            {
                name: round(shares([judge(samples, change)]).kept, 1)
                for name, judge in judges().items()
            }
        )
    for name in judges():
        cells = [kept[name] for kept in found]
        table.add(name, *cells, figure=max(cells), goal=SAME_GOAL if name == OURS else None)
    return table


# ── a signal that improves by itself ─────────────────────────────────────────
def trend_table(wish: Wish) -> Table:
    """Show who takes a signal that falls by itself for the work of a change."""
    table = Table(
        "Kept though nothing changed, %: the signal falls by itself; per two minutes, in"
        " smallest effects",
        ("test", *(f"{slope:g}" for slope in TRENDS[:-1]), f"{TRENDS[-1]:g}"),
    )
    change = HISTORY + WINDOW
    found: list[dict[str, float]] = []
    for slope in TRENDS:
        say(f"falling by {slope:g}")
        verdicts: dict[str, list[Verdicts]] = {}
        for noise in _chunks("AR .9", wish, change + (2 * PAIRS + 1) * TURN):
            fall = slope * SMALLEST_EFFECT_SD / (120 * RATE_HZ)
            samples = noise - fall * (np.arange(noise.shape[1]) - change)
            for name, judge in judges().items():
                verdicts.setdefault(name, []).append(judge(samples, change))
            for name, told in judge_toggled(samples, 0.0).items():
                verdicts.setdefault(name, []).append(told)
        found.append({name: round(shares(each).kept, 1) for name, each in verdicts.items()})
    for name in found[0]:
        *cells, last = (kept[name] for kept in found)
        table.add(name, *cells, figure=last)
    return table


# ── only ours ────────────────────────────────────────────────────────────────
def toggles_table(wish: Wish) -> Table:
    """Show what becomes of a change that is made, unmade and made again while it is undecided."""
    table = Table(
        "Our loop, which makes a change again while nothing is decided",
        ("effect", "what", *wish.families, "worst"),
        notes=(
            "Effects in smallest ones. Kept: in the end, however often it was made; each time: of",
            "all times it was made. Let be: neither kept nor given up within two hours, because",
            "too little was to be expected of it. One repetition in four of those asked for.",
        ),
    )
    for effect in (0, 1, 2, -2):
        endings = [_endings(family, effect, wish) for family in wish.families]
        kept = [100 * _mean(one.kept for one in each) for each in endings]
        let_be = [100 * _mean(not (one.kept or one.given_up) for one in each) for each in endings]
        settled = [statistics.median(one.took_s / 60 for one in each) for each in endings]
        goal = None if effect > 0 else HARM_GOAL if effect else SAME_GOAL
        worst = min(kept) if effect > 0 else max(kept)
        table.add(f"{effect:g}", "kept, %", *kept, figure=worst, goal=goal)
        if not effect:
            each_time = [100 * _kept_each_time(each) for each in endings]
            table.add("0", "kept each time, %", *each_time, figure=max(each_time))
        table.add(f"{effect:g}", "let be, %", *let_be, figure=max(let_be))
        table.add(f"{effect:g}", "median minutes", *settled, figure=max(settled))
    return table


def _kept_each_time(endings: list[Ending]) -> float:
    return sum(one.kept for one in endings) / max(sum(one.made for one in endings), 1)


def _endings(family: str, effect: float, wish: Wish) -> list[Ending]:
    say(f"our loop, effect {effect:g}: {family}")
    toggles: Toggles = core_part("core_toggles")
    change = HISTORY + WINDOW
    drawn = chunks(FAMILIES[family], wish.repetitions // 4, (wish.seed, change + LONGEST))
    return [one for noise in drawn for one in toggles(noise, change, effect * SMALLEST_EFFECT_SD)]


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


def guard_table(wish: Wish) -> Table:
    """Show how soon a guard notices that its bound is broken, and how often when it is not."""
    table = Table(
        "Our guard: a signal gets worse by a multiple of what its guard allows",
        ("times", "what", *wish.families, "worst"),
        notes=("What is not noticed in two minutes is left to the verdict.",),
    )
    for times in (0.0, 1.0, 2.0):
        taken = [_taken(family, times, wish) for family in wish.families]
        within = [100 * float(np.isfinite(each).mean()) for each in taken]
        seconds = [float(np.median(np.nan_to_num(each, nan=np.inf))) for each in taken]
        if not times:
            table.add("0", "in 120 s, %", *within, figure=max(within), goal=ALARM_GOAL)
            continue
        fast = [
            second
            for family, second in zip(wish.families, seconds, strict=True)
            if family not in SLOW_FAMILIES
        ]
        table.add(f"{times:g}", "in 120 s, %", *within, figure=min(within))
        goal = NOTICED_GOAL if fast else None
        table.add(f"{times:g}", "median s", *seconds, figure=max(fast or seconds), goal=goal)
    return table


def _taken(family: str, times: float, wish: Wish) -> Floats:
    say(f"our guard, {times:g} times: {family}")
    guard: Guard = core_part("core_guard")
    change = HISTORY + WINDOW
    taken = []
    for noise in _chunks(family, wish, change + GUARDED_FOR):
        noise[:, change:] += times * core_part("WARN_SD")
        taken.append(guard(noise, change))
    return np.concatenate(taken)


def tables(wish: Wish) -> Iterator[Table]:
    """Measure what was asked for, one table after the other."""
    if core_part("core_verdicts") is None:
        say("benchmarks/core.py gives no verdicts of ours; comparing the others")
    if "memory" in wish.only:
        yield memory_table()
    if "same" in wish.only:
        yield shares_table("Kept though nothing changed, % (5 % promised)", 0, wish, worst=True)
    if "power" in wish.only:
        yield shares_table("Kept when it helps by the smallest effect, %", 1, wish, worst=False)
        yield shares_table("Kept when it helps by twice that, %", 2, wish, worst=False)
    if "harm" in wish.only:
        yield shares_table("Kept when it harms by twice that, %", -2, wish, worst=True)
    if "trigger" in wish.only:
        yield trigger_table(wish, fresh=False)
        yield trigger_table(wish, fresh=True)
    if "trend" in wish.only:
        yield trend_table(wish)
    if "toggles" in wish.only and core_part("core_toggles") is not None:
        yield toggles_table(wish)
    if "guard" in wish.only and core_part("core_guard") is not None:
        yield guard_table(wish)


def main(arguments: list[str]) -> int:
    """Measure, print, and say whether every goal is met."""
    wish = parse(arguments)
    met = report(tables(wish), wish.json)
    return 1 if wish.strict and not met else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
