"""Stopped, killed and begun again: every change that was open comes to an end that is true."""

from itertools import pairwise

import pytest

from daemon.errors import StoreUnavailable
from daemon.ports import ControlsFault
from daemon.tuning.vocabulary import DecisionKind


class Killed(BaseException):
    """The process is gone."""


def states(loop):
    return loop.sql("SELECT rule, state, cause FROM changes ORDER BY id")


def test_an_observation_goes_on_where_it_was_left(loop):
    loop.until("apply")
    loop.run(3)
    loop.tuner.stop()
    loop.start()
    cycles = loop.run(40)
    kinds = [cycle.decision.kind for cycle in cycles]
    assert DecisionKind.KEEP in kinds[:20]


def test_killed_before_the_controls_were_touched_the_change_has_failed(loop):
    loop.run(2)
    loop.surface.write = dying
    with pytest.raises(Killed):
        loop.until("apply")
    del loop.surface.write
    loop.start()
    loop.run(1)
    assert states(loop) == [("workers", "failed", "the daemon stopped before it was applied")]


def test_killed_after_the_controls_were_set_the_change_is_observed(loop):
    loop.run(2)
    real = loop.surface.write

    def write_and_die(orders):
        real(orders)
        raise Killed

    loop.surface.write = write_and_die
    with pytest.raises(Killed):
        loop.until("apply")
    loop.surface.write = real
    loop.start()
    loop.run(1)
    assert [state for _, state, _ in states(loop)] == ["observing"]
    assert loop.until("keep")
    assert loop.sql("SELECT value FROM rules WHERE name = 'workers'") == [(9.0,)]


def test_killed_while_taking_back_it_is_taken_back_at_the_start(make):
    loop = make(("direction: { workers: 1 }", "direction: { workers: -1 }"))
    loop.until("apply")
    loop.surface.write = dying
    with pytest.raises(Killed):
        loop.until("rollback", "revert")
    del loop.surface.write
    loop.start()
    loop.run(1)
    assert [state for _, state, _ in states(loop)] == ["rolled_back"]
    assert loop.surface.values["workers"] == 8.0


@pytest.mark.parametrize("written", [False, True])
def test_killed_while_a_person_takes_back_it_is_taken_back_at_the_start(loop, written):
    loop.until("apply")
    real = loop.surface.write

    def die(orders):
        if written:
            real(orders)
        raise Killed

    loop.surface.write = die
    loop.ask("rollback", all=True)
    with pytest.raises(Killed):
        loop.answer()
    loop.surface.write = real
    loop.start()
    loop.run(1)
    assert [state for _, state, _ in states(loop)] == ["rolled_back"]
    assert loop.surface.values["workers"] == 8.0
    assert loop.until("apply"), "and the loop goes on"


def test_a_change_whose_memory_is_lost_is_taken_back(loop):
    loop.until("apply")
    with loop.store.write() as tx:
        tx.exec_driver_sql("DELETE FROM memory")
    loop.start()
    loop.run(2)
    ((_, state, cause),) = states(loop)
    assert (state, "nobody is left" in cause) == ("rolled_back", True)
    assert loop.surface.values["workers"] == 8.0


def test_a_memory_that_cannot_be_read_is_begun_anew_and_said_so(loop):
    loop.until("apply")
    with loop.store.write() as tx:
        tx.exec_driver_sql('UPDATE memory SET state = \'{"of": "another version"}\'')
    loop.start()
    assert loop.run(1)
    assert loop.sql("SELECT count(*) FROM events WHERE kind = 'memory_unreadable'") == [(1,)]


def test_a_rule_that_the_policy_no_longer_names_is_put_back(loop, tmp_path):
    loop.until("apply")
    loop.tuner.stop()
    from tests.recording import adopt, loaded_policy  # noqa: PLC0415

    without = (
        ("  workers: { init: 8, min: 2, max: 20, lr: 1 }\n", ""),
        (", direction: { workers: 1 }", ""),
    )
    loop.loaded = loaded_policy(tmp_path, *without)
    adopt(loop.store, loop.loaded)
    loop.start()
    loop.run(3)
    assert states(loop)[0][:2] == ("workers", "rolled_back")
    assert loop.surface.values["workers"] == 8.0


def test_after_a_transaction_that_failed_the_loop_goes_on_from_what_is_on_record(loop):
    loop.until("apply")
    real, calls = loop.plant.drain, []

    def once_broken(*args):
        if not calls:
            calls.append(1)
            raise StoreUnavailable("the database is away")
        return real(*args)

    loop.plant.drain = once_broken
    with pytest.raises(StoreUnavailable):
        loop.run(1)
    assert loop.tuner.state is None
    assert loop.until("keep")


def test_each_crash_leaves_a_chain_of_values_without_a_break(loop):
    for _ in range(4):
        loop.until("apply", limit=300)
        loop.start()
        loop.run(1)
    rows = loop.sql("SELECT old, new FROM rule_history WHERE rule = 'workers' ORDER BY seq")
    for (_, before), (old, _) in pairwise(rows):
        assert old == before


def dying(orders):
    raise Killed


def test_killed_between_a_rollback_and_its_row_it_is_rolled_back_and_not_lost(make):
    loop = make(("direction: { workers: 1 }", "direction: { workers: -1 }"))
    loop.until("apply")
    real = loop.surface.write

    def write_and_die(orders):
        real(orders)
        raise Killed

    loop.surface.write = write_and_die
    with pytest.raises(Killed):
        loop.until("rollback", "revert")
    loop.surface.write = real
    loop.start()
    loop.run(2)
    assert [state for _, state, _ in states(loop)] == ["rolled_back"]
    assert loop.surface.values["workers"] == 8.0


def test_controls_that_could_not_be_taken_over_are_asked_again_before_anything_else(loop):
    loop.run(3)
    real, calls = loop.surface.take_over, []

    def slow(epoch):
        calls.append(epoch)
        if len(calls) < 3:
            raise ControlsFault("no answer")
        real(epoch)

    loop.surface.take_over = slow
    loop.start()
    assert set(loop.run(1)[0].seen.barred) == {"batch", "workers"}
    assert not loop.run(1)[0].seen.barred
    assert loop.surface.epoch == loop.lease.epoch


def test_killed_after_a_value_was_set_at_a_persons_word_it_stays_and_is_no_fault(loop):
    loop.run(3)
    real = loop.surface.write

    def write_and_die(orders):
        real(orders)
        raise Killed

    loop.ask("apply", moves={"workers": 12.0}, keep=True)
    loop.surface.write = write_and_die
    with pytest.raises(Killed):
        loop.answer()
    loop.surface.write = real
    loop.start()
    loop.run(2)
    assert [state for _, state, _ in states(loop)] == ["kept"]
    assert loop.sql("SELECT count(*) FROM freezes") == [(0,)]
