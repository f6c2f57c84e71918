"""What programs hand in: kept, taken by priority and age, tried so often, ended; everywhere."""

from dataclasses import replace

import pytest

from daemon.clock import MICROS
from daemon.store import studies, submissions
from daemon.store.studies import NewStudy
from daemon.store.submissions import Ending, NewSubmission
from tests.contract.rows import T0

ASKED = NewSubmission(name="night", body={"space": {}}, priority=0, asked_at_us=T0)


def file(store, **changed):
    with store.write() as tx:
        return submissions.file(tx, replace(ASKED, **changed))


def get(store, number):
    with store.read() as view:
        return submissions.get(view, number)


def due(store, now_us=T0):
    with store.read() as view:
        found = submissions.due(view, now_us)
    return None if found is None else found.id


def take(store, number):
    with store.write() as tx:
        return submissions.take(tx, number, T0 + 1)


def settle(store, number, state, at_us=T0 + 2, **how):
    with store.write() as tx:
        return submissions.settle(tx, number, Ending(state=state, **how), at_us)


def cancel(store, number):
    with store.write() as tx:
        submissions.request_cancel(tx, number, T0 + 3)


def test_what_was_asked_is_read_back_as_it_was_written(store):
    number = file(store, body={"space": {"a": [1, 2.5, None]}}, priority=7)
    found = get(store, number)
    assert found.body == {"space": {"a": [1, 2.5, None]}}
    assert (found.state, found.priority, found.tries, found.asked_at_us) == ("queued", 7, 0, T0)
    assert (found.started_at_us, found.ended_at_us, found.study_id, found.child) == (None,) * 4
    assert get(store, number + 1) is None


def test_the_most_important_goes_first_and_of_those_the_oldest(store):
    low, high, later = file(store), file(store, priority=9), file(store, priority=9)
    with store.read() as view:
        ahead = [submissions.ahead(view, submissions.get(view, n)) for n in (low, high, later)]
        assert [one.id for one in submissions.listed(view, 2)] == [later, high]
    assert ahead == [2, 0, 1]
    order = []
    while (number := due(store)) is not None:
        order.append(number)
        assert take(store, number)
    assert order == [high, later, low]


def test_what_is_taken_cannot_be_taken_again_until_its_try_has_ended(store):
    number = file(store)
    assert take(store, number)
    assert not take(store, number)
    with store.write() as tx:
        submissions.run_by(tx, number, {"pid": 7})
    with store.read() as view:
        assert [one.child for one in submissions.running(view)] == [{"pid": 7}]
    assert settle(store, number, "stopped", note="why", again_at_us=T0 + MICROS)
    found = get(store, number)
    assert (found.state, found.note, found.tries, found.child) == ("stopped", "why", 1, None)
    assert due(store, T0 + MICROS - 1) is None
    assert due(store, T0 + MICROS) == number
    assert take(store, number)
    assert (get(store, number).tries, get(store, number).started_at_us) == (2, T0 + 1)


def test_a_try_that_does_not_count_is_not_counted(store):
    number = file(store)
    take(store, number)
    assert settle(store, number, "stopped", counted=False)
    assert get(store, number).tries == 0


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_what_has_ended_stays_as_it_is(store, state):
    number = file(store)
    assert not settle(store, number, state), "nobody runs it"
    take(store, number)
    assert settle(store, number, state, exit_code=1)
    found = get(store, number)
    assert (found.state, found.ended_at_us, found.exit_code) == (state, T0 + 2, 1)
    assert not settle(store, number, "stopped")
    assert not take(store, number)
    cancel(store, number)
    assert get(store, number) == found
    assert due(store) is None


def test_what_waits_is_cancelled_at_once_and_what_runs_is_asked_to_end(store):
    waits, runs = file(store), file(store)
    take(store, runs)
    cancel(store, waits)
    cancel(store, runs)
    assert (get(store, waits).state, get(store, waits).ended_at_us) == ("cancelled", T0 + 3)
    assert (get(store, runs).state, get(store, runs).cancel_requested_at_us) == ("running", T0 + 3)
    with store.read() as view:
        assert submissions.waiting(view) == 0


def test_it_says_which_study_it_came_to(store):
    number = file(store)
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
    )
    with store.write() as tx:
        study = studies.found_or_made(tx, new)[0]
        submissions.named(tx, number, study.id)
    assert get(store, number).study_id == study.id


def test_of_what_has_ended_only_the_newest_are_kept(store):
    ended = [file(store) for _ in range(4)]
    waits = file(store)
    for number in ended:
        take(store, number)
        settle(store, number, "done")
    with store.write() as tx:
        newest = submissions.file(tx, ASKED, kept=2)
    with store.read() as view:
        left = [one.id for one in submissions.listed(view, 10)]
    assert left == [newest, waits, ended[3], ended[2]]
