"""A record of the loop written by hand: sound, or not quite, as a test wants it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from daemon.clock import MICROS
from daemon.services.invariants import Broken, check
from daemon.services.loop.journal import Stamp
from daemon.store import chain, changes, history, runs, samples
from daemon.store.store import Store
from daemon.store.tables import change_events, lease
from daemon.store.tables import changes as changes_table
from daemon.tuning.vocabulary import ChangeState as S
from tests.contract.rows import T0
from tests.recording import adopt, loaded_policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.config.policy_file import LoadedPolicy
    from daemon.store.store import Tx
    from tests.contract.databases import Backend

EPOCH = 3
"""Under which the record was written."""

SECONDS = 1_200
"""So long are there samples, one a second."""


@dataclass
class Record:
    """A loop's record, written by hand: what it should look like, or not quite."""

    tx: Tx
    loaded: LoadedPolicy
    at_us: int = T0
    elapsed_us: int = 0
    boot_id: str = "boot-1"
    keys: int = 0
    values: dict[str, float] = field(default_factory=lambda: {"workers": 8.0, "batch": 50.0})

    def begin(self) -> None:
        """Lead, and have samples of each signal."""
        row = {"name": "leader", "epoch": EPOCH, "holder": "me", "beat": 1, "ttl_s": 15.0}
        told = {"since_us": T0, "beat_at_us": T0, "about": {}}
        self.tx.execute(insert(lease).values({**row, **told}))
        batch = [
            (name, T0 + n * MICROS, 100.0 + n % 7)
            for name in ("latency", "errors")
            for n in range(SECONDS)
        ]
        samples.ingest(self.tx, batch, T0 + SECONDS * MICROS)
        self.note(runs.STATE, {"why": "start"})

    def wait(self, seconds: float) -> None:
        self.at_us += round(seconds * MICROS)
        self.elapsed_us += round(seconds * MICROS)

    def note(self, kind: str, body: dict[str, Any], epoch: int = EPOCH) -> None:
        history.append(self.tx, history.Event(at_us=self.at_us, kind=kind, body=body, epoch=epoch))

    def decide(self, kind: str, reason: str = "best_expected", **fields: Any) -> int:
        said = {
            "at_us": self.at_us,
            "mode": "live",
            "kind": kind,
            "reason": reason,
            "explanation": "because",
            "policy": self.loaded.digest,
            "epoch": EPOCH,
        }
        return history.append(self.tx, history.Decision(**{**said, **fields}))

    def move(self, cause: str = "best_expected", **fields: Any) -> changes.Move:
        said = {
            "at_us": self.at_us,
            "cause": cause,
            "epoch": EPOCH,
            "boot_id": self.boot_id,
            "elapsed_us": self.elapsed_us,
        }
        return changes.Move(**{**said, **fields})

    def open(self, rule: str = "workers", new: float | None = None, **decided: Any) -> int:
        """Decide on a step and write down the intent."""
        old = self.values[rule]
        new = old + 1 if new is None else new
        seq = self.decide(**{"kind": "apply", "rule": rule, "old": old, "new": new, **decided})
        self.keys += 1
        change = changes.NewChange(
            idempotency_key=f"k{self.keys}",
            rule=rule,
            old=old,
            new=new,
            opened_at_us=self.at_us,
            epoch=EPOCH,
            decision_seq=seq,
        )
        number = changes.open_change(self.tx, change, S.PROPOSED, self.move())
        changes.advance(self.tx, number, S.PROPOSED, S.APPLYING, self.move())
        return number

    def set(self, number: int | None, rule: str, new: float, **fields: Any) -> None:
        """Write down that a rule has a value now."""
        said = {"at_us": self.at_us, "old": self.values[rule], "actor": "daemon", "epoch": EPOCH}
        entry = {**said, "rule": rule, "new": new, "change_id": number, **fields}
        history.append(self.tx, history.RuleSet(**entry))
        self.values[rule] = new
        runs.put_in_force(
            self.tx, rule, new, change_id=number or 0, at_us=self.at_us, cooldown_us=0
        )

    def apply(self, number: int) -> None:
        row = self.row(number)
        changes.advance(self.tx, number, S.APPLYING, S.OBSERVING, self.move())
        self.set(number, row.rule, row.new)

    def keep(self, number: int, cause: str = "improved", **measured: Any) -> None:
        """Judge a change to be better."""
        self.decide("keep", cause, change_id=number)
        known = samples.lookup(self.tx, ["latency", "errors"])
        changes.add_deltas(
            self.tx,
            [
                changes.Delta(
                    **{
                        "change_id": number,
                        "signal_id": signal.id,
                        "at_us": self.at_us,
                        "verdict": "better",
                        "post_n": 60,
                        "pre_mean": 1.0,
                        "post_mean": 0.5,
                        "delta": -0.5,
                        "ci_low": -0.6,
                        "ci_high": -0.4,
                        **measured,
                    }
                )
                for signal in known.values()
            ],
        )
        changes.advance(self.tx, number, S.OBSERVING, S.KEPT, self.move(cause))

    def take_back(self, number: int) -> None:
        """Announce a rollback, and do it."""
        changes.advance(self.tx, number, S.OBSERVING, S.ROLLING_BACK, self.move("score_fell"))
        self.wait(1)
        changes.advance(self.tx, number, S.ROLLING_BACK, S.ROLLED_BACK, self.move("score_fell"))
        row = self.row(number)
        self.set(number, row.rule, row.old)

    def through(self, rule: str = "workers", **decided: Any) -> int:
        """Open a change, watch it for a while, and keep it."""
        number = self.open(rule, **decided)
        self.wait(1)
        self.apply(number)
        self.wait(75)
        self.keep(number)
        return number

    def row(self, number: int) -> Any:
        return self.tx.execute(select(changes_table).where(changes_table.c.id == number)).one()

    def event(self, number: int, origin: S | None, target: S, **fields: Any) -> None:
        """Write an event past everything that guards the protocol."""
        move = {**asdict(self.move()), **fields}
        row = {**move, "change_id": number, "from_state": origin, "to_state": target}
        chain.append(self.tx, change_events, [row])

    def force(self, number: int, **columns: Any) -> None:
        """Alter the row of a change past everything that guards it."""
        self.tx.execute(update(changes_table).where(changes_table.c.id == number).values(columns))


@contextmanager
def a_record(store: Store, folder: Path) -> Iterator[Record]:
    """Begin a sound record of two changes, one kept and one taken back, in one transaction."""
    loaded = loaded_policy(folder)
    adopt(store, loaded)
    with store.write() as tx:
        record = Record(tx, loaded)
        record.begin()
        record.through()
        record.wait(30)
        number = record.open()
        record.wait(1)
        record.apply(number)
        record.wait(40)
        record.take_back(number)
        record.wait(60)
        yield record


@contextmanager
def own_store(backend: Backend) -> Iterator[Store]:
    """Give away a store that nobody else is lent meanwhile, for as long as a module takes."""
    if backend.name == "sqlite":
        with backend.opened() as store:
            yield store
        return
    url = backend.clone()
    with Store.open(url) as store:
        yield store
    backend.drop(url)


@contextmanager
def taken_back(record: Record) -> Iterator[Record]:
    """Let a test go on from a record; what it wrote is gone at the end."""
    aside = record.tx.begin_nested()
    yield replace(record, values=dict(record.values))
    aside.rollback()


def found(record: Record, **how: Any) -> list[Broken]:
    """Check the invariants, at the moment where the record ends."""
    now = Stamp(record.at_us, record.boot_id, record.elapsed_us)
    return check(record.tx, **{"now": now, **how})


def names(broken: list[Broken]) -> list[str]:
    return [one.name for one in broken]
