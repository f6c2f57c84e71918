"""Changes that the run which made them did not bring to an end, and values that nobody explains."""

import pytest

from daemon.errors import Exit
from daemon.store import changes, proposals
from daemon.tuning.reasons import Reason
from daemon.tuning.vocabulary import ChangeState
from tests.loop_kit import DRY


class Killed(BaseException):
    """The process is gone."""


def lost(loop):
    """Begin again without the memory of the run before."""
    with loop.store.write() as tx:
        tx.exec_driver_sql("DELETE FROM memory")
    loop.start()


def killed_in(loop, *, after):
    """Let the process be gone in the middle of a step, before or after the controls were set."""
    real = loop.surface.write

    def die(orders):
        if after:
            real(orders)
        raise Killed

    loop.run(2)
    loop.surface.write = die
    with pytest.raises(Killed):
        loop.until("apply")
    loop.surface.write = real


# ── a step that was begun ────────────────────────────────────────────────────
def test_a_step_that_never_got_to_the_controls_has_failed(loop):
    killed_in(loop, after=False)
    lost(loop)
    loop.run(1)
    assert loop.sql("SELECT state, cause FROM changes") == [("failed", "it was never applied")]


def test_a_step_that_got_there_and_that_nobody_can_judge_is_taken_back(loop):
    killed_in(loop, after=True)
    lost(loop)
    loop.run(1)
    assert loop.states() == [("workers", "rolled_back")]
    assert loop.sql("SELECT old, new FROM rule_history WHERE rule = 'workers' ORDER BY seq") == [
        (None, 8.0),
        (8.0, 9.0),
        (9.0, 8.0),
    ]


def test_a_step_whose_rule_a_person_has_set_meanwhile_is_theirs(loop):
    killed_in(loop, after=True)
    lost(loop)
    loop.surface.edit("workers", 14.0)
    loop.run(1)
    assert loop.states() == [("workers", "superseded")]
    assert loop.surface.values["workers"] == 14.0


def test_a_step_of_which_nobody_can_tell_waits_until_somebody_can(loop):
    killed_in(loop, after=True)
    loop.start()
    loop.surface.fault = "mute"
    assert loop.run(3) == [], "nothing is decided on what is not known"
    assert loop.states() == [("workers", "applying")]
    loop.surface.fault = None
    assert loop.run(1)
    assert loop.states() == [("workers", "observing")]


def test_what_was_only_proposed_is_rejected(loop):
    loop.until("apply")
    at_us = loop.clock.now_us()
    new = changes.NewChange(
        idempotency_key="loop:0:batch",
        rule="batch",
        old=50.0,
        new=55.0,
        opened_at_us=at_us,
        epoch=1,
    )
    with loop.store.write() as tx:
        move = changes.Move(at_us=at_us, cause="a step", epoch=1)
        changes.open_change(tx, new, ChangeState.PROPOSED, move)
    loop.run(1)
    assert loop.states() == [("workers", "observing"), ("batch", "rejected")]


# ── a value that vanished ────────────────────────────────────────────────────
@pytest.mark.parametrize("words", [(), (DRY,)])
def test_a_change_that_nobody_watches_and_whose_value_vanished_is_taken_back(make, words):
    loop = make(*words)
    loop.until("apply")
    if words:
        loop.run(1)
        loop.have_done("apply", moves={"workers": 9.0})
    lost(loop)
    loop.surface.values.clear()
    loop.run(2)
    assert loop.states() == [("workers", "rolled_back")]
    assert loop.surface.values["workers"] == 8.0


def test_a_value_that_vanished_under_an_open_change_is_set_again(loop):
    loop.until("apply")
    loop.surface.values.clear()
    loop.run(1)
    assert loop.surface.values == {"batch": 50.0, "workers": 9.0}
    assert loop.states() == [("workers", "observing")]


def test_a_value_that_cannot_be_published_is_tried_again(loop):
    loop.surface.fault = "refuse"
    loop.run(2)
    assert not loop.surface.values
    loop.surface.fault = None
    loop.run(1)
    assert loop.surface.values == {"batch": 50.0, "workers": 8.0}


# ── a value that is under our own stamp ──────────────────────────────────────
@pytest.fixture
def strange(loop):
    """A rule without an open change, which holds what nobody set."""
    loop.run(2)
    loop.surface.values["workers"] = 13.0
    loop.surface.stamps["workers"] = (13.0, None, 1)
    loop.run(2)
    return loop


def test_a_value_of_our_own_without_a_change_freezes_its_rule(strange):
    assert strange.alerts() == [("inconsistent", "workers")]
    assert strange.sql("SELECT rule, owner FROM freezes") == [("workers", "daemon")]
    assert "its controls hold 13, but 8 is on record" in strange.cycles[-1].seen.barred["workers"]


def test_taken_for_good_by_a_person_it_is_the_rules_value(strange):
    assert strange.have_done("adopt", rule="workers").exit_code == Exit.DONE
    assert strange.sql("SELECT value FROM rules WHERE name = 'workers'") == [(13.0,)]
    assert "workers" not in strange.cycles[-1].seen.barred


def test_a_value_that_nobody_can_read_is_not_taken_for_good(strange):
    strange.surface.fault = "mute"
    told = strange.have_done("adopt", rule="workers", cycles=0)
    assert (told.exit_code, told.result["text"]) == (
        Exit.UNVERIFIED,
        "nobody can tell what workers stands at",
    )


# ── proposals of others ──────────────────────────────────────────────────────
def test_a_proposal_of_the_loop_does_not_take_the_place_of_a_persons(make):
    loop = make(DRY)
    with loop.store.write() as tx:
        asked = proposals.NewProposal(
            at_us=loop.clock.now_us(),
            origin="operator",
            base={"workers": 8.0},
            target={"workers": 9.0},
        )
        proposals.propose(tx, asked)
    loop.until("apply")
    assert loop.sql("SELECT origin, state FROM proposals ORDER BY id") == [
        ("operator", "pending"),
        ("loop", "pending"),
    ]


def test_a_proposal_is_not_made_of_what_is_held(make):
    loop = make(DRY)
    loop.warm()
    loop.surface.hold = "deploying"
    assert {cycle.decision.reason for cycle in loop.run(3)} == {Reason.HELD}
    assert loop.sql("SELECT count(*) FROM proposals") == [(0,)]


# ── rests ────────────────────────────────────────────────────────────────────
def test_a_rest_lasts_over_a_start_of_the_machine_by_the_wall_clock(loop):
    loop.until("keep")
    loop.have_done("apply", moves={"batch": 60.0}, keep=True, cycles=0)
    loop.tuner.stop()
    loop.clock.boot_us = 7_000_000
    loop.start()
    loop.hands.boot_id = "another boot"
    (cycle,) = loop.run(1)
    assert cycle.seen.barred["batch"] == "it rests for 30 s after each change"
    assert "batch" not in loop.run(7)[-1].seen.barred
