"""Composition for the offline half: one backtest, sessions, and who runs them.

A single backtest starts without a database library, and asking about sessions
without the engine: each method loads what it needs, when it needs it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon import app
from daemon.errors import DaemonError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from daemon.app import App
    from daemon.clock import Clock
    from daemon.config.session_file import LoadedSession
    from daemon.config.sweeps import Sweeps
    from daemon.errors import Problem
    from daemon.ports import JobExecutor, QuoteBank
    from daemon.search.plan import Plan
    from daemon.search.preflight import Preflight
    from daemon.search.ranking import Filters
    from daemon.services.sweeping import documents
    from daemon.services.sweeping.judging.ranked import Asking, Ranking
    from daemon.services.sweeping.judging.summary import Summary
    from daemon.services.sweeping.running.run import Outcome
    from daemon.services.sweeping.single import TRADE, Question
    from daemon.services.sweeping.single import Outcome as Backtested
    from daemon.services.sweeping.wanted import Options, Progress, Tools, Wanted
    from daemon.store.store import Store

__all__ = [
    "TRADE",
    "Asked",
    "Asking",
    "Backtested",
    "Filters",
    "Options",
    "Outcome",
    "Planning",
    "Progress",
    "Question",
    "Ranking",
    "Summary",
    "Sweeping",
    "Tools",
    "build",
    "documents",
]

_ELSEWHERE = {
    "TRADE": "services.sweeping.single",
    "Asking": "services.sweeping.judging.ranked",
    "Filters": "search.ranking",
    "Options": "services.sweeping.wanted",
    "Question": "services.sweeping.single",
}
"""What doors may ask for here, and who has it."""


def __getattr__(name: str) -> Any:
    """Fetch what a door asks for from where it is."""
    if name == "documents":
        return import_module("daemon.services.sweeping.documents")
    if name in _ELSEWHERE:
        return getattr(import_module(f"daemon.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


RECORD_PATIENCE_S = 2.0
"""How long a backtest that is done waits for a database to be kept in."""

STOP_WITHIN_S = 9.0
"""How long an orderly end may take: less than whoever ends us by the calendar waits."""

LOCAL, DASK = "local", "dask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """What a session file comes to."""

    loaded: LoadedSession
    plan: Plan
    preflight: Preflight

    @property
    def name(self) -> str:
        """What the session is called."""
        return self.loaded.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A session as its file asks for it."""

    wanted: Wanted
    warnings: Sequence[Problem] = ()
    max_results: int = 10
    job_timeout_s: float = 300.0


@dataclass(frozen=True)
class Sweeping:
    """The offline half as configured; nothing is opened yet."""

    app: App

    @property
    def clock(self) -> Clock:
        """The clock of the daemon."""
        return self.app.clock

    @property
    def settings(self) -> Sweeps:
        """With what means sessions are run."""
        return self.app.settings.sweeps

    def bank(self) -> QuoteBank:
        """Give where quotes come from, parsed once and kept for the next one."""
        from daemon.adapters.quotes.files import QuoteFiles

        return QuoteFiles(self.settings.cache_dir, self.settings.cache_mb)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the database, if it fits."""
        with self.app.fitting_store() as store:
            yield store

    # ── one backtest ─────────────────────────────────────────────────────────
    def backtest(self, question: Question) -> Backtested:
        """Do one backtest.

        Raises:
            InputError: a parameter or the file of quotes does not hold.
        """
        from daemon.services.sweeping import single

        return single.run(question, self.bank(), self.clock)

    def keep(self, found: Backtested) -> None:
        """Keep a backtest, for whoever counts the trials on its data later; if there is a database.

        Raises:
            StoreError: there is one that fits, and it could not take it.
        """
        url = self.app.settings.database.url.get_secret_value()
        scheme, _, file = url.partition(":///")
        if scheme.startswith("sqlite") and not Path(file.partition("?")[0]).exists():
            return  # known before a library was loaded for it
        from daemon.services.sweeping.keeping import record_single
        from daemon.store.engine import Options
        from daemon.store.schema import require_current
        from daemon.store.store import Store

        hasty = Options(busy_timeout_s=RECORD_PATIENCE_S, statement_timeout_s=RECORD_PATIENCE_S)
        with Store.open(url, hasty) as store:
            try:
                require_current(store)
            except DaemonError:
                return
            digest = found.loaded.quotes.digest
            record_single(store, self.clock, digest, found.params, (found.metrics, found.runtime_s))

    # ── what is wanted ───────────────────────────────────────────────────────
    def session(self, path: Path, max_jobs: int | None = None) -> LoadedSession:
        """Read a session file.

        Raises:
            SessionRefused: it does not hold.
        """
        from daemon.config.session_file import load_session

        return load_session(path, max_jobs=max_jobs, max_cells=self.settings.max_cells)

    def planning(self, path: Path, *, max_jobs: int | None, look_at_data: bool) -> Planning:
        """Say what a session file comes to; quotes that cannot be read are one of its doubts.

        Raises:
            SessionRefused: the file does not hold.
        """
        from daemon.search.notes import Note
        from daemon.search.preflight import look

        loaded = self.session(path, max_jobs)
        plan, quotes, doubts = loaded.plan(), None, []
        if look_at_data:
            try:
                data = Path(plan.data_file)
                quotes = self.bank().load(data, skip_bad_rows=loaded.skip_bad_rows).quotes
            except DaemonError as error:
                text = f"the quotes cannot be read: {error.message}"
                doubts.append(Note("data", text, error.hint))
        found = look(plan, quotes, rows_max=self.settings.rows_max)
        return Planning(
            loaded=loaded, plan=plan, preflight=replace(found, notes=(*doubts, *found.notes))
        )

    def asked(
        self, file: Path | None, jobs_file: Path | None, name: str | None, max_jobs: int | None
    ) -> Sequence[Asked]:
        """Say what a session file asks for; or a file of jobs, a session for each file of quotes.

        Raises:
            SessionRefused: it does not hold.
        """
        found = [self._by_file(file, max_jobs)] if file else []
        found += self._by_jobs(jobs_file, max_jobs) if jobs_file else []
        if name is None:
            return found
        return [replace(one, wanted=replace(one.wanted, name=name)) for one in found]

    def _by_file(self, path: Path, max_jobs: int | None) -> Asked:
        from daemon.services.sweeping.wanted import Wanted

        loaded = self.session(path, max_jobs)
        wanted = Wanted(
            name=loaded.name,
            plan=loaded.plan(),
            data_path=Path(loaded.data_file),
            spec=loaded.body,
            skip_bad_rows=loaded.skip_bad_rows,
            promote=loaded.promote,
            filters=loaded.filters,
        )
        return Asked(
            wanted=wanted,
            warnings=(*loaded.warnings, *loaded.doubts()),
            max_results=loaded.max_results,
            job_timeout_s=loaded.job_timeout_s,
        )

    def _by_jobs(self, path: Path, max_jobs: int | None) -> list[Asked]:
        from daemon.config.jobs_file import load_jobs
        from daemon.services.sweeping.wanted import Wanted

        found = load_jobs(path, max_jobs=max_jobs, max_cells=self.settings.max_cells)
        return [
            Asked(wanted=Wanted(name=one.name, plan=one, data_path=Path(one.data_file)))
            for one in found.split()
        ]

    # ── who runs it ──────────────────────────────────────────────────────────
    @contextmanager
    def tools(self, on: str = LOCAL, workers: int | None = None) -> Iterator[Tools]:
        """Open what sessions are run with; SIGTERM, Ctrl-C and a lost terminal stop them."""
        from daemon.services.living.interrupts import Interrupts
        from daemon.services.sweeping.runners import this_process
        from daemon.services.sweeping.wanted import Tools

        with self.store() as store, Interrupts(stop_within_s=STOP_WITHIN_S) as wishes:
            heard: list[str] = []

            def stop() -> str | None:
                if not heard and (wishes.stop or wishes.reload()):
                    heard.append(wishes.stop or "SIGHUP")
                return heard[0] if heard else None

            yield Tools(
                store=store,
                clock=self.clock,
                bank=self.bank(),
                executor=self.executor(on, workers),
                runner=this_process(),
                stop=stop,
            )

    def executor(self, on: str, workers: int | None) -> Callable[[], JobExecutor]:
        """Choose who runs jobs: `local`, or `dask:` and the address of a scheduler."""
        kind, _, address = on.partition(":")
        count = workers or self.settings.workers or cores()

        def local() -> JobExecutor:
            from daemon.adapters.executors.local.pool import LocalExecutor

            return LocalExecutor(count, clock=self.clock)

        def dask() -> JobExecutor:
            from daemon.adapters.executors.cluster.executor import DaskExecutor
            from daemon.adapters.executors.local.pool import LocalExecutor

            return DaskExecutor(address, partial(LocalExecutor, 1), clock=self.clock)

        return dask if kind == DASK else local

    def run(
        self, tools: Tools, wanted: Wanted, options: Options, tell: Callable[[Progress], None]
    ) -> Outcome:
        """Run a session, or what is left of it, and rank it.

        Raises:
            InputError: nothing can be run, or there is nothing to go on with.
            SessionBusy: another process runs it.
            ExecutorFault: nothing runs any more; it can be gone on with.
        """
        from daemon.services.sweeping.running.run import SessionRun

        rows_max, max_cells = self.settings.rows_max, self.settings.max_cells
        limited = replace(options, rows_max=rows_max, max_cells=max_cells)
        return SessionRun(tools, wanted, limited, tell).run()

    # ── results in files ─────────────────────────────────────────────────────
    def rank_directory(self, folder: Path, filters: Filters, max_results: int) -> Summary:
        """Rank the results in a folder; this needs no database.

        Raises:
            InputError: there is no such folder.
        """
        from daemon.services.sweeping.judging import results_dir

        return results_dir.summarize(results_dir.load(folder), filters, max_results)


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))


def build(config: str | None) -> Sweeping:
    """Read the settings.

    Raises:
        ConfigError: what the operator wrote does not hold.
    """
    return Sweeping(app.build(config))
