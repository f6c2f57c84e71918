"""The words of river 1: one meaning each, and the database holds the same."""

import pytest
from sqlalchemy import CheckConstraint

from daemon.store.tables import change_events, changes, decisions, deltas, risk_ledger
from daemon.store.tables.tuning import IS_OPEN
from daemon.tuning.vocabulary import (
    OPEN_STATES,
    TERMINAL_STATES,
    TRANSITIONS,
    ChangeState,
    DecisionKind,
    Mode,
    Severity,
    Verdict,
)

S = ChangeState


def words_in(text):
    return set(text.split("'")[1::2])


def check(table, name):
    (found,) = [
        str(one.sqltext)
        for one in table.constraints
        if isinstance(one, CheckConstraint) and one.name == name
    ]
    return words_in(found)


@pytest.mark.parametrize(
    ("table", "name", "words"),
    [
        (changes, "ck_changes_state_known", ChangeState),
        (changes, "ck_changes_settled", TERMINAL_STATES),
        (change_events, "ck_change_events_from_state_known", ChangeState),
        (change_events, "ck_change_events_to_state_known", ChangeState),
        (decisions, "ck_decisions_kind_known", DecisionKind),
        (decisions, "ck_decisions_mode_known", Mode),
        (deltas, "ck_deltas_verdict_known", Verdict),
        (risk_ledger, "ck_risk_ledger_severity_known", Severity),
    ],
)
def test_the_database_holds_the_same_words(table, name, words):
    assert check(table, name) == set(words)


def test_the_database_calls_the_same_changes_open_and_ended():
    assert words_in(IS_OPEN) == OPEN_STATES
    where = {
        index.name: words_in(str(index.dialect_options["sqlite"]["where"]))
        for table in (changes, change_events)
        for index in table.indexes
        if index.unique
    }
    assert where == {
        "uq_changes_one_open": OPEN_STATES,
        "uq_change_events_one_end": TERMINAL_STATES,
    }


def test_every_state_is_open_ended_or_not_begun():
    assert OPEN_STATES | TERMINAL_STATES | {S.PROPOSED} == set(S)
    assert not OPEN_STATES & TERMINAL_STATES
    assert S.PROPOSED not in OPEN_STATES | TERMINAL_STATES


def test_every_state_has_its_transitions():
    assert TRANSITIONS.keys() == set(S)


@pytest.mark.parametrize("state", sorted(TERMINAL_STATES))
def test_nothing_follows_an_end(state):
    assert TRANSITIONS[state] == frozenset()


@pytest.mark.parametrize("state", sorted(set(S) - TERMINAL_STATES))
def test_a_change_that_has_not_ended_can_move_on_and_never_stands_still(state):
    assert TRANSITIONS[state]
    assert state not in TRANSITIONS[state]


def reachable(start):
    seen, ahead = {start}, [start]
    while ahead:
        for state in TRANSITIONS[ahead.pop()] - seen:
            seen.add(state)
            ahead.append(state)
    return seen


def test_every_state_can_be_reached_from_a_proposal():
    assert reachable(S.PROPOSED) == set(S)


@pytest.mark.parametrize("state", sorted(set(S) - TERMINAL_STATES))
def test_an_end_can_be_reached_from_everywhere(state):
    assert reachable(state) & TERMINAL_STATES


@pytest.mark.parametrize("state", sorted(OPEN_STATES))
def test_an_open_change_can_be_taken_back_or_is_being_taken_back(state):
    assert S.ROLLED_BACK in reachable(state)
    assert {S.SUPERSEDED, S.INCONSISTENT} <= TRANSITIONS[state]
    assert S.PROPOSED not in reachable(state), "what has begun is never a proposal again"


def test_only_what_was_observed_is_kept():
    assert {state for state in S if S.KEPT in TRANSITIONS[state]} == {S.OBSERVING}
    assert {state for state in S if S.OBSERVING in TRANSITIONS[state]} == {S.APPLYING}


@pytest.mark.parametrize("words", [ChangeState, DecisionKind, Mode, Verdict, Severity])
def test_a_word_is_its_name_in_small_letters(words):
    assert [word.value for word in words] == [word.name.lower() for word in words]
    assert all(str(word) == word.value for word in words)
