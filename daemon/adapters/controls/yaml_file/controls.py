"""A file of rules that the governed system reads and a person may edit."""

from __future__ import annotations

import errno
import math
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.adapters.controls.yaml_file.disk import (
    ChangedError,
    Disk,
    LockedError,
    OwnerLostError,
    locked,
)
from daemon.adapters.controls.yaml_file.text import (
    SIZE_MAX,
    Content,
    Entry,
    UnreadableError,
    parse,
    render,
)
from daemon.log import printable
from daemon.ports import ControlsFault, ControlsFenced, ControlsRefused, Held

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from daemon.adapters.controls.yaml_file.disk import Lock, Version
    from daemon.clock import Clock
    from daemon.ports import Order

HOLD = "HOLD"
LOCK = ".lock"
REASON_MAX = 200
_RULE = re.compile(r"[a-z0-9_.-]{1,64}")


class YamlControls:
    """The values of rules in one YAML file, all of them set by one rename.

    What a person writes there stays: the values of other rules are carried over
    as they are written, and a value that changed since it was last looked at is
    not overwritten but refused, so that it is looked at first.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        name: str = "file",
        timeout_s: float = 5.0,
        disk: Disk | None = None,
    ) -> None:
        self._name = name
        self._path = path
        self._clock = clock
        self._timeout_s = timeout_s
        self._disk = disk or Disk()
        self._known: dict[str, set[float | None]] = {}

    @property
    def name(self) -> str:
        """Its name in the settings."""
        return self._name

    def take_over(self, epoch: int) -> None:
        """Write the epoch beside the rules, and into them if there are any."""
        with self._locked() as lock:
            self._fence(epoch, lock.epoch)
            lock.raise_epoch(epoch)  # holds even where the rules cannot be read now
            version = self._version()
            content = self._content()
            if content is not None:
                self._fence(epoch, content.epoch)
                if content.epoch < epoch:
                    self._put(Content(content.values, content.stamps, epoch), version)

    def read(self, rules: Sequence[str]) -> Mapping[str, Held]:
        """Read the file; where there is none, no rule was ever set."""
        content = self._content() or Content()
        found = {}
        for rule in rules:
            entry = content.values.get(rule)
            self._known[rule] = {None if entry is None else entry.value}
            if entry is not None:
                found[rule] = Held.stamped(rule, entry.value, content.stamps.get(rule))
        return found

    def write(self, orders: Sequence[Order]) -> None:
        """Set all values at once, if no newer leader and no person came between."""
        for order in orders:
            _check(order)
        if not orders:
            return
        with self._locked() as lock:
            version = self._version()
            content = self._content() or Content()
            newest = max(lock.epoch, content.epoch)
            for order in orders:
                self._fence(order.epoch, newest)
                self._check_untouched(order, content)
            for order in orders:
                self._known.get(order.rule, set()).add(order.value)
            epoch = max(order.epoch for order in orders)
            lock.raise_epoch(epoch)
            self._put(
                Content(
                    {**content.values, **{o.rule: Entry.of(o.value) for o in orders}},
                    {**content.stamps, **{o.rule: o.stamp() for o in orders}},
                    epoch,
                ),
                version,
            )

    def held(self) -> str | None:
        """Give the first line of the file ``HOLD`` beside the rules, whatever it is."""
        path = self._path.parent / HOLD
        try:
            text = self._disk.read(path, REASON_MAX).decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return f"{path} is there" if os.path.lexists(path) else None
        except OSError as error:
            is_there = error.errno == errno.EISDIR
            return f"{path} is there" if is_there else f"{path} cannot be read: {error.strerror}"
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return printable(lines[0])[:REASON_MAX] if lines else f"{path} is there"

    def close(self) -> None:
        """Nothing is kept open."""

    # ── the file ─────────────────────────────────────────────────────────────
    def _content(self) -> Content | None:
        """Read the file; None if there is none."""
        try:
            return parse(self._disk.read(self._path, SIZE_MAX))
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = f"{self._path} cannot be read: {error.strerror}"
            hint = "check the path, its owner and its permissions"
        except UnreadableError as error:
            place = ":".join(str(part) for part in (self._path, error.line) if part is not None)
            reason, hint = f"{place}: {error.reason}", error.hint
        raise ControlsFault(reason, hint=hint)

    def _target(self) -> Path:
        return Path(os.path.realpath(self._path))

    def _version(self) -> Version | None:
        return self._disk.version(self._target())

    def _put(self, content: Content, version: Version | None) -> None:
        """Write the file, if it is still as it was when it was read."""
        target = self._target()
        data = render(content)
        if len(data) > SIZE_MAX:
            raise ControlsRefused(
                f"{self._path} would be larger than {SIZE_MAX:,} bytes",
                hint="remove the rules that nobody reads any more",
            )
        before = self._inode(target)
        try:
            self._disk.replace(target, data, version)
        except OSError as error:
            if isinstance(error, ChangedError) or self._inode(target) == before:
                raise self._refused(error) from error
            raise ControlsFault(
                f"{self._path} was written, but not for certain to the disk: {error.strerror}",
                hint="check the disk: a value may be lost when the power fails",
            ) from error

    @staticmethod
    def _inode(path: Path) -> int | None:
        try:
            return path.stat().st_ino
        except OSError:
            return None

    def _refused(self, error: OSError) -> ControlsRefused:
        why = error.strerror or str(error)
        hint = "check the owner and the permissions of the folder"
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            hint = "make room on its disk"
        elif isinstance(error, OwnerLostError):
            hint = "run the daemon as the owner of the file, or let everybody read it"
        elif isinstance(error, LockedError):
            hint = "end the process that holds it: fuser -v on that file names it"
        elif isinstance(error, ChangedError):
            hint = "the next look at the controls takes it into account"
        return ControlsRefused(f"{self._path} cannot be written: {why}", hint=hint)

    @contextmanager
    def _locked(self) -> Iterator[Lock]:
        path = self._target().with_name(LOCK)
        try:
            with locked(path, self._clock, self._timeout_s, self._disk) as lock:
                yield lock
        except OSError as error:
            raise self._refused(error) from error

    # ── what stands in the way ───────────────────────────────────────────────
    def _fence(self, epoch: int, newest: int) -> None:
        if epoch < newest:
            raise ControlsFenced(
                f"{self._path} was taken over by epoch {newest}; this leader has epoch {epoch}",
                hint="if the database was restored from a backup and nobody else leads: remove"
                f" {self._path.with_name(LOCK)} and the line `epoch` from the file",
            )

    def _check_untouched(self, order: Order, content: Content) -> None:
        """Refuse to overwrite what came between the last look and now."""
        entry = content.values.get(order.rule)
        if entry is None or entry.value == order.value:
            return
        if entry.value not in self._known.get(order.rule, {entry.value}):
            raise ControlsRefused(
                f"{order.rule} was set to {entry.value:g} meanwhile, and not by this daemon",
                hint="the next look at the controls takes it into account",
            )


def _check(order: Order) -> None:
    if not _RULE.fullmatch(order.rule) or not math.isfinite(order.value):
        raise ControlsRefused(
            f"{printable(order.rule)[:REASON_MAX]} cannot be set to {order.value}",
            hint="a rule has 1 to 64 of the characters a-z 0-9 _ . - and a finite value",
        )
