"""Every decision in one plain sentence, and its evidence as JSON."""

import itertools
import json

import pytest

from daemon.tuning.explain import WORDS, evidence, percent, refused, sentence
from daemon.tuning.model import Asked, Candidate, Decision, Effect, Judgement, Move, Verdicts
from daemon.tuning.reasons import Reason
from daemon.tuning.vocabulary import DecisionKind, Verdict
from tests.replay_kit import a_policy

AT_US = 5_000_000 * 1234
MOVE = Move("risk_max", 0.35, 0.33)
OTHER = Move("creative_min", 0.22, 0.24)
EFFECTS = (
    Effect(signal="entropy_rate", before=0.28, delta=0.001, low=-0.01, high=0.012, samples=450),
    Effect(signal="risk_band", before=0.36, delta=-0.011, low=-0.015, high=-0.007, samples=440),
)
FOUND = Judgement(
    verdict=Verdict.BETTER,
    cause=Reason.IMPROVED,
    probability=0.991,
    gain=0.0412,
    spread=0.0123,
    worthwhile=0.97,
    effects=EFFECTS,
)
CHOSEN = Candidate(moves=(MOVE,), gain=0.031, spread=0.02, risk=0.004)
PASSED = (
    Candidate(moves=(OTHER,), gain=0.01, spread=0.02, risk=0.1, refused=Reason.OUTBID),
    Candidate(moves=(OTHER,), refused=Reason.COOLDOWN),
    Candidate(moves=(OTHER,), refused=Reason.COOLDOWN),
    Candidate(moves=(OTHER,)),
)
NUMBERS = Verdicts(
    score=0.8123, judgement=FOUND, chosen=CHOSEN, passed_over=PASSED, detail={"looks": 3}
)


def a_decision(kind=DecisionKind.HOLD, reason=Reason.OBSERVING, **fields):
    return Decision(**{"kind": kind, "reason": reason, "at_us": AT_US, **fields})


def test_every_reason_has_words():
    assert set(WORDS) == set(Reason)


@pytest.mark.parametrize(("kind", "reason"), [*itertools.product(DecisionKind, Reason)])
def test_every_decision_is_one_sentence(kind, reason):
    for fields in ({}, {"moves": (MOVE, OTHER), "change": 3, "numbers": NUMBERS}):
        told = sentence(a_decision(kind, reason, **fields), a_policy())
        assert told.endswith(".")
        assert told[0].isupper()
        assert "\n" not in told
        assert ".." not in told
        assert WORDS[reason] in told


def test_a_step_tells_what_it_promises_and_what_it_was_preferred_to():
    told = sentence(
        a_decision(
            DecisionKind.APPLY, Reason.BEST_EXPECTED, moves=(MOVE,), change=3, numbers=NUMBERS
        ),
        a_policy(),
    )
    assert told == (
        "Move risk_max from 0.35 to 0.33 (change 3): it promises the most for its risk;"
        " the score should change by +0.031 ± 0.02, and fall by more than 0.12 with a risk of"
        " under 1 %; 4 steps passed over (1 outbid, 2 cooldown)."
    )


def test_a_verdict_tells_what_moved():
    decision = a_decision(DecisionKind.KEEP, Reason.IMPROVED, change=3, numbers=NUMBERS)
    assert sentence(decision, a_policy()) == (
        "Keep change 3: the score rose; the score changed by +0.0412 ± 0.012 and rose with a"
        " probability of over 99 %; risk_band moved by -0.011 from 0.36 (95 %: -0.015 to -0.007)."
    )


def test_a_broken_guard_is_named_with_its_movement():
    numbers = Verdicts(judgement=FOUND, detail={"signal": "entropy_rate"})
    told = sentence(
        a_decision(DecisionKind.ROLLBACK, Reason.GUARD_BROKEN, moves=(MOVE,), numbers=numbers),
        a_policy(),
    )
    assert "the guard of entropy_rate was broken" in told
    assert "entropy_rate moved by +0.001 from 0.28" in told


def test_a_verdict_without_effects_or_without_doubt_is_told_too():
    sure = Effect(signal="s", before=1.0, delta=1.0, low=1.0, high=1.0)
    for effects in ((), (sure,)):
        found = Judgement(verdict=Verdict.WORSE, cause=Reason.SCORE_FELL, effects=effects)
        numbers = Verdicts(judgement=found)
        decision = a_decision(DecisionKind.REVERT, Reason.SCORE_FELL, numbers=numbers)
        assert ("s moved" in sentence(decision, a_policy())) is bool(effects)


def test_what_was_withdrawn_unmeasured_claims_no_numbers():
    found = Judgement(verdict=Verdict.INVALID, cause=Reason.SUPERSEDED)
    said = sentence(
        Decision(
            kind=DecisionKind.REVERT,
            reason=Reason.SUPERSEDED,
            at_us=AT_US,
            moves=(MOVE,),
            change=4,
            numbers=Verdicts(judgement=found),
        ),
        a_policy(),
    )
    assert said == ("Take back risk_max from 0.35 to 0.33 (change 4): somebody else moved a rule.")


def test_one_step_passed_over_is_one():
    numbers = Verdicts(passed_over=PASSED[:1])
    decision = a_decision(DecisionKind.HOLD, Reason.NO_CANDIDATE, numbers=numbers)
    assert "1 step passed over (1 outbid)" in sentence(decision, a_policy())


def test_a_spent_budget_and_too_few_samples_name_the_limit():
    assert "30 an hour" in sentence(a_decision(reason=Reason.BUDGET_SPENT), a_policy())
    longer = a_decision(DecisionKind.EXTEND, Reason.MORE_SAMPLES, change=2)
    assert "12 a signal" in sentence(longer, a_policy())


# ── what a person asked for ──────────────────────────────────────────────────
BATCH = Move("batch", 50.0, 95.0)


def a_refusal(reason, *moves):
    numbers = Verdicts(
        score=0.5,
        passed_over=(Candidate(moves=moves, refused=reason),),
        detail={"asked": "step"},
    )
    return a_decision(reason=reason, numbers=numbers)


@pytest.mark.parametrize(
    ("reason", "moves", "what", "why"),
    [
        (
            Reason.AT_BOUND,
            (BATCH,),
            "moving batch from 50 to 95",
            "it would leave the bounds (batch: 10 to 90)",
        ),
        (
            Reason.TOO_FAR,
            (BATCH, Move("workers", 8.0, 12.0)),
            "moving batch from 50 to 95 and workers from 8 to 12",
            "it goes further than is allowed at once (batch: 10 at most, workers: 2 at most)",
        ),
        (
            Reason.STALE,
            (BATCH,),
            "moving batch from 50 to 95",
            "it starts from a value that is not in force any more",
        ),
        (Reason.NO_CANDIDATE, (), "a step", "no step may be made (it moves nothing)"),
        (
            Reason.NO_CANDIDATE,
            (Move("speed", 1.0, 2.0),),
            "moving speed from 1 to 2",
            "no step may be made (there is no rule speed)",
        ),
    ],
)
def test_a_refusal_says_what_was_asked_for_and_which_limit_it_met(reason, moves, what, why):
    said = sentence(a_refusal(reason, *moves), a_policy())
    assert said == f"Nothing is changed: {what} was asked for, but {why}; the score is 0.5."


def test_a_refusal_to_keep_or_to_go_on_is_said_too():
    keep, longer = Asked(kind="keep"), Asked(kind="extend", blocks=99_999)
    assert refused(keep, Reason.NOTHING_OPEN, a_policy()) == (
        "keeping the change was asked for, but no change is being observed"
    )
    assert refused(longer, Reason.TOO_FAR, a_policy()) == (
        "observing the change longer was asked for, but it goes further than is allowed at once"
        " (12 h in all)"
    )


def test_a_step_that_a_person_asked_for_says_so_and_what_it_should_bring():
    numbers = Verdicts(chosen=CHOSEN)
    asked = a_decision(DecisionKind.APPLY, Reason.ASKED, moves=(MOVE,), change=3, numbers=numbers)
    assert sentence(asked, a_policy()) == (
        "Move risk_max from 0.35 to 0.33 (change 3): a person asked for it; the score should"
        " change by +0.031 ± 0.02, and fall by more than 0.12 with a risk of under 1 %."
    )


def test_a_change_that_a_person_keeps_says_what_was_measured_and_what_was_broken():
    numbers = Verdicts(judgement=FOUND, detail={"signal": "risk_band"})
    kept = a_decision(DecisionKind.KEEP, Reason.CONFIRMED, change=3, numbers=numbers)
    assert sentence(kept, a_policy()).startswith(
        "Keep change 3: a person wants it kept; the guard of risk_band was broken; the score"
        " changed by +0.0412"
    )


def test_a_longer_look_says_how_much_longer():
    numbers = Verdicts(detail={"blocks": 24, "extra": 36})
    longer = a_decision(DecisionKind.EXTEND, Reason.ASKED, change=3, numbers=numbers)
    assert sentence(longer, a_policy()) == (
        "Observe change 3 longer: a person asked for it; it is judged 2 min later."
    )


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0, "0 %"), (0.004, "under 1 %"), (0.5, "50 %"), (0.996, "over 99 %"), (1.0, "100 %")],
)
def test_a_probability_is_never_more_certain_than_it_is(share, shown):
    assert percent(share) == shown


# ── evidence ─────────────────────────────────────────────────────────────────
def test_evidence_is_json_with_every_number():
    told = evidence(a_decision(moves=(MOVE,), change=3, numbers=NUMBERS))
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["block"] == 1234
    assert told["change"] == 3
    assert told["score"] == 0.8123
    assert told["moves"] == [{"rule": "risk_max", "old": 0.35, "new": 0.33}]
    assert told["chosen"]["gain"] == 0.031
    assert told["passed_over"][0]["refused"] == "outbid"
    assert "gain" not in told["passed_over"][1]
    assert told["judgement"]["verdict"] == "better"
    assert told["judgement"]["effects"][1]["samples"] == 440
    assert told["detail"] == {"looks": 3}


def test_what_a_decision_has_not_is_left_out():
    assert evidence(a_decision()) == {"block": 1234}


def test_a_value_that_is_none_may_be_asked_for_and_is_named():
    told = evidence(a_refusal(Reason.AT_BOUND, Move("batch", 50.0, float("nan"))))
    assert told["passed_over"][0]["moves"] == [{"rule": "batch", "old": 50.0, "new": "nan"}]


def test_what_is_no_number_is_named():
    numbers = Verdicts(score=float("nan"), detail={"off": float("inf")})
    told = evidence(a_decision(numbers=numbers))
    assert told["score"] == "nan"
    assert told["detail"] == {"off": "inf"}
