"""What is known of columns before they are read changes no ranking, only what has to be read."""

import math
from collections.abc import Mapping
from contextlib import suppress

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.errors import StoreError
from daemon.search.ranking import CHECKED, Best, Filters, rank
from daemon.search.spans import best_of, highest, lowest, spans_of
from daemon.store import result_blocks
from tests.ranking_kit import columns, nearly, picked

BASES = st.sampled_from([0.0, -0.0, 5.0, -5.0, 1250.0, 1e300, -1e300, 5e-324])
FIGURES = st.one_of(
    BASES,
    st.builds(nearly, BASES, st.integers(-3, 3)),
    st.builds(lambda value, share: value * (1 + share * 3e-10), BASES, st.integers(-8, 8)),
    st.builds(lambda share: 5.0 + share * 2e-9, st.integers(-4, 4)),
)
BROKEN = st.one_of(FIGURES, FIGURES, FIGURES, st.sampled_from([math.nan, math.inf, -math.inf]))
BOUNDS = st.builds(
    Filters,
    max_drawdown_pct=st.none() | st.sampled_from([0.0, 5.0, 50.0]),
    min_trades=st.none() | st.sampled_from([0, 3, 4, 9]),
)


@st.composite
def tables(draw, most=24):
    """Columns with ties, and with what is no number in some of them; who failed has none."""
    count = draw(st.integers(0, most))

    def some(figures):
        return draw(st.lists(figures, min_size=count, max_size=count))

    whole = draw(st.booleans())
    figures = FIGURES if whole else BROKEN
    rate = draw(st.sampled_from([0.5, math.nan])) if not whole else 0.5
    table = columns(
        some(figures),
        drawdown=[abs(one) for one in some(figures)],
        trades=np.array(some(st.integers(0, 9)), np.int64),
        win_rate=np.full(count, rate),
    )
    done = np.array(some(st.sampled_from([True, True, True, False])), np.bool_)
    table["realized_pnl_usd"][~done] = math.nan
    table["total_trades"][~done] = 0
    return table, done


class Counted(Mapping):
    """Columns that know which of them were read."""

    def __init__(self, table):
        self.table, self.read = table, set()

    def __getitem__(self, name):
        self.read.add(name)
        return self.table[name]

    def __contains__(self, name):
        return name in self.table

    def __iter__(self):
        return iter(self.table)

    def __len__(self):
        return len(self.table)


def told(found, numbers):
    return (
        numbers[found.places].tolist(),
        found.labels(),
        found.eligible,
        list(found.excluded.items()),
        found.examples,
    )


@given(tables(), BOUNDS, st.integers(0, 6), st.data())
def test_blocks_with_spans_are_ranked_like_all_jobs_at_once(made, filters, limit, data):
    table, done = made
    count = len(done)
    order = np.array(data.draw(st.permutations(range(count))), np.int64)
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=4)))
    parts = [np.arange(*cut) for cut in zip([0, *cuts], [*cuts, count], strict=True)]
    known = [spans_of(picked(table, part), CHECKED, done[part]) for part in parts]
    turns = range(len(parts))
    if data.draw(st.booleans()):
        turns = sorted(turns, key=lambda at: -highest(known[at], "realized_pnl_usd"))
    best, seen = Best(limit, filters), [np.zeros(0, np.int64)]
    for at in turns:
        spans = known[at] if data.draw(st.booleans()) else {}  # a block of before says nothing
        part = parts[at]
        best.feed(Counted(picked(table, part)), order[part], done[part], spans)
        seen.append(order[part])
    plain = rank(table, order, filters, limit=limit, done=done)
    assert told(best.ranked(), np.concatenate(seen)) == told(plain, order)


@given(tables())
def test_spans_are_the_least_and_the_most_of_who_is_done(made):
    table, done = made
    spans = spans_of(table, CHECKED, done)
    for name in CHECKED:
        values = table[name][done].tolist()
        sound = bool(values) and all(map(math.isfinite, values))
        assert (name in spans) == sound
        assert lowest(spans, name) == (min(values) if sound else -math.inf)
        assert highest(spans, name) == (max(values) if sound else math.inf)


@given(tables())
def test_spans_come_back_from_the_front_of_a_block(made):
    table, done = made
    spans = spans_of(table, CHECKED, done)
    if not len(done):
        return
    best = best_of(table, done, 3)
    data = result_blocks.encode(table, spans, best)
    assert result_blocks.spans_in(data[: result_blocks.FRONT]) == spans
    found = result_blocks.decode(data, len(done))
    assert list(found) == list(table)
    for name, column in table.items():
        assert np.ascontiguousarray(found[name]).tobytes() == column.tobytes()
    for places in (best, best[:1], np.arange(len(done))):
        some = result_blocks.Block(data, len(done)).jobs(places)
        for name, column in table.items():
            assert np.ascontiguousarray(some[name]).tobytes() == column[places].tobytes()


DRAWN = np.random.default_rng(3).normal(0, 1, 200)
WRITTEN = {"realized_pnl_usd": DRAWN, "total_trades": np.arange(200), "stopped": DRAWN > 0}
BLOCK = result_blocks.encode(WRITTEN, {"realized_pnl_usd": (-3.0, 3.0)}, np.array([3, 9]))


@settings(max_examples=200)
@given(st.integers(0, len(BLOCK) - 1), st.integers(1, 255))
def test_a_byte_that_changed_is_noticed_or_of_no_matter(place, change):
    broken = bytearray(BLOCK)
    broken[place] ^= change
    with suppress(StoreError):
        found = result_blocks.decode(bytes(broken), 200, list(WRITTEN))
        for name, column in WRITTEN.items():
            assert found[name].tobytes() == column.tobytes()
    with suppress(StoreError):
        some = result_blocks.Block(bytes(broken), 200).jobs(np.array([3, 9]))
        for name, column in some.items():
            assert column.tobytes() == WRITTEN[name][[3, 9]].tobytes()
    assert result_blocks.spans_in(bytes(broken)) in ({}, {"realized_pnl_usd": (-3.0, 3.0)})
