"""Where two things meet: an outage and a word, a freeze and a gap, a start and the past."""

from contextlib import contextmanager

import pytest

from daemon.errors import Exit, StoreUnavailable
from daemon.services.replay import replaying
from daemon.store import proposals, samples
from daemon.tuning.windows import BLOCK_US

DRY = ("dry_run: false", "dry_run: true")
WRONG = ("direction: { workers: 1 }", "direction: { workers: -1 }")
WITHOUT_WORKERS = (
    ("  workers: { init: 8, min: 2, max: 20, lr: 1 }\n", ""),
    (", direction: { workers: 1 }", ""),
)


def open_alerts(loop):
    return loop.sql("SELECT kind, key FROM alerts WHERE resolved_at_us IS NULL ORDER BY 1, 2")


def difference(loop):
    """Run what is on record again; None if it comes to the same."""
    with replaying(loop.store, None, lambda: loop.loaded, None) as replay:
        return replay.report().rerun.difference


# ── the record ───────────────────────────────────────────────────────────────
@pytest.mark.parametrize("cycles", [1, 5, 120])
def test_what_began_on_an_empty_database_can_be_run_again(loop, cycles):
    loop.run(cycles)
    loop.tuner.stop()
    assert difference(loop) is None


def late(loop):
    """Bring in samples of blocks that were judged a while ago."""
    at_us = (loop.clock.now_us() // BLOCK_US - 4) * BLOCK_US
    batch = [("latency", at_us + 10_000 * n + 777, 300.0) for n in range(300)]
    with loop.lease.write() as tx:
        return samples.ingest(tx, batch, loop.clock.now_us(), loop.tuner.seal(tx))


@pytest.mark.parametrize("how", ["restart", "outage"])
def test_what_was_judged_stays_as_it_was_judged(loop, how):
    loop.run(85)
    if how == "restart":
        loop.start()
    else:
        loop.tuner.forget()
    found = late(loop)
    assert (found.accepted, found.faults["latency"]["late"]) == (0, 300)
    loop.run(30)
    loop.tuner.stop()
    assert difference(loop) is None


def test_after_a_clock_that_was_set_back_samples_are_taken_again(loop):
    loop.run(40)
    loop.clock.wall_us -= 3_600_000_000
    loop.plant.next = loop.clock.wall_us // BLOCK_US
    loop.start()
    loop.run(3)
    batch = [("latency", loop.clock.now_us() - 100_000, 120.0)]
    with loop.lease.write() as tx:
        found = samples.ingest(tx, batch, loop.clock.now_us(), loop.tuner.seal(tx))
    assert found.accepted == 1


def test_a_rule_of_no_policy_that_is_taken_back_keeps_its_chain_of_values(loop, tmp_path):
    from tests.recording import adopt, loaded_policy  # noqa: PLC0415

    loop.until("apply")
    loop.loaded = loaded_policy(tmp_path, *WITHOUT_WORKERS)
    adopt(loop.store, loop.loaded)
    loop.tuner.govern(loop.loaded)
    loop.run(3)
    rows = loop.sql("SELECT old, new FROM rule_history WHERE rule = 'workers' ORDER BY seq")
    assert rows == [(None, 8.0), (8.0, 9.0), (9.0, 8.0)]


# ── nothing may be changed ───────────────────────────────────────────────────
def test_a_missing_value_is_not_published_while_nothing_may_be_changed(loop):
    loop.ask("kill")
    loop.answer()
    loop.run(3)
    assert not loop.surface.written
    loop.ask("unkill")
    loop.answer()
    loop.surface.hold = "deploying"
    loop.run(2)
    assert not loop.surface.written
    loop.surface.hold = None
    loop.ask("pause", rule="workers")
    loop.answer()
    loop.run(2)
    assert [order.rule for order in loop.surface.written] == ["batch"]


def test_a_rollback_goes_on_while_nothing_may_be_changed(make):
    loop = make(WRONG)
    loop.until("apply")
    loop.surface.fault = "refuse"
    loop.ask("kill")
    loop.answer()
    loop.surface.fault, loop.surface.hold = None, "deploying"
    loop.run(1)
    assert loop.surface.values["workers"] == 8.0


# ── alerts that are over ─────────────────────────────────────────────────────
@pytest.mark.parametrize("end", ["done", "person"])
def test_a_rollback_that_was_stuck_calls_nobody_once_it_is_over(make, end):
    loop = make(WRONG)
    loop.until("apply")
    loop.surface.fault = "refuse"
    loop.ask("rollback", change=1)
    loop.answer()
    assert open_alerts(loop) == [("stuck_rollback", "1")]
    loop.surface.fault = None
    if end == "person":
        loop.surface.edit("workers", 12.0)
    loop.run(3)
    assert ("stuck_rollback", "1") not in open_alerts(loop)


def test_a_rule_that_a_rollback_takes_from_a_person_is_nobodys_business_any_more(loop):
    loop.run(2)
    loop.surface.edit("workers", 15.0)
    loop.run(2)
    assert open_alerts(loop) == [("foreign_rule", "workers")]
    loop.ask("rollback", rule="workers", to=9.0)
    loop.answer()
    assert not open_alerts(loop)


def test_a_policy_that_wants_no_live_mode_any_more_asks_for_no_calibration(make, tmp_path):
    from tests.recording import adopt, loaded_policy  # noqa: PLC0415

    loop = make()
    loop.watch.not_live = "nothing was ever calibrated"
    loop.tuner.govern(loop.loaded)
    loop.run(1)
    assert open_alerts(loop) == [("not_green", "policy")]
    dry = loaded_policy(tmp_path, DRY)
    adopt(loop.store, dry)
    loop.tuner.govern(dry)
    loop.run(1)
    assert not open_alerts(loop)


# ── a person's word ──────────────────────────────────────────────────────────
def test_a_step_that_was_made_when_the_database_went_away_is_not_called_refused(make):
    loop = make(DRY)
    loop.run(60)
    command = loop.ask("apply", moves={"workers": 9.0})
    loop.answer()
    with losing_what_follows_a_write(loop), pytest.raises(StoreUnavailable):
        loop.run(1)
    loop.run(3)
    told = loop.told(command)
    assert (told.state, told.exit_code) == ("failed", Exit.FAILED)
    assert "daemon ctl status" in told.result["text"]
    assert loop.surface.values["workers"] == 9.0
    assert loop.sql("SELECT state FROM changes") == [("observing",)], "asked once, made once"


@contextmanager
def losing_what_follows_a_write(loop):
    """Let the database go away for the transaction after the controls were set."""
    carry_out, write = loop.hands.board.carry_out, loop.lease.write
    written = []

    def set_values(orders):
        outcomes = carry_out(orders)
        written.append(orders)
        return outcomes

    @contextmanager
    def gone_once(**how):
        if written:
            raise StoreUnavailable("the database is away")
        with write(**how) as tx:
            yield tx

    loop.hands.board.carry_out, loop.lease.write = set_values, gone_once
    try:
        yield
    finally:
        loop.hands.board.carry_out, loop.lease.write = carry_out, write


def test_a_proposal_that_is_set_unjudged_is_done_with(make):
    loop = make(DRY)
    loop.until("apply")
    loop.ask("apply", proposal=1, keep=True)
    loop.answer()
    with loop.store.read() as view:
        found = proposals.get(view, 1)
    assert (found.state, loop.surface.values["workers"]) == ("applied", 9.0)


@pytest.mark.parametrize("args", [{"moves": None}, {"moves": [1]}, {"moves": {"workers": "x"}}, {}])
def test_a_command_that_cannot_be_read_harms_nobody(loop, args):
    command = loop.ask("apply", **args)
    loop.answer()
    assert (loop.told(command).state, loop.told(command).exit_code) == ("failed", Exit.USAGE)
    assert loop.run(1)


def test_the_kill_switch_does_not_stand_in_line(loop):
    loop.until("apply")
    for _ in range(60):
        loop.ask("apply", moves={"batch": 55.0})
    killed = loop.ask("kill")
    loop.answer()
    assert loop.told(killed).state == "done"
    assert loop.surface.values["workers"] == 8.0


def test_a_rollback_goes_by_what_the_controls_hold_and_not_by_the_rows_alone(loop):
    loop.until("keep")
    loop.surface.values["workers"] = 13.0
    loop.surface.stamps["workers"] = (13.0, 1, 1)
    loop.run(1)
    command = loop.ask("rollback", rule="workers", to=9.0)
    loop.answer()
    assert loop.told(command).exit_code == Exit.DONE
    assert loop.surface.values["workers"] == 9.0
    assert not open_alerts(loop), "what was set from here is consistent again"
