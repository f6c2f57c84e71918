"""Commands that do not fit: to the program, to the moment, to what is there; all are answered."""

import pytest

from daemon.errors import Exit, InputError, StoreUnavailable
from daemon.ports import ControlsFault
from daemon.services.loop.orders import Orders
from tests.loop_kit import DRY, NARROW

OUTAGE = "the database went away"


# ── to the program ───────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("apply", {}),
        ("apply", {"moves": {"workers": "many"}, "keep": True}),
        ("confirm", {"change": "the last one"}),
        ("extend", {"change": 1}),
        ("reject", {}),
        ("rollback", {"change": [1]}),
        ("freeze_add", {"reason": "night", "cron": "0 * * * *"}),
        ("freeze_remove", {}),
        ("adopt", {}),
    ],
)
def test_a_command_that_cannot_be_read_is_answered_and_ends_nothing(loop, kind, args):
    loop.until("apply")
    told = loop.have_done(kind, **args)
    assert (told.state, told.exit_code) == ("failed", Exit.USAGE)
    assert f"the command {kind} cannot be read" in told.result["text"]
    assert loop.states() == [("workers", "observing")]


def test_a_calendar_that_does_not_hold_is_told_in_its_own_words(loop):
    loop.run(1)
    told = loop.have_done("freeze_add", reason="x", cron="61 * * * *", duration_s=60)
    assert (told.state, told.exit_code) == ("failed", InputError.exit_code)
    assert "61" in told.result["text"]


def test_where_the_policy_file_does_not_hold_the_old_one_stays(loop):
    def broken():
        raise InputError("it cannot be read")

    loop.orders = Orders(loop.hands, loop.tuner, loop.watch.standing, broken)
    told = loop.have_done("reload")
    assert (told.state, told.result["text"]) == ("failed", "it cannot be read")
    loop.start()
    assert loop.have_done("reload").result["text"] == "nothing"


# ── to the moment ────────────────────────────────────────────────────────────
def test_what_needs_the_core_waits_its_turn(loop):
    loop.until("apply")
    first = loop.ask("extend", change=1, seconds=60)
    second = loop.ask("confirm", change=1)
    third = loop.ask("pause", rule="batch")
    loop.answer()
    assert [loop.told(one).state for one in (first, second, third)] == [
        "running",
        "pending",
        "done",
    ]
    loop.run(1)
    assert [loop.told(one).state for one in (first, second)] == ["done", "pending"]
    loop.run(1)
    assert loop.told(second).state == "done"
    assert loop.states() == [("workers", "kept")]


def test_an_extension_without_end_is_refused(loop):
    loop.until("apply")
    told = loop.have_done("extend", change=1, seconds=13 * 3600)
    assert told.exit_code == Exit.REFUSED
    assert "no change is watched for more than 12 h longer" in told.result["text"]


def test_a_step_of_a_rule_in_other_hands_says_whose_they_are(make):
    loop = make(DRY)
    loop.until("apply")
    loop.have_done("apply", moves={"workers": 10.0}, keep=True)
    loop.surface.edit("workers", 11.0)
    loop.run(40)
    told = loop.have_done("apply", moves={"workers": 12.0})
    assert told.exit_code == Exit.REFUSED
    assert told.result["text"] == (
        "workers: a person set it; to hand it back: daemon ctl adopt workers"
    )


def test_a_step_of_a_paused_rule_is_refused_either_way(make):
    loop = make(DRY)
    loop.until("apply")
    loop.have_done("pause", rule="workers")
    for keep in (False, True):
        told = loop.have_done("apply", moves={"workers": 9.0}, keep=keep)
        assert told.exit_code == Exit.REFUSED
        assert told.result["text"].startswith("workers: paused by ann")


def test_at_a_persons_own_word_nothing_is_set_over_an_open_change(loop):
    loop.until("apply")
    told = loop.have_done("apply", moves={"workers": 12.0}, keep=True)
    assert (told.exit_code, "another change is open" in told.result["text"]) == (
        Exit.TRY_AGAIN,
        True,
    )


def test_a_plan_that_rests_on_a_rule_that_is_gone_is_refused(loop):
    loop.run(1)
    told = loop.have_done("apply", moves={"workers": 9.0}, base={"threads": 4.0}, keep=True)
    assert told.exit_code == Exit.TRY_AGAIN
    assert "threads at 4, which is not a rule any more" in told.result["text"]


def test_a_change_that_is_being_taken_back_is_not_kept(loop):
    loop.until("apply")
    loop.surface.fault = "refuse"
    loop.have_done("rollback", change=1)
    told = loop.have_done("confirm", change=1)
    assert (told.exit_code, told.result["text"]) == (
        Exit.TRY_AGAIN,
        "change 1 is stuck, not observed",
    )
    loop.surface.fault = None
    loop.run(1)


# ── proposals ────────────────────────────────────────────────────────────────
def test_a_proposal_that_is_not_there_is_said_so(make):
    loop = make(DRY)
    loop.until("apply")
    for kind, args in (
        ("approve", {}),
        ("apply", {"moves": {"workers": 9.0}}),
        ("apply", {"moves": {"workers": 9.0}, "keep": True}),
    ):
        told = loop.have_done(kind, proposal=77, **args)
        assert (told.exit_code, told.result["text"]) == (
            Exit.USAGE,
            "there is no proposal 77: daemon ctl get proposals",
        )
    told = loop.have_done("reject", proposal=77)
    assert told.result["text"] == "proposal 77 is not there, not pending"


def test_a_proposal_whose_time_is_over_is_not_applied(make):
    loop = make(DRY)
    loop.until("apply")
    loop.clock.sleep(3_601)
    told = loop.have_done("approve", cycles=0, proposal=1)
    assert told.exit_code == Exit.TRY_AGAIN
    assert "proposal 1 is expired; make a new one" in told.result["text"]
    assert not loop.surface.written


def test_a_proposal_may_be_set_at_its_readers_own_word(make):
    loop = make(DRY)
    loop.until("apply")
    told = loop.have_done("apply", proposal=1, keep=True, cycles=0)
    assert told.exit_code == Exit.DONE
    assert loop.sql("SELECT proposal_id, state FROM changes") == [(1, "kept")]


@pytest.mark.parametrize(("cycles", "words"), [(0, "stands at 7"), (2, "is superseded")])
def test_a_proposal_that_rests_on_other_values_is_refused(make, cycles, words):
    loop = make(DRY)
    loop.until("apply")
    loop.have_done("apply", moves={"workers": 7.0}, keep=True, cycles=cycles)
    told = loop.have_done("approve", proposal=1)
    assert (told.exit_code, words in told.result["text"]) == (Exit.TRY_AGAIN, True)


# ── controls that do not do what they are told ───────────────────────────────
@pytest.mark.parametrize("fault", ["refuse", "lie"])
def test_a_value_that_was_not_taken_has_failed_and_there_is_nothing_to_undo(loop, fault):
    loop.run(2)
    loop.surface.fault = fault
    told = loop.have_done("apply", moves={"workers": 12.0}, keep=True)
    assert (told.state, told.exit_code) == ("failed", Exit.UNVERIFIED)
    assert told.result["changes"][0]["state"] == "failed"
    assert "undo" not in told.result
    assert loop.surface.values["workers"] == 8.0


def test_a_value_that_was_half_taken_names_the_half_that_can_be_undone(loop):
    loop.run(2)
    loop.surface.fault = "torn"
    told = loop.have_done("apply", moves={"workers": 12.0, "batch": 60.0}, keep=True)
    first, second = told.result["changes"]
    assert (first["state"], second["state"]) == ("kept", "failed")
    assert told.result["undo"] == f"daemon ctl rollback {first['change_id']}"


def test_a_value_that_nobody_could_read_back_is_settled_when_somebody_can(loop):
    loop.run(2)
    loop.surface.fault = "mute"
    told = loop.have_done("apply", moves={"workers": 12.0}, keep=True)
    assert (told.exit_code, told.result["changes"][0]["state"]) == (Exit.UNVERIFIED, "applying")
    assert told.result["undo"] == "daemon ctl rollback 1"
    loop.surface.fault = None
    loop.run(1)
    assert loop.states() == [("workers", "kept")]
    assert loop.surface.values["workers"] == 12.0


def test_a_step_that_was_agreed_to_and_not_done_says_why(make):
    loop = make(DRY)
    loop.until("apply")
    loop.run(1)
    loop.surface.fault = "refuse"
    told = loop.have_done("apply", moves={"workers": 9.0})
    assert (told.state, told.exit_code) == ("failed", Exit.FAILED)
    assert told.result["text"] == "it was tried and not done: not today"
    assert loop.states() == [("workers", "failed")]


def test_where_nobody_can_ask_for_hold_nothing_is_set(loop):
    def deaf():
        raise ControlsFault("no answer")

    loop.run(2)
    loop.surface.held = deaf
    told = loop.have_done("apply", moves={"workers": 12.0}, keep=True)
    assert told.exit_code == Exit.REFUSED
    assert "nobody can tell whether changes are wanted: no answer" in told.result["text"]


# ── a database that goes away ────────────────────────────────────────────────
@pytest.mark.parametrize("writes", range(1, 6))
def test_a_command_that_was_cut_off_is_answered_when_the_database_is_back(loop, writes):
    loop.until("apply")
    command = loop.ask("rollback", change=1)
    loop.store.writes_left = writes
    with pytest.raises(StoreUnavailable):
        loop.answer()
    loop.store.writes_left = None
    loop.run(2)
    told = loop.told(command)
    assert told.state == "failed"
    assert OUTAGE in told.result["text"]
    assert loop.states()[0] in {("workers", "rolled_back"), ("workers", "observing")}
    if loop.states()[0][1] == "rolled_back":
        assert loop.surface.values["workers"] == 8.0


def test_an_answer_that_could_not_be_written_is_written_later(make):
    loop = make(DRY)
    loop.until("apply")
    command = loop.ask("apply", moves={"workers": 9.0})
    loop.answer()
    loop.clock.sleep(5.0)
    loop.tuner.cycle()
    loop.store.writes_left = 0
    with pytest.raises(StoreUnavailable):
        loop.orders.after_cycle()
    loop.store.writes_left = None
    loop.run(1)
    assert loop.told(command).state == "done"


# ── barriers ─────────────────────────────────────────────────────────────────
def test_a_pause_of_everything_is_one(loop):
    told = loop.have_done("pause")
    assert told.result["undo"] == "daemon ctl resume"
    assert loop.cycles[-1].seen.held.startswith("paused by ann")
    told = loop.have_done("resume").result
    assert "of everything is lifted" in told["text"]
    assert told["undo"] == "daemon ctl pause"
    assert loop.cycles[-1].seen.held is None


def test_a_freeze_that_recurs_holds_when_it_should(loop):
    loop.run(1)
    told = loop.have_done("freeze_add", reason="the hour", cron="0 * * * *", duration_s=1_800)
    assert loop.cycles[-1].seen.held.startswith("frozen by ann until")
    loop.clock.sleep(1_800)
    assert loop.run(2)[-1].seen.held is None
    loop.clock.sleep(1_800)
    assert loop.run(2)[-1].seen.held is not None
    loop.have_done("freeze_remove", id=told.result["freeze"])
    assert loop.cycles[-1].seen.held is None


def test_a_freeze_of_a_rule_nobody_has_is_refused(loop):
    loop.run(1)
    assert loop.have_done("freeze_add", rule="nobody", reason="x").exit_code == Exit.USAGE


def test_a_rule_that_is_in_nobody_elses_hands_need_not_be_handed_back(loop):
    loop.run(1)
    told = loop.have_done("adopt", rule="workers")
    assert told.exit_code == Exit.DONE
    assert told.result["text"] == "workers is not in other hands: it stands at 8"


def test_the_kill_switch_with_nothing_open_only_bars(loop):
    loop.run(1)
    told = loop.have_done("kill", leave=True)
    assert told.result["text"].startswith("the kill switch is set")
    assert loop.have_done("unkill").result["freezes"] == [told.result["freeze"]]
    assert loop.have_done("apply", moves={"workers": 9.0}, keep=True).exit_code == Exit.DONE


def test_killed_and_left_as_it_is_the_loop_can_be_told_things_again(loop):
    loop.until("apply")
    loop.have_done("kill", leave=True)
    loop.have_done("unkill")
    told = loop.have_done("apply", moves={"workers": 12.0}, keep=True)
    assert (told.exit_code, loop.surface.values["workers"]) == (Exit.DONE, 12.0)


def test_a_kill_that_could_not_take_everything_back_says_so(loop):
    loop.until("apply")
    loop.surface.fault = "refuse"
    told = loop.have_done("kill")
    assert (told.state, told.exit_code) == ("failed", Exit.UNVERIFIED)
    assert "the kill switch is set" in told.result["text"]
    assert told.result["undo"] == "daemon ctl unkill"
    loop.surface.fault = None
    loop.run(1)
    assert loop.states() == [("workers", "rolled_back")]


def test_whoever_asks_for_a_step_while_it_is_killed_is_told_of_the_switch(make):
    loop = make(DRY)
    loop.until("apply")
    loop.have_done("kill")
    told = loop.have_done("apply", moves={"workers": 9.0})
    assert told.exit_code == Exit.REFUSED
    assert told.result["text"].startswith("nothing may be changed: killed by ann")


def test_bounds_that_were_narrowed_hold_for_whoever_asks(loop):
    loop.until("keep")
    loop.govern(NARROW)
    told = loop.have_done("apply", moves={"workers": 8.0}, keep=True)
    assert (told.exit_code, told.result["text"]) == (
        Exit.REFUSED,
        "workers may go from 9 to 20, not to 8",
    )
