"""A block of results as a value: what is in front of it, and what it is read by."""

import io
import zipfile

import numpy as np
import pytest

from daemon.errors import StoreError
from daemon.store import result_blocks
from daemon.store.result_blocks import FRONT, Block, decode, encode, spans_in
from daemon.store.results import COLUMNS

SPANS = {"realized_pnl_usd": (-5.0, 1250.5), "total_trades": (0.0, 7.0)}
NAN = np.array([0x7FF8000000000001, 0xFFF8000000000002], np.uint64).view(np.float64)
MANY = 70_000


def columns(count=6):
    return {
        "realized_pnl_usd": np.linspace(-5, 1250.5, count),
        "total_trades": np.arange(count),
        "stopped": np.arange(count) % 2 == 0,
        "job_id": np.array([f"s_{n}" for n in range(count)]),
        "alike": np.full(count, 2.5),
    }


def test_numpy_reads_a_block():
    with np.load(io.BytesIO(encode(columns(), SPANS))) as archive:
        assert archive["job_id"].tolist() == columns()["job_id"].tolist()
        assert archive["spans"]["total_trades"].tolist() == [[0.0, 7.0]]
        assert len(archive["alike"]) == 1


def test_what_numpy_wrote_is_read_and_says_nothing_of_its_columns():
    """Blocks of before are archives like this one."""
    file = io.BytesIO()
    np.savez_compressed(file, **columns())
    found = decode(file.getvalue(), 6)
    assert list(found) == list(columns())
    for name, column in columns().items():
        assert found[name].tolist() == column.tolist()
    assert spans_in(file.getvalue()[:FRONT]) == {}


def test_spans_stand_in_front_and_are_no_column():
    data = encode(columns(), SPANS)
    assert spans_in(data[:FRONT]) == spans_in(data) == SPANS
    block = Block(data, 6)
    assert list(block) == list(columns())
    assert len(block) == 5
    assert "spans" not in block
    assert "alike" in block
    assert "nothing" not in block
    assert block["alike"].tolist() == [2.5] * 6


def test_the_spans_of_all_that_jobs_are_ranked_by_fit_into_the_front():
    spans = dict.fromkeys(COLUMNS, (-1e300, 1e300))
    assert spans_in(encode(columns(), spans)[: FRONT // 2]) == spans


@pytest.mark.parametrize("spans", [None, {}])
def test_without_spans_there_is_nothing_in_front(spans):
    data = encode(columns(), spans)
    assert spans_in(data[:FRONT]) == {}
    assert data == encode(columns())


@pytest.mark.parametrize("length", [0, 10, 29, 30, 39, 40, 100, 200])
def test_a_front_that_is_cut_off_says_nothing(length):
    assert spans_in(encode(columns(), SPANS)[:length]) == {}


def test_a_front_that_is_something_else_says_nothing():
    other = io.BytesIO()
    np.savez(other, spans=np.arange(4.0))
    assert spans_in(other.getvalue()[:FRONT]) == {}
    assert spans_in(b"nonsense" * 50) == {}


def test_equal_columns_with_equal_spans_are_equal_bytes():
    assert encode(columns(), dict(SPANS)) == encode(columns(), dict(SPANS))


@pytest.mark.parametrize(
    "column",
    [
        np.arange(MANY) * 0.1,
        np.arange(MANY),
        np.full(MANY, 7),
        np.tile([0.0, -0.0], MANY // 2),
        np.tile(NAN, MANY // 2),
        np.full(MANY, NAN[1]),
        np.array([f"s_{n}" for n in range(300)]),
        np.array([True]),
        np.zeros(3, np.bool_),
    ],
    ids=["many", "counts", "alike", "zeros", "nans", "a nan", "names", "one", "marks"],
)
def test_columns_come_back_to_the_bit(column):
    found = decode(encode({"it": column}), len(column))["it"]
    assert np.ascontiguousarray(found).tobytes() == column.tobytes()
    assert found.dtype == column.dtype


def test_a_column_is_read_once_and_may_not_be_written_to():
    block = Block(encode(columns()), 6)
    assert block["total_trades"] is block["total_trades"]
    with pytest.raises(ValueError, match="read-only"):
        block["total_trades"][0] = 1


@pytest.mark.parametrize("asked", [[1, 4], [4], [], [0, 1], [5], [0, 1, 2, 3, 4, 5], [1, 1]])
@pytest.mark.parametrize("best", [None, [], [1, 4], [4, 5], [0]])
def test_some_jobs_are_read_alike_whether_they_stand_together_or_not(asked, best):
    together = None if best is None else np.array(best, np.int64)
    block = Block(encode(columns(), SPANS, together), 6)
    assert list(block) == list(columns())
    assert "best" not in block
    found = block.jobs(np.array(asked, np.int64))
    assert list(found) == list(columns())
    for name, column in columns().items():
        assert found[name].tolist() == column[asked].tolist()
        assert found[name].dtype == column.dtype


def test_the_best_are_read_without_the_others():
    whole = encode(columns(4_000), SPANS, np.array([7, 3_000]))
    begin = whole.index(b"realized_pnl_usd.npy")
    shut = bytearray(whole)
    shut[begin + 40 : begin + 400] = bytes(360)  # in the column itself
    block = Block(bytes(shut), 4_000)
    assert block.jobs(np.array([7, 3_000]))["total_trades"].tolist() == [7, 3_000]
    with pytest.raises(StoreError, match="cannot be read"):
        block.jobs(np.array([7, 8]))


def test_a_block_of_one_job_is_read_by_its_place():
    block = Block(encode(columns(1), SPANS, np.array([0])), 1)
    assert block.jobs(np.array([0]))["job_id"].tolist() == ["s_0"]


def test_what_no_block_has_is_refused():
    for column in (np.array([{}]), np.asfortranarray(np.ones((2, 2)))):
        file = io.BytesIO()
        np.savez(file, it=column)
        with pytest.raises(StoreError, match="of a kind that no block has"):
            decode(file.getvalue(), 2)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, archive.open("it.npy", "w") as member:
        np.lib.format.write_array(member, np.zeros(1), version=(2, 0))
    with pytest.raises(StoreError, match="of a version that no block has"):
        decode(file.getvalue(), 1)


def test_spans_that_changed_say_nothing_and_columns_are_read_all_the_same():
    data = bytearray(encode({"it": np.arange(4.0)}, SPANS))
    data[200] ^= 1
    assert result_blocks.spans_in(bytes(data)) == {}
    assert decode(bytes(data), 4)["it"].tolist() == [0.0, 1.0, 2.0, 3.0]
