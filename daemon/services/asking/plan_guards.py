"""Every guard that a step is held against, with the numbers: which let it pass, which stop it.

What stops a step is asked of the core itself. Beside it stands what would keep
the loop from taking the step by itself, and does not keep a person from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from daemon.clock import iso
from daemon.services.calibration import ready_for_live
from daemon.store import changes
from daemon.tuning.asked import GUARDS, objections
from daemon.tuning.block import BLOCK_US
from daemon.tuning.explain import percent, short
from daemon.tuning.guards import forbidden, spent
from daemon.tuning.model import Asked
from daemon.tuning.propose import RISKY, UPSIDE, step_of
from daemon.tuning.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.config.policy_file import LoadedPolicy
    from daemon.store.store import Tx
    from daemon.tuning.model import Candidate, Move, Observation, Policy, Rule
    from daemon.tuning.state import State

PASSED, STOPPED, WARNED = "passed", "stopped", "warned"

FOR_GOOD = frozenset({Reason.NO_CANDIDATE, Reason.AT_BOUND, Reason.TOO_FAR})
"""Waiting does not help against these."""

ALONE = frozenset({Reason.SUPERSEDED, Reason.POLICY_CHANGED, Reason.NO_CANDIDATE})
"""What is found wrong before anything else is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One guard, and what it said."""

    guard: str
    outcome: str
    detail: str

    @property
    def stops(self) -> bool:
        """Whether the step would be refused for it."""
        return self.outcome == STOPPED

    @property
    def for_good(self) -> bool:
        """Whether waiting does not help."""
        return self.guard in FOR_GOOD


@dataclass(frozen=True, slots=True)
class Point:
    """A step, and what it is held against."""

    state: State | None
    seen: Observation
    policy: Policy
    moves: tuple[Move, ...]
    candidate: Candidate
    known: bool
    """Whether anything is known of what it would bring."""

    def rule(self, name: str) -> Rule:
        """Give a rule of the policy."""
        return next(rule for rule in self.policy.rules if rule.name == name)


# ── what stops it ────────────────────────────────────────────────────────────
def guards(at: Point, view: Tx) -> Iterator[Check]:
    """Ask every guard that may stop a step."""
    asking = replace(at.seen, asked=Asked(kind="step", moves=at.moves))
    against = set(objections(at.state, asking, at.policy))
    unknown = at.state is None or bool(against & ALONE)
    for reason in GUARDS:
        if reason in against:
            yield Check(guard=str(reason), outcome=STOPPED, detail=_DETAILS[reason](at, view))
        elif not unknown:
            yield Check(guard=str(reason), outcome=PASSED, detail=_PASSES[reason](at))


def _busy(at: Point, view: Tx) -> str:
    del at
    open_ = ", ".join(
        f"change {row['id']} of {row['rule']} ({row['state']})"
        for row in changes.open_changes(view)
    )
    return f"{open_ or 'a change'} is open: one is judged at a time"


def _warming(at: Point, view: Tx) -> str:
    del view
    if at.state is None:
        return "the daemon has not watched these signals and rules yet"
    return f"the signals are watched at rest for {at.policy.warmup_s:g} s first"


def _stale(at: Point, view: Tx) -> str:
    del at, view
    return "the values in force are others by now"


def _bounds(at: Point, view: Tx | None = None) -> str:
    del view
    return ", ".join(
        f"{move.rule} may be {short(rule.low)} to {short(rule.high)}"
        for move in at.moves
        for rule in [at.rule(move.rule)]
    )


def _far(at: Point, view: Tx | None = None) -> str:
    del view
    longest = max(at.policy.max_step_mult, 1.0)
    return ", ".join(
        f"{move.rule} may move by {short(longest * at.rule(move.rule).step)} at once,"
        f" and would by {short(abs(move.new - move.old))}"
        for move in at.moves
    )


def _held(at: Point, view: Tx) -> str:
    del view
    return at.seen.held or ""


def _barred(at: Point, view: Tx) -> str:
    del view
    named = [move.rule for move in at.moves if move.rule in at.seen.barred]
    return "; ".join(f"{rule}: {at.seen.barred[rule]}" for rule in named)


def _cooling(at: Point, view: Tx) -> str:
    del view
    resting = at.state.memory.resting if at.state else {}
    now = at.seen.blocks.end
    return ", ".join(
        f"{move.rule} rests until {iso(resting[move.rule] * BLOCK_US)[:19]}Z"
        for move in at.moves
        if resting.get(move.rule, 0) > now
    )


def _unfit(at: Point, view: Tx) -> str:
    del view
    if at.seen.unfit:
        return ", ".join(f"{signal}: {why}" for signal, why in at.seen.unfit.items())
    return "not every signal comes in: `daemon ctl get signals`"


def _said(words: str) -> Callable[[Point, Tx], str]:
    return lambda _at, _view: words


def _fine(words: str) -> Callable[[Point], str]:
    return lambda _: words


_DETAILS: dict[Reason, Callable[[Point, Tx], str]] = {
    Reason.SUPERSEDED: _said(
        "somebody moved a rule just now: the next cycle takes it into account"
    ),
    Reason.POLICY_CHANGED: _said("the policy changed: what is open is taken back first"),
    Reason.BUSY: _busy,
    Reason.WARMING_UP: _warming,
    Reason.NO_CANDIDATE: _said("it would move nothing"),
    Reason.STALE: _stale,
    Reason.AT_BOUND: _bounds,
    Reason.TOO_FAR: _far,
    Reason.HELD: _held,
    Reason.BARRED: _barred,
    Reason.COOLDOWN: _cooling,
    Reason.SIGNAL_UNFIT: _unfit,
}
_PASSES: dict[Reason, Callable[[Point], str]] = {
    Reason.SUPERSEDED: _fine("the values are those that the core knows"),
    Reason.POLICY_CHANGED: _fine("the policy is the one that the core knows"),
    Reason.BUSY: _fine("no change is open"),
    Reason.WARMING_UP: _fine("the noise of the signals is known"),
    Reason.NO_CANDIDATE: _fine("it moves something"),
    Reason.STALE: _fine("it starts from the values in force"),
    Reason.AT_BOUND: _bounds,
    Reason.TOO_FAR: _far,
    Reason.HELD: _fine("nothing holds all changes"),
    Reason.BARRED: _fine("nothing holds these rules"),
    Reason.COOLDOWN: _fine("these rules have rested"),
    Reason.SIGNAL_UNFIT: _fine("every signal comes in"),
}


# ── what would keep the loop from it ─────────────────────────────────────────
def advice(at: Point, view: Tx, loaded: LoadedPolicy, now_us: int) -> Iterator[Check]:
    """Name what would keep the loop from the step, and does not keep a person from it."""
    state, policy, found = at.state, at.policy, at.candidate
    if state is not None and at.known:
        key = step_of(at.moves, state, policy).key
        now = at.seen.blocks.end
        yield _warns(
            "too_risky",
            f"the risk of losing more than {short(policy.harm_budget)} is {percent(found.risk)},"
            f" {percent(RISKY)} may be",
            warns=found.risk > RISKY,
        )
        yield _warns(
            "not_worth_it",
            f"it promises {short(found.gain)}; a trial should promise"
            f" {short(UPSIDE * policy.min_gain)}",
            warns=found.gain < UPSIDE * policy.min_gain,
        )
        stays_off = forbidden(at.moves, state, policy, now)
        where = "it leads" if stays_off else "it does not lead"
        yield _warns("no_go", f"{where} to where a guard was broken lately", warns=stays_off)
        until = state.memory.until.get(key, 0)
        yield _warns(
            "backed_off",
            f"it failed lately; the loop tries it again after {iso(until * BLOCK_US)[:19]}Z"
            if until > now
            else "it has not failed lately",
            warns=until > now,
        )
        yield _warns(
            "budget_spent",
            f"{policy.changes_per_hour} changes an hour at most",
            warns=spent(state, policy, now),
        )
    strategy = loaded.policy.strategy
    ready = ready_for_live(view, loaded.meaning, now_us)
    yield _warns("calibration", f"{ready.state}: {ready.why}", warns=not ready)
    if strategy.dry_run:
        yield _warns("dry_run", "the loop only proposes (`strategy.dry_run`)", warns=True)
    if strategy.approval == "required":
        yield _warns("approval", "a person must approve what the loop proposes", warns=True)


def _warns(guard: str, detail: str, *, warns: bool) -> Check:
    return Check(guard=guard, outcome=WARNED if warns else PASSED, detail=detail)
