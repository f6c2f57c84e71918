"""Every invariant fires on a record that breaks it and nothing else."""

from typing import Any

import pytest
from sqlalchemy import delete, insert, text

from daemon.clock import MICROS
from daemon.services.invariants import promises
from daemon.store import changes, invariants
from daemon.store.tables import changes as changes_table
from daemon.store.tables import deltas
from daemon.store.tables import samples as samples_table
from daemon.tuning.vocabulary import OPEN_STATES, TERMINAL_STATES, TRANSITIONS
from daemon.tuning.vocabulary import ChangeState as S
from tests.contract.conftest import BOTH
from tests.record_kit import EPOCH, Record, a_record, found, names, own_store, taken_back


@pytest.fixture(scope="module", params=["memory", *BOTH])
def sound(request, tmp_path_factory):
    backend = request.getfixturevalue(f"{request.param}_backend")
    with own_store(backend) as store, a_record(store, tmp_path_factory.mktemp("policy")) as made:
        yield made


@pytest.fixture
def record(sound):
    with taken_back(sound) as made:
        yield made


# ── one way to break each ────────────────────────────────────────────────────
def one_ending(record: Record) -> None:
    number = record.open()
    record.force(number, state=S.OBSERVING)


def legal_steps(record: Record) -> None:
    number = record.open()
    record.event(number, S.OBSERVING, S.FAILED)
    record.force(number, state=S.FAILED, settled_at_us=record.at_us)


def legal_steps_begin(record: Record) -> None:
    number = record.open()
    record.event(number, S.APPLYING, S.FAILED)
    record.force(number, state=S.FAILED, settled_at_us=record.at_us)
    record.tx.execute(
        insert(changes_table).values(
            idempotency_key="odd",
            origin="loop",
            rule="workers",
            old=1,
            new=2,
            state=S.OBSERVING,
            opened_at_us=record.at_us,
        )
    )
    odd = record.tx.execute(text("select max(id) from changes")).scalar_one()
    record.event(odd, None, S.OBSERVING)


def open_limit(record: Record) -> None:
    record.open("workers")
    record.wait(1)
    record.open("batch", 55.0)


def cooldown(record: Record) -> None:
    record.through()
    record.wait(-60)  # and 16 s are left between the two intents
    record.open()


def cooldown_by_the_wall(record: Record) -> None:
    record.through()
    record.wait(-60)
    record.boot_id = "boot-2"
    record.elapsed_us = 10_000 * MICROS
    record.open()


def bounds(record: Record) -> None:
    record.open("batch", 91.0, kind="command")


def bounds_below(record: Record) -> None:
    record.open("batch", 9.0, kind="command")


def bounds_of_a_step(record: Record) -> None:
    record.open("workers", record.values["workers"] + 2.1)


def bounds_of_a_stranger(record: Record) -> None:
    record.tx.execute(
        text(
            "insert into rules (name, value, init, min_value, max_value, step, weight)"
            " values ('a.b', 1, 1, 0, 9, 1, 1)"
        )
    )
    record.values["a.b"] = 1.0
    record.open("a.b")


def epochs_rise(record: Record) -> None:
    record.note("late", {}, epoch=EPOCH - 1)


def epochs_rise_in_changes(record: Record) -> None:
    number = record.open()
    move = record.move("refused", epoch=EPOCH - 1)
    changes.advance(record.tx, number, S.APPLYING, S.FAILED, move)


def epochs_leased(record: Record) -> None:
    record.note("early", {}, epoch=EPOCH + 1)


def kept_on_evidence(record: Record) -> None:
    number = record.open()
    record.apply(number)
    record.wait(75)
    record.keep(number, post_n=11)


def kept_on_no_number(record: Record) -> None:
    number = record.open()
    record.apply(number)
    record.wait(75)
    record.keep(number, delta=None)


def kept_on_another_verdict(record: Record) -> None:
    number = record.open()
    record.apply(number)
    record.wait(75)
    record.keep(number, verdict="inconclusive")


def kept_on_nothing_measured(record: Record) -> None:
    number = record.through()
    record.tx.execute(delete_of(record.tx, number))


def kept_on_older_samples(record: Record) -> None:
    number = record.through()
    row = record.row(number)
    record.tx.execute(
        delete(samples_table).where(
            samples_table.c.at_us.between(row.applied_at_us, row.applied_at_us + 30 * MICROS)
        )
    )


def kept_by_nobody(record: Record) -> None:
    number = record.open()
    record.apply(number)
    record.wait(75)
    changes.advance(record.tx, number, S.OBSERVING, S.KEPT, record.move("improved"))


def value_chain(record: Record) -> None:
    record.values["workers"] += 1
    record.through()


def value_chain_of_a_change(record: Record) -> None:
    number = record.open()
    changes.advance(record.tx, number, S.APPLYING, S.OBSERVING, record.move())
    record.set(number, "workers", 11.5)
    changes.advance(record.tx, number, S.OBSERVING, S.ROLLING_BACK, record.move())


def drift_attributed(record: Record) -> None:
    number = record.open()
    record.apply(number)
    record.wait(5)
    changes.advance(record.tx, number, S.OBSERVING, S.SUPERSEDED, record.move("superseded"))


def drift_attributed_to_ourselves(record: Record) -> None:
    record.note("drift", {"rule": "workers", "author": "daemon"})


def dry_run_untouched(record: Record) -> None:
    record.open(mode="dry_run")


def settles_in_time(record: Record) -> None:
    record.apply(record.open())
    record.wait(4 * 60 + 10 + 600 + 1)


def rollback_announced(record: Record) -> None:
    number = record.open()
    record.apply(number)
    row = record.row(number)
    record.event(number, S.OBSERVING, S.ROLLED_BACK)
    record.force(number, state=S.ROLLED_BACK, settled_at_us=record.at_us)
    record.set(number, "workers", row.old)


def hash_chain(record: Record) -> None:
    record.tx.execute(text("update chains set seq = seq + 1 where stream = 'events'"))


def delete_of(tx, number: int) -> Any:
    """Remove what was measured, where the database lets nobody do that."""
    if tx.dialect.name == "postgresql":
        tx.execute(text("alter table deltas disable trigger all"))
    else:
        tx.execute(text("drop trigger deltas_no_delete"))
    return delete(deltas).where(deltas.c.change_id == number)


WAYS = {
    one_ending: "one_ending",
    open_limit: "open_limit",
    cooldown: "cooldown",
    cooldown_by_the_wall: "cooldown",
    bounds: "bounds",
    bounds_below: "bounds",
    bounds_of_a_step: "bounds",
    bounds_of_a_stranger: "bounds",
    epochs_rise: "epochs_rise",
    epochs_rise_in_changes: "epochs_rise",
    epochs_leased: "epochs_leased",
    kept_on_evidence: "kept_on_evidence",
    kept_on_no_number: "kept_on_evidence",
    kept_on_another_verdict: "kept_on_evidence",
    kept_on_nothing_measured: "kept_on_evidence",
    kept_on_older_samples: "kept_on_evidence",
    kept_by_nobody: "kept_on_evidence",
    legal_steps: "legal_steps",
    legal_steps_begin: "legal_steps",
    value_chain: "value_chain",
    value_chain_of_a_change: "value_chain",
    drift_attributed: "drift_attributed",
    drift_attributed_to_ourselves: "drift_attributed",
    dry_run_untouched: "dry_run_untouched",
    settles_in_time: "settles_in_time",
    hash_chain: "hash_chain",
}
"""What breaks one invariant and no other."""


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_what_breaks_an_invariant_breaks_that_one_alone(record, way):
    way(record)
    broken = found(record)
    assert names(broken) == names(found(record, full=True)) == [WAYS[way]]
    assert broken[0].rows
    assert broken[0].detail == promises()[WAYS[way]]
    assert WAYS[way] in str(broken[0])


def test_a_rollback_that_nobody_announced_is_no_legal_step_either(record):
    rollback_announced(record)
    assert names(found(record)) == ["legal_steps", "rollback_announced"]


def test_every_invariant_is_broken_by_something_here():
    assert {*WAYS.values(), "rollback_announced", "controls"} == set(promises())


def test_the_words_of_the_protocol_are_those_of_the_queries():
    query = invariants.load("legal_steps")
    for state in S:
        for target in S:
            assert (f"('{state}', '{target}')" in query) == (target in TRANSITIONS[state])
    ends = invariants.load("one_ending")
    assert all((f"'{state}'" in ends) == (state in TERMINAL_STATES) for state in S)
    still = invariants.load("open_limit")
    assert all(f"'{state}'" in still for state in OPEN_STATES)
