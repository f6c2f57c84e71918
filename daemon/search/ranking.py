"""Which jobs were best: a total order that admits ties, and says who was left out and why.

Most realized pnl first, then the smaller drawdown, then the lower job number.
Figures that differ by no more than rounding may count as equal: the best of those
that are left leads, and whoever is as good as the leader is tied with it. Nothing
depends on the order in which jobs arrive, so blocks of results may be fed one by
one, and only the few that may still be among the best are held.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.columns import SideBySide
from daemon.search.spans import UNKNOWN, highest, lowest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from daemon.search.spans import Spans

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Columns = Mapping[str, NDArray[Any]]

ALIKE = 1e-9
"""Figures that differ by no more than this, or by this share of the better one, are equal."""

EXAMPLES = 5
"""Jobs that are named of those left out for one reason."""

NEEDED = ("realized_pnl_usd", "max_drawdown_pct", "total_trades")
"""Without them nobody is ranked."""

CHECKED = (
    *NEEDED,
    "closed_trades",
    "open_trades",
    "final_balance_usd",
    "win_rate",
    "avg_pnl_per_trade_usd",
)
"""What is no finite number here keeps a job out: its backtest went wrong somewhere."""

ERROR = "error"
"""Why a job that has no result is left out."""


def missing(metric: str) -> str:
    """Say that a metric is not there."""
    return f"{metric} missing"


def not_finite(metric: str) -> str:
    """Say that a metric is NaN or infinite."""
    return f"{metric} not finite"


_ASKED = (ERROR, *(why(name) for name in CHECKED for why in (missing, not_finite)))
"""Reasons in the order in which they are looked for; bounds come behind them."""


# ── what is asked ────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a job must hold to be ranked.

    Raises:
        ValueError: a bound makes no sense; the message says which and why.
    """

    max_drawdown_pct: float | None = None
    """At most so much."""
    min_trades: int | None = None
    """At least so many, open ones included."""

    def __post_init__(self) -> None:
        most, least = self.max_drawdown_pct, self.min_trades
        if most is not None and not (_real(most) and most >= 0):
            raise ValueError(f"max_drawdown_pct is {most!r}: a percentage is wanted, zero or more")
        if least is not None and not (_real(least) and int(least) == least >= 0):
            raise ValueError(f"min_trades is {least!r}: a whole number is wanted, zero or more")

    def document(self) -> dict[str, Any]:
        """Give those that are set."""
        both = {"max_drawdown_pct": self.max_drawdown_pct, "min_trades": self.min_trades}
        return {name: value for name, value in both.items() if value is not None}

    def refusals(self, columns: Columns, spans: Spans = UNKNOWN) -> list[tuple[str, Bools]]:
        """Say who is left out, unless spans say nobody: a reason each, and an element a job."""
        found: list[tuple[str, Bools]] = []
        deepest, fewest = self.max_drawdown_pct, self.min_trades
        if deepest is not None and highest(spans, "max_drawdown_pct") > deepest:
            over = columns["max_drawdown_pct"] > deepest
            found.append((f"max_drawdown_pct above {deepest:g}", over))
        if fewest is not None and lowest(spans, "total_trades") < fewest:
            found.append((f"total_trades below {fewest}", columns["total_trades"] < fewest))
        return found


def _real(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)


ANY = Filters()


# ── what is answered ─────────────────────────────────────────────────────────
@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Ranked:
    """The best jobs, best first, and who could not be ranked."""

    places: Ints
    """Where they stand in what was given."""
    ranks: Ints
    """1, 2, 2, 4: who is tied shares the better rank."""
    tied: Bools
    """Whether another job shares the rank, shown here or not."""
    eligible: int
    """How many could be ranked, however many are shown."""
    excluded: Counter[str] = field(default_factory=Counter)
    """How many were left out for each reason; each job for the first one that holds."""
    examples: dict[str, list[int]] = field(default_factory=dict)
    """The lowest job numbers of them."""

    def __len__(self) -> int:
        return len(self.places)

    def labels(self) -> list[str]:
        """Write ranks for the eye, those that are shared with ``=``."""
        both = zip(self.ranks.tolist(), self.tied.tolist(), strict=True)
        return [f"{rank}{'=' * tied}" for rank, tied in both]


def rank(
    columns: Columns,
    order: Ints,
    filters: Filters = ANY,
    *,
    limit: int | None = None,
    done: Bools | None = None,
) -> Ranked:
    """Rank jobs whose metrics are columns; ``order`` are their numbers, no two alike.

    A job that is not ``done`` has failed: whatever its columns hold is not read.
    """
    best = Best(limit, filters)
    best.feed(columns, order, done)
    return best.ranked()


# ── who may be ranked ────────────────────────────────────────────────────────
def judged(
    columns: Columns, filters: Filters, done: Bools | None, count: int, spans: Spans = UNKNOWN
) -> tuple[Bools, list[tuple[str, Bools]]]:
    """Tell who may be ranked, and for what reason each of the others may not.

    Columns that have a span hold finite numbers, of all jobs that are done.
    """
    left: Bools = np.ones(count, np.bool_)
    reasons: list[tuple[str, Bools]] = []

    def leave_out(reason: str, bad: Bools) -> None:
        nonlocal left
        out = left & bad
        if out.any():
            reasons.append((reason, out))
            left = left & ~out

    if done is not None:
        leave_out(ERROR, ~done)
    for name in CHECKED:
        if name in spans:
            continue
        if name in columns:
            leave_out(not_finite(name), ~np.isfinite(columns[name]))
        elif name in NEEDED:
            leave_out(missing(name), np.ones(count, np.bool_))
    if left.any():
        for reason, bad in filters.refusals(columns, spans):
            leave_out(reason, bad)
    return left, reasons


# ── the order ────────────────────────────────────────────────────────────────
@dataclass(frozen=True, eq=False, slots=True)
class Keys(SideBySide):
    """What is compared, an element a job."""

    most: Floats
    """The larger the better, to begin with."""
    least: Floats
    """Then the smaller."""
    order: Ints
    """Then the lower."""
    place: Ints

    @classmethod
    def joined(cls, parts: Sequence[Keys]) -> Keys:
        """Put several one after the other."""
        names = cls.empty(0).named()
        return cls(
            **{name: np.concatenate([getattr(one, name) for one in parts]) for name in names}
        )


@dataclass(frozen=True, eq=False, slots=True)
class Sorted:
    """Keys in order."""

    places: Ints
    ranks: Ints
    tied: Bools


def in_order(keys: Keys) -> Sorted:
    """Sort, and number those that are equal alike."""
    if not len(keys):
        return Sorted(keys.place, keys.place, np.zeros(0, np.bool_))
    by = np.argsort(-keys.most)
    new = _leads(-keys.most[by], np.arange(len(by)) == 0)
    by = _settled(by, new, keys.least)
    new = _leads(keys.least[by], new)
    by = _settled(by, new, keys.order)
    begins = np.flatnonzero(new)
    sizes = np.diff(np.append(begins, len(by)))
    return Sorted(keys.place[by], np.repeat(begins + 1, sizes), np.repeat(sizes > 1, sizes))


def _settled(by: Ints, new: Bools, key: NDArray[Any]) -> Ints:
    """Sort by a further key within the groups that begin where ``new`` says so."""
    alone = new & np.append(new[1:], np.True_)
    among = np.flatnonzero(~alone)
    found = by.copy()
    found[among] = by[among][np.lexsort((key[by[among]], np.cumsum(new)[among]))]
    return found


def _leads(values: Floats, starts: Bools) -> Bools:
    """Mark who leads: ascending values within stretches that begin where ``starts`` says so.

    Whoever is within reach of its leader follows it. A gap wider than that always
    makes a new leader; only stretches without one that are wide in all are walked.
    """
    far = reach(values)
    new = starts.copy()
    new[1:] |= values[1:] > far[:-1]
    begins = np.flatnonzero(new)
    ends = np.append(begins, len(values))[1:]
    for wide in np.flatnonzero(values[ends - 1] > far[begins]).tolist():
        begin, end = int(begins[wide]), int(ends[wide])
        limit = float(far[begin])
        for place, value in enumerate(values[begin:end].tolist(), begin):
            if value > limit:
                new[place] = True
                limit = float(far[place])
    return new


def reach(values: Floats) -> Floats:
    """Say up to where others count as equal to each value."""
    found: Floats = values + ALIKE * np.maximum(np.abs(values), 1.0)
    return found


# ── the best of very many ────────────────────────────────────────────────────
class Best:
    """The best jobs of any number, fed block by block.

    Held are as many as are wanted, and those that are so close behind that a
    later job may still decide between them: of equal figures never more than are
    wanted. So the memory does not grow with the number of jobs.

    Raises:
        ValueError: fewer than none are wanted.
    """

    def __init__(self, limit: int | None = None, filters: Filters = ANY) -> None:
        if limit is not None and limit < 0:
            raise ValueError(f"the first {limit} jobs are wanted: it must be zero or more")
        self._limit, self._filters = limit, filters
        self._held = Keys.empty(0)
        self._fed = 0
        self._floor = -math.inf
        self._eligible = 0
        self._excluded: Counter[str] = Counter()
        self._examples: dict[str, list[int]] = {}

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)

    def feed(
        self, columns: Columns, order: Ints, done: Bools | None = None, spans: Spans = UNKNOWN
    ) -> None:
        """Take in a block; what its spans say is not read from its columns."""
        left, reasons = judged(columns, self._filters, done, len(order), spans)
        for reason, out in reasons:
            self._leave_out(reason, order[out])
        at = np.flatnonzero(left)
        self._eligible += len(at)
        if len(at) and highest(spans, "realized_pnl_usd") >= self._floor:
            pnl = columns["realized_pnl_usd"][at].astype(np.float64)
            close = np.flatnonzero(pnl >= self._floor)
            if len(close):
                self._take(columns, order, at[close], pnl[close])
        self._fed += len(order)

    def _leave_out(self, reason: str, numbers: Ints) -> None:
        self._excluded[reason] += len(numbers)
        if len(numbers) > EXAMPLES:
            numbers = np.partition(numbers, EXAMPLES)[:EXAMPLES]
        known = [*self._examples.get(reason, []), *numbers.tolist()]
        self._examples[reason] = sorted(known)[:EXAMPLES]

    def _take(self, columns: Columns, order: Ints, at: Ints, pnl: Floats) -> None:
        """Hold what may be among the best, and one more: it may be tied with the last."""
        drawdown = columns["max_drawdown_pct"][at].astype(np.float64)
        new = Keys(pnl, drawdown, order[at].astype(np.int64), at + self._fed)
        held = Keys.joined([self._held, new])
        if self._limit is not None and len(held) > self._limit:
            held = hopeful(held, self._limit + 1)
            self._floor = -float(_bound(held, self._limit + 1)[0])
        self._held = held

    def ranked(self) -> Ranked:
        """Give the best of what was fed so far."""
        found = in_order(self._held)
        shown = slice(self._limit)
        known = [why for why in _ASKED if why in self._excluded]
        reasons = [*known, *sorted(self._excluded.keys() - set(known))]
        return Ranked(
            places=found.places[shown],
            ranks=found.ranks[shown],
            tied=found.tied[shown],
            eligible=self._eligible,
            excluded=Counter({why: self._excluded[why] for why in reasons}),
            examples={why: list(self._examples[why]) for why in reasons},
        )


def hopeful(keys: Keys, wanted: int) -> Keys:
    """Drop whoever comes after so many others for certain, whatever may still be added."""
    if len(keys) <= wanted:
        return keys
    keys = keys[np.flatnonzero(-keys.most <= _bound(keys, wanted))]
    if len(keys) <= wanted:
        return keys
    keys = keys[np.lexsort((keys.order, keys.least, -keys.most))]
    new = _changes(keys.most)
    begins = np.flatnonzero(new)
    last = np.minimum(begins + wanted, np.append(begins, len(keys))[1:]) - 1
    bounds = np.repeat(reach(keys.least[last]), np.diff(np.append(begins, len(keys))))
    keys = keys[np.flatnonzero(keys.least <= bounds)]
    new = _changes(keys.most) | _changes(keys.least)
    begins = np.flatnonzero(new)
    turn = np.arange(len(keys)) - np.repeat(begins, np.diff(np.append(begins, len(keys))))
    return keys[np.flatnonzero(turn < wanted)]


def _bound(keys: Keys, wanted: int) -> Floats:
    """Say up to where the negated figures of others may still count, once so many are there."""
    return reach(np.partition(-keys.most, wanted - 1)[wanted - 1 : wanted])


def _changes(values: Floats) -> Bools:
    """Mark the first of every stretch of equal values."""
    new: Bools = np.arange(len(values)) == 0
    new[1:] = values[1:] != values[:-1]
    return new


# ── job ids ──────────────────────────────────────────────────────────────────
def natural(job_id: str) -> tuple[tuple[str | tuple[int, str], ...], str]:
    """Give what ids are sorted by: ``s_9999`` comes before ``s_10000``."""
    parts = re.split(r"([0-9]+)", job_id)
    parts[1::2] = [digits.lstrip("0") for digits in parts[1::2]]
    key = tuple((len(part), part) if number % 2 else part for number, part in enumerate(parts))
    return key, job_id


def natural_order(job_ids: Sequence[str]) -> Ints:
    """Number ids by their natural order; equal ones as they come."""
    order = np.empty(len(job_ids), np.int64)
    order[sorted(range(len(job_ids)), key=lambda place: natural(job_ids[place]))] = np.arange(
        len(job_ids)
    )
    return order
