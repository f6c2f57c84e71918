"""Changes move only along the protocol, once, and never two of one rule at a time."""

from contextlib import nullcontext
from itertools import product

import pytest
from sqlalchemy import insert

from daemon.errors import StoreError
from daemon.store import changes, rules, samples
from daemon.store.changes import Delta, RuleBusy, StaleChange
from daemon.store.tables import change_events, deltas
from daemon.store.tables import changes as changes_table
from daemon.tuning.vocabulary import (
    OPEN_STATES,
    TERMINAL_STATES,
    TRANSITIONS,
    ChangeState,
    Verdict,
)
from tests.contract.rows import T0, move, new_change, put_change, rows_of

S = ChangeState


def test_a_change_is_opened_with_its_intent_and_its_first_event(store):
    with store.write() as tx:
        change_id = changes.open_change(tx, new_change(epoch=3), S.APPLYING, move(epoch=3))
        assert changes.open_id(tx, "risk_max") == change_id
        assert changes.open_id(tx, "creative_min") is None
    (row,) = rows_of(store, changes_table)
    assert (row["id"], row["state"], row["origin"], row["epoch"]) == (1, "applying", "loop", 3)
    assert (row["old"], row["new"], row["opened_at_us"]) == (0.35, 0.37, T0)
    assert (row["applied_at_us"], row["settled_at_us"], row["cause"]) == (None, None, "because")
    (happened,) = rows_of(store, change_events)
    assert (happened["change_id"], happened["from_state"]) == (1, None)
    assert (happened["to_state"], happened["actor"]) == ("applying", "daemon")


def test_the_same_key_opens_the_same_change_and_writes_nothing(store):
    with store.write() as tx:
        first = changes.open_change(tx, new_change(), S.APPLYING, move())
    before = rows_of(store, changes_table), rows_of(store, change_events)
    with store.write() as tx:
        again = changes.open_change(tx, new_change(new=0.9), S.APPLYING, move(T0 + 1))
    assert again == first
    assert (rows_of(store, changes_table), rows_of(store, change_events)) == before


def test_the_same_key_answers_even_when_the_change_is_settled_long_ago(store):
    with store.write() as tx:
        first = changes.open_change(tx, new_change(), S.APPLYING, move())
        changes.advance(tx, first, S.APPLYING, S.FAILED, move())
        assert changes.open_change(tx, new_change(), S.APPLYING, move()) == first
    assert len(rows_of(store, change_events)) == 2


def test_a_rule_with_an_open_change_is_busy_and_the_transaction_goes_on(store):
    with store.write() as tx:
        for state in sorted(OPEN_STATES):
            put_change(tx, state, f"first {state}", rule=state)
            with pytest.raises(RuleBusy, match=f"{state} already has an open change") as raised:
                changes.open_change(tx, new_change(state, f"second {state}"), S.APPLYING, move())
            assert "roll it back" in raised.value.hint
    assert {row["rule"] for row in rows_of(store, changes_table)} == OPEN_STATES
    assert len(rows_of(store, changes_table)) == len(OPEN_STATES)


def test_a_rule_whose_change_is_not_open_is_free(store):
    with store.write() as tx:
        for state in sorted(set(S) - OPEN_STATES):
            earlier = put_change(tx, state, f"first {state}", rule=state)
            later = new_change(state, f"second {state}")
            assert changes.open_change(tx, later, S.APPLYING, move()) == earlier + 1


def test_a_proposed_change_cannot_open_beside_an_open_one(store):
    with store.write() as tx:
        put_change(tx, S.OBSERVING, "k1")
        proposed = put_change(tx, S.PROPOSED, "k2")
        with pytest.raises(RuleBusy, match="change 2 cannot open"):
            changes.advance(tx, proposed, S.PROPOSED, S.APPLYING, move())
        changes.advance(tx, proposed, S.PROPOSED, S.REJECTED, move())
    assert [row["state"] for row in rows_of(store, changes_table)] == ["observing", "rejected"]


def test_the_database_itself_refuses_two_open_changes_of_a_rule(store):
    with store.write() as tx:
        put_change(tx, S.APPLYING, "k1")
    for state in sorted(OPEN_STATES):
        with pytest.raises(StoreError, match=r"(?i)unique"), store.write() as tx:
            put_change(tx, state, "k2")


def test_a_fault_of_the_change_itself_is_not_called_busy(store):
    with pytest.raises(StoreError, match=r"(?i)origin_known") as raised, store.write() as tx:
        changes.open_change(tx, new_change(origin="nobody"), S.APPLYING, move())
    assert not isinstance(raised.value, RuleBusy)


def test_a_change_goes_where_the_protocol_leads_and_nowhere_else(store):
    """Every pair of states, each from a change that was set into the first of them."""
    led = []
    with store.write() as tx:
        for origin, target in product(sorted(S), repeat=2):
            name = f"{origin} {target}"
            change_id = put_change(tx, origin, name, rule=name)
            if target in TRANSITIONS[origin]:
                changes.advance(tx, change_id, origin, target, move(T0 + 5, cause="on"))
                led.append((origin, target))
                continue
            with pytest.raises(ValueError, match=f"never goes from {origin} to {target}"):
                changes.advance(tx, change_id, origin, target, move())
    happened = [(row["from_state"], row["to_state"]) for row in rows_of(store, change_events)]
    assert happened == led
    for row in rows_of(store, changes_table):
        origin, target = row["rule"].split()
        moved = (origin, target) in led
        assert row["state"] == (target if moved else origin)
        if moved:
            assert row["settled_at_us"] == (T0 + 5 if target in TERMINAL_STATES else None)
            assert row["applied_at_us"] == (T0 + 5 if target == S.OBSERVING else None)


def test_a_change_that_has_moved_on_is_not_moved_by_who_did_not_see_it(store):
    others = sorted(set(S) - {S.OBSERVING})
    with store.write() as tx:
        for actual in others:
            change_id = put_change(tx, actual, actual, rule=actual)
            with pytest.raises(StaleChange, match=f"change {change_id} is not observing any more"):
                changes.advance(tx, change_id, S.OBSERVING, S.KEPT, move())
    assert [row["state"] for row in rows_of(store, changes_table)] == others
    assert rows_of(store, change_events) == []


def test_a_change_that_does_not_exist_is_stale(store):
    with store.write() as tx, pytest.raises(StaleChange):
        changes.advance(tx, 99, S.OBSERVING, S.KEPT, move())


def test_a_moment_of_application_and_of_settling_are_kept_apart(store):
    with store.write() as tx:
        number = changes.open_change(tx, new_change(), S.APPLYING, move(T0))
        changes.advance(tx, number, S.APPLYING, S.OBSERVING, move(T0 + 1))
        changes.advance(tx, number, S.OBSERVING, S.ROLLING_BACK, move(T0 + 2))
        changes.advance(tx, number, S.ROLLING_BACK, S.STUCK, move(T0 + 3))
        changes.advance(tx, number, S.STUCK, S.ROLLING_BACK, move(T0 + 4))
        changes.advance(tx, number, S.ROLLING_BACK, S.ROLLED_BACK, move(T0 + 5))
    (row,) = rows_of(store, changes_table)
    assert (row["applied_at_us"], row["settled_at_us"]) == (T0 + 1, T0 + 5)
    assert [row["at_us"] - T0 for row in rows_of(store, change_events)] == [0, 1, 2, 3, 4, 5]


def test_an_event_keeps_both_clocks_and_who_moved_the_change(store):
    with store.write() as tx:
        told = move(boot_id="b", elapsed_us=5, actor="ctl", epoch=2, body={"why": [1]})
        changes.open_change(tx, new_change(), S.APPLYING, told)
    (row,) = rows_of(store, change_events)
    assert (row["boot_id"], row["elapsed_us"], row["actor"]) == ("b", 5, "ctl")
    assert (row["epoch"], row["body"], row["cause"]) == (2, {"why": [1]}, "because")


def test_a_second_end_of_a_change_is_refused_by_the_database(store):
    with store.write() as tx:
        number = changes.open_change(tx, new_change(), S.APPLYING, move())
        changes.advance(tx, number, S.APPLYING, S.FAILED, move())
    (_, ended) = rows_of(store, change_events)
    forged = {**ended, "seq": 3, "to_state": S.SUPERSEDED, "hash": "f" * 64}
    with pytest.raises(StoreError, match=r"(?i)unique.*change_events"), store.write() as tx:
        tx.execute(insert(change_events).values(forged))


def test_a_change_is_settled_exactly_when_it_has_ended(store):
    for state, settled in product(sorted(S), [None, T0]):
        expected = pytest.raises(StoreError, match="ck_changes_settled")
        if (state in TERMINAL_STATES) == (settled is not None):
            expected = nullcontext()
        with expected, store.write() as tx:
            put_change(tx, state, f"{state} {settled}", rule=state, settled_at_us=settled)
    assert len(rows_of(store, changes_table)) == len(S)


def test_open_changes_are_listed_oldest_first_and_settled_ones_are_not(store):
    with store.write() as tx:
        for number, state in enumerate(sorted(S), 1):
            put_change(tx, state, f"k{number}", rule=f"rule{number}")
        listed = changes.open_changes(tx)
    assert [row["id"] for row in listed] == sorted(row["id"] for row in listed)
    assert {row["state"] for row in listed} == OPEN_STATES


def delta(change_id: int = 1, **fields) -> Delta:
    said = {"signal_id": 1, "at_us": T0, "verdict": Verdict.BETTER}
    return Delta(change_id=change_id, **{**said, **fields})


def test_deltas_are_kept_as_measured(store):
    measured = [
        delta(pre_s=90, pre_n=450, pre_mean=0.31, pre_var=0.01, post_s=90, post_n=449)
        if trial == 1
        else delta(trial=2, post_mean=0.3, post_var=0.02, delta=-0.01, ci_low=-0.02, ci_high=0.0)
        for trial in (1, 2)
    ]
    with store.write() as tx:
        samples.declare(tx, ["s"], T0)
        put_change(tx, S.OBSERVING)
        changes.add_deltas(tx, measured)
        changes.add_deltas(tx, [])
    for row, sent in zip(rows_of(store, deltas), measured, strict=True):
        assert row == {name: getattr(sent, name) for name in sent.__slots__}


def test_a_delta_that_says_nothing_is_refused(store):
    refused = [
        ({"delta": float("nan")}, "NaN, infinity"),
        ({"pre_mean": float("inf")}, "NaN, infinity"),
        ({"post_var": float("nan")}, "NaN, infinity"),
        ({"ci_low": 1e300}, "beyond 1e300"),
        ({"verdict": "great"}, "ck_deltas_verdict_known"),
        ({"trial": 0}, "ck_deltas_trial_positive"),
        ({"signal_id": 2}, r"(?i)foreign key"),
        ({"change_id": 2}, r"(?i)foreign key"),
    ]
    with store.write() as tx:
        samples.declare(tx, ["s"], T0)
        put_change(tx, S.OBSERVING)
    for fields, message in refused:
        with pytest.raises(StoreError, match=message), store.write() as tx:
            changes.add_deltas(tx, [delta(**fields)])
    assert rows_of(store, deltas) == []


# ── reading ──────────────────────────────────────────────────────────────────
def test_what_has_not_ended_is_read_open_or_only_proposed(store):
    with store.write() as tx:
        numbers = [put_change(tx, state, f"k{n}", rule=f"r{n}") for n, state in enumerate(S)]
    unsettled = [
        number for number, state in zip(numbers, S, strict=True) if state not in TERMINAL_STATES
    ]
    with store.read() as view:
        found = changes.unsettled(view)
    assert [row["id"] for row in found] == unsettled
    assert {row["state"] for row in found} == set(OPEN_STATES) | {S.PROPOSED}


def test_changes_are_read_newest_first_of_one_rule_or_of_all(store):
    with store.write() as tx:
        one, two, three = (
            put_change(tx, S.KEPT, key, rule=rule)
            for key, rule in (("k1", "a"), ("k2", "b"), ("k3", "a"))
        )
    with store.read() as view:
        assert [row["id"] for row in changes.latest(view)] == [three, two, one]
        assert [row["id"] for row in changes.latest(view, limit=2)] == [three, two]
        assert [row["id"] for row in changes.latest(view, "a")] == [three, one]
        assert changes.latest(view, "c") == []


def test_a_change_is_read_with_its_states_and_what_it_did(store):
    with store.write() as tx:
        ids = samples.declare(tx, ["b", "a"], T0)
        number = changes.open_change(tx, new_change(), S.APPLYING, move(T0))
        changes.open_change(tx, new_change("other", "k2"), S.APPLYING, move(T0))
        changes.advance(tx, number, S.APPLYING, S.OBSERVING, move(T0 + 1, body={"n": 1}))
        told = {"change_id": number, "at_us": T0, "verdict": "better"}
        changes.add_deltas(
            tx,
            [
                Delta(signal_id=ids["b"].id, trial=1, delta=0.5, **told),
                Delta(signal_id=ids["a"].id, trial=2, **told),
                Delta(signal_id=ids["a"].id, trial=1, **told),
            ],
        )
    with store.read() as view:
        assert changes.get(view, number)["state"] == S.OBSERVING
        assert changes.get(view, 99) is None
        states = [(row["from_state"], row["to_state"]) for row in changes.events_of(view, number)]
        assert states == [(None, S.APPLYING), (S.APPLYING, S.OBSERVING)]
        assert changes.events_of(view, number)[1]["body"] == {"n": 1}
        deltas = changes.deltas_of(view, number)
        assert [(row["signal"], row["trial"]) for row in deltas] == [("a", 1), ("b", 1), ("a", 2)]
        assert deltas[1]["delta"] == 0.5
        assert (changes.events_of(view, 99), changes.deltas_of(view, 99)) == ([], [])


LIMITS = {"init": 0.3, "min_value": 0.1, "max_value": 0.9, "step": 0.1}


@pytest.mark.parametrize(
    ("past", "good"),
    [
        ([], 0.3),
        ([("dry_run", 0.3, 0.4, None)], 0.3),
        ([("rolled_back", 0.5, 0.6, T0)], 0.5),
        ([("failed", 0.5, 0.6, None)], 0.3),
        ([("observing", 0.5, 0.6, T0)], 0.5),
        ([("rolled_back", 0.5, 0.6, T0), ("superseded", 0.7, 0.8, T0)], 0.5),
        ([("kept", 0.5, 0.6, T0)], 0.6),
        ([("kept", 0.5, 0.6, T0), ("kept", 0.6, 0.7, T0)], 0.7),
        ([("kept", 0.5, 0.6, T0), ("rolled_back", 0.6, 0.7, T0)], 0.6),
        ([("kept", 0.5, 0.6, T0), ("stuck", 0.6, 0.7, T0)], 0.6),
    ],
)
def test_the_last_good_value_is_the_newest_kept_or_what_was_there_before_any_step(
    store, past, good
):
    with store.write() as tx:
        limits = [rules.RuleLimits(name=name, **LIMITS) for name in ("risk_max", "other")]
        rules.adopt_policy(tx, rules.Policy(digest="d" * 64, body={}), limits, T0)
        for n, (state, old, new, applied) in enumerate(past):
            put_change(tx, S(state), f"k{n}", old=old, new=new, applied_at_us=applied)
    with store.read() as view:
        assert changes.kept_values(view) == {"other": 0.3, "risk_max": good}


def test_a_retired_rule_has_no_good_value(store):
    with store.write() as tx:
        rules.adopt_policy(
            tx, rules.Policy(digest="d" * 64, body={}), [rules.RuleLimits(name="x", **LIMITS)], T0
        )
        rules.adopt_policy(tx, rules.Policy(digest="e" * 64, body={}), [], T0)
        put_change(tx, S.KEPT, rule="x")
        assert changes.kept_values(tx) == {}
