"""The worlds that retraining is measured on: nothing changes in them but what is planted."""

import numpy as np
import pytest
import retraining
import retraining_worlds as worlds
from retraining import Count, World, first, plain, watch, world
from retraining_worlds import KINDS, NONE, PER_DAY, Shift

from daemon.search.studies.triggers import DECAY, DRIFT, REGIME

DAYS = 24
SEEN = 14


def drawn(kind="AR", shift=NONE, seed=1, days=DAYS):
    return world(kind, shift, days, np.random.default_rng(seed))


def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_is_the_same_for_the_same_seed_and_another_for_another(kind):
    one, again, other = drawn(kind), drawn(kind), drawn(kind, seed=2)
    assert (one.quotes.best_bid_b == again.quotes.best_bid_b).all()
    assert np.array_equal(one.hours, again.hours, equal_nan=True)
    assert not np.array_equal(one.hours, other.hours, equal_nan=True)
    assert one.quotes.spreads().valid.all()
    assert (len(one.quotes) == DAYS * PER_DAY) is (kind != "dropouts")


@pytest.mark.parametrize("what", ["spread", "level", "volatility", "reversion"])
def test_a_shift_changes_nothing_before_its_day(what):
    calm, shifted = drawn(), drawn(shift=Shift(what, 3.0, SEEN))
    gaps = [one.quotes.best_bid_b / one.quotes.best_bid_a for one in (calm, shifted)]
    before = SEEN * PER_DAY
    if what != "reversion":  # it draws more, and so other prices; the gap is the same
        assert gaps[0][:before] == pytest.approx(gaps[1][:before])
    assert gaps[0][:before].std() == pytest.approx(gaps[1][:before].std(), rel=0.05)


def test_gaps_that_close_slowly_are_as_wide_as_before():
    slow = drawn(shift=Shift("reversion", 8.0, SEEN), days=80).quotes
    gap = slow.best_bid_b / slow.best_bid_a
    before, since = gap[: SEEN * PER_DAY], gap[SEEN * PER_DAY :]
    assert since.std() == pytest.approx(before.std(), rel=0.15)
    assert np.abs(np.diff(since)).mean() < 0.6 * np.abs(np.diff(before)).mean()


@pytest.mark.parametrize(
    ("shift", "by"),
    [
        (Shift("spread", 2.0, SEEN), DRIFT),
        (Shift("level", 30.0, SEEN), DRIFT),
        (Shift("volatility", 3.0, SEEN), DRIFT),
        (Shift("signal", 6.0, SEEN), REGIME),
    ],
)
def test_what_is_planted_is_found_by_the_one_that_looks_there(shift, by):
    found = first(drawn(shift=shift), SEEN, rng(), DAYS)
    assert found[by] <= 3


def test_what_is_watched_is_quotes_a_winner_and_signals():
    parts = retraining.channels(drawn(), SEEN)
    assert {kind: len(channels) for kind, (channels, _) in parts.items()} == {
        DRIFT: 2,
        DECAY: 1,
        REGIME: worlds.SIGNALS + 1,
    }
    assert all(len(channels[0].seen) == SEEN for channels, _ in parts.values())
    pnl = parts[DECAY][0][0]
    assert len(pnl.promised) == SEEN // retraining.TESTED
    assert (pnl.promised == pnl.seen[-len(pnl.promised) :]).all()


def test_the_usual_rule_waits_until_all_that_is_newer_differs():
    assert plain(drawn(), SEEN, DAYS) is None
    assert plain(drawn(shift=Shift("spread", 3.0, SEEN)), SEEN, DAYS) == 1


def test_whoever_watches_counts_every_study_once():
    count = Count()
    watch(drawn(shift=Shift("spread", 3.0, SEEN + 2)), SEEN, rng(), count)
    assert count.changes >= 1
    assert count.by[DRIFT] >= 1
    assert count.plain >= 1
    assert count.aged == 0
    quiet = Count()
    calm = drawn(days=SEEN + 3)
    watch(World(calm.quotes, calm.hours, SEEN), SEEN, rng(), quiet)
    assert quiet == Count()


def test_the_command_line_says_what_is_wanted():
    asked = retraining.parse(["--repetitions", "3", "--seen", "14", "--only", "delay"])
    assert (asked.repetitions, asked.seen, asked.only, asked.strict) == (3, 14, "delay", False)
