"""How often common tests are wrong about live signals, and how often our verdicts are.

    python benchmarks/verdicts.py --quick                  under a minute
    python benchmarks/verdicts.py --repetitions 1000
    python benchmarks/verdicts.py --only same,trigger --families "AR .9,AR .99"

One signal at 5 Hz, the lower the better; 90 s before a change, 30 s to settle,
90 s after it. Effects are in multiples of the smallest one that counts, 0.4 sd
of a sample. With R repetitions a share of 5 % is known to about 22/sqrt(R) points.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from measure import Goal, Table, report, say
from noise import FAMILIES, RATE_HZ, SMALLEST_EFFECT_SD
from textbook import (
    Verdicts,
    Z,
    batch_means,
    mann_whitney,
    newey_west,
    peeking,
    threshold,
    toggled,
    welch,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from noise import Family
    from numpy.typing import NDArray
    from textbook import Test

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Core = Callable[[Floats, int], tuple[Bools, Bools]]
    Judge = Callable[[Floats, int], Verdicts]

HISTORY = 30 * 60 * RATE_HZ
"""Quiet samples before it all, for whoever learns from them."""

WINDOW = 90 * RATE_HZ
SETTLE = 30 * RATE_HZ
PAIRS = 3
TURN = WINDOW
"""A toggled setting stays for 90 s; its first 30 s are left out."""

CHUNK = 100
"""Repetitions drawn at once."""

BAD_SD = 1.5
"""How much worse than usual a window must be to call for a change, in sd of windows."""

TRENDS = (0.0, 0.5, 1.0, 2.0)

SECTIONS = ("memory", "same", "power", "harm", "trigger", "trend")
SAME_GOAL = Goal(7.0)
"""5 %, and what chance adds to a few hundred repetitions in ten columns."""

_POWER = 0.8416212335729143
"""What a normal variable exceeds in 20 % of cases: together with ``Z``, a power of 80 %."""


def _between(test: Test) -> Judge:
    """Let a test see the 90 s before a change, and those after it has settled."""

    def judge(samples: Floats, change: int) -> Verdicts:
        after = change + SETTLE
        return test(samples[:, change - WINDOW : change], samples[:, after : after + WINDOW])

    return judge


TESTS: dict[str, Judge] = {
    "fixed threshold": _between(threshold(SMALLEST_EFFECT_SD)),
    "Welch's t": _between(welch),
    "Welch's t, every 10 s": _between(peeking(welch, 10)),
    "Mann-Whitney": _between(mann_whitney),
    "Newey-West": _between(newey_west),
    "batch means, 10 s": _between(batch_means(10)),
    "batch means, 30 s": _between(batch_means(30)),
}
TOGGLED = f"toggled, {PAIRS} pairs"
OURS = "ours"


def core_verdicts() -> Core | None:
    """Find our own verdicts; None where ``benchmarks/core.py``, which asks for them, is missing.

    They are given samples, a row for each repetition, in sd of one sample, and
    the place of the first one after the change; they return of each row whether
    they would keep the change and whether they would take it back.
    """
    try:
        found: Core | None = getattr(importlib.import_module("core"), "core_verdicts", None)
    except ModuleNotFoundError as error:
        if error.name == "core":
            return None
        raise
    return found


def judges() -> dict[str, Judge]:
    """Give all that decide on two windows."""
    core = core_verdicts()
    if core is None:
        return TESTS

    def ours(samples: Floats, change: int) -> Verdicts:
        return Verdicts(*core(samples, change))

    return {**TESTS, OURS: ours}


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
@dataclass(frozen=True, slots=True)
class Shares:
    """How often a change was found to have helped, and how often to have harmed, in percent."""

    kept: float
    taken_back: float


def _chunks(family: str, wish: Wish, samples: int) -> Iterator[Floats]:
    return chunks(FAMILIES[family], wish.repetitions, (wish.seed, samples))


def chunks(family: Family, repetitions: int, seed_and_samples: tuple[int, int]) -> Iterator[Floats]:
    """Draw so many rows, a few at a time: the same for the same seed."""
    seed, samples = seed_and_samples
    for start in range(0, repetitions, CHUNK):
        rng = np.random.default_rng([seed, start])
        yield family(rng, min(CHUNK, repetitions - start), samples)


def judge_all(family: Family, effect: float, repetitions: int, seed: int) -> dict[str, Shares]:
    """Let everybody judge changes of this effect; positive ones help."""
    change = HISTORY + WINDOW
    found: dict[str, list[Verdicts]] = {}
    for noise in chunks(family, repetitions, (seed, change + (2 * PAIRS + 1) * TURN)):
        samples = noise.copy()
        samples[:, change:] -= effect * SMALLEST_EFFECT_SD
        for name, judge in judges().items():
            seen = samples[:, : change + SETTLE + WINDOW]
            found.setdefault(name, []).append(judge(seen, change))
        windows = _toggled_windows(noise[:, HISTORY:], effect * SMALLEST_EFFECT_SD)
        found.setdefault(TOGGLED, []).append(toggled(windows))
    return {name: _shares(verdicts) for name, verdicts in found.items()}


def _toggled_windows(noise: Floats, effect: float) -> Floats:
    """Average the settled part of each turn; every second one has the change."""
    turns = noise[:, : (2 * PAIRS + 1) * TURN].reshape(len(noise), 2 * PAIRS + 1, TURN)
    windows: Floats = np.nanmean(turns[:, :, SETTLE:], axis=2)
    windows[:, 1::2] -= effect
    return windows


def _shares(verdicts: list[Verdicts]) -> Shares:
    fell = np.concatenate([one.fell for one in verdicts])
    rose = np.concatenate([one.rose for one in verdicts])
    return Shares(100 * float(fell.mean()), 100 * float(rose.mean()))


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
        table.add(name, *kept, figure=figure, goal=None if effect else _goal(name))
    return table


def _goal(name: str) -> Goal | None:
    return SAME_GOAL if name == OURS else None


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
    more = 2 * (SETTLE + WINDOW)
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
                name: round(_shares([judge(samples, change)]).kept, 1)
                for name, judge in judges().items()
            }
        )
    for name in judges():
        cells = [kept[name] for kept in found]
        table.add(name, *cells, figure=max(cells), goal=_goal(name) if fresh else None)
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
            samples = noise - fall * np.arange(noise.shape[1])
            for name, judge in judges().items():
                verdicts.setdefault(name, []).append(judge(samples, change))
            windows = _toggled_windows(samples[:, HISTORY:], 0.0)
            verdicts.setdefault(TOGGLED, []).append(toggled(windows))
        found.append({name: round(_shares(each).kept, 1) for name, each in verdicts.items()})
    for name in found[0]:
        *cells, last = (kept[name] for kept in found)
        table.add(name, *cells, figure=last, goal=_goal(name))
    return table


def tables(wish: Wish) -> Iterator[Table]:
    """Measure what was asked for, one table after the other."""
    if core_verdicts() is None:
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


def main(arguments: list[str]) -> int:
    """Measure, print, and say whether every goal is met."""
    wish = parse(arguments)
    met = report(tables(wish), wish.json)
    return 1 if wish.strict and not met else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
