"""The folder of quotes that were parsed before: a set of columns for each digest of content.

A set is written beside its place and renamed, and renamed before it is deleted:
another process sees a whole set or none. Whoever has one mapped keeps it even
when it is deleted. Sets carry the moment of their last use as their own time
stamp; the folder's clock is the one of its file system, and no other is asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.quotes import PRICES, Quotes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = 1
"""What another one wrote is not looked at."""

AT_US = "at_us"
NAME = re.compile(r"[0-9a-f]{64}")
NEW, OLD = ".new-", ".old-"

GRACE_S = 60
"""A set that was used so shortly ago is not deleted: somebody may be about to map it."""

LEFT_OVER_S = 86_400
"""What somebody began to write so long ago nobody finishes any more."""

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of a file: its digest is the name of the note."""

    digest: str
    """Of the quotes that it holds."""
    rows: int
    skipped: int
    examples: tuple[str, ...]


class Cache:
    """Keeps sets of columns, and for files which set they hold.

    Args:
        folder: where; it is made when something is kept.
        megabytes: how much may lie there before what was not used for longest is
            deleted. What was just read stays, however large it is.
    """

    def __init__(self, folder: Path, megabytes: int | None = None) -> None:
        self._folder = folder / f"quotes-{FORMAT}"
        self._most = None if megabytes is None else megabytes * MEGABYTE

    # ── reading ──────────────────────────────────────────────────────────────
    def quotes(self, digest: str) -> Quotes | None:
        """Map a set into memory; None if there is none, or only half of one."""
        folder = self._folder / digest
        if not NAME.fullmatch(digest) or not folder.is_dir():
            return None
        try:
            bid_a, ask_a, bid_b, ask_b = (_mapped(folder / f"{name}.npy") for name in PRICES)
            timed = (folder / f"{AT_US}.npy").exists()
            at_us = _mapped(folder / f"{AT_US}.npy") if timed else None
            found = Quotes(bid_a, ask_a, bid_b, ask_b, at_us, digest)
        except (OSError, ValueError):
            return None  # half a set, after the power failed: it is parsed again
        with contextlib.suppress(OSError):  # a folder that is only read has no order of use
            os.utime(folder)
        return found

    def note(self, source: str) -> Note | None:
        """Say what a file holds whose bytes have this digest; None if nobody knows."""
        try:
            told = json.loads((self._folder / f"{source}.json").read_text(encoding="utf-8"))
            examples = tuple(str(example) for example in told["examples"])
            return Note(str(told["digest"]), int(told["rows"]), int(told["skipped"]), examples)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    # ── writing ──────────────────────────────────────────────────────────────
    def keep(self, source: str, quotes: Quotes, skipped: int, examples: tuple[str, ...]) -> None:
        """Write quotes down, and which file they are of; then make room.

        Raises:
            OSError: the folder does not take them.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if self.quotes(quotes.digest) is None:
            self._write(quotes)
        note = {
            "digest": quotes.digest,
            "rows": len(quotes),
            "skipped": skipped,
            "examples": examples,
        }
        made = self._folder / f"{NEW}{os.getpid()}-{source}.json"
        made.write_text(json.dumps(note), encoding="utf-8")
        now = made.stat().st_mtime
        made.replace(self._folder / f"{source}.json")
        self._make_room(quotes.digest, now)

    def _write(self, quotes: Quotes) -> None:
        made = self._folder / tempfile.mkdtemp(prefix=NEW, dir=self._folder)
        try:
            columns: dict[str, NDArray[Any]] = dict(zip(PRICES, quotes.prices, strict=True))
            if quotes.at_us is not None:
                columns[AT_US] = quotes.at_us
            for name, column in columns.items():
                with (made / f"{name}.npy").open("wb") as file:
                    np.save(file, column)
                    file.flush()
                    os.fsync(file.fileno())
            made.chmod(0o755)
            target = self._folder / quotes.digest
            try:
                made.rename(target)
            except OSError:  # somebody was faster, or there is half a set
                if self.quotes(quotes.digest) is None:
                    self._delete(target)
                    made.rename(target)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    # ── room ─────────────────────────────────────────────────────────────────
    def _make_room(self, mine: str, now: float) -> None:
        """Delete what was not used for longest, if there is too much."""
        sets = self._sets(now)
        spare = sum(size for _, _, size in sets) - (self._most or 0)
        if self._most is None or spare <= 0:
            return
        for used, digest, size in sorted(sets):
            if spare > 0 and digest != mine and abs(now - used) > GRACE_S:
                self._delete(self._folder / digest)
                spare -= size
        self._forget()

    def _sets(self, now: float) -> list[tuple[float, str, int]]:
        """Give each set: when it was used, its name, its size. What nobody finished is deleted."""
        found: list[tuple[float, str, int]] = []
        for entry in os.scandir(self._folder):
            with contextlib.suppress(OSError):  # somebody else was here and deleted it
                changed = entry.stat().st_mtime
                if NAME.fullmatch(entry.name):
                    size = sum(file.stat().st_size for file in os.scandir(entry.path))
                    found.append((changed, entry.name, size))
                elif entry.name.startswith(OLD) or (
                    entry.name.startswith(NEW) and abs(now - changed) > LEFT_OVER_S
                ):
                    _remove(self._folder / entry.name)
        return found

    def _delete(self, folder: Path) -> None:
        """Take a set away at once; its files follow."""
        away = self._folder / tempfile.mkdtemp(prefix=OLD, dir=self._folder)
        with contextlib.suppress(OSError):  # somebody was faster
            folder.rename(away)
        shutil.rmtree(away, ignore_errors=True)

    def _forget(self) -> None:
        """Delete the notes that lead nowhere."""
        for path in self._folder.glob("*.json"):
            note = self.note(path.stem)
            if note is None or not (self._folder / note.digest).is_dir():
                path.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _mapped(path: Path) -> NDArray[Any]:
    """Map a column into memory; an array that looks at it costs less than a `memmap` to slice."""
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty")
    found: NDArray[Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    return found
