"""Logs: a line an event, never a password in it, never a line that an event's text forged.

structlog is imported with the first event: most commands tell none, and start faster.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, TextIO

from daemon.clock import Clock, SystemClock, iso

if TYPE_CHECKING:
    from structlog.typing import Processor

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]
EventDict = MutableMapping[str, Any]

MASK = "***"
NESTING_MAX = 8
"""Values nested deeper than this are logged as text."""

_WORDS = "password|passwd|pwd|secret|token|api[_-]?key|credentials?"
_NAMED = re.compile(
    rf"""(?P<name>(?:{_WORDS})["']?\s*[=:]\s*)(?:\*{{3}}|'[^']*'?|"[^"]*"?|[^\s&]+)""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<name>\bbearer|\bauthorization\s*[:=]\s*\w+) +[\w.~+/=-]+", re.IGNORECASE)
_SECRET_KEY = re.compile(rf"(?:^|[_.-])(?:{_WORDS}|authorization)$", re.IGNORECASE)
_COLOURS = {"debug": "\033[2m", "info": "\033[32m", "warning": "\033[33m", "error": "\033[31m"}
_RESET = "\033[0m"


# ── what must not be shown ───────────────────────────────────────────────────
def mask(text: str) -> str:
    """Hide passwords: in URLs, after ``password=`` and its like, after ``Bearer``."""
    text = _NAMED.sub(lambda found: found["name"] + MASK, mask_urls(text))
    return _BEARER.sub(lambda found: f"{found['name']} {MASK}", text)


def mask_urls(text: str) -> str:
    """Hide the password of ``scheme://user:password@host``, wherever it stands in a text.

    One slash is enough: a URL that was taken for a path has lost the other.
    """
    if ":/" not in text:
        return text
    return re.sub(r"\S+", lambda word: _mask_word(word[0]), text)


def _mask_word(word: str) -> str:
    scheme, mark, rest = word.partition(":/")
    userinfo, at, host = rest.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    return f"{scheme}{mark}{user}:{MASK}@{host}" if at and colon else word


def printable(text: str) -> str:
    """Show control characters, and everything else that is invisible, as escapes."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    return char.encode("unicode_escape", "surrogatepass").decode()


def clean(value: Any, depth: int = 0) -> Any:
    """Turn any value into one that JSON can hold, without passwords."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return mask(value)
    if depth < NESTING_MAX:
        if isinstance(value, Mapping):
            return {_text(key): _clean_item(key, item, depth) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [clean(item, depth + 1) for item in value]
    return _text(value)


def _clean_item(key: object, item: Any, depth: int) -> Any:
    if isinstance(key, str) and _SECRET_KEY.search(key) and item is not None:
        return MASK
    return clean(item, depth + 1)


def _text(value: object) -> str:
    try:
        return mask(str(value))
    except Exception:  # noqa: BLE001 - a broken __str__ must not cost the line
        return f"<{type(value).__name__} that cannot be shown>"


# ── processors ───────────────────────────────────────────────────────────────
def mask_secrets(logger: object, name: str, event: EventDict) -> EventDict:
    """Clean every value of an event, nested ones and the traceback included."""
    del logger, name
    return {_text(key): _clean_item(key, value, 0) for key, value in event.items()}


def stamper(clock: Clock) -> Processor:
    """Make the processor that says when: ISO 8601, UTC."""

    def stamp(logger: object, method: str, event: EventDict) -> EventDict:
        del logger, method
        head = {name: event.get(name, "") for name in ("level", "event")}
        return {"at": iso(clock.now_us()), **head, **event}

    return stamp


def render_json(logger: object, name: str, event: EventDict) -> str:
    """Write an event as one line of JSON."""
    del logger, name
    line = json.dumps(event, ensure_ascii=False, allow_nan=False)
    return line if line.isprintable() else "".join(map(_json_visible, line))


def _json_visible(char: str) -> str:
    return char if char.isprintable() else json.dumps(char)[1:-1]


class ConsoleRenderer:
    """Writes an event as ``moment level  what happened  key=value``, a traceback indented below."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, logger: object, name: str, event: EventDict) -> str:
        """Write one event."""
        del logger, name
        rest = dict(event)
        at, level, what = (str(rest.pop(key, "")) for key in ("at", "level", "event"))
        traceback = str(rest.pop("exception", ""))
        pairs = "".join(f"  {printable(key)}={_shown(value)}" for key, value in rest.items())
        line = f"{printable(at)} {self._paint(level)} {printable(what)}{pairs}"
        return "\n    | ".join([line, *map(printable, traceback.splitlines())])

    def _paint(self, level: str) -> str:
        word = f"{printable(level):<7}"
        if not self._colours or level not in _COLOURS:
            return word
        return f"{_COLOURS[level]}{word}{_RESET}"


def _shown(value: Any) -> str:
    """Write a value so that where it ends is plain."""
    if isinstance(value, str) and value and not re.search(r"[\s\"'=]", value):
        return printable(value)
    return printable(json.dumps(value, ensure_ascii=False))


# ── telling ──────────────────────────────────────────────────────────────────
class Logger:
    """Tells events by way of structlog, which the first of them loads and sets up."""

    def __init__(self, name: str) -> None:
        self._name = name

    def debug(self, event: str, **about: Any) -> None:
        """Tell what only somebody who looks for a fault wants to know."""
        self._tell("debug", event, about)

    def info(self, event: str, **about: Any) -> None:
        """Tell what was done."""
        self._tell("info", event, about)

    def warning(self, event: str, **about: Any) -> None:
        """Tell what somebody should look at."""
        self._tell("warning", event, about)

    def error(self, event: str, **about: Any) -> None:
        """Tell what went wrong."""
        self._tell("error", event, about)

    def exception(self, event: str, **about: Any) -> None:
        """Tell what went wrong, with the traceback of what is being handled."""
        self._tell("exception", event, about)

    def _tell(self, method: str, event: str, about: Mapping[str, Any]) -> None:
        import structlog  # noqa: PLC0415 - see the head of this file

        settle()
        getattr(structlog.get_logger(self._name), method)(event, **about)


def get(name: str) -> Logger:
    """Make the logger of a module."""
    return Logger(name)


# ── set-up ───────────────────────────────────────────────────────────────────
_unsettled: list[Callable[[], None]] = []
"""The set-up of structlog that waits for the first event: one at most."""

_settling = Lock()


def configure(
    level: Level = "info",
    format: Format = "auto",  # noqa: A002 - the word of the setting `log.format`
    stream: TextIO | None = None,
    *,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Send our log, and what libraries warn of, to one stream in one form.

    What libraries tell of their daily work is told at level ``debug`` only.
    ``auto`` is the console form on a terminal and JSON elsewhere; ``NO_COLOR``
    in the environment takes the colours away.
    """
    stream = sys.stderr if stream is None else stream
    renderer = _renderer(format, stream, os.environ if environ is None else environ)
    clock = clock or SystemClock()
    number = logging.getLevelNamesMapping()[level.upper()]
    with _settling:
        _unsettled[:] = [lambda: _configure_structlog(number, stream, clock, renderer)]
    _install(_Handler(stream, clock, renderer), number)


def settle() -> None:
    """Set structlog up, if that was put off."""
    if _unsettled:  # without the lock: who sees none would find none
        with _settling:
            while _unsettled:
                _unsettled[-1]()
                _unsettled.pop()


def _configure_structlog(level: int, stream: TextIO, clock: Clock, renderer: Processor) -> None:
    import structlog  # noqa: PLC0415 - see the head of this file

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *_common(clock),
            mask_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )


def _common(clock: Clock) -> list[Processor]:
    """Give what is done to our events and to those of libraries alike."""
    from structlog import processors  # noqa: PLC0415 - same

    return [processors.add_log_level, stamper(clock), processors.format_exc_info]


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that a second set-up replaces it and leaves everybody else's alone."""

    def __init__(self, stream: TextIO, clock: Clock, renderer: Processor) -> None:
        super().__init__(stream)
        self._clock = clock
        self._renderer = renderer

    def format(self, record: logging.LogRecord) -> str:
        """Write what a library tells; how is settled with the first time that one does."""
        if self.formatter is None:
            self.formatter = self._made()
        return self.formatter.format(record)

    def _made(self) -> logging.Formatter:
        from structlog import stdlib  # noqa: PLC0415 - same

        return stdlib.ProcessorFormatter(
            foreign_pre_chain=[stdlib.add_logger_name, *_common(self._clock)],
            processors=[
                stdlib.ProcessorFormatter.remove_processors_meta,
                mask_secrets,
                self._renderer,
            ],
        )


def _install(handler: _Handler, level: int) -> None:
    root = logging.getLogger()
    for old in [item for item in root.handlers if isinstance(item, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level if level <= logging.DEBUG else max(level, logging.WARNING))


def _renderer(format_: Format, stream: TextIO, environ: Mapping[str, str]) -> Processor:
    terminal = stream.isatty()
    if format_ == "json" or (format_ == "auto" and not terminal):
        return render_json
    return ConsoleRenderer(colours=terminal and not environ.get("NO_COLOR"))
