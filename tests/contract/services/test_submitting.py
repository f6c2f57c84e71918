"""What was handed in is run one after the other, begun again where it died, ended when asked to."""

import os
import signal
import sys
import time
from dataclasses import dataclass, field

import pytest

from daemon.services.duties.child import born
from daemon.services.duties.children import Launch
from daemon.services.submitting.queue import (
    GRACE_S,
    HEED_S,
    LOOK_S,
    PAUSE_MAX_S,
    PAUSE_S,
    RUN_S_MAX,
    TRIES_MAX,
    Queue,
)
from daemon.store import studies, submissions
from daemon.store.studies import NewStudy
from daemon.store.submissions import NewSubmission
from tests.children_kit import DEAF, WAIT, Waiting, is_alive
from tests.contract.lease_kit import lease
from tests.contract.rows import T0
from tests.watch_kit import eventually

FINE = "print('all is well')"


def ends(code, said="error: so it is"):
    return f"import sys; print('before'); print({said!r}); sys.exit({code})"


@dataclass
class Office:
    """A leader with a queue; what is run are scripts."""

    store: object
    clock: Waiting = field(default_factory=Waiting)
    free: bool = True
    opened: list = field(default_factory=list)

    def __post_init__(self):
        self.leader = lease(self.store, clock=self.clock)
        self.leader.acquire()

    def open(self, script, boot_id="this boot", program=sys.executable):
        launch = Launch(argv=[program, "-c", script], environ=os.environ, boot_id=boot_id)
        self.queue = Queue(launch, self.leader, self.clock, lambda: self.free)
        self.opened.append(self.queue)
        self.queue.begin()
        return self.queue

    def file(self, priority=0, name="night"):
        new = NewSubmission(name=name, body={}, priority=priority, asked_at_us=T0)
        with self.store.write() as tx:
            return submissions.file(tx, new)

    def get(self, number):
        with self.store.read() as view:
            return submissions.get(view, number)

    def go(self, seconds=LOOK_S):
        self.clock.turn(seconds)
        self.queue.tick()

    def until_ended(self):
        def ended():
            self.go()
            return self.queue.running is None

        eventually(ended)

    def run(self, number):
        """Run it once more, however long it is to be left alone before."""
        self.clock.turn(1e5)
        self.queue.tick()
        assert self.queue.running == number
        self.until_ended()
        return self.get(number)

    def cancel(self, number):
        with self.store.write() as tx:
            submissions.request_cancel(tx, number, self.clock.now_us())

    def study(self, number, state="running"):
        new = NewStudy(
            identity="n" * 64,
            name="night",
            spec={},
            data_digest="d" * 64,
            data_rows=10,
            engine_version="1",
            sampler="random",
            seed=0,
            folds=1,
            trials_total=5,
            created_at_us=T0,
            state=state,
        )
        with self.store.write() as tx:
            study = studies.found_or_made(tx, new)[0]
            submissions.named(tx, number, study.id)
        return study.id


@pytest.fixture
def office(store):
    made = Office(store)
    yield made
    for queue in made.opened:
        queue.close(0.0)


def pid(office, number):
    return office.get(number).child["pid"]


# ── one after the other ──────────────────────────────────────────────────────
def test_the_most_important_is_run_first_and_one_at_a_time(office):
    office.open(FINE)
    low, high = office.file(), office.file(priority=5)
    office.go()
    assert office.queue.running == high
    office.until_ended()
    assert (office.get(high).state, office.get(high).exit_code) == ("done", 0)
    assert office.get(low).state == "queued"
    office.go()
    office.until_ended()
    assert (office.get(low).state, office.get(low).note) == ("done", None)


def test_none_is_begun_while_something_else_runs(office):
    office.open(FINE)
    number = office.file()
    office.free = False
    office.go()
    assert office.queue.running is None
    office.free = True
    office.go()
    assert office.queue.running == number


def test_a_child_has_low_priority_and_is_on_record(office):
    office.open(WAIT)
    number = office.file()
    office.go()
    child = office.get(number).child
    assert child["boot_id"] == "this boot"
    assert child["born"] == born(child["pid"])
    assert os.getpriority(os.PRIO_PROCESS, child["pid"]) == 15


# ── what goes wrong ──────────────────────────────────────────────────────────
@pytest.mark.parametrize("code", [1, 2, 78])
def test_what_does_not_hold_has_failed_and_says_why(office, code):
    office.open(ends(code))
    found = office.run(office.file())
    assert (found.state, found.exit_code) == ("failed", code)
    assert found.note == f"it ended with {code}: error: so it is"


@pytest.mark.parametrize("script", [ends(8), ends(74), "import os; os.kill(os.getpid(), 9)"])
def test_what_may_come_out_better_is_begun_again_after_a_pause_but_not_for_ever(office, script):
    office.open(script)
    number = office.file()
    pauses = []
    for attempt in range(1, TRIES_MAX):
        found = office.run(number)
        assert (found.state, found.tries, found.ended_at_us) == ("stopped", attempt, None)
        pauses.append(round((found.again_at_us - office.clock.now_us()) / 1e6))
        office.go()
        assert office.queue.running is None, "it is left alone for a while"
    assert pauses == [min(PAUSE_MAX_S, PAUSE_S * 2**n) for n in range(TRIES_MAX - 1)]
    found = office.run(number)
    assert (found.state, found.tries) == ("failed", TRIES_MAX)
    assert "never came to its end" in found.note


def test_a_program_that_is_not_there_is_said(office):
    office.open(FINE, program="/nowhere/at/all")
    number = office.file()
    office.go()
    found = office.get(number)
    assert (found.state, found.tries) == ("stopped", 1)
    assert "cannot be started" in found.note


def test_what_takes_too_long_is_ended(office):
    office.open(WAIT)
    number = office.file()
    office.go()
    office.go(RUN_S_MAX + 1)
    office.until_ended()
    found = office.get(number)
    assert found.state == "failed"
    assert "took longer" in found.note


# ── ended by a person ────────────────────────────────────────────────────────
def test_what_has_no_study_yet_is_ended_at_once(office):
    office.open(WAIT)
    number = office.file()
    office.go()
    child = pid(office, number)
    office.cancel(number)
    office.go()
    office.until_ended()
    assert (office.get(number).state, office.get(number).note) == ("cancelled", "it was cancelled")
    assert not is_alive(child)


def test_a_study_may_hear_it_first_and_is_cancelled_as_well(office, store):
    office.open(WAIT)
    number = office.file()
    office.go()
    study = office.study(number, state="stopped")
    office.cancel(number)
    office.go()
    assert office.queue._run.asked_us is None
    office.go(HEED_S)
    office.until_ended()
    assert office.get(number).state == "cancelled"
    with store.read() as view:
        assert studies.get(view, study).state == "cancelled"


def test_who_does_not_hear_is_killed(office):
    office.open(DEAF)
    number = office.file()
    office.go()
    eventually(lambda: office.queue._run.child.tail)
    office.cancel(number)
    office.go()
    office.go(GRACE_S)
    office.until_ended()
    assert office.get(number).state == "cancelled"


def test_a_study_that_was_cancelled_elsewhere_is_not_begun_again(office):
    office.open(f"import time; time.sleep(0.3); {ends(1)}")
    number = office.file()
    office.go()
    office.study(number, state="cancelled")
    office.until_ended()
    assert office.get(number).state == "cancelled"


# ── the daemon ends ──────────────────────────────────────────────────────────
def test_a_daemon_that_stops_ends_its_child_and_the_try_does_not_count(office):
    office.open(WAIT)
    number = office.file()
    office.go()
    child = pid(office, number)
    office.queue.ask_to_end()
    office.queue.close()
    found = office.get(number)
    assert (found.state, found.tries, found.again_at_us) == ("stopped", 0, None)
    assert not is_alive(child)
    assert office.queue.running is None


def test_what_a_killed_daemon_left_running_is_ended_and_begun_again(office):
    office.open(WAIT)
    number = office.file()
    office.go()
    child = pid(office, number)
    office.open(FINE)
    eventually(lambda: not is_alive(child) or office.opened[0]._run.child.ended())
    found = office.get(number)
    assert (found.state, found.tries) == ("stopped", 1)
    assert office.run(number).state == "done"


def test_a_process_of_another_boot_is_left_alone(office):
    office.open(WAIT)
    number = office.file()
    office.go()
    child = pid(office, number)
    office.open(FINE, boot_id="another boot")
    time.sleep(0.1)
    assert is_alive(child)
    assert office.get(number).state == "stopped"
    os.kill(child, signal.SIGKILL)


def test_what_was_to_end_when_the_daemon_died_is_cancelled(office):
    office.open(WAIT)
    number = office.file()
    office.go()
    office.cancel(number)
    office.open(FINE)
    assert office.get(number).state == "cancelled"
