import json
from pathlib import Path

import pytest

from daemon.config.yaml_safe import (
    DEFAULT_LIMITS,
    LOADERS,
    Limits,
    dotted,
    read_yaml,
    read_yaml_file,
    scan_yaml,
)
from daemon.errors import ConfigError

QUOTE = "put the text in quotes"
SPELL = "write the values out where they belong"


def refused(text, **options):
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, name="f.yaml", **options)
    return caught.value.problems


# ── what is read ─────────────────────────────────────────────────────────────
def test_mappings_lists_and_scalars():
    document = read_yaml("a: 1\nb:\n  - x\n  - {c: true}\nd: []\ne: {}\nf:\n", name="f")
    assert document.value == {"a": 1, "b": ["x", {"c": True}], "d": [], "e": {}, "f": None}


def test_every_key_and_item_knows_its_line():
    document = read_yaml("a:\n  b: 1\n  c:\n  - x\n  -\n    d: 2\n", name="f")
    places = {(): 1, ("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("a", "c", 0): 4}
    assert {path: document.line(path) for path in places} == places
    assert document.line(("a", "c", 1, "d")) == 6


def test_a_path_that_is_not_there_has_the_line_of_its_nearest_parent():
    document = read_yaml("\n\na:\n  b: 1\n", name="f")
    assert document.line(("a", "x", 3)) == 3
    assert document.line(("y",)) == 3


def test_paths_are_written_for_a_person():
    assert dotted(("grids", 0, "name")) == "grids[0].name"
    assert dotted((1, "a\nb")) == "[1].a\\nb"
    assert dotted(("postgres://u:hunter2@h", "x")) == "postgres://u:***@h.x"
    assert dotted(("k" * 500,)) == "k" * 80


@pytest.mark.parametrize(
    ("text", "value"), [("null", None), ("~ # nothing", None), ("'x'", "x"), ("3", 3), ("[]", [])]
)
def test_a_document_need_not_be_a_mapping(text, value):
    assert read_yaml(text, name="f").value == value


def test_a_byte_order_mark_and_windows_line_ends_are_fine():
    document = read_yaml("\ufeffa: 1\r\nb: 2\r\n".encode(), name="f")
    assert document.value == {"a": 1, "b": 2}
    assert document.line(("b",)) == 2


def test_a_version_line_is_fine():
    assert read_yaml("%YAML 1.2\n---\na: 1\n", name="f").value == {"a": 1}


# ── JSON comes in by the same door ───────────────────────────────────────────
@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, -2.5e-7, None, True, "x"], "b": {"c": {}, "": ""}},
        ["😀", "\ud55c", 'a/b\\c"d', "\t\n", "\\ud83d\\ude00", "\\\\😀"],
        {"#": "# x", "?": "- y", "k: v": "a: b"},
    ],
)
@pytest.mark.parametrize(
    "layout", [{}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}]
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_reads_as_json(value, layout, ascii_only):
    assert read_yaml(json.dumps(value, ensure_ascii=ascii_only, **layout), name="f").value == value


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_json_cannot_say_is_refused(word):
    (problem,) = refused('{"a": ' + word + "}")
    assert str(problem) == "f.yaml:1: a: infinity and 'not a number' are no values here"


def test_escapes_in_yaml_that_merely_begins_like_json_are_left_alone():
    assert read_yaml(r"{a: '\ud83d\ude00'}", name="f").value == {"a": r"\ud83d\ude00"}


# ── what is refused, and in which words ──────────────────────────────────────
REFUSED = {
    "a: &x 1": ("1: a: an anchor (&name), which lets the file repeat itself", SPELL),
    "a: *x": ("1: a: an alias (*name), which repeats another part of the file", SPELL),
    "b: 1\n*x : 1": ("2: an alias (*name), which repeats another part of the file", SPELL),
    "- *x": ("1: [0]: an alias (*name), which repeats another part of the file", SPELL),
    "a:\n  <<: {b: 1}": (
        "2: a.<<: a merge key (<<), which copies another part of the file",
        SPELL,
    ),
    "a: !!python/object:x.y {}": (
        "1: a: a tag (!name), which gives a value a hidden type",
        "remove the tag; quote the text if it really begins with '!'",
    ),
    "%TAG !e! tag:x,2026:\n---\na: 1": (
        "1: a %TAG line, which gives words a hidden meaning",
        "remove the line",
    ),
    "a: 1\nb: 2\na: 3": (
        "3: a: the key stands here for the second time (first in line 1)",
        "remove one of the two",
    ),
    "x:\n  a: 1\n  'a': 3": (
        "3: x.a: the key stands here for the second time (first in line 2)",
        "remove one of the two",
    ),
    "1: x": ("1: 1: a key that is not text", "quote the key, or give it a name"),
    "true: x": ("1: true: a key that is not text", "quote the key, or give it a name"),
    "~: x": ("1: ~: a key that is not text", "quote the key, or give it a name"),
    ".nan: x": (
        "1: infinity and 'not a number' are no values here",
        "write a finite number, or quote the word if it is text",
    ),
    "? [a]\n: 1": ("1: a list or a mapping used as a key", "a key is a word, in one line"),
    "a: 1\n---\nb: 2": (
        "2: a second document ('---')",
        "one file holds one document: split the file",
    ),
    "a: 1\nb: .inf": (
        "2: b: infinity and 'not a number' are no values here",
        "write a finite number, or quote the word if it is text",
    ),
    "a: 1e999": (
        "1: a: a number too large to be held: it would become infinite",
        "write a finite number, or quote the word if it is text",
    ),
    "a: " + "7" * 65: ("1: a: a whole number of more than 64 digits", "quote it if it is text"),
    "a: 1\nb: x\x07y": (
        "2: a character that no editor shows (U+0007)",
        "remove it; if it is wanted, write it as an escape inside double quotes",
    ),
    "a: 1\rb: 2": (
        "1: a character that no editor shows (U+000D)",
        "remove it; if it is wanted, write it as an escape inside double quotes",
    ),
    "a: x\u2028b: 2": (
        "1: a character that no editor shows (U+2028)",
        "remove it; if it is wanted, write it as an escape inside double quotes",
    ),
    "a: \ud800": (
        "1: a character that no editor shows (U+D800)",
        "remove it; if it is wanted, write it as an escape inside double quotes",
    ),
    'a: "x\\0y"': (
        "1: a: a control character (U+0000) inside a value",
        "remove the escape that stands for it",
    ),
    # syntax: line, column, and what a person did
    "a: 'x\nb: 1\n": (
        "1: column 4: a quote that is never closed",
        "close the quote; inside single quotes a quote is written twice",
    ),
    'a: "\\q"': (
        "1: column 5: a backslash sequence that does not exist",
        "use single quotes, in which a backslash is only a backslash, or write two of them",
    ),
    'a: "\\xZZ"': (
        "1: column 7: a backslash sequence that does not exist",
        "use single quotes, in which a backslash is only a backslash, or write two of them",
    ),
    "a: b: c": (
        "1: column 5: a ':' where no key can stand",
        "one key a line, all keys of a level equally indented; quote text that holds ': '",
    ),
    "a:\n\t- b": ("2: column 1: a tab where spaces must indent", "indent with spaces"),
    "a:\n  b: 1\n\tc: 2": ("3: column 1: a tab where spaces must indent", "indent with spaces"),
    "a: b\nfoo\nc: d": (
        "2: column 1: a line that is neither a key nor part of one: its ':' is missing",
        "write `key: value`, with a space after the colon",
    ),
    "a: [1, 2\nb: 3\n": (
        "2: column 2: a list that is not closed, or lacks a ',' (opened in line 1)",
        "close the list with ']' and put a ',' between its items",
    ),
    "x: 1\na: {b: 1\n": (
        "2: column 9: a mapping that is not closed, or lacks a ',' (opened in line 2)",
        "close the mapping with '}' and put a ',' between its entries",
    ),
    "a: [": (
        "1: column 5: the file ends, or a bracket closes, where a value must stand",
        "write the value, or close what is open",
    ),
    "- a\nb: 1\n": (
        "2: column 1: a line that does not line up with the list that begins in line 1",
        "indent every '-' of a list equally",
    ),
    "x: 1\na: 'b' c": (
        (
            "2: column 8: a line that does not line up with the mapping that begins in line 1,"
            " or text after a value that is complete"
        ),
        "indent all keys of a level equally; quote text that contains quotes",
    ),
    "a: - b": (
        "1: column 4: a '-' where no list can start",
        "put each '-' on a line of its own, below the key and indented",
    ),
    "a: ? b": ("1: column 4: a '?' where no key can stand", QUOTE),
    "a: *": ("1: column 5: text that begins with '*' or '&'", QUOTE),
    "a: !<x": ("1: column 7: text that begins with '!' or '%'", QUOTE),
    "a: !x!y z": ("1: column 4: text that begins with '!' or '%'", QUOTE),
    "a: |x\n  b": (
        "1: column 5: text after the '|' or '>' that begins a block of text",
        "begin the text on the next line, indented, or quote it",
    ),
    "{a: b:{c: d}}": ("1: column 6: a ':' inside a word between brackets", QUOTE),
    "a: @b": ("1: column 4: text that begins with '@'", QUOTE),
    "a: `b`": ("1: column 4: text that begins with a backtick", QUOTE),
    "a: %b": ("1: column 4: text that begins with '%'", QUOTE),
    "{a: 1} x": (
        "1: column 8: more text after the end of the document",
        "one file holds one document; remove what follows it",
    ),
    "%YAML 2.0\n---\na: 1": (
        "1: column 1: a %YAML line that does not hold",
        "remove the line that begins with %YAML",
    ),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.items())
def test_a_refusal_says_where_why_and_what_to_do(text, words):
    problems = refused(text)
    assert (str(problems[0]), problems[0].hint) == (f"f.yaml:{words[0]}", words[1])
    assert len(problems) == 1


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("text", REFUSED)
def test_every_parser_refuses_the_same(text, loader):
    try:
        problems = scan_yaml(text, name="f", loader=loader).problems
    except ConfigError as error:
        problems = error.problems
    assert problems
    assert all(problem.line for problem in problems)


@pytest.mark.parametrize(
    "text", ["", "\n", "# only words\n", "---\n", "--- # x\n...\n", b"\xef\xbb\xbf"]
)
def test_a_file_that_says_nothing(text):
    (problem,) = refused(text)
    assert str(problem) == "f.yaml: is empty"
    assert problem.hint == "write the settings, or {} for none at all"


def test_what_is_not_utf8_names_the_line():
    (problem,) = refused("a: 1\nb: é".encode("latin-1"))
    assert (str(problem), problem.hint) == ("f.yaml:2: is not UTF-8 text", "save the file as UTF-8")
    assert "is not UTF-8" in refused("a: 1".encode("utf-16"))[0].reason


def test_problems_that_hide_nothing_are_told_together():
    problems = refused("a: 1\na: 2\nb: .nan\nc: !x 1\nd: &y 2\n1: 3\n")
    assert [problem.line for problem in problems] == [2, 3, 4, 5, 6]


def test_a_document_with_problems_keeps_what_could_be_read():
    document = scan_yaml("a: 1\na: 2\nb: .nan\nc: *x\nd: [.inf, 1]\n", name="f")
    assert document.value["a"] == 1
    assert document.unreadable == {("b",), ("c",), ("d", 0)}
    assert document.value["d"][1] == 1


def test_what_stands_below_a_second_key_does_not_replace_the_first():
    document = scan_yaml("a: {x: 1}\na: {x: 2, y: 3}\n", name="f")
    assert document.value == {"a": {"x": 1}}
    assert document.line(("a", "x")) == 1


# ── limits ───────────────────────────────────────────────────────────────────
def test_the_limits_are_exact():
    assert read_yaml("[" * 20 + "]" * 20, name="f")
    assert "more than 20 levels" in refused("[" * 21 + "]" * 21)[0].reason
    assert read_yaml("[" + "1," * 9_998 + "1]", name="f")
    assert "more than 10,000 values" in refused("[" + "1," * 9_999 + "1]")[0].reason
    assert read_yaml("a: " + "x" * (65_536 - 3), name="f")
    assert str(refused("a: " + "x" * (65_536 - 2))[0]) == "f.yaml: is larger than 65,536 bytes"


def test_a_caller_may_raise_the_limits():
    limits = Limits(size_bytes=10**6, depth=100, nodes=10**5)
    assert len(read_yaml("[" + "1," * 50_000 + "1]", name="f", limits=limits).value) == 50_001
    assert read_yaml("[" * 100 + "]" * 100, name="f", limits=limits)


def test_the_size_is_counted_in_bytes():
    limits = Limits(size_bytes=10)
    assert "larger than 10 bytes" in refused("a: éééé", limits=limits)[0].reason
    assert read_yaml("a: ééé", name="f", limits=limits)


# ── files ────────────────────────────────────────────────────────────────────
def test_a_file_is_read(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\n")
    document = read_yaml_file(path)
    assert (document.name, document.value) == (str(path), {"a": 1})


def test_a_name_that_leads_nowhere(tmp_path):
    (tmp_path / "plain").write_text("x")
    for path in (tmp_path / "none.yaml", tmp_path / "plain" / "x.yaml"):
        with pytest.raises(ConfigError) as caught:
            read_yaml_file(path)
        assert str(caught.value.problems[0]) == f"{path}: there is no such file"
    with pytest.raises(ConfigError) as caught:
        read_yaml_file(tmp_path)
    assert str(caught.value.problems[0]) == f"{tmp_path}: is a directory, not a file"
    with pytest.raises(ConfigError) as caught:
        read_yaml_file(Path("x\0y"))
    assert str(caught.value.problems[0]) == "x\\x00y: cannot be read: that is no path"


class Locked:
    """A path whose file cannot be opened."""

    def __init__(self, error):
        self.error = error

    def __str__(self):
        return "locked.yaml"

    def open(self, mode, buffering):
        raise self.error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "locked.yaml: may not be read"),
        (OSError(5, "Input/output error"), "locked.yaml: cannot be read: Input/output error"),
        (OSError(), "locked.yaml: cannot be read: unknown fault"),
    ],
)
def test_a_file_that_cannot_be_opened(error, words):
    with pytest.raises(ConfigError) as caught:
        read_yaml_file(Locked(error))
    assert str(caught.value.problems[0]) == words
    assert caught.value.problems[0].hint


class Counted:
    """A path to an endless file that hands out at most 1,000 bytes at a time and counts them."""

    handed = 0

    def __str__(self):
        return "endless"

    def open(self, mode, buffering):
        assert (mode, buffering) == ("rb", 0)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def read(self, size):
        size = min(size, 1_000)
        self.handed += size
        return b"#" * size


def test_never_more_than_a_byte_beyond_the_limit_is_read():
    path = Counted()
    with pytest.raises(ConfigError, match="larger than"):
        read_yaml_file(path)
    assert path.handed == DEFAULT_LIMITS.size_bytes + 1
