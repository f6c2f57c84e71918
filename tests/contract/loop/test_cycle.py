"""What a cycle does to rows and controls, when all goes well and when it does not."""

import pytest

from daemon.errors import NotLeader
from daemon.tuning.reasons import Reason
from daemon.tuning.vocabulary import DecisionKind, Mode

DRY = ("dry_run: false", "dry_run: true")


def states(loop):
    return loop.sql("SELECT id, rule, state FROM changes ORDER BY id")


def events(loop, change=1):
    query = f"SELECT to_state FROM change_events WHERE change_id = {change} ORDER BY seq"
    return [state for (state,) in loop.sql(query)]


def open_alerts(loop):
    return loop.sql("SELECT kind, key FROM alerts WHERE resolved_at_us IS NULL ORDER BY 1, 2")


# ── when all goes well ───────────────────────────────────────────────────────
def test_a_step_is_written_down_before_it_is_taken_and_read_back_after(loop):
    cycle = loop.until("apply")
    assert loop.surface.values["workers"] == cycle.decision.moves[0].new
    assert events(loop) == ["proposed", "applying", "observing"]
    assert loop.sql("SELECT value, change_id FROM rules WHERE name = 'workers'") == [(9.0, 1)]


def test_what_helps_is_kept(loop):
    loop.until("keep")
    assert events(loop)[-1] == "kept"
    verdicts = loop.sql("SELECT DISTINCT verdict FROM deltas WHERE change_id = 1")
    assert verdicts == [("better",)]


def test_what_does_not_help_is_taken_back_and_read_back(make):
    loop = make(("direction: { workers: 1 }", "direction: { workers: -1 }"))
    loop.until("rollback", "revert")
    assert loop.surface.values["workers"] == 8.0
    assert events(loop)[-2:] == ["rolling_back", "rolled_back"]


def test_values_that_nobody_has_set_are_published_once_the_loop_is_live(loop):
    loop.run(1)
    assert loop.surface.values == {"batch": 50.0, "workers": 8.0}


def test_a_rule_is_taken_over_at_the_value_that_it_is_found_at(loop):
    loop.surface.edit("workers", 11.0)
    cycles = loop.run(2)
    assert cycles[-1].seen.rules["workers"] == 11.0
    assert not cycles[-1].seen.barred
    assert loop.sql("SELECT new, actor FROM rule_history WHERE rule = 'workers'") == [
        (11.0, "found")
    ]


def test_there_is_nothing_to_see_within_a_block(loop):
    assert len(loop.run(1)) == 1
    loop.clock.sleep(0.5)
    assert loop.tuner.cycle() is None


def test_quiet_cycles_are_counted_and_not_repeated(loop):
    loop.run(20)
    ((rows,),) = loop.sql("SELECT count(*) FROM decisions")
    ((counted,),) = loop.sql("SELECT sum(n) FROM decision_repeats")
    assert rows + counted == 20
    assert rows <= 3


# ── only proposing ───────────────────────────────────────────────────────────
def test_a_dry_run_touches_nothing_and_proposes(make):
    loop = make(DRY)
    cycle = loop.until("apply")
    assert cycle.mode is Mode.DRY_RUN
    assert not loop.surface.written
    assert loop.sql("SELECT count(*) FROM changes") == [(0,)]
    ((kind,),) = loop.sql("SELECT kind FROM decisions ORDER BY seq DESC LIMIT 1")
    assert kind == "propose"
    assert loop.sql("SELECT origin, state FROM proposals") == [("loop", "pending")]


def test_a_policy_that_is_not_calibrated_only_proposes_and_somebody_is_told(loop):
    loop.watch.not_live = "nothing was ever calibrated"
    loop.tuner.govern(loop.loaded)
    cycle = loop.until("apply")
    assert (cycle.mode, cycle.not_live) == (Mode.DRY_RUN, "nothing was ever calibrated")
    assert not loop.surface.written
    assert open_alerts(loop)[0][0] == "not_green"


def test_once_it_is_calibrated_it_goes_live_by_itself(loop):
    loop.watch.not_live = "nothing was ever calibrated"
    loop.tuner.govern(loop.loaded)
    loop.run(3)
    loop.watch.not_live = None
    cycle = loop.until("apply")
    assert cycle.mode is Mode.LIVE
    assert loop.surface.values["workers"] == 9.0
    assert not open_alerts(loop)


# ── what stands against it ───────────────────────────────────────────────────
def test_a_hold_file_stops_every_change(loop):
    loop.surface.hold = "deploying"
    loop.warm()
    cycles = loop.run(8)
    assert {cycle.decision.kind for cycle in cycles} == {DecisionKind.HOLD}
    assert cycles[-1].seen.held == "HOLD: deploying"


def test_a_sick_signal_is_no_evidence(loop):
    loop.until("apply")
    loop.watch.sick = {"latency": "frozen"}
    cycle = loop.until("rollback", "revert")
    assert cycle.decision.reason is Reason.INSUFFICIENT_DATA
    assert loop.surface.values["workers"] == 8.0


# ── controls that do not do what they are told ───────────────────────────────
@pytest.mark.parametrize("fault", ["refuse", "lie"])
def test_a_step_that_was_not_done_has_failed(loop, fault):
    loop.run(2)
    loop.surface.fault = fault
    loop.until("apply")
    assert events(loop) == ["proposed", "applying", "failed"]
    assert loop.sql("SELECT value FROM rules WHERE name = 'workers'") == [(8.0,)]


def test_a_write_that_raised_counts_when_it_is_read_back(loop):
    loop.run(2)
    loop.surface.fault = "deaf"
    loop.until("apply")
    assert events(loop)[-1] == "observing"


def test_a_step_that_nobody_can_read_back_is_put_back(loop):
    loop.run(2)
    step = loop.until("apply")
    assert step.changes
    loop.surface.fault = "mute"
    loop.run(20)
    loop.surface.fault = None
    loop.run(20)
    assert all(
        state in {"kept", "rolled_back", "failed", "observing"} for *_, state in states(loop)
    )


def test_a_rollback_that_cannot_be_done_is_stuck_and_tried_until_it_can(make):
    loop = make(("direction: { workers: 1 }", "direction: { workers: -1 }"))
    loop.until("apply")
    loop.surface.fault = "refuse"
    loop.until("rollback", "revert")
    loop.run(3)
    assert states(loop) == [(1, "workers", "stuck")]
    assert open_alerts(loop) == [("stuck_rollback", "1")]
    loop.surface.fault = None
    loop.run(1)
    assert states(loop) == [(1, "workers", "rolled_back")]
    assert loop.surface.values["workers"] == 8.0
    assert not open_alerts(loop)


def test_controls_that_cannot_be_read_bar_their_rules(loop):
    loop.run(2)
    loop.surface.fault = "mute"
    (cycle,) = loop.run(1)
    assert set(cycle.seen.barred) == {"batch", "workers"}
    assert cycle.seen.rules == {"batch": 50.0, "workers": 8.0}


# ── other hands ──────────────────────────────────────────────────────────────
def test_what_a_person_sets_is_theirs(loop):
    loop.until("apply")
    loop.surface.edit("workers", 15.0)
    loop.run(2)
    assert states(loop) == [(1, "workers", "superseded")]
    assert loop.sql("SELECT value, foreign_at_us IS NULL FROM rules WHERE name = 'workers'") == [
        (15.0, 0)
    ]
    later = loop.run(40)
    assert loop.surface.values["workers"] == 15.0
    assert "daemon ctl adopt workers" in later[-1].seen.barred["workers"]
    assert loop.sql("SELECT new, actor FROM rule_history ORDER BY seq DESC LIMIT 1") != []
    assert ("foreign_rule", "workers") in open_alerts(loop)


def test_another_value_under_our_own_stamp_freezes_the_rule(loop):
    loop.until("apply")
    loop.surface.values["workers"] = 13.0
    loop.surface.stamps["workers"] = (13.0, 1, 1)
    loop.run(1)
    assert states(loop) == [(1, "workers", "inconsistent")]
    assert loop.sql("SELECT rule, owner FROM freezes") == [("workers", "daemon")]
    assert ("inconsistent", "workers") in open_alerts(loop)
    loop.run(3)
    assert loop.sql("SELECT count(*) FROM freezes") == [(1,)]


def test_a_newer_leader_on_the_controls_ends_this_one(loop):
    loop.warm()
    loop.surface.epoch = 99
    with pytest.raises(NotLeader):
        loop.until("apply")


# ── time ─────────────────────────────────────────────────────────────────────
def test_cycles_that_were_missed_are_one_cycle(loop):
    loop.run(5)
    loop.clock.sleep(300.0)
    assert len(loop.run(1)) == 1


@pytest.mark.parametrize("seconds", [3_600, -3_600, 366 * 86_400, -366 * 86_400])
def test_a_clock_that_is_set_neither_floods_nor_silences_it(loop, seconds):
    loop.until("apply")
    loop.clock.wall_us += seconds * 1_000_000
    loop.plant.next = loop.clock.wall_us // 5_000_000
    cycles = loop.run(40)
    assert 38 <= len(cycles) <= 41
    loop.run(60)
    ends = {"kept", "rolled_back", "observing"}
    assert {state for *_, state in states(loop)} <= ends


def test_going_live_publishes_what_is_missing_before_the_first_step(make):
    loop = make(DRY)
    loop.until("apply")
    loop.run(20)
    from tests.recording import adopt, loaded_policy  # noqa: PLC0415

    live = loaded_policy(loop.folder)
    adopt(loop.store, live)
    loop.tuner.govern(live)
    loop.until("apply")
    loop.run(2)
    assert states(loop)[0][2] == "observing"
    assert loop.sql("SELECT old, new FROM rule_history WHERE rule = 'workers' ORDER BY seq") == [
        (None, 8.0),
        (8.0, 9.0),
    ]


def test_what_was_proposed_waits_for_a_person_and_is_not_repeated(make):
    loop = make(DRY)
    loop.until("apply")
    loop.run(80)
    found = loop.sql("SELECT state, count(*) FROM proposals GROUP BY state")
    assert found == [("pending", 1)]


def test_what_was_proposed_an_hour_ago_is_proposed_anew(make):
    loop = make(DRY)
    loop.until("apply")
    loop.clock.sleep(3_550)
    loop.run(30)
    assert dict(loop.sql("SELECT state, count(*) FROM proposals GROUP BY state")) == {
        "expired": 1,
        "pending": 1,
    }


def test_what_was_turned_down_is_not_proposed_again_at_once(make):
    loop = make(DRY)
    loop.until("apply")
    loop.ask("reject", proposal=1)
    loop.run(80)
    rows = loop.sql("SELECT base, target, state FROM proposals ORDER BY id")
    assert rows[0][2] == "rejected"
    assert rows[0][:2] not in [row[:2] for row in rows[1:]]


def test_what_starts_from_values_of_before_is_let_go(make):
    loop = make(DRY)
    loop.until("apply")
    loop.ask("apply", moves={"workers": 10.0}, keep=True)
    loop.run(3)
    assert loop.sql("SELECT state FROM proposals WHERE id = 1") == [("superseded",)]


def test_a_rule_that_a_person_moved_rests_as_after_a_step_of_the_loop(loop):
    loop.run(2)
    loop.ask("apply", moves={"workers": 11.0}, keep=True)
    loop.answer()
    with loop.store.write() as tx:
        tx.exec_driver_sql("DELETE FROM memory")  # so that only the rows know of it
    loop.start()
    assert "it rests for" in loop.run(1)[0].seen.barred["workers"]
    assert "workers" not in loop.run(12)[-1].seen.barred


def test_a_clock_that_is_set_forth_ends_no_rest(loop):
    loop.until("keep")
    loop.ask("rollback", last=True)
    loop.answer()
    loop.ask("resume", rule="workers")
    loop.answer()
    loop.clock.wall_us += 3_600 * 1_000_000
    loop.plant.next = loop.clock.wall_us // 5_000_000
    assert "workers" in loop.run(1)[-1].seen.barred
