"""Leaving a step to a person: what was only proposed waits for their word, and is not repeated.

The core looks for something to try every few blocks and passes over what was not
done a moment ago. A person takes longer: what was proposed first waits for them,
until it is too old or the values that it starts from are not in force any more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from daemon.clock import MICROS
from daemon.services.loop.switchboard import same
from daemon.store import proposals
from daemon.store.proposals import PENDING, REJECTED, SUPERSEDED
from daemon.tuning.explain import evidence, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.store.proposals import Proposal
    from daemon.store.store import Tx
    from daemon.tuning.model import Decision, Policy

WAITS_S = 3600.0
"""Seconds after which what was proposed rests on signals of another hour."""

LOOP = "loop"
_OF_THE_MOMENT = frozenset({LOOP, "operator"})
"""Who proposes from the values in force; a session proposes where to go from anywhere."""


def suggest(tx: Tx, decision: Decision, policy: Policy, seq: int) -> None:
    """Propose a step, unless another one waits already or this very one was turned down."""
    base = {move.rule: move.old for move in decision.moves}
    target = {move.rule: move.new for move in decision.moves}
    proposals.expire(tx, decision.at_us)
    if any(one.origin == LOOP for one in proposals.listed(tx, PENDING)):
        return
    turned_down = proposals.listed(tx, REJECTED)
    if any(_is(one, base, target, decision.at_us) for one in turned_down):
        return
    proposals.propose(
        tx,
        proposals.NewProposal(
            at_us=decision.at_us,
            origin=LOOP,
            base=base,
            target=target,
            expected=evidence(decision).get("chosen"),
            reason=sentence(replace(decision, change=None), policy),
            decision_seq=seq,
            expires_at_us=decision.at_us + round(WAITS_S * MICROS),
        ),
    )


def let_go(tx: Tx, values: Mapping[str, float], at_us: int) -> None:
    """End proposals that start from other values than those in force."""
    for one in proposals.listed(tx, PENDING):
        if one.origin in _OF_THE_MOMENT and not _starts_from(one, values):
            proposals.decide(tx, one.id, SUPERSEDED, "daemon", at_us)


def _starts_from(proposal: Proposal, values: Mapping[str, float]) -> bool:
    return all(rule in values and same(values[rule], old) for rule, old in proposal.base.items())


def _is(
    proposal: Proposal, base: Mapping[str, float], target: Mapping[str, float], at_us: int
) -> bool:
    """Tell whether a proposal is of the same step, and not too old to count."""
    young = proposal.expires_at_us is not None and proposal.expires_at_us > at_us
    alike = dict(proposal.base) == base and dict(proposal.target) == target
    return proposal.origin == LOOP and young and alike
