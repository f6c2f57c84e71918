"""JSON columns: what goes in comes out, alike on every database, or is refused on every one."""

import pytest
from hypothesis import given, settings
from sqlalchemy import select, text

from daemon.errors import StoreError
from daemon.store import chain, history, rules
from daemon.store.tables import events, policies
from daemon.store.types import canonical
from tests.contract.rows import T0, event, rows_of
from tests.strategies import json_objects

VALUES = [
    None,
    True,
    0,
    1,
    1.0,
    -0.0,
    0.1,
    1.5e-7,
    5e-324,
    2.2250738585072014e-308,
    1e15,
    1e16,
    1e21,
    1e22,
    1e23,
    -1e300,
    1.7976931348623157e308,
    2**53,
    -(2**53),
    2.0**53 + 2,
    "",
    "é 信号 😀 \u200d \ufffe \x01 \x7f",
    "'; DROP TABLE events; -- \" \\ / % ? :x",
    "\\u0000",
    [],
    {},
    [[[]], {"": {}}],
    {"a": [1, 2.5, None, {"b": False}], "A": "é", "": "empty key", "é": 1},
]


def test_every_value_comes_back_equal_and_with_its_hash_intact(store):
    with store.write() as tx:
        history.append_all(tx, [event(body={"v": value}) for value in VALUES])
    for row, value in zip(rows_of(store, events), VALUES, strict=True):
        assert row["body"] == {"v": value}
        assert canonical(row["body"]) == canonical({"v": value})
        assert isinstance(row["body"]["v"], bool) == isinstance(value, bool)
    with store.read() as view:
        assert chain.verify(view, events).breaks == ()


def test_a_number_comes_back_equal_even_when_no_type_says_it_is_json(store):
    """A view or a query of an operator's own reads the column without the type."""
    with store.write() as tx:
        history.append(tx, event(body={"v": 1e300}))
    with store.read() as view:
        (got,) = view.execute(text("SELECT body FROM events")).scalars()
        (typed,) = view.execute(select(events.c.body)).scalars()
    assert typed == {"v": 1e300}
    assert got == (typed if store.dialect == "postgresql" else '{"v":1e+300}')


def test_nothing_is_null_and_not_the_word_null(store):
    with store.write() as tx:
        history.append_all(tx, [event(body=None), event(body={})])
    with store.read() as view:
        query = text("SELECT body IS NULL FROM events ORDER BY seq")
        assert [bool(null) for null in view.execute(query).scalars()] == [True, False]


REFUSED = [
    (float("nan"), "NaN"),
    (float("inf"), "infinity"),
    (float("-inf"), "infinity"),
    (10**400, "beyond"),
    ("a\0b", "NUL"),
    ("\ud800", "surrogate"),
    (2**53 + 1, "2\\*\\*53"),
    (-(2**53) - 1, "2\\*\\*53"),
    ([1, [2**60]], "2\\*\\*53"),
    ({"a": {"\0": 1}}, "NUL"),
    ({1: "x"}, "key"),
    ({"x": {1, 2}}, "set"),
    ({"x": b"bytes"}, "bytes"),
]


def test_what_would_not_come_back_is_refused(store):
    for value, message in REFUSED:
        policy = rules.Policy(digest="a" * 64, body={"v": value})
        with pytest.raises(StoreError, match=message), store.write() as tx:
            rules.adopt_policy(tx, policy, [], T0)
    assert rows_of(store, policies) == []


def test_text_that_is_no_json_is_refused_by_the_database(store):
    statement = (
        "INSERT INTO events (seq, at_us, kind, body, prev_hash, hash)"
        f" VALUES (1, 1, 'x', '{{oops', '{'a' * 64}', '{'b' * 64}')"
    )
    message = "ck_events_body_json|invalid input syntax for type json"
    with pytest.raises(StoreError, match=message), store.write() as tx:
        tx.exec_driver_sql(statement)


@pytest.mark.postgres
def test_any_value_survives_the_journey_through_jsonb(postgresql_backend):
    with postgresql_backend.opened() as store, store.engines.writer.connect() as connection:

        @given(json_objects)
        @settings(max_examples=200)
        def survives(body):
            seq = history.append(connection, event(body=body))
            (row,) = history.read(connection, "events", after=seq - 1)
            assert row["body"] == body
            assert canonical(row["body"]) == canonical(body)
            assert row["hash"] == chain.digest(row["prev_hash"], row)

        survives()
        assert chain.verify(connection, events).breaks == ()
        connection.rollback()
