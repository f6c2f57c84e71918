"""From a path or from bytes to text that a parser may see: bounded, UTF-8, nothing invisible."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from daemon.errors import ConfigError, Problem
from daemon.log import mask_urls, printable

if TYPE_CHECKING:
    from pathlib import Path


class MissingFile(ConfigError):  # noqa: N818 - a state, and its reader may have a default
    """There is no file at a path."""


_NOT_TEXT = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    "|\r(?!\n)"
)
"""What may not stand in a file: control characters and invisible ends of lines."""

_SURROGATES = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u[dD]([89abAB][0-9a-fA-F]{2})\\u[dD]([c-fC-F][0-9a-fA-F]{2})"
)


def read_bounded(path: Path, size_bytes: int) -> bytes:
    """Read a file, and never more than one byte beyond the limit.

    Raises:
        MissingFile: it is not there.
        ConfigError: it cannot be read.
    """
    chunks: list[bytes] = []
    missing = size_bytes + 1
    try:
        with path.open("rb", buffering=0) as stream:
            while missing > 0 and (chunk := stream.read(missing)):
                chunks.append(chunk)
                missing -= len(chunk)
    except (OSError, ValueError) as error:
        kind = MissingFile if isinstance(error, FileNotFoundError) else ConfigError
        raise kind([unreadable(path, error)]) from None
    return b"".join(chunks)


def decode(text: str | bytes, name: str, size_bytes: int) -> str:
    """Turn what was read into text for the YAML parser, line by line as it was.

    Raises:
        ConfigError: it is too large, not UTF-8, or holds characters that nobody sees.
    """
    size = len(text) if isinstance(text, bytes) else len(text.encode(errors="surrogatepass"))
    if size > size_bytes:
        hint = "a configuration is small; is this the right file?"
        raise ConfigError([Problem(f"is larger than {size_bytes:,} bytes", name, hint=hint)])
    if isinstance(text, bytes):
        text = _from_utf8(text, name)
    text = text.removeprefix("\ufeff")
    if bad := _NOT_TEXT.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        reason = f"a character that no editor shows (U+{ord(bad[0]):04X})"
        hint = "remove it; if it is wanted, write it as an escape inside double quotes"
        raise ConfigError([Problem(reason, name, line, hint=hint)])
    return _json_as_yaml(text) if _is_json(text) else text


def unreadable(path: Path, error: OSError | ValueError) -> Problem:
    """Say why a file could not be read."""
    name = printable(mask_urls(str(path)))
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Problem("there is no such file", name, hint="check the path and the directory")
    if isinstance(error, IsADirectoryError):
        return Problem("is a directory, not a file", name, hint="name the file itself")
    if isinstance(error, PermissionError):
        return Problem("may not be read", name, hint="check its owner and its permissions")
    reason = error.strerror if isinstance(error, OSError) else "that is no path"
    return Problem(f"cannot be read: {reason or 'unknown fault'}", name, hint="check the path")


def _from_utf8(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    raise ConfigError([Problem("is not UTF-8 text", name, line, hint="save the file as UTF-8")])


def _is_json(text: str) -> bool:
    """Tell whether the parser will need help: JSON with a tab or an escaped surrogate in it."""
    if not text.lstrip().startswith(("{", "[")) or ("\t" not in text and "\\u" not in text):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _json_as_yaml(text: str) -> str:
    """Write the two things that JSON allows and YAML does not in YAML's way."""
    text = re.sub(r"^[ \t]+", lambda indent: " " * len(indent[0]), text, flags=re.MULTILINE)
    return _SURROGATES.sub(_join_surrogates, text)


def _join_surrogates(pair: re.Match[str]) -> str:
    high, low = (int("d" + half, 16) for half in (pair[2], pair[3]))
    return f"{pair[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08X}"
