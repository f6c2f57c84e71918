"""What is known of a study when all of its folds are done, and what was made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.store.trials import TrialPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from daemon.market.metrics import Columns
    from daemon.market.params import Combinations
    from daemon.market.quotes import Quotes
    from daemon.search.studies.domain import Point
    from daemon.services.studying.wanted import StudyWanted

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["Evidence", "FoldEvidence", "Judged", "SymbolData", "TrialPlace"]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class SymbolData:
    """The quotes of a symbol, all of them."""

    symbol: str
    weight: float
    quotes: Quotes
    digest: str


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class FoldEvidence:
    """A fold and its finished trials: an element of every array a trial, by number."""

    number: int
    """From 1."""
    train: Mapping[str, range]
    """The rows of each symbol that were searched on."""
    test: Mapping[str, range]
    """The rows that nothing was chosen on; empty where there are none."""
    numbers: Ints
    """Of the trials that were evaluated on all training rows."""
    points: Sequence[Point]
    params: Combinations
    """All parameters of each."""
    values: Floats
    """What they were wanted for in sample: a row a trial and a column an objective."""
    violation: Floats
    """How far each is from what it must hold; 0 where it holds."""
    train_columns: Columns
    """All metrics in sample, of all symbols together."""
    test_columns: Columns | None
    """All metrics out of sample; None where there are no such rows."""
    by_symbol: Mapping[str, tuple[Columns, Columns | None]]
    """The same of each symbol alone."""
    chosen: int | None
    """The place of the fold's choice; None where no trial holds what it must."""
    tried: int
    """How many were ever proposed in this fold, those that were pruned or failed among them."""
    ended: str
    """Why no more were tried."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Evidence:
    """A study that is to be judged."""

    study_id: int
    name: str
    wanted: StudyWanted
    data: tuple[SymbolData, ...]
    folds: tuple[FoldEvidence, ...]
    elsewhere: int
    """Distinct combinations that others, sessions and studies, ever tried on these data."""
    tried: int
    """Distinct combinations that this study tried."""
    go_on: Callable[[], None]
    """Called now and then by whatever takes long; raises where the study is to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a study comes to."""

    declared: bool
    """Whether its winner may be followed."""
    said: str
    winner_n: int | None
    """None where there is nobody to follow, or to turn down."""
    report: Mapping[str, Any]
    """All that is said of it, as JSON can hold it."""
    places: Sequence[TrialPlace] = ()
    warnings: tuple[str, ...] = field(default_factory=tuple)
