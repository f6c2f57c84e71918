"""How often is a study run again for nothing, and how soon is a change found?

Worlds that do not change, of several kinds, are watched every day for three months
after a study of thirty days, by the code that `daemon optimize FILE --if-due` uses:
drift of the quotes, decay of a winner, turns of the running system's signals. Each
time one of them speaks, the study is run again on all rows up to then, and watching
begins anew. Then changes are planted.

The rivals: the usual rule (a stability index above 0.25 between what was seen and
all that is newer), and a study every thirty days.

    .venv/bin/python benchmarks/retraining.py --repetitions 60
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import retraining_worlds as worlds
from measure import Goal, Table, report, say
from retraining_worlds import BEGIN_US, KINDS, NONE, Shift

from daemon.market.params import Combinations, ExitModel, Params
from daemon.market.quotes import DAY_US, Quotes
from daemon.search.studies import drift, earnings, signals, watching
from daemon.search.studies.signals import Wish
from daemon.search.studies.triggers import DECAY, DRIFT, REGIME, Rules
from daemon.search.studies.watching import SHORTFALL, Channel, Measure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from daemon.search.studies.drift import Days

    Floats = NDArray[np.float64]

SEEN, WATCHED = 30, 90
MONTH = 30.0
RULES = Rules()
PLAIN = 0.25
AGE_DAYS = 30
TESTED = 4
"""The last quarter of what a study sees vouches for its winner."""

WINNER = Combinations.of(
    [
        Params(
            min_spread_bps=8,
            taker_fee_a_bps=1,
            taker_fee_b_bps=1,
            slippage_bps=1,
            max_position_usd=1000,
            exit_model=ExitModel.QUOTED,
        )
    ]
)
WISHES = [Wish(f"signal {number}", low=0.0, weight=1.0) for number in range(worlds.SIGNALS)]
KEPT = ("AR", "diurnal", "weekly", "clustered")
"""Kinds in which changes are planted."""

SHIFTS = (
    ("spreads x 1.25", "spread", 1.25),
    ("spreads x 1.5", "spread", 1.5),
    ("spreads + 5 bps", "level", 5.0),
    ("spreads + 10 bps", "level", 10.0),
    ("volatility x 1.3", "volatility", 1.3),
    ("volatility x 1.6", "volatility", 1.6),
    ("gaps close 4 x slower", "reversion", 4.0),
    ("gaps close 12 x slower", "reversion", 12.0),
    ("a live signal worse by 0.5 sd", "signal", 0.5),
    ("a live signal worse by 1 sd", "signal", 1.0),
)
CLEAR = {
    "spreads x 1.5",
    "spreads + 10 bps",
    "volatility x 1.6",
    "gaps close 12 x slower",
    "a live signal worse by 1 sd",
}
"""Changes that must be found within a week, where days are alike."""

WEEK = Goal(7.0)
FOUND_DAYS = 30
MOST = 1.0
"""False triggers a month: the goal."""


@dataclass(frozen=True)
class Asked:
    """What was asked for on the command line."""

    repetitions: int
    seed: int
    json: Path | None
    strict: bool
    seen: int
    only: str | None


# ── watching ─────────────────────────────────────────────────────────────────
@dataclass(frozen=True, eq=False)
class World:
    """What happens, whoever watches."""

    quotes: Quotes
    hours: Floats
    days: int


def world(kind: str, shift: Shift, days: int, rng: np.random.Generator) -> World:
    """Draw a world."""
    return World(
        worlds.quotes(kind, days, shift, rng), worlds.signals(kind, days, shift, rng), days
    )


def numbered(found: World, seen: int) -> Days:
    """Number the days of a world after a study that saw so many of them."""
    quotes = found.quotes
    assert quotes.at_us is not None
    return drift.days_of(quotes.at_us, BEGIN_US + seen * DAY_US - 1, quotes.spreads().valid)


def channels(found: World, seen: int) -> dict[str, tuple[list[Channel], Measure]]:
    """Lay out what is watched after a study that saw so many days."""
    quotes, days = found.quotes, numbered(found, seen)
    of_row = days.of_row
    usd = earnings.earned(quotes, WINNER, of_row, days).usd[:, None]
    tested = days.numbers[days.numbers < 0] >= -(seen // TESTED)
    before = usd[days.numbers < 0]
    pnl = Channel("pnl", before, usd[days.numbers >= 0], before[tested])
    daily = [signals.by_day(row) for row in found.hours]
    return {
        DRIFT: (drift.channels(quotes, days, 1.0), drift.PSI),
        DECAY: ([pnl], SHORTFALL),
        REGIME: (signals.channels(WISHES, daily, seen), SHORTFALL),
    }


def first(found: World, seen: int, rng: np.random.Generator, most: int) -> dict[str, int]:
    """Say after how many days each reason speaks first; those that never do are left out."""
    spoke = {}
    for kind, (parts, measure) in channels(found, seen).items():
        threshold = watching.learn(parts, measure, RULES.share, RULES.horizon, rng)
        for day in range(1, min(len(parts[0].newer), most) + 1):
            now = [Channel(one.name, one.seen, one.newer[:day], one.promised) for one in parts]
            worst = watching.look(now, measure, threshold)
            if worst is not None and worst.ratio > 1:
                spoke[kind] = day
                break
    return spoke


def plain(found: World, seen: int, most: int) -> int | None:
    """Say when the usual rule speaks for the first time."""
    parts = drift.channels(found.quotes, numbered(found, seen), 1.0)
    for day in range(1, min(len(parts[0].newer), most) + 1):
        for one in parts:
            if drift.psi(one.seen.mean(axis=0), one.newer[:day].mean(axis=0)) > PLAIN:
                return day
    return None


@dataclass
class Count:
    """How often something was run again."""

    by: dict[str, int] = field(default_factory=lambda: {DRIFT: 0, DECAY: 0, REGIME: 0})
    changes: int = 0
    aged: int = 0
    plain: int = 0


def watch(found: World, seen: int, rng: np.random.Generator, count: Count) -> None:
    """Watch a world to its end, and begin anew after every study."""
    at = seen
    age = int(RULES.max_age_days or found.days)
    while at < found.days:
        most = min(age, found.days - at)
        spoke = first(found, at, rng, most)
        if spoke:
            day = min(spoke.values())
            count.changes += 1
            for kind, when in spoke.items():
                count.by[kind] += when == day
            at += day
        else:
            count.aged += most == age
            at += most
    at = seen
    while at < found.days:
        usual = plain(found, at, found.days - at)
        count.plain += usual is not None
        at += usual or found.days


# ── tables ───────────────────────────────────────────────────────────────────
def false_table(asked: Asked) -> Table:
    """Show how often studies are run again although nothing has changed."""
    table = Table(
        f"Studies for nothing, a month, after one of {asked.seen} days",
        ("kind", "drift", "decay", "regime", "a change", "index > 0.25", "age", "in all"),
        notes=(
            f"{RULES.false_per_month:g} a month are allowed to the three that claim a change,",
            f"and there is a study every {RULES.max_age_days:g} days whatever has changed.",
        ),
    )
    for kind in KINDS:
        say(f"nothing changes: {kind}")
        count = Count()
        for number in range(asked.repetitions):
            rng = np.random.default_rng([asked.seed, KINDS.index(kind), number])
            watch(world(kind, NONE, asked.seen + WATCHED, rng), asked.seen, rng, count)
        months = asked.repetitions * WATCHED / MONTH
        table.add(
            kind,
            *(count.by[one] / months for one in (DRIFT, DECAY, REGIME)),
            count.changes / months,
            count.plain / months,
            count.aged / months,
            figure=(count.changes + count.aged) / months,
            goal=Goal(MOST),
        )
    return table


def delay_table(asked: Asked) -> Table:
    """Show how many days pass until a planted change is found."""
    table = Table(
        f"Days until a change is found, 5 to 30 days after a study of {asked.seen} days",
        (
            "change",
            "kind",
            "by",
            "90 %",
            "in 30 days, %",
            "index > 0.25",
            "in 30, %",
            "age",
            "median",
        ),
        notes=(
            "Median and 90 % of the days from the change to the study; inf: not found within 30.",
            "What spoke before the change has not found it.",
        ),
    )
    for name, what, by in SHIFTS:
        for kind in KEPT:
            say(f"{name}: {kind}")
            *cells, median = _delays(asked, kind, (name, what, by))
            goal = WEEK if name in CLEAR and kind != "clustered" else None
            table.add(*cells, figure=float(median), goal=goal)
    return table


def _delays(asked: Asked, kind: str, shift: tuple[str, str, float]) -> Iterator[str | float]:
    name, what, by = shift
    ours: list[float] = []
    theirs: list[float] = []
    who: dict[str, int] = {}
    for number in range(max(asked.repetitions // 2, 1)):
        rng = np.random.default_rng([asked.seed, 100 + KINDS.index(kind), number])
        after = int(rng.integers(5, AGE_DAYS))
        days = asked.seen + after + FOUND_DAYS
        found = world(kind, Shift(what, by, asked.seen + after), days, rng)
        spoke = {
            one: day - after
            for one, day in first(found, asked.seen, rng, days).items()
            if day > after
        }
        soonest = min(spoke, key=lambda one: spoke[one], default=None)
        if soonest is not None:
            who[soonest] = who.get(soonest, 0) + 1
        ours.append(np.inf if soonest is None else spoke[soonest])
        usual = plain(found, asked.seen, days)
        theirs.append(np.inf if usual is None or usual <= after else usual - after)
    yield name
    yield kind
    yield max(who, key=lambda one: who[one], default="-")
    yield float(np.quantile(ours, 0.9, method="higher"))
    yield 100 * float(np.isfinite(ours).mean())
    yield float(np.median(theirs))
    yield 100 * float(np.isfinite(theirs).mean())
    yield (AGE_DAYS - 5) / 2
    yield float(np.median(ours))


def parse(arguments: list[str]) -> Asked:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--repetitions", type=int, default=60, help="of each kind (default: 60)")
    add("--seen", type=int, default=SEEN, help="days that the study sees (default: 30)")
    add("--seed", type=int, default=1, help="another one draws other worlds")
    add("--only", choices=("false", "delay"), help="one of the two tables")
    add("--json", type=Path, metavar="FILE", help="write the tables to a file, too")
    add("--strict", action="store_true", help="exit with 1 when a goal is missed")
    return Asked(**vars(parser.parse_args(arguments)))


def main(arguments: list[str]) -> int:
    """Measure, print, and say whether the goals are met."""
    asked = parse(arguments)
    makers = {"false": false_table, "delay": delay_table}
    chosen = [make for name, make in makers.items() if asked.only in {None, name}]
    met = report((make(asked) for make in chosen), asked.json)
    return int(asked.strict and not met)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
