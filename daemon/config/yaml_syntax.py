"""Say in words what a YAML parser means when it stops.

The parser's own sentences name its grammar, not the mistake, and some repeat a
piece of the file. These never do: a password may stand beside the mistake.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import yaml


class Complaint(NamedTuple):
    """Where the file stops making sense, why, and what to do."""

    line: int
    reason: str
    hint: str


class _Rule(NamedTuple):
    context: str
    problem: str
    reason: str
    hint: str
    at_opening: bool = False


_QUOTE = "put the text in quotes"
_RULES = (
    _Rule(
        "quoted|double-quoted|single-quoted",
        "unexpected end of stream|unexpected document indicator",
        "a quote that is never closed",
        "close the quote; inside single quotes a quote is written twice",
        at_opening=True,
    ),
    _Rule(
        "quoted",
        "escape|hexa?decimal",
        "a backslash sequence that does not exist",
        "use single quotes, in which a backslash is only a backslash, or write two of them",
    ),
    _Rule(
        "",
        "mapping values are not allowed",
        "a ':' where no key can stand",
        "one key a line, all keys of a level equally indented; quote text that holds ': '",
    ),
    _Rule(
        "",
        "tab character",
        "a tab where spaces must indent",
        "indent with spaces",
    ),
    _Rule(
        "",
        "could not find expected ':'",
        "a line that is neither a key nor part of one: its ':' is missing",
        "write `key: value`, with a space after the colon",
        at_opening=True,
    ),
    _Rule(
        "plain scalar",
        "unexpected ':'",
        "a ':' inside a word between brackets",
        _QUOTE,
    ),
    _Rule(
        "flow sequence",
        "expected ','",
        "a list that is not closed, or lacks a ',' (opened in line {opened})",
        "close the list with ']' and put a ',' between its items",
    ),
    _Rule(
        "flow mapping",
        "expected ','",
        "a mapping that is not closed, or lacks a ',' (opened in line {opened})",
        "close the mapping with '}' and put a ',' between its entries",
    ),
    _Rule(
        "flow node|block node",
        "node content",
        "the file ends, or a bracket closes, where a value must stand",
        "write the value, or close what is open",
    ),
    _Rule(
        "block collection",
        "",
        "a line that does not line up with the list that begins in line {opened}",
        "indent every '-' of a list equally",
    ),
    _Rule(
        "block mapping",
        "",
        "a line that does not line up with the mapping that begins in line {opened},"
        " or text after a value that is complete",
        "indent all keys of a level equally; quote text that contains quotes",
    ),
    _Rule(
        "",
        "sequence entries are not allowed",
        "a '-' where no list can start",
        "put each '-' on a line of its own, below the key and indented",
    ),
    _Rule(
        "",
        "mapping keys are not allowed",
        "a '?' where no key can stand",
        _QUOTE,
    ),
    _Rule(
        "alias|anchor",
        "",
        "text that begins with '*' or '&'",
        _QUOTE,
    ),
    _Rule(
        "tag|node|directive",
        "",
        "text that begins with '!' or '%'",
        _QUOTE,
    ),
    _Rule(
        "block scalar",
        "",
        "text after the '|' or '>' that begins a block of text",
        "begin the text on the next line, indented, or quote it",
    ),
    _Rule(
        "",
        "document start",
        "more text after the end of the document",
        "one file holds one document; remove what follows it",
    ),
    _Rule(
        "",
        "incompatible|duplicate",
        "a %YAML line that does not hold",
        "remove the line that begins with %YAML",
    ),
)
_UNKNOWN = _Rule("", "", "the structure of the file breaks here", "check quotes and indentation")
_FIRST = {
    "\t": _Rule("", "", "a tab where spaces must indent", "indent with spaces"),
    "@": _Rule("", "", "text that begins with '@'", _QUOTE),
    "`": _Rule("", "", "text that begins with a backtick", _QUOTE),
    "%": _Rule("", "", "text that begins with '%'", _QUOTE),
}
"""What to say of the first character of a value that YAML keeps for itself."""


def explain(error: yaml.YAMLError, text: str) -> Complaint:
    """Translate what the parser says of a text."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return Complaint(1, _UNKNOWN.reason, _UNKNOWN.hint)
    opened = getattr(error, "context_mark", None) or mark
    rule = _rule(error, text, mark)
    line, column = _place(opened if rule.at_opening else mark, text)
    reason = rule.reason.format(opened=opened.line + 1)
    return Complaint(line, f"column {column}: {reason}", rule.hint)


def _rule(error: yaml.YAMLError, text: str, mark: yaml.Mark) -> _Rule:
    context = getattr(error, "context", None) or ""
    problem = getattr(error, "problem", None) or ""
    if "cannot start any token" in problem:
        return _FIRST.get(text.split("\n")[mark.line][mark.column : mark.column + 1], _UNKNOWN)
    return next(
        (
            rule
            for rule in _RULES
            if re.search(rule.context, context) and re.search(rule.problem, problem)
        ),
        _UNKNOWN,
    )


def _place(mark: yaml.Mark, text: str) -> tuple[int, int]:
    """Tell line and column, counted from 1; the end of a file is where its last text ends."""
    lines = text.rstrip("\n").split("\n")
    if mark.line < len(lines):
        return mark.line + 1, mark.column + 1
    return len(lines), len(lines[-1]) + 1
