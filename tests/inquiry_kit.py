"""A recorded run that is asked about: the store it left, and a clock that stands where it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.store import alerts, commands, freezes, marks, memory, proposals, rules
from daemon.tuning import codec
from daemon.tuning.windows import BLOCK_US
from tests.recording import Recording, loaded_policy

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.services.asking.inquiry import Table
    from daemon.store.store import Store


class StandingClock:
    """A clock that moves only where somebody waits by it."""

    def __init__(self, now_us: int) -> None:
        self.at_us = now_us

    def now_us(self) -> int:
        return self.at_us

    def elapsed_us(self) -> int:
        return self.at_us

    def sleep(self, seconds: float) -> None:
        self.at_us += round(seconds * 1e6)


def recorded(store: Store, folder: Path, cycles: int) -> tuple[Recording, StandingClock]:
    """Run the loop for so many cycles, and leave its memory behind as the service does."""
    run = Recording(store, loaded_policy(folder))
    run.run(cycles)
    remember(run)
    return run, StandingClock(run.block * BLOCK_US)


def remember(run: Recording) -> None:
    """Write down what the core knows."""
    with run.store.write() as tx:
        memory.remember(
            tx,
            memory.Memory(
                at_us=run.block * BLOCK_US,
                block=run.block,
                policy=run.policy.digest,
                mode=run.mode,
                epoch=1,
                state=codec.dump(run.state),
            ),
        )


def fill(store: Store, now_us: int) -> None:
    """One row of everything that the loop does not write."""
    with store.write() as tx:
        stands = {name: row.value for name, row in rules.values(tx).items()}
        base = stands or {"batch": 50.0, "workers": 9.0}
        proposals.propose(
            tx,
            proposals.NewProposal(
                at_us=now_us,
                origin="operator",
                base=base,
                target={"workers": base["workers"] + 1},
                expected={"gain": 0.1, "spread": 0.01, "risk": 0.0},
                expires_at_us=now_us + 5_000_000,
            ),
        )
        freezes.add(
            tx,
            freezes.NewFreeze(
                reason="sale", owner="ann", starts_at_us=now_us, created_at_us=now_us, rule="batch"
            ),
        )
        alert: dict[str, Any] = {
            "kind": "stuck",
            "key": "7",
            "severity": "crit",
            "text": "change 7 is stuck",
        }
        alerts.raise_alert(tx, alerts.NewAlert(at_us=now_us, **alert))
        new: dict[str, Any] = {
            "key": "k",
            "kind": "pause",
            "actor": "ann",
            "args": {"rule": "batch"},
        }
        commands.file(tx, commands.NewCommand(at_us=now_us, **new))
        marks.put(tx, "csv", {"at": 1}, now_us - 3_000_000)


def records(table: Table) -> list[dict[str, Any]]:
    """Rows by the names of their columns."""
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]
