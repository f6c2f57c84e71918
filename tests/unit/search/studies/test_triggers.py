"""When a study should run again: reasons, rests, and what keeps them from chattering."""

import numpy as np
import pytest

from daemon.search.studies.triggers import (
    AGE,
    ASKED,
    DECAY,
    DRIFT,
    FIRST,
    KINDS,
    REGIME,
    REPLACED,
    UNFINISHED,
    Past,
    Rules,
    Trigger,
    aged,
    asked_for,
    decide,
    rest_days,
    span,
    untold,
    watched,
)
from daemon.search.studies.watching import SHORTFALL, Channel

RULES = Rules()
DAY = 86_400 * 1_000_000
CALM = Trigger(DRIFT, fired=False, said="as ever", evidence={"ratio": 0.3})
LOUD = Trigger(DRIFT, fired=True, said="far off", evidence={"ratio": 1.4})


def past(*ratios, kind=DRIFT, started=True):
    return [
        Past(kind=kind, fired=ratio > 1, ratio=ratio, started=started and ratio > 1)
        for ratio in ratios
    ]


# ── rules ────────────────────────────────────────────────────────────────────
def test_those_that_claim_a_change_share_one_budget():
    assert RULES.share == pytest.approx(0.5 / 3)
    assert Rules(regime=False).share == pytest.approx(0.25)
    assert Rules(regime=False, drift=False, decay=False).share == 0.5


@pytest.mark.parametrize(("age", "horizon"), [(None, 60), (3, 14), (60, 60), (500, 90)])
def test_what_is_unusual_is_learned_for_as_long_as_a_study_lasts(age, horizon):
    assert Rules(max_age_days=age).horizon == horizon


# ── age ──────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("days", "fired"), [(0, False), (59.9, False), (60, True), (200, True)])
def test_a_study_is_too_old_on_the_day(days, fired):
    assert aged(RULES, DAY, DAY + int(days * DAY)).fired is fired


def test_a_clock_that_went_back_makes_nothing_old():
    found = aged(RULES, 5 * DAY, DAY)
    assert not found.fired
    assert found.evidence["age_days"] == 0


def test_age_may_be_no_reason():
    assert not aged(Rules(max_age_days=None), 0, 9000 * DAY).fired


# ── whether ──────────────────────────────────────────────────────────────────
def test_nothing_fired_is_nothing_to_do():
    found = decide(RULES, [CALM, untold(REGIME, "no daemon")], [], 9)
    assert (found.fired, found.said) == (False, "drift: as ever; regime: no daemon")
    assert decide(RULES, [], [], 9).said == "there is nothing to look at"


def test_what_fired_is_said():
    found = decide(RULES, [CALM, LOUD], [], 9)
    assert (found.fired, found.said) == (True, "drift: far off")


def test_right_after_a_study_everything_rests():
    found = decide(RULES, [LOUD], [], 0.25)
    assert not found.fired
    assert found.rest_days == 0.75
    assert found.said == "resting for 0.8 more days, although drift: far off"
    assert decide(RULES, [LOUD], [], 1.0).fired


@pytest.mark.parametrize("kind", [FIRST, UNFINISHED, ASKED])
def test_some_need_no_rest(kind):
    assert decide(RULES, [Trigger(kind, fired=True, said="so")], [], 0).fired


@pytest.mark.parametrize("kind", [AGE, REPLACED])
def test_others_do(kind):
    assert not decide(RULES, [Trigger(kind, fired=True, said="so")], [], 0).fired


# ── chattering ───────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("ratios", "days"),
    [
        ([], 1),
        ([1.2], 2),
        ([1.2, 1.3, 1.4], 8),
        ([1.2, 0.9, 1.2], 4),
        ([1.2, 0.6, 1.2], 2),
        ([1.2, 1.2, 0.6], 1),
        ([1.2] * 20, 30),
        ([1.2] * 500, 30),
    ],
)
def test_a_reason_that_was_not_calm_since_rests_twice_as_long_each_time(ratios, days):
    assert rest_days(RULES, DRIFT, past(*ratios)) == days


def test_only_a_study_that_was_begun_counts():
    assert asked_for(DRIFT, past(1.2, 1.2, 1.2, started=False)) == 0


def test_each_reason_has_a_rest_of_its_own():
    earlier = past(1.2, 1.2, 1.2)
    assert rest_days(RULES, DECAY, earlier) == 1
    assert decide(RULES, [LOUD], earlier, 2).rest_days == 6
    both = [LOUD, Trigger(DECAY, fired=True, said="poorer", evidence={"ratio": 2.0})]
    assert decide(RULES, both, earlier, 2).fired


def test_a_day_on_which_nobody_could_tell_is_not_calm():
    earlier = [*past(1.2), Past(kind=DRIFT, fired=False)]
    assert asked_for(DRIFT, earlier) == 1


def test_a_rest_that_is_longer_than_the_longest_is_kept():
    assert rest_days(Rules(min_rest_days=90), DRIFT, past(1.2, 1.2)) == 90
    assert rest_days(Rules(min_rest_days=0), DRIFT, past(1.2, 1.2)) == 0


# ── change ───────────────────────────────────────────────────────────────────
def looked(seen, newer):
    channel = Channel("pnl", np.array(seen, float)[:, None], np.array(newer, float)[:, None])
    return watched(
        DECAY, [channel], SHORTFALL, RULES, np.random.default_rng(1), lambda worst: span(worst.days)
    )


USUAL = [5, 6, 4, 5, 7, 3, 5, 6, 4, 5, 5, 6]


def test_few_days_tell_nothing():
    found = looked(USUAL[:6], [0])
    assert (found.fired, found.ratio) == (False, None)
    assert found.said == "too few whole days to tell what is usual: 6, and it takes 7"


def test_without_a_newer_day_there_is_nothing_to_compare():
    assert looked(USUAL, []).said == "no whole day has passed since what the study saw"


def test_a_change_fires_with_all_of_its_evidence():
    found = looked(USUAL, [5, 6, -20])
    assert found.fired
    assert found.said == "the newest day"
    assert found.evidence["worst"]["what"] == "pnl"
    assert found.evidence["worst"]["value"] == pytest.approx(np.mean(USUAL) + 20)
    assert found.ratio == found.evidence["worst"]["value"] / found.evidence["worst"]["bound"]
    assert [one["days"] for one in found.evidence["windows"]] == [1, 2]
    assert (found.evidence["seen_days"], found.evidence["newer_days"]) == (12, 3)


def test_the_same_days_again_are_calm():
    assert not looked(USUAL, USUAL).fired


def test_every_kind_has_a_word():
    assert len(set(KINDS)) == len(KINDS)
    assert span(4) == "the newest 4 days"
