"""How the file is read, locked and replaced, so that nobody ever sees half of it.

A file is written beside the old one, brought to the disk, and takes its place by
a rename, which is brought to the disk too: without that last step, measured, an
acknowledged value is lost when the power fails.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.clock import Clock

SPARE_MIN = 16 * 1024
"""Bytes of the spare: enough for the next file, even when the disk is full by then."""

Version = tuple[int, int, int]
"""Inode, moment of the last change, and size."""

_EPOCH_DIGITS = 20
_ATTEMPT_S = 0.01


class LockedError(OSError):
    """Somebody else held the lock for too long."""


class ChangedError(OSError):
    """Somebody wrote the file while its successor was being written."""


class OwnerLostError(OSError):
    """The file would end up with an owner that keeps its readers out."""


class Disk:
    """What is asked of the file system, step by step: a test may let any step fail."""

    def read(self, path: Path, size: int) -> bytes:
        """Read a file, and never more than one byte beyond the size."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            chunks = []
            missing = size + 1
            while missing > 0 and (chunk := stream.read(missing)):
                chunks.append(chunk)
                missing -= len(chunk)
        return b"".join(chunks)

    def version(self, path: Path) -> Version | None:
        """Tell one state of a file from the next; None if there is none."""
        found = self.status(path)
        return None if found is None else (found.st_ino, found.st_mtime_ns, found.st_size)

    def check_unchanged(self, path: Path, version: Version | None) -> None:
        """Stop if somebody wrote a file since it was in a state."""
        if self.version(path) != version:
            raise ChangedError("somebody else wrote it at the same moment")

    def replace(self, path: Path, data: bytes, version: Version | None) -> None:
        """Put a file in the place of another one, if that is still in the state it was in."""
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        spare = path.with_name(f".{path.name}.spare")
        for left in path.parent.glob(f".{path.name}.*"):
            if left != spare:
                left.unlink(missing_ok=True)  # of a process that was killed: the lock is ours
        try:
            self.fill(beside, spare, data, like=self.status(path))
            self.check_unchanged(path, version)
            self.rename(beside, path)
        except BaseException:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
        self.settle(path.parent)
        self.reserve(spare, len(data))

    def fill(self, path: Path, spare: Path, data: bytes, like: os.stat_result | None) -> None:
        """Write all of a file to the disk, into the room that was set aside for it."""
        with suppress(OSError):
            spare.rename(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o666)
        try:
            self.put(descriptor, data)
            os.ftruncate(descriptor, len(data))
            self.resemble(descriptor, like, path.parent)
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def put(self, descriptor: int, data: bytes) -> None:
        """Write bytes, however many calls that takes."""
        while data:
            data = data[os.write(descriptor, data) :]

    def sync(self, descriptor: int) -> None:
        """Wait until what was written is on the disk."""
        os.fsync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Let one name take the place of another, at once."""
        source.rename(target)

    def settle(self, folder: Path) -> None:
        """Wait until a rename is on the disk."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def status(self, path: Path) -> os.stat_result | None:
        """Give the mode and the owner of a file, if there is one."""
        try:
            return path.stat()
        except FileNotFoundError:
            return None

    def resemble(self, descriptor: int, like: os.stat_result | None, folder: Path) -> None:
        """Give a file the mode and the owner of another, or of its folder if it is the first.

        What root makes in somebody's folder belongs to them: the daemon must be
        able to write what ``daemon ctl`` made. A file that its readers would lose
        is not made at all.
        """
        wanted = like or folder.stat()
        mine = os.fstat(descriptor)
        has_group = wanted.st_gid == mine.st_gid or self.give(descriptor, -1, wanted.st_gid)
        has_owner = wanted.st_uid == mine.st_uid or self.give(descriptor, wanted.st_uid, -1)
        if like is None:
            return
        os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
        by_group = has_group and like.st_mode & stat.S_IRGRP
        if not has_owner and not by_group and not like.st_mode & stat.S_IROTH:
            raise OwnerLostError("its owner cannot be kept, and could not read it any more")

    def give(self, descriptor: int, owner: int, group: int) -> bool:
        """Give a file away, if this process may."""
        try:
            os.fchown(descriptor, owner, group)
        except PermissionError:
            return False
        return True

    def reserve(self, spare: Path, size: int) -> None:
        """Set room aside for the next file; without it, a full disk would stop a rollback."""
        with suppress(OSError):
            descriptor = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                os.posix_fallocate(descriptor, 0, max(SPARE_MIN, 2 * size))
            finally:
                os.close(descriptor)


class Lock:
    """A lock that is held: its file also remembers the newest epoch, whoever edits the rules."""

    def __init__(self, descriptor: int, disk: Disk) -> None:
        self._descriptor = descriptor
        self._disk = disk

    @property
    def epoch(self) -> int:
        """The newest epoch that took over; 0 if the file says nothing."""
        text = os.pread(self._descriptor, _EPOCH_DIGITS, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdecimal() else 0

    def raise_epoch(self, epoch: int) -> None:
        """Remember a newer epoch; an older one changes nothing."""
        if epoch > self.epoch:
            text = f"{epoch}\n".encode()
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            self._disk.put(self._descriptor, text)
            os.ftruncate(self._descriptor, len(text))
            self._disk.sync(self._descriptor)


@contextmanager
def locked(path: Path, clock: Clock, timeout_s: float, disk: Disk) -> Iterator[Lock]:
    """Hold a lock, which ends with the process whatever happens to it."""
    deadline_us = clock.elapsed_us() + round(timeout_s * 1e6)
    descriptor = _open_lock(path, disk)
    try:
        while not _lock(descriptor):
            if clock.elapsed_us() >= deadline_us:
                raise LockedError(f"{path} is held by another process")
            clock.sleep(_ATTEMPT_S)
        yield Lock(descriptor, disk)
    finally:
        os.close(descriptor)


def _open_lock(path: Path, disk: Disk) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    if is_new:
        with suppress(OSError):
            disk.resemble(descriptor, None, path.parent)
    return descriptor


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
