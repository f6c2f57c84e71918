"""What the views make of the present: what holds a rule, and how a signal is."""

from decimal import Decimal

import pytest
from sqlalchemy import insert, text

from daemon.clock import MAX_MICROS, iso
from daemon.store import rules, samples
from daemon.store.tables import freezes
from daemon.store.tables import rules as rules_table
from daemon.store.views import render
from daemon.tuning.vocabulary import ChangeState
from tests.contract.rows import T0, put_change

S = ChangeState


def ask(store, query):
    with store.read() as view:
        return [dict(row) for row in view.execute(text(query)).mappings()]


# ── current_rules.state ──────────────────────────────────────────────────────
LATER = MAX_MICROS
FROZEN = {"starts_at_us": 0, "reason": "r", "owner": "o", "created_at_us": 0}


@pytest.mark.parametrize(
    ("rule", "opened", "frozen", "state"),
    [
        ({}, None, {}, "steady"),
        ({"cooldown_until_us": 1}, None, {}, "steady"),
        ({"cooldown_until_us": LATER}, None, {}, "cooling"),
        ({"cooldown_until_us": LATER}, None, FROZEN, "frozen"),
        ({}, None, FROZEN, "frozen"),
        ({}, None, {**FROZEN, "rule": "risk_max"}, "frozen"),
        ({}, None, {**FROZEN, "rule": "creative_min"}, "steady"),
        ({}, None, {**FROZEN, "ends_at_us": LATER}, "frozen"),
        ({}, None, {**FROZEN, "ends_at_us": 1}, "steady"),
        ({}, None, {**FROZEN, "starts_at_us": LATER}, "steady"),
        ({}, None, {**FROZEN, "removed_at_us": 1}, "steady"),
        ({"foreign_at_us": 1}, None, FROZEN, "foreign"),
        ({"foreign_at_us": 1}, S.OBSERVING, FROZEN, "observing"),
        *(({}, state, {}, "observing") for state in ("applying", "observing", "rolling_back")),
        ({}, S.STUCK, {}, "observing"),
        *(({}, state, {}, "steady") for state in ("proposed", "kept", "rolled_back", "failed")),
    ],
)
def test_the_state_of_a_rule_is_what_holds_it_most(store, rule, opened, frozen, state):
    with store.write() as tx:
        limits = [
            rules.RuleLimits(name="risk_max", init=0.35, min_value=0.2, max_value=0.4, step=0.02)
        ]
        rules.adopt_policy(tx, rules.Policy(digest="d" * 64, body={}), limits, T0)
        if rule:
            tx.execute(rules_table.update().values(rule))
        if opened:
            put_change(tx, S(opened))
        if frozen:
            tx.execute(insert(freezes).values(frozen))
    (row,) = ask(store, "SELECT * FROM current_rules")
    assert row["state"] == state


# ── signal_health ────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("ages_s", "bad", "period_s", "expected"),
    [
        (range(1, 31), 0, None, ("ok", 0.5, 0.0)),
        (range(1, 31), 7, None, ("ok", 0.5, 7 / 37)),
        (range(1, 31), 8, None, ("sick", 0.5, 8 / 38)),
        (range(70, 100), 0, None, ("silent", 0.5, 0.0)),
        (range(70, 100), 0, 30.0, ("ok", 0.5, 0.0)),
        (range(100, 130), 0, 30.0, ("silent", 0.5, 0.0)),
        (range(50, 51), 0, 0.2, ("ok", 1 / 60, 0.0)),
        (range(70, 71), 0, 0.2, ("silent", 1 / 60, 0.0)),
        ([10, 69.5, 70, 71], 0, None, ("ok", 2 / 60, 0.0)),
        ([], 0, None, ("silent", 0.0, None)),
        ([], 3, None, ("sick", 0.0, 1.0)),
    ],
)
def test_a_signal_is_fit_sick_or_silent(store, ages_s, bad, period_s, expected):
    (now_us,) = ask(store, f"SELECT {render('@now_us', store.dialect)} AS now").pop().values()
    rows = [("s", now_us - int(age * 1_000_000), 1.0) for age in ages_s]
    with store.write() as tx:
        samples.declare(tx, ["s"], T0, samples.About(period_s=period_s))
        samples.ingest(tx, rows + [("s", now_us, float("nan"))] * bad, now_us)
    (row,) = ask(store, "SELECT * FROM signal_health")
    state, rate, share = expected
    assert (row["signal"], row["state"]) == ("s", state)
    assert row["rate_hz"] == pytest.approx(rate)
    assert row["share_bad"] == (share if share is None else pytest.approx(share))
    if rows:
        assert row["last_at"] == iso(rows[0][1])
        assert row["age_s"] == pytest.approx(min(ages_s), abs=5)
    else:
        assert (row["last_at"], row["age_s"]) == (None, None)
    numbers = [row[name] for name in ("rate_hz", "share_bad", "age_s")]
    assert not any(isinstance(number, Decimal) for number in numbers)
