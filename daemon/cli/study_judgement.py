"""What was made of a study, in lines for a person: gates, stress, what mattered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.cli.output import BAD, GOOD, paint, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Report = Mapping[str, Any]

SIGNS = {True: ("held", GOOD), False: ("failed", BAD)}
SHARES = 8
"""Axes whose share is told."""


def judgement(report: Report) -> Iterator[tuple[str, str]]:
    """Say what was asked of the winner, and how it stood it."""
    yield from _together(report.get("out_of_sample") or {})
    yield from _gates(report.get("judgement") or {})
    yield from _stress(report)
    yield from _importance(report.get("importance") or {})
    yield from _symbols(report.get("symbols") or [])


def _together(found: Report) -> Iterator[tuple[str, str]]:
    """Say what the choices of all folds brought where nobody had looked."""
    pnl = found.get("pnl_usd")
    if pnl is None:
        return
    folds = found.get("folds") or 1
    which = "the choice of the fold" if folds == 1 else f"the choices of {folds} folds together"
    drawdown = found.get("max_drawdown_pct")
    fell = "" if drawdown is None else f", drawdown {drawdown:.2f}%"
    trades = f"{found.get('trades') or 0:,} trades"
    yield "held back", f"{which}: {pnl:+,.2f} USD in {trades}, open ones at market{fell}"


def _gates(found: Report) -> Iterator[tuple[str, str]]:
    gates = found.get("gates") or []
    width = max((len(gate["name"]) for gate in gates), default=0)
    for number, gate in enumerate(gates):
        sign, colour = SIGNS[bool(gate["held"])]
        name = f"{printable(gate['name']):<{width}}"
        yield "" if number else "gates", f"{paint(f'{sign:<6}', colour)} {name}  {gate['text']}"


def _stress(report: Report) -> Iterator[tuple[str, str]]:
    """Say where the winner stands among the best when they are put under stress."""
    stress, winner = report.get("stress") or {}, report.get("winner") or {}
    mine = next((one for one in stress.get("trials") or [] if one["n"] == winner.get("n")), None)
    if mine is None:
        return
    told = []
    for kind in stress.get("kinds") or []:
        pnl, rank = mine["pnl_usd"].get(kind["name"]), mine["rank"].get(kind["name"])
        if pnl is not None:
            told.append(f"{kind['said']} {pnl:+,.2f} USD" + (f" (rank {rank})" if rank else ""))
    if told:
        yield "stress", printable("; ".join(told))


def _importance(found: Report) -> Iterator[tuple[str, str]]:
    shares = {name: share for name, share in (found.get("axes") or {}).items() if share is not None}
    ordered = sorted(shares.items(), key=lambda one: -one[1])
    told = [f"{printable(name)} {share:.0%}" for name, share in ordered[:SHARES]]
    if told:
        yield "matters", ", ".join(told)
    if found.get("note"):
        yield "" if told else "matters", printable(found["note"])


def _symbols(found: list[Report]) -> Iterator[tuple[str, str]]:
    """Say of each of several symbols which trial would have been its own choice."""
    if len(found) < 2:  # noqa: PLR2004 - one symbol is the whole
        return
    for number, one in enumerate(found):
        best = one.get("best_n")
        text = "no trial holds what it must" if best is None else f"alone it would choose {best}"
        yield "" if number else "symbols", f"{printable(one['symbol'])}: {text}"
