"""What stands in ``controls/rules.yaml``, from its text and back. Nothing is guessed.

A strict corner of YAML: two levels of names and numbers, and nothing that refers
to anything else. What the daemon writes there, any reader of YAML 1.1 or 1.2
reads alike.
"""

from __future__ import annotations

import hashlib
import math
import re
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from daemon.log import printable
from daemon.tuning.stamp import Stamp

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

SIZE_MAX = 512 * 1024
NODES_MAX = 20_000
DEPTH_MAX = 8
LOADERS: tuple[type[Any], ...] = (
    *((yaml.CSafeLoader,) if yaml.__with_libyaml__ else ()),
    yaml.SafeLoader,
)
"""Parsers in order of speed; only their event streams are used."""

HEAD = (
    "# self-tuning-daemon: edit a value under `rules`, and it stays yours until you hand it back.\n"
    "# What stands below `epoch` is the daemon's, to tell its own values from yours.\n"
)
_HEAD_MARK = "# self-tuning-daemon:"
_FOOT = re.compile(r"^# complete, sha256 [0-9a-f]{64}$", re.MULTILINE)
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,17}")
_NUMBER_LENGTH_MAX = 100
_RULE = re.compile(r"[a-z0-9_.-]{1,64}")
_PLAIN = re.compile(r"[a-z][a-z0-9_.-]*")
_TRUTHS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_NOTHING = frozenset({"", "~", "null"})
_KEYS = ("rules", "epoch", "stamps")
_SHOWN = 60


class UnreadableError(ValueError):
    """A text that is not what it should be: where, why, and what to do."""

    def __init__(self, line: int | None, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Entry:
    """A number, and how it is written: what a person wrote stays as they wrote it."""

    value: float
    text: str

    @classmethod
    def of(cls, value: float) -> Entry:
        """Write a number so that reading it gives the very same one."""
        text = repr(float(value))
        mantissa, exponent, power = text.partition("e")
        if exponent and "." not in mantissa:
            text = f"{mantissa}.0e{power}"  # without the point, YAML 1.1 takes it for a word
        return cls(value, text)


@dataclass(frozen=True)
class Content:
    """What the file says."""

    values: Mapping[str, Entry] = field(default_factory=dict)
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    epoch: int = 0


# ── writing ──────────────────────────────────────────────────────────────────
def render(content: Content) -> bytes:
    """Write the file, rules by name; its last line vouches for all others."""
    lines = ["rules:" if content.values else "rules: {}"]
    lines += [f"  {_name(rule)}: {entry.text}" for rule, entry in sorted(content.values.items())]
    stamps = sorted((rule, s) for rule, s in content.stamps.items() if rule in content.values)
    lines += [f"epoch: {content.epoch}", "stamps:" if stamps else "stamps: {}"]
    lines += [f"  {_name(rule)}: {_stamp(stamp)}" for rule, stamp in stamps]
    body = (HEAD + "\n".join(lines) + "\n").encode()
    return body + f"# complete, sha256 {hashlib.sha256(body).hexdigest()}\n".encode()


def _name(rule: str) -> str:
    return rule if _PLAIN.fullmatch(rule) and rule not in _TRUTHS else f'"{rule}"'


def _stamp(stamp: Stamp) -> str:
    change = "null" if stamp.change_id is None else stamp.change_id
    return f'{{change_id: {change}, epoch: {stamp.epoch}, checksum: "{stamp.checksum}"}}'


# ── reading ──────────────────────────────────────────────────────────────────
def parse(data: bytes, loader: type[Any] = LOADERS[0]) -> Content:
    """Read the file.

    Raises:
        UnreadableError: it is cut off, is no YAML, or says what makes no sense.
    """
    text = _decoded(data)
    if text.startswith(_HEAD_MARK) and not _FOOT.search(text):
        raise UnreadableError(
            text.count("\n") + 1,
            "is cut off: the last line of what the daemon wrote is missing",
            "restore the file; whoever wants to write it anew also removes its first line",
        )
    root = _tree(text, loader)
    if not isinstance(root, dict):
        raise UnreadableError(1, "is empty, or no mapping", "write `rules:` and the values below")
    for key, (line, _) in root.items():
        if key not in _KEYS:
            hint = "only `rules` is yours; another name may be a misspelt one"
            raise UnreadableError(line, f"`{_shown(key)}` is not a key that exists here", hint)
    if "rules" not in root:
        raise UnreadableError(1, "has no `rules`", "write `rules:` and the values below")
    return Content(
        {name: _entry(name, *found) for name, found in _section(root, "rules").items()},
        dict(_stamps(_section(root, "stamps"))),
        _epoch(root),
    )


def _decoded(data: bytes) -> str:
    if len(data) > SIZE_MAX:
        hint = "rules are few and numbers are short; is this the right file?"
        raise UnreadableError(None, f"is larger than {SIZE_MAX:,} bytes", hint)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    raise UnreadableError(line, "is not UTF-8 text", "save the file as UTF-8")


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    is_plain: bool


_Node = _Word | dict[str, Any]
"""A word, or a mapping of names to pairs of a line and a node."""


class _Reader:
    """Follows the events of a parser, counting as it goes."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._nodes = 0

    def root(self) -> _Node | None:
        """Read the one document."""
        found: _Node | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1 or event.tags:
                    raise UnreadableError(_line(event), "says more than one thing", _SPELL)
            elif isinstance(event, yaml.NodeEvent):
                found = self._node(event, 0)
        return found

    def _node(self, event: Any, depth: int) -> _Node:
        self._nodes += 1
        line = _line(event)
        if self._nodes > NODES_MAX or depth > DEPTH_MAX:
            raise UnreadableError(line, "holds more than any set of rules does", _SPELL)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise UnreadableError(line, "repeats a part of itself (& or *)", _SPELL)
        if event.tag is not None:
            raise UnreadableError(line, "has a tag (!), which gives a value a hidden type", _SPELL)
        if isinstance(event, yaml.ScalarEvent):
            return _Word(event.value, event.implicit[0] and not event.style)
        if isinstance(event, yaml.SequenceStartEvent):
            raise UnreadableError(line, "has a list where names and values belong", _SPELL)
        return self._mapping(depth)

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = _line(event)
            key = self._node(event, depth + 1)
            if not isinstance(key, _Word):
                raise UnreadableError(line, "has a mapping where a name belongs", _SPELL)
            if key.text in found:
                reason = f"`{_shown(key.text)}` stands here for the second time"
                hint = f"remove one of the two; the first is in line {found[key.text][0]}"
                raise UnreadableError(line, reason, hint)
            found[key.text] = line, self._node(next(self._events), depth + 1)
        return found


def _tree(text: str, loader: type[Any]) -> _Node | None:
    complaint = UnreadableError(1, "is not YAML", _SPELL)
    try:
        with closing(_events(text, loader)) as events:
            return _Reader(events).root()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else None
        complaint = UnreadableError(line, f"is not YAML here: {error.problem}", _SPELL)
    except yaml.YAMLError:  # a character that may not stand in a file
        complaint = UnreadableError(None, "has a character that no editor shows", "remove it")
    raise complaint


def _events(text: str, loader: type[Any]) -> Generator[yaml.Event, None, None]:
    parser = loader(text)
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()


def _line(event: Any) -> int:
    return 1 if event.start_mark is None else int(event.start_mark.line) + 1


def _section(root: dict[str, Any], name: str) -> dict[str, Any]:
    """Take a mapping; one whose lines are all gone is an empty one."""
    line, node = root.get(name, (1, {}))
    if isinstance(node, _Word) and node.is_plain and node.text in _NOTHING:
        return {}
    if not isinstance(node, dict):
        raise UnreadableError(line, f"`{name}` must be a mapping of rules", f"write `{name}: {{}}`")
    return node


def _entry(rule: str, line: int, node: _Node) -> Entry:
    if not _RULE.fullmatch(rule):
        reason = f"`{_shown(rule)}` is not a name for a rule"
        raise UnreadableError(line, reason, "1 to 64 of the characters a-z 0-9 _ . -")
    if not isinstance(node, _Word):
        raise UnreadableError(line, f"{rule} must be a number, not a mapping", "write the number")
    word, hint = node.text, f"write `{rule}: 0.5`, without quotes and without a unit"
    if not node.is_plain or len(word) > _NUMBER_LENGTH_MAX or not _NUMBER.fullmatch(word):
        reason = f"{rule} must be a number, not '{_shown(word)}'"
        raise UnreadableError(line, reason, hint)
    if not math.isfinite(value := float(word)):
        raise UnreadableError(line, f"{rule} is a number too large to be held", hint)
    return Entry(value, word)


def _stamps(section: dict[str, Any]) -> Iterator[tuple[str, Stamp]]:
    """Give the stamps; what is none is left out, and so its value is a person's."""
    for rule, (_, node) in section.items():
        parts = {key: found for key, (_, found) in node.items()} if isinstance(node, dict) else {}
        stamp = Stamp.read({key: _plain(part) for key, part in parts.items()})
        if stamp is not None:
            yield rule, stamp


def _plain(node: _Node) -> object:
    if not isinstance(node, _Word) or (node.is_plain and node.text in _NOTHING):
        return None
    return int(node.text) if node.is_plain and _WHOLE.fullmatch(node.text) else node.text


def _epoch(root: dict[str, Any]) -> int:
    line, node = root.get("epoch", (1, _Word("0", is_plain=True)))
    found = _plain(node)
    if not isinstance(found, int):
        reason = "`epoch` must be a whole number: it says which leader may write"
        raise UnreadableError(line, reason, "remove the line if nobody knows the number")
    return found


def _shown(text: str) -> str:
    return printable(text)[:_SHOWN]


_SPELL = "write `rules:` and below it a line `name: number` for every rule, and nothing else"
