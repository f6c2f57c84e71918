"""Read YAML (and JSON, which is nearly a part of it) that somebody else may have written.

The reader works on the parser's stream of events and counts as it goes: size,
depth and number of nodes are bounded before anything is built, nothing refers
to anything else in the file, no key counts twice, no number is infinite. Every
value remembers the line it stands in.
"""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from daemon.config.text import decode, read_bounded
from daemon.config.yaml_scalars import Scalar, ScalarError, resolve
from daemon.config.yaml_syntax import explain
from daemon.errors import ConfigError, Problem
from daemon.log import mask_urls, printable

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

KeyPath = tuple[str | int, ...]
"""Where a value stands: keys of mappings and positions in lists, from the root down."""

LOADERS: tuple[type[Any], ...] = (
    *((yaml.CSafeLoader,) if yaml.__with_libyaml__ else ()),
    yaml.SafeLoader,
)
"""Parsers in order of speed; only their event streams are used."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is read before it is refused."""

    size_bytes: int = 64 * 1024
    depth: int = 20
    nodes: int = 10_000
    problems: int = 100


DEFAULT_LIMITS = Limits()


class Refused:
    """Stands in a document in place of a value that was refused."""


REFUSED = Refused()


@dataclass(frozen=True)
class Document:
    """What a file says, with the line of every key."""

    name: str
    value: Any
    lines: Mapping[KeyPath, int]
    problems: tuple[Problem, ...] = ()
    unreadable: frozenset[KeyPath] = frozenset()
    """Places whose value was refused."""

    def line(self, path: KeyPath) -> int:
        """Tell the line of a key, or of the nearest parent that the file has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def dotted(path: KeyPath) -> str:
    """Write a path for a person: ``grids[0].name``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + printable(mask_urls(part))[:_NAME_SHOWN]
    return text


def read_yaml(text: str | bytes, *, name: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """Read a text.

    Raises:
        ConfigError: anything in it is refused; carries every problem found.
    """
    document = scan_yaml(text, name=name, limits=limits)
    if document.problems:
        raise ConfigError(document.problems)
    return document


def read_yaml_file(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> Document:
    """Read a file.

    Raises:
        ConfigError: it cannot be read, or anything in it is refused.
    """
    return read_yaml(read_bounded(path, limits.size_bytes), name=str(path), limits=limits)


def scan_yaml_file(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> Document:
    """Read a file; problems that do not hide the rest of it stay in the document."""
    return scan_yaml(read_bounded(path, limits.size_bytes), name=str(path), limits=limits)


def scan_yaml(
    text: str | bytes,
    *,
    name: str,
    limits: Limits = DEFAULT_LIMITS,
    loader: type[Any] = LOADERS[0],
) -> Document:
    """Read a text; problems that do not hide the rest of it stay in the document.

    Raises:
        ConfigError: the text is too large, is not YAML, or holds nothing.
    """
    content = decode(text, name, limits.size_bytes)
    builder = _Builder(name, limits)
    complaint = None
    try:
        with closing(_events(content, loader)) as events:
            for event in events:
                builder.take(event)
    except yaml.YAMLError as error:
        complaint = explain(error, content)
    except _Stop:
        raise ConfigError(builder.problems) from None
    if complaint is not None:  # raised outside, so that the parser's own words never travel along
        builder.note(Problem(complaint.reason, name, complaint.line, hint=complaint.hint))
        raise ConfigError(builder.problems)
    return builder.document()


_NAME_SHOWN = 80
_HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""What may not stand in a value, however it is written."""


def _events(text: str, loader: type[Any]) -> Generator[yaml.Event, None, None]:
    parser = loader(text)
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()


class _Stop(Exception):  # noqa: N818 - not an error: the builder has noted why
    """Nothing after this point can be trusted."""


@dataclass(slots=True)
class _Frame:
    """A mapping or a list that is being filled."""

    path: KeyPath
    container: dict[str, Any] | list[Any]
    key: str = ""
    wants_value: bool = False
    discards: bool = False
    seen: dict[str, int] = field(default_factory=dict)


@dataclass
class _Builder:
    """Turns events into values, counting and refusing as it goes."""

    name: str
    limits: Limits
    problems: list[Problem] = field(default_factory=list)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    unreadable: set[KeyPath] = field(default_factory=set)
    root: Any = None
    documents: int = 0
    nodes: int = 0
    frames: list[_Frame] = field(default_factory=list)

    def document(self) -> Document:
        """Hand over what was built."""
        if not self.nodes:
            self._empty()
        return Document(
            self.name, self.root, self.lines, tuple(self.problems), frozenset(self.unreadable)
        )

    def note(self, problem: Problem) -> None:
        """Remember a problem, up to the limit."""
        if len(self.problems) < self.limits.problems:
            self.problems.append(problem)

    def take(self, event: yaml.Event) -> None:
        """Follow one event."""
        line = 1 if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._document_start(event, line)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(line)
        elif isinstance(event, yaml.ScalarEvent):
            self._check_node(event, line)
            self._scalar(event, line)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._check_node(event, line)
            self._open({} if isinstance(event, yaml.MappingStartEvent) else [], line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.frames.pop()

    def _document_start(self, event: yaml.DocumentStartEvent, line: int) -> None:
        self.documents += 1
        if self.documents > 1:
            self._stop(
                line, "a second document ('---')", "one file holds one document: split the file"
            )
        if event.tags:
            self._stop(line, "a %TAG line, which gives words a hidden meaning", "remove the line")

    def _alias(self, line: int) -> None:
        reason = "an alias (*name), which repeats another part of the file"
        if self._awaits_key():
            self._stop(line, reason, _SPELL)
        self._refuse(line, reason, _SPELL)
        self._place(REFUSED, line)

    def _awaits_key(self) -> bool:
        if not self.frames:
            return False
        return isinstance(self.frames[-1].container, dict) and not self.frames[-1].wants_value

    def _check_node(self, event: Any, line: int) -> None:
        self.nodes += 1
        if self.nodes > self.limits.nodes:
            self._stop(
                line,
                f"more than {self.limits.nodes:,} values in one file",
                "a configuration is small; is this the right file?",
            )
        if event.anchor is not None:
            self._refuse(line, "an anchor (&name), which lets the file repeat itself", _SPELL)
        if event.tag is not None:
            self._refuse(line, "a tag (!name), which gives a value a hidden type", _UNTAG)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        value = self._meaning(event, line)
        if not self.frames and event.value == "" and event.implicit[0]:
            self._empty()
        if self._awaits_key():
            self._key(event, is_text=isinstance(value, str | Refused), line=line)
        else:
            self._place(value, line)

    def _meaning(self, event: yaml.ScalarEvent, line: int) -> Scalar | Refused:
        text: str = event.value
        if hidden := _HIDDEN.search(text):
            reason = f"a control character (U+{ord(hidden[0]):04X}) inside a value"
            self._refuse(line, reason, "remove the escape that stands for it")
            return REFUSED
        if not event.implicit[0] or event.style:
            return text
        try:
            return resolve(text)
        except ScalarError as error:
            self._refuse(line, error.reason, error.hint)
        return REFUSED

    def _key(self, event: yaml.ScalarEvent, *, is_text: bool, line: int) -> None:
        frame, key = self.frames[-1], str(event.value)
        frame.key, frame.wants_value, frame.discards = key, True, False
        path = (*frame.path, key)
        if key == "<<" and event.implicit[0]:
            self._refuse(line, "a merge key (<<), which copies another part of the file", _SPELL)
        elif not is_text:
            self._refuse(line, "a key that is not text", "quote the key, or give it a name")
        if key in frame.seen:
            reason = f"the key stands here for the second time (first in line {frame.seen[key]})"
            self.note(Problem(reason, self.name, line, dotted(path), "remove one of the two"))
            frame.discards = True
        frame.seen.setdefault(key, line)
        self.lines.setdefault(path, line)

    def _open(self, container: dict[str, Any] | list[Any], line: int) -> None:
        if self._awaits_key():
            self._stop(line, "a list or a mapping used as a key", "a key is a word, in one line")
        if len(self.frames) >= self.limits.depth:
            self._stop(
                line,
                f"more than {self.limits.depth} levels, one inside the other",
                "no file of this program needs so many; check brackets and indentation",
            )
        path = self._place(container, line)
        self.frames.append(_Frame(path, container))

    def _place(self, value: Any, line: int) -> KeyPath:
        """Put a value where it belongs; tell where that is."""
        if not self.frames:
            self.root = value
            path: KeyPath = ()
        else:
            frame = self.frames[-1]
            path = self._attach(frame, value)
        self.lines.setdefault(path, line)
        if value is REFUSED:
            self.unreadable.add(path)
        return path

    def _attach(self, frame: _Frame, value: Any) -> KeyPath:
        if isinstance(frame.container, list):
            frame.container.append(value)
            return (*frame.path, len(frame.container) - 1)
        frame.wants_value = False
        if not frame.discards:
            frame.container[frame.key] = value
        return (*frame.path, frame.key)

    def _here(self) -> str | None:
        """Name the place that the next value goes to."""
        if not self.frames:
            return None
        frame = self.frames[-1]
        if isinstance(frame.container, list):
            return dotted((*frame.path, len(frame.container)))
        return dotted((*frame.path, frame.key) if frame.wants_value else frame.path) or None

    def _refuse(self, line: int, reason: str, hint: str) -> None:
        self.note(Problem(reason, self.name, line, self._here(), hint))

    def _stop(self, line: int, reason: str, hint: str) -> None:
        self._refuse(line, reason, hint)
        raise _Stop

    def _empty(self) -> None:
        hint = "write the settings, or {} for none at all"
        self.note(Problem("is empty", self.name, hint=hint))
        raise ConfigError(self.problems)


_SPELL = "write the values out where they belong"
_UNTAG = "remove the tag; quote the text if it really begins with '!'"
