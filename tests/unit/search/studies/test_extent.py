"""Which rows a study saw, whatever became of its file."""

import numpy as np
import pytest

from daemon.market.quotes import Quotes
from daemon.search.studies.extent import Became, Extent
from tests.sweeping_kit import market

ALL = market(rows=400)


def part(first, stop, quotes=ALL, *, timed=True):
    at_us = quotes.at_us[first:stop] if timed else None
    return Quotes(*(column[first:stop] for column in quotes.prices), at_us=at_us)


def became(before, now):
    found = Extent.of(before).newer(now)
    return found.became, found.start, found.seen


def test_a_file_that_grew_goes_on_where_it_ended():
    assert became(part(0, 300), part(0, 300)) == (Became.SAME, 300, 300)
    assert became(part(0, 300), part(0, 310)) == (Became.GROWN, 300, 300)


def test_a_file_without_moments_is_told_by_what_it_holds():
    before = part(0, 300, timed=False)
    assert became(before, part(0, 310, timed=False)) == (Became.GROWN, 300, 300)
    assert became(before, part(1, 310, timed=False))[0] is Became.REPLACED


@pytest.mark.parametrize("lost", [1, 50, 290, 299])
def test_a_file_that_lost_its_first_rows_is_told_by_its_last(lost):
    found = became(part(0, 300), part(lost, 320))
    assert found == (Became.ROLLED, 300 - lost, 300 - lost)


def test_a_file_that_begins_behind_the_last_row_is_all_new():
    assert became(part(0, 300), part(300, 320)) == (Became.RESUMED, 0, 0)


def test_other_quotes_of_the_same_time_replace_what_was_seen():
    other = market(rows=400, seed=2)
    assert became(part(0, 300), part(0, 320, other))[0] is Became.REPLACED
    assert became(part(0, 300), part(100, 320, other))[0] is Became.REPLACED


def test_a_shorter_file_is_another():
    assert became(part(0, 300), part(0, 200))[0] is Became.REPLACED


def test_one_changed_number_is_found():
    now = part(0, 320)
    prices = [column.copy() for column in now.prices]
    prices[2][150] += 0.01
    changed = Quotes(*prices, at_us=now.at_us)
    assert became(part(0, 300), changed) == (Became.ROLLED, 300, 300)  # its last 100 rows are there
    prices[2][299] += 0.01
    assert became(part(0, 300), Quotes(*prices, at_us=now.at_us))[0] is Became.REPLACED


def test_rows_out_of_order_are_not_searched_by_moments():
    now = part(10, 320)
    at_us = now.at_us.copy()
    at_us[[0, 1]] = at_us[[1, 0]]
    shuffled = Quotes(*now.prices, at_us=at_us)
    assert became(part(0, 300), shuffled)[0] is Became.REPLACED


def test_it_survives_as_json():
    known = Extent.of(part(0, 300))
    assert Extent.of_document(known.document()) == known
    empty = Extent.of(Quotes(*(np.empty(0) for _ in range(4))))
    assert Extent.of_document(empty.document()) == empty
