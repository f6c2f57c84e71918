"""What would be done now, and what it should bring: a plan, made without touching anything.

The core is asked as a cycle would ask it, with the memory and the samples on
record. What comes of it is a proposal that somebody may carry out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS, iso
from daemon.config.tuning_policy import as_policy
from daemon.services.asking import plan_file
from daemon.services.asking.inquiry_rows import holding, known_name, steps
from daemon.services.asking.plan_guards import STOPPED, Check, Point, advice, guards
from daemon.services.duties import calendar
from daemon.services.loop import run
from daemon.store import lease, listing, memory, proposals, rules
from daemon.tuning import codec
from daemon.tuning.block import BLOCK_US
from daemon.tuning.explain import WORDS, moved, percent, sentence, short, signed, size
from daemon.tuning.model import Candidate, Move, Observation
from daemon.tuning.outlook import expected, look_now
from daemon.tuning.prospect import prospects
from daemon.tuning.reasons import Reason
from daemon.tuning.vocabulary import DecisionKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from daemon.clock import Clock
    from daemon.config.policy_file import LoadedPolicy
    from daemon.store.store import Store, Tx
    from daemon.tuning.model import Decision, Effect, Policy
    from daemon.tuning.state import State

BARRED = frozenset(
    {
        Reason.HELD,
        Reason.BARRED,
        Reason.BUDGET_SPENT,
        Reason.BUSY,
        Reason.COOLDOWN,
        Reason.OBSERVING,
        Reason.SIGNAL_UNFIT,
        Reason.WARMING_UP,
    }
)
"""What the loop is kept back by, where it does not hold still of its own accord."""

EXPIRES_S = 3600.0
"""A proposal that nobody carried out within an hour rests on values of another day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be moved, what it should bring, and every guard it was held against."""

    at_us: int
    policy: str
    """The digest of the policy."""
    base: Mapping[str, float]
    """The values in force that it rests on."""
    changes: Mapping[str, int | None]
    """The change that set each of them."""
    moves: tuple[Move, ...]
    candidate: Candidate | None
    said: str
    """In a sentence."""
    effects: Sequence[Effect] = ()
    checks: Sequence[Check] = ()
    others: Sequence[Candidate] = ()
    """Steps that were passed over."""
    proposal: int | None = None

    @property
    def stops(self) -> list[Check]:
        """The guards that stand against it now."""
        return [check for check in self.checks if check.stops]

    @property
    def hopeless(self) -> bool:
        """Whether there is nothing to do, or nothing that waiting would make possible."""
        return not self.moves or any(check.for_good for check in self.stops)

    @property
    def barred(self) -> bool:
        """Whether the policy, a signal or a person stands in the way, not a lack of ideas."""
        return any(check.guard in BARRED for check in self.stops)

    def expected(self) -> dict[str, Any]:
        """What it should bring, as plain JSON."""
        found = self.candidate
        numbers = {} if found is None else {"gain": found.gain, "spread": found.spread}
        risk = {} if found is None else {"risk": found.risk}
        effects = [
            {name: value for name, value in asdict(effect).items() if name != "samples"}
            for effect in self.effects
        ]
        return {**numbers, **risk, "effects": effects}

    def effect_rows(self) -> list[tuple[str, float, float, float, float]]:
        """What it should do to each signal: its name, before, delta, and the interval of that."""
        return [(one.signal, one.before, one.delta, one.low, one.high) for one in self.effects]

    def other_rows(self) -> list[tuple[str, float, float, float, str]]:
        """The steps that were passed over: what they promised, and why not they."""
        return [
            (told(one.moves), one.gain, one.spread, one.risk, WORDS[one.refused])
            for one in self.others
            if one.refused is not None
        ]

    def document(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        return {
            "at": iso(self.at_us),
            "policy": self.policy,
            "said": self.said,
            "moves": [asdict(move) for move in self.moves],
            "base": dict(self.base),
            "changes": dict(self.changes),
            "expected": self.expected(),
            "guards": [asdict(check) for check in self.checks],
            "passed_over": [asdict(one) for one in self.others],
            "proposal": self.proposal,
            "apply": None if self.proposal is None else f"daemon ctl apply {self.proposal}",
        }


@dataclass(frozen=True, slots=True)
class _World:
    """What the core is asked with."""

    policy: Policy
    state: State | None
    seen: Observation
    changes: Mapping[str, int | None] = field(default_factory=dict)


class Planner:
    """Makes plans on what is on record; writes nothing but proposals."""

    def __init__(self, store: Store, clock: Clock, loaded: LoadedPolicy) -> None:
        self.store = store
        self.clock = clock
        self.loaded = loaded
        self.policy = as_policy(loaded)

    def plan(self, wanted: Mapping[str, float] | None = None) -> Plan:
        """Say what the loop would do now, or what these values would do.

        Raises:
            UnknownName: a rule is named that the policy does not have.
        """
        for name in wanted or {}:
            known_name(name, (rule.name for rule in self.policy.rules), "rule")
        running = bool((found := lease.held_by(self.store)) and not found.released)
        with self.store.read() as view:
            world = self._world(view, running=running)
            if wanted:
                return self._asked(view, world, wanted)
            return self._found(view, world)

    def propose(self, plan: Plan, actor: str, reason: str | None = None) -> Plan:
        """Write a plan down as a proposal, until it expires; returns it with its number."""
        row = proposals.NewProposal(
            at_us=plan.at_us,
            origin="operator",
            base=dict(plan.base),
            target={move.rule: move.new for move in plan.moves},
            expected=plan.expected(),
            reason=f"{actor}: {reason or plan.said}",
            expires_at_us=plan.at_us + round(EXPIRES_S * MICROS),
        )
        with self.store.write() as tx:
            return replace(plan, proposal=proposals.propose(tx, row))

    def write(self, path: Path, plan: Plan, actor: str) -> None:
        """Write a plan into a file that `read` takes."""
        plan_file.write(path, plan.document() | {"by": actor})

    def read(self, path: Path) -> dict[str, Any]:
        """Read a plan from a file, as what is to be asked of the daemon.

        Raises:
            InputError: it is no plan.
            StalePlan: it was altered, or what it rests on is not so any more.
        """
        planned = plan_file.read(path)
        with self.store.read() as view:
            plan_file.require_fresh(view, planned, self.loaded.digest)
            known = None if planned.proposal is None else proposals.get(view, planned.proposal)
        pending = known is not None and known.state == proposals.PENDING
        if pending and known is not None and dict(known.target) == dict(planned.moves):
            return {"proposal": known.id}
        return {"moves": dict(planned.moves), "base": dict(planned.base)}

    # ── what the core sees ───────────────────────────────────────────────────
    def _world(self, view: Tx, *, running: bool) -> _World:
        now_us = self.clock.now_us()
        stands = rules.values(view)
        known = memory.recall(view)
        state = _state(known.state) if known is not None else None
        block = now_us // BLOCK_US
        found = (listing.world(view) if running else None) or {}
        bars = calendar.bars(calendar.standing(view, now_us))
        foreign = {
            name: "a person set it: `daemon ctl adopt` hands it back"
            for name, row in stands.items()
            if row.foreign_at_us is not None
        }
        seen = Observation(
            blocks=run.past(view, self.policy, state, block),
            rules={
                rule.name: stands[rule.name].value if rule.name in stands else rule.init
                for rule in self.policy.rules
            },
            held=bars.held or found.get("held"),
            barred={**found.get("barred", {}), **bars.barred, **foreign},
            unfit=found.get("unfit", {}),
        )
        changes = {name: stands[name].change_id if name in stands else None for name in seen.rules}
        return _World(self.policy, state, seen, changes)

    # ── two questions ────────────────────────────────────────────────────────
    def _found(self, view: Tx, world: _World) -> Plan:
        """Ask what the loop would do if it looked now."""
        decision, state = look_now(world.state, world.seen, world.policy)
        numbers = decision.numbers
        if numbers.chosen is None:
            return self._plan(
                world,
                moves=(),
                candidate=None,
                said=_instead(decision, world),
                others=numbers.passed_over,
                checks=[_nothing(decision, world.seen)],
            )
        return self._weighed(
            view, world, decision.moves, numbers.chosen, state, others=numbers.passed_over
        )

    def _asked(self, view: Tx, world: _World, wanted: Mapping[str, float]) -> Plan:
        """Ask what a person's values would do."""
        moves = tuple(
            Move(rule, world.seen.rules[rule], value) for rule, value in sorted(wanted.items())
        )
        found = expected(world.state, world.seen, world.policy, moves)
        return self._weighed(view, world, moves, found, world.state)

    def _weighed(
        self,
        view: Tx,
        world: _World,
        moves: tuple[Move, ...],
        candidate: Candidate,
        state: State | None,
        others: Sequence[Candidate] = (),
    ) -> Plan:
        effects = prospects(state, world.policy, moves)
        at = Point(world.state, world.seen, world.policy, moves, candidate, known=bool(effects))
        checks = [*guards(at, view), *advice(at, view, self.loaded, self.clock.now_us())]
        stops = [check for check in checks if check.stops]
        said = f"{_promised(at)} {_verdict(stops)}"
        return self._plan(
            world,
            moves=moves,
            candidate=candidate,
            said=said,
            others=others,
            checks=checks,
            effects=effects,
        )

    def _plan(self, world: _World, **told: Any) -> Plan:
        return Plan(
            at_us=self.clock.now_us(),
            policy=world.policy.digest,
            base=dict(world.seen.rules),
            changes=dict(world.changes),
            **told,
        )


def _state(plain: Mapping[str, Any]) -> State | None:
    try:
        state: State = codec.load(dict(plain))
    except codec.Unreadable:
        return None
    return state


def _instead(decision: Decision, world: _World) -> str:
    """Say what the loop would do, where it would try nothing new."""
    said = sentence(decision, world.policy)
    if decision.reason is Reason.HELD and world.seen.held is not None:
        return f"{said} {holding(world.seen.held)}"
    if decision.kind is DecisionKind.HOLD:
        return said
    return f"No step is tried while change {decision.change} is open. The next cycle: {said}"


def _nothing(decision: Decision, seen: Observation) -> Check:
    """Say what keeps the loop from a step: a word on what is open comes first."""
    if decision.reason is Reason.HELD and seen.held is not None:
        return Check(guard=str(Reason.HELD), outcome=STOPPED, detail=seen.held)
    if decision.kind is not DecisionKind.HOLD:
        return Check(guard=str(Reason.BUSY), outcome=STOPPED, detail=WORDS[Reason.BUSY])
    return Check(guard=str(decision.reason), outcome=STOPPED, detail=WORDS[decision.reason])


def _promised(at: Point) -> str:
    """Say what a step should bring."""
    what, found = f"Moving {moved(at.moves)}", at.candidate
    if not at.known:
        return f"{what}: what it would bring is not known yet."
    return (
        f"{what} should change the score by {signed(found.gain)} ± {size(found.spread)}; the risk"
        f" that it falls by more than {short(at.policy.harm_budget)} is {percent(found.risk)}."
    )


def _verdict(stops: Sequence[Check]) -> str:
    if not stops:
        return "Nothing stands against it."
    return f"It would be refused: {'; '.join(check.detail for check in stops)}."


def told(moves: Sequence[Move]) -> str:
    """Write moves for a table."""
    return steps({m.rule: m.old for m in moves}, {m.rule: m.new for m in moves})
