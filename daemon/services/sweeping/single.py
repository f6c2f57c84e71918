"""One backtest alone: a file of quotes and one set of parameters in, a result document out."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS, iso
from daemon.errors import DaemonError, InputError
from daemon.market import simulator
from daemon.market.params import Combinations, Params
from daemon.market.staircase import sweep
from daemon.services.sweeping import documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.clock import Clock
    from daemon.market.metrics import Metrics
    from daemon.market.quotes import Quotes
    from daemon.ports import LoadedQuotes, QuoteBank

DEFAULTS = {item.name: None if item.default is MISSING else item.default for item in fields(Params)}
"""What parameters are that were not given; nothing for those that must be."""

NAMES = tuple(DEFAULTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be backtested."""

    data_file: str
    values: Mapping[str, Any]
    """Parameters as they were given; those that were not have their defaults."""
    skip_bad_rows: bool = False
    tag: str | None = None
    job_id: str | None = None

    def params(self) -> Params:
        """Check the parameters.

        Raises:
            InputError: one of them cannot have its value.
        """
        try:
            return Params(**self.values)
        except ValueError as error:
            raise InputError(str(error)) from error

    def failed(self, error: Exception) -> dict[str, Any]:
        """Say as a document that it could not be done, with the parameters as far as known."""
        config = {"data_file": self.data_file} | {
            name: _writable(self.values.get(name, default)) for name, default in DEFAULTS.items()
        }
        summary = documents.summary_of(self.job_id)
        reason = f"unexpected {type(error).__name__}: {error}"
        if isinstance(error, DaemonError):
            reason = error.message
        return documents.failure(config | {"tag": self.tag}, reason, summary)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A backtest that was done."""

    question: Question
    params: Params
    loaded: LoadedQuotes
    metrics: Metrics
    runtime_s: float

    def document(self) -> dict[str, Any]:
        """Give the result as files and scripts have it."""
        asked, quotes = self.question, self.loaded.quotes
        config = documents.config_of(asked.data_file, self.params, asked.tag)
        summary = documents.summary_of(asked.job_id, quotes.digest, len(quotes))
        return documents.success(config, self.metrics.document(), self.runtime_s, summary)

    def trades(self) -> Iterator[tuple[Any, ...]]:
        """List the closed trades, as they were closed; `TRADE` names the columns."""
        return _trades(self.loaded.quotes, self.params)


def run(question: Question, bank: QuoteBank, clock: Clock) -> Outcome:
    """Do one backtest, by the engine that sessions use.

    Raises:
        InputError: a parameter or the file of quotes does not hold.
    """
    params = question.params()
    loaded = bank.load(Path(question.data_file), skip_bad_rows=question.skip_bad_rows)
    began_us = clock.elapsed_us()
    metrics = sweep(loaded.quotes, Combinations.of([params]))[0]
    return Outcome(
        question=question,
        params=params,
        loaded=loaded,
        metrics=metrics,
        runtime_s=(clock.elapsed_us() - began_us) / MICROS,
    )


# ── trades ───────────────────────────────────────────────────────────────────
TRADE = (
    "trade",
    "side",
    "entry_row",
    "entry_at",
    "exit_row",
    "exit_at",
    "entry_spread_bps",
    "exit_spread_bps",
    "pnl_bps",
    "pnl_usd",
)
"""Columns of a trade; rows count from 1, those that were skipped left out."""


def _trades(quotes: Quotes, params: Params) -> Iterator[tuple[Any, ...]]:
    for number, trade in enumerate(simulator.trades(quotes, params), 1):
        yield (
            number,
            trade.side.value,
            trade.entry_row + 1,
            _moment(quotes, trade.entry_row),
            trade.exit_row + 1,
            _moment(quotes, trade.exit_row),
            trade.entry_spread_bps,
            trade.exit_spread_bps,
            trade.pnl_bps,
            trade.pnl_usd,
        )


def _moment(quotes: Quotes, row: int) -> str | None:
    return None if quotes.at_us is None else iso(int(quotes.at_us[row]))


def _writable(value: Any) -> Any:
    """Give a value that JSON can hold; what is no finite number is written out."""
    return (
        value
        if value is None or isinstance(value, int | str) or math.isfinite(value)
        else str(value)
    )
