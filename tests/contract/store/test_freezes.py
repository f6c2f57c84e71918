"""Freezes, pauses and the kill switch on every database."""

import pytest
from sqlalchemy import text

from daemon.errors import StoreError
from daemon.store import freezes
from daemon.store.freezes import Freeze, NewFreeze
from tests.contract.rows import HOUR, MINUTE, T0


def new(**fields):
    said = {"reason": "a release", "owner": "anna", "starts_at_us": T0, "created_at_us": T0 - 1}
    return NewFreeze(**{**said, **fields})


def added(store, *frozen):
    with store.write() as tx:
        return [freezes.add(tx, one) for one in frozen]


def do(store, act, *given):
    with store.write() as tx:
        return act(tx, *given)


def current(store, now_us):
    with store.read() as view:
        return [one.id for one in freezes.current(view, now_us)]


def test_a_freeze_is_read_back_as_it_was_written(store):
    (number,) = added(store, new(rule="risk_max", ends_at_us=T0 + HOUR))
    with store.read() as view:
        assert freezes.get(view, number) == Freeze(
            id=number,
            rule="risk_max",
            kind="freeze",
            starts_at_us=T0,
            ends_at_us=T0 + HOUR,
            cron=None,
            duration_s=None,
            reason="a release",
            owner="anna",
            created_at_us=T0 - 1,
            removed_at_us=None,
            removed_by=None,
        )
        assert freezes.get(view, number + 1) is None


def test_a_freeze_is_in_force_from_its_first_moment_until_its_last(store):
    spans = [
        {"ends_at_us": T0 + HOUR},
        {},
        {"starts_at_us": T0 + HOUR, "kind": "pause", "rule": "x"},
        {"kind": "kill"},
    ]
    first, endless, later, kill = added(store, *(new(**span) for span in spans))
    assert current(store, T0 - 1) == []
    assert current(store, T0) == [first, endless, kill]
    assert current(store, T0 + HOUR - 1) == [first, endless, kill]
    assert current(store, T0 + HOUR) == [endless, later, kill]


def test_a_freeze_is_ended_once_and_stays_on_record(store):
    one, two = added(store, new(), new())
    assert do(store, freezes.remove, one, "ben", T0 + 5) is True
    assert do(store, freezes.remove, one, "eva", T0 + 6) is False
    assert do(store, freezes.remove, 99, "eva", T0 + 6) is False
    assert current(store, T0 + 7) == [two]
    with store.read() as view:
        gone = freezes.get(view, one)
    assert (gone.removed_at_us, gone.removed_by) == (T0 + 5, "ben")


def test_all_freezes_of_a_kind_and_a_rule_are_lifted_and_no_others(store):
    kinds = [
        {"kind": "pause"},
        {"kind": "pause", "rule": "x"},
        {"kind": "pause", "rule": "y"},
        {"kind": "kill"},
        {"kind": "kill"},
        {"rule": "x"},
        {"kind": "pause", "rule": "x"},
    ]
    numbers = added(store, *(new(**kind) for kind in kinds))
    assert do(store, freezes.lift, "pause", "x", "ben", T0) == [numbers[1], numbers[6]]
    assert do(store, freezes.lift, "pause", "x", "ben", T0) == []
    assert do(store, freezes.lift, "kill", None, "ben", T0) == [numbers[3], numbers[4]]
    assert do(store, freezes.lift, "pause", None, "ben", T0) == [numbers[0]]
    assert current(store, T0) == [numbers[2], numbers[5]]


def test_what_is_listed_is_in_force_or_to_come_unless_everything_is_asked_for(store):
    spans = [
        {"ends_at_us": T0 + MINUTE},
        {"starts_at_us": T0 + HOUR},
        {"ends_at_us": T0 + MINUTE, "cron": "0 8 * * 1", "duration_s": 60.0},
        {},
    ]
    over, to_come, again, removed = added(store, *(new(**span) for span in spans))
    do(store, freezes.remove, removed, "ben", T0)
    with store.read() as view:
        assert [one.id for one in freezes.listed(view, T0)] == [over, to_come, again]
        assert [one.id for one in freezes.listed(view, T0 + MINUTE)] == [to_come, again]
        every = freezes.listed(view, T0 + MINUTE, every=True)
        assert [one.id for one in every] == [over, to_come, again, removed]
        assert [one.id for one in freezes.recurring(view)] == [again]


def test_a_freeze_that_recurs_is_moved_on_until_it_is_removed(store):
    weekly, once = added(
        store, new(cron="0 8 * * 1", duration_s=60.0, ends_at_us=T0 + MINUTE), new()
    )
    assert do(store, freezes.recur, weekly, T0 + HOUR, T0 + HOUR + MINUTE) is True
    assert current(store, T0) == [once]
    assert current(store, T0 + HOUR) == [weekly, once]
    assert do(store, freezes.recur, once, T0 + HOUR, T0 + HOUR + MINUTE) is False
    do(store, freezes.remove, weekly, "ben", T0)
    assert do(store, freezes.recur, weekly, T0, T0 + MINUTE) is False


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "frost"},
        {"kind": "kill", "rule": "x"},
        {"ends_at_us": T0},
        {"cron": "0 8 * * 1"},
        {"duration_s": 60.0},
    ],
)
def test_what_makes_no_sense_is_refused(store, wrong):
    with pytest.raises(StoreError):
        added(store, new(**wrong))


def test_what_an_older_program_writes_is_a_freeze(store):
    """It names no kind."""
    with store.write() as tx:
        tx.execute(
            text(
                "INSERT INTO freezes (starts_at_us, reason, owner, created_at_us)"
                f" VALUES ({T0}, 'r', 'o', {T0})"
            )
        )
    with store.read() as view:
        (one,) = freezes.current(view, T0)
    assert (one.kind, one.rule) == ("freeze", None)
