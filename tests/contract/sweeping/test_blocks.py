"""A session of very many jobs keeps blocks: the same results, in a twentieth of the room."""

import numpy as np
import pytest

from daemon.errors import StoreError
from daemon.market.metrics import NAMES
from daemon.market.staircase import sweep
from daemon.search.space import Axis
from daemon.services.sweeping import reading
from daemon.services.sweeping.blocks import BLOCK
from daemon.store import result_blocks, sessions
from daemon.store.tables import job_blocks, jobs, results
from daemon.store.tables import result_blocks as blocks_table
from tests.contract.rows import rows_of
from tests.search_kit import plan
from tests.sweeping_kit import Hand, large, market, none, run, small, tools, wanted

ROWS_MAX = 100


def session(store, number=1):
    with store.read() as view:
        return sessions.get(view, number)


def everything(store, number=1):
    """All finished jobs of a session as they are read back."""
    return [one for part in reading.parts(store, session(store, number)) for one in part.records()]


def test_blocks_hold_what_the_engine_said(store):
    planned = large(20_000)
    outcome = run(tools(store), wanted(planned), rows_max=ROWS_MAX)
    assert (outcome.done, outcome.evaluated) == (20_000, 20_000)
    assert [row["jobs"] for row in rows_of(store, job_blocks)] == [BLOCK, 20_000 - BLOCK]
    found = everything(store)
    assert [one.n for one in found] == list(range(1, 20_001))
    swept = sweep(market(), planned.draw(np.arange(20_000)).combinations).columns
    for place in (0, 5, BLOCK - 1, BLOCK, 19_999):
        one = found[place]
        assert one.job_id == f"s_{place + 1:04}"
        assert one.params == planned.params(place + 1).document()
        for name in NAMES:
            value = swept[name][place].item()
            expected = None if value != value else pytest.approx(value, rel=1e-9)  # noqa: PLR0124 - NaN
            assert one.metrics[name] == expected


def test_rows_and_blocks_are_read_alike(store):
    planned = plan(
        Axis("min_spread_bps", (1, 5, 9)),
        Axis("max_position_usd", (1000, 0)),
        Axis("stop_on_drawdown_pct", (1, 50)),
        exit_model="quoted",
    )
    run(tools(store), wanted(planned))
    run(tools(store), wanted(planned, name="blocks"), rows_max=0)
    assert session(store, 2).layout == "blocks"
    rows, blocks = everything(store, 1), everything(store, 2)
    strip = [(one.n, one.job_id, dict(one.params), one.metrics, one.error) for one in rows]
    assert strip == [(o.n, o.job_id, dict(o.params), o.metrics, o.error) for o in blocks]
    assert sum(one.error is not None for one in blocks) == 6
    for name in NAMES:
        one, other = (reading.Metrics(store, session(store, n))[name] for n in (1, 2))
        assert np.array_equal(one, other, equal_nan=name != "stopped")
        assert one.dtype == other.dtype
    metrics = reading.Metrics(store, session(store))
    assert list(metrics) == list(NAMES)
    assert len(metrics) == len(NAMES)
    assert "nothing" not in metrics
    with pytest.raises(KeyError):
        metrics["nothing"]


def test_what_stands_in_rows_is_not_evaluated_for_a_block(store):
    run(tools(store), wanted(small(count=6)))
    hand = Hand()
    outcome = run(tools(store, hand), wanted(small(count=8), name="blocks"), rows_max=0)
    assert (outcome.known, sum(hand.evaluated)) == (12, 4)
    assert everything(store, 2)[:12] == [
        type(one)(one.n, one.job_id, one.params, one.metrics, one.runtime_s, one.error)
        for one in everything(store, 1)
    ]


def test_sessions_that_differ_in_their_limits_share_blocks(store):
    run(tools(store), wanted(large(40_000)), rows_max=ROWS_MAX)
    cut = large(40_000).limited(BLOCK + 1_000)
    outcome = run(tools(store, none), wanted(cut, name="cut"), rows_max=ROWS_MAX)
    assert (outcome.done, outcome.known, outcome.evaluated) == (BLOCK + 1_000, BLOCK + 1_000, 0)
    assert len(rows_of(store, blocks_table)) == 4, "one is shared, one was cut"
    assert everything(store, 2)[-1] == everything(store, 1)[BLOCK + 999]


def test_failures_are_rows_and_tried_again_alone(store):
    def poison(asked):
        return "it broke" if (asked.min_spread_bps == 7.0).any() else None

    planned = large(20_000)
    outcome = run(tools(store, Hand(poison=poison)), wanted(planned), rows_max=ROWS_MAX)
    assert (outcome.done, outcome.failed) == (19_900, 100)
    failed = [row for row in rows_of(store, jobs) if row["state"] == "failed"]
    assert len(failed) == 100
    assert session(store).jobs_failed == 100
    assert sum(one.error is not None for one in everything(store)) == 100
    again = Hand()
    outcome = run(tools(store, again), wanted(planned), rows_max=ROWS_MAX, retry_failed=True)
    assert (outcome.done, outcome.failed) == (20_000, 0)
    assert sum(again.evaluated) == 100
    assert set(again.seen) == {7.0}
    assert not [row for row in rows_of(store, jobs) if row["state"] == "failed"]
    assert not [row for row in rows_of(store, results) if row["status"] == "error"]
    assert all(one.error is None for one in everything(store))


def test_a_block_with_failures_is_shared_with_nobody(store):
    def poison(asked):
        return "it broke" if (asked.min_spread_bps == 7.0).any() else None

    run(tools(store, Hand(poison=poison)), wanted(large(20_000)), rows_max=ROWS_MAX)
    hand = Hand()
    outcome = run(tools(store, hand), wanted(large(20_000), name="b"), rows_max=ROWS_MAX)
    assert outcome.failed == 0
    assert sum(hand.evaluated) + outcome.known == 20_000
    assert 20_000 - BLOCK <= outcome.known < 20_000 - BLOCK + 1_000, "one block was taken over"


def test_cut_off_it_evaluates_no_full_block_again(store):
    planned, hand = large(60_000), Hand(slots=1)
    used = tools(store, hand, stop=lambda: "SIGTERM" if len(hand.evaluated) > 3 else None)
    run(used, wanted(planned), rows_max=ROWS_MAX)
    left = session(store)
    assert left.jobs_done % BLOCK == 0
    assert left.jobs_done >= BLOCK
    rest = Hand()
    outcome = run(tools(store, rest), wanted(planned), rows_max=ROWS_MAX)
    assert outcome.done == 60_000
    assert sum(hand.evaluated) + sum(rest.evaluated) == 60_000


def test_the_layout_of_a_session_stays_when_the_setting_changes(store):
    stopped = tools(store, stop=lambda: "SIGTERM")
    run(stopped, wanted(small()), rows_max=0)
    run(tools(store), wanted(small()), rows_max=1_000)
    assert session(store).layout == "blocks"
    assert session(store).jobs_done == 12


# ── the value itself ─────────────────────────────────────────────────────────
def test_columns_come_back_to_the_bit():
    columns = {
        "alike": np.full(5, 1.5),
        "nothing": np.full(5, np.nan),
        "zeros": np.array([0.0, -0.0, 0.0, 0.0, 0.0]),
        "counts": np.arange(5),
        "marks": np.array([True, False, True, True, True]),
        "names": np.array(["a", "bb", "ccc", "", "ü"]),
    }
    found = result_blocks.decode(result_blocks.encode(columns), 5)
    assert found.keys() == columns.keys()
    for name, column in columns.items():
        assert found[name].tobytes() == column.tobytes()
        assert found[name].dtype == column.dtype


def test_one_job_is_a_block_too():
    columns = {"pnl": np.array([1.25]), "name": np.array(["x"])}
    found = result_blocks.decode(result_blocks.encode(columns), 1)
    assert found["pnl"].tolist() == [1.25]
    assert found["name"].tolist() == ["x"]


def test_equal_columns_are_equal_bytes():
    columns = {"pnl": np.arange(100.0)}
    assert result_blocks.encode(columns) == result_blocks.encode(columns)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"nonsense", None])
def test_what_is_no_block_is_told_in_words(data):
    if data is None:
        data = result_blocks.encode({"pnl": np.arange(3.0)})[:-30]
    with pytest.raises(StoreError, match="cannot be read"):
        result_blocks.decode(data, 3)


def test_a_column_that_is_not_there_is_told_in_words():
    data = result_blocks.encode({"pnl": np.arange(3.0)})
    with pytest.raises(StoreError, match="cannot be read"):
        result_blocks.decode(data, 3, ["other"])
