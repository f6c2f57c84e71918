"""What was judged of each signal: written where it differs, shown where nothing worse is seen."""

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text

from daemon.errors import StoreError
from daemon.store import fitness, samples
from daemon.store.fitness import Judged, Turn
from daemon.store.views import render
from tests.contract.rows import T0


def put(store, judged, at_us=T0):
    with store.write() as tx:
        return fitness.put_states(tx, judged, at_us)


def known(store):
    with store.read() as view:
        return fitness.states(view)


def test_what_was_judged_is_read_back_with_when_it_turned(store):
    assert known(store) == {}
    turned = put(store, {"a": ("ok", None), "b": ("frozen", "3.0 for 200 s")})
    assert turned == [Turn("b", "ok", "frozen")]
    assert known(store) == {
        "a": Judged("ok", T0, None),
        "b": Judged("frozen", T0, "3.0 for 200 s"),
    }
    turned = put(store, {"a": ("low_n", "2 of 9"), "b": ("ok", None)}, T0 + 5)
    assert turned == [Turn("a", "ok", "low_n"), Turn("b", "frozen", "ok")]
    assert known(store) == {"a": Judged("low_n", T0 + 5, "2 of 9"), "b": Judged("ok", T0 + 5)}


def test_another_detail_of_the_same_state_is_no_turn(store):
    put(store, {"a": ("stale", "10 s old")})
    assert put(store, {"a": ("stale", "15 s old")}, T0 + 5) == []
    assert known(store) == {"a": Judged("stale", T0, "15 s old")}


def test_who_is_not_mentioned_stays_as_it_was(store):
    put(store, {"a": ("stale", None), "b": ("ok", None)})
    put(store, {"b": ("stale", None)}, T0 + 5)
    assert known(store)["a"] == Judged("stale", T0, None)


def test_only_what_differs_is_written(store):
    judged = {"a": ("ok", None), "b": ("frozen", "x")}
    put(store, judged)
    sent = []

    def note(*given):
        sent.append(given[2])

    heard = (store.engines.writer, "before_cursor_execute", note)
    sqlalchemy_event.listen(*heard)
    assert put(store, judged, T0 + 5) == []
    sqlalchemy_event.remove(*heard)
    assert sent
    assert not [statement for statement in sent if "INSERT" in statement.upper()]


def test_a_signal_that_never_gave_anything_becomes_known_by_what_is_said_of_it(store):
    put(store, {"never": ("no_data", None)})
    with store.read() as view:
        assert list(samples.lookup(view)) == ["never"]


def test_a_state_without_a_name_is_refused(store):
    with pytest.raises(StoreError):
        put(store, {"a": ("", None)})


@pytest.mark.parametrize(
    ("ages_s", "bad", "judged", "state"),
    [
        (range(1, 31), 0, None, "ok"),
        (range(1, 31), 0, "ok", "ok"),
        (range(1, 31), 0, "frozen", "frozen"),
        (range(1, 31), 7, "unit_jump", "unit_jump"),
        (range(1, 31), 8, "unit_jump", "sick"),
        (range(70, 100), 0, "frozen", "silent"),
        ([], 0, "no_data", "silent"),
    ],
)
def test_signal_health_shows_what_was_judged_where_it_sees_nothing_worse(
    store, ages_s, bad, judged, state
):
    with store.write() as tx:
        query = text(f"SELECT {render('@now_us', store.dialect)}")
        now_us = tx.execute(query).scalar_one()
        rows = [("s", now_us - age * 1_000_000, 1.0) for age in ages_s]
        samples.declare(tx, ["s", "t"], T0)
        samples.ingest(tx, rows + [("s", now_us, float("nan"))] * bad, now_us)
        if judged:
            fitness.put_states(tx, {"s": (judged, None), "t": ("stale", None)}, T0)
    with store.read() as view:
        shown = view.execute(text("SELECT signal, state FROM signal_health ORDER BY signal")).all()
    assert [tuple(row) for row in shown] == [("s", state), ("t", "silent")]
