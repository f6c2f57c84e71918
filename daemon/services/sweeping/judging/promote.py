"""From a ranked session to proposals: a step towards the robust winner, for rules of its names.

Only where the finding is sound: where the winner and its neighbours gain something,
and are rather good than lucky. How such a step is made, `steps` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.services.sweeping.judging.steps import Goal, Promoted, propose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.services.sweeping.judging.ranked import Finding
    from daemon.services.sweeping.record import Record
    from daemon.services.sweeping.wanted import Tools

__all__ = ["ORIGIN", "PBO_MAX", "Promoted", "promote"]

ORIGIN = "session"

PBO_MAX = 0.5
"""From here on a winner is more likely than not below the median on quotes it was not chosen on."""


def promote(tools: Tools, found: Finding, names: Sequence[str]) -> list[Promoted]:
    """Propose a step of each of these rules towards the robust winner, where it is sound."""
    why = _unsound(found)
    if why is not None or found.robust is None:
        return [Promoted(rules=tuple(names), proposal=None, said=f"nothing is proposed: {why}")]
    return propose(tools, _goal(found, found.robust), names)


# ── whether ──────────────────────────────────────────────────────────────────
def _unsound(found: Finding) -> str | None:
    """Say why nobody should follow this winner."""
    robust, session = found.robust, found.session
    if session.jobs_left:
        return f"session {session.id} is not finished"
    if robust is None or found.place is None:
        return "no job has neighbours on a grid that speak for it (or it was ranked with --fast)"
    pnl = (robust.metrics or {}).get("realized_pnl_usd")
    if pnl is None or not pnl > 0:
        return f"the robust winner {robust.job_id} gains nothing ({_usd(pnl)})"
    score = found.place.robust_score
    if score is None or not score > 0:
        return f"the neighbours of {robust.job_id} gain nothing on average ({_usd(score)})"
    return _lucky(_pbo(found.report))


def _lucky(pbo: float | None) -> str | None:
    """Say so when a winner is rather lucky than good, or nobody knows."""
    if pbo is None:
        return "how far the winner may be luck is not known, so nobody can vouch for it"
    if pbo < PBO_MAX:
        return None
    return (
        f"the probability of overfitting is {pbo:.2f}, and {PBO_MAX} or more is as good as a"
        " guess: more data, or fewer combinations"
    )


def _pbo(report: Mapping[str, Any]) -> float | None:
    luck = report.get("luck") or {}
    found: Any = luck.get("pbo")
    return None if found is None else float(found)


# ── what ─────────────────────────────────────────────────────────────────────
def _goal(found: Finding, robust: Record) -> Goal:
    session, place = found.session, found.place
    assert place is not None  # noqa: S101 - it was found sound
    luck, metrics = found.report.get("luck") or {}, robust.metrics or {}
    return Goal(
        origin=ORIGIN,
        session_id=session.id,
        params=robust.params,
        because=(
            f"{robust.job_id} is best together with its neighbours in session"
            f" {session.id} ({session.name}), {_usd(place.robust_score)} on average and"
            f" {_usd(metrics.get('realized_pnl_usd'))} alone, place {place.rank} of"
            f" {session.jobs_done} by profit; probability of overfitting"
            f" {_pbo(found.report) or 0.0:.2f}"
        ),
        expected={
            "job_id": robust.job_id,
            "rank": place.rank,
            "robust_score_usd": place.robust_score,
            "realized_pnl_usd": metrics.get("realized_pnl_usd"),
            "max_drawdown_pct": metrics.get("max_drawdown_pct"),
            "pbo": luck.get("pbo"),
            "deflated_sharpe": luck.get("deflated_sharpe"),
            "exit_model": robust.params.get("exit_model"),
            "data_digest": session.data_digest,
        },
    )


def _usd(value: float | None) -> str:
    return "nothing known" if value is None else f"{value:+,.2f} USD"
