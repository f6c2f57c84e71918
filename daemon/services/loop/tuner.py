"""The loop, a cycle at a time: reconcile, observe, decide, write down, act, read back.

Between two cycles everything that counts is in the database and in the controls.
What is kept here is a copy, thrown away whenever a transaction did not end well:
the next cycle then begins as after a restart, from what is on record.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from daemon.clock import MICROS
from daemon.config.tuning_policy import as_policy
from daemon.services.loop import run as runs
from daemon.services.loop import suggest
from daemon.services.loop.hands import Caller, Hands
from daemon.services.loop.journal import LOOP, Journal, Word
from daemon.services.loop.reconcile import Reconciler
from daemon.store import changes
from daemon.tuning.asked import refusal
from daemon.tuning.block import BLOCK_US
from daemon.tuning.change import Refused, evolve
from daemon.tuning.decide import decide
from daemon.tuning.model import Observation
from daemon.tuning.reasons import Reason
from daemon.tuning.replay import ACTS
from daemon.tuning.vocabulary import DecisionKind, Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from daemon.clock import Clock
    from daemon.config.policy_file import LoadedPolicy
    from daemon.services.loop.hands import Leader
    from daemon.services.loop.journal import Stamp, Written
    from daemon.services.loop.reconcile import Found, Repair
    from daemon.services.loop.run import Run
    from daemon.services.loop.switchboard import Switchboard
    from daemon.store.store import Tx
    from daemon.tuning.model import Asked, Decision, Policy, Region
    from daemon.tuning.state import State
    from daemon.tuning.windows import Blocks

MODE_EVERY_US = 30 * MICROS
"""How often is looked whether the policy may go live."""


class Feed(Protocol):
    """Where samples come from."""

    def drain(self, tx: Tx, now_us: int, sealed_us: int) -> object:
        """Write what sources have brought in since the last time."""
        ...


class Watch(Caller, Protocol):
    """Who knows what stands against a change, and which signals are no evidence."""

    def standing(self, tx: Tx, now_us: int) -> tuple[str | None, Mapping[str, str]]:
        """Say why nothing may be changed, and which rules may not, by freezes and the like."""
        ...

    def unfit(self, tx: Tx, blocks: Blocks, now_us: int) -> Mapping[str, str]:
        """Say which signals are no evidence at the moment, and why."""
        ...

    def may_go_live(self, tx: Tx, digest: str, now_us: int) -> str | None:
        """Say what keeps a policy from going live; None if nothing does."""
        ...


@dataclass(slots=True)
class Request:
    """What a person asked the core for, and what came of it."""

    asked: Asked
    word: Word
    answered: bool = False
    changes: Mapping[str, int] = field(default_factory=dict)
    refused: Reason | None = None
    """Why the core did not agree; it is asked again as long as nobody withdraws it."""
    cause: str | None = None
    """Why it was not done though the core agreed."""
    seen: Observation | None = None
    """What the core saw when it was asked."""
    tried: bool = False
    """The core was asked and agreed; whether it was done, its cycle says at its end."""
    lost: bool = False
    """That cycle did not come to its end: nobody knows what was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """What a cycle came to, for those who watch the daemon."""

    decision: Decision
    seen: Observation
    mode: Mode
    not_live: str | None
    changes: Mapping[str, int]


class Tuner:
    """One leader's loop. It is driven from outside and never waits."""

    def __init__(
        self,
        hands: Hands,
        feed: Feed,
        watch: Watch,
        loaded: LoadedPolicy,
        *,
        grace_s: float = 1.0,
        regions: Iterable[Region] = (),
    ) -> None:
        self.hands = hands
        self.leader: Leader = hands.leader
        self.clock: Clock = hands.clock
        self.board: Switchboard = hands.board
        self.feed = feed
        self.watch = watch
        self.grace_us = round(grace_s * MICROS)
        self.request: Request | None = None
        """What a person asks for; the next cycle answers it."""
        self.not_live: str | None = None
        """Why the loop only proposes though the policy wants it live."""
        self._run: Run | None = None
        self._strays: list[str] | None = None
        """Rules that the policy no longer names, with a change open; None: nobody looked yet."""
        self._sealed_us: int | None = None
        self._mode: Mode | None = None
        self._mode_at_us = 0
        self.govern(loaded, regions)

    # ── what is in force ─────────────────────────────────────────────────────
    def govern(self, loaded: LoadedPolicy, regions: Iterable[Region] = ()) -> None:
        """Go by a policy from the next cycle on; it has been adopted in the database."""
        self.loaded = loaded
        self.policy: Policy = as_policy(loaded, regions)
        watch = self.watch
        self.reconciler = Reconciler(self.leader.epoch, self.policy, watch.call, watch.calm)
        self._mode = None
        run = self._run
        state = None if run is None or not run.begun else run.state
        if run is None or state is None or state.subject != self.policy.subject():
            self.stop()  # of other rules and signals it is another run
            return
        with self._carefully(), self.leader.write() as tx:
            run.journal.switch(tx, state, self.policy)
            run.blocks = runs.past(tx, self.policy, state, run.blocks.end)

    def forget(self) -> None:
        """Throw away what is remembered; the next cycle begins from what is on record."""
        self._run = self._strays = None

    @property
    def state(self) -> State | None:
        """What the core remembers now."""
        return None if self._run is None else self._run.state

    @property
    def mode(self) -> Mode | None:
        """Whether what is proposed is carried out; None before the first cycle."""
        return self._mode

    @property
    def sealed_us(self) -> int:
        """The moment before which everything was judged: what comes later is too late."""
        return self._sealed_us or 0

    def seal(self, tx: Tx) -> int:
        """Find that moment, also where it was an earlier run that judged."""
        if self._sealed_us is None:
            self._sealed_us = runs.sealed_us(tx, self.clock.now_us())
        return self._sealed_us

    def due_us(self) -> int:
        """Give the wall time at which the next block is complete."""
        now_us = self.clock.now_us()
        if self._run is None:
            return now_us
        due_us = (self._run.blocks.end + 1) * BLOCK_US + self.grace_us
        set_back = due_us - now_us > runs.SET_BACK * BLOCK_US
        return now_us if set_back else due_us

    def settled_by_person(self, rule: str) -> None:
        """Leave a change to the person who settled it."""
        if self._run is not None:
            self._run.journal.drop(rule)

    def stop(self) -> None:
        """Write down the memory: the run ends here."""
        run = self._run
        if run is not None and run.state is not None and run.begun:
            with self._carefully(), self.leader.write() as tx:
                run.journal.remember(tx, run.state, stop=True)
                runs.save(tx, run, run.state, self.clock.now_us(), now=True)
        self.forget()

    # ── a cycle ──────────────────────────────────────────────────────────────
    def cycle(self) -> Cycle | None:
        """Run a cycle if a block has become complete; None if there is nothing new to see."""
        block = (self.clock.now_us() - self.grace_us) // BLOCK_US
        run = self._run
        if run is not None and block < run.blocks.end - runs.SET_BACK:
            self._sealed_us = 0
            self.forget()
        elif run is not None and block <= run.blocks.end:
            return None
        with self._carefully():
            return self._cycle(block)

    def _cycle(self, block: int) -> Cycle | None:
        reading = self.board.read(self._names())
        hold = self.board.held()
        stamp = self.hands.stamp()
        with self.leader.write() as tx:
            self.feed.drain(tx, stamp.at_us, self.seal(tx))
            run = self._taken_up(tx, block, stamp.at_us)
            if not runs.resolved(tx, run, reading, block, stamp):
                return None
            run.blocks = runs.newer(tx, run.blocks, block)
            found = self.reconciler.look(tx, self._rules(), reading, run.journal, stamp)
            anew = self._settled(found)
            self.reconciler.rest(tx, found, _resting(run.state, block), stamp)
            held, barred = self.watch.standing(tx, stamp.at_us)
            seen = Observation(
                blocks=run.blocks,
                rules=found.rules,
                held=(held or found.held) if hold is None else f"HOLD: {hold}",
                barred={**barred, **found.barred},
                unfit=dict(self.watch.unfit(tx, run.blocks, stamp.at_us)),
            )
            seen, word = self._with_request(run, seen)
            decision, state, written = self._decided(tx, run, seen, stamp, word)
        run.state, self._sealed_us = state, seen.at_us
        self.hands.repair(run, self.reconciler, _wanted(found.repairs, seen))
        cause = None
        if decision.kind in ACTS and not self._only_proposed(run, decision):
            put_back, cause = self.hands.act(run, decision, written)
            self.hands.repair(run, self.reconciler, put_back)
        self._answer(seen, written, cause)
        if anew:
            self.forget()
        return Cycle(
            decision=decision,
            seen=seen,
            mode=run.journal.mode,
            not_live=self.not_live,
            changes=written.changes,
        )

    def _settled(self, found: Found) -> bool:
        """Tell whether the last change of a rule is settled that the policy no longer names.

        Its rule was moved, of which the core knows nothing: it begins anew behind that.
        """
        before, self._strays = self._strays, found.strays
        if found.held is None and before:
            found.held = "what the policy no longer names was settled a moment ago"
        return found.held is not None and not found.strays

    def _decided(
        self, tx: Tx, run: Run, seen: Observation, stamp: Stamp, word: Word
    ) -> tuple[Decision, State, Written]:
        """Decide, and write it down."""
        if not run.begun:
            run.journal.begin(tx, seen, run.state)
            run.begun = True
        decision, state = decide(run.state, seen, self.policy)
        written = run.journal.decided(tx, seen, decision, stamp, word)
        if not written.repeated:
            suggest.let_go(tx, seen.rules, seen.at_us)
        if self._only_proposed(run, decision):
            suggest.suggest(tx, decision, self.policy, written.seq)
            state = evolve(state, Refused(seen.blocks.end), self.policy)
        runs.save(tx, run, state, stamp.at_us, now=not written.repeated)
        return decision, state, written

    @contextmanager
    def _carefully(self) -> Iterator[None]:
        """Whatever goes wrong inside, nothing is left of what was thought to be so."""
        try:
            yield
        except BaseException:
            self.forget()
            raise

    def _taken_up(self, tx: Tx, block: int, at_us: int) -> Run:
        """Go on with the run, or begin one; one that may go live now begins anew."""
        mode, epoch = self._find_mode(tx), self.leader.epoch
        if self._run is None:
            self._run = runs.take_up(tx, self.policy, mode, epoch, block, at_us)
        elif self._run.journal.mode is not mode:
            self._run.journal = Journal(self.policy, mode=mode, epoch=epoch)
            self._run.journal.attend(tx, self._run.state)
            self._run.begun = False
        return self._run

    def _rules(self) -> list[str]:
        return [rule.name for rule in self.policy.rules]

    def _names(self) -> list[str]:
        """Name the rules to read: those of the policy, and those with changes left from before."""
        left = self._strays
        if left is None:
            with self.leader.write() as tx:
                left = [row["rule"] for row in changes.unsettled(tx)]
        return list(dict.fromkeys([*self._rules(), *left]))

    # ── live, or only proposing ──────────────────────────────────────────────
    def _find_mode(self, tx: Tx) -> Mode:
        """Say whether what is proposed is carried out: it must be wanted, and calibrated."""
        elapsed_us = self.clock.elapsed_us()
        if self._mode is not None and elapsed_us - self._mode_at_us < MODE_EVERY_US:
            return self._mode
        self._mode_at_us, self._mode, self.not_live = elapsed_us, Mode.DRY_RUN, None
        strategy, digest = self.loaded.policy.strategy, self.loaded.meaning
        if not strategy.dry_run and strategy.approval != "required":
            self.not_live = self.watch.may_go_live(tx, digest, self.clock.now_us())
            self._mode = Mode.LIVE if self.not_live is None else Mode.DRY_RUN
        if self.not_live is None:
            self.watch.calm(tx, "not_green", "policy")
        else:
            self.watch.call(tx, "not_green", "policy", "warn", self.not_live)
        return self._mode

    def _only_proposed(self, run: Run, decision: Decision) -> bool:
        """Tell whether a step is for a person to decide; what they asked for is decided."""
        dry = run.journal.mode is Mode.DRY_RUN
        step = decision.kind is DecisionKind.APPLY
        return dry and step and decision.reason is not Reason.ASKED

    # ── a person's request ───────────────────────────────────────────────────
    def _with_request(self, run: Run, seen: Observation) -> tuple[Observation, Word]:
        """Let the core see what a person asks for, unless something stands against it."""
        request = self.request
        if request is None or request.answered:
            return seen, LOOP
        if request.tried:
            request.answered = request.lost = True
            return seen, LOOP
        request.seen = seen
        asking = replace(seen, asked=request.asked)
        request.refused = refusal(run.state, asking, self.policy)
        request.tried = request.refused is None
        return (asking, request.word) if request.tried else (seen, LOOP)

    def _answer(self, seen: Observation, written: Written, cause: str | None) -> None:
        """Say what came of a request."""
        request = self.request
        if request is not None and not request.answered:
            request.answered = seen.asked is not None or request.refused is not None
            request.changes, request.cause = dict(written.changes), cause


def _wanted(repairs: list[Repair], seen: Observation) -> list[Repair]:
    """Leave out values that nobody has set yet while nothing may be changed: rollbacks go on."""
    if seen.held is not None:
        return [repair for repair in repairs if repair.change_id is not None]
    return [
        one for one in repairs if one.change_id is not None or one.order.rule not in seen.barred
    ]


def _resting(state: State | None, block: int) -> frozenset[str]:
    """Name the rules that the core itself lets rest, or watches."""
    if state is None:
        return frozenset()
    tried = {move.rule for move in state.trial.moves} if state.trial else set()
    return frozenset(
        tried | {rule for rule, until in state.memory.resting.items() if until > block}
    )
