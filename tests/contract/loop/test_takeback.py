"""Where a rollback leads: the value on record, or the one that is named, and nowhere else."""

import pytest

from daemon.errors import Exit
from tests.loop_kit import NARROW, NO_WORKERS


def revision(loop, value):
    ((seq,),) = loop.sql(f"SELECT max(seq) FROM rule_history WHERE new = {value}")
    return seq


# ── what is named ────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ({"change": 77}, Exit.USAGE, "there is no change 77"),
        ({"rule": "nobody"}, Exit.USAGE, "there is no rule nobody"),
        ({"rule": "workers", "rev": 10_000}, Exit.USAGE, "workers has no revision 10000"),
        ({"rule": "workers", "to": 50.0}, Exit.REFUSED, "may go from 2 to 20, not to 50"),
        ({"rule": "workers", "to": 1.9}, Exit.REFUSED, "may go from 2 to 20, not to 1.9"),
    ],
)
def test_what_is_not_there_or_out_of_bounds_is_refused(loop, args, code, words):
    loop.run(2)
    told = loop.have_done("rollback", **args)
    assert (told.state, told.exit_code) == ("refused", code)
    assert words in told.result["text"]
    assert loop.surface.values == {"batch": 50.0, "workers": 8.0}


def test_a_revision_of_another_rule_is_none_of_this_one(loop):
    loop.until("keep")
    told = loop.have_done("rollback", rule="batch", rev=revision(loop, 9.0))
    assert (told.exit_code, "batch has no revision" in told.result["text"]) == (Exit.USAGE, True)


def test_a_rule_that_stands_there_already_is_not_touched(loop):
    loop.until("keep")
    seen = len(loop.surface.written)
    told = loop.have_done("rollback", rule="workers", to=9.0, cycles=0)
    assert told.result == {"text": "workers stands at 9 already", "changes": []}
    assert len(loop.surface.written) == seen


def test_a_change_whose_value_was_left_since_changes_nothing(loop):
    loop.until("keep")
    loop.have_done("rollback", change=1)
    told = loop.have_done("rollback", change=1)
    assert told.result["text"] == "workers stands at 8 already"
    assert told.exit_code == Exit.DONE


def test_a_change_that_is_not_in_force_is_not_taken_back(loop):
    loop.until("apply")
    loop.have_done("rollback", last=True)
    told = loop.have_done("rollback", change=1)
    assert told.result["text"] == "change 1 is rolled_back: nothing of it is in force"
    told = loop.have_done("rollback", rule="batch")
    assert told.result["text"] == "no change of batch is in force"


def test_a_kept_change_of_a_rule_is_found_by_its_name(loop):
    loop.until("keep")
    told = loop.have_done("rollback", rule="workers")
    assert (told.exit_code, loop.surface.values["workers"]) == (Exit.DONE, 8.0)


# ── what is open ─────────────────────────────────────────────────────────────
def test_all_that_is_open_is_taken_back(loop):
    loop.until("apply")
    told = loop.have_done("rollback", all=True)
    assert told.result["text"].startswith("workers is taken back to 8 (change 1)")
    assert told.result["undo"] == "daemon ctl resume workers"
    assert loop.states() == [("workers", "rolled_back")]


def test_an_open_change_is_taken_back_before_another_value_is_set(loop):
    loop.until("apply")
    told = loop.have_done("rollback", rule="workers", to=5.0)
    assert told.exit_code == Exit.DONE
    assert loop.states() == [("workers", "rolled_back"), ("workers", "kept")]
    assert loop.surface.values["workers"] == 5.0
    assert loop.sql("SELECT old, new FROM rule_history WHERE rule = 'workers' ORDER BY seq")[
        1:
    ] == [(8.0, 9.0), (9.0, 8.0), (8.0, 5.0)]


def test_where_the_value_named_is_that_of_before_taking_back_is_enough(loop):
    loop.until("apply")
    loop.have_done("rollback", rule="workers", to=8.0)
    assert loop.states() == [("workers", "rolled_back")]


def test_what_cannot_be_taken_back_is_not_set_to_anything_else_either(loop):
    loop.until("apply")
    loop.surface.fault = "refuse"
    told = loop.have_done("rollback", rule="workers", to=5.0)
    assert (told.state, told.exit_code) == ("failed", Exit.UNVERIFIED)
    assert loop.states() == [("workers", "stuck")]
    loop.surface.fault = None
    loop.run(2)
    assert loop.states() == [("workers", "rolled_back")]
    assert loop.surface.values["workers"] == 8.0


def test_a_rollback_that_is_stuck_may_be_asked_for_again(loop):
    loop.until("apply")
    loop.surface.fault = "refuse"
    loop.have_done("rollback", change=1)
    loop.surface.fault = None
    told = loop.have_done("rollback", cycles=0, change=1)
    assert told.exit_code == Exit.DONE
    assert loop.states() == [("workers", "rolled_back")]


def test_a_stuck_rollback_whose_value_vanished_ends_at_the_value_of_before(loop):
    loop.until("apply")
    loop.surface.fault = "refuse"
    loop.have_done("rollback", change=1)
    loop.surface.fault = None
    loop.surface.values.clear()
    loop.run(1)
    assert loop.surface.values["workers"] == 8.0
    assert loop.states() == [("workers", "rolled_back")]


# ── the last known good values ───────────────────────────────────────────────
def test_the_good_values_come_back_from_wherever_rules_stand(loop):
    loop.until("keep")
    loop.have_done("rollback", rule="workers", to=3.0)
    loop.have_done("rollback", rule="batch", to=20.0)
    loop.surface.edit("workers", 15.0)
    loop.run(2)
    told = loop.have_done("rollback", lkg=True)
    assert told.exit_code == Exit.DONE
    assert loop.surface.values == {"batch": 20.0, "workers": 3.0}, "they were set at a word: kept"


def test_good_values_that_the_policy_no_longer_allows_are_left_out_and_named(loop):
    loop.until("keep")
    loop.have_done("rollback", rule="workers", to=5.0)
    loop.have_done("rollback", rule="batch", to=60.0)
    loop.surface.edit("workers", 15.0)
    loop.surface.edit("batch", 70.0)
    loop.run(2)
    loop.govern(NARROW)
    told = loop.have_done("rollback", lkg=True)
    assert told.exit_code == Exit.DONE
    assert "workers may go from 9 to 20, not to 5" in told.result["text"]
    assert loop.surface.values == {"batch": 60.0, "workers": 15.0}


def test_where_all_of_them_are_out_of_bounds_nothing_is_done(loop):
    loop.until("keep")
    loop.govern(NARROW)
    told = loop.have_done("rollback", change=1, cycles=0)
    assert (told.state, told.exit_code) == ("refused", Exit.REFUSED)
    assert told.result["text"] == "workers may go from 9 to 20, not to 8"
    assert loop.surface.values["workers"] == 9.0


def test_an_open_change_goes_back_though_the_bounds_were_narrowed_meanwhile(loop):
    loop.until("apply")
    loop.govern(NARROW)
    told = loop.have_done("rollback", last=True)
    assert told.exit_code == Exit.DONE
    assert loop.surface.values["workers"] == 8.0
    assert "outside of its bounds, 9 to 20" in loop.cycles[-1].seen.barred["workers"]


def test_what_was_kept_of_a_rule_that_is_gone_stays(loop):
    loop.until("keep")
    loop.govern(*NO_WORKERS)
    told = loop.have_done("rollback", change=1)
    assert (told.exit_code, told.result["text"]) == (
        Exit.REFUSED,
        "the policy does not name workers any more",
    )


def test_after_hundreds_of_changes_that_came_to_nothing_there_is_nothing_to_take_back(loop):
    loop.run(2)
    loop.surface.fault = "refuse"
    for value in (9.0, 10.0, 11.0):
        loop.have_done("apply", moves={"workers": value}, keep=True, cycles=0)
    told = loop.have_done("rollback", last=True)
    assert told.result["text"] == "no change was ever applied, or all were taken back"
