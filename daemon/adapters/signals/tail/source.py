"""A file that grows, as a source: what its lines say, and how far they were read."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.adapters.signals import Misread, Provider
from daemon.adapters.signals.tail.follow import Follower
from daemon.ports import Polled, SourceFault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from daemon.adapters.signals import Layout, Profile
    from daemon.clock import Clock
    from daemon.ports import Mark, Reading


@dataclass(slots=True)
class _Said:
    """What some lines came to."""

    readings: list[Reading] = field(default_factory=list)
    unreadable: int = 0
    example: str | None = None


class Tail(Provider):
    """Follows a file; each format says what one line of it is."""

    def __init__(
        self, profile: Profile, path: Path, layout: Layout, clock: Clock, *, from_end: bool = True
    ) -> None:
        super().__init__(profile, clock)
        self.path = path
        self.layout = layout
        self.follower = Follower(path, from_end=from_end)

    def resume(self, mark: Mark | None) -> None:
        """Go on from where the file was read up to."""
        self.follower.resume(dict(mark) if mark else None)

    def poll(self) -> Polled:
        """Read the lines that are new.

        Raises:
            SourceFault: there is no file, it cannot be read, or it is another one than was meant.
        """
        piece = self.follower.read()
        said = _Said(unreadable=int(piece.complaint is not None), example=piece.complaint)
        try:
            lines = self.prepared(piece.lines, first=piece.first) if piece.lines else []
        except SourceFault:
            self.follower.undo()
            raise
        now_us = self.clock.now_us()
        for number, line in lines:
            self._take(said, number, line, now_us)
        return Polled(
            readings=said.readings,
            mark=self.mark(),
            unreadable=said.unreadable,
            example=said.example,
            more=piece.more,
        )

    def close(self) -> None:
        """Let go of the file."""
        self.follower.close()

    def mark(self) -> Mark | None:
        """Say how far the file was read."""
        return self.follower.mark()

    def _take(self, said: _Said, number: int | None, line: bytes, now_us: int) -> None:
        if not line.strip():
            return
        why = None
        try:
            row = self.layout.read(self.row(line.decode()), now_us)
            said.readings += row.readings
            why = row.complaint
        except UnicodeDecodeError:
            said.unreadable, why = said.unreadable + 1, "is not UTF-8 text"
        except Misread as error:
            said.unreadable, why = said.unreadable + 1, str(error)
        if why is not None and said.example is None:
            place = f"{self.path}" if number is None else f"{self.path}:{number}"
            said.example = f"{place}: {why}"

    # ── what a format adds ───────────────────────────────────────────────────
    def prepared(
        self, lines: list[tuple[int | None, bytes]], *, first: bool
    ) -> list[tuple[int | None, bytes]]:
        """Take out what is no record; ``first``: the first line is that of its file."""
        del first
        return lines

    @abstractmethod
    def row(self, line: str) -> Mapping[str, Any]:
        """Turn a line into named fields.

        Raises:
            Misread: it is no record.
        """
