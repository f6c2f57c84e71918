"""Whether a study may declare its winner: every gate holds, or nobody is declared.

A search always ends with somebody on top. The gates ask, one by one, what would have to
be true if that were more than luck. They are meant to be passed together: each of them
alone lets something through that another one stops.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

P_MAX = 0.025
"""How often the best of so many without an edge may look as good as a winner.

At most 5 % of studies of pure noise may declare somebody. Asked for 5 %, the test lets
through 6 or 7 % where calm weeks follow wild ones; so it is asked for half of that.
"""

DEFLATED_MIN = 0.95
"""How sure it must be that the winner's true Sharpe ratio exceeds zero, given the search."""

PBO_MAX = 0.5
"""From here on choosing among these trials is no better than drawing lots,"""

LOSS_MAX = 0.1
"""unless it hardly matters: winners of one half nearly all gain on the other half."""

TRADES_MIN = 20
"""With fewer trades none of the figures means much."""

KEPT_MIN = 0.5
"""What share of the winner's gain must be left, on average, one step away."""


ADVICE = {
    "constraints": "loosen the constraints, or widen the space: nothing in it keeps them",
    "exits": "fix exit_model: quoted, so that trades can lose",
    "trades": "search more rows, or lower thresholds: so few trades say nothing",
    "profit": "no parameters of this space gain on these quotes: look for lower costs, or leave it",
    "out_of_sample": "do not follow it: on rows that it was not chosen on, the choice loses",
    "reality_check": "search more rows; a larger budget or another sampler cannot help",
    "deflated_sharpe": "judge it on quotes that nobody has searched yet",
    "overfitting": "search fewer parameters, or a narrower space, on more rows",
    "stress_costs": "make sure of the costs: it lives on their being as low as assumed",
    "stress_shift": "make sure of how fast orders are filled: it lives on that",
    "stress_masked": "look at the suspicious rows: it lives on them",
    "plateau": "look at what lies around it: daemon study rank shows the robust rank",
}
"""What to do about a gate that does not hold."""

BLIND = "give it a walk_forward: rows held back are the only ones that can vouch for a choice"
"""The same, where nothing is known of rows that nobody has chosen on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One question, its answer, and what the answer had to be."""

    name: str
    held: bool
    value: float | None
    """None where it could not be answered: then the gate does not hold."""
    limit: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is known of a winner."""

    winner: int
    """The number of the trial."""
    feasible: bool
    """Whether it keeps the constraints of the study on the rows that it was chosen on."""
    quoted: bool
    """Whether its trades are closed at quoted prices, and so can lose."""
    trades: int
    """Over all rows, open ones included."""
    pnl_usd: float
    """Over all rows, open trades as they stand."""
    out_of_sample_usd: float | None = None
    """What the choices of all folds brought on the rows after their training."""
    walked: bool = False
    """Whether rows were held back to find that out."""
    p_value: float | None = None
    deflated: float | None = None
    pbo: float | None = None
    loss_share: float | None = None
    chosen_from: int = 1
    """How many trials differ in what they brought."""
    stressed: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    """By kind of stress: what is left of the pnl, and what was done to it in words."""
    kept: float | None = None
    """What share of its gain its neighbourhood keeps."""
    neighbours: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether the winner is declared, and why."""

    declared: bool
    said: str
    gates: tuple[Gate, ...] = ()

    @property
    def advice(self) -> tuple[str, ...]:
        """Say what to do about the gates that do not hold, one sentence each."""
        return tuple(
            BLIND if gate.name == "out_of_sample" and gate.value is None else ADVICE[gate.name]
            for gate in self.gates
            if not gate.held
        )

    def document(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return {
            "declared": self.declared,
            "said": self.said,
            "next": [*self.advice],
            "gates": [asdict(gate) for gate in self.gates],
        }


def judge(found: Findings) -> Judgement:
    """Ask every question that can be asked of this study."""
    gates = (*_world(found), *_luck(found), *_stress(found))
    failed = [gate for gate in gates if not gate.held]
    if not failed:
        said = f"trial {found.winner} is declared the winner: all {len(gates)} gates hold"
        return Judgement(declared=True, said=said, gates=gates)
    others = ", ".join(gate.name for gate in failed[1:])
    said = f"no winner is declared: {failed[0].text}" + (f" (nor held: {others})" if others else "")
    return Judgement(declared=False, said=said, gates=gates)


def nobody(why: str) -> Judgement:
    """Say that there is nobody to judge."""
    return Judgement(declared=False, said=f"no winner is declared: {why}")


# ── what it did ──────────────────────────────────────────────────────────────
def _world(found: Findings) -> Iterator[Gate]:
    yield _at_least(
        "constraints",
        float(found.feasible),
        1.0,
        "it keeps the constraints" if found.feasible else "it breaks a constraint",
    )
    yield _at_least(
        "exits",
        float(found.quoted),
        1.0,
        "its trades are closed at quoted prices"
        if found.quoted
        else "with exit_model convergence no trade can lose, so no gain shows anything:"
        " search with exit_model quoted",
    )
    yield _at_least(
        "trades", found.trades, TRADES_MIN, f"{found.trades} trades, and {TRADES_MIN} are needed"
    )
    yield _above(
        "profit",
        found.pnl_usd,
        0.0,
        f"over all rows it brings {_usd(found.pnl_usd)}, open trades at market",
    )
    brought = found.out_of_sample_usd if found.walked else None
    if brought is not None:
        told = f"what the folds chose brought {_usd(brought)} on the rows after their training,"
        told += " open trades at market"
    elif found.walked:
        told = "no fold chose anybody, so nothing is known of the rows after its training"
    else:
        told = "no rows were held back, so nothing vouches for the choice"
    yield _above("out_of_sample", brought, 0.0, told)


# ── how far it is luck ───────────────────────────────────────────────────────
def _luck(found: Findings) -> Iterator[Gate]:
    yield _at_most(
        "reality_check",
        found.p_value,
        P_MAX,
        "whether luck alone does as much could not be told: too few rows, or nothing moved"
        if found.p_value is None
        else f"the best of a search without any edge does as well in {found.p_value:.1%} of cases,"
        f" and at most {P_MAX:.1%} are allowed",
    )
    yield _at_least(
        "deflated_sharpe",
        found.deflated,
        DEFLATED_MIN,
        "it has no Sharpe ratio: its trades are too few or too alike"
        if found.deflated is None
        else f"given all that was ever tried on these data, an edge is {found.deflated:.0%} sure,"
        f" and {DEFLATED_MIN:.0%} are needed",
    )
    if found.pbo is not None:
        yield _chosen(found, found.pbo)


def _chosen(found: Findings, pbo: float) -> Gate:
    loss = found.loss_share
    alike = loss is not None and loss <= LOSS_MAX
    text = (
        f"what is best on one half of the time is below the median on the other half in {pbo:.0%}"
        f" of cases (of {found.chosen_from} trials that differ), and from {PBO_MAX:.0%} on it is"
        " as good as drawing lots"
    )
    if alike and pbo >= PBO_MAX and loss is not None:
        text += f"; but it loses money there in {loss:.0%} only: whom one chooses hardly matters"
    return Gate(
        name="overfitting", held=pbo < PBO_MAX or alike, value=pbo, limit=PBO_MAX, text=text
    )


# ── whether it would hold elsewhere ──────────────────────────────────────────
def _stress(found: Findings) -> Iterator[Gate]:
    for name, (left, what) in found.stressed.items():
        yield _above(f"stress_{name}", left, 0.0, f"{what} it brings {_usd(left)}")
    if not found.neighbours:
        return
    kept = _sound(found.kept)
    yield _at_least(
        "plateau",
        kept,
        KEPT_MIN,
        "it gains nothing on the rows of its training, so one step away nothing can be left of it"
        if kept is None
        else f"one step away, {kept:.0%} of its gain is left on average over"
        f" {found.neighbours} neighbours, and {KEPT_MIN:.0%} are needed",
    )


def _usd(value: float) -> str:
    return f"{value:+,.2f} USD"


def _sound(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _at_least(name: str, value: float | None, limit: float, text: str) -> Gate:
    known = _sound(value)
    held = known is not None and known >= limit
    return Gate(name=name, held=held, value=known, limit=limit, text=text)


def _above(name: str, value: float | None, limit: float, text: str) -> Gate:
    known = _sound(value)
    held = known is not None and known > limit
    return Gate(name=name, held=held, value=known, limit=limit, text=text)


def _at_most(name: str, value: float | None, limit: float, text: str) -> Gate:
    known = _sound(value)
    held = known is not None and known <= limit
    return Gate(name=name, held=held, value=known, limit=limit, text=text)
