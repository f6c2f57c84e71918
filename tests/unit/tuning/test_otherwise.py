"""What would have changed a decision: sentences that hold what the decision was held to."""

import re
from dataclasses import replace
from statistics import NormalDist

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from daemon.tuning.model import Shift
from daemon.tuning.otherwise import Case, bounds, lasting, otherwise
from daemon.tuning.reasons import Reason
from tests.replay_kit import a_policy

SILENT = {
    Reason.WAITING,
    Reason.BARRED,
    Reason.COOLDOWN,
    Reason.BACKED_OFF,
    Reason.NO_GO,
    Reason.AT_BOUND,
    Reason.TOO_RISKY,
    Reason.OUTBID,
    Reason.TOO_FAR,
    Reason.BUSY,
    Reason.STALE,
    Reason.NOTHING_OPEN,
}
"""Reasons of single steps, and refusals that say themselves what stands in the way."""


def effect(signal, delta=-1.0, samples=60):
    return {
        "signal": signal,
        "before": 120.0,
        "delta": delta,
        "low": delta - 1,
        "high": delta + 1,
        "samples": samples,
    }


def judged(reason, *, policy=None, observed_s=60.0, detail=None, effects=None, **numbers):
    found = {"probability": 0.81, "gain": 0.008, "spread": 0.009, **numbers}
    both = [effect("errors", 0.001), effect("latency")]
    found["effects"] = both if effects is None else effects
    case = Case(
        kind="revert",
        reason=reason,
        policy=policy or a_policy(),
        evidence={"judgement": found, "detail": detail or {}},
        observed_s=observed_s,
    )
    return " ".join(otherwise(case))


@pytest.mark.parametrize("reason", sorted(Reason))
def test_every_reason_says_something_or_is_known_to_be_silent(reason):
    said = otherwise(Case(kind="hold", reason=reason, policy=a_policy()))
    if reason in SILENT:
        assert said == ()
    elif reason not in {"guard_broken", "best_expected", "retry"}:
        assert said
        assert all(re.fullmatch(r".+[.:]", line) for line in said)


def test_a_reason_of_another_version_is_passed_over():
    assert otherwise(Case(kind="hold", reason="of_later", policy=a_policy())) == ()


# ── verdicts ─────────────────────────────────────────────────────────────────
def test_an_undecided_change_says_how_much_evidence_was_missing():
    said = judged("not_proven")
    assert "kept if the score rose with a probability of at least 97 %; it was 81 %" in said
    assert "About 4 min more of this evidence or a rise of the score by 0.01714" in said
    assert "instead of 0.008 would have decided it" in said


@given(st.floats(0.55, 0.96), st.floats(0.8, 0.99), st.floats(0.001, 1))
def test_as_much_more_evidence_would_indeed_have_decided_it(found, asked, gain):
    assume(found < asked)
    said = judged("not_proven", policy=a_policy(confidence=asked), probability=found, gain=gain)
    enough = float(re.search(r"(?i)a rise of the score by (\S+) instead", said)[1])
    reached = NormalDist().cdf(NormalDist().inv_cdf(found) * enough / gain)
    assert reached == pytest.approx(asked, abs=0.01)


def test_a_rise_that_is_sure_and_next_to_nothing_does_not_count():
    said = judged("not_proven", probability=0.98, gain=0.0005)
    assert "That is sure enough, but it rose by 0.0005: more than 0.001 counts." in said


@pytest.mark.parametrize(("probability", "gain"), [(0.4, -0.002), (0.5, 0.0), (0.3, 0.001)])
def test_more_of_what_did_not_rise_is_not_asked_for(probability, gain):
    said = judged("no_effect", probability=probability, gain=gain)
    assert "more of the same would not have kept it" in said
    assert "more of this evidence" not in said


def test_what_would_take_longer_than_a_day_is_said_to():
    said = judged("not_proven", probability=0.51, observed_s=600.0)
    assert "would not have decided it within a day" in said


def test_without_a_time_that_it_was_watched_for_no_time_is_named():
    said = judged("not_proven", observed_s=None)
    assert "more of this evidence" not in said
    assert "A rise of the score by" in said


def test_a_kept_change_says_what_would_just_have_been_enough():
    said = judged("improved", probability=0.999, gain=0.04, spread=0.01)
    assert "here it was over 99 %" in said
    assert "a rise of the score by about 0.01881 would just have been enough; it was 0.04" in said


def test_a_loss_says_how_small_a_fall_would_have_been_left_undecided():
    said = judged("score_fell", probability=0.001, gain=-0.05, spread=0.01)
    assert "a probability of 3 % or less; here it was under 1 %" in said
    assert "less than about 0.01881 would have left it undecided; it was 0.05" in said


def test_what_is_too_small_names_what_would_have_counted():
    said = judged("too_small", probability=0.99)
    assert "latency moved by -1 (95 %: -2 to +0); a fall by 1 or more would have counted" in said


def test_too_few_samples_are_counted_against_what_is_needed():
    said = judged("insufficient_data", effects=[effect("errors", samples=3), effect("latency")])
    assert said.startswith("It would have been judged with 12 samples of every signal")
    assert said.endswith("errors had 3.")


# ── guards ───────────────────────────────────────────────────────────────────
def test_a_guard_of_the_policy_is_named_with_its_bound():
    said = judged("guard_broken", detail={"signal": "errors"})
    assert "`safety.warn` forbids a rise by 0.01 or more of errors; it moved by +0.001" in said


def test_a_guard_that_a_full_window_broke_is_found_by_its_numbers():
    effects = [effect("errors", 0.02), effect("latency")]
    assert "errors; it moved by +0.02" in judged("guard_broken", effects=effects)


def test_a_target_that_guards_itself_is_told_apart():
    said = judged("guard_broken", detail={"signal": "latency"})
    assert "latency has no guard in `safety.warn`, but it has a target" in said


def test_a_broken_guard_that_nothing_tells_of_says_nothing():
    assert judged("guard_broken", policy=replace(a_policy(), warn={}), effects=[]) == ""


@pytest.mark.parametrize(
    ("shift", "said"),
    [
        (Shift(rise=0.01), "a rise by 0.01 or more"),
        (Shift(fall=-2.0), "a fall by 2 or more"),
        (Shift(rise=0.5, fall=-2.0), "a rise by 0.5 or more or a fall by 2 or more"),
    ],
)
def test_bounds_in_words(shift, said):
    assert bounds(shift) == said


# ── steps ────────────────────────────────────────────────────────────────────
def step(rule, new, gain=None, refused=None):
    weighed = {} if gain is None else {"gain": gain, "spread": 0.02, "risk": 0.0}
    told = {} if refused is None else {"refused": refused}
    return {"moves": [{"rule": rule, "old": 8.0, "new": new}], **weighed, **told}


def chosen_among(*others):
    evidence = {"chosen": step("workers", 9.0, 0.04), "passed_over": list(others)}
    case = Case(kind="apply", reason="best_expected", policy=a_policy(), evidence=evidence)
    return " ".join(otherwise(case))


def test_a_step_is_compared_with_the_next_best():
    said = chosen_among(
        step("batch", 45.0, 0.01, "outbid"),
        step("batch", 55.0, 0.03, "outbid"),
        step("workers", 7.0, 0.9, "too_risky"),
        step("workers", 7.5, refused="cooldown"),
    )
    assert "0.052 here, 0.042 for the next best, batch from 8 to 55 (+0.03 ± 0.02)" in said


def test_a_step_without_a_rival_says_so():
    assert chosen_among(step("workers", 7.0, refused="cooldown")) == (
        "No other step was both allowed and worth it."
    )


def test_steps_that_promise_too_little_are_held_to_what_is_asked():
    evidence = {"passed_over": [step("batch", 45.0, 0.001, "not_worth_it")]}
    case = Case(kind="hold", reason="not_worth_it", policy=a_policy(), evidence=evidence)
    first, second = otherwise(case)
    assert "A step must promise at least 0.008 of score" in first
    assert second == "The best, batch from 8 to 45, promised +0.001 ± 0.02."


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(5, "5 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (7200, "2.0 h")],
)
def test_durations_for_the_eye(seconds, said):
    assert lasting(seconds) == said
