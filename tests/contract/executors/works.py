"""What executors run in these tests: real backtests that may hang, raise or kill their process.

Each is a class that is pickled by name, for it has to reach workers elsewhere. Which
combinations are poison is told by a parameter, so that a batch can be made to hold some.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.adapters.executors import backtested

if TYPE_CHECKING:
    from daemon.market.metrics import Columns
    from daemon.market.params import Combinations
    from daemon.market.quotes import Quotes

KILLS, SEGFAULTS, LEAVES, HANGS = 9001.0, 9002.0, 9003.0, 9004.0
RAISES, EATS, SULKS, INTERRUPTS = 9005.0, 9006.0, 9007.0, 9008.0
"""Positions, in USD, that a combination asks for to be poison."""


class Sulk(Exception):  # noqa: N818
    """Cannot be pickled, and its words are long."""

    def __reduce__(self):
        raise TypeError("no")


@dataclass(frozen=True)
class Poisoned:
    """Backtests, unless a combination is poison."""

    def __call__(self, quotes: Quotes, combinations: Combinations) -> Columns:
        for position in combinations.max_position_usd:
            self._swallow(float(position))
        return backtested(quotes, combinations)

    def _swallow(self, position: float) -> None:
        if position == KILLS:
            os.kill(os.getpid(), signal.SIGKILL)
        if position == SEGFAULTS:
            os.kill(os.getpid(), signal.SIGSEGV)
        if position == LEAVES:
            os._exit(3)
        if position == RAISES:
            raise ValueError("this combination makes no sense")
        if position == HANGS:
            time.sleep(600)
        if position == EATS:
            raise MemoryError("2 TB")
        if position == SULKS:
            raise Sulk("s" * 5_000)
        if position == INTERRUPTS:
            raise KeyboardInterrupt


@dataclass(frozen=True)
class Slow:
    """Backtests after a while; says in a folder which process is at it."""

    folder: str
    seconds: float

    def __call__(self, quotes: Quotes, combinations: Combinations) -> Columns:
        mark = Path(self.folder, f"{os.getpid()}-{os.getppid()}")
        mark.touch()
        time.sleep(self.seconds)
        mark.unlink()
        return backtested(quotes, combinations)
