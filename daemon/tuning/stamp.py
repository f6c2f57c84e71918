"""The stamp beside a value that the daemon set: it tells our writing from a person's.

It fits the one value of the one rule that it was made for. Whoever edits the
value and leaves the stamp has taken it off. It guards against confusion and not
against forgery: who may write the value can make a stamp as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

CHECKSUM_LENGTH = 16
"""Hexadecimal digits: enough for what happens by mistake."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who set a value: the change, the epoch of the leader, and a checksum over all of it."""

    change_id: int | None
    epoch: int
    checksum: str

    @classmethod
    def of(cls, rule: str, value: float, change_id: int | None, epoch: int) -> Stamp:
        """Make the stamp of a value."""
        return cls(change_id, epoch, _checksum(rule, value, change_id, epoch))

    @classmethod
    def read(cls, found: object) -> Stamp | None:
        """Take what stands where a stamp should be; None if it is none."""
        if not isinstance(found, Mapping):
            return None
        change_id, epoch, checksum = (found.get(key) for key in _KEYS)
        if not _whole(epoch) or not isinstance(checksum, str):
            return None
        if change_id is not None and not _whole(change_id):
            return None
        return cls(change_id, epoch, checksum)

    def fits(self, rule: str, value: float) -> bool:
        """Tell whether it was made for this value of this rule."""
        return self.checksum == _checksum(rule, value, self.change_id, self.epoch)

    def body(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return dict(zip(_KEYS, (self.change_id, self.epoch, self.checksum), strict=True))


_KEYS = ("change_id", "epoch", "checksum")


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _checksum(rule: str, value: float, change_id: int | None, epoch: int) -> str:
    plain = value + 0.0  # there is one zero: -0.0 is written as 0.0 by some and read back so
    text = f"{rule}\n{plain!r}\n{'-' if change_id is None else change_id}\n{epoch}"
    return hashlib.sha256(text.encode()).hexdigest()[:CHECKSUM_LENGTH]
