"""Who works on a study, and who may take it on when nobody knows whether they still do."""

import pytest

from daemon.clock import MICROS
from daemon.errors import StoreUnavailable
from daemon.services.studying import asking
from daemon.services.studying.claim import StudyClaim
from daemon.services.studying.wanted import Budget, StudyBusy
from daemon.store import studies
from tests.studying_kit import row_of, run, tools, wanted
from tests.sweeping_kit import Clock, none

ELSEWHERE = "other/boot/ns/2/2"
"""A process of another machine: whether it lives cannot be seen from here."""

SMALL = {"budget": Budget(trials=8), "scheme": None}


def held(store, at_us=None):
    """A study that somebody elsewhere runs, or did."""
    run(tools(store, stop=lambda: "enough"), wanted(**SMALL))
    clock = Clock()
    with store.write() as tx:
        assert studies.take(tx, 1, ELSEWHERE, clock.now_us() if at_us is None else at_us)
    return clock


def beat(store, runner=ELSEWHERE):
    def act():
        with store.write() as tx:
            tx.exec_driver_sql(
                "UPDATE studies SET heartbeat_at_us = heartbeat_at_us + 1,"
                f" runner = {'NULL' if runner is None else repr(runner)}"
            )

    return act


def test_a_runner_that_says_nothing_more_is_gone(store):
    clock = held(store)
    assert run(tools(store, clock=clock), wanted(**SMALL)).state == "done"
    assert clock.passed_us > 15 * MICROS


def test_a_runner_that_still_says_something_keeps_its_study(store):
    clock = held(store)
    clock.sleeps = [lambda: None, beat(store)]
    with pytest.raises(StudyBusy, match="process 2 on other"):
        run(tools(store, none, clock=clock), wanted(**SMALL))
    assert clock.passed_us < 2 * MICROS


def test_a_runner_that_lets_go_meanwhile_is_followed(store):
    clock = held(store)
    clock.sleeps = [beat(store, None)]
    assert run(tools(store, clock=clock), wanted(**SMALL)).state == "done"
    assert clock.passed_us < 2 * MICROS


def test_a_runner_that_is_long_gone_is_not_waited_for(store):
    clock = held(store, at_us=1)
    assert run(tools(store, clock=clock), wanted(**SMALL)).state == "done"
    assert clock.passed_us < 2 * MICROS


def test_who_is_asked_to_end_does_not_wait_for_another(store):
    clock = held(store)
    with pytest.raises(StudyBusy):
        run(tools(store, none, clock=clock, stop=lambda: "SIGTERM"), wanted(**SMALL))
    assert row_of(store)["runner"] == ELSEWHERE


def test_a_study_whose_runner_is_silent_is_shown_as_stalled_and_cancelled_at_once(store):
    clock = held(store, at_us=1)
    assert asking.listed(store, clock).rows[0][2] == "stalled"
    assert "is cancelled" in asking.cancel(store, clock, "1")
    assert (row_of(store)["state"], row_of(store)["runner"]) == ("cancelled", None)


def test_who_runs_it_is_asked_to_stop(store):
    clock = held(store)
    assert "process 2 on other was asked to stop" in asking.cancel(store, clock, "1")
    assert row_of(store)["cancel_requested_at_us"] is not None
    shown = asking.shown(store, clock, "1")
    assert (shown["state"], shown["runner"]) == ("running", "process 2 on other")


class Away:
    """A store that nobody can reach, as long as it is told so."""

    def __init__(self, store):
        self.store, self.away = store, False
        self.dialect, self.name = store.dialect, store.name

    def read(self, *, patient=False):
        return self._door(self.store.read(patient=patient))

    def write(self, *, durable=True):
        return self._door(self.store.write(durable=durable))

    def _door(self, door):
        if self.away:
            raise StoreUnavailable("the server is away")
        return door


def test_a_store_that_is_away_for_a_minute_is_waited_for_and_no_longer(store):
    run(tools(store, stop=lambda: "enough"), wanted(**SMALL))
    clock, door = Clock(), Away(store)
    claim = StudyClaim(tools(door, clock=clock), 1)
    claim.take()
    door.away = True
    for _ in range(50):
        clock.passed_us += MICROS
        claim.pulse()
    door.away = False
    clock.passed_us += MICROS
    claim.pulse()
    assert row_of(store)["spent_s"] > 50, "what it worked meanwhile counts"
    door.away = True
    clock.passed_us += 61 * MICROS
    with pytest.raises(StoreUnavailable):
        claim.pulse()
