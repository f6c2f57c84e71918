"""A lock on a file that the operating system takes away from a process that dies.

It lies beside a SQLite database, never in it: SQLite's own locks come and go
with each transaction. Somebody may delete the file while it is locked, and a
second one is then made and locked beside it; `still_ours` finds that out.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

from daemon.errors import StoreUnavailable

if TYPE_CHECKING:
    from pathlib import Path

ATTEMPTS = 3
"""How often a file that was deleted between opening and locking is opened anew."""


class FileLock:
    """The lock, for as long as it is held."""

    def __init__(self, path: Path, number: int) -> None:
        self.path = path
        self._number: int | None = number
        _HELD.add(self)

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Lock a file without waiting; None if somebody else has.

        Raises:
            StoreUnavailable: the file cannot be made or opened.
        """
        for _ in range(ATTEMPTS):
            number = _open(path)
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(number)
                return None
            except OSError as error:
                os.close(number)
                raise _unavailable(path, error) from error
            lock = cls(path, number)
            if lock.still_ours():
                return lock
            lock.release()
        return None

    @property
    def held(self) -> bool:
        """Whether it has not been let go; a forked child holds nothing."""
        return self._number is not None

    def still_ours(self) -> bool:
        """Say whether the file that is locked is still the one that others would open."""
        if self._number is None:
            return False
        try:
            there = os.stat(self.path)  # noqa: PTH116 - the twin of fstat
        except OSError:
            return False
        return os.path.samestat(os.fstat(self._number), there)

    def release(self) -> None:
        """Let go. The file stays: whoever deletes it takes it from under the next one."""
        number, self._number = self._number, None
        _HELD.discard(self)
        if number is not None:
            os.close(number)


def is_held(path: Path) -> bool | None:
    """Say whether anybody holds the lock; None where that cannot be found out.

    Asked with a shared lock, which is let go at once: readers do not take each
    other for a holder. Who wants to hold it and meets a reader tries again.
    """
    try:
        number = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(number)
    return False


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _unavailable(path, error) from error


def _unavailable(path: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"the lock {path} cannot be taken: {error.strerror}",
        hint="check that the folder of the database can be written by this user",
    )


_HELD: WeakSet[FileLock] = WeakSet()


def _forget_in_child() -> None:
    """Close what a forked child has inherited: the lock lives as long as any copy of it is open."""
    for lock in list(_HELD):
        lock.release()


os.register_at_fork(after_in_child=_forget_in_child)
