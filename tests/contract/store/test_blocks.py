"""A range comes out as the blocks of its samples, however long the chunks, on every database."""

import numpy as np
import pytest

from daemon.clock import MICROS
from daemon.errors import StoreUnavailable
from daemon.store.blocks import stream_blocks
from daemon.store.engine import Options
from daemon.store.store import Store
from daemon.store.windows import read_window
from daemon.tuning.windows import BLOCK_US, Blocks, summarise
from tests.contract.rows import T0, put_samples

FIRST = T0 // BLOCK_US
S = MICROS


def end_of(blocks):
    return T0 + blocks * BLOCK_US


def read(store, signals, start_us, end_us, **options):
    """Read a range as one past, and how it was cut."""
    with store.read() as view:
        chunks = list(stream_blocks(view, signals, start_us, end_us, **options))
    past = Blocks.empty(tuple(signals), chunks[0].first if chunks else 0)
    for chunk in chunks:
        assert chunk.signals == tuple(signals)
        assert chunk.first == past.end, "chunks follow each other"
        past = past.extend(chunk.first, chunk.mean, chunk.count)
        assert chunk.end == past.end
    return past, [len(chunk.mean) for chunk in chunks]


@pytest.fixture
def filled(store):
    """Two signals at different rates, with outliers and a gap."""
    random = np.random.default_rng(11)
    values = random.standard_normal(5 * 60)
    values[[3, 77, 200]] = 1e6, -1e9, 1e299
    put_samples(store, "fast", T0, values.tolist(), hz=5)
    put_samples(store, "fast", T0 + 90 * S, random.random(50).tolist(), hz=5)
    put_samples(store, "slow", T0 + 2 * S, random.random(70).tolist())
    return store


def test_blocks_are_those_of_the_raw_samples_to_the_last_bit(filled):
    past, _ = read(filled, ["slow", "fast"], T0, end_of(25))
    assert past.count.sum(axis=0).tolist() == [70, 350]
    with filled.read() as view:
        for column, name in enumerate(past.signals):
            window = read_window(view, name, T0, end_of(25))
            mean, n = summarise(window.at_us, window.values, FIRST, 25)
            assert past.mean[:, column].tobytes() == mean.tobytes()
            assert past.count[:, column].tolist() == n.tolist()


@pytest.mark.parametrize(
    ("chunk_s", "lengths"), [(60, [12, 12, 1]), (7, [1] * 25), (1, [1] * 25), (3600, [25])]
)
def test_how_long_the_chunks_are_changes_nothing(filled, chunk_s, lengths):
    whole, _ = read(filled, ["fast", "slow"], T0, end_of(25))
    past, cut = read(filled, ["fast", "slow"], T0, end_of(25), chunk_s=chunk_s)
    assert cut == lengths
    assert past.mean.tobytes() == whole.mean.tobytes()
    assert past.count.tobytes() == whole.count.tobytes()


@pytest.mark.parametrize(
    ("start", "end", "blocks"),
    [
        (0, 10 * S, [0, 1]),
        (1, 10 * S, [1]),
        (0, 10 * S - 1, [0]),
        (-1, 5 * S, [0]),
        (1, 9 * S, []),
        (0, 0, []),
        (20 * S, 10 * S, []),
    ],
)
def test_only_whole_blocks_are_read(filled, start, end, blocks):
    past, _ = read(filled, ["fast"], T0 + start, T0 + end)
    assert [k - FIRST for k in range(past.first, past.end)] == blocks
    assert past.count[:, 0].tolist() == [25] * len(blocks)


def test_a_stretch_without_samples_and_an_unknown_signal_are_blocks_without_samples(filled):
    past, cut = read(filled, ["fast", "never.seen"], T0, end_of(40), chunk_s=50)
    assert cut == [10, 10, 10, 10]
    assert past.count[:, 0].tolist() == [25] * 12 + [0] * 6 + [25, 25] + [0] * 20
    assert np.isnan(past.mean[past.count == 0]).all()
    assert not past.count[:, 1].any()


def test_no_signals_have_blocks_all_the_same(store):
    past, _ = read(store, [], T0, end_of(3))
    assert past.mean.shape == (3, 0)


# -0.0 is not among them: a block has no sign of zero.
@pytest.mark.parametrize("value", [0.1, -0.1, 5e-324, 9.999999e299, 1 / 3, 1e16 + 2])
def test_a_value_comes_back_to_the_last_bit(store, value):
    put_samples(store, "s", T0, [value])
    past, _ = read(store, ["s"], T0, end_of(1))
    assert past.mean[0, 0].hex() == value.hex()


def test_a_whole_number_is_a_number(store):
    put_samples(store, "s", T0, [3, 3.5, 4])
    past, _ = read(store, ["s"], T0, end_of(1))
    assert past.mean.tolist() == [[3.5]]


def test_a_range_is_one_moment_of_the_database(shared, other):
    """What is written meanwhile is not seen in a later chunk, nor half of it."""
    put_samples(shared, "s", T0, [1.0] * 10)
    with other.read() as view:
        chunks = stream_blocks(view, ["s"], T0, end_of(4), chunk_s=5)
        seen = [int(next(chunks).count[0, 0])]
        put_samples(shared, "s", T0 + 10 * S, [2.0] * 10)
        seen += [int(chunk.count[0, 0]) for chunk in chunks]
    assert seen == [5, 5, 0, 0]


def test_an_error_of_the_driver_while_rows_are_fetched_is_ours(url):
    """The rows are fetched past SQLAlchemy's own layer, but not past its care for errors."""
    with Store.open(url) as store:
        put_samples(store, "s", T0, [1.0] * 20_000, hz=500)
    with (
        Store.open(url, Options(statement_timeout_s=0.001)) as store,
        pytest.raises(StoreUnavailable),
        store.read() as view,
    ):
        list(stream_blocks(view, ["s"], T0, end_of(10)))
