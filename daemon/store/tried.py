"""How often data were ever tried: by sessions and studies alike, each combination once.

Whoever asks how far a winner may be luck has to count all of it. What sessions have
tried besides one of them, `sessions.elsewhere` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from daemon.store.store import Tx


def besides_study(tx: Tx, study_id: int) -> int:
    """Count what others, sessions and studies, ever tried on the data of a study, each once.

    Trials are told apart by their parameters, whichever rows they were tried on and
    whatever the engine's version. Blocks are counted whole.
    """
    rows = tx.execute(_TRIED, {"id": study_id}).scalar_one()
    blocks = tx.execute(_TRIED_IN_BLOCKS, {"id": study_id}).scalar_one()
    return int(rows or 0) + int(blocks or 0)


def by_study(tx: Tx, study_id: int) -> int:
    """Count the distinct combinations that a study has results of."""
    return int(tx.execute(_OWN, {"id": study_id}).scalar_one())


_DATA = "SELECT d.data_digest FROM study_parts d WHERE d.study_id = :id"
_TRIED = text(
    "SELECT count(DISTINCT r.params) FROM results r WHERE r.status = 'success'"  # noqa: S608 - words of ours
    f" AND r.data_digest IN ({_DATA} UNION SELECT p.digest FROM study_parts p"
    f" WHERE p.data_digest IN ({_DATA}))"
    " AND r.params NOT IN (SELECT o.params FROM trial_results t JOIN results o"
    " ON o.key = t.result_key WHERE t.study_id = :id)"
    " AND NOT EXISTS (SELECT 1 FROM jobs j JOIN sessions s ON s.id = j.session_id"
    " WHERE j.result_key = r.key AND s.layout = 'blocks')"
)
_TRIED_IN_BLOCKS = text(
    "SELECT sum(n) FROM (SELECT max(n) AS n FROM (SELECT b.data_digest,"  # noqa: S608 - same
    " sum(b.jobs - b.failed) AS n FROM result_blocks b"
    f" WHERE b.data_digest IN ({_DATA}) GROUP BY b.data_digest, b.engine_version)"
    " AS engines GROUP BY data_digest) AS digests"
)
_OWN = text(
    "SELECT count(DISTINCT o.params) FROM trial_results t JOIN results o ON o.key = t.result_key"
    " WHERE t.study_id = :id"
)
