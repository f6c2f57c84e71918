"""Following a file that grows, through rotation, truncation and restarts.

A file is known by its inode and by the bytes that were read last, not by its
name. A line counts when its end is there: until then its bytes are read again.
A file that was renamed is read to its end before the new one of that name is
begun, and one that was cut short is begun anew.

What this cannot know: a file that was rotated twice while nobody looked is found
again only if it still begins with the name that it had, and what stood in files
between that one and the newest is not read.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.log import printable
from daemon.ports import SourceFault

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 256 * 1024
"""Bytes that are read at once: what one look at a source may cost."""

LINE_MAX = 64 * 1024
"""A longer line is no record; it is skipped to its end."""

CHECKED = 64
"""By so many bytes before the place that was read up to is a file known again."""

NAMES_MAX = 1_000
"""Files that are looked at when one is searched for that was renamed."""


@dataclass(slots=True)
class Piece:
    """Lines that are new, all of one file."""

    lines: list[tuple[int | None, bytes]] = field(default_factory=list)
    """Each with its number, if it is known, and without its end."""
    first: bool = False
    """The first of them is the first of its file."""
    complaint: str | None = None
    """What of the file was no line."""
    more: bool = False


class Follower:
    """Reads what is added to a file."""

    def __init__(self, path: Path, *, from_end: bool) -> None:
        self.path = path
        self._from_end = from_end
        """Whether what stands in the file when it is met first is left out."""
        self._mark: dict[str, Any] | None = None
        self._fd: int | None = None
        self._inode = 0
        self._offset = 0
        self._line: int | None = 0
        self._check = b""
        self._skipping = False
        self._leaving = False
        """The file was renamed, and at the last look its end had been reached."""
        self._before_last: tuple[int, int | None, bytes, bool] = (0, 0, b"", False)

    # ── where it was read up to ──────────────────────────────────────────────
    def resume(self, mark: dict[str, Any] | None) -> None:
        """Go on from a mark, with the next look."""
        self.close()
        self._mark = mark

    def mark(self) -> dict[str, Any] | None:
        """Say how far was read; None if nothing was found yet."""
        if self._fd is None:
            return self._mark
        return {
            "inode": self._inode,
            "offset": self._offset,
            "line": self._line,
            "check": _digest(self._check),
        }

    def close(self) -> None:
        """Let go of the file; what was read of it is remembered."""
        if self._fd is not None:
            self._mark = self.mark()
            os.close(self._fd)
            self._fd = None

    # ── looking ──────────────────────────────────────────────────────────────
    def read(self) -> Piece:
        """Give the lines that are complete since the last look.

        Raises:
            SourceFault: there is no file, or it cannot be read.
        """
        try:
            if self._fd is None:
                self._find()
            self._begin_anew_if_cut()
            piece = self._lines()
            if not piece.more and not piece.lines:
                self._leave_if_renamed(piece)
        except OSError as error:
            self.close()
            raise self._fault(error) from None
        return piece

    def undo(self) -> None:
        """Go back to before the last look: whoever asked cannot use what it gave."""
        self._offset, self._line, self._check, self._skipping = self._before_last

    def head(self) -> bytes | None:
        """Give the first line of the file that is read now; None until it is complete."""
        if self._fd is None:
            return None
        line, end, _ = os.pread(self._fd, LINE_MAX, 0).partition(b"\n")
        return line.removesuffix(b"\r") if end else None

    def _lines(self) -> Piece:
        assert self._fd is not None  # noqa: S101 - opened by `read`
        start, known = self._offset, self._line
        self._before_last = (start, known, self._check, self._skipping)
        data = os.pread(self._fd, CHUNK, start)
        body, end, rest = data.rpartition(b"\n")
        if not end:
            return self._no_line(rest)
        lines = body.split(b"\n")
        self._advance(data[: len(body) + 1])
        if self._skipping:
            lines, self._skipping, known = lines[1:], False, _plus(known, 1)
        numbered = [
            (_plus(known, count), line.removesuffix(b"\r")) for count, line in enumerate(lines, 1)
        ]
        kept = [(number, line) for number, line in numbered if len(line) <= LINE_MAX]
        complaint = None
        if len(kept) < len(numbered):
            complaint = f"{self.path}: a line of more than {LINE_MAX:,} bytes"
        return Piece(kept, start == 0, complaint, more=len(data) == CHUNK)

    def _no_line(self, rest: bytes) -> Piece:
        """Wait for the end of a line, unless it is longer than any."""
        if len(rest) <= LINE_MAX and not self._skipping:
            return Piece()
        self._advance(rest)
        complaint = None if self._skipping else f"{self._place()}: more than {LINE_MAX:,} bytes"
        self._skipping = True
        return Piece(complaint=complaint, more=len(rest) == CHUNK)

    def _advance(self, data: bytes) -> None:
        self._offset += len(data)
        self._check = (self._check + data[-CHECKED:])[-CHECKED:]
        self._line = _plus(self._line, data.count(b"\n"))
        self._leaving = False

    def _place(self) -> str:
        where = f"byte {self._offset:,}" if self._line is None else f"line {self._line + 1}"
        return f"{self.path}, {where}"

    # ── another file ─────────────────────────────────────────────────────────
    def _begin_anew_if_cut(self) -> None:
        assert self._fd is not None  # noqa: S101 - opened by `read`
        size = os.fstat(self._fd).st_size
        if size < self._offset or self._before(self._fd, self._offset) != self._check:
            self._start(0)

    def _leave_if_renamed(self, piece: Piece) -> None:
        """Go on with the new file of the name, once the old one has been read twice to its end."""
        assert self._fd is not None  # noqa: S101 - opened by `read`
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return  # renamed, and nothing in its place yet
        mine = os.fstat(self._fd)
        if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
            return
        if not self._leaving:  # who writes it may not know yet
            self._leaving = True
            return
        if mine.st_size > self._offset and not self._skipping:
            piece.complaint = f"{self._place()}: the line was never finished"
        fresh = _open(self.path)
        self.close()
        self._fd = fresh
        self._start(0)
        piece.more = True

    def _start(self, offset: int, line: int | None = 0) -> None:
        assert self._fd is not None  # noqa: S101 - opened by whoever asks
        self._inode = os.fstat(self._fd).st_ino
        self._offset, self._line = offset, line
        self._check = self._before(self._fd, offset)
        self._skipping = self._leaving = False

    def _find(self) -> None:
        """Open the file that the mark is about, else the one of the name."""
        if self._mark is not None:
            for path in self._candidates(self._mark["inode"]):
                fd = _open(path)
                if self._is_marked(fd, self._mark):
                    self._fd = fd
                    self._start(self._mark["offset"], self._mark["line"])
                    return
                os.close(fd)
        try:
            self._fd = _open(self.path)
        except FileNotFoundError:
            self._from_end = False  # when it comes, all of it is new
            raise
        self._start(0)
        if self._from_end and self._mark is None:
            self._to_the_end()

    def _to_the_end(self) -> None:
        """Leave out what is there, but for a last line that is not finished yet."""
        assert self._fd is not None  # noqa: S101 - opened by `_find`
        size = os.fstat(self._fd).st_size
        start = max(size - LINE_MAX, 0)
        last = os.pread(self._fd, LINE_MAX, start)
        end = last.rfind(b"\n")
        if end < 0 < start:
            self._start(size, None)
            self._skipping = True
        elif end >= 0:
            self._start(start + end + 1, None if start else last.count(b"\n"))

    def _candidates(self, inode: int) -> list[Path]:
        """List the files that may be the one with this inode: it, or what it was renamed to."""
        near = []
        with os.scandir(self.path.parent) as entries:
            for _, entry in zip(range(NAMES_MAX), entries, strict=False):
                if entry.name.startswith(self.path.stem) and entry.inode() == inode:
                    near.append(self.path.with_name(entry.name))
        return near

    def _is_marked(self, fd: int, mark: dict[str, Any]) -> bool:
        found = os.fstat(fd)
        if found.st_ino != mark["inode"] or found.st_size < mark["offset"]:
            return False
        return bool(_digest(self._before(fd, mark["offset"])) == mark["check"])

    @staticmethod
    def _before(fd: int, offset: int) -> bytes:
        size = min(CHECKED, offset)
        return os.pread(fd, size, offset - size)

    def _fault(self, error: OSError) -> SourceFault:
        name = printable(str(self.path))
        if isinstance(error, FileNotFoundError):
            return SourceFault(
                f"{name} is not there", hint="it is read from its beginning as soon as it is"
            )
        return SourceFault(f"{name} cannot be read: {error.strerror}", hint="check the path")


def _open(path: Path) -> int:
    """Open a file; never wait for the other end of a pipe."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(0, "it is not a file of lines")
    return fd


def _plus(number: int | None, more: int) -> int | None:
    return None if number is None else number + more


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
