import csv
import io
import json
from datetime import date
from decimal import Decimal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from daemon.cli.output import FORMATS, Rows, as_records, cell, plain, printable, say, show, with_age
from daemon.clock import MICROS, SystemClock, iso

NOW_US = 1_795_255_200_000_000
HOSTILE = "\x1b[31mred\x1b[0m \x07 \x9b2J \u202egnp.exe [bold]x[/bold]"

ROWS = Rows(
    "test.v1",
    ("id", "name", "value", "body"),
    [
        (1, "first", 0.1 + 0.2, {"b": [1, None]}),
        (2, None, None, [True, "x"]),
    ],
)


# ── every format ─────────────────────────────────────────────────────────────
def test_json_carries_a_schema_and_exact_values(capsys):
    show(ROWS, "json")
    assert json.loads(capsys.readouterr().out) == {
        "schema": "test.v1",
        "rows": [
            {"id": 1, "name": "first", "value": 0.1 + 0.2, "body": {"b": [1, None]}},
            {"id": 2, "name": None, "value": None, "body": [True, "x"]},
        ],
    }


def test_yaml_says_the_same_as_json(capsys):
    show(ROWS, "yaml")
    assert yaml.safe_load(capsys.readouterr().out) == as_records(ROWS)


def test_csv_has_a_header_exact_numbers_and_nothing_for_nothing(capsys):
    show(ROWS, "csv")
    read = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert read == [
        ["id", "name", "value", "body"],
        ["1", "first", "0.30000000000000004", '{"b": [1, null]}'],
        ["2", "", "", '[true, "x"]'],
    ]


def test_a_table_is_for_the_eye(capsys):
    show(ROWS, "table")
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["id", "name", "value", "body"]
    assert first.split(maxsplit=3)[:3] == ["1", "first", "0.3"]
    assert second.split() == ["2", "[true,", '"x"]']


def test_a_long_row_is_not_folded_when_a_program_reads(capsys):
    show(Rows("test.v1", ("a",), [("x" * 500,)]), "table")
    assert capsys.readouterr().out.splitlines()[1].strip() == "x" * 500


def test_a_long_row_is_folded_to_the_width_of_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "40")
    show(Rows("test.v1", ("a",), [("x" * 100,)]), "table")
    assert [len(line.strip()) for line in capsys.readouterr().out.splitlines()] == [1, 40, 40, 20]


@pytest.mark.parametrize("output", FORMATS)
def test_no_rows_are_no_failure(capsys, output):
    show(Rows("test.v1", ("a", "b"), [], note="nothing yet"), output)
    shown = capsys.readouterr()
    assert shown.err == "nothing yet\n"
    if output == "json":
        assert json.loads(shown.out) == {"schema": "test.v1", "rows": []}


@pytest.mark.parametrize("output", FORMATS)
def test_a_row_of_the_wrong_width_is_refused_where_names_are_given(output):
    if output == "csv":
        return  # a comma-separated row carries no names
    with pytest.raises(ValueError, match="zip"):
        show(Rows("test.v1", ("a", "b"), [(1,)]), output)


def test_what_is_not_data_goes_to_stderr(capsys):
    say("done")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "done\n")


# ── values ───────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal(3), 3),
        (Decimal("3.00"), 3),
        (Decimal("0.25"), 0.25),
        (date(2026, 11, 21), "2026-11-21"),
        ({1: (Decimal(1), None)}, {"1": [1, None]}),
        (b"\x00", "b'\\x00'"),
    ],
)
def test_database_values_become_what_every_format_knows(value, expected):
    assert plain(value) == expected
    assert type(plain(value)) is type(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (1.0, "1"),
        (1 / 3, "0.333333"),
        (12, "12"),
        ({"ä": 1}, '{"ä": 1}'),
        (True, "true"),
    ],
)
def test_a_cell(value, expected):
    assert cell(value) == expected


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), float("-inf"), [{"x": float("nan")}]]
)
def test_what_is_not_a_number_is_null_for_programs(capsys, value):
    show(Rows("test.v1", ("x",), [(value,)]), "json")
    text = capsys.readouterr().out
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert "null" in text


# ── hostile text ─────────────────────────────────────────────────────────────
@pytest.mark.parametrize("output", ["table", "json"])
def test_control_characters_never_reach_the_terminal(capsys, output):
    show(Rows("test.v1", ("name",), [(HOSTILE,)]), output)
    shown = capsys.readouterr().out
    assert not [c for c in shown if not c.isprintable() and c != "\n"]
    assert "red" in shown


def test_escaped_text_is_still_the_same_text(capsys):
    show(Rows("test.v1", ("name",), [(HOSTILE + "\U000e0001",)]), "json")
    assert json.loads(capsys.readouterr().out)["rows"][0]["name"] == HOSTILE + "\U000e0001"


def test_names_of_columns_are_as_harmless_as_values(capsys):
    show(Rows("test.v1", ("\x1b[31mx", "[bold]y[/bold]"), [(1, "[link=x]z[/link]")]), "table")
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[bold]y[/bold]" in shown
    assert "[link=x]z[/link]" in shown


@given(st.text())
def test_printable_text_is_printable_and_plain_text_is_untouched(text):
    assert printable(text).isprintable()
    if text.isprintable():
        assert printable(text) == text


# ── ages ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (0, "0 s ago"),
        (59, "59 s ago"),
        (180, "3 min ago"),
        (7_200, "2 h ago"),
        (3 * 86_400, "3 d ago"),
        (-30, "in 30 s"),
        (-7_200, "in 2 h"),
    ],
)
def test_an_age_stands_beside_its_moment(ago, expected):
    at_us = NOW_US - ago * MICROS
    assert with_age(iso(at_us), NOW_US) == f"{iso(at_us)[:19]}Z ({expected})"


def test_a_moment_with_an_offset_is_shown_in_utc():
    assert with_age("2026-11-21T19:00:00+09:00", NOW_US) == "2026-11-21T10:00:00Z (0 s ago)"


def test_only_tables_show_ages(capsys):
    at = iso(SystemClock().now_us() - 120 * MICROS)
    rows = Rows("test.v1", ("at", "changed_at", "what"), [(at, at, at)])
    show(rows, "table")
    shown = capsys.readouterr().out
    assert shown.count("(2 min ago)") == 2
    assert at in shown
    for output in ("json", "yaml", "csv"):
        show(rows, output)
        assert "ago" not in capsys.readouterr().out


@pytest.mark.parametrize("value", [None, 5, "soon", ""])
def test_what_is_no_moment_is_shown_as_it_is(capsys, value):
    show(Rows("test.v1", ("at",), [(value,)]), "table")
    assert capsys.readouterr().out.splitlines()[1].strip() == cell(value)
