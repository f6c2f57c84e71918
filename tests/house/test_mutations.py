"""Lines of the core that must never be wrong: each is broken on purpose, and a test notices.

A mutant is the package with one line altered, imported beside the real one. If a
line is no longer there, this says so: find what became of it, and break that.
"""

import importlib.util
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

import daemon.tuning.decide

ROOT = Path(__file__).parents[2]
UNITS = "tests/unit/tuning"
RELOADED = ("daemon.tuning", "tests.tuning_kit", "tests.asking_kit")


@dataclass(frozen=True)
class Mutant:
    """One altered line, and the check that must fail on it."""

    room: str
    line: str
    altered: str
    check: str
    """A test as ``file::function``."""
    given: tuple = ()

    def source(self) -> Path:
        return ROOT / f"daemon/tuning/{self.room}.py"


MUTANTS = {
    "a step is not stopped at the bounds": Mutant(
        "propose",
        "return min(max(value + steps * rule.step, rule.low), rule.high)",
        "return value + steps * rule.step",
        "test_propose::test_a_step_goes_no_further_than_the_bounds",
        (9.5, 1.0, 10.0),
    ),
    "being outside of a target counts as being inside": Mutant(
        "objective",
        "np.maximum(self.low - framed, framed - self.high)",
        "np.maximum(framed - self.low, self.high - framed)",
        "test_objective::test_what_is_known_exactly_gains_exactly_that",
    ),
    "a value may lie outside of its bounds": Mutant(
        "guards",
        "rules[move.rule].low <= move.new <= rules[move.rule].high",
        "rules[move.rule].low <= move.new",
        "test_guards::test_values_stay_within_bounds_and_steps_within_their_length",
        ((("r", 9.5, 10.1),), False),
    ),
    "a step may be of any length": Mutant(
        "guards",
        "<= rules[move.rule].step * max(policy.max_step_mult, 1.0)",
        "<= 1e9 * rules[move.rule].step * max(policy.max_step_mult, 1.0)",
        "test_guards::test_values_stay_within_bounds_and_steps_within_their_length",
        ((("r", 5.0, 6.1),), False),
    ),
    "a cooldown ends a block early": Mutant(
        "guards",
        "memory.resting.get(move.rule, 0) > now",
        "memory.resting.get(move.rule, 0) > now + 1",
        "test_guards::test_a_rule_rests_until_its_block",
    ),
    "nobody asks where a guard broke": Mutant(
        "guards",
        "if forbidden(moves, state, policy, now):",
        "if False:",
        "test_guards::test_a_corner_that_broke_a_guard_is_refused_until_its_block",
    ),
    "an hour holds one change more": Mutant(
        "guards",
        "len(lately) >= policy.changes_per_hour",
        "len(lately) > policy.changes_per_hour",
        "test_decide::test_the_budget_of_an_hour_is_kept",
    ),
    "a hold is not looked at": Mutant(
        "decide",
        "if seen.held is not None:",
        "if False:",
        "test_decide::test_nothing_is_tried_while_all_is_held",
    ),
    "half a proof is enough": Mutant(
        "verdict",
        "found.probability >= policy.confidence",
        "found.probability >= policy.confidence / 2",
        "test_verdict::test_nothing_is_kept_with_less_than_the_confidence_asked_for",
        (0.97,),
    ),
    "a warning does not forbid keeping": Mutant(
        "verdict",
        "if any(_reached(policy.warn, effect) for effect in found.effects):",
        "if False:",
        "test_verdict::test_a_warning_reached_is_worse_however_good_the_score",
    ),
    "a fall is taken for a rise": Mutant(
        "verdict",
        "delta <= shift.fall",
        "delta >= shift.fall",
        "test_verdict::test_a_fall_warns_as_a_rise_does",
    ),
    "what is still settling is evidence": Mutant(
        "decide",
        "seen.blocks.window(trial.since + settle, now)",
        "seen.blocks.window(trial.since, now)",
        "test_decide::test_what_is_still_settling_is_no_sample",
    ),
    "one signal with enough samples is enough": Mutant(
        "decide",
        "samples.min() < policy.min_samples",
        "samples.min() < 0",
        "test_decide::test_the_samples_asked_for_are_enough_and_one_less_is_not",
    ),
    "the way back leads forwards": Mutant(
        "model",
        "return Move(self.rule, self.new, self.old)",
        "return Move(self.rule, self.old, self.new)",
        "test_decide::test_what_did_nothing_is_taken_back",
    ),
    "what was moved does not rest": Mutant(
        "change",
        "**{move.rule: until for move in trial.moves}",
        "**{move.rule: block for move in trial.moves}",
        "test_change::test_what_was_moved_rests_and_counts",
    ),
    "a refused step counts as made": Mutant(
        "change",
        "then = _opened if _done(event) else _dropped",
        "then = _opened",
        "test_decide::test_a_dry_run_never_judges_what_did_not_happen",
    ),
    "a person moves what is held": Mutant(
        "asked",
        "if seen.held is not None:",
        "if False:",
        "test_asked::test_nothing_is_moved_while_all_is_held",
    ),
    "a person opens a second change": Mutant(
        "asked",
        "_OPEN = {Phase.OBSERVING, Phase.CLOSING}",
        "_OPEN = {Phase.CLOSING}",
        "test_outlook::test_a_step_that_would_be_refused_has_numbers_all_the_same",
    ),
    "a person may wait for a verdict for ever": Mutant(
        "asked",
        "state.trial.extra + asked.blocks > blocks_of(LONGER_S)",
        "asked.blocks > blocks_of(LONGER_S)",
        "test_asked_change::test_a_change_is_observed_half_a_day_longer_at_most",
    ),
    "a person's word is a proposal in a dry run": Mutant(
        "replay",
        "decision.kind is DecisionKind.APPLY and decision.reason is not Reason.ASKED",
        "decision.kind is DecisionKind.APPLY",
        "test_replay::test_a_step_that_was_asked_for_is_no_proposal_in_a_dry_run",
    ),
}


class _Altered(SourceFileLoader):
    """Reads a module with one line of it altered."""

    def __init__(self, name, mutant):
        super().__init__(name, str(mutant.source()))
        self._mutant = mutant

    def get_code(self, fullname):
        text = self._mutant.source().read_text()
        text = text.replace(self._mutant.line, self._mutant.altered)
        return compile(text, f"<{fullname}, altered>", "exec")  # no part of what is covered


class _Finder:
    """Finds the mutant where the module would be."""

    def __init__(self, mutant):
        self._mutant = mutant

    def find_spec(self, name, path=None, target=None):
        if name != f"daemon.tuning.{self._mutant.room}":
            return None
        source = self._mutant.source()
        return importlib.util.spec_from_file_location(
            name, source, loader=_Altered(name, self._mutant)
        )


@contextmanager
def imported_anew(*finders):
    """Import the core and what the tests build it from once more, and put the real ones back."""
    real = {name: sys.modules.pop(name) for name in [*sys.modules] if name.startswith(RELOADED)}
    sys.meta_path[:0] = finders
    try:
        yield
    finally:
        del sys.meta_path[: len(finders)]
        for name in [name for name in sys.modules if name.startswith(RELOADED)]:
            del sys.modules[name]
        sys.modules.update(real)
        daemon.tuning = real["daemon.tuning"]


def check_of(mutant):
    """Find the check, in a copy of its file that is imported now."""
    file, function = mutant.check.split("::")
    spec = importlib.util.spec_from_file_location(f"copy_of_{file}", ROOT / UNITS / f"{file}.py")
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    given = mutant.given
    if file == "test_guards" and given:
        given = (tuple(copy.Move(*move) for move in given[0]), *given[1:])
    return lambda: getattr(copy, function)(*given)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name):
    mutant = MUTANTS[name]
    found = mutant.source().read_text().count(mutant.line)
    assert found == 1, f"{mutant.source().name} has {found} lines like this: {mutant.line}"
    with imported_anew():
        check_of(mutant)()
    with imported_anew(_Finder(mutant)):
        check = check_of(mutant)
        with pytest.raises(AssertionError):
            check()


def test_the_real_core_is_back_afterwards():
    import daemon.tuning.guards as before  # noqa: PLC0415 - what it is at this moment

    with imported_anew(_Finder(MUTANTS["a hold is not looked at"])):
        import daemon.tuning.guards as during  # noqa: PLC0415 - same
    import daemon.tuning.guards as after  # noqa: PLC0415 - same

    assert before is after is not during
    assert daemon.tuning.guards is before
