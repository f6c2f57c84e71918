"""Draw the pictures of docs/explanation/decisions.md.

    python benchmarks/pictures.py                                   all but the comparison
    python benchmarks/decisions.py --seeds 30 --json runs.json
    python benchmarks/pictures.py --decisions runs.json             that one, too

Each shows noise drawn from a stated seed, or what another benchmark wrote to a
file; the same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from judges import HISTORY, OURS, PAIRS, SETTLE, TOGGLED, TURN, WINDOW, judge_all
from measure import say
from noise import RATE_HZ, SMALLEST_EFFECT_SD, remembering
from svg import COLOURS, FAINT, INK, MUTED, Axis, Panel, Picture
from textbook import welch
from verdicts import parse, triggered

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "pictures"
BEFORE, AFTER, SIGNAL, GOOD = COLOURS[0], COLOURS[1], "#9aa5b1", COLOURS[2]


def _sd(value: float) -> str:
    return f"{value:+g} sd".replace("-", "\N{MINUS SIGN}") if value else "0"


def _blocks(samples: Floats, seconds: int = 1) -> tuple[list[float], list[float]]:
    """Thin a signal out for drawing: its means over so many seconds, at their middles."""
    size = seconds * RATE_HZ
    means = samples[: len(samples) // size * size].reshape(-1, size).mean(axis=1)
    return [seconds * (place + 0.5) for place in range(len(means))], means.tolist()


# ── two windows of a signal that nobody touched ──────────────────────────────
def _typical(lag_one: float, repetitions: int = 201) -> Floats:
    """Of so many draws give the one whose windows differ by the median amount."""
    samples = 2 * WINDOW + SETTLE
    drawn = remembering(lag_one)(np.random.default_rng(11), repetitions, samples)
    gaps = drawn[:, WINDOW + SETTLE :].mean(axis=1) - drawn[:, :WINDOW].mean(axis=1)
    typical: Floats = drawn[np.argsort(np.abs(gaps))[repetitions // 2]]
    return typical


def windows() -> Picture:
    """Draw two typical pairs of windows in which nothing was changed."""
    sheet = Picture(
        "Two windows of 90 s in which nothing changed",
        "Independent samples give two equal means. Samples that remember for 20 s give two"
        " means that a t test calls different.",
        height=470,
    )
    seconds = (2 * WINDOW + SETTLE) / RATE_HZ
    ticks = tuple((value, f"{value:g} s") for value in (0, 90, 120, 210))
    for row, (lag_one, words) in enumerate(
        ((0.0, "Every sample is new"), (0.99, "99 % of a sample is in the next"))
    ):
        samples = _typical(lag_one)
        before, after = samples[:WINDOW], samples[WINDOW + SETTLE :]
        up = Axis(-3.2, 3.2, tuple((value, _sd(value)) for value in (-2, 0, 2)))
        top = 50 + 220 * row
        panel = Panel(sheet, 60, top, 740, top + 150, Axis(0, seconds, ticks), up)
        panel.span(0, 90, BEFORE)
        panel.span(120, 210, AFTER)
        panel.frame(_heading(words, before, after))
        panel.curve(
            [place / RATE_HZ for place in range(len(samples))], samples.tolist(), SIGNAL, width=1
        )
        for start, window, colour in ((0, before, BEFORE), (120, after, AFTER)):
            mean = float(window.mean())
            panel.curve([start, start + 90], [mean, mean], colour, width=3)
    return sheet


def _heading(words: str, before: Floats, after: Floats) -> str:
    gap = after.mean() - before.mean()
    error = np.sqrt(before.var(ddof=1) / WINDOW + after.var(ddof=1) / WINDOW)
    verdict = welch(before[None], after[None])
    told = "different" if verdict.fell[0] or verdict.rose[0] else "the same"
    return f"{words}: means {abs(gap):.2f} sd apart, t = {abs(gap) / error:.1f}, called {told}"


# ── false keeps by memory ────────────────────────────────────────────────────
MEMORIES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
SHOWN = (
    "Welch's t, every 10 s",
    "Welch's t",
    "fixed threshold",
    "batch means, 30 s",
    TOGGLED,
    OURS,
)


def false_keeps(repetitions: int = 600) -> Picture:
    """Draw how often each test keeps what did nothing, by how long a signal remembers."""
    rates: dict[str, list[float]] = {}
    for lag_one in MEMORIES:
        say(f"memory {lag_one:g}")
        for name, share in judge_all(remembering(lag_one), 0.0, repetitions, 7).items():
            rates.setdefault(name, []).append(share.kept)
    sheet = Picture(
        "Changes kept though nothing changed",
        "The share that each test keeps in error, by how much of a sample is still in the next.",
        height=400,
    )
    across = Axis(
        0,
        len(MEMORIES) - 1,
        tuple((place, f"{lag_one:g}") for place, lag_one in enumerate(MEMORIES)),
        "how much of a sample is still in the next one, 0.2 s later",
    )
    up = Axis(0, 60, tuple((value, f"{value} %") for value in range(0, 61, 10)))
    panel = Panel(sheet, 50, 50, 560, 340, across, up)
    panel.frame("Kept though nothing changed (two windows of 90 s)")
    panel.curve([0, len(MEMORIES) - 1], [5, 5], INK, width=1, dashes="5 4")
    drawn = [name for name in SHOWN if name in rates]
    ends = _apart([panel.y(rates[name][-1]) for name in drawn], 16)
    for colour, name, end in zip(COLOURS, drawn, ends, strict=False):
        panel.curve(range(len(MEMORIES)), rates[name], colour, width=2.5 if name == OURS else 2)
        sheet.text(572, end + 4, name, fill=colour, font_weight="600")
    sheet.text(panel.x(2.4), panel.y(5) + 14, "5 % promised", size=11, fill=MUTED)
    return sheet


def _apart(places: list[float], least: float) -> list[float]:
    """Move labels down until none covers another, in the order they come."""
    order = sorted(range(len(places)), key=lambda number: places[number])
    moved = list(places)
    for above, below in itertools.pairwise(order):
        moved[below] = max(moved[below], moved[above] + least)
    return moved


# ── a bad window gets better by itself ───────────────────────────────────────
def after_trigger(repetitions: int = 600) -> Picture:
    """Draw the mean course of runs around a window that called for a change."""
    sheet = Picture(
        "A bad window gets better by itself",
        "The mean of many runs, lined up at the end of a window that was worse than usual:"
        " it stands out, and what comes after it does not.",
        height=330,
    )
    wish = parse(["--repetitions", str(repetitions)])
    samples = triggered("AR .99", wish)[:, HISTORY - 2 * WINDOW :]
    course = samples.mean(axis=0)
    seconds, means = _blocks(course, 3)
    shifted = [value - 3 * WINDOW / RATE_HZ for value in seconds]
    low, high = shifted[0], shifted[-1]
    ticks = tuple((value, _moment(value)) for value in range(-270, 241, 90))
    up = Axis(-0.5, 2.1, tuple((value, _sd(value)) for value in (0, 0.5, 1)))
    panel = Panel(sheet, 60, 60, 740, 270, Axis(low, high, ticks), up)
    panel.span(-90, 0, AFTER)
    panel.span(30, 120, GOOD)
    gain = course[2 * WINDOW : 3 * WINDOW].mean() - course[3 * WINDOW + SETTLE :][:WINDOW].mean()
    panel.frame(
        f"Mean of {len(samples)} runs in which nothing was changed:"
        f" down by {gain / SMALLEST_EFFECT_SD:.1f} smallest effects"
    )
    panel.curve(shifted, means, INK, width=2)
    places = ((-45, "the window that", AFTER), (75, "a fresh window", GOOD))
    for place, words, colour in places:
        sheet.text(panel.x(place), panel.top + 16, words, anchor="middle", fill=colour)
    sheet.text(panel.x(-45), panel.top + 32, "called for help", anchor="middle", fill=AFTER)
    return sheet


def _moment(seconds: int) -> str:
    return f"{seconds:+d} s".replace("-", "\N{MINUS SIGN}") if seconds else "now"


# ── toggling ─────────────────────────────────────────────────────────────────
def toggling() -> Picture:
    """Draw a drifting signal under one change, and under a change that is made and unmade."""
    turns = 2 * PAIRS + 1
    noise = remembering(0.9)(np.random.default_rng(5), 1, turns * TURN)[0]
    drift = -2 * SMALLEST_EFFECT_SD / (120 * RATE_HZ) * np.arange(turns * TURN)
    samples = noise + drift + 2
    sheet = Picture(
        "A drift looks like an effect once, and cancels when a change is toggled",
        "The signal falls by itself. Before and after differ; the mean of turns with the change"
        " less the turns around them does not.",
        height=330,
    )
    ticks = tuple((TURN / RATE_HZ * turn, f"{TURN / RATE_HZ * turn:g} s") for turn in range(8))
    up = Axis(-6, 4.5, tuple((value, _sd(value)) for value in (-4, -2, 0, 2, 4)))
    panel = Panel(sheet, 60, 60, 740, 270, Axis(0, turns * TURN / RATE_HZ, ticks), up)
    for turn in range(1, turns, 2):
        panel.span(turn * TURN / RATE_HZ, (turn + 1) * TURN / RATE_HZ, AFTER)
    means = samples.reshape(turns, TURN)[:, SETTLE:].mean(axis=1)
    once = means[1] - means[0]
    pairs = means[1::2] - (means[:-1:2] + means[2::2]) / 2
    panel.frame(
        f"Nothing has an effect. One comparison finds {_sd(round(once, 2))},"
        f" {PAIRS} toggles find {_sd(round(pairs.mean(), 2))}"
    )
    seconds, course = _blocks(samples)
    panel.curve(seconds, course, SIGNAL, width=1)
    for turn, mean in enumerate(means):
        start = (turn * TURN + SETTLE) / RATE_HZ
        stop, colour = (turn + 1) * TURN / RATE_HZ, AFTER if turn % 2 else BEFORE
        panel.curve([start, stop], [mean, mean], colour, width=3)
        middle = panel.x((turn + 0.5) * TURN / RATE_HZ)
        words = "changed" if turn % 2 else "as before"
        sheet.text(middle, panel.bottom - 8, words, size=11, anchor="middle", fill=colour)
    return sheet


# ── the comparison ───────────────────────────────────────────────────────────
MARKS = {
    "threshold": COLOURS[1],
    "threshold+back": COLOURS[4],
    "pattern": COLOURS[2],
    "spsa": COLOURS[3],
    "pid": MUTED,
    "core": COLOURS[0],
}
LOWEST = -0.4


def gains(document: dict[str, Any]) -> Picture:
    """Draw the median share of the gain of every policy on every plant."""
    cells: dict[tuple[str, str], list[float]] = {}
    for run in document["runs"]:
        if run["gain"] is not None:
            cells.setdefault((run["plant"], run["policy"]), []).append(run["gain"])
    plants = list(dict.fromkeys(plant for plant, _ in cells))
    policies = [name for name in MARKS if any(policy == name for _, policy in cells)]
    sheet = Picture(
        "Share of the gain of the best fixed setting, by plant",
        "A dot for each policy and plant: the median over seeds. Values below the axis are drawn"
        " at its end.",
        height=110 + 22 * len(plants),
    )
    ticks = tuple((value, f"{value:g}") for value in (0.0, 0.25, 0.5, 0.75, 1.0))
    rows = Axis(len(plants) - 0.5, -0.5, tuple((row, name) for row, name in enumerate(plants)))
    across = Axis(LOWEST, 1.08, ticks, "0: as if nobody did anything; 1: the best fixed setting")
    panel = Panel(sheet, 120, 60, 740, 60 + 22 * len(plants), across, rows)
    panel.frame()
    sheet.line([(panel.x(1), panel.top), (panel.x(1), panel.bottom)], FAINT, width=2)
    for place, name in enumerate(policies):
        x = 60 + 100 * place + (40 if place > 1 else 0)
        sheet.dot(x, 36, MARKS[name], hollow=name != "core", radius=5)
        sheet.text(x + 10, 40, name, fill=MARKS[name], font_weight="600")
    for row, plant in enumerate(plants):
        for name in policies:
            value = max(LOWEST, statistics.median(cells[plant, name]))
            core = name == "core"
            sheet.dot(panel.x(value), panel.y(row), MARKS[name], hollow=not core, radius=4 + core)
    return sheet


PICTURES: dict[str, Callable[[], Picture]] = {
    "two-windows": windows,
    "false-keeps": false_keeps,
    "after-trigger": after_trigger,
    "toggling": toggling,
}


def main(arguments: list[str]) -> int:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where they are put")
    parser.add_argument("--only", choices=[*PICTURES], action="append", help="just this one")
    parser.add_argument("--decisions", type=Path, help="what decisions.py wrote with --json")
    wish = parser.parse_args(arguments)
    wish.folder.mkdir(parents=True, exist_ok=True)
    drawn = {name: PICTURES[name] for name in wish.only or PICTURES}
    if wish.decisions:
        document = json.loads(wish.decisions.read_text(encoding="utf-8"))
        drawn["gains"] = lambda: gains(document)
    for name, draw in drawn.items():
        say(name)
        (wish.folder / f"{name}.svg").write_text(str(draw()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
