"""A sound record breaks no invariant, whatever mishaps it tells of."""

from dataclasses import replace

import pytest
from sqlalchemy import delete, insert, text, update

from daemon.clock import MICROS
from daemon.ports import Author, Held
from daemon.services.invariants import check
from daemon.services.loop.journal import Stamp
from daemon.store import changes, runs
from daemon.store.invariants import ROWS_TOLD
from daemon.store.tables import changes as changes_table
from daemon.store.tables import samples, signals
from daemon.tuning.vocabulary import ChangeState as S
from tests.contract.conftest import BOTH
from tests.contract.rows import T0
from tests.record_kit import EPOCH, a_record, found, names, own_store, taken_back
from tests.recording import Recording, loaded_policy


@pytest.fixture(scope="module", params=["memory", *BOTH])
def sound(request, tmp_path_factory):
    backend = request.getfixturevalue(f"{request.param}_backend")
    with own_store(backend) as store, a_record(store, tmp_path_factory.mktemp("policy")) as made:
        yield made


@pytest.fixture
def record(sound):
    with taken_back(sound) as made:
        yield made


def test_a_sound_record_breaks_nothing(record):
    assert found(record) == []
    assert found(record, full=True) == []


def test_a_person_may_go_further_and_sooner_than_the_loop(record):
    record.through()
    record.wait(-60)
    number = record.open(new=20.0, kind="command", reason="asked")
    record.apply(number)
    changes.advance(record.tx, number, S.OBSERVING, S.KEPT, record.move("confirmed"))
    record.wait(60)
    assert found(record) == []


def test_what_a_person_confirms_needs_no_evidence(record):
    number = record.open()
    record.apply(number)
    changes.advance(record.tx, number, S.OBSERVING, S.KEPT, record.move("confirmed"))
    assert found(record) == []


def test_a_person_in_the_history_of_a_rule_explains_its_value_and_who_gives_way(record):
    number = record.open()
    record.apply(number)
    record.wait(5)
    record.set(None, "workers", 15.0, actor="somebody")
    record.note("drift", {"rule": "workers", "author": "person"})
    changes.advance(record.tx, number, S.OBSERVING, S.SUPERSEDED, record.move("superseded"))
    record.wait(60)
    record.through()
    assert found(record) == []


def test_a_change_that_was_never_applied_starts_no_rest(record):
    number = record.open()
    record.wait(1)
    changes.advance(record.tx, number, S.APPLYING, S.FAILED, record.move("refused"))
    record.wait(4)
    record.open()
    assert found(record) == []


def test_a_wall_clock_that_went_back_says_nothing_of_a_rest(record):
    record.through()
    record.at_us -= 3_600 * MICROS
    record.wait(60)
    record.open()
    assert found(record) == []


def test_a_dry_run_may_carry_out_what_a_person_asked_for(record):
    record.apply(record.open(mode="dry_run", reason="asked"))
    assert found(record) == []


def test_nobody_is_late_who_is_stuck_or_was_extended_or_has_just_been_started(record):
    number = record.open()
    record.apply(number)
    record.wait(2_000)
    assert names(found(record)) == ["settles_in_time"]
    record.decide("extend", "asked", change_id=number)
    assert found(record) == []
    changes.advance(record.tx, number, S.OBSERVING, S.ROLLING_BACK, record.move())
    changes.advance(record.tx, number, S.ROLLING_BACK, S.STUCK, record.move())
    record.wait(2_000)
    assert found(record) == []


def test_a_long_rest_of_the_daemon_makes_nobody_late(record):
    record.apply(record.open())
    record.wait(86_400)
    assert found(record, now=None) == []
    record.note(runs.STATE, {"why": "start"})
    record.wait(60)
    assert found(record) == []


def test_a_step_of_the_wall_clock_makes_nobody_late(record):
    record.apply(record.open())
    record.at_us += 365 * 86_400 * MICROS
    assert found(record) == []


def test_what_was_imported_was_never_in_the_protocol(record):
    row = {"idempotency_key": "i", "origin": "import", "rule": "workers", "old": 0, "new": 999}
    ended = {"state": S.KEPT, "opened_at_us": T0, "settled_at_us": T0}
    record.tx.execute(insert(changes_table).values({**row, **ended}))
    number = record.tx.execute(text("select max(id) from changes")).scalar_one()
    record.event(number, None, S.KEPT, epoch=0, actor="me")
    assert found(record) == []


def test_samples_that_were_pruned_are_not_missed(record):
    row = record.row(record.through())
    early = samples.c.at_us < row.applied_at_us + 30 * MICROS
    record.tx.execute(delete(samples).where(early))
    assert names(found(record)) == ["kept_on_evidence"]
    record.tx.execute(update(signals).values(pruned_until_us=record.at_us))
    assert found(record) == []


# ── the controls ─────────────────────────────────────────────────────────────
def test_controls_that_hold_something_else_under_our_stamp_are_told(record):
    ours = {"workers": Held(value=11.0, author=Author.DAEMON, change_id=2, epoch=EPOCH)}
    [broken] = found(record, readings=ours)
    assert broken.name == "controls"
    assert broken.rows == [{"rule": "workers", "value": 9.0, "held": 11.0, "change_id": 2}]


def test_what_a_person_set_is_theirs_and_what_was_applied_is_ours(record):
    assert found(record, readings={"workers": Held(value=11.0)}) == []
    ours = Held(value=9.0 + 1e-12, author=Author.DAEMON)
    assert found(record, readings={"workers": ours}) == []


def test_a_rule_that_is_just_being_set_is_left_out(record):
    record.open()
    ours = Held(value=10.0, author=Author.DAEMON)
    assert found(record, readings={"workers": ours}) == []


# ── where it looks ───────────────────────────────────────────────────────────
def test_only_the_newest_rows_are_looked_at_unless_all_are_asked_for(record):
    record.through("batch", new=99.0)
    for _ in range(5):
        record.wait(60)
        record.through()
    assert found(record, tail=3) == []
    assert names(found(record, full=True)) == ["bounds"]


def test_an_open_change_is_looked_at_however_old_it_is(record):
    record.open("batch", 99.0, kind="command")
    for _ in range(20):
        record.wait(60)
        record.note("nothing", {})
    assert names(found(record, tail=1, now=None)) == ["bounds"]


def test_no_more_rows_are_told_than_a_person_reads(record):
    for _ in range(ROWS_TOLD + 5):
        record.note("early", {}, epoch=EPOCH)
        record.note("late", {}, epoch=1)
    [broken] = found(record)
    assert len(broken.rows) == ROWS_TOLD


# ── a real run ───────────────────────────────────────────────────────────────
def test_a_recorded_run_breaks_nothing(store, tmp_path):
    run = Recording(store, loaded_policy(tmp_path))
    run.run(70)
    run.refuse = True
    run.run(8)
    run.refuse = False
    run.run(30)
    run.restart()
    run.run(15)
    run.stop()
    assert {"apply", "keep"} <= {str(kind) for kind in run.kinds}
    with store.read() as view:
        now = Stamp(run.block * 5 * MICROS)
        assert check(view, full=True, now=now) == []
        assert check(view, now=replace(now, boot_id="b", elapsed_us=0)) == []
