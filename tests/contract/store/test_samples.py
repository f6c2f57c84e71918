"""Samples on their way in: what is sound is stored once, what is not is counted."""

from collections import Counter
from contextlib import suppress

import pytest
from sqlalchemy import select, update

from daemon.errors import StoreError
from daemon.store import samples
from daemon.store.samples import FUTURE_TOLERANCE_US, About, Sample
from daemon.store.tables import sample_faults, signals
from daemon.store.tables import samples as samples_table
from tests.contract.rows import MINUTE, T0, rows_of

NOW = T0 + MINUTE


def ingest(store, batch, now_us=NOW):
    with store.write() as tx:
        return samples.ingest(tx, batch, now_us)


def stored(store):
    with store.read() as view:
        query = (
            select(signals.c.name, samples_table.c.at_us, samples_table.c.value)
            .join(signals, signals.c.id == samples_table.c.signal_id)
            .order_by(signals.c.name, samples_table.c.at_us)
        )
        return [tuple(row) for row in view.execute(query)]


def counted(store):
    names = {row["id"]: row["name"] for row in rows_of(store, signals)}
    return {
        (names[row["signal_id"]], row["bucket_us"], row["fault"]): row["n"]
        for row in rows_of(store, sample_faults)
    }


def test_sound_samples_of_several_signals_are_stored(store):
    batch = [Sample("b", T0, -1.5), ("a", T0, 0.5), Sample("b", T0 + 1, 2), ("a", T0 + 2, 1e299)]
    done = ingest(store, batch)
    assert (done.accepted, done.refused(), dict(done.faults)) == (4, 0, {})
    assert stored(store) == [
        ("a", T0, 0.5),
        ("a", T0 + 2, 1e299),
        ("b", T0, -1.5),
        ("b", T0 + 1, 2.0),
    ]
    assert counted(store) == {}


def test_an_empty_batch_does_nothing(store):
    assert ingest(store, []).accepted == 0
    assert rows_of(store, signals) == []


@pytest.mark.parametrize(
    ("at_us", "value", "fault"),
    [
        (T0, float("nan"), "not_finite"),
        (T0, float("inf"), "not_finite"),
        (T0, float("-inf"), "not_finite"),
        (T0, 1e300, "not_finite"),
        (T0, -1e300, "not_finite"),
        (NOW + FUTURE_TOLERANCE_US + 1, 1.0, "future"),
        (NOW + FUTURE_TOLERANCE_US + 1, float("nan"), "not_finite"),
        (-1, 1.0, "too_old"),
        (NOW + FUTURE_TOLERANCE_US, 1.0, None),
        (0, 1.0, None),
        (T0, 9.9e299, None),
        (T0, -0.0, None),
        (T0, 5e-324, None),
    ],
)
def test_a_sample_is_stored_or_counted_with_its_reason(store, at_us, value, fault):
    done = ingest(store, [("s", at_us, value), ("s", T0 + 7, 0.5)])
    assert (("s", at_us, value) in stored(store)) == (fault is None)
    assert ("s", T0 + 7, 0.5) in stored(store), "the rest of the batch is taken"
    expected = Counter() if fault is None else Counter({fault: 1})
    assert sum(done.faults.values(), Counter()) == expected
    assert done.accepted == 2 - done.refused()
    assert counted(store) == ({("s", NOW, fault): 1} if fault else {})


def test_the_first_value_of_a_moment_stands(store):
    """Within a batch and across batches; a second source does not overwrite."""
    first = ingest(store, [("s", T0, 1.0), ("s", T0, 2.0), ("s", T0 + 1, 3.0), ("t", T0, 4.0)])
    assert (first.accepted, first.refused("duplicate"), dict(first.faults)) == (
        3,
        1,
        {"s": Counter(duplicate=1)},
    )
    second = ingest(store, [("s", T0, 9.0), ("s", T0 + 2, 5.0), ("t", T0, 4.0)])
    assert (second.accepted, second.refused("duplicate")) == (1, 2)
    assert stored(store) == [
        ("s", T0, 1.0),
        ("s", T0 + 1, 3.0),
        ("s", T0 + 2, 5.0),
        ("t", T0, 4.0),
    ]
    assert counted(store) == {("s", NOW, "duplicate"): 2, ("t", NOW, "duplicate"): 1}


def test_faults_add_up_within_a_minute_and_stand_apart_between_minutes(store):
    bad = [("s", T0, float("nan"))]
    for now_us in (NOW, NOW + MINUTE - 1, NOW + MINUTE):
        ingest(store, bad * 2, now_us)
    assert counted(store) == {
        ("s", NOW, "not_finite"): 4,
        ("s", NOW + MINUTE, "not_finite"): 2,
    }


def test_different_faults_of_one_batch_are_counted_apart(store):
    nan, late = float("nan"), NOW + MINUTE
    done = ingest(store, [("s", T0, nan), ("s", late, 1.0), ("s", T0, 1.0), ("s", T0, 2.0)])
    assert done.faults["s"] == Counter(not_finite=1, future=1, duplicate=1)
    assert done.refused() == 3
    assert done.refused("future") == 1
    assert done.refused("too_old") == 0


def test_what_is_older_than_what_was_pruned_is_refused(store):
    ingest(store, [("s", T0, 1.0)])
    with store.write() as tx:
        tx.execute(update(signals).values(pruned_until_us=T0))
    done = ingest(store, [("s", T0 - 1, 1.0), ("s", T0, 2.0), ("s", T0 + 1, 3.0)])
    assert done.faults["s"] == Counter(too_old=1, duplicate=1)
    assert stored(store) == [("s", T0, 1.0), ("s", T0 + 1, 3.0)]


def test_a_signal_that_a_rolled_back_transaction_declared_is_declared_again(store):
    class ChangedMindError(Exception):
        pass

    with suppress(ChangedMindError), store.write() as tx:
        samples.ingest(tx, [("s", T0, 1.0), ("t", T0, 1.0)], NOW)
        raise ChangedMindError
    assert rows_of(store, signals) == []
    with store.write() as tx:
        samples.ingest(tx, [("t", T0, 2.0)], NOW)
        samples.ingest(tx, [("s", T0, 3.0)], NOW)
    assert stored(store) == [("s", T0, 3.0), ("t", T0, 2.0)]


def test_signals_keep_their_id_and_what_is_said_of_them(store):
    with store.write() as tx:
        first = samples.declare(tx, ["b", "a", "b"], T0)
        about = About(unit="%", description="share", source="csv", period_s=0.2)
        again = samples.declare(tx, ["a", "c"], T0 + 1, about)
        samples.declare(tx, ["a"], T0 + 2, About(unit="ppm"))
        assert again["a"] == first["a"]
        assert set(samples.lookup(tx)) == {"a", "b", "c"}
        assert set(samples.lookup(tx, ["a", "zz"])) == {"a"}
        assert samples.lookup(tx, []) == {}
        assert samples.declare(tx, [], T0) == {}
    rows = {row["name"]: row for row in rows_of(store, signals)}
    assert [rows[name]["created_at_us"] for name in "abc"] == [T0, T0, T0 + 1]
    assert [rows[name]["unit"] for name in "abc"] == ["ppm", None, "%"]
    assert (rows["a"]["description"], rows["a"]["period_s"]) == ("share", 0.2)
    assert (rows["b"]["rolled_until_us"], rows["b"]["pruned_until_us"]) == (0, 0)


@pytest.mark.parametrize("name", ["", "n" * 201])
def test_a_name_that_is_none_fails_the_batch(store, name):
    with pytest.raises(StoreError, match="ck_signals_name_length"):
        ingest(store, [("s", T0, 1.0), (name, T0, 1.0)])
    assert stored(store) == []


@pytest.mark.parametrize("name", ["s", "sígnal 信号", "a'b;--", '"', "%s", ":x", "?", "{}"])
def test_a_name_may_have_any_letters(store, name):
    assert ingest(store, [(name, T0, 1.0)]).accepted == 1
    assert stored(store) == [(name, T0, 1.0)]


def test_a_large_batch_is_counted_right(store):
    batch = [("s", T0 + n, float(n)) for n in range(3_000)]
    assert ingest(store, batch + batch[:5]).accepted == 3_000
    assert ingest(store, batch).refused("duplicate") == 3_000


def test_two_writers_of_the_same_samples_store_them_once(shared, other):
    assert ingest(shared, [("s", T0, 1.0)]).accepted == 1
    done = ingest(other, [("s", T0, 2.0), ("s", T0 + 1, 2.0)])
    assert (done.accepted, done.refused("duplicate")) == (1, 1)
    assert stored(shared) == [("s", T0, 1.0), ("s", T0 + 1, 2.0)]


@pytest.mark.parametrize("values", [[1, 2.5], [2.5, 1], [1, 2], [0, -0.0], [1e299, 3]])
def test_whole_numbers_and_fractions_go_in_together(store, values):
    ingest(store, [("a", T0 + place, value) for place, value in enumerate(values)])
    assert [row[2] for row in stored(store)] == values


# ── what has been judged ─────────────────────────────────────────────────────
SEALED = T0 + 10


def test_a_sample_of_what_was_judged_comes_too_late(store):
    batch = [("s", SEALED - 1, 1.0), ("s", SEALED, 2.0), ("s", SEALED + 1, 3.0)]
    with store.write() as tx:
        done = samples.ingest(tx, batch, NOW, SEALED)
    assert (done.accepted, dict(done.faults)) == (2, {"s": Counter(late=1)})
    assert stored(store) == [("s", SEALED, 2.0), ("s", SEALED + 1, 3.0)]
    assert counted(store) == {("s", NOW, "late"): 1}


def test_one_that_is_there_already_is_late_too_once_it_was_judged(store):
    ingest(store, [("s", T0, 1.0)])
    with store.write() as tx:
        done = samples.ingest(tx, [("s", T0, 5.0), ("s", SEALED, 1.0)], NOW, SEALED)
    assert (done.accepted, done.refused("late"), done.refused()) == (1, 1, 1)
    assert stored(store) == [("s", T0, 1.0), ("s", SEALED, 1.0)]


def test_a_sample_has_one_fault_the_worst(store):
    """What is no number, then what cannot be, then what was pruned, then what was judged."""
    ingest(store, [("s", T0, 1.0)])
    with store.write() as tx:
        tx.execute(update(signals).values(pruned_until_us=T0))
        batch = [
            ("s", T0 - 5, float("nan")),
            ("s", T0 - 1, 1.0),
            ("s", T0 + 1, 1.0),
            ("s", NOW + FUTURE_TOLERANCE_US + 1, 1.0),
        ]
        done = samples.ingest(tx, batch, NOW, SEALED)
    assert done.faults["s"] == Counter(not_finite=1, too_old=1, late=1, future=1)


def test_what_was_refused_elsewhere_is_counted_here(store):
    ingest(store, [("s", T0, float("nan"))])
    with store.write() as tx:
        samples.count_faults(
            tx, {"s": {"unit_jump": 2, "not_finite": 1}, "t": {"unreadable": 3}}, NOW
        )
        samples.count_faults(tx, {}, NOW)
    assert counted(store) == {
        ("s", NOW, "not_finite"): 2,
        ("s", NOW, "unit_jump"): 2,
        ("t", NOW, "unreadable"): 3,
    }
