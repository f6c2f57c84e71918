"""What a decision's transaction costs as history grows, and what its safeguards take of it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from measure import Case, Goal, Table, disk_note, interleave, ratio, say
from sqlalchemy import insert, select, text, update
from store_history import CYCLE_US, EVIDENCE, EXPLANATION, RULES, fill_history, found
from store_lake import SIGNALS, fill_samples, filling

from daemon.store import chain, changes, history, samples
from daemon.store.chain import Head
from daemon.store.changes import Delta, Move, NewChange
from daemon.store.history import Decision, Event, RuleSet
from daemon.store.store import Store
from daemon.store.tables import APPEND_ONLY, chains, rules
from daemon.store.windows import read_windows
from daemon.tuning.vocabulary import ChangeState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from sqlalchemy import Table as SqlTable
    from store_lake import Lake

    from daemon.store.store import Tx
    from daemon.store.windows import Window

GOAL = Goal(1.2)
SIZES = (1_000, 10_000, 100_000, 1_000_000)
SAMPLES = 100_000
SIDE_US = CYCLE_US
VARIANTS_AT = 10_000
VERIFIED = 2_000
"""How many of the last rows of each stream are verified at the end."""


@dataclass
class Cycle:
    """A loop that settles the change it made before and opens the next one."""

    store: Store
    end_us: int
    turn: int
    signal_ids: dict[str, int]
    open: dict[str, int]

    @classmethod
    def on(cls, store: Store, end_us: int, turn: int) -> Cycle:
        """Start on a database with history."""
        with store.read() as view:
            known = {name: signal.id for name, signal in samples.lookup(view, SIGNALS).items()}
        return cls(store, end_us, turn, known, {})

    def run(self, _: None = None) -> None:
        """Judge one rule's last change and make the next: one transaction."""
        self.turn += 1
        rule = RULES[self.turn % len(RULES)]
        at_us = self.end_us + self.turn * CYCLE_US
        with self.store.write() as tx:
            tx.execute(select(chains.c.seq).where(chains.c.stream == "decisions")).scalar_one()
            pre = read_windows(tx, SIGNALS, self.end_us - 2 * SIDE_US, self.end_us - SIDE_US)
            post = read_windows(tx, SIGNALS, self.end_us - SIDE_US, self.end_us)
            seq = history.append(tx, _decision(at_us, rule, self.open.get(rule)))
            if rule in self.open:
                self._settle(tx, self.open[rule], pre, post, at_us)
            self.open[rule] = self._open(tx, rule, seq, at_us)

    def _settle(
        self,
        tx: Tx,
        change_id: int,
        pre: Mapping[str, Window],
        post: Mapping[str, Window],
        at_us: int,
    ) -> None:
        move = Move(at_us=at_us, cause="better", epoch=1, elapsed_us=at_us - self.end_us)
        changes.advance(tx, change_id, ChangeState.OBSERVING, ChangeState.KEPT, move)
        measured = [
            _delta(change_id, self.signal_ids[name], pre[name], post[name], at_us)
            for name in SIGNALS
        ]
        changes.add_deltas(tx, measured)

    def _open(self, tx: Tx, rule: str, seq: int, at_us: int) -> int:
        new = NewChange(
            idempotency_key=f"cycle-{self.turn}",
            rule=rule,
            old=5.0,
            new=5.5,
            opened_at_us=at_us,
            epoch=1,
            decision_seq=seq,
        )
        move = Move(at_us=at_us, cause="proposed", epoch=1, elapsed_us=at_us - self.end_us)
        change_id = changes.open_change(tx, new, ChangeState.APPLYING, move)
        changes.advance(tx, change_id, ChangeState.APPLYING, ChangeState.OBSERVING, move)
        value = {"value": 5.5, "change_id": change_id, "changed_at_us": at_us}
        tx.execute(update(rules).where(rules.c.name == rule).values(value))
        history.append(
            tx,
            RuleSet(at_us=at_us, rule=rule, old=5.0, new=5.5, actor="daemon", change_id=change_id),
        )
        history.append(tx, Event(at_us=at_us, kind="applied", ref=rule, body={"value": 5.5}))
        return change_id


def _decision(at_us: int, rule: str, change_id: int | None) -> Decision:
    return Decision(
        at_us=at_us,
        mode="live",
        kind="keep",
        reason="better",
        explanation=EXPLANATION,
        rule=rule,
        old=5.0,
        new=5.5,
        policy="a" * 64,
        change_id=change_id,
        evidence=EVIDENCE,
        epoch=1,
    )


def _delta(change_id: int, signal_id: int, pre: Window, post: Window, at_us: int) -> Delta:
    before, after = float(pre.values.mean()), float(post.values.mean())
    return Delta(
        change_id=change_id,
        signal_id=signal_id,
        at_us=at_us,
        verdict="better",
        pre_s=90.0,
        pre_n=len(pre),
        pre_mean=before,
        pre_var=float(pre.values.var(ddof=1)),
        post_s=90.0,
        post_n=len(post),
        post_mean=after,
        post_var=float(post.values.var(ddof=1)),
        delta=after - before,
    )


# ── databases with history ───────────────────────────────────────────────────
class HistoryDatabases:
    """Databases that hold so many decisions, each made from the next smaller one."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._made: dict[int, str] = {}
        self.end_us = 0

    def of(self, size: int) -> str:
        """Return the URL of a database with this many decisions."""
        if size not in self._made:
            smaller = max((have for have in self._made if have < size), default=0)
            say(f"decisions: writing {size:,} to {self.lake.name}")
            url = self.lake.copy(self._made[smaller]) if smaller else self.lake.empty()
            with filling(url) as store:
                if not smaller:
                    found(store)
                    self.end_us = fill_samples(store, SAMPLES)
                fill_history(store, smaller, size)
            self._made[size] = url
        return self._made[size]


def measure_growth(databases: HistoryDatabases, folder: Path, *, quick: bool, full: bool) -> Table:
    """Decide in turn on databases with more and more history."""
    name = databases.lake.name
    largest = 10_000 if quick else SIZES[-1] if full or name == "SQLite" else 100_000
    sizes = [size for size in SIZES if size <= largest]
    table = Table(
        f"A decision's transaction as history grows, {name}, durable commits",
        ("decisions stored", "wall ms", "wall p95 ms", "CPU ms", "wall, of smallest", "CPU"),
    )
    urls = [databases.lake.copy(databases.of(size)) for size in sizes]
    with ExitStack() as stack:
        stores = [stack.enter_context(Store.open(url)) for url in urls]
        cycles = [
            Cycle.on(store, databases.end_us, size)
            for store, size in zip(stores, sizes, strict=True)
        ]
        cases = [Case(str(size), cycle.run) for size, cycle in zip(sizes, cycles, strict=True)]
        timings = interleave(cases, 30 if quick else 400, warm_up=len(RULES))
        table.notes = (disk_note(folder),)
        for store in stores:
            _verify(store)
    for url in urls:
        databases.lake.drop(url)
    base = timings[str(sizes[0])]
    for size in sizes:
        timing = timings[str(size)]
        table.add(
            f"{size:,}",
            timing.wall,
            timing.wall_at(0.95),
            timing.cpu,
            ratio(timing.wall_ms, base.wall_ms),
            figure=ratio(timing.cpu_ms, base.cpu_ms),
            goal=GOAL if size > sizes[0] else None,
        )
    return table


def _verify(store: Store) -> None:
    """Check that what was timed, and what was written in bulk before it, is sound."""
    with store.read() as view:
        for stream in chain.STREAMS.values():
            broken = chain.verify(view, stream, last=VERIFIED).breaks
            if broken:
                raise RuntimeError(str(broken[0]))


# ── what the safeguards take ─────────────────────────────────────────────────
class _Unchained:
    """Appends rows without hashing them and without reading where the stream ends."""

    def __init__(self) -> None:
        self._seq: dict[str, int] = {}

    def __call__(
        self, tx: Tx, stream: SqlTable, contents: Iterable[Mapping[str, Any]]
    ) -> list[Head]:
        places, rows = [], []
        for content in contents:
            seq = self._seq[stream.name] = self._seq.get(stream.name, 10**12) + 1
            places.append(Head(seq, f"{seq:064}"))
            rows.append(
                {**content, "seq": seq, "prev_hash": f"{seq - 1:064}", "hash": f"{seq:064}"}
            )
        tx.execute(insert(stream), rows)
        return places


def _drop_triggers(store: Store) -> None:
    query = {
        "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": (
            "SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE NOT t.tgisinternal"
        ),
    }[store.dialect]
    guarded = {table.name for table in APPEND_ONLY}
    with store.write() as tx:
        for name, table in tx.execute(text(query)).all():
            if table in guarded:
                on = f" ON {table}" if store.dialect == "postgresql" else ""
                tx.execute(text(f"DROP TRIGGER {name}{on}"))


def _unchained(run: Callable[[], object], append: _Unchained) -> Callable[[Any], object]:
    def patched(_: object) -> None:
        with patch.object(chain, "append", append):
            run()

    return patched


def measure_safeguards(databases: HistoryDatabases, *, quick: bool) -> Table:
    """Decide with and without the hash chain and the triggers."""
    name = databases.lake.name
    table = Table(
        f"What chain and triggers take of a decision's transaction, {name},"
        f" {VARIANTS_AT:,} decisions",
        ("variant", "wall ms", "CPU ms", "wall, of whole", "CPU"),
    )
    variants = ("as it is", "without triggers", "without chain", "without both")
    urls = {variant: databases.lake.copy(databases.of(VARIANTS_AT)) for variant in variants}
    with ExitStack() as stack:
        cases = []
        for variant, url in urls.items():
            store = stack.enter_context(Store.open(url))
            cycle = Cycle.on(store, databases.end_us, VARIANTS_AT)
            if variant in {"without triggers", "without both"}:
                _drop_triggers(store)
            chained = variant in {"as it is", "without triggers"}
            run = cycle.run if chained else _unchained(cycle.run, _Unchained())
            cases.append(Case(variant, run))
        timings = interleave(cases, 30 if quick else 400, warm_up=len(RULES))
    for url in urls.values():
        databases.lake.drop(url)
    whole = timings["as it is"]
    for variant, timing in timings.items():
        table.add(
            variant,
            timing.wall,
            timing.cpu,
            ratio(timing.wall_ms, whole.wall_ms),
            figure=ratio(timing.cpu_ms, whole.cpu_ms),
        )
    return table
