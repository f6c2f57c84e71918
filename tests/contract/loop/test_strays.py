"""Rules that the policy no longer names, with a change of theirs open: none is left behind."""

import pytest

from daemon.services.replay import replaying
from daemon.tuning.reasons import Reason
from tests.loop_kit import NO_WORKERS, TOGETHER

BACK = {"batch": 50.0, "workers": 8.0}


def by_reload(loop):
    loop.govern(*NO_WORKERS)


def by_restart(loop):
    loop.tuner.stop()
    loop.govern(*NO_WORKERS)
    loop.start()


HOW = pytest.mark.parametrize("drop", [by_reload, by_restart])


@HOW
def test_its_change_is_taken_back_and_nothing_else_is_tried_meanwhile(loop, drop):
    loop.until("apply")
    loop.run(2)
    drop(loop)
    (cycle,) = loop.run(1)
    assert "change 1 of workers, which the policy no longer names" in cycle.seen.held
    assert loop.surface.values == BACK
    later = loop.run(30)
    assert later[1].seen.held is None
    assert {cycle.decision.reason for cycle in later[1:]} == {Reason.WARMING_UP}, "it watches anew"
    assert loop.states() == [("workers", "rolled_back")]


@HOW
def test_while_its_controls_cannot_be_read_everything_waits(loop, drop):
    loop.until("apply")
    drop(loop)
    loop.surface.fault = "mute"
    cycles = loop.run(3)
    assert all("no answer" in cycle.seen.held for cycle in cycles)
    assert loop.states() == [("workers", "observing")]
    loop.surface.fault = None
    loop.run(1)
    assert loop.states() == [("workers", "rolled_back")]
    assert loop.surface.values == BACK


@HOW
def test_while_it_cannot_be_taken_back_somebody_is_called(loop, drop):
    loop.until("apply")
    drop(loop)
    loop.surface.fault = "refuse"
    loop.run(2)
    assert loop.states() == [("workers", "stuck")]
    assert loop.alerts() == [("stuck_rollback", "1")]
    loop.surface.fault = None
    loop.run(1)
    assert loop.states() == [("workers", "rolled_back")]


@HOW
def test_of_two_that_were_moved_together_the_other_one_goes_back_too(make, drop):
    loop = make(TOGETHER)
    loop.until("apply")
    drop(loop)
    loop.run(2)
    assert loop.surface.values == BACK
    assert loop.states() == [("batch", "rolled_back"), ("workers", "rolled_back")]
    loop.until("apply")
    assert loop.states()[-1] == ("batch", "observing")


@HOW
def test_a_value_that_a_person_set_there_is_left_to_them(loop, drop):
    loop.until("apply")
    drop(loop)
    loop.surface.edit("workers", 13.0)
    loop.run(2)
    assert loop.surface.values["workers"] == 13.0
    assert loop.states() == [("workers", "superseded")]
    assert loop.alerts() == [("foreign_rule", "workers")]


def test_a_value_of_our_own_that_nobody_knows_of_is_told(loop):
    loop.until("apply")
    by_reload(loop)
    loop.surface.values["workers"] = 13.0
    loop.surface.stamps["workers"] = (13.0, 1, 1)
    loop.run(2)
    assert loop.states() == [("workers", "inconsistent")]
    assert loop.alerts() == [("inconsistent", "workers")]


def test_taken_back_by_a_person_it_is_settled_at_once(loop):
    loop.until("apply")
    by_reload(loop)
    told = loop.have_done("rollback", change=1, cycles=1)
    assert told.result["changes"][0]["state"] == "rolled_back"
    assert loop.cycles[-1].seen.held is None
    assert loop.surface.values == BACK


@HOW
@pytest.mark.parametrize("words", [(), (TOGETHER,)])
def test_what_is_on_record_of_it_can_be_run_again(make, drop, words):
    loop = make(*words)
    loop.until("apply")
    loop.run(2)
    drop(loop)
    loop.surface.fault = "refuse"
    loop.run(3)
    loop.surface.fault = None
    loop.until("apply")
    loop.tuner.stop()
    with replaying(loop.store, None, lambda: loop.loaded, None) as replay:
        assert replay.report().rerun.difference is None


def test_a_rule_that_comes_back_starts_where_it_was_left(loop):
    loop.until("keep")
    by_reload(loop)
    loop.run(1)
    loop.govern()
    (cycle,) = loop.run(1)
    assert cycle.seen.rules["workers"] == 9.0
    assert not cycle.seen.barred
