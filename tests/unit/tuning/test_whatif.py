"""Another policy on a recorded run: a diff with reasons, and no claim beyond what was observed."""

from dataclasses import replace

import pytest

from daemon.tuning import whatif
from daemon.tuning.model import Asked, Move, Rule, Shift
from daemon.tuning.record import ENDLESS, Acted, Begun, Walk, World
from daemon.tuning.whatif import NEAR, WhatIf
from tests.replay_kit import FIRST, a_policy, a_run


@pytest.fixture(scope="module")
def run():
    return a_run()


def ask(run, policy, entries=None):
    asked = WhatIf(run.walk(entries), policy)
    asked.run(run.past(), FIRST, run.end)
    return asked


def acts(run, *kinds):
    return run.decided(*(kinds or ("apply", "keep", "rollback", "revert", "extend", "propose")))


def test_the_same_policy_agrees_everywhere_and_tells_what_followed(run):
    asked = ask(run, run.policy)
    assert all(line.agrees for line in asked.lines)
    assert len(asked.lines) == len(acts(run))
    applied = [line for line in asked.lines if line.recorded.kind == "apply"]
    ends = [one.explanation for one in acts(run, "keep", "rollback", "revert")]
    assert [line.followed for line in applied][: len(ends)] == ends


def test_a_stricter_policy_differs_with_a_reason_and_claims_nothing(run):
    asked = ask(run, a_policy(warmup_s=600, digest="e" * 64))
    early = [line for line in asked.lines if line.block <= FIRST + 120]
    assert early
    assert {line.other.reason for line in early} == {"warming_up", "superseded"} & {
        line.other.reason for line in early
    }
    assert all(not line.agrees and line.followed is None for line in early)


def test_steps_that_nobody_took_are_told_once_and_counted(run):
    lower = replace(run.policy.targets[1], high=80.0)
    asked = ask(run, replace(run.policy, targets=(run.policy.targets[0], lower)))
    own = [line for line in asked.lines if line.recorded is None]
    assert own
    assert all(line.followed is None and not line.agrees for line in own)
    assert any(line.repeats and line.until > line.block for line in own)


def test_a_run_that_was_held_back_shows_what_would_have_been_tried():
    run = a_run(150)
    world = World(rules=run.begun.world.rules)
    begun = Begun(
        due=FIRST + 1, first=FIRST, policy=run.policy, state=None, world=world, until=ENDLESS
    )
    asked = WhatIf(Walk(begun, iter(())), run.policy)
    asked.run(run.past(), FIRST, run.end)
    assert asked.cycles == 150
    assert {line.other.kind for line in asked.lines} == {"apply"}
    assert {line.recorded for line in asked.lines} == {None}


def test_a_dry_run_is_compared_as_one():
    run = a_run(150, dry=True)
    asked = ask(run, run.policy)
    assert {line.other.kind for line in asked.lines} == {"propose"}
    assert any(line.agrees for line in asked.lines)
    assert all(line.followed is None for line in asked.lines)


def later(run, by):
    """The record with its first step, and all that follows, taken some blocks later."""
    first = acts(run, "apply")[0]
    entries = []
    for one in run.entries:
        if one is first or (isinstance(one, Acted) and one.due == first.due):
            moved = {"due": one.due + by}
            if isinstance(one, Acted):
                moved["block"] = one.block + by
            else:
                moved["until"] = one.until + by
            entries.append(replace(one, **moved))
        elif one.due < first.due:
            until = {"until": first.due + by - 1} if hasattr(one, "until") else {}
            entries.append(replace(one, **until))
    return first, entries


def test_a_step_taken_at_about_the_same_time_counts_as_taken(run):
    first, entries = later(run, 3)
    asked = ask(run, run.policy, entries)
    line = asked.lines[0]
    assert (line.block, line.agrees) == (first.due, True)
    assert line.recorded.kind == "apply"
    assert len([line for line in asked.lines if line.recorded]) == 1


def test_a_step_taken_much_later_does_not(run):
    first, entries = later(run, NEAR + 3)
    asked = ask(run, run.policy, entries)
    assert not asked.lines[0].agrees
    assert asked.lines[0].block == first.due


def test_another_step_meanwhile_is_no_match(run):
    first, entries = later(run, 3)
    other = tuple((rule, old, old + 2) for rule, old, _ in first.last.moves)
    entries = [
        replace(one, last=replace(one.last, moves=other))
        if hasattr(one, "seq") and one.kind == "apply"
        else one
        for one in entries
    ]
    asked = ask(run, run.policy, entries)
    assert not asked.lines[0].agrees
    assert asked.lines[1].recorded.kind == "apply"


def test_what_the_run_decides_meanwhile_is_told_without_another_side(run):
    first, entries = later(run, 6)
    step = next(one for one in entries if getattr(one, "kind", "") == "apply")
    kept = replace(step, due=first.due + 2, kind="keep", last=replace(step.last, kind="keep"))
    entries = sorted([*entries[1:], kept], key=lambda one: (one.due, one.rank))
    asked = ask(run, run.policy, [run.begun, *entries])
    assert [
        line.other for line in asked.lines if line.recorded and line.recorded.kind == "keep"
    ] == [None]


def test_a_rollback_that_nobody_made_leaves_the_world_as_it_is(run):
    """Where this policy takes back what the run kept, the run's setting stays in force."""
    fearful = {**run.policy.warn, "latency": Shift(fall=-3.0)}
    asked = ask(run, replace(run.policy, warn=fearful))
    taken_back = [line for line in asked.lines if line.other and line.other.kind == "rollback"]
    assert taken_back
    assert all(not line.agrees and line.followed is None for line in taken_back)
    assert asked.kinds["rollback"] <= len(run.decided("apply"))


def test_a_step_whose_decision_is_not_on_record_is_still_a_match(run):
    first = acts(run, "apply")[0]
    acted = next(one for one in run.entries if isinstance(one, Acted))
    begun = replace(run.begun, last=first.last, until=ENDLESS)
    asked = WhatIf(Walk(begun, iter([acted])), run.policy)
    asked.run(run.past(acted.due + 1), FIRST, acted.due + 1)
    assert asked.lines[0].agrees
    assert asked.lines[0].recorded is None


def asked_run(**how):
    """A run in which a person's step is the only change."""
    step = Asked(kind="step", moves=(Move("workers", 8, 9),))
    keep = Asked(kind="keep")
    return a_run(90, policy=a_policy(changes_per_hour=0), asks={60: step, 66: keep}, **how)


@pytest.mark.parametrize("how", [{}, {"dry": True}])
def test_what_a_person_asked_for_they_would_have_asked_of_another_policy_too(how):
    run = asked_run(**how)
    asked = ask(run, replace(run.policy, confidence=0.99, digest="e" * 64))
    applied, kept = asked.lines
    assert (applied.recorded.kind, applied.other.reason) == ("apply", "asked")
    assert (kept.recorded.kind, kept.other.reason) == ("keep", "confirmed")
    assert applied.agrees
    assert kept.agrees
    assert applied.followed == kept.recorded.explanation


def test_what_a_person_asked_for_another_policy_may_refuse():
    run = asked_run()
    careful = replace(run.policy.rules[1], high=8.5)
    asked = ask(run, replace(run.policy, rules=(run.policy.rules[0], careful)))
    assert (asked.lines[0].recorded.kind, asked.lines[0].other.reason) == ("apply", "at_bound")
    assert not any(line.agrees for line in asked.lines)


def test_a_memory_of_other_rules_is_not_used(run):
    extra = Rule(name="extra", low=0, high=1, step=0.1, init=0.5)
    policy = replace(run.policy, rules=(run.policy.rules[0], extra, run.policy.rules[1]))
    world = World(rules={**run.begun.world.rules, "extra": 0.5})
    begun = replace(run.begun, state=run.entries[-1].state, world=world, until=ENDLESS)
    asked = WhatIf(Walk(begun, iter(())), policy)
    asked.run(run.past(FIRST + 30), FIRST, FIRST + 30)
    assert asked.kinds == {"hold": 30}


def test_so_many_lines_are_kept_and_no_more(run, monkeypatch):
    monkeypatch.setattr(whatif, "LINES", 3)
    asked = ask(run, run.policy)
    assert len(asked.lines) == 3
    assert asked.unkept == len(acts(run)) - 3
