"""What is on record, asked for by a person, down to names that are misspelt."""

from contextlib import closing

import pytest

from daemon.clock import SystemClock, iso
from daemon.errors import Exit
from daemon.services.asking.inquiry import Inquiry, NothingToDo
from daemon.services.asking.inquiry_rows import ASKED, UnknownName
from daemon.store import freezes, history
from daemon.store.lease import Lease
from daemon.store.store import Store
from daemon.tuning.windows import BLOCK_US
from tests.inquiry_kit import StandingClock, fill, recorded, records, remember
from tests.recording import loaded_policy
from tests.shelf import in_memory

CYCLES = 54
"""One change is kept and another one is being watched."""


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A recorded run, which stays as it is, and whoever asks about it."""
    with in_memory() as store:
        _, clock = recorded(store, tmp_path_factory.mktemp("run"), CYCLES)
        yield Inquiry(store, clock)


@pytest.fixture
def store():
    """An empty database."""
    with in_memory() as opened:
        yield opened


# ── get and history ──────────────────────────────────────────────────────────
@pytest.mark.parametrize("what", [*ASKED, "history"])
def test_a_person_is_shown_some_of_the_columns(asked, what):
    table = asked.rows(what)
    shown = table.shown()
    assert set(shown.columns) <= set(table.columns)
    assert len(shown.rows) == len(table.rows)
    assert all(len(row) == len(shown.columns) for row in shown.rows)


def test_names_numbers_moments_and_limits_choose(asked):
    assert [row["id"] for row in records(asked.rows("changes", "kept"))] == [1]
    assert [row["id"] for row in records(asked.rows("changes", "2"))] == [2]
    assert [row["id"] for row in records(asked.rows("changes", "workers"))] == [2, 1]
    kinds = {row["kind"] for row in records(asked.rows("decisions", "apply"))}
    assert kinds == {"apply"}
    newest = asked.rows("decisions", limit=2)
    assert (len(newest.rows), newest.more) == (2, True)
    last = asked.rows("changes", since_us=asked.clock.now_us() - 60_000_000)
    assert [row["id"] for row in records(last)] == [2]
    assert not asked.rows("changes", limit=2).more
    (rule,) = records(asked.rows("rules", "workers"))
    assert rule["step"] == 1
    assert rule["cooldown_until_at"] is not None
    (signal,) = records(asked.rows("signals", "latency"))
    assert signal["rate_hz"] == 1.0
    assert asked.rows("alerts", "crit").rows == []
    assert asked.rows("history", "batch").rows == []


@pytest.mark.parametrize(
    ("what", "name", "hint"),
    [
        ("rules", "wrokers", "did you mean workers?"),
        ("rules", "zzz", "there are: batch, workers"),
        ("signals", "latencies", "did you mean latency?"),
        ("history", "bacth", "did you mean batch?"),
        ("changes", "99", "see them all: daemon ctl get changes"),
    ],
)
def test_a_name_that_nothing_has_is_refused_with_the_nearest(asked, what, name, hint):
    with pytest.raises(UnknownName) as caught:
        asked.rows(what, name)
    assert caught.value.exit_code == Exit.USAGE
    assert caught.value.hint == hint


def test_on_an_empty_database_there_is_no_nearest_name(store):
    with pytest.raises(UnknownName, match="no rule 'workers'") as caught:
        Inquiry(store, StandingClock(0)).rows("rules", "workers")
    assert "records them when it runs" in caught.value.hint
    assert Inquiry(store, StandingClock(0)).rows("changes").rows == []


@pytest.mark.parametrize(
    ("freeze", "state"),
    [
        ({}, "in_force"),
        ({"starts_at_us": 1_000_000, "ends_at_us": 2_000_000}, "over"),
        ({"starts_at_us": 9_000_000_000_000_000}, "coming"),
        ({"cron": "* * * * *", "duration_s": 60.0}, "in_force"),
        ({"cron": "0 0 1 1 *", "duration_s": 60.0}, "coming"),
        ({"cron": "at noon", "duration_s": 60.0}, "in_force"),
    ],
)
def test_a_freeze_says_whether_it_holds(store, freeze, state):
    now_us = 1_795_255_200_000_000
    asked = Inquiry(store, StandingClock(now_us))
    given = {"reason": "x", "owner": "ann", "starts_at_us": now_us, "created_at_us": now_us}
    with asked.store.write() as tx:
        number = freezes.add(tx, freezes.NewFreeze(**{**given, **freeze}))
    (row,) = records(asked.rows("freezes"))
    assert (row["state"], row["rule"]) == (state, "*")
    with asked.store.write() as tx:
        freezes.remove(tx, number, "bob", now_us)
    (row,) = records(asked.rows("freezes"))
    assert (row["state"], row["removed_by"]) == ("removed", "bob")


def test_a_proposal_whose_time_is_over_is_expired_before_anybody_says_so(store):
    asked = Inquiry(store, StandingClock(1_795_255_200_000_000))
    fill(store, asked.clock.now_us())
    assert records(asked.rows("proposals"))[0]["state"] == "stale"  # there are no such rules
    asked.clock.sleep(6)
    assert records(asked.rows("proposals"))[0]["state"] == "expired"
    assert asked.status().proposals == []


# ── rollback, shown beforehand ───────────────────────────────────────────────
@pytest.mark.parametrize(
    ("args", "returns"),
    [
        ({"change": 2}, [("workers", 10.0, 9.0, 2, "observing")]),
        ({"last": True}, [("workers", 10.0, 9.0, 2, "observing")]),
        ({"all": True}, [("workers", 10.0, 9.0, 2, "observing")]),
        ({"lkg": True}, [("workers", 10.0, 9.0, 2, "observing")]),
        ({"rule": "workers"}, [("workers", 10.0, 9.0, 2, "observing")]),
        (
            {"rule": "workers", "to": 4.0},
            [("workers", 10.0, 9.0, 2, "observing"), ("workers", 10.0, 4.0, None, "kept")],
        ),
        ({"rule": "batch", "to": 45.0}, [("batch", 50.0, 45.0, None, "kept")]),
        ({"rule": "batch"}, []),
    ],
)
def test_a_rollback_is_shown_before_it_is_done(asked, args, returns):
    found, nothing = asked.rollback(args)
    seen = [(one.rule, one.now, one.back_to, one.change_id, one.state) for one in found]
    assert seen == returns
    assert nothing
    assert records(asked.rows("changes", "2"))[0]["state"] == "observing"


@pytest.mark.parametrize(
    ("args", "code"), [({"change": 99}, Exit.USAGE), ({"rule": "batch", "rev": 1}, Exit.USAGE)]
)
def test_a_rollback_of_what_is_not_there_is_refused(asked, args, code):
    with pytest.raises(NothingToDo) as caught:
        asked.rollback(args)
    assert caught.value.exit_code == code


def test_values_in_force_are_those_of_the_rules_asked_for(asked):
    assert asked.values(["workers"]) == {"workers": 10.0}
    with pytest.raises(UnknownName):
        asked.values(["workers", "nope"])


# ── status ───────────────────────────────────────────────────────────────────
def test_where_nobody_ever_led_it_does_not_run(asked):
    found = asked.status()
    assert (found.running, found.exit_code, found.leader) == (False, Exit.NOT_RUNNING, None)
    assert found.next_cycle_us is None
    assert found.mode == "live"
    assert found.last["explanation"].startswith("Nothing is changed")


def test_on_an_empty_database_there_is_little_to_say(store):
    found = Inquiry(store, StandingClock(0)).status()
    assert (found.running, found.last, found.mode, found.score) == (False, None, None, None)


@pytest.fixture
def led(store, tmp_path):
    """A recorded run that goes on under a leader."""
    run, clock = recorded(store, tmp_path, CYCLES)
    lease = Lease(store, "tests:1:a", clock)
    assert lease.acquire() == 1
    inquiry = Inquiry(store, clock)
    inquiry.run, inquiry.lease = run, lease
    return inquiry


def test_what_held_the_last_cycle_is_told_while_it_runs(led):
    led.run.held = "HOLD: maintenance"
    led.run.run(1)
    assert [one["words"] for one in led.status().held] == ["HOLD: maintenance"]
    led.lease.release()
    assert led.status().held == []


def test_why_nothing_was_changed_names_what_held_it_then(led):
    led.run.run(130)  # until nothing is open
    led.run.held = "HOLD: maintenance"
    led.run.run(20)  # until it looks for a step
    led.run.held = None
    led.run.run(1)
    with led.store.read() as view:
        found = history.read(view, "decisions", after=0)
    held = next(row for row in found if row["reason"] == "held")
    assert "What holds them: HOLD: maintenance." in led.explain(f"d{held['seq']}").told


def test_a_loop_that_waits_for_approval_says_so(led, tmp_path):
    assert not led.status().approval
    for word in ("false", "true"):
        wanted = ("dry_run: false", f"dry_run: {word}, approval: required")
        led.run.switch(loaded_policy(tmp_path, wanted))
        remember(led.run)
        assert led.status().approval == (word == "false")


def test_an_idle_loop_says_when_it_looks_next(led):
    led.run.run(130)
    remember(led.run)
    led.clock.at_us = led.run.block * BLOCK_US
    led.lease.beat()
    found = led.status()
    assert found.phase == "idle"
    assert found.open == []
    assert found.next_look_us > led.clock.now_us()


def test_one_that_let_go_does_not_run(led):
    led.lease.release()
    found = led.status()
    assert (found.running, found.exit_code) == (False, Exit.NOT_RUNNING)
    assert found.leader["released"]


def test_cycles_that_stay_away_are_trouble(led):
    led.clock.sleep(120)
    led.lease.beat()
    found = led.status()
    assert found.running
    assert f"no cycle came to an end since {iso(led.run.block * BLOCK_US)[:19]}" in found.trouble
    assert found.exit_code == Exit.UNKNOWN


def test_one_that_just_began_is_not_late(led):
    led.lease.release()
    led.clock.sleep(600)
    assert led.lease.acquire() == 2
    assert led.status().trouble is None


def test_a_database_that_cannot_be_asked_is_no_answer(tmp_path):
    with closing(Store.open(f"sqlite:///{tmp_path / 'none' / 'none.db'}")) as store:
        found = Inquiry(store, SystemClock()).status()
    assert (found.running, found.exit_code) == (None, Exit.UNKNOWN)
    assert "none.db" in found.trouble
