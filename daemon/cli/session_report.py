"""What is said of a session beside its plain ranking, in lines for a person."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from daemon.cli.output import cell, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.app.sweeping import Ranking

LUCK_EVEN = 0.5
"""Half of the halves: the winner was chosen as by a coin."""

LISTED = 4
"""More values that stand side by side are told by the first and the last of them."""

SURE = 0.95
"""How probable an edge should be before anybody calls it one."""


def lines(found: Ranking) -> Iterator[str]:
    """Say all of it; what is as one would expect takes no line."""
    report = found.report
    sections = {
        "Is the winner luck?": _luck(report.get("luck")),
        "Would its neighbours do?": _robust(found),
        "Which parameters changed nothing?": _axes(report),
        "How far may min_spread_bps move with the very same trades?": _unchanged(found),
        "What could not be said": [printable(note) for note in report.get("notes", ())],
    }
    for title, said in sections.items():
        told = list(said)
        if told:
            yield ""
            yield title
            yield from (f"  {line}" for line in told)


def standing(found: Ranking) -> str:
    """Say which session it was, and where to look next."""
    session = found.session
    said = f"session {session.id} ({printable(session.name)})"
    left = session.jobs_left
    if left:
        return f"{said}: {left:,} of its {session.jobs_total:,} jobs are not finished"
    return f"{said}; all jobs: daemon session export {session.id} -o csv"


# ── luck ─────────────────────────────────────────────────────────────────────
def _luck(luck: Mapping[str, Any] | None) -> Iterator[str]:
    if luck is None:
        return
    trials, bets = luck["trials"], luck["effective_trials"]
    yield (
        f"{trials:,} backtests were ever made on these quotes; they amount to"
        f" {bets:,.0f} independent bet{'' if round(bets) == 1 else 's'}"
    )
    if luck["deflated_sharpe"] is not None:
        yield _deflated(luck["deflated_sharpe"], luck["sharpe"])
    if luck["pbo"] is not None:
        yield _overfitting(luck["pbo"], luck["cross_validation"])
    yield from (printable(note) for note in luck["notes"])


def _deflated(probability: float, sharpe: Mapping[str, Any]) -> str:
    verdict = "more than the best of so many" if probability >= SURE else "not beyond the best"
    return (
        f"deflated Sharpe ratio {probability:.2f}: its {sharpe['sharpe']:.3g} a trade is {verdict}"
        f" without any edge would show ({sharpe['expected_best']:.3g})"
    )


def _overfitting(pbo: float, found: Mapping[str, Any]) -> str:
    verdict = "the choice does not carry over" if pbo >= LUCK_EVEN else "the choice carries over"
    return (
        f"probability of overfitting {pbo:.0%}: {verdict} from one half of the time to the other;"
        f" the winner of one loses money on the other in {found['loss_share']:.0%} of"
        f" {found['halves']:,} ways to halve it"
    )


# ── the neighbourhood ────────────────────────────────────────────────────────
def _robust(found: Ranking) -> Iterator[str]:
    told = found.report.get("robust")
    if told is None or found.robust is None or not told["axes"]:
        return
    job_id = printable(found.robust.job_id)
    around = f"{told['neighbours']} neighbour" + ("" if told["neighbours"] == 1 else "s")
    if found.winner is not None and found.winner.n == found.robust.n:
        head = f"{job_id} is also the most robust:"
    else:
        head = f"{job_id} is more robust:"
    yield (
        f"{head} with its {around} it brings {told['score_usd']:+,.2f} USD on average, at worst"
        f" {told['worst_usd']:+,.2f}"
    )
    params = found.robust.params
    yield "with " + ", ".join(f"{name} {cell(params[name])}" for name in found.summary.shown)


# ── axes and thresholds ──────────────────────────────────────────────────────
def _axes(report: Mapping[str, Any]) -> Iterator[str]:
    for name in report.get("dead_axes", ()):
        yield f"{name}: nothing depends on it; leave its grid out"
    for same in report.get("same", ()):
        values = same["values"]
        listed = ", ".join(map(str, values))
        if len(values) > LISTED:
            listed = f"{values[0]} to {values[-1]} ({len(values):,} values)"
        yield f"{same['axis']}: {listed} give the same"


def _unchanged(found: Ranking) -> Iterator[str]:
    """Say it of the best; of those that it is the same of, in one line."""
    named = zip(found.summary.top, found.report.get("unchanged", ()), strict=False)
    told = [(_span(interval), printable(entry.job_id)) for entry, interval in named]
    for span, group in groupby(told, key=itemgetter(0)):
        yield f"{', '.join(job_id for _, job_id in group)}: {span}"


def _span(interval: Mapping[str, Any]) -> str:
    low, high = interval["min_spread_bps_above"], interval["min_spread_bps_to"]
    below = "from 0" if low is None else f"above {low:.6g}"
    return f"{below}, " + ("however high" if high is None else f"to {high:.6g}")
