"""Adopting a policy: bounds change at once, values stay, nothing is forgotten."""

from dataclasses import replace

import pytest

from daemon.errors import StoreError
from daemon.store import history, rules, runs
from daemon.store.rules import Policy, RuleLimits, RuleRow
from daemon.store.tables import policies
from daemon.store.tables import rules as rules_table
from tests.contract.rows import T0, rows_of, rule_set

FIRST = Policy(digest="a" * 64, body={"rules": {"x": {"init": 0.2}}}, source="a.yaml")
SECOND = Policy(digest="b" * 64, body={})


def limits(name: str = "risk_max", **fields) -> RuleLimits:
    said = {"init": 0.35, "min_value": 0.2, "max_value": 0.4, "step": 0.02}
    return RuleLimits(name=name, **{**said, **fields})


def adopt(store, policy, listed, at_us=T0):
    with store.write() as tx:
        return rules.adopt_policy(tx, policy, listed, at_us)


def by_name(store):
    return {row["name"]: row for row in rows_of(store, rules_table)}


def test_a_new_rule_stands_at_its_init(store):
    assert adopt(store, FIRST, [limits(weight=1.2)]) == ["risk_max"]
    assert by_name(store)["risk_max"] == {
        "name": "risk_max",
        "value": 0.35,
        "init": 0.35,
        "min_value": 0.2,
        "max_value": 0.4,
        "step": 0.02,
        "weight": 1.2,
        "policy": "a" * 64,
        **dict.fromkeys(
            ["change_id", "changed_at_us", "cooldown_until_us", "foreign_at_us", "retired_at_us"]
        ),
    }
    (kept,) = rows_of(store, policies)
    assert kept == {"digest": "a" * 64, "at_us": T0, "source": "a.yaml", "body": FIRST.body}


def test_a_known_rule_keeps_its_value_and_takes_its_limits(store):
    adopt(store, FIRST, [limits()])
    with store.write() as tx:
        tx.execute(rules_table.update().values(value=0.31, changed_at_us=T0 + 1, change_id=7))
    assert adopt(store, SECOND, [limits(init=0.1, max_value=0.3, step=0.01)], T0 + 2) == []
    row = by_name(store)["risk_max"]
    assert (row["value"], row["changed_at_us"], row["change_id"]) == (0.31, T0 + 1, 7)
    assert (row["init"], row["max_value"], row["step"]) == (0.1, 0.3, 0.01)
    assert row["policy"] == "b" * 64


def test_a_rule_the_policy_does_not_name_is_retired_and_comes_back_as_it_was(store):
    adopt(store, FIRST, [limits("a"), limits("b")])
    with store.write() as tx:
        tx.execute(rules_table.update().where(rules_table.c.name == "b").values(value=0.25))
    adopt(store, SECOND, [limits("a")], T0 + 1)
    assert by_name(store)["a"]["retired_at_us"] is None
    assert by_name(store)["b"]["retired_at_us"] == T0 + 1
    adopt(store, SECOND, [limits("a")], T0 + 2)
    assert by_name(store)["b"]["retired_at_us"] == T0 + 1, "retired once"
    assert adopt(store, FIRST, [limits("a"), limits("b")], T0 + 3) == []
    assert (by_name(store)["b"]["retired_at_us"], by_name(store)["b"]["value"]) == (None, 0.25)


def test_a_policy_without_rules_retires_them_all(store):
    adopt(store, FIRST, [limits("a"), limits("b")])
    assert adopt(store, SECOND, [], T0 + 1) == []
    assert {row["retired_at_us"] for row in by_name(store).values()} == {T0 + 1}


def test_a_policy_that_comes_again_is_kept_once_with_its_first_moment(store):
    adopt(store, FIRST, [limits()])
    adopt(store, FIRST, [limits()], T0 + 9)
    assert [row["at_us"] for row in rows_of(store, policies)] == [T0]


@pytest.mark.parametrize(("last", "starts_at"), [(0.4, 0.4), (0.2, 0.2), (0.41, 0.35), (0.0, 0.35)])
def test_a_rule_with_a_history_starts_where_it_ended_if_that_is_within_bounds(
    store, last, starts_at
):
    with store.write() as tx:
        history.append_all(
            tx,
            [
                rule_set(T0 - 3, new=0.3),
                rule_set(T0 - 2, new=last),
                rule_set(T0 - 1, rule="other", new=0.33),
            ],
        )
    assert adopt(store, FIRST, [limits()]) == ["risk_max"]
    row = by_name(store)["risk_max"]
    assert row["value"] == starts_at
    assert row["changed_at_us"] == (T0 - 2 if starts_at == last else None)


def test_limits_that_make_no_sense_are_refused(store):
    refused = [
        ({"min_value": 0.5}, "ck_rules_bounds"),
        ({"step": 0.0}, "ck_rules_step_positive"),
        ({"step": float("nan")}, "NaN, infinity"),
        ({"init": float("nan")}, "NaN, infinity"),
        ({"weight": float("inf")}, "NaN, infinity"),
        ({"max_value": 1e300}, "beyond 1e300"),
        ({"name": ""}, "ck_rules_name_length"),
        ({"name": "n" * 65}, "ck_rules_name_length"),
    ]
    for fields, message in refused:
        with pytest.raises(StoreError, match=message):
            adopt(store, FIRST, [limits(**fields)])
    assert rows_of(store, rules_table) == rows_of(store, policies) == []


# ── where they stand ─────────────────────────────────────────────────────────
def values(store):
    with store.read() as view:
        return rules.values(view)


def test_every_rule_that_is_not_retired_is_read_with_where_it_stands(store):
    adopt(store, FIRST, [limits(), limits("x", init=0.3, weight=1.2), limits("gone")])
    adopt(store, SECOND, [limits(), limits("x", init=0.3, weight=1.2)], T0 + 1)
    with store.write() as tx:
        runs.put_in_force(tx, "x", 0.32, change_id=7, at_us=T0 + 5, cooldown_us=10)
    assert list(values(store)) == ["risk_max", "x"]
    assert values(store)["x"] == RuleRow(
        name="x",
        value=0.32,
        init=0.3,
        min_value=0.2,
        max_value=0.4,
        step=0.02,
        weight=1.2,
        change_id=7,
        changed_at_us=T0 + 5,
        cooldown_until_us=T0 + 15,
        foreign_at_us=None,
    )


def test_a_rule_that_a_person_moved_stands_there_until_it_is_adopted(store):
    adopt(store, FIRST, [limits(), limits("x")])
    with store.write() as tx:
        runs.put_in_force(tx, "x", 0.32, change_id=7, at_us=T0 + 5, cooldown_us=10)
        rules.set_foreign(tx, "x", 0.39, T0 + 9)
    moved = values(store)["x"]
    assert (moved.value, moved.changed_at_us, moved.foreign_at_us) == (0.39, T0 + 9, T0 + 9)
    assert (moved.change_id, moved.cooldown_until_us) == (None, T0 + 15)
    assert values(store)["risk_max"].foreign_at_us is None
    with store.write() as tx:
        assert rules.adopt(tx, "x") is True
        assert rules.adopt(tx, "x") is False
        assert rules.adopt(tx, "risk_max") is False
    assert values(store)["x"] == replace(moved, foreign_at_us=None)
