"""Whole studies, each in a database of its own, and the time that their keeping takes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from sqlalchemy import text
from studies_ground import FIXED, Backtests, suggested
from sweep_market import a_market

from daemon.app.studying import sampler
from daemon.clock import SystemClock
from daemon.market.staircase import sweep
from daemon.ports import Finished, LoadedQuotes
from daemon.search.studies.objective import Aim
from daemon.services.studying.run import StudyRun
from daemon.services.studying.wanted import (
    Budget,
    Dataset,
    SamplerSpec,
    StudyOptions,
    StudyTools,
    StudyWanted,
)
from daemon.store import migrate
from daemon.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from daemon.market.quotes import Quotes
    from daemon.ports import Batch
    from daemon.search.studies.domain import Domain
    from daemon.store.store import Tx

ROWS = 500
"""Quotes on which a backtest costs next to nothing."""

DATA = Path("quotes.csv")


def study_of(
    kind: str = "random", *, trials: int, seed: int = 0, domain: Domain | None = None
) -> StudyWanted:
    """Ask for a search of one fold."""
    return StudyWanted(
        name="measured",
        domain=domain or Backtests(ROWS).domain,
        fixed=FIXED,
        data=(Dataset(symbol="btc", path=DATA),),
        sampler=SamplerSpec(kind=kind),
        aim=Aim(),
        budget=Budget(trials=trials),
        seed=seed,
    )


# ── what a study is run with ─────────────────────────────────────────────────
class Here:
    """Backtests in this process, when it is asked for results."""

    slots = 1

    def __init__(self) -> None:
        self._hand: list[Batch] = []

    def submit(self, batch: Batch, timeout_s: float) -> None:
        """Take a batch in hand."""
        del timeout_s
        self._hand.append(batch)

    def collect(self, timeout_s: float) -> Sequence[Finished]:
        """Backtest what is in hand."""
        del timeout_s
        done = [
            Finished(number=one.number, columns=sweep(one.quotes, one.combinations).columns)
            for one in self._hand
        ]
        self._hand.clear()
        return done

    def cancel(self) -> None:
        """Let go of what is in hand."""
        self._hand.clear()

    def close(self) -> None:
        """End nothing."""


@dataclass(frozen=True)
class Bank:
    """One set of quotes, whatever the file is called."""

    quotes: Quotes

    def load(self, path: Path, *, skip_bad_rows: bool = False) -> LoadedQuotes:
        """Give them."""
        del path, skip_bad_rows
        return LoadedQuotes(self.quotes)

    def by_digest(self, digest: str) -> Quotes | None:
        """Give them, if it is they that are meant."""
        return self.quotes if self.quotes.digest == digest else None


class Metered(Store):
    """A store that counts the time spent in its transactions."""

    wall_s = 0.0
    cpu_s = 0.0

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Tx]:
        """Begin a transaction that may write."""
        with self._counted(), super().write(durable=durable) as tx:
            yield tx

    @contextmanager
    def read(self, *, patient: bool = False) -> Iterator[Tx]:
        """Begin a transaction that cannot write."""
        with self._counted(), super().read(patient=patient) as tx:
            yield tx

    @contextmanager
    def _counted(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall_s += time.perf_counter() - wall
            self.cpu_s += time.process_time() - cpu


@dataclass
class Made:
    """A database that is there for one study."""

    store: Metered
    quotes: Quotes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.store.close()

    def tools(self) -> StudyTools:
        """Give what a study is run with."""
        return StudyTools(
            store=self.store,
            clock=SystemClock(),
            bank=Bank(self.quotes),
            executor=Here,
            runner="benchmark/boot/ns/1/1",
            sampler=sampler,
        )

    def cells(self) -> int:
        """Count the cells that were tried."""
        with self.store.read() as view:
            return int(view.execute(text("SELECT count(DISTINCT cell) FROM trials")).scalar_one())


@dataclass
class Place:
    """Where studies are run, each time with an empty database."""

    folder: Path
    rows: int = ROWS
    numbers: Iterator[int] = field(default_factory=count)
    _quotes: Quotes | None = None

    def fresh(self) -> Made:
        """Make a database."""
        if self._quotes is None:
            self._quotes = replace(a_market(self.rows), digest="0" * 64)
        url = f"sqlite:///{self.folder}/{self.rows}-{next(self.numbers)}.db"
        store = Metered.open(url)
        migrate.upgrade(store)
        store.wall_s = store.cpu_s = 0.0
        return Made(store, self._quotes)

    def storage(self) -> str:
        """Name a storage of Optuna's, and make it."""
        url = f"sqlite:///{self.folder}/optuna-{self.rows}-{next(self.numbers)}.db"
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        optuna.storages.RDBStorage(url).remove_session()
        return url


def search(made: Made, wanted: StudyWanted) -> tuple[float, float]:
    """Run a search; gives the seconds spent in transactions, by the clock and of the processor."""
    outcome = StudyRun(made.tools(), wanted, StudyOptions(judge=False)).run()
    assert outcome.done == wanted.budget.trials, outcome.said
    return made.store.wall_s, made.store.cpu_s


# ── Optuna, as it is usually run ─────────────────────────────────────────────
def _study(url: str | None, kind: str) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    samplers: dict[str, Callable[..., Any]] = {
        "random": optuna.samplers.RandomSampler,
        "tpe": optuna.samplers.TPESampler,
    }
    return optuna.create_study(storage=url, direction="maximize", sampler=samplers[kind](seed=0))


def kept_by_optuna(trials: int, url: str | None) -> None:
    """Keep trials whose objective returns at once."""
    domain = Backtests(ROWS).domain

    def objective(trial: optuna.Trial) -> float:
        return float(suggested(trial, domain)["min_spread_bps"])

    _study(url, "random").optimize(objective, n_trials=trials)


def backtested_in_turn(ground: Backtests, kind: str, trials: int, url: str | None) -> None:
    """Backtest trials one at a time."""
    fresh = Backtests(ground.rows)
    fresh.__dict__["quotes"] = ground.quotes

    def objective(trial: optuna.Trial) -> float:
        return fresh.values([suggested(trial, fresh.domain)])[0]

    _study(url, kind).optimize(objective, n_trials=trials)
