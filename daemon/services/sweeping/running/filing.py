"""Files for jobs that were finished before anybody wanted files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.services.sweeping import reading
from daemon.services.sweeping.running.outputs import OutputFiles

if TYPE_CHECKING:
    from daemon.search.plan import Planned
    from daemon.services.sweeping.wanted import Tools
    from daemon.store.sessions import Session


def make_up(tools: Tools, plan: Planned, session: Session) -> None:
    """Write the files of jobs that are finished and have none yet."""
    files = OutputFiles(tools.root, plan, session)
    for part in reading.parts(tools.store, session):
        for record in part.records():
            files.missing(record)
