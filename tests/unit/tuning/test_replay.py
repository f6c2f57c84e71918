"""A recorded run, run again: the same decisions, or the first difference by name."""

from dataclasses import replace

import pytest

from daemon.tuning.model import Asked, Decision, Move
from daemon.tuning.reasons import Reason
from daemon.tuning.record import Acted, Begun, Decided, Found, Gap, Past, Remembered, Walk, World
from daemon.tuning.replay import Rerun, as_made, last_in, last_of, row, same, unlike
from daemon.tuning.state import Phase
from daemon.tuning.vocabulary import DecisionKind
from tests.replay_kit import FIRST, a_policy, a_run


@pytest.fixture(scope="module")
def run():
    return a_run()


def rerun(run, entries=None, mean=None):
    again = Rerun(run.walk(entries))
    past = run.past()
    if mean is not None:
        past = Past(past.signals, FIRST)
        past.extend(FIRST, mean, run.count)
    again.run(past, FIRST, run.end)
    return again


def test_the_same_policy_gives_the_same_decisions(run):
    again = rerun(run)
    assert again.difference is None
    assert again.cycles == len(run.mean)
    assert again.kinds.total() == again.cycles
    assert again.kinds["apply"] >= 3


def test_what_is_read_in_pieces_comes_out_the_same(run):
    again = Rerun(run.walk())
    past = Past(("errors", "latency"), FIRST)
    for first in range(0, len(run.mean), 70):
        rows = slice(first, first + 70)
        past.extend(FIRST + first, run.mean[rows], run.count[rows])
        again.run(past, FIRST + first, past.end)
    assert again.difference is None
    assert again.cycles == len(run.mean)
    assert again.walk.over


def test_signals_that_only_others_read_change_nothing(run):
    wide = Past(("alien", "errors", "latency"), FIRST)
    wide.extend(FIRST, run.mean[:, [0, 0, 1]], run.count[:, [0, 0, 1]])
    again = Rerun(run.walk())
    again.run(wide, FIRST, run.end)
    assert again.difference is None
    assert again.cycles == len(run.mean)


@pytest.mark.parametrize("kind", ["hold", "apply", "keep"])
def test_an_altered_decision_is_named(run, kind):
    entry = run.decided(kind)[-1]
    altered = {**entry.row, "reason": "somebody_else"}
    found = rerun(run, run.altered(entry, row=altered)).difference
    assert (found.block, found.what, found.seq) == (entry.due, "reason", entry.seq)
    assert (found.recorded, found.replayed) == ("somebody_else", entry.reason)
    assert found.explanation == entry.explanation


def test_an_altered_number_is_named_by_its_place(run):
    entry = run.decided("keep")[0]
    judgement = {**entry.row["evidence"]["judgement"], "gain": 0.5}
    evidence = {**entry.row["evidence"], "judgement": judgement}
    found = rerun(run, run.altered(entry, row={**entry.row, "evidence": evidence})).difference
    assert found.what == "evidence.judgement.gain"
    assert found.recorded == 0.5
    assert found.replayed != 0.5


def test_an_altered_sample_shows_in_the_next_number_that_was_written_down(run):
    mean = run.mean.copy()
    mean[10, 1] += 1e-9
    found = rerun(run, mean=mean).difference
    assert found is not None
    assert found.block <= run.decided("apply")[0].due


def test_a_cycle_that_was_only_counted_is_held_to_the_same_reason(run):
    entry = run.decided("hold")[0]
    entries = run.altered(entry, last=replace(entry.last, reason="resting"))
    found = rerun(run, entries).difference
    assert (found.block, found.what) == (entry.due + 1, "decision")
    assert found.recorded == "hold resting once more"
    assert found.replayed == "hold warming_up"


def test_a_decision_that_is_not_on_record_is_missed(run):
    entry = run.decided("keep")[0]
    entries = [one for one in run.entries if one is not entry]
    found = rerun(run, entries).difference
    assert (found.block, found.what) == (entry.due, "record")
    assert "no decision for 1 cycles" in found.recorded


def test_a_memory_that_differs_is_named(run):
    entry = run.entries[-1]
    assert isinstance(entry, Remembered)
    found = rerun(run, run.altered(entry, state={**entry.state, "changes": 77})).difference
    assert found.what == "memory.changes"
    assert found.recorded == 77


def test_the_end_of_the_record_is_the_end_of_the_replay(run):
    again = rerun(run, run.entries[:2])
    assert again.difference is None
    assert again.cycles == run.entries[1].until - FIRST


def test_a_replay_may_begin_with_a_memory():
    whole, half = a_run(300), a_run(200)
    past = whole.past()
    begun = replace(whole.begun, due=half.end + 1, state=half.entries[-1].state)
    worlds = [one for one in whole.entries if isinstance(one, Found) and one.due <= half.end]
    before = [one for one in whole.entries if isinstance(one, Decided) and one.due <= half.end]
    begun = replace(begun, world=worlds[-1].world, last=before[-1].last, until=before[-1].until)
    later = [one for one in whole.entries[1:] if one.due > half.end]
    again = Rerun(Walk(begun, iter(later)))
    again.run(past, half.end, whole.end)
    assert again.difference is None
    assert again.cycles == 100


@pytest.mark.parametrize("how", [{"dry": True}, {"refuse": True}])
def test_what_was_never_applied_replays_too(how):
    run = a_run(**how)
    again = rerun(run)
    assert again.difference is None
    assert again.kinds["propose" if "dry" in how else "apply"] >= 2


def step(**moves):
    """Ask for moves, given as where they go from and to."""
    return Asked(
        kind="step", moves=tuple(Move(rule, old, new) for rule, (old, new) in moves.items())
    )


ASKS = {
    60: step(batch=(50, 45), workers=(8, 9)),
    61: Asked(kind="extend", blocks=30),
    62: Asked(kind="extend", blocks=30),
    70: Asked(kind="keep"),
    71: step(batch=(45, 90)),
    80: step(batch=(45, 50)),
}
"""While the loop itself is warming up, or has nothing open."""


def asking(**how):
    """A run of a loop that has no budget of its own: what is changed, people asked for."""
    return a_run(policy=a_policy(changes_per_hour=0), asks=ASKS, **how)


@pytest.mark.parametrize("how", [{}, {"dry": True}, {"refuse": True}])
def test_what_people_asked_for_is_asked_for_again(how):
    run = asking(**how)
    again = rerun(run)
    assert again.difference is None
    assert again.cycles == len(run.mean)
    told = [one for one in run.decided() if one.reason in {"asked", "confirmed"}]
    kinds = [one.kind for one in told]
    if "refuse" in how:
        assert kinds == ["apply"]
        refused = [one.reason for one in run.decided("hold")]
        assert (refused.count("stale"), refused.count("no_candidate")) == (1, 1)
    else:
        assert kinds == ["apply", "extend", "keep", "apply"]
        assert told[1].until == told[1].due + 1  # asked for twice, and twice done
        assert [one.reason for one in run.decided("hold")].count("too_far") == 1
        assert run.decided("revert", "rollback")[-1].due > told[-1].due


def test_without_what_was_asked_for_another_decision_comes_out():
    run = asking()
    silent = [
        replace(one, world=replace(one.world, asked=None)) if isinstance(one, Found) else one
        for one in run.entries
    ]
    found = rerun(run, silent).difference
    assert (found.what, found.recorded, found.replayed) == ("kind", "apply", "hold")


def test_a_step_that_was_asked_for_is_no_proposal_in_a_dry_run():
    for reason, kind in ((Reason.ASKED, "apply"), (Reason.RETRY, "propose")):
        assert as_made(a_decision(reason=reason), dry=True).kind == kind
        assert as_made(a_decision(reason=reason), dry=False).kind == "apply"


def test_what_nobody_reported_of_a_step_in_a_dry_run_stays_open():
    """The process died before it could tell: the next cycle sees what the controls hold."""
    run = asking(dry=True)
    first = run.decided("apply")[0]
    entries = [one for one in run.entries if one.due <= first.due and not isinstance(one, Acted)]
    again = Rerun(run.walk(entries))
    again.run(run.past(first.due), FIRST, first.due)
    assert again.difference is None
    assert again._state.phase is Phase.OPENING


def test_missed_cycles_are_missed_again(run):
    entries = [*run.entries[:2], Gap(due=FIRST + 5, resume=FIRST + 30, first=FIRST)]
    again = rerun(run, entries)
    assert again.difference is None
    assert again.cycles == run.entries[1].until - FIRST - 25


def test_a_run_that_goes_on_with_another_policy_does_so_again(run):
    due = FIRST + 20
    other = a_policy(warmup_s=120, digest="e" * 64)
    again = Begun(due=due, first=FIRST, policy=other, state=None, world=run.begun.world)
    entries = [run.entries[0], run.entries[1], again]
    found = rerun(run, entries)
    assert found.walk.policy is other
    assert found.difference is None


# ── parts ────────────────────────────────────────────────────────────────────
def a_decision(**fields):
    said = {"kind": DecisionKind.APPLY, "reason": Reason.RETRY, "at_us": 5_000_000}
    moves = (Move("r", 1.0, 2.0),)
    return Decision(**{**said, "moves": moves, "change": 3, **fields})


def test_what_is_written_down_gives_the_same_key_again():
    decision = a_decision()
    assert last_in(row(decision)) == last_of(decision)
    assert same(decision, last_of(decision))


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": Reason.BEST_EXPECTED},
        {"kind": DecisionKind.ROLLBACK},
        {"change": 4},
        {"moves": ()},
        {"moves": (Move("r", 1.0, 2.5),)},
    ],
)
def test_another_decision_is_not_the_same(fields):
    assert not same(a_decision(**fields), last_of(a_decision()))
    assert not same(a_decision(), None)


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ({"a": 1}, {"a": 2}, ("a", 1, 2)),
        ({"a": 1}, {"a": 1, "b": 2}, ("b", None, 2)),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, ("a[1].b", 2, 3)),
        ({"a": [1]}, {"a": [1, 2]}, ("a", [1], [1, 2])),
        (1, 2, ("", 1, 2)),
        ({"a": 1}, 2, ("", {"a": 1}, 2)),
        ({"a": 1}, {"a": 1}, ("", {"a": 1}, {"a": 1})),
    ],
)
def test_the_first_place_that_differs(one, other, found):
    assert unlike(one, other) == found


def test_worlds_without_acts_are_found():
    run = a_run(80)
    entries = [
        *run.entries[:2],
        Found(due=FIRST + 10, world=World(rules={"batch": 50, "workers": 9})),
    ]
    found = rerun(run, entries).difference
    assert found.replayed == "hold superseded"
    assert not any(isinstance(one, Acted) for one in entries)
