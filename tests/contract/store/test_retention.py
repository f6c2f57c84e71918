"""Retention: what goes, what never goes, and that it can be stopped anywhere."""

import pytest
from sqlalchemy import func, select

from daemon.clock import MICROS
from daemon.errors import NotLeader
from daemon.store import history, retention, samples, windows
from daemon.store.retention import PRE_WINDOW_US, Pruned
from daemon.store.tables import APPEND_ONLY, changes, sample_rollups, signals
from daemon.store.tables import samples as samples_table
from daemon.tuning.vocabulary import OPEN_STATES, ChangeState
from tests.contract.lease_kit import lease
from tests.contract.rows import (
    HOUR,
    MINUTE,
    T0,
    decision,
    event,
    put_change,
    put_samples,
    rows_of,
    rule_set,
)


class KilledError(Exception):
    """Stands for the end of the process between two slices."""


def raw(store, signal="s"):
    with store.read() as view:
        return windows.read_window(view, signal, 0, 2 * T0).at_us.tolist()


def buckets(store, signal="s", res_s=60):
    with store.read() as view:
        return windows.read_rollups(view, signal, res_s, 0, 2 * T0)


@pytest.fixture
def filled(store):
    """Four minutes of one sample a second, and another signal of one minute."""
    put_samples(store, "s", T0, [float(n) for n in range(240)])
    put_samples(store, "t", T0, [1.0] * 60)
    return store


def test_samples_older_than_the_moment_go_and_the_rest_stays(filled):
    done = retention.prune(filled, T0 + 2 * MINUTE)
    assert done == [Pruned("s", 120, T0 + 2 * MINUTE), Pruned("t", 60, T0 + 2 * MINUTE)]
    assert min(raw(filled)) == T0 + 2 * MINUTE
    assert len(raw(filled)) == 120
    assert raw(filled, "t") == []


def test_only_whole_minutes_go(filled):
    done = retention.prune(filled, T0 + 2 * MINUTE - 1)
    assert done[0] == Pruned("s", 60, T0 + MINUTE)


@pytest.mark.parametrize("keep_from_us", [0, T0, T0 + 90 * MICROS, T0 + HOUR])
def test_the_plan_is_what_pruning_does(filled, keep_from_us):
    planned = retention.plan(filled, keep_from_us)
    assert len(raw(filled)) == 240, "a plan changes nothing"
    assert retention.prune(filled, keep_from_us) == planned
    assert all(one.rows == 0 for one in retention.plan(filled, keep_from_us))


def test_rollups_outlive_their_samples(filled):
    retention.prune(filled, T0 + HOUR)
    assert raw(filled) == []
    assert [bucket.n for bucket in buckets(filled)] == [60] * 4
    assert [bucket.mean for bucket in buckets(filled)] == [29.5, 89.5, 149.5, 209.5]
    assert len(buckets(filled, res_s=10)) == 24
    before = rows_of(filled, sample_rollups)
    retention.prune(filled, T0 + HOUR)
    assert rows_of(filled, sample_rollups) == before


def test_a_sample_from_before_what_was_pruned_is_refused(filled):
    retention.prune(filled, T0 + 2 * MINUTE)
    with filled.write() as tx:
        done = samples.ingest(tx, [("s", T0 + 1, 1.0), ("s", T0 + 2 * MINUTE + 1, 1.0)], T0 + HOUR)
    assert (done.accepted, done.refused("too_old")) == (1, 1)


@pytest.mark.parametrize("state", sorted(OPEN_STATES))
def test_what_an_open_change_needs_stays_whatever_its_age(store, state):
    opened_us = T0 + PRE_WINDOW_US + 2 * MINUTE
    put_samples(store, "s", T0, [1.0] * 240)
    put_samples(store, "s", opened_us - 30 * MICROS, [1.0] * 60)
    with store.write() as tx:
        put_change(tx, ChangeState.KEPT, "older", opened_at_us=T0)
        put_change(tx, state, "old", opened_at_us=opened_us, rule="a")
        put_change(tx, ChangeState.OBSERVING, "new", opened_at_us=opened_us + HOUR, rule="b")
    assert retention.floor_us(store, 10 * T0) == T0 + 2 * MINUTE
    assert [one.rows for one in retention.prune(store, 10 * T0)] == [120]
    assert min(raw(store)) == T0 + 2 * MINUTE


@pytest.mark.parametrize("state", sorted(set(ChangeState) - OPEN_STATES))
def test_a_change_that_is_not_open_holds_nothing_back(store, state):
    with store.write() as tx:
        put_change(tx, state)
    assert retention.floor_us(store, T0 + HOUR) == T0 + HOUR


def test_an_open_change_younger_than_the_moment_changes_nothing(store):
    with store.write() as tx:
        put_change(tx, ChangeState.OBSERVING, opened_at_us=T0 + 9 * HOUR)
    assert retention.floor_us(store, T0) == T0
    assert retention.floor_us(store, 30 * MICROS) == 0
    with store.write() as tx:
        put_change(tx, ChangeState.OBSERVING, "k2", rule="b", opened_at_us=MINUTE)
    assert retention.floor_us(store, T0) == 0, "never before 1970"


@pytest.mark.parametrize(
    ("slice_rows", "slices"),
    [(1_000, [240]), (240, [240]), (239, [239, 1]), (100, [100, 100, 40]), (60, [60] * 4)],
)
def test_samples_go_in_slices_and_none_twice(store, slice_rows, slices):
    put_samples(store, "s", T0, [1.0] * 240)
    seen = []
    (done,) = retention.prune(store, T0 + HOUR, slice_rows=slice_rows, on_slice=seen.append)
    assert (seen, done.rows) == (slices, 240)


def test_pruning_that_was_killed_between_slices_goes_on_where_it_was(filled):
    def kill_second(_, calls=[]):  # noqa: B006 - counts its calls
        calls.append(1)
        if len(calls) == 2:
            raise KilledError

    with pytest.raises(KilledError):
        retention.prune(filled, T0 + 3 * MINUTE, slice_rows=25, on_slice=kill_second)
    assert len(raw(filled)) == 240 - 50
    assert [bucket.n for bucket in buckets(filled)] == [60] * 3, "rolled up before it began"
    left = retention.prune(filled, T0 + 3 * MINUTE, slice_rows=25)
    assert [one.rows for one in left] == [180 - 50, 60]
    retention.prune(filled, T0 + HOUR)
    assert [bucket.n for bucket in buckets(filled)] == [60] * 4
    assert [bucket.mean for bucket in buckets(filled)] == [29.5, 89.5, 149.5, 209.5]


def test_a_late_sample_that_comes_between_two_slices_is_rolled_up_before_it_goes(filled):
    late = [("s", T0 + 100 * MICROS + 1, 1e6)]

    def arrive(_):
        with filled.write() as tx:
            samples.ingest(tx, late, T0 + HOUR)

    retention.prune(filled, T0 + 3 * MINUTE, slice_rows=50, on_slice=arrive)
    retention.prune(filled, T0 + HOUR)
    assert raw(filled) == []
    assert [bucket.n for bucket in buckets(filled)] == [60, 61, 60, 60]
    assert buckets(filled)[1].hi == 1e6


def test_a_late_sample_of_a_minute_that_has_lost_others_is_too_old(filled):
    """Its bucket cannot be computed anew from what is left."""
    got = []

    def arrive(_):
        with filled.write() as tx:
            done = samples.ingest(tx, [("s", T0 + 55 * MICROS + 1, 1e6)], T0 + HOUR)
            got.append(done.refused("too_old"))

    retention.prune(filled, T0 + 3 * MINUTE, slice_rows=50, on_slice=arrive)
    assert set(got) == {1}
    assert [bucket.n for bucket in buckets(filled)] == [60] * 3


def test_history_is_never_pruned(filled):
    with filled.write() as tx:
        history.append_all(tx, [decision(MINUTE), decision(T0)])
        history.append(tx, rule_set(MINUTE))
        history.append(tx, event(MINUTE))
        put_change(tx, ChangeState.KEPT, opened_at_us=MINUTE)
    kept = [*APPEND_ONLY, changes, signals]

    def count(view):
        return [view.execute(select(func.count()).select_from(table)).scalar() for table in kept]

    with filled.read() as view:
        before = count(view)
    retention.prune(filled, 10 * T0)
    with filled.read() as view:
        assert count(view) == before
        assert view.execute(select(func.count()).select_from(samples_table)).scalar() == 0


def test_a_database_without_signals_has_nothing_to_prune(store):
    assert retention.plan(store, T0) == retention.prune(store, T0) == []


# ── a transaction at a time ──────────────────────────────────────────────────
def test_pruning_can_be_left_after_any_transaction_and_gone_on_with(filled):
    """Between two of them a leader does its work; each is one transaction of its own."""
    whole = [
        part and part.rows for part in retention.pruning(filled, T0 + 3 * MINUTE, slice_rows=70)
    ]
    assert None in whole, "rolled up first"
    assert sum(rows or 0 for rows in whole) == 180 + 60
    assert [rows for rows in whole if rows] == [70, 70, 40, 60]
    assert whole.index(None) == 0


def test_pruning_that_was_left_removes_the_rest_next_time(filled):
    steps = retention.pruning(filled, T0 + 3 * MINUTE, slice_rows=70)
    while not (part := next(steps)):
        pass
    assert part == Pruned("s", 70, T0 + 3 * MINUTE)
    steps.close()
    assert len(raw(filled)) == 170
    done = retention.prune(filled, T0 + 3 * MINUTE)
    assert [one.rows for one in done] == [110, 60]
    assert [bucket.n for bucket in buckets(filled)] == [60] * 3


def test_what_a_leader_prunes_is_fenced(shared, other):
    put_samples(shared, "s", T0, [1.0] * 240)
    mine, next_one = lease(shared, "one"), lease(other, "two")
    mine.acquire()
    steps = retention.pruning(mine, T0 + 3 * MINUTE, slice_rows=70)
    while not next(steps):
        pass
    mine.release()
    assert next_one.acquire() == 2
    with pytest.raises(NotLeader):
        next(steps)
    assert len(raw(shared)) == 170
    retention.prune(next_one, T0 + 3 * MINUTE)
    assert len(raw(shared)) == 60
