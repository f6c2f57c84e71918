import numpy as np
import pytest
import textbook
from noise import correlated
from textbook import (
    Verdicts,
    batch_means,
    mann_whitney,
    newey_west,
    peeking,
    placebo,
    pooled,
    t_limit,
    threshold,
    toggled,
    welch,
)

ROWS = 4000


def drawn(seed=1, samples=60):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((ROWS, samples)), rng.standard_normal((ROWS, samples))


@pytest.mark.parametrize(
    ("freedom", "limit"), [(2, 2.920), (4, 2.132), (10, 1.812), (30, 1.697), (1e6, 1.645)]
)
def test_the_limits_are_those_of_the_printed_tables(freedom, limit):
    assert t_limit(freedom) == pytest.approx(limit, rel=0.013)


TESTS = {
    "welch": welch,
    "mann-whitney": mann_whitney,
    "newey-west": newey_west,
    "batches": batch_means(2),
}


@pytest.mark.parametrize("name", TESTS)
def test_on_independent_samples_a_test_keeps_its_promise(name):
    verdicts = TESTS[name](*drawn())
    assert verdicts.fell.mean() == pytest.approx(0.05, abs=0.03)
    assert verdicts.rose.mean() == pytest.approx(0.05, abs=0.03)
    assert not (verdicts.fell & verdicts.rose).any()


@pytest.mark.parametrize("name", TESTS)
def test_a_real_fall_is_seen_even_with_gaps(name):
    before, after = drawn()
    after = after - 1.5
    before[:, ::3] = np.nan
    verdicts = TESTS[name](before, after)
    assert verdicts.fell.mean() > 0.95
    assert not verdicts.rose.any()


def test_welch_gives_the_statistic_of_its_formula():
    before = np.array([[17.2, 20.9, 22.6, 18.1, 21.7, 21.4, 23.5, 24.2, 14.7, 21.8]])
    after = np.array([[21.5, 22.8, 21.0, 23.0, 21.6, 23.6, 22.5, 20.7, 23.4, 21.8]])
    gap = after.mean() - before.mean()
    error = np.sqrt(before.var(ddof=1) / 10 + after.var(ddof=1) / 10)
    limit = 1.80  # the printed table at 11 degrees of freedom, which the formula gives here
    for share, seen in ((1.02, True), (0.98, False)):
        assert welch(before, after - gap + share * limit * error).rose.tolist() == [seen]


def test_mann_whitney_counts_the_pairs(monkeypatch):
    before, after = drawn(samples=8)
    seen = {}

    def compare(difference, error, limit):
        seen["difference"] = difference
        return Verdicts(difference < -limit * error, difference > limit * error)

    monkeypatch.setattr(textbook, "_compare", compare)
    before[0, 2] = np.nan
    mann_whitney(before, after)
    pairs = [(after[0] > value).sum() for value in before[0] if np.isfinite(value)]
    assert seen["difference"][0] == sum(pairs) - 7 * 8 / 2


def test_a_threshold_is_met_or_not():
    before = np.zeros((3, 5))
    verdicts = threshold(0.4)(before, before + np.array([[-0.5], [0.3], [0.4]]))
    assert verdicts.fell.tolist() == [True, False, False]
    assert verdicts.rose.tolist() == [False, False, True]


def test_whoever_looks_often_stops_at_what_was_seen_first():
    after = np.concatenate([np.full((1, 50), -9.0), np.full((1, 400), 9.0)], axis=1)
    before = np.random.default_rng(1).standard_normal((1, 450))
    assert welch(before, after).rose.all()
    stopped = peeking(welch, 10)(before, after)
    assert stopped.fell.all()
    assert not stopped.rose.any()


def test_looking_often_finds_more_that_is_not_there():
    before, after = drawn(samples=450)
    once, often = welch(before, after), peeking(welch, 10)(before, after)
    assert often.fell.mean() > 2 * once.fell.mean()


def test_toggling_keeps_its_promise_though_turns_are_shared():
    verdicts = toggled(np.random.default_rng(3).standard_normal((20_000, 7)))
    assert verdicts.fell.mean() == pytest.approx(0.05, abs=0.006)


def test_toggling_does_not_see_a_straight_line():
    line = np.linspace(0, 100, 7)[None] + np.array([[0, 1e-9, 0, -1e-9, 0, 1e-9, 0]])
    assert not toggled(line).rose.any()
    effect = line - np.array([[0, 0.5, 0, 0.6, 0, 0.4, 0]])
    assert toggled(effect).fell.all()


# ── with the noise of a longer past ──────────────────────────────────────────
ONE_CHANGE = np.concatenate([np.full(18, -1 / 18), np.zeros(6), np.full(18, 1 / 18)])
PAST_TESTS = {"pooled": pooled, "placebo": placebo}


def blocks(memory, seed=1, rows=1500):
    drawn = correlated(np.random.default_rng(seed).standard_normal((rows, 402)), memory)
    return drawn[:, :360], drawn[:, 360:]


@pytest.mark.parametrize("name", PAST_TESTS)
@pytest.mark.parametrize("memory", [0.0, 0.6, 0.9])
def test_with_a_long_past_a_test_keeps_its_promise_whatever_the_memory(name, memory):
    verdicts = PAST_TESTS[name](*blocks(memory), ONE_CHANGE)
    assert verdicts.fell.mean() == pytest.approx(0.05, abs=0.025)
    assert verdicts.rose.mean() == pytest.approx(0.05, abs=0.025)


@pytest.mark.parametrize("name", PAST_TESTS)
def test_with_a_long_past_a_real_fall_is_seen(name):
    past, window = blocks(0.6)
    window[:, 24:] -= 3
    verdicts = PAST_TESTS[name](past, window, ONE_CHANGE)
    assert verdicts.fell.mean() > 0.95
    assert not verdicts.rose.any()


def test_fast_noise_over_slow_is_what_the_coarser_scale_is_for(monkeypatch):
    past, window = blocks(0.97)
    fast = np.random.default_rng(2).standard_normal((1500, 402))
    past, window = past + 2 * fast[:, :360], window + 2 * fast[:, 360:]
    both = pooled(past, window, ONE_CHANGE).fell.mean()
    monkeypatch.setattr(textbook, "COARSE", 1)
    fine = pooled(past, window, ONE_CHANGE).fell.mean()
    assert both < 0.08 < fine
