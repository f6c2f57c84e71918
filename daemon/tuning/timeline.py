"""The objective along a recorded timeline: how a policy would have scored what was measured.

It claims nothing of what a policy would have achieved: the samples are those of
the rules that were in force. Two policies see the same samples; what differs is
what they want of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.tuning.model import blocks_of
from daemon.tuning.objective import frame_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.tuning.model import Policy
    from daemon.tuning.objective import Floats, Frame


@dataclass(slots=True)
class Span:
    """What one stretch of time was worth to one policy."""

    blocks: int = 0
    """Blocks in which every target's signal had samples."""
    score: float = 0.0
    """Sum over them."""
    met: int = 0
    """In how many of them every target was met."""

    @property
    def mean(self) -> float | None:
        """The mean score."""
        return self.score / self.blocks if self.blocks else None

    @property
    def share_met(self) -> float | None:
        """The share of the time with every target met."""
        return self.met / self.blocks if self.blocks else None

    def add(self, other: Span) -> None:
        """Take another stretch in."""
        self.blocks += other.blocks
        self.score += other.score
        self.met += other.met


class Timeline:
    """The score of each stretch of time by one policy."""

    def __init__(self, policy: Policy, signals: Sequence[str], stretch: int) -> None:
        self._policy = policy
        self._columns = [list(signals).index(signal) for signal in policy.signals()]
        self._frame: Frame | None = None
        self.stretch = stretch
        """Blocks of a stretch."""
        self.spans: dict[int, Span] = {}
        """By number of the stretch."""

    def add(self, first: int, mean: Floats) -> None:
        """Score a chunk of blocks, (blocks, signals)."""
        rows = mean[:, self._columns]
        frame = self._frame = self._frame or self._placed(rows)
        if frame is None:
            return
        framed = frame.within(rows)
        wanted = frame.weight > 0
        seen = np.isfinite(framed[:, wanted]).all(axis=1)
        framed = np.where(np.isfinite(framed), framed, 0.0)
        score = frame.score(framed)
        met = (frame.excess(framed)[:, wanted] <= 0).all(axis=1)
        number = (first + np.arange(len(rows))) // self.stretch
        for one in sorted(set(number[seen].tolist())):
            here = seen & (number == one)
            span = Span(int(here.sum()), float(score[here].sum()), int((met & here).sum()))
            self.spans.setdefault(one, Span()).add(span)

    def whole(self) -> Span:
        """Sum up all stretches."""
        total = Span()
        for span in self.spans.values():
            total.add(span)
        return total

    def _placed(self, rows: Floats) -> Frame | None:
        """Lay out the targets around the first stretch in which every signal was seen."""
        rows = rows[: max(blocks_of(self._policy.warmup_s), 1)]
        if not np.isfinite(rows).any(axis=0).all():
            return None
        return frame_of(self._policy, np.nanmedian(rows, axis=0))
