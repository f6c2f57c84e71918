"""A disk that is full, with a change under observation on it: it is taken back all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import text

from daemon.errors import DaemonError
from tests.torture import witness
from tests.torture.feed import RULES
from tests.torture.kills import Killer
from tests.torture.report import Tally
from tests.torture.scene import Scene, busy_s

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

T = TypeVar("T")

DISK = "128m"
FLOOR_MB = 20
SPEED = 10.0
WINDOW_S = 120
"""So slow that a person could still do something: the change is open for twelve real seconds."""

OPENS_WITHIN_S = 60.0
SETTLES_WITHIN_S = 60.0
WATCHED_S = 10.0
BACK_WITHIN_S = 60.0
PIECE = 1 << 20
BUSY = 0.5
"""The share of a processor above which a daemon on a full disk counts as spinning."""

WRITES_A_SECOND = 20
"""Ten times the cycles of this lapse: above it counts as spinning as well."""


def full(count: int, rng: random.Random) -> Tally:
    """Fill a small disk under a running daemon."""
    tally = Tally("disk")
    if os.geteuid() != 0 or shutil.which("mount") is None:
        tally.skipped = "only root may mount a small disk"
        return tally
    for _ in range(count):
        with small_disk() as disk:
            options = {"store_in": disk, "speed": SPEED, "window": WINDOW_S, "floor": FLOOR_MB}
            with Scene(tally, **options) as scene:
                _one(Killer(scene, tally, rng), disk)
    return tally


@contextmanager
def small_disk() -> Iterator[Path]:
    """Mount a disk in memory, and take it away again."""
    folder = Path(tempfile.mkdtemp(prefix="small-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def _one(killer: Killer, disk: Path) -> None:
    scene, tally = killer.scene, killer.tally
    if not killer.live():
        return
    change = _with_an_open_change(killer)
    if change is None:
        tally.violations.append("no change was opened")
        killer.life.end()
        return
    (scene.folder / "harm").touch()
    filler = disk / "filler"
    _fill(filler)
    tally.counts["bytes left"] = shutil.disk_usage(disk).free
    began_s = time.monotonic()
    state = _until(SETTLES_WITHIN_S, lambda: _settled(scene, change))
    tally.counts["disk filled"] += 1
    tally.counts[f"open change then {state or 'still open'}"] += 1
    tally.counts["settled after ms"] = round((time.monotonic() - began_s) * 1000)
    if state != "rolled_back":
        tally.violations.append(f"with a full disk the change was {state or 'left open'}")
    tally.counts["ballast given up"] += not any(disk.glob("*.ballast"))
    _fill(filler)  # what the ballast left as well
    _watch(killer)
    filler.unlink()
    _recovered(killer)
    killer.life.end()
    killer.sum_up()


def _with_an_open_change(killer: Killer) -> int | None:
    """Have something under observation."""
    ballast = killer.scene.store_in / "t.db.ballast"
    if not _until(10, lambda: any(ballast.parent.glob("*.ballast"))):
        killer.tally.violations.append("no ballast was taken in")
    rule = next(iter(RULES))
    found = witness.content(killer.scene)
    held = None if found is None else found.values.get(rule)
    value = RULES[rule] if held is None else held.value
    moves, base = {rule: value - 1}, {rule: value}
    with killer.scene.store() as store:

        def observed() -> int | None:
            rows = witness.unsettled(store).items()
            return next((key for key, (state, _) in rows if state == "observing"), None)

        if observed() is None:
            killer.scene.ask("apply", {"moves": moves, "base": base, "keep": False})
        return _until(OPENS_WITHIN_S, observed)


def _fill(filler: Path) -> None:
    """Write until nothing fits any more."""
    handle = os.open(filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for size in (PIECE, 4096, 1):
            _fill_with(handle, bytes(size))
    finally:
        os.close(handle)


def _fill_with(handle: int, piece: bytes) -> None:
    try:
        while os.write(handle, piece):
            pass
    except OSError:
        return


def _settled(scene: Scene, change: int) -> str | None:
    with scene.store() as store, store.read() as view:
        query = text("SELECT state FROM changes WHERE id = :id AND settled_at_us IS NOT NULL")
        return view.execute(query, {"id": change}).scalar()


def _watch(killer: Killer) -> None:
    """With nothing left at all: does it wait, or does it spin?"""
    life, tally = killer.life, killer.tally
    with killer.scene.store() as store:
        beats, used_s, began_s = witness.beat(store)[1], busy_s(life.pid), time.monotonic()
        life.wait(WATCHED_S)
        seconds = time.monotonic() - began_s
        tally.violations += witness.torn(killer.scene) + witness.sound(store)
        writes = (witness.beat(store)[1] - beats) / seconds
    if life.process.poll() is not None:
        tally.violations.append(f"it ended with {life.process.returncode} on a full disk")
        return
    share = (busy_s(life.pid) - used_s) / seconds
    tally.counts["full: transactions in 10 s"] = round(writes * 10)
    tally.counts["full: processor in percent"] = round(share * 100)
    if share > BUSY or writes > WRITES_A_SECOND:
        tally.violations.append(f"it spins: {share:.0%} of a processor, {writes:.0f} writes/s")


def _recovered(killer: Killer) -> None:
    """With room again it goes on by itself, and takes ballast in again."""
    with killer.scene.store() as store:
        beats = witness.beat(store)
        back = _until(BACK_WITHIN_S, lambda: witness.beat(store)[1] > beats[1] + 3)
    ballast = _until(BACK_WITHIN_S, lambda: any(killer.scene.store_in.glob("*.ballast")))
    killer.tally.counts["went on by itself"] += bool(back)
    killer.tally.counts["ballast is back"] += bool(ballast)
    if not back:
        killer.tally.violations.append("it did not go on when there was room again")
    if not ballast:
        killer.tally.violations.append("no ballast was taken in again")


def _until(seconds: float, look: Callable[[], T]) -> T | None:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        try:
            if found := look():
                return found
        except DaemonError:
            pass  # on a full disk a reader may fail as well
        time.sleep(0.1)
    return None
