"""What people ask for, and what they are told."""

import pytest

from daemon.errors import Exit
from daemon.services import invariants
from daemon.store import proposals

DRY = ("dry_run: false", "dry_run: true")
WRONG = ("direction: { workers: 1 }", "direction: { workers: -1 }")


def states(loop):
    return [state for (state,) in loop.sql("SELECT state FROM changes ORDER BY id")]


def done(loop, kind, /, **args):
    """File a command, let two cycles pass, and give the answer."""
    command = loop.ask(kind, **args)
    loop.answer()
    loop.run(2)
    return loop.told(command)


# ── apply ────────────────────────────────────────────────────────────────────
def test_a_step_that_a_person_asks_for_is_made_and_judged(make):
    loop = make(DRY)
    loop.until("apply")
    told = done(loop, "apply", moves={"workers": 9.0}, base={"workers": 8.0})
    assert (told.state, told.exit_code) == ("done", Exit.DONE)
    assert loop.surface.values["workers"] == 9.0
    assert told.result["undo"] == "daemon ctl rollback 1"
    assert (
        loop.sql("SELECT origin, actor FROM changes c JOIN change_events e ON e.change_id = c.id")
        == [("operator", "ann")] * 3
    )
    loop.until("keep")
    assert states(loop) == ["kept"]


def test_a_step_that_makes_it_worse_is_taken_back_in_a_dry_run_too(make):
    loop = make(DRY)
    loop.until("apply")
    done(loop, "apply", moves={"workers": 7.0})
    loop.until("rollback", "revert")
    loop.run(1)
    assert states(loop) == ["rolled_back"]
    assert loop.surface.values["workers"] == 8.0


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ({"moves": {"workers": 21.0}}, Exit.REFUSED, "may go from 2 to 20"),
        ({"moves": {"workers": 15.0}}, Exit.REFUSED, "--keep"),
        ({"moves": {"nobody": 1.0}}, Exit.USAGE, "there is no rule nobody"),
        ({"moves": {"workers": 9.0}, "base": {"workers": 4.0}}, Exit.TRY_AGAIN, "stands at 8"),
    ],
)
def test_what_is_refused_says_why(make, args, code, words):
    loop = make(DRY)
    loop.until("apply")
    told = done(loop, "apply", **args)
    assert (told.state, told.exit_code) == ("refused", code)
    assert words in told.result["text"]


def test_before_there_is_anything_to_judge_by_only_a_persons_own_word_counts(loop):
    loop.run(2)
    told = done(loop, "apply", moves={"workers": 9.0})
    assert (told.exit_code, "--keep" in told.result["text"]) == (Exit.REFUSED, True)
    told = done(loop, "apply", moves={"workers": 12.0}, keep=True)
    assert told.exit_code == Exit.DONE
    assert loop.surface.values["workers"] == 12.0
    assert states(loop) == ["kept"]


def test_nothing_is_set_while_something_is_held(make):
    loop = make(DRY)
    loop.until("apply")
    loop.surface.hold = "deploying"
    for keep in (True, False):
        told = done(loop, "apply", moves={"workers": 9.0}, keep=keep)
        assert (told.exit_code, "deploying" in told.result["text"]) == (Exit.REFUSED, True)


def test_while_a_change_is_open_another_one_waits(loop):
    loop.until("apply")
    told = done(loop, "apply", moves={"batch": 55.0})
    assert (told.exit_code, "another change is open" in told.result["text"]) == (
        Exit.TRY_AGAIN,
        True,
    )


def test_a_proposal_is_approved_applied_and_done(make):
    loop = make(DRY)
    loop.until("apply")
    told = done(loop, "approve", proposal=1)
    assert told.exit_code == Exit.DONE
    with loop.store.read() as view:
        found = proposals.get(view, 1)
    assert (found.state, found.decided_by) == ("applied", "ann")
    assert loop.sql("SELECT proposal_id FROM changes") == [(1,)]


def test_a_proposal_that_was_rejected_is_not_applied(make):
    loop = make(DRY)
    loop.until("apply")
    assert done(loop, "reject", proposal=1).exit_code == Exit.DONE
    told = done(loop, "approve", proposal=1)
    assert (told.exit_code, "rejected" in told.result["text"]) == (Exit.TRY_AGAIN, True)


# ── rollback ─────────────────────────────────────────────────────────────────
def test_an_open_change_is_taken_back_at_once(loop):
    loop.until("apply")
    command = loop.ask("rollback", change=1)
    loop.answer()
    told = loop.told(command)
    assert (told.exit_code, loop.surface.values["workers"]) == (Exit.DONE, 8.0)
    assert states(loop) == ["rolled_back"]
    loop.run(40)
    assert loop.surface.values["workers"] == 8.0, "the loop leaves alone what was taken back"


def test_what_was_kept_is_set_back_to_its_recorded_value(loop):
    loop.until("keep")
    told = done(loop, "rollback", last=True)
    assert told.exit_code == Exit.DONE
    assert loop.surface.values["workers"] == 8.0
    assert loop.sql("SELECT origin, old, new, state FROM changes WHERE id = 2") == [
        ("operator", 9.0, 8.0, "kept")
    ]


def test_asked_twice_to_take_back_the_last_change_nothing_is_made_again(loop):
    loop.until("keep")
    done(loop, "rollback", last=True)
    told = done(loop, "rollback", last=True)
    assert (told.exit_code, told.result["changes"]) == (Exit.DONE, [])
    assert loop.surface.values["workers"] == 8.0


def test_with_nothing_open_there_is_nothing_to_do(loop):
    loop.run(3)
    for args in ({"all": True}, {"last": True}, {"lkg": True}, {"rule": "workers"}):
        told = done(loop, "rollback", **args)
        assert (told.state, told.exit_code, told.result["changes"]) == ("done", Exit.DONE, [])
    assert not [order for order in loop.surface.written if order.change_id is not None]


def test_the_last_known_good_values_are_restored(loop):
    loop.until("keep")
    loop.until("apply")
    done(loop, "rollback", lkg=True)
    assert loop.surface.values == {"batch": 50.0, "workers": 9.0}


def test_a_rule_is_set_to_a_value_or_a_revision(loop):
    loop.until("keep")
    assert done(loop, "rollback", rule="workers", to=5.0).exit_code == Exit.DONE
    assert loop.surface.values["workers"] == 5.0
    ((seq,),) = loop.sql("SELECT seq FROM rule_history WHERE new = 9.0")
    assert done(loop, "rollback", rule="workers", rev=seq).exit_code == Exit.DONE
    assert loop.surface.values["workers"] == 9.0


def test_a_rollback_that_cannot_be_verified_says_so(loop):
    loop.until("apply")
    loop.surface.fault = "refuse"
    told = done(loop, "rollback", change=1)
    assert (told.state, told.exit_code) == ("failed", Exit.UNVERIFIED)
    loop.surface.fault = None
    loop.run(2)
    assert states(loop) == ["rolled_back"], "it is tried until it can be done"


def test_a_foreign_rule_that_is_rolled_back_is_the_loops_again(loop):
    loop.until("keep")
    loop.surface.edit("workers", 15.0)
    loop.run(2)
    assert done(loop, "rollback", rule="workers", to=9.0).exit_code == Exit.DONE
    assert loop.sql("SELECT foreign_at_us FROM rules WHERE name = 'workers'") == [(None,)]


# ── a word on an open change ─────────────────────────────────────────────────
def test_a_person_may_keep_an_open_change(make):
    loop = make(WRONG)
    loop.until("apply")
    assert done(loop, "confirm", change=1).exit_code == Exit.DONE
    assert states(loop) == ["kept"]
    ((cause,),) = loop.sql("SELECT cause FROM changes")
    assert cause == "confirmed"


def test_an_observation_may_be_extended(loop):
    loop.until("apply")
    assert done(loop, "extend", change=1, seconds=300).exit_code == Exit.DONE
    loop.run(30)
    assert states(loop) == ["observing"]


def test_a_word_on_what_is_over_comes_too_late(loop):
    loop.until("keep")
    assert done(loop, "confirm", change=1).exit_code == Exit.TRY_AGAIN
    assert done(loop, "extend", change=77, seconds=5).exit_code == Exit.USAGE


# ── barriers ─────────────────────────────────────────────────────────────────
def test_a_pause_stands_until_it_is_lifted(loop):
    told = done(loop, "pause", rule="workers")
    assert told.result["undo"] == "daemon ctl resume workers"
    assert loop.sql("SELECT kind, rule, owner FROM freezes") == [("pause", "workers", "ann")]
    assert done(loop, "resume", rule="workers").result["freezes"] == [1]
    assert done(loop, "resume", rule="workers").result["freezes"] == []
    assert done(loop, "pause", rule="nobody").exit_code == Exit.USAGE


def test_the_kill_switch_takes_back_what_is_open(loop):
    loop.until("apply")
    told = done(loop, "kill")
    assert told.exit_code == Exit.DONE
    assert states(loop) == ["rolled_back"]
    assert loop.sql("SELECT kind FROM freezes WHERE removed_at_us IS NULL") == [("kill",)]
    assert done(loop, "unkill").exit_code == Exit.DONE


def test_the_kill_switch_may_leave_values_as_they_are(loop):
    loop.until("apply")
    done(loop, "kill", leave=True)
    assert states(loop) == ["kept"]
    assert loop.surface.values["workers"] == 9.0


def test_a_freeze_is_added_and_lifted(loop):
    told = done(loop, "freeze_add", rule="workers", reason="quarter end", duration_s=None)
    number = told.result["freeze"]
    assert done(loop, "freeze_remove", id=number).exit_code == Exit.DONE
    assert done(loop, "freeze_remove", id=number).exit_code == Exit.USAGE


def test_a_rule_in_other_hands_is_handed_back(loop):
    loop.run(2)
    loop.surface.edit("workers", 11.0)
    loop.run(2)
    assert "loop's again" in done(loop, "adopt", rule="workers").result["text"]
    cycle = loop.run(2)[-1]
    assert "workers" not in cycle.seen.barred
    assert cycle.seen.rules["workers"] == 11.0


# ── all of them ──────────────────────────────────────────────────────────────
def test_what_was_begun_and_never_finished_is_not_begun_again(loop):
    command = loop.ask("rollback", all=True)
    with loop.store.write() as tx:
        tx.exec_driver_sql("UPDATE commands SET state = 'running', epoch = 1")
    loop.start()
    told = loop.told(command)
    assert (told.state, "daemon ctl status" in told.result["text"]) == ("failed", True)


def test_what_nobody_waits_for_any_more_is_not_done(loop):
    command = loop.ask("pause")
    with loop.store.write() as tx:
        tx.exec_driver_sql("UPDATE commands SET expires_at_us = 5")
    loop.answer()
    assert loop.told(command).state == "expired"
    assert loop.sql("SELECT count(*) FROM freezes") == [(0,)]


def test_a_command_of_another_version_is_refused(loop):
    assert done(loop, "dance").exit_code == Exit.USAGE


def test_a_rule_that_made_no_sense_is_taken_as_it_stands_by_a_person(loop):
    loop.until("apply")
    loop.surface.values["workers"] = 13.0
    loop.surface.stamps["workers"] = (13.0, 1, 1)
    loop.run(1)
    told = done(loop, "adopt", rule="workers")
    assert told.result["text"] == "workers is the loop's again, from 13 on"
    assert told.result["undo"] == "daemon ctl pause workers"
    assert loop.run(2)[-1].seen.barred == {}
    assert loop.sql("SELECT kind FROM alerts WHERE resolved_at_us IS NULL") == []
    assert loop.sql("SELECT old, new, actor FROM rule_history ORDER BY seq DESC LIMIT 1") == [
        (9.0, 13.0, "ann")
    ]


def test_what_broke_a_promise_may_be_understood_and_accepted(loop):
    loop.until("keep")
    with loop.store.write() as tx:
        tx.exec_driver_sql("UPDATE changes SET state = 'failed' WHERE id = 1")
    with loop.store.read() as view:
        found = invariants.check(view)
    assert {one.name for one in found} == {"one_ending"}
    told = done(loop, "accept", findings=invariants.fingerprints(found))
    assert told.exit_code == Exit.DONE
    with loop.store.read() as view:
        assert invariants.check(view) == []
    ((body,),) = loop.sql("SELECT body FROM events WHERE kind = 'invariants_accepted'")
    assert "ann" in str(body)
    with loop.store.write() as tx:
        tx.exec_driver_sql("UPDATE changes SET state = 'kept' WHERE id = 1")
