"""How a table's text is taken apart: order and spacing say nothing, everything else does."""

import pytest

from daemon.store.structure import Drift, _normal_sqlite, _parts


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("a, b", ["a", "b"]),
        ("a INTEGER, CHECK (x IN (1, 2)), b", ["a INTEGER", "CHECK (x IN (1, 2))", "b"]),
        ("a DEFAULT ',', b", ["a DEFAULT ','", "b"]),
        ("CHECK (a IN ('x', 'y(', 'z')), b", ["CHECK (a IN ('x', 'y(', 'z'))", "b"]),
        ("a DEFAULT 'it''s, fine', b", ["a DEFAULT 'it''s, fine'", "b"]),
        ("a", ["a"]),
    ],
)
def test_a_table_is_cut_at_its_own_commas_only(body, parts):
    assert _parts(body) == parts


@pytest.mark.parametrize(
    "other",
    [
        "CREATE TABLE t (b TEXT, a INTEGER) STRICT, WITHOUT ROWID",
        'CREATE TABLE "t" ("a" INTEGER,\n\t"b"  TEXT) WITHOUT ROWID, STRICT',
    ],
)
def test_the_order_and_the_spacing_of_a_table_say_nothing(other):
    one = "CREATE TABLE t (a INTEGER, b TEXT) WITHOUT ROWID, STRICT"
    assert _normal_sqlite("table", one) == _normal_sqlite("table", other)


@pytest.mark.parametrize(
    "other",
    [
        "CREATE TABLE t (a INTEGER, b TEXT) STRICT",
        "CREATE TABLE t (a INTEGER, b TEXT NOT NULL) WITHOUT ROWID, STRICT",
        "CREATE TABLE t (a INTEGER, b TEXT, c) WITHOUT ROWID, STRICT",
        "CREATE TABLE t (a INTEGER, b TEXT DEFAULT 'x') WITHOUT ROWID, STRICT",
    ],
)
def test_everything_else_does(other):
    one = "CREATE TABLE t (a INTEGER, b TEXT) WITHOUT ROWID, STRICT"
    assert _normal_sqlite("table", one) != _normal_sqlite("table", other)


def test_a_drift_tells_the_lines_that_differ():
    drift = Drift("table t", "changed", "a\nb\nc", "a\nx\nc")
    assert drift.difference == "- b; + x"
    assert Drift("view v", "missing", "a", None).difference == "- a"
    assert Drift("index i", "not ours", None, "a").difference == "+ a"
