"""A rollup says of its samples what numpy says, however they were cut into buckets."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import MICROS
from daemon.store.rollups import RESOLUTIONS_S, _buckets
from daemon.store.windows import Bucket, Window, merge

values = st.floats(-1e6, 1e6)
TINY = 1e-300
"""Below this a double has too few digits left to compare."""

some = st.lists(values, min_size=1, max_size=50)


def bucket(numbers, at_us=0):
    column = np.array(numbers, dtype=np.float64)
    mean = column.mean()
    around = float(((column - mean) ** 2).sum())
    return Bucket(at_us, len(column), float(mean), around, column.min(), column.max())


def window(moments, numbers):
    return Window("s", 0, 0, np.array(moments, np.int64), np.array(numbers, np.float64))


def assert_alike(one, other, scale):
    assert (one.bucket_us, one.n, one.lo, one.hi) == (
        other.bucket_us,
        other.n,
        other.lo,
        other.hi,
    )
    assert one.mean == pytest.approx(other.mean, rel=1e-9, abs=1e-12 * scale + TINY)
    assert one.m2 == pytest.approx(other.m2, rel=1e-6, abs=1e-9 * scale * scale + TINY)
    assert one.m2 >= 0


@st.composite
def sampled(draw):
    """Moments in order and a value at each, over a few minutes with gaps."""
    gaps = draw(st.lists(st.integers(1, 40 * MICROS), min_size=1, max_size=60))
    start = draw(st.integers(0, 2**50))
    moments = (start + np.cumsum(gaps)).tolist()
    return moments, draw(st.lists(values, min_size=len(gaps), max_size=len(gaps)))


@given(some, some)
def test_merging_two_is_the_rollup_of_all(left, right):
    scale = max(map(abs, left + right)) or 1.0
    assert_alike(merge(bucket(left), bucket(right)), bucket(left + right), scale)


@given(some, some)
def test_which_of_two_comes_first_says_nothing(left, right):
    scale = max(map(abs, left + right)) or 1.0
    one, other = bucket(left, 5), bucket(right, 9)
    assert_alike(merge(one, other), merge(other, one), scale)


@given(some, some, some)
def test_how_three_are_paired_says_nothing(a, b, c):
    scale = max(map(abs, a + b + c)) or 1.0
    one, two, three = bucket(a), bucket(b), bucket(c)
    assert_alike(merge(merge(one, two), three), merge(one, merge(two, three)), scale)


@given(sampled(), st.sampled_from(RESOLUTIONS_S))
def test_every_sample_is_in_the_one_bucket_of_its_moment(drawn, res_s):
    moments, numbers = drawn
    rows = _buckets(window(moments, numbers), 7, res_s)
    by_bucket = {}
    for at_us, value in zip(moments, numbers, strict=True):
        by_bucket.setdefault(at_us - at_us % (res_s * MICROS), []).append(value)
    assert [row["bucket_us"] for row in rows] == sorted(by_bucket)
    for row in rows:
        assert (row["signal_id"], row["res_s"]) == (7, res_s)
        held = by_bucket[row["bucket_us"]]
        got = Bucket(*(row[name] for name in ("bucket_us", "n", "mean", "m2", "lo", "hi")))
        assert_alike(got, bucket(held, row["bucket_us"]), max(map(abs, held)) or 1.0)


@given(sampled())
def test_narrow_buckets_merged_are_the_wide_ones(drawn):
    moments, numbers = drawn
    scale = max(map(abs, numbers)) or 1.0
    narrow, wide = (_buckets(window(moments, numbers), 1, res_s) for res_s in RESOLUTIONS_S)
    fields = ("bucket_us", "n", "mean", "m2", "lo", "hi")
    merged = {}
    for row in narrow:
        one = Bucket(*(row[name] for name in fields))
        key = one.bucket_us - one.bucket_us % (RESOLUTIONS_S[1] * MICROS)
        one = Bucket(key, *(row[name] for name in fields[1:]))
        merged[key] = merge(merged[key], one) if key in merged else one
    assert len(merged) == len(wide)
    for row in wide:
        assert_alike(merged[row["bucket_us"]], Bucket(*(row[n] for n in fields)), scale)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=50), st.sampled_from([0.0, 1e6, 1e9, -1e9]))
def test_an_offset_moves_the_mean_and_not_the_spread(noise, offset):
    shifted = [offset + value for value in noise]
    moments = list(range(len(noise)))
    (row,) = _buckets(window(moments, shifted), 1, 10)
    exact = math.fsum((value - math.fsum(shifted) / len(shifted)) ** 2 for value in shifted)
    resolution = len(noise) * (abs(offset) * 2**-52 * 4) ** 2
    assert row["m2"] == pytest.approx(exact, rel=1e-6, abs=resolution + 1e-12)


def test_no_samples_have_no_buckets():
    assert _buckets(window([], []), 1, 10) == []


def test_all_values_of_a_list_are_plain_python_numbers():
    """A driver takes an int and a float, and not what numpy calls so."""
    (row,) = _buckets(window([1], [2.0]), 1, 10)
    assert {type(value) for value in row.values()} == {int, float}
