"""Blocks of samples: the same however they are cut, ordered or scaled; and a past never changes."""

from itertools import pairwise

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from daemon.tuning.windows import (
    BLOCK_US,
    LARGEST,
    Blocks,
    effective_n,
    lag_one,
    summarise,
)
from tests.strategies import FEWER

NAN = float("nan")
sound = st.floats(-1e299, 1e299)
plain = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))
bad = st.sampled_from([NAN, np.inf, -np.inf, LARGEST, -LARGEST])


def filled(values, max_size=30):
    """What one block may hold: nothing, one value, one over and over, two, any, some of it bad."""
    return st.one_of(
        st.just([]),
        st.lists(values, min_size=1, max_size=1),
        st.tuples(values, st.integers(1, max_size)).map(lambda drawn: [drawn[0]] * drawn[1]),
        st.lists(values, min_size=2, max_size=2).flatmap(
            lambda two: st.lists(st.sampled_from(two), min_size=1, max_size=max_size)
        ),
        st.lists(values, min_size=25, max_size=25),
        st.lists(values | bad, max_size=max_size),
    )


@st.composite
def streams(draw, values=sound, most=8):
    """Samples of several blocks in a row, in order of time, and the first block."""
    first = draw(st.integers(-3, 2**38))
    stretch = draw(st.lists(filled(values), min_size=1, max_size=most))
    at_us = [
        (first + k) * BLOCK_US + n * (BLOCK_US // 40)
        for k, block in enumerate(stretch)
        for n in range(len(block))
    ]
    numbers = [value for block in stretch for value in block]
    return np.array(at_us, np.int64), np.array(numbers, np.float64), first, len(stretch)


def bits(summary):
    return [part.tobytes() for part in summary]


@given(streams(), st.data())
def test_a_stretch_cut_anywhere_gives_the_same_blocks_to_the_last_bit(stream, data):
    at_us, values, first, count = stream
    whole = summarise(at_us, values, first, count)
    cuts = data.draw(st.sets(st.integers(0, count)).map(sorted))
    ends = [0, *cuts, count]
    parts = []
    for start, end in pairwise(ends):
        inside = (at_us >= (first + start) * BLOCK_US) & (at_us < (first + end) * BLOCK_US)
        parts.append(summarise(at_us[inside], values[inside], first + start, end - start))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    assert bits(joined) == bits(whole)


@given(streams())
def test_each_block_alone_out_of_all_the_samples_is_the_same_to_the_last_bit(stream):
    at_us, values, first, count = stream
    mean, n = summarise(at_us, values, first, count)
    for k in range(count):
        assert bits(summarise(at_us, values, first + k, 1)) == bits((mean[k : k + 1], n[k : k + 1]))


@given(streams(), st.randoms(use_true_random=False))
def test_the_order_of_the_values_within_a_block_says_nothing(stream, random):
    at_us, values, first, count = stream
    mixed = values.copy()
    for block in np.unique(at_us // BLOCK_US):
        inside = np.flatnonzero(at_us // BLOCK_US == block).tolist()
        mixed[inside] = values[random.sample(inside, len(inside))]
    assert bits(summarise(at_us, mixed, first, count)) == bits(
        summarise(at_us, values, first, count)
    )


@given(streams())
def test_a_block_lies_within_its_finite_values_and_counts_them(stream):
    at_us, values, first, count = stream
    mean, n = summarise(at_us, values, first, count)
    for k in range(count):
        inside = values[at_us // BLOCK_US == first + k]
        inside = inside[np.abs(inside) < LARGEST]
        assert n[k] == len(inside)
        if len(inside):
            assert inside.min() <= mean[k] <= inside.max()
        else:
            assert np.isnan(mean[k])


@given(streams(), st.integers(-30, 30), st.booleans())
def test_another_unit_gives_the_same_blocks_in_that_unit(stream, power, mirrored):
    """Powers of two are exact, and a mirrored block is added up from its other end."""
    at_us, values, first, count = stream
    tiny = np.abs(values[values != 0]) < 1e-200
    assume(not tiny.any() and not (np.abs(values) > 1e280).any())
    factor = 2.0**power * (-1 if mirrored else 1)
    mean, n = summarise(at_us, values, first, count)
    scaled, m = summarise(at_us, values * factor, first, count)
    assert m.tolist() == n.tolist()
    widest = np.abs(values[np.isfinite(values)]).max(initial=0)
    np.testing.assert_allclose(scaled, mean * factor, rtol=0, atol=widest * abs(factor) * 1e-14)
    if not mirrored:
        assert (scaled + 0.0).tobytes() == (mean * factor + 0.0).tobytes()


@given(streams(values=plain), plain)
def test_another_zero_gives_the_same_blocks_from_there(stream, shift):
    at_us, values, first, count = stream
    mean, _ = summarise(at_us, values, first, count)
    shifted, _ = summarise(at_us, values + shift, first, count)
    np.testing.assert_allclose(shifted, mean + shift, rtol=0, atol=1e-7)


@given(st.lists(plain, min_size=25, max_size=25), st.integers(0, 24), st.floats(1e7, 1e299))
def test_one_outlier_never_takes_a_block_beyond_its_other_values_and_their_spread(values, at, far):
    others = [value for n, value in enumerate(values) if n != at]
    values[at] = far
    (mean,), _ = summarise(np.arange(25), np.array(values), 0, 1)
    width = max(others) - min(others)
    assert min(others) <= mean <= max(others) + width


# ── how much a series says ───────────────────────────────────────────────────
@given(st.lists(st.floats(-1e300, 1e300) | st.just(NAN), max_size=40))
def test_a_series_counts_as_one_to_all_of_its_blocks(series):
    means = np.array(series, np.float64)
    n = np.count_nonzero(np.isfinite(means))
    assert 0 <= lag_one(means) <= 1
    assert min(n, 1) * (1 - 1e-9) <= effective_n(means) <= n


# ── the recent past ──────────────────────────────────────────────────────────
class Pasts(RuleBasedStateMachine):
    """Continue any past there ever was, in any order: each stays what it was made of."""

    @initialize(keep=st.integers(1, 6), width=st.integers(1, 3))
    def begin(self, keep, width):
        self.signals = tuple("abc"[:width])
        self.keep = keep
        self.known = [(Blocks.empty(self.signals, 0, keep), {}, 0)]
        self.next = 0

    def row(self):
        self.next += 1
        mean = np.full(len(self.signals), float(self.next))
        return mean, np.full(len(self.signals), self.next)

    @rule(data=st.data(), gap=st.integers(0, 8), more=st.integers(0, 8))
    def extend(self, data, gap, more):
        blocks, held, end = data.draw(st.sampled_from(self.known), "past")
        first = end + gap
        rows = [self.row() for _ in range(more)]
        width = len(self.signals)
        mean = np.array([row[0] for row in rows]).reshape(more, width)
        count = np.array([row[1] for row in rows], np.int64).reshape(more, width)
        added = {first + k: row[0][0] for k, row in enumerate(rows)}
        self.known.append((blocks.extend(first, mean, count), held | added, first + more))

    @rule(data=st.data(), back=st.integers(0, 9), length=st.integers(0, 9))
    def look_at_a_part(self, data, back, length):
        blocks, held, _ = data.draw(st.sampled_from(self.known), "past")
        first = blocks.end - back
        part = blocks.between(first, first + length)
        seen = range(max(first, blocks.first), first + length)
        inside = {k: value for k, value in held.items() if k in seen}
        self.known.append((part, inside, part.end))

    @invariant()
    def each_is_what_it_was_made_of(self):
        for blocks, held, end in self.known:
            assert (blocks.end, blocks.first) == (end, end - len(blocks))
            assert len(blocks) <= self.keep
            assert len(blocks.mean) == len(blocks.count) == len(blocks)
            found = dict(zip(range(blocks.first, end), blocks.mean[:, -1].tolist(), strict=True))
            for k in range(end - self.keep, end):
                value = found.get(k, NAN)
                assert value == held[k] if k in held else np.isnan(value)
            counts = blocks.count[:, 0].tolist()
            assert counts == [int(np.nan_to_num(value)) for value in found.values()]

    @invariant()
    def a_window_is_the_average_of_what_it_was_made_of(self):
        blocks, held, end = self.known[-1]
        window = blocks.window(end - 3, end)
        inside = [held[k] for k in range(max(end - 3, end - self.keep), end) if k in held]
        assert window.n.tolist() == [sum(inside)] * len(self.signals)
        np.testing.assert_allclose(window.share, len(inside) / 3)
        if inside:
            weighted = sum(value * value for value in inside) / sum(inside)
            np.testing.assert_allclose(window.mean, weighted)


TestPasts = Pasts.TestCase
TestPasts.settings = settings(FEWER, stateful_step_count=15)
