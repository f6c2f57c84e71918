"""Results as files, one a job, where the plan says: below one folder, unless it names another."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.errors import DaemonError, Exit, InputError
from daemon.market.metrics import Metrics
from daemon.services.sweeping import documents, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.market.metrics import Columns
    from daemon.search.plan import Job, Planned
    from daemon.services.sweeping.record import Record
    from daemon.services.sweeping.running.tasks import Task
    from daemon.store.results import Figures
    from daemon.store.sessions import Session


class OutputRefused(InputError):  # noqa: N818 - what became of it
    """A job wants its result outside of the folder that files may be written to."""


class OutputUnwritable(DaemonError):  # noqa: N818 - same
    """The file of a result cannot be written."""

    exit_code = Exit.IO


CHECKED = 1_000
"""Files that are looked at before anything is run."""


def check(root: Path, plan: Planned) -> None:
    """Look whether the first results can be written where they are to go.

    Raises:
        OutputRefused: one cannot.
    """
    whole = Path(os.path.realpath(root))
    for n in range(1, min(plan.jobs, CHECKED) + 1):
        output = plan.job(n).output_json
        if _place(whole, output).is_dir():
            raise OutputRefused(
                f"output_json is {output!r}, and that is a folder", hint="name a file in it"
            )


def _place(root: Path, output: str) -> Path:
    """Say where a file is; a path that begins at the root of all is taken as it is."""
    given = Path(output)
    if ".." in given.parts or not given.name:
        raise OutputRefused(
            f"output_json is {output!r}: it is no file, or leads out of its folder",
            hint="write it without '..'",
        )
    place = Path(os.path.realpath(root / given))
    if not given.is_absolute() and not place.is_relative_to(root):
        raise OutputRefused(
            f"output_json is {output!r}, and a link on the way leads out of {root}",
            hint="remove the link, or write elsewhere",
        )
    return place


class OutputFiles:
    """Writes the results of a session's jobs into files."""

    def __init__(self, root: Path, plan: Planned, session: Session) -> None:
        self.plan = plan
        self._root = Path(os.path.realpath(root))
        self._session = session

    # ── where ────────────────────────────────────────────────────────────────
    def named(self, n: int) -> str:
        """Say which file the result of a job goes to.

        Raises:
            OutputRefused: the file is not below the folder.
        """
        output = self.plan.job(n).output_json
        self._place(output)
        return output

    def _place(self, output: str) -> Path:
        return _place(self._root, output)

    # ── what ─────────────────────────────────────────────────────────────────
    def fresh(self, task: Task, columns: Columns, share_s: float) -> None:
        """Write the results of jobs that were just evaluated."""
        for place, n in enumerate(task.numbers.tolist()):
            self._success(n, task, place, Metrics.of(columns, place).document(), share_s)

    def stored(self, task: Task, found: Sequence[Figures]) -> None:
        """Write results that were known before."""
        for place, n in enumerate(task.numbers.tolist()):
            figures = found[place]
            self._success(n, task, place, figures.document(), figures.runtime_s)

    def missing(self, record: Record) -> None:
        """Write the result of a job that was finished before, unless its file is there."""
        job = self.plan.job(record.n)
        if self._place(job.output_json).exists():
            return
        if record.error is not None or record.metrics is None:
            self.failed(job, record.error or "")
            return
        params = {"data_file": self._session.data_file, **record.params}
        config = {**params, "tag": job.config.get("tag")}
        document = documents.success(config, record.metrics, record.runtime_s, self._summary(job))
        self._write(job, document)

    def failed(self, job: Job, reason: str) -> str:
        """Write that a job failed; returns where."""
        params = rows.effective(job.config)
        config = {"data_file": self._session.data_file, **params, "tag": job.config.get("tag")}
        self._write(job, documents.failure(config, reason, self._summary(job)))
        return job.output_json

    def _success(
        self, n: int, task: Task, place: int, metrics: Mapping[str, Any], runtime_s: float | None
    ) -> None:
        job = self.plan.job(n)
        params = task.combinations[place]
        config = documents.config_of(self._session.data_file, params, job.config.get("tag"))
        self._write(job, documents.success(config, metrics, runtime_s, self._summary(job)))

    def _summary(self, job: Job) -> dict[str, Any]:
        session = self._session
        return documents.summary_of(job.job_id, session.data_digest, session.data_rows)

    def _write(self, job: Job, document: Mapping[str, Any]) -> None:
        place = self._place(job.output_json)
        try:
            documents.write(place, documents.text_of(document))
        except OSError as error:
            raise OutputUnwritable(
                f"{job.output_json} cannot be written: {error.strerror or error}",
                hint="free some disk space, or check who may write there; then run it again",
            ) from error
