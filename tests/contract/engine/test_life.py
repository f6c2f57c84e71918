"""A leader's life: what it does first, what it does between cycles, and how it ends."""

import pytest

from daemon.errors import ConfigError, NotLeader
from daemon.ports import ControlsFault, Order
from daemon.tuning.windows import BLOCK_US
from tests.loop_kit import DRY, NARROW, NO_WORKERS
from tests.recording import FIRST


# ── the start ────────────────────────────────────────────────────────────────
def test_controls_are_taken_over_before_they_are_read(station):
    order = []
    real_take, real_read = station.surface.take_over, station.surface.read

    def take_over(epoch):
        order.append(("take_over", epoch))
        real_take(epoch)

    def read(rules):
        order.append(("read", station.surface.epoch))
        return real_read(rules)

    station.surface.take_over, station.surface.read = take_over, read
    station.engine.start()
    assert order[0] == ("take_over", station.lease.epoch)
    assert {epoch for _, epoch in order} == {station.lease.epoch}


def test_what_sources_have_of_before_is_taken_in_before_anything_is_judged(station):
    station.clock.sleep(600)
    station.source.page = 7
    station.engine.start()
    ((count, last),) = station.sql("SELECT count(*), max(at_us) FROM samples")
    assert count == 120 * 10
    assert last // BLOCK_US == FIRST + 119
    assert station.sql("SELECT sum(n) FROM sample_faults") == [(None,)]
    assert station.sql("SELECT count(*) FROM decisions") == [(1,)]


def test_a_source_that_says_it_has_more_and_gives_nothing_is_left(station):
    station.source.page = 0
    station.clock.sleep(60)
    before = station.clock.elapsed_us()
    station.engine.start()
    assert station.clock.elapsed_us() - before < 10_000_000
    assert station.sql("SELECT count(*) FROM decisions") == [(1,)]


def test_a_source_that_cannot_be_read_keeps_nobody_waiting(station):
    station.source.fault = "no such host"
    station.engine.start()
    assert station.sql("SELECT count(*) FROM decisions") == [(1,)]


def test_a_restart_goes_on_where_the_source_was_read_up_to(station):
    station.engine.start()
    station.go(30)
    station.again()
    assert station.source.resumed == [{"next": FIRST + 6}]
    ((total, distinct),) = station.sql(
        "SELECT count(*), count(DISTINCT signal_id * 10000000000000000 + at_us) FROM samples"
    )
    assert total == distinct == 60


def test_controls_that_do_not_answer_are_told_and_taken_over_later(station):
    real = station.surface.take_over

    def shut(epoch):
        raise ControlsFault("it starts")

    station.surface.take_over = shut
    station.engine.start()
    assert ("controls_unreadable", "surface") in station.alerts()
    station.surface.take_over = real
    station.go(5)
    assert station.surface.epoch == station.lease.epoch
    assert station.surface.values == {"batch": 50.0, "workers": 8.0}


def test_a_newer_leader_on_the_controls_ends_the_start(station):
    station.surface.epoch = 50
    with pytest.raises(NotLeader):
        station.engine.start()


def test_a_policy_that_does_not_hold_ends_the_start(station):
    station.path.write_text("rules: no")
    with pytest.raises(ConfigError):
        station.engine.start()


def test_a_leader_that_followed_a_dead_one_writes_it_down(station):
    station.engine.start()
    station.again()
    assert station.sql("SELECT count(*) FROM events WHERE kind = 'leader_lost'") == [(0,)]
    station.again(killed=True)
    query = "SELECT body ->> 'holder', body ->> 'epoch' FROM events WHERE kind = 'leader_lost'"
    assert station.sql(query) == [("station:2", 2)]


# ── the work ─────────────────────────────────────────────────────────────────
def test_a_cycle_is_due_when_a_block_is_complete_and_some_grace_has_passed(station):
    station.engine.start()
    station.go(11)
    wait_us = station.engine.due_us() - station.clock.elapsed_us()
    assert (station.clock.now_us() + wait_us) % BLOCK_US == 1_000_000
    station.clock.sleep(wait_us / 1e6 - 0.01)
    assert station.engine.due_us() > station.clock.elapsed_us()
    station.clock.sleep(0.01)
    assert station.engine.due_us() == station.clock.elapsed_us()
    station.clock.sleep(60)
    assert station.engine.due_us() == station.clock.elapsed_us()


def test_a_clock_that_was_set_back_far_makes_a_cycle_due_at_once(station):
    station.engine.start()
    station.go(30)
    station.clock.wall_us -= 3_600_000_000
    assert station.engine.due_us() == station.clock.elapsed_us()


def test_what_helps_is_kept_and_shown(station):
    station.warm()
    station.until("kept")
    assert station.surface.values["workers"] >= 9.0
    assert station.shows('daemon_changes_total{outcome="kept"} 1.0')
    assert station.shows('daemon_verdicts_total{verdict="better"} 1.0')
    assert any(
        line.startswith('daemon_last_delta{rule="workers",signal="latency"} -')
        for line in station.meters.render().decode().splitlines()
    )
    assert station.shows('daemon_mode{mode="live"} 1.0')
    ((count,),) = station.sql("SELECT count(*) FROM samples")
    assert station.shows(f'daemon_samples_ingested_total{{source="plant"}} {float(count)}')


def test_a_policy_that_was_never_calibrated_only_proposes(found):
    station = found()
    station.warm()
    station.go(10)
    status = station.engine.status()
    assert (status["mode"], station.states()) == ("dry_run", [])
    assert status["not_live"].startswith("nothing was ever calibrated; run: ")
    assert station.alerts() == [("not_green", "policy")]
    assert station.sql("SELECT state FROM proposals") == [("pending",)]


def test_between_cycles_commands_are_carried_out(station):
    station.engine.start()
    command = station.ask("pause", rule="workers")
    station.engine.between()
    assert station.told(command).state == "done"


def test_what_needs_the_core_is_answered_by_the_next_cycle(station):
    station.warm()
    station.until("observing")
    command = station.ask("confirm", change=1)
    station.engine.between()
    assert station.told(command).state == "running"
    station.go(5)
    assert station.told(command).state == "done"
    assert station.states()[0] == ("workers", "kept")


def test_samples_are_written_once_a_second_at_most_between_cycles(station):
    station.engine.start()
    station.clock.sleep(5.0)
    station.engine.between()
    ((first,),) = station.sql("SELECT count(*) FROM samples")
    station.source.next -= 1
    station.clock.sleep(0.3)
    station.engine.between()
    assert station.sql("SELECT count(*) FROM samples") == [(first,)]


def test_chores_are_done_between_cycles(station):
    station.engine.start()
    station.go(40)
    rows = dict(station.sql("SELECT name, last_status FROM chores"))
    assert rows["prune"] == "done"
    assert station.engine.status()["disk_free_bytes"] == station.free


def test_a_source_that_is_dead_is_told_until_it_is_back(station):
    station.engine.start()
    station.go(10)
    station.source.fault = "no route"
    station.go(70, 5)
    assert ("dead_source", "plant") in station.alerts()
    assert station.engine.status()["stale_sources"] == ["plant"]
    station.source.fault = None
    station.go(40, 5)
    assert station.alerts() == []


def test_samples_that_come_too_late_are_counted_and_shown(station):
    station.engine.start()
    station.go(30)
    station.source.next -= 4
    station.go(5)
    ((late,),) = station.sql("SELECT sum(n) FROM sample_faults WHERE fault = 'late'")
    assert late >= 30
    assert station.shows(f'daemon_samples_refused_total{{why="late"}} {float(late)}')


# ── the end ──────────────────────────────────────────────────────────────────
def test_it_ends_in_order_and_the_next_one_goes_on(station):
    station.warm()
    station.until("observing")
    station.engine.stop()
    assert station.source.closed
    ((why,),) = station.sql(
        "SELECT body ->> 'why' FROM events WHERE kind = 'tuning.state' ORDER BY seq DESC LIMIT 1"
    )
    assert why == "stop"
    station.again()
    station.until("kept")


def test_it_ends_though_the_database_is_away_and_says_so(station):
    station.engine.start()
    station.store.writes_left = 0
    closed = []
    station.surface.close = lambda: closed.append("controls")
    with pytest.raises(Exception, match="away"):
        station.engine.stop()
    assert closed == ["controls"]


# ── one command, without the service ─────────────────────────────────────────
def test_one_command_is_carried_out_without_a_cycle(station):
    station.engine.take_over()
    command = station.ask("rollback", rule="workers", to=5.0)
    station.engine.carry_out(command)
    assert station.told(command).state == "done"
    assert station.surface.values == {"workers": 5.0}
    assert station.sql("SELECT count(*) FROM decisions WHERE kind <> 'command'") == [(0,)]
    station.engine.carry_out(command)
    assert len(station.states()) == 1, "what is answered is not done again"
    station.engine.carry_out(4711)
    station.engine.stop()


def test_what_needs_the_core_gets_the_one_cycle_that_answers_it(station):
    station.warm()
    station.until("observing")
    station.engine.stop()
    station.lease.release()
    station.build()
    station.engine.take_over()
    command = station.ask("confirm", change=1)
    station.engine.carry_out(command)
    assert station.told(command).state == "done"
    assert station.states() == [("workers", "kept")]


# ── the policy, read again ───────────────────────────────────────────────────
def test_a_policy_that_is_the_same_changes_nothing(station):
    station.engine.start()
    assert station.engine.reload() == "the policy is as it was"


def test_a_policy_that_was_changed_holds_from_the_next_cycle_on(station):
    station.engine.start()
    station.write_policy(DRY)
    assert "gave way to" in station.engine.reload()
    station.go(6)
    assert station.engine.status()["mode"] == "dry_run"


def test_a_new_rule_is_named(found):
    station = found(*NO_WORKERS)
    station.engine.start()
    station.write_policy()
    assert station.engine.reload().endswith("; new rules: workers")
    station.go(6)
    assert station.sql("SELECT name FROM rules ORDER BY name") == [("batch",), ("workers",)]


def test_bounds_that_leave_a_value_outside_are_refused_and_change_nothing(station):
    station.engine.start()
    digest = station.engine.tuner.loaded.digest
    station.write_policy(NARROW)
    command = station.ask("reload")
    station.engine.between()
    told = station.told(command)
    assert (told.state, told.exit_code) == ("failed", ConfigError.exit_code)
    with pytest.raises(ConfigError) as refused:
        station.engine.reload()
    (problem,) = refused.value.problems
    assert problem.key == "rules.workers"
    assert problem.reason == "it stands at 8, outside of 9 to 20"
    assert problem.hint == "set it inside first: daemon ctl apply workers=VALUE --keep"
    assert station.engine.tuner.loaded.digest == digest
    assert station.sql("SELECT min_value FROM rules WHERE name = 'workers'") == [(2.0,)]


def test_a_file_that_does_not_hold_leaves_the_old_policy_in_force(station):
    station.engine.start()
    station.path.write_text("rules: [")
    with pytest.raises(ConfigError):
        station.engine.reload()
    station.go(6)
    assert station.engine.tuner.loaded.policy.rules.keys() == {"batch", "workers"}


# ── orders of an older leader ────────────────────────────────────────────────
def test_a_leader_that_was_replaced_can_write_nowhere(station):
    station.engine.start()
    epoch, old = station.lease.epoch, station.engine
    station.again(killed=True)
    station.clock.sleep(6)
    for work in (old.cycle, old.between, old.orders.begin):
        with pytest.raises(NotLeader):
            work()
    old.stop()
    with pytest.raises(ControlsFault):
        station.surface.write([Order(rule="workers", value=3.0, epoch=epoch)])
