"""Rollups say of a bucket what its samples say, however and whenever these arrived."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from sqlalchemy import select

from daemon.clock import MICROS
from daemon.store import rollups, samples, windows
from daemon.store.rollups import SPAN_US
from daemon.store.store import Store
from daemon.store.tables import sample_rollups, signals
from tests.contract.rows import HOUR, MINUTE, T0, put_samples, rows_of


def read(store, res_s, signal="s", start_us=0, end_us=2 * T0):
    with store.read() as view:
        return windows.read_rollups(view, signal, res_s, start_us, end_us)


def shape(store, res_s):
    return [((bucket.bucket_us - T0) // MICROS, bucket.n) for bucket in read(store, res_s)]


def assert_like_numpy(store, res_s):
    with store.read() as view:
        raw = windows.read_window(view, "s", 0, 2 * T0)
    keys = raw.at_us - raw.at_us % (res_s * MICROS)
    buckets = read(store, res_s)
    assert [bucket.bucket_us for bucket in buckets] == sorted(set(keys.tolist()))
    for bucket in buckets:
        values = raw.values[keys == bucket.bucket_us]
        assert bucket.n == len(values)
        assert bucket.mean == pytest.approx(values.mean(), rel=1e-12)
        around = ((values - values.mean()) ** 2).sum()
        assert bucket.m2 == pytest.approx(around, rel=1e-9, abs=1e-12)
        assert (bucket.lo, bucket.hi) == (values.min(), values.max())


@pytest.fixture
def noisy(store):
    draw = np.random.default_rng(7)
    put_samples(store, "s", T0 + 3 * MICROS, draw.normal(size=700).tolist(), hz=5)
    return store


def test_every_bucket_is_like_numpy_on_its_raw_samples(noisy):
    written = rollups.roll_up(noisy, T0 + HOUR)
    assert written == len(read(noisy, 10)) + len(read(noisy, 60)) == 15 + 3
    assert_like_numpy(noisy, 10)
    assert_like_numpy(noisy, 60)


def test_narrow_buckets_merged_are_the_wide_ones(noisy):
    rollups.roll_up(noisy, T0 + HOUR)
    for wide in read(noisy, 60):
        first, *rest = read(noisy, 10, start_us=wide.bucket_us, end_us=wide.bucket_us + MINUTE)
        merged = first
        for bucket in rest:
            merged = windows.merge(merged, bucket)
        assert (merged.bucket_us, merged.n) == (wide.bucket_us, wide.n)
        assert (merged.lo, merged.hi) == (wide.lo, wide.hi)
        assert merged.mean == pytest.approx(wide.mean, rel=1e-12)
        assert merged.m2 == pytest.approx(wide.m2, rel=1e-9)


def test_a_large_offset_does_not_eat_the_variance(store):
    noise = np.random.default_rng(7).normal(scale=1e-3, size=300)
    put_samples(store, "s", T0, (1e9 + noise).tolist(), hz=5)
    rollups.roll_up(store, T0 + HOUR)
    (bucket,) = read(store, 60)
    assert bucket.m2 / (bucket.n - 1) == pytest.approx(1e-6, rel=0.3)
    left, *rest = read(store, 10)
    for right in rest:
        left = windows.merge(left, right)
    assert left.m2 == pytest.approx(bucket.m2, rel=1e-6)


def test_only_whole_minutes_before_the_moment_are_rolled_up(store):
    put_samples(store, "s", T0, [1.0] * 180)
    rollups.roll_up(store, T0 + 2 * MINUTE - 1)
    assert shape(store, 60) == [(0, 60)]
    rollups.roll_up(store, T0 + 2 * MINUTE)
    assert shape(store, 60) == [(0, 60), (60, 60)]
    assert len(shape(store, 10)) == 12


def test_rolling_up_twice_writes_nothing_twice(noisy):
    rollups.roll_up(noisy, T0 + HOUR)
    before = rows_of(noisy, sample_rollups)
    assert rollups.roll_up(noisy, T0 + HOUR) == 0
    with noisy.write() as tx:
        tx.execute(signals.update().values(rolled_until_us=0))
    assert rollups.roll_up(noisy, T0 + HOUR) == len(before)
    assert rows_of(noisy, sample_rollups) == before


def test_gaps_have_no_buckets_and_cost_no_walk(store):
    for hour in (0, 7, 200):
        put_samples(store, "s", T0 + hour * HOUR, [1.0, 2.0])
    rollups.roll_up(store, T0 + 300 * HOUR)
    assert shape(store, 60) == [(hour * 3600, 2) for hour in (0, 7, 200)]
    assert shape(store, 10) == shape(store, 60)


def test_a_span_ends_without_cutting_a_bucket(store):
    put_samples(store, "s", T0 + SPAN_US - 90 * MICROS, [1.0] * 300)
    rollups.roll_up(store, T0)
    put_samples(store, "s", T0 + 30 * MICROS, [1.0])
    rollups.roll_up(store, T0 + 2 * SPAN_US)
    at = SPAN_US // MICROS
    assert shape(store, 60) == [
        (0, 1),
        (at - 120, 30),
        *((at + shift, 60) for shift in (-60, 0, 60, 120)),
        (at + 180, 30),
    ]


@pytest.mark.parametrize("late_s", [30, 59, 60, 119, -30, -90])
def test_a_late_sample_has_its_bucket_computed_anew(store, late_s):
    put_samples(store, "s", T0, [1.0] * 180, hz=1)
    rollups.roll_up(store, T0 + HOUR)
    with store.write() as tx:
        done = samples.ingest(tx, [("s", T0 + late_s * MICROS + 1, 7.0)], T0 + HOUR)
    assert done.accepted == 1
    rollups.roll_up(store, T0 + HOUR)
    assert_like_numpy(store, 10)
    assert_like_numpy(store, 60)
    assert sum(n for _, n in shape(store, 60)) == 181


def test_a_late_sample_of_one_signal_leaves_the_others_alone(store):
    put_samples(store, "s", T0, [1.0] * 120)
    put_samples(store, "t", T0, [1.0] * 120)
    rollups.roll_up(store, T0 + HOUR)
    with store.write() as tx:
        samples.ingest(tx, [("s", T0 + 1, 7.0)], T0 + HOUR)
    assert rollups.roll_up(store, T0 + HOUR) == 2 + 12
    assert [bucket.n for bucket in read(store, 60, "t")] == [60, 60]


def test_a_late_sample_that_came_after_a_roll_up_had_begun_is_not_missed(store):
    """The roll-up holds what it knew of the signal from before the sample."""
    put_samples(store, "s", T0, [1.0] * 120)
    rollups.roll_up(store, T0 + MINUTE)
    with store.read() as view:
        known_before = samples.lookup(view)["s"]
    with store.write() as tx:
        samples.ingest(tx, [("s", T0 + 1, 7.0)], T0 + HOUR)
    list(rollups._roll_up_signal(store, known_before, T0 + HOUR))
    assert shape(store, 60) == [(0, 61), (60, 60)]


class Interrupted(Store):
    """A store in which something happens just before the next transaction that writes."""

    before_write = None

    @contextmanager
    def write(self, *, durable=True):
        act, self.before_write = self.before_write, None
        if act:
            act()
        with super().write(durable=durable) as tx:
            yield tx


def test_a_late_sample_that_comes_when_its_span_was_left_behind_is_not_missed(shared, url):
    """What to roll up next is chosen, and only then the sample arrives."""
    put_samples(shared, "s", T0, [1.0] * 120)
    rollups.roll_up(shared, T0 + MINUTE)

    def arrive():
        with shared.write() as tx:
            samples.ingest(tx, [("s", T0 + 1, 7.0)], T0 + HOUR)

    with Interrupted.open(url) as store:
        store.before_write = arrive
        rollups.roll_up(store, T0 + HOUR)
    assert shape(shared, 60) == [(0, 61), (60, 60)]


@pytest.mark.postgres
def test_a_late_sample_that_is_being_written_is_not_missed(postgresql_backend):
    """The writer has not committed when the roll-up of its bucket begins."""
    with (
        postgresql_backend.lend() as url,
        Store.open(url) as one,
        Store.open(url) as two,
        ThreadPoolExecutor(1) as pool,
    ):
        put_samples(one, "s", T0, [1.0] * 60)
        with one.write() as tx:
            samples.ingest(tx, [("s", T0 + 1, 7.0)], T0 + HOUR)
            rolling = pool.submit(rollups.roll_up, two, T0 + HOUR)
            with pytest.raises(TimeoutError):
                rolling.result(timeout=0.3)
        rolling.result()
        assert shape(one, 60) == [(0, 61)]


def test_what_was_pruned_is_never_rolled_up_again(store):
    put_samples(store, "s", T0, [1.0] * 120)
    rollups.roll_up(store, T0 + HOUR)
    before = rows_of(store, sample_rollups)
    with store.write() as tx:
        tx.exec_driver_sql(f"DELETE FROM samples WHERE at_us < {T0 + 90 * MICROS}")
        tx.execute(signals.update().values(pruned_until_us=T0 + 90 * MICROS, rolled_until_us=0))
    assert rollups.roll_up(store, T0 + HOUR) == 0
    assert rows_of(store, sample_rollups) == before


def test_the_mark_stands_where_the_roll_up_ended(store):
    put_samples(store, "s", T0, [1.0] * 90)
    rollups.roll_up(store, T0 + MINUTE)
    with store.read() as view:
        assert view.execute(select(signals.c.rolled_until_us)).scalar_one() == T0 + MINUTE
    with store.write() as tx:
        samples.ingest(tx, [("s", T0 + 30 * MICROS + 5, 1.0)], T0 + HOUR)
        assert samples.lookup(tx)["s"].rolled_until_us == T0 + 30 * MICROS + 5
        samples.ingest(tx, [("s", T0 + 50 * MICROS + 5, 1.0)], T0 + HOUR)
        assert samples.lookup(tx)["s"].rolled_until_us == T0 + 30 * MICROS + 5, "the oldest"


def test_rollups_are_read_by_where_a_bucket_starts(store):
    put_samples(store, "s", T0, [1.0] * 180)
    rollups.roll_up(store, T0 + HOUR)
    got = read(store, 60, start_us=T0 + 1, end_us=T0 + 2 * MINUTE)
    assert [bucket.bucket_us for bucket in got] == [T0 + MINUTE]
