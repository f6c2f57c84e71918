"""Composition for studies: read, planned, run, and asked of."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.app import sweeping
from daemon.app.asked_study import AskedStudy, sampler
from daemon.app.sweeping import LOCAL
from daemon.errors import DaemonError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from daemon.app.studied import StudyPlanning
    from daemon.app.sweeping import Sweeping
    from daemon.clock import Clock
    from daemon.config.study_file import LoadedStudy
    from daemon.services.studying.outcome import StudyOutcome
    from daemon.services.studying.retraining import Due
    from daemon.services.studying.wanted import (
        StudyOptions,
        StudyProgress,
        StudyTools,
    )
    from daemon.services.sweeping.wanted import Tools
    from daemon.store.store import Store

__all__ = [
    "AskedStudy",
    "Due",
    "StudyOptions",
    "StudyOutcome",
    "StudyProgress",
    "Studying",
    "build",
    "sampler",
]

_ELSEWHERE = {
    "StudyOptions": "services.studying.wanted",
    "StudyOutcome": "services.studying.outcome",
    "StudyProgress": "services.studying.wanted",
}
"""What doors may ask for here, and who has it."""

MEGABYTE = 1024 * 1024


def __getattr__(name: str) -> Any:
    """Fetch what a door asks for from where it is."""
    if name in _ELSEWHERE:
        return getattr(import_module(f"daemon.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True)
class Studying:
    """Studies as configured; nothing is opened yet."""

    sweeping: Sweeping

    @property
    def clock(self) -> Clock:
        """The clock of the daemon."""
        return self.sweeping.clock

    # ── what is wanted ───────────────────────────────────────────────────────
    def asked(self, path: Path, said: Mapping[str, Any] | None = None) -> AskedStudy:
        """Say what a study file asks for; what was said beside it overrules it.

        Raises:
            StudyRefused: it does not hold.
        """
        from daemon.config.study_file import load_study

        return self._asked(load_study(path, said or {}))

    def asked_of(
        self, values: Mapping[str, Any], said: Mapping[str, Any] | None = None
    ) -> AskedStudy:
        """Say the same of what is given as values, by the names of the file's keys.

        Raises:
            StudyRefused: it does not hold.
        """
        from daemon.config.study_file import study_of

        return self._asked(study_of(values, said or {}))

    def _asked(self, loaded: LoadedStudy) -> AskedStudy:
        from daemon.services.studying import wanted as words

        study = loaded.study
        kind, options = loaded.sampler
        pruned = study.pruning
        pruning = None if pruned is None else words.Pruning(share=pruned.share, keep=pruned.keep)
        stress = words.Stress(costs_pct=study.stress.costs_pct, shift_rows=study.stress.shift_rows)
        wanted = words.StudyWanted(
            name=loaded.name,
            domain=loaded.domain,
            fixed=loaded.fixed,
            data=tuple(
                words.Dataset(symbol=symbol, path=Path(file), weight=weight)
                for symbol, file, weight in loaded.data
            ),
            sampler=words.SamplerSpec(kind=kind, options=options),
            aim=loaded.aim,
            budget=words.Budget(trials=loaded.trials, minutes=loaded.minutes),
            batch=study.batch,
            pruning=pruning,
            seed=study.seed,
            scheme=loaded.scheme,
            stress=stress,
            resamples=study.reality_check.resamples,
            skip_bad_rows=study.skip_bad_rows,
            promote=tuple(study.promote),
            max_results=study.rank.max_results,
            retrain=loaded.retrain,
            body=loaded.body,
        )
        warnings = (*loaded.warnings, *loaded.doubts())
        return AskedStudy(loaded=loaded, wanted=wanted, warnings=warnings)

    def planning(self, asked: AskedStudy) -> StudyPlanning:
        """Say what a study comes to, before anything is run.

        Raises:
            InputError: the quotes do not hold, or are too few for its folds.
        """
        from daemon.app.studied import planning

        return planning(self.sweeping.bank(), self.clock, asked)

    # ── who runs it ──────────────────────────────────────────────────────────
    @contextmanager
    def tools(
        self,
        asked: AskedStudy,
        on: str = LOCAL,
        workers: int | None = None,
        stop: Callable[[], str | None] | None = None,
    ) -> Iterator[StudyTools]:
        """Open what a study is run with.

        SIGTERM, Ctrl-C and a lost terminal stop it; or, for programs that have ways of
        their own, what ``stop`` says when it is asked, several times a second.
        """
        with _within(asked.memory_mb):
            if stop is None:
                with self.sweeping.tools(on, workers or asked.workers) as tools:
                    yield _with_sampler(tools)
            else:
                with self.sweeping.store() as store:
                    executor = self.sweeping.executor(on, workers or asked.workers)
                    yield _with_sampler(self.reading(store), executor=executor, stop=stop)

    def reading(self, store: Store) -> Tools:
        """Give what is needed to look at studies, and nobody to run any."""
        from daemon.services.sweeping.runners import this_process
        from daemon.services.sweeping.wanted import Tools

        return Tools(
            store=store,
            clock=self.clock,
            bank=self.sweeping.bank(),
            executor=self.sweeping.executor(LOCAL, 1),
            runner=this_process(),
        )

    def due(self, tools: StudyTools, asked: AskedStudy) -> Due:
        """Ask whether a study should be run again; the answer is on record, with its evidence."""
        from daemon.services.studying import retraining

        return retraining.due(tools, asked.wanted)

    def started(self, tools: StudyTools, due: Due, study_id: int) -> None:
        """Note which study a trigger began."""
        from daemon.services.studying import retraining

        retraining.started(tools, due, study_id)

    def run_due(
        self,
        tools: StudyTools,
        asked: AskedStudy,
        due: Due,
        tell: Callable[[StudyProgress], None],
    ) -> StudyOutcome:
        """Run what a trigger asks for: what was left unfinished, on the rows that it had."""
        noted: list[int] = []

        def told(progress: StudyProgress) -> None:
            if not noted:
                noted.append(progress.study_id)
                self.started(tools, due, progress.study_id)
            tell(progress)

        unfinished = any(one.kind == "unfinished" and one.fired for one in due.triggers)
        options = _words().StudyOptions(data_of=due.study_id if unfinished else None)
        return self.run(tools, asked, options, told)

    def run(
        self,
        tools: StudyTools,
        asked: AskedStudy,
        options: StudyOptions,
        tell: Callable[[StudyProgress], None],
    ) -> StudyOutcome:
        """Run a study, or what is left of it, and judge it.

        Raises:
            InputError: nothing can be run, or there is nothing to go on with.
            StudyBusy: another process runs it.
            ExecutorFault: nothing runs any more; it can be gone on with.
        """
        from daemon.services.studying.run import StudyRun

        try:
            return StudyRun(tools, asked.wanted, options, tell).run()
        except MemoryError:
            limit = asked.memory_mb
            what = "this machine has no more memory"
            if limit is not None:
                what = f"it would need more than the {limit:,} MB of its `limits.memory_mb`"
            raise DaemonError(
                f"study {asked.name}: {what}",
                hint="a higher limit, or a smaller `batch`; what is finished is kept",
            ) from None


def _words() -> Any:
    return import_module("daemon.services.studying.wanted")


def _with_sampler(tools: Tools, **changes: Any) -> StudyTools:
    from daemon.services.studying.wanted import StudyTools

    held = {item.name: getattr(tools, item.name) for item in fields(tools)}
    return StudyTools(**(held | changes), sampler=sampler)


@contextmanager
def _within(memory_mb: int | None) -> Iterator[None]:
    """Limit what this process may take beyond what it holds, and every worker that it forks.

    What it holds already does not count: it may be a program that does much besides, and a
    limit below that would fail what is not the study's, threads that begin among it.
    """
    if memory_mb is None:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _held_bytes() + memory_mb * MEGABYTE
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _held_bytes() -> int:
    """Say how much data this process holds, as the operating system counts it for its limit."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = re.search(r"^VmData:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def build(config: str | None) -> Studying:
    """Read the settings.

    Raises:
        ConfigError: what the operator wrote does not hold.
    """
    return Studying(sweeping.build(config))
