"""Calibrations on every database: recorded once, read by policy, never altered."""

from dataclasses import replace

import pytest

from daemon.errors import StoreError
from daemon.store import calibrations, changes, history, samples
from daemon.store.calibrations import Movement
from daemon.store.tables import calibrations as table
from daemon.tuning.vocabulary import ChangeState
from tests.contract.rows import HOUR, MINUTE, T0, move, new_change, put_samples, rows_of, rule_set

RED = calibrations.Calibration(
    at_us=T0,
    policy="a" * 64,
    outcome="red",
    from_us=T0 - HOUR,
    to_us=T0,
    quiet_s=3600.0,
    placebos=7,
    false_keep=0.04,
    false_worse=None,
    reasons=[{"code": "too_little_quiet", "what": "7 placebos", "hint": "wait"}],
    warnings=[],
    signals=[{"signal": "s", "heard": {"level": 0.25}}, {"signal": "t", "heard": None}],
)


def record(store, *made):
    with store.write() as tx:
        return [calibrations.record(tx, one) for one in made]


def test_the_newest_of_a_policy_is_read_back_as_it_was_written(store):
    newer = replace(RED, at_us=T0 + 1, outcome="green", reasons=[], false_worse=0.0)
    other = replace(RED, at_us=T0 + 2, policy="b" * 64)
    assert record(store, RED, newer, other) == [1, 2, 3]
    with store.read() as view:
        assert calibrations.latest(view, "a" * 64) == newer
        assert calibrations.latest(view, "c" * 64) is None
        assert calibrations.latest(view) == other


def test_without_any_there_is_none(store):
    with store.read() as view:
        assert calibrations.latest(view) is None
        assert calibrations.last_heard(view, ["s"]) == {}


def test_what_was_last_heard_of_a_signal_may_come_from_another_policy(store):
    unheard = replace(RED, policy="b" * 64, signals=[{"signal": "s", "heard": None}])
    newer = replace(RED, signals=[{"signal": "s", "heard": {"level": 0.5}}])
    record(store, RED, newer, unheard)
    with store.read() as view:
        assert calibrations.last_heard(view, ["s", "t", "u"]) == {"s": {"level": 0.5}}


@pytest.mark.parametrize("statement", ["UPDATE {0} SET outcome = 'green'", "DELETE FROM {0}"])
def test_what_was_measured_stays_as_it_was(store, statement):
    record(store, RED)
    with pytest.raises(StoreError, match="calibrations is append-only"), store.write() as tx:
        tx.exec_driver_sql(statement.format(table.name))
    assert len(rows_of(store, table)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"outcome": "grey"},
        {"policy": "short"},
        {"from_us": T0 + 1},
        {"placebos": -1},
        {"false_keep": 1.5},
        {"false_worse": -0.1},
        {"quiet_s": -1.0},
        {"override_reason": "because"},
        {"override_by": "me"},
        {"override_reason": "", "override_by": "me"},
    ],
)
def test_what_makes_no_sense_is_refused(store, wrong):
    with pytest.raises(StoreError):
        record(store, replace(RED, **wrong))


# ── the past they are made from ──────────────────────────────────────────────
def test_the_time_is_found_in_which_all_signals_were_recorded(store):
    put_samples(store, "s", T0, [1.0] * 10)
    put_samples(store, "t", T0 + 3_000_000, [1.0] * 10)
    with store.read() as view:
        both = calibrations.recorded(view, ["s", "t", "never"], 0)
        late = calibrations.recorded(view, ["s", "t"], T0 + 11_000_000)
        none = calibrations.recorded(view, ["never"], 0)
    assert both == (T0 + 3_000_000, T0 + 12_000_000)
    assert late == (T0 + 11_000_000, T0 + 12_000_000)
    assert none is None


def test_a_signal_that_is_only_declared_was_not_recorded(store):
    with store.write() as tx:
        samples.declare(tx, ["s"], T0)
        assert calibrations.recorded(tx, ["s"], 0) is None
    put_samples(store, "s", T0, [1.0])
    with store.read() as view:
        assert calibrations.recorded(view, ["s"], T0 + MINUTE) == (T0, T0)


def test_every_moment_is_listed_at_which_something_may_have_moved(store):
    with store.write() as tx:
        history.append(tx, rule_set(T0 + MINUTE, old=0.3, new=0.4, rule="risk_max"))
        history.append(tx, rule_set(T0 + HOUR))
        kept = changes.open_change(
            tx, new_change(opened_at_us=T0), ChangeState.APPLYING, move(T0 + 2 * MINUTE)
        )
        changes.advance(
            tx, kept, ChangeState.APPLYING, ChangeState.OBSERVING, move(T0 + 3 * MINUTE)
        )
        changes.advance(tx, kept, ChangeState.OBSERVING, ChangeState.KEPT, move(T0 + 4 * MINUTE))
        dry = new_change("other", "k2", opened_at_us=T0)
        changes.open_change(tx, dry, ChangeState.DRY_RUN, move(T0 + 5 * MINUTE))
    with store.read() as view:
        found = calibrations.movements(view, T0, T0 + HOUR)
    assert found == [
        Movement(T0 + MINUTE, "risk_max", 0.3, 0.4),
        Movement(T0 + 2 * MINUTE),
        Movement(T0 + 3 * MINUTE),
    ]
