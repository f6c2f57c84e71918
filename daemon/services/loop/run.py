"""One run of the loop as it is remembered: its journal, its blocks, the state of the core.

Taken up from the database at a start, and again whenever a transaction did not
end well: what is held here is only a copy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.services.loop.journal import Journal
from daemon.store import history, memory, runs
from daemon.store.blocks import stream_blocks
from daemon.tuning import codec
from daemon.tuning.block import BLOCK_US
from daemon.tuning.change import Applied, Refused, evolve
from daemon.tuning.state import Phase
from daemon.tuning.windows import KEEP, Blocks

if TYPE_CHECKING:
    from daemon.services.loop.journal import Stamp
    from daemon.services.loop.switchboard import Reading
    from daemon.store.store import Tx
    from daemon.tuning.change import Event
    from daemon.tuning.model import Policy
    from daemon.tuning.state import State
    from daemon.tuning.vocabulary import Mode

SET_BACK = 12
"""Blocks that the clock may go back before time is taken to begin anew: a minute."""

ANOTHER = "of another system"
"""What a memory is about that was undermined: it begins anew, and keeps what limits it."""

SAVED_EVERY = 12
"""The memory of quiet cycles is written down once a minute."""


@dataclass(slots=True)
class Run:
    """What is remembered from cycle to cycle, as long as all goes well."""

    journal: Journal
    blocks: Blocks
    state: State | None
    begun: bool = False


def take_up(tx: Tx, policy: Policy, mode: Mode, epoch: int, block: int, at_us: int) -> Run:
    """Take up what is on record: the memory, and the blocks that it is about."""
    kept, state = memory.recall(tx), None
    if kept is not None and kept.block > block + SET_BACK:
        _note(tx, "clock_set_back", at_us, {"from_block": kept.block, "to_block": block})
    elif kept is not None:
        try:
            state = codec.load(kept.state)
        except codec.Unreadable as error:
            _note(tx, "memory_unreadable", at_us, {"why": str(error), "mode": kept.mode})
    if state is not None and _undermined(tx, policy, state, block):
        state = replace(state, subject=ANOTHER)
    journal = Journal(policy, mode=mode, epoch=epoch)
    journal.attend(tx, state)
    known = state is not None and state.subject == policy.subject()
    return Run(journal, past(tx, policy, state if known else None, block), state)


def _undermined(tx: Tx, policy: Policy, state: State, block: int) -> bool:
    """Tell whether a rule was moved since that the policy does not name, so nobody saw it."""
    named = {rule.name for rule in policy.rules}
    moved = runs.values(tx, state.quiet_since * BLOCK_US)
    return any(rule not in named and at_us // BLOCK_US <= block for at_us, rule, *_ in moved)


def sealed_us(tx: Tx, now_us: int) -> int:
    """Say up to when everything was judged by a cycle: what is measured of it later is too late.

    Not by cycles of a time to come: the clock was set back since.
    """
    judged_us = runs.judged_until_us(tx)
    return 0 if judged_us > now_us + SET_BACK * BLOCK_US else judged_us


def _note(tx: Tx, kind: str, at_us: int, body: dict[str, object]) -> None:
    history.append(tx, history.Event(at_us=at_us, kind=kind, body=body))


def past(tx: Tx, policy: Policy, state: State | None, block: int) -> Blocks:
    """Read the blocks before one.

    Without a memory of these rules and signals only those since the last change and
    since anything was measured: the loop then begins to watch with the first of them.
    """
    first = block - KEEP
    if state is not None:
        return newer(tx, Blocks.empty(policy.signals(), first), block)
    moved = (at_us // BLOCK_US + 1 for at_us, *_ in runs.values(tx))
    first = max([first, *(one for one in moved if one <= block)])
    blocks = newer(tx, Blocks.empty(policy.signals(), first), block)
    heard = np.flatnonzero(blocks.count.any(axis=1))
    # The newest is kept even if nothing was heard yet: a cycle is about a block, also in a replay.
    return blocks.last(blocks.end - blocks.first - int(heard[0]) if len(heard) else 1)


def newer(tx: Tx, blocks: Blocks, end: int) -> Blocks:
    """Add the blocks that have become complete since."""
    start = max(blocks.end, end - KEEP)
    for chunk in stream_blocks(tx, blocks.signals, start * BLOCK_US, end * BLOCK_US):
        blocks = blocks.extend(chunk.first, chunk.mean, chunk.count)
    return blocks


def save(tx: Tx, run: Run, state: State, at_us: int, *, now: bool) -> None:
    """Write the memory down: at once where something happened, else once a minute."""
    run.journal.remember(tx, state)
    if not now and run.blocks.end % SAVED_EVERY:
        return
    memory.remember(
        tx,
        memory.Memory(
            at_us=at_us,
            block=run.blocks.end - 1,
            policy=run.journal.policy.digest,
            mode=run.journal.mode,
            epoch=run.journal.epoch,
            state=codec.dump(state),
        ),
    )


def resolved(tx: Tx, run: Run, reading: Reading, block: int, stamp: Stamp) -> bool:
    """Find out what became of a step that was asked for and that nobody lived to report.

    Returns:
        False if nobody can tell yet: the controls cannot be read.
    """
    state = run.state
    if run.begun or state is None or state.phase is not Phase.OPENING or state.trial is None:
        return True
    moves = state.trial.moves
    if any(move.rule in reading.unreadable for move in moves):
        return False
    done = {move.rule for move in moves if reading.holds(move.rule, move.new)}
    event: Event = Applied(block) if len(done) == len(moves) else Refused(block)
    run.journal.settle(tx, state, event, stamp, done)
    run.state = evolve(state, event, run.journal.policy)
    return True
