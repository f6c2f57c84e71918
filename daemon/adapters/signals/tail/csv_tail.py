"""Lines of a CSV file with a header; a quoted cell ends with its line."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from daemon.adapters.signals import Misread, moment, shown
from daemon.adapters.signals.tail.source import Tail
from daemon.ports import SourceFault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from daemon.adapters.signals import Layout, Profile
    from daemon.clock import Clock
    from daemon.ports import Mark


class CsvTail(Tail):
    """Follows a CSV file.

    Every file begins with a header. One that was cut short by whoever rotates it
    may go on without: the header of before holds if the first line is a record
    of that form.
    """

    def __init__(
        self,
        profile: Profile,
        path: Path,
        layout: Layout,
        clock: Clock,
        *,
        from_end: bool = True,
        delimiter: str = ",",
    ) -> None:
        super().__init__(profile, path, layout, clock, from_end=from_end)
        self.delimiter = delimiter
        self._header: list[str] | None = None

    def resume(self, mark: Mark | None) -> None:
        """Go on from where the file was read up to, and with the header it had."""
        super().resume(mark)
        self._header = list(mark["header"]) if mark and "header" in mark else None

    def mark(self) -> Mark | None:
        """Say how far the file was read, and with which header."""
        mark = super().mark()
        return mark if mark is None or self._header is None else {**mark, "header": self._header}

    def prepared(
        self, lines: list[tuple[int | None, bytes]], *, first: bool
    ) -> list[tuple[int | None, bytes]]:
        """Take the header out of the lines."""
        if first:
            header = self._header_in(lines[0][1])
            if header is None:
                return lines
            self._header = header
            return lines[1:]
        if self._header is None:
            self._header = self._header_in(self.follower.head() or b"")
        return lines

    def _header_in(self, line: bytes) -> list[str] | None:
        """Read a header; None if the line is a record under the one of before.

        Raises:
            SourceFault: it is neither.
        """
        try:
            cells = self._cells(line.decode(errors="replace").removeprefix("\ufeff"))
        except Misread:
            cells = []
        missing = [name for name in self.layout.fields() if name not in cells]
        if not missing:
            return cells
        if self._header is not None and self._is_record(cells):
            return None
        raise SourceFault(
            f"{self.path} has no column {shown(missing[0])} in its first line",
            hint="check time_field and signals, and that the file begins with a header",
        )

    def _is_record(self, cells: list[str]) -> bool:
        assert self._header is not None  # noqa: S101 - asked for by `_header_in`
        if len(cells) != len(self._header) or self.layout.time_field is None:
            return False
        try:
            moment(cells[self._header.index(self.layout.time_field)], self.layout.time_unit)
        except Misread:
            return False
        return True

    def _cells(self, line: str) -> list[str]:
        try:
            return next(csv.reader([line], delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            raise Misread(f"is not CSV: {error}") from None

    def row(self, line: str) -> Mapping[str, Any]:
        """Read a record."""
        assert self._header is not None  # noqa: S101 - `prepared` found it
        cells = self._cells(line)
        if len(cells) != len(self._header):
            raise Misread(f"has {len(cells)} cells, and the header {len(self._header)}")
        return dict(zip(self._header, cells, strict=True))
