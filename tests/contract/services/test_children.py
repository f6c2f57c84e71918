"""Scheduled commands, as real processes: started when due, told, bounded, and surely ended."""

import os
import signal
from functools import partial

import pytest
import structlog

from daemon.clock import MICROS
from daemon.services.duties.child import LINES_MAX, NICENESS
from daemon.services.duties.children import Launch
from tests.children_kit import DAY, DEAF, FAMILY, HOUR, WAIT, Nursery, is_alive, job, said
from tests.contract.rows import T0
from tests.watch_kit import eventually


@pytest.fixture
def store(memory_backend):
    """What is decided here is the same on every database."""
    with memory_backend.opened() as opened:
        yield opened


@pytest.fixture
def nursery(store):
    made = Nursery(store)
    with structlog.testing.capture_logs() as made.log:
        yield made
    for children in made.opened:
        children.close(0)


# ── one run ──────────────────────────────────────────────────────────────────
def test_a_command_runs_when_it_is_due_and_is_written_down(nursery):
    nursery.open(job("print('one'); print('two')"))
    nursery.go(HOUR - 1)
    assert nursery.children.running == []
    nursery.go(1)
    nursery.until_ended()
    assert said(nursery) == ["one", "two"]
    row = nursery.row()
    assert row["last_status"] == "done"
    assert row["last_due_us"] == T0 + HOUR * MICROS
    assert row["next_due_us"] == T0 + 2 * HOUR * MICROS
    assert nursery.events() == [("night", "done")]
    assert nursery.calls.standing == {}
    nursery.go(HOUR - 1)
    assert nursery.children.running == []


def test_it_runs_at_low_priority_in_a_group_of_its_own_and_knows_nothing_of_systemd(nursery):
    script = (
        "import os, time; time.sleep(0.2); print(os.getpgid(0) == os.getpid());"
        " print(os.nice(0)); print('NOTIFY_SOCKET' in os.environ)"
    )
    nursery.open(job(script))
    nursery.go(HOUR)
    nursery.until_ended()
    assert said(nursery) == ["True", str(min(19, os.nice(0) + NICENESS)), "False"]


def test_a_failure_is_told_with_its_last_words_and_a_success_ends_it(nursery):
    nursery.open(
        job("import sys; print('the file is missing', file=sys.stderr); sys.exit(2)"),
    )
    nursery.go(HOUR)
    nursery.until_ended()
    severity, text, body = nursery.calls.standing["scheduled_failed", "night"]
    assert severity == "warn"
    assert text.endswith("of the schedule (night): it ended with 2.")
    assert body["last_lines"] == ["the file is missing"]
    assert nursery.row()["last_status"] == "failed"
    nursery.open(job("pass"))
    nursery.go(HOUR)
    nursery.until_ended()
    assert nursery.calls.standing == {}
    assert nursery.events() == [("night", "failed"), ("night", "done")]


def test_a_signal_is_told_by_its_number(nursery):
    nursery.open(job("import os, signal; os.kill(0, signal.SIGKILL)"))
    nursery.go(HOUR)
    nursery.until_ended()
    assert "ended by signal 9" in nursery.calls.standing["scheduled_failed", "night"][1]


def test_a_program_that_is_not_there_is_a_failure(nursery):
    nursery.open(job("pass"))
    nursery.children._launch = Launch(argv=["/no/such/program"])
    nursery.go(HOUR)
    assert nursery.children.running == []
    assert (
        "cannot be started: No such file" in nursery.calls.standing["scheduled_failed", "night"][1]
    )


def test_output_without_end_is_counted(nursery):
    nursery.open(job(f"print('x\\n' * {LINES_MAX + 5})"))
    nursery.go(HOUR)
    nursery.until_ended()
    assert len(said(nursery)) == LINES_MAX
    assert {"child": "night", "lines": 5, "event": "child_output_left_out"}.items() <= next(
        line.items() for line in nursery.log if line["event"] == "child_output_left_out"
    )


# ── ended ────────────────────────────────────────────────────────────────────
def test_at_its_time_out_it_is_asked_to_end(nursery):
    nursery.open(job(WAIT, timeout_s=100))
    nursery.go(HOUR)
    eventually(lambda: said(nursery))
    nursery.go(99)
    assert nursery.children.running == ["night"]
    nursery.go(1)
    nursery.until_ended()
    assert nursery.row()["last_status"] == "killed"
    assert "it was stopped: it ran for 100 s" in nursery.row()["detail"]["reason"]


def test_what_does_not_listen_is_killed(nursery):
    nursery.open(job(DEAF, timeout_s=100))
    nursery.go(HOUR)
    eventually(lambda: said(nursery))
    nursery.go(100)
    nursery.go(9)
    assert nursery.children.running == ["night"]
    nursery.go(1)
    nursery.until_ended()
    assert nursery.row()["detail"]["exit_code"] == -signal.SIGKILL


def test_at_the_end_of_its_window_it_ends_whatever_the_wall_clock_says(nursery):
    nursery.open(job(WAIT, when="0 9 * * *", window="08:30-09:30"))
    nursery.go(HOUR)
    nursery.clock.step_wall(365 * DAY)
    nursery.go(0)
    assert nursery.children.running == ["night"]
    nursery.go(HOUR / 2)
    nursery.until_ended()
    assert "its window has closed" in nursery.row()["detail"]["reason"]


def test_what_it_started_ends_with_it(nursery):
    nursery.open(job(FAMILY, timeout_s=100))
    nursery.go(HOUR)
    eventually(lambda: said(nursery))
    grandchild = int(said(nursery)[0])
    assert is_alive(grandchild)
    nursery.go(100)
    nursery.until_ended()
    eventually(lambda: not is_alive(grandchild))


def test_what_it_left_running_ends_with_it(nursery):
    nursery.open(
        job(FAMILY.replace("time.sleep(60)", "pass", 2).replace("pass'", "time.sleep(60)'"))
    )
    nursery.go(HOUR)
    nursery.until_ended()
    grandchild = int(said(nursery)[0])
    eventually(lambda: not is_alive(grandchild))
    assert nursery.row()["last_status"] == "done"


@pytest.mark.parametrize("script", [WAIT, DEAF])
def test_when_the_daemon_stops_everything_ends(nursery, script):
    nursery.open(job(script))
    nursery.go(HOUR)
    eventually(lambda: said(nursery))
    pid = nursery.row()["detail"]["pid"]
    nursery.children.close(0.2)
    assert not is_alive(pid)


def test_what_could_not_begin_in_its_window_is_left_out_and_said(nursery):
    nursery.open(
        job(WAIT, "long", "0 9 * * *", priority=9),
        job("pass", "short", "0 9 * * *", window="08:30-09:30"),
    )
    nursery.go(HOUR)
    nursery.go(HOUR)
    assert nursery.children.running == ["long"]
    assert nursery.row("short")["last_status"] == "missed"
    assert nursery.row("short")["next_due_us"] == T0 + (DAY + HOUR) * MICROS
    assert nursery.children.next_us() == dict.fromkeys(
        ("long", "short"), T0 + (DAY + HOUR) * MICROS
    )


# ── several ──────────────────────────────────────────────────────────────────
def test_one_at_a_time_the_most_important_first(nursery):
    nursery.open(
        job(WAIT, "low", priority=1, timeout_s=50),
        job(WAIT, "high", priority=9, timeout_s=50),
        job(WAIT, "middle", priority=5, timeout_s=50),
    )
    nursery.go(HOUR)
    for name, then in (("high", ["middle"]), ("middle", ["low"]), ("low", [])):
        assert nursery.children.running == [name]
        nursery.go(50)
        eventually(partial(nursery.runs, then))


def test_as_many_at_once_as_one_allows_and_never_two_of_the_same(nursery):
    nursery.open(
        job(WAIT, "a", "*/10 * * * *"), job(WAIT, "b", "*/10 * * * *"), job(WAIT, "c"), at_once=2
    )
    for _ in range(12):
        nursery.go(600)
    assert sorted(nursery.children.running) == ["a", "b"]


@pytest.mark.parametrize("step_s", [HOUR, -HOUR, 365 * DAY, -365 * DAY])
def test_a_clock_that_is_set_starts_one_at_most(nursery, step_s):
    nursery.open(job("pass"))
    nursery.go(HOUR)
    nursery.until_ended()
    nursery.clock.step_wall(step_s)
    for _ in range(5):
        nursery.go(1)
        nursery.until_ended()
    assert len(nursery.events()) <= 2
    for _ in range(4):
        nursery.go(HOUR)
        nursery.until_ended()
    assert 3 <= len(nursery.events()) <= 7
