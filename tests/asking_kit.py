"""A person's word, as tests of the core give it: what is asked for, and what comes of it."""

from __future__ import annotations

import numpy as np

from daemon.tuning.asked import refusal
from daemon.tuning.decide import decide
from daemon.tuning.model import Asked, Move
from daemon.tuning.reasons import Reason
from tests.tuning_kit import a_state, beliefs, calm, lone, rules_of, seen

POLICY = lone()


def low(policy=POLICY, **changed):
    """A state that is idle, below its target, and knows what helps."""
    return a_state(policy, believed=beliefs([-1.0], [[0.3]], doubt=0.05), **changed)


def a_step(state, policy=POLICY, **goal):
    """Ask for some values, in place of those in force."""
    now = rules_of(state, policy)
    return Asked(kind="step", moves=tuple(Move(rule, now[rule], new) for rule, new in goal.items()))


def longer(blocks):
    return Asked(kind="extend", blocks=blocks)


def told(state, asked, policy=POLICY, blocks=None, **more):
    """What is seen by a cycle in which a person asks for something."""
    blocks = calm(policy, np.zeros(len(policy.signals()))) if blocks is None else blocks
    rules = more.pop("rules", None) or rules_of(state, policy)
    return seen(policy, blocks, rules, asked=asked, **more)


def answer(state, asked, policy=POLICY, blocks=None, **more):
    """Decide; what is refused beforehand is what comes of it."""
    observation = told(state, asked, policy, blocks, **more)
    decision, after = decide(state, observation, policy)
    done = decision.reason in {Reason.ASKED, Reason.CONFIRMED}
    assert done is (refusal(state, observation, policy) is None)
    return decision, after
