"""Studies from Python: run what a study file asks for, watch it, and end it.

    from daemon.studies import load, optimize

    study = load("configs/studies/tpe.yaml", trials=50)
    found = optimize(study, on_progress=lambda so_far: print(so_far.trials, so_far.best))
    print(found.said, found.winner)

Names and meanings are those of the file, and so are the refusals: they come as
`ValueError`, with everything that is wrong. A study may also be a mapping, by the
names of the file's keys. What was tried is on record: the same call goes on where it
was, and one that is done has nothing to do. The work is done elsewhere; this is what
other programs import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.app import studying

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.app.studied import StudyPlanning
    from daemon.app.studying import AskedStudy, Studying, StudyOutcome, StudyProgress

__all__ = ["Study", "load", "optimize"]

SAID = frozenset(("name", "sampler", "seed", "trials", "minutes"))
"""What may be said beside a file."""

ASKED = "the program that runs it wants it to end"


@dataclass(frozen=True)
class Study:
    """A study that can be run: what its file asks for, under the settings of the daemon."""

    built: Studying
    asked: AskedStudy

    @property
    def name(self) -> str:
        """What it is called."""
        return self.asked.name

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful in it, with its line."""
        return tuple(str(one) for one in self.asked.warnings)

    def plan(self) -> StudyPlanning:
        """Say what it comes to: points, folds, trials and time.

        Raises:
            InputError: the quotes do not hold, or are too few for its folds.
        """
        return self.built.planning(self.asked)


def load(
    study: Path | str | Mapping[str, Any], *, config: Path | str | None = None, **said: Any
) -> Study:
    """Read a study file, or values by the names of its keys.

    What is said here overrules it: `name`, `sampler`, `seed`, `trials` and `minutes`.

    Raises:
        ValueError: it does not hold; with everything that is wrong.
        TypeError: it is neither a path nor a mapping, or what is said here is unknown.
    """
    if not isinstance(study, Path | str | Mapping):
        raise TypeError(f"a study is a path or a mapping of its keys, and this is {study!r}")
    if unknown := sorted(said.keys() - SAID):
        raise TypeError(f"{', '.join(unknown)}: known are {', '.join(sorted(SAID))}")
    built = studying.build(None if config is None else str(config))
    if isinstance(study, Path | str):
        return Study(built, built.asked(Path(study), said))
    return Study(built, built.asked_of(study, said))


def optimize(
    study: Study | Path | str | Mapping[str, Any],
    *,
    on_progress: Callable[[StudyProgress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    workers: int | None = None,
    resume: bool = False,
    **said: Any,
) -> StudyOutcome:
    """Run a study, or what is left of it, and judge it.

    `on_progress` is told how far it is, several times a second; `cancel` is asked as
    often, and ends it within a second by being true: what is finished is kept, and the
    same call goes on with it. Neither signals nor the main thread are needed.

    Raises:
        ValueError: the study does not hold; with everything that is wrong.
        DaemonError: it cannot be run; with what to do about it.
    """
    known = study if isinstance(study, Study) else load(study, **said)

    def stop() -> str | None:
        return ASKED if cancel is not None and cancel() else None

    options = studying.StudyOptions(resume=resume)
    with known.built.tools(known.asked, workers=workers, stop=stop) as tools:
        return known.built.run(tools, known.asked, options, on_progress or _nothing)


def _nothing(so_far: StudyProgress) -> None:
    del so_far
