"""Signals day by day: which way is worse, which days and signals count."""

import numpy as np
import pytest

from daemon.search.studies import watching
from daemon.search.studies.signals import HOURS, SCORE, Wish, by_day, channels
from daemon.search.studies.watching import SHORTFALL

NAN = np.nan


@pytest.mark.parametrize(
    ("wish", "worse", "better"),
    [(Wish("s", low=5), 1, 2), (Wish("s", high=5), 9, 8), (Wish("s", low=0, high=10), 9, 6)],
)
def test_less_is_worse(wish, worse, better):
    low, high = wish.turned(np.array([worse, better], float))
    assert low < high


def test_a_day_is_its_median_hour_and_needs_half_of_them():
    hours = np.full((3, HOURS), NAN)
    hours[0] = 7
    hours[0, :5] = 1e9
    hours[1, :12] = 3
    hours[2, :11] = 3
    assert by_day(hours.ravel()).tolist()[:2] == [7, 3]
    assert np.isnan(by_day(hours.ravel())[2])
    assert np.isnan(by_day(np.full(HOURS, NAN))).all()


def rows(count, seed=1, seen=10):
    return list(np.random.default_rng(seed).normal(size=(count, seen + 5)))


def test_signals_are_measured_by_their_own_spread_and_weighed_into_a_score():
    days = rows(2)
    days[1] = 1e6 * days[1] + 1e9
    found = channels([Wish("a", low=0, weight=3), Wish("b", high=0, weight=1)], days, 10)
    assert [one.name for one in found] == ["a", "b", SCORE]
    assert all(one.seen.shape == (10, 1) and one.newer.shape == (5, 1) for one in found)
    for one in found[:2]:
        assert (one.seen.mean(), one.seen.std()) == pytest.approx((0, 1), abs=1e-6)
    assert found[2].newer == pytest.approx(0.75 * found[0].newer + 0.25 * found[1].newer)


def test_one_signal_is_its_own_score():
    assert [one.name for one in channels([Wish("a", low=0, weight=1)], rows(1), 10)] == ["a"]


def test_a_signal_that_is_hardly_there_is_left_out():
    days = rows(2)
    days[1][:3] = NAN
    assert len(channels([Wish("a", low=0), Wish("b", low=0)], days, 10)) == 1


def test_days_without_one_of_them_are_left_out():
    days = rows(2)
    days[0][3] = NAN
    days[1][12] = NAN
    found = channels([Wish("a", low=0), Wish("b", low=0)], days, 10)
    assert [(len(one.seen), len(one.newer)) for one in found] == [(9, 4), (9, 4)]


def test_signals_that_share_no_day_cannot_be_watched():
    days = [np.array([1.0, NAN, 1.0]), np.array([NAN, 1.0, 1.0])]
    assert channels([Wish("a", low=0), Wish("b", low=0)], days, 2) == []
    assert channels([], [], 5) == []
    assert channels([Wish("a", low=0)], [np.full(9, NAN)], 5) == []


def look(channel, newer):
    """Look at other days after the same past."""
    days = [np.r_[np.full(10, 4.0), newer]]
    (now,) = channels([Wish("a", low=0)], days, 10)
    threshold = watching.learn([channel], SHORTFALL, 0.2, 30, np.random.default_rng(1))
    return watching.look([now], SHORTFALL, threshold)


def test_a_signal_that_never_moved_is_found_when_it_does():
    days = [np.r_[np.full(10, 4.0), np.full(5, 3.0)]]
    (found,) = channels([Wish("a", low=0)], days, 10)
    assert not found.seen.any()
    assert (found.newer < -1e5).all()
    assert look(found, []) is None
    assert look(found, [4.0]).ratio < 1
    assert look(found, [4.0 - 1e-15]).ratio < 1
    assert look(found, [3.0]).ratio > 1
