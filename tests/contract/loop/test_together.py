"""Two rules moved in one step: judged together, taken back together, never half of it left."""

import pytest

from daemon.errors import Exit
from tests.loop_kit import TOGETHER, WRONG


@pytest.fixture
def pair(make):
    return make(TOGETHER)


def test_what_helps_together_is_kept_together(pair):
    step = pair.until("apply")
    assert [move.rule for move in step.decision.moves] == ["batch", "workers"]
    pair.until("keep")
    assert pair.states() == [("batch", "kept"), ("workers", "kept")]
    assert pair.sql("SELECT count(DISTINCT decision_seq) FROM changes") == [(1,)]


def test_of_a_step_that_broke_off_in_the_middle_nothing_is_left(pair):
    pair.run(2)
    pair.surface.fault = "torn"
    pair.until("apply")
    assert pair.surface.values == {"batch": 50.0, "workers": 8.0}
    assert pair.states() == [("batch", "rolled_back"), ("workers", "failed")]
    pair.surface.fault = None
    assert pair.run(3)
    assert pair.surface.values == {"batch": 50.0, "workers": 8.0}


def test_a_half_that_cannot_be_put_back_at_once_is_put_back_as_soon_as_it_can(pair):
    pair.run(2)
    real = pair.surface.write

    def tear_and_refuse(orders):
        pair.surface.write = real
        pair.surface.fault = "torn"
        try:
            real(orders)
        finally:
            pair.surface.fault = "refuse"

    pair.surface.write = tear_and_refuse
    step = pair.until("apply")
    assert pair.states() == [("batch", "stuck"), ("workers", "failed")]
    assert pair.alerts() == [("stuck_rollback", "1")]
    assert pair.surface.values["batch"] == step.decision.moves[0].new
    assert pair.run(1)[0].seen.barred.keys() == {"batch"}
    pair.surface.fault = None
    pair.run(1)
    assert pair.surface.values == {"batch": 50.0, "workers": 8.0}
    assert pair.states()[0] == ("batch", "rolled_back")


def test_a_rollback_that_breaks_off_is_done_when_it_can_be(make):
    pair = make(TOGETHER, WRONG)
    pair.until("apply")
    pair.surface.fault = "torn"
    pair.until("rollback", "revert")
    pair.run(3)
    assert pair.states() == [("batch", "stuck"), ("workers", "stuck")]
    assert pair.alerts() == [("stuck_rollback", "1"), ("stuck_rollback", "2")]
    pair.surface.fault = None
    pair.run(1)
    assert pair.surface.values == {"batch": 50.0, "workers": 8.0}
    assert pair.states() == [("batch", "rolled_back"), ("workers", "rolled_back")]
    assert not pair.alerts()


@pytest.mark.parametrize("args", [{"rule": "workers"}, {"change": 1}, {"last": True}])
def test_whoever_takes_one_back_takes_both_back(pair, args):
    pair.until("apply")
    told = pair.have_done("rollback", **args)
    assert told.exit_code == Exit.DONE
    assert [one["rule"] for one in told.result["changes"]] == ["batch", "workers"]
    assert pair.surface.values == {"batch": 50.0, "workers": 8.0}
    assert len(told.result["pauses"]) == 2


def test_a_rollback_that_only_one_surface_does_is_reported_for_each(pair):
    pair.until("apply")
    pair.surface.fault = "torn"
    told = pair.have_done("rollback", cycles=0, all=True)
    assert (told.state, told.exit_code) == ("failed", Exit.UNVERIFIED)
    assert [one["state"] for one in told.result["changes"]] == ["rolled_back", "stuck"]
    assert "workers could not be set to 8: broke off in the middle" in told.result["text"]


def test_whoever_confirms_one_keeps_both(pair):
    pair.until("apply")
    told = pair.have_done("confirm", change=2)
    assert told.result["text"] == "change 1, 2 is kept at your word"
    assert pair.states() == [("batch", "kept"), ("workers", "kept")]


def test_where_a_person_moves_one_of_two_the_other_is_taken_back(pair):
    pair.until("apply")
    pair.surface.edit("workers", 15.0)
    pair.run(3)
    assert pair.states() == [("batch", "rolled_back"), ("workers", "superseded")]
    assert pair.surface.values == {"batch": 50.0, "workers": 15.0}


def test_a_restart_finds_both_and_goes_on_watching(pair):
    pair.until("apply")
    pair.start()
    pair.until("keep")
    assert pair.states() == [("batch", "kept"), ("workers", "kept")]


def test_killed_in_the_middle_of_a_step_half_of_it_is_undone(pair):
    class Killed(BaseException):
        pass

    pair.run(2)
    real = pair.surface.write

    def half_and_die(orders):
        real(orders[:1])
        raise Killed

    pair.surface.write = half_and_die
    with pytest.raises(Killed):
        pair.until("apply")
    del pair.surface.write
    pair.start()
    pair.run(2)
    assert pair.surface.values == {"batch": 50.0, "workers": 8.0}
    assert pair.states() == [("batch", "rolled_back"), ("workers", "failed")]
