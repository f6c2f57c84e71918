"""Composition for studies that programs hand in: who takes them, and who runs one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daemon.app.asked_study import AskedStudy
    from daemon.app.studying import Studying
    from daemon.clock import Clock
    from daemon.config.settings import Settings
    from daemon.config.study_file import LoadedStudy
    from daemon.services.studying.outcome import StudyOutcome
    from daemon.services.studying.wanted import StudyProgress
    from daemon.services.submitting.desk import Desk
    from daemon.store.store import Store


def desk(settings: Settings, store: Store, clock: Clock) -> Desk:
    """Make what takes studies in."""
    from daemon.services.submitting.desk import Desk

    return Desk(store, clock, settings.sweeps.data_root, _judge)


def _judge(values: Mapping[str, Any]) -> LoadedStudy:
    from daemon.config.study_file import study_of

    return study_of(values)


def asked(built: Studying, number: int) -> AskedStudy:
    """Read what was handed in, its files found below the folder that files are read from.

    Raises:
        InputError: there is no such submission, its study does not hold, or a file
            is not where it should be.
    """
    from daemon.errors import InputError
    from daemon.services.submitting.fence import below
    from daemon.store import submissions

    with built.sweeping.store() as store, store.read() as view:
        found = submissions.get(view, number)
    if found is None:
        raise InputError(f"there is no submission {number}", hint="GET the list of them by HTTP")
    study = built.asked_of(found.body)
    root = built.sweeping.settings.data_root
    data = tuple(
        replace(one, path=below(root, file))
        for one, (_, file, _) in zip(study.wanted.data, study.loaded.data, strict=True)
    )
    return replace(study, wanted=replace(study.wanted, data=data))


def run(
    built: Studying, number: int, study: AskedStudy, tell: Callable[[StudyProgress], None]
) -> StudyOutcome:
    """Run it, or what is left of it, and say on record which study it came to.

    Raises:
        DaemonError: as `Studying.run` does.
    """
    from daemon.services.studying.wanted import StudyOptions
    from daemon.store import submissions

    with built.tools(study, workers=study.workers) as tools:
        noted: list[int] = []

        def note(study_id: int) -> None:
            if study_id not in noted:
                noted.append(study_id)
                with tools.store.write() as tx:
                    submissions.named(tx, number, study_id)

        def told(progress: StudyProgress) -> None:
            note(progress.study_id)
            tell(progress)

        found = built.run(tools, study, StudyOptions(), told)
        note(found.study_id)
    return found
