"""What a run knows by itself is what would be read back, and long quotes are gone over once."""

import math

import numpy as np
import pytest

from daemon.market.params import Combinations
from daemon.market.staircase import sweep
from daemon.search.space import Axis
from daemon.services.sweeping import reading, rows
from daemon.services.sweeping.fresh import Fresh
from daemon.services.sweeping.judging.ranked import Asking, rank_session
from daemon.services.sweeping.running.conveyor import BOLD, LONG, Conveyor, How
from daemon.services.sweeping.running.tasks import Task
from daemon.store import sessions
from tests.search_kit import plan
from tests.sweeping_kit import Hand, market, run, small, tools, wanted


def session_of(store, number=1):
    with store.read() as view:
        return sessions.get(view, number)


class Reader:
    """A ranking that is asked for what the store holds, to compare it."""

    def __init__(self, store):
        session = session_of(store)
        self.metrics = reading.Metrics(store, session)
        (self.checked,) = reading.checked(store, session)


@pytest.mark.parametrize("model", ["quoted", "convergence"])
def test_what_is_ranked_at_once_is_what_is_ranked_when_it_is_read(store, model):
    planned = small(count=20, exit_model=model)
    first = run(tools(store), wanted(planned), fast=False).ranking
    again = rank_session(tools(store), "1", Asking())
    assert again.summary.document() == first.summary.document()
    told = [{**one.report, "seconds": 0} for one in (first, again)]
    assert told[0] == told[1]
    assert first.robust == again.robust


def test_metrics_that_were_taken_are_those_that_are_read(store):
    planned = small(count=20)
    run(tools(store), wanted(planned))
    found, session, reader = Fresh(40), session_of(store), Reader(store)
    asked = planned.draw(np.arange(40)).combinations
    found.take(np.arange(1, 41), sweep(market(), asked).columns)
    assert found.whole(session)
    checked = found.checked()
    assert checked.numbers.tolist() == reader.checked.numbers.tolist()
    for name, column in checked.columns.items():
        assert column.dtype == reader.checked.columns[name].dtype
        assert np.array_equal(column, reader.checked.columns[name], equal_nan=True)
    for name, column in found.columns.items():
        assert column.dtype == reader.metrics[name].dtype
        assert np.array_equal(column, reader.metrics[name], equal_nan=True)


def test_what_the_store_has_no_number_for_is_none():
    columns = rows.blank(3)
    columns["realized_pnl_usd"][:] = [1e301, -math.inf, 5.0]
    found = Fresh(3)
    found.take(np.arange(1, 4), columns)
    assert np.array_equal(found.checked().columns["realized_pnl_usd"], [np.nan, np.nan, 5.0], True)


def test_what_was_known_before_is_read(store):
    run(tools(store), wanted(small(count=3)))
    outcome = run(tools(store), wanted(small(count=5), name="more"), fast=False)
    assert outcome.known == 6
    board = rank_session(tools(store), "2", Asking())
    assert outcome.ranking.summary.document() == board.summary.document()
    assert outcome.ranking.summary.success_jobs == 10


def test_it_is_not_all_while_a_job_is_missing(store):
    run(
        tools(store), wanted(plan(Axis("min_spread_bps", (3, 5)), Axis("max_position_usd", (9, 0))))
    )
    found = Fresh(4)
    found.take(np.array([1, 3]), rows.blank(2))
    assert not found.whole(session_of(store))


# ── long quotes ──────────────────────────────────────────────────────────────
class Shelf:
    """A book of one piece that forgets what is brought."""

    piece = None

    def __init__(self, combinations):
        self.combinations, self.brought = combinations, 0

    def open(self, first, last):
        numbers = np.arange(first, last + 1)
        part = {name: getattr(self.combinations, name)[first - 1 : last] for name in NAMES}
        return Task(numbers=numbers, combinations=Combinations(**part))

    def until(self, first, last):
        return last

    def done(self, task, columns, seconds):
        self.brought += len(task)

    def failed(self, task, reason):
        raise AssertionError(reason)

    def leave(self):
        """Keep nothing."""


NAMES = Combinations.__slots__


def batches(count, **changed):
    plain = dict.fromkeys(("taker_fee_a_bps", "taker_fee_b_bps", "slippage_bps"), 1.0)
    spreads = np.arange(count) % 7 + 3.0
    asked = Combinations.from_columns(
        count, min_spread_bps=spreads, max_position_usd=100.0, **plain, **changed
    )
    hand, book = Hand(), Shelf(asked)
    conveyor = Conveyor(book, market(LONG), iter([(1, count)]), lambda: hand, How(60.0))
    while not conveyor.finished:
        conveyor.step()
    assert book.brought == count
    return hand.evaluated


def test_over_long_quotes_what_is_worked_out_for_all_jobs_is_not_shared_out():
    count = BOLD.largest + 1_000
    assert batches(count) == [count]
    assert batches(count, max_open_trades=np.arange(count) % 8 + 1) == [count]
    assert len(batches(2_000, quoted=True)) == 2
    assert len(batches(2_200, max_open_trades=np.arange(2_200) % 9 + 1)) == 2
    assert len(batches(2_200, max_open_trades=17)) == 2
