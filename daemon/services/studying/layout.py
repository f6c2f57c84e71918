"""Which rows a study has: the quotes of every symbol, and the folds that they are parted into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.errors import InputError
from daemon.market.quotes import Quotes
from daemon.search.studies.folds import folds as parted
from daemon.services.studying.wanted import part_digest
from daemon.store.studies import PROBE, TEST, TRAIN, PartRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.search.studies.folds import Fold
    from daemon.services.studying.evidence import SymbolData
    from daemon.services.studying.wanted import StudyWanted


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Rows:
    """Some rows of a symbol, as a backtest takes them."""

    symbol: str
    weight: float
    part: str
    rows: range
    quotes: Quotes

    @property
    def digest(self) -> str:
        """What they are named by."""
        return self.quotes.digest


class Layout:
    """The quotes of a study, and its folds.

    Raises:
        InputError: some symbol has too few rows for them.
    """

    def __init__(self, wanted: StudyWanted, data: Sequence[SymbolData]) -> None:
        self.wanted, self.data = wanted, tuple(data)
        self._folds: dict[str, tuple[Fold, ...]] = {}
        for one in self.data:
            try:
                self._folds[one.symbol] = parted(len(one.quotes), wanted.scheme)
            except ValueError as error:
                raise InputError(
                    f"{wanted.name}: {one.symbol}: {error}",
                    hint="give it more rows, or walk_forward fewer folds",
                ) from error

    @property
    def count(self) -> int:
        """How many folds there are."""
        return len(next(iter(self._folds.values())))

    @property
    def rows(self) -> int:
        """How many rows there are of all symbols."""
        return sum(len(one.quotes) for one in self.data)

    def spans(self, fold: int, part: str) -> Mapping[str, range]:
        """Say which rows of each symbol a part of a fold has."""
        return {symbol: self._span(found[fold - 1], part) for symbol, found in self._folds.items()}

    def _span(self, fold: Fold, part: str) -> range:
        if part == TEST:
            return fold.test
        if part == TRAIN or self.wanted.pruning is None:
            return fold.train
        share = max(1, round(len(fold.train) * self.wanted.pruning.share))
        return fold.train[-share:]

    def tested(self, fold: int) -> bool:
        """Tell whether a fold has rows that nothing is chosen on."""
        return all(len(span) for span in self.spans(fold, TEST).values())

    def cut(self, fold: int, part: str) -> list[Rows]:
        """Give the rows of a part of a fold, symbol by symbol."""
        spans = self.spans(fold, part)
        return [
            Rows(
                symbol=one.symbol,
                weight=one.weight,
                part=part,
                rows=spans[one.symbol],
                quotes=sliced(one.quotes, spans[one.symbol]),
            )
            for one in self.data
        ]

    def parts(self) -> list[PartRow]:
        """Say all of it as the store keeps it."""
        kinds = [TRAIN, *([] if self.wanted.pruning is None else [PROBE]), TEST]
        files = {one.symbol: str(one.path) for one in self.wanted.data}
        return [
            PartRow(
                fold=fold,
                symbol=one.symbol,
                part=part,
                first_row=span[0],
                last_row=span[-1],
                digest=part_digest(one.digest, span[0], span[-1], len(one.quotes)),
                data_digest=one.digest,
                data_file=files[one.symbol],
            )
            for fold in range(1, self.count + 1)
            for part in kinds
            for one in self.data
            if len(span := self.spans(fold, part)[one.symbol])
        ]


def sliced(quotes: Quotes, span: range) -> Quotes:
    """Give some rows of quotes, named by what they hold; all of them are the quotes themselves."""
    if len(span) == len(quotes):
        return quotes
    part = slice(span[0], span[-1] + 1)
    bid_a, ask_a, bid_b, ask_b = (column[part] for column in quotes.prices)
    at_us = None if quotes.at_us is None else quotes.at_us[part]
    digest = part_digest(quotes.digest, span[0], span[-1], len(quotes))
    return Quotes(bid_a, ask_a, bid_b, ask_b, at_us, digest)
