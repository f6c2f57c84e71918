"""Broken promises, a full disk, a database that is away: nothing new, and rollbacks are done."""

import pytest

from daemon.errors import Exit, StoreUnavailable
from daemon.services.living.ballast import BALLAST_BYTES, Ballast
from daemon.store import changes
from daemon.tuning.reasons import Reason
from daemon.tuning.vocabulary import ChangeState
from tests.engine_kit import PLENTY, WARM_S

FULL = "the disk is full"


def break_a_promise(station):
    """Alter the record as nobody may: the bounds that an earlier change was held to."""
    with station.store.write() as tx:
        tx.exec_driver_sql("UPDATE changes SET new = 99 WHERE id = 1")


def last(station):
    ((kind, reason),) = station.sql("SELECT kind, reason FROM decisions ORDER BY seq DESC LIMIT 1")
    return kind, reason


# ── a promise that is broken ─────────────────────────────────────────────────
@pytest.fixture
def broken(station):
    """A station whose record cannot be true, started again on it."""
    station.warm()
    station.until("kept")
    station.engine.stop()
    break_a_promise(station)
    station.lease.release()
    station.build()
    station.engine.start()
    return station


def test_found_at_the_start_it_is_told_and_nothing_is_tried(broken):
    assert ("invariant_broken", "history") in broken.alerts()
    status = broken.engine.status()
    assert status["violations"] == len(broken.engine.broken) >= 1
    before = dict(broken.surface.values)
    broken.go(60, 5)
    assert last(broken) == ("hold", Reason.HELD)
    assert broken.surface.values == before


def test_not_even_the_first_cycle_tries_anything_on_a_record_that_is_broken(station):
    station.engine.start()
    with station.store.write() as tx:
        at_us = station.clock.now_us()
        new = changes.NewChange(
            idempotency_key="loop:0:batch",
            rule="batch",
            old=50.0,
            new=55.0,
            opened_at_us=at_us,
            epoch=1,
        )
        changes.open_change(tx, new, ChangeState.PROPOSED, changes.Move(at_us=at_us, cause="x"))
        tx.exec_driver_sql(f"UPDATE changes SET state = 'failed', settled_at_us = {at_us}")
    station.clock.sleep(WARM_S)
    station.again()
    assert station.engine.broken
    assert last(station)[0] == "hold"
    station.go(10)
    assert [state for _, state in station.states()] == ["failed"]


def test_a_step_at_a_persons_word_is_refused_with_the_reason(broken):
    broken.go(6)
    command = broken.ask("apply", moves={"batch": 55.0}, keep=True)
    broken.engine.between()
    told = broken.told(command)
    assert told.exit_code == Exit.REFUSED
    assert "an invariant is broken (bounds): daemon ctl verify" in told.result["text"]


def test_a_rollback_is_done_all_the_same(broken):
    command = broken.ask("rollback", rule="workers", to=8.0)
    broken.engine.between()
    assert broken.told(command).exit_code == Exit.DONE
    assert broken.surface.values["workers"] == 8.0


def test_what_is_mended_is_seen_within_the_hour_and_the_loop_goes_on(broken):
    with broken.store.write() as tx:
        tx.exec_driver_sql("UPDATE changes SET new = 9 WHERE id = 1")
    broken.go(30, 5)
    assert ("invariant_broken", "history") in broken.alerts()
    broken.clock.sleep(3_600)
    broken.go(5)
    assert broken.engine.status()["violations"] == 0
    assert broken.alerts() == []
    broken.go(10)
    assert last(broken) != ("hold", Reason.HELD)


def test_what_breaks_later_is_found_within_the_hour(station):
    station.warm()
    station.until("kept")
    break_a_promise(station)
    station.go(30, 5)
    assert station.engine.status()["violations"] == 0
    station.clock.sleep(3_600)
    station.go(2)
    assert station.engine.status()["violations"] >= 1


def test_a_value_under_our_stamp_that_nobody_set_is_broken_too(station):
    station.engine.start()
    station.go(6)
    station.surface.values["workers"] = 13.0
    station.surface.stamps["workers"] = (13.0, None, station.lease.epoch)
    station.go(10)
    assert station.engine.status()["inconsistent"] == ["workers"]
    assert ("frozen_rule", "workers") in station.alerts()
    command = station.ask("adopt", rule="workers")
    station.go(6)
    assert station.told(command).exit_code == Exit.DONE
    assert station.engine.status()["inconsistent"] == []
    assert station.alerts() == []


def test_the_kill_switch_is_shown(station):
    station.engine.start()
    station.ask("kill")
    station.go(7)
    assert station.engine.status()["killed"] is True
    assert station.shows("daemon_killed 1.0")


# ── a disk that runs full ────────────────────────────────────────────────────
def test_on_a_disk_that_is_nearly_full_nothing_new_is_tried(station):
    station.free = 10_000_000
    station.warm()
    station.go(60, 5)
    assert ("disk_low", "database") in station.alerts()
    assert last(station) == ("hold", Reason.HELD)
    assert station.states() == []
    status = station.engine.status()
    assert (status["disk_free_bytes"], status["disk_floor_bytes"]) == (10_000_000, 256_000_000)
    station.free = PLENTY
    station.until("observing")
    assert station.alerts() == []


def test_a_disk_that_is_full_already_is_noticed_before_the_first_cycle(station):
    station.engine.start()
    station.clock.sleep(WARM_S)
    station.engine.stop()
    station.lease.release()
    station.free = 10_000_000
    station.build()
    station.engine.start()
    station.engine.cycle()
    assert last(station)[0] == "hold"
    assert station.states() == []


def test_an_open_change_is_watched_to_its_end_on_a_full_disk(station):
    station.warm()
    station.until("observing")
    station.free = 10_000_000
    station.until("kept")


@pytest.fixture
def laden(station, tmp_path):
    """A station with a file to throw away."""
    station.ballast = Ballast(tmp_path / "test.ballast")
    station.lease.release()
    station.build()
    station.engine.start()
    assert station.ballast.path.stat().st_size == BALLAST_BYTES
    return station


@pytest.mark.parametrize("where", ["cycle", "between"])
def test_the_ballast_goes_when_the_database_says_that_the_disk_is_full(laden, where):
    laden.clock.sleep(6)
    laden.store.writes_left, laden.store.reason = 0, FULL
    with pytest.raises(StoreUnavailable):
        getattr(laden.engine, where)()
    assert not laden.ballast.path.exists()
    laden.store.writes_left = None
    laden.go(6)
    assert laden.ballast.path.exists(), "it is taken in again where there is room"


def test_while_the_disk_is_low_no_ballast_is_taken_in(laden):
    laden.go(2)
    laden.free = 10_000_000
    laden.go(35, 5)
    laden.ballast.drop()
    laden.go(10)
    assert not laden.ballast.path.exists()
    laden.free = PLENTY
    laden.go(35, 5)
    assert laden.ballast.path.exists()


# ── a database that goes away ────────────────────────────────────────────────
@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_database_that_was_away_costs_nothing_but_time(laden, writes):
    laden.clock.sleep(6)
    laden.store.writes_left = writes
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            laden.go(15)
    assert laden.ballast.path.exists(), "the disk is not what it lacks"
    laden.store.writes_left = None
    laden.go(6)
    ((count, distinct),) = laden.sql(
        "SELECT count(*), count(DISTINCT signal_id * 10000000000000000 + at_us) FROM samples"
    )
    blocks = laden.source.next - laden.sql("SELECT min(at_us) FROM samples")[0][0] // 5_000_000
    assert count == distinct == blocks * 10


def test_an_outage_under_an_open_change_ends_in_its_verdict(station):
    station.warm()
    station.until("observing")
    station.store.writes_left = 0
    station.clock.sleep(6)
    with pytest.raises(StoreUnavailable):
        station.engine.cycle()
    station.store.writes_left = None
    station.until("kept")
    assert station.states()[0] == ("workers", "kept")
