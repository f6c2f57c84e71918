"""A file that is only there to be deleted: room for rollbacks on a disk that is full.

Without it a full disk would keep an open change open for ever: taking it back
needs a few kilobytes for the rows, and for the controls.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BALLAST_BYTES = 8 * 2**20
ROOM_AFTER_BYTES = 8 * BALLAST_BYTES
"""So much must be free before ballast is taken in again: a disk at its limit stays calm."""

FULL = ("disk is full", "no space left", "disk quota")
"""How databases say that there is no room, in small letters."""


class Ballast:
    """The file beside a database."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        """None where the database is no file of this machine."""

    def free_bytes(self) -> int | None:
        """Say how much room there is; None where there is no disk to ask."""
        if self.path is None:
            return None
        try:
            return shutil.disk_usage(self.path.parent).free
        except OSError:
            return None

    def take_in(self) -> bool:
        """Fill the file, if there is room for it; tells whether it is there."""
        if self.path is None:
            return False
        free = self.free_bytes()
        try:
            if self.path.exists() and self.path.stat().st_size >= BALLAST_BYTES:
                return True
            if free is None or free < ROOM_AFTER_BYTES:
                return False
            self._fill()
        except OSError:
            return False
        return True

    def _fill(self) -> None:
        assert self.path is not None  # noqa: S101 - asked before
        handle = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, BALLAST_BYTES)
        finally:
            os.close(handle)

    def drop(self) -> bool:
        """Make room; tells whether there was anything to drop."""
        if self.path is None:
            return False
        try:
            self.path.unlink()
        except OSError:
            return False
        return True


def is_full(message: str) -> bool:
    """Tell whether a database says that its disk is full."""
    return any(words in message.lower() for words in FULL)
