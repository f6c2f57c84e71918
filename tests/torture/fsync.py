"""A disk that fails to keep what it is given: the daemon ends with 74, and starts again."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.errors import Exit
from tests.torture import witness
from tests.torture.kills import Killer
from tests.torture.report import Tally
from tests.torture.scene import Scene

if TYPE_CHECKING:
    import random

SHIM = Path(__file__).with_name("shim.c")
FURTHEST = 40
ALWAYS = 1_000_000
ENDS_WITHIN_S = 30.0
LIVES_S = 3.0


def failing(count: int, rng: random.Random) -> Tally:
    """Fail at one call after another, for the database; then all the time, for the controls."""
    tally = Tally("fsync")
    if shutil.which("gcc") is None:
        tally.skipped = "gcc is not installed"
        return tally
    with tempfile.TemporaryDirectory() as folder, Scene(tally) as scene:
        shim = Path(folder) / "shim.so"
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", shim, SHIM, "-ldl"], check=True)
        killer = Killer(scene, tally, rng)
        for number in range(count):
            first = rng.randint(1, FURTHEST)
            last = first if number % 2 else ALWAYS
            _database(killer, shim, first, last)
        _controls(killer, shim)
        killer.finish()
    return tally


def _environ(shim: Path, word: str, first: int, last: int) -> dict[str, str]:
    return {
        "LD_PRELOAD": str(shim),
        "TORTURE_FILE": word,
        "TORTURE_FROM": str(first),
        "TORTURE_TO": str(last),
    }


def _database(killer: Killer, shim: Path, first: int, last: int) -> None:
    """Have the database's disk fail from some call on: the process must end."""
    scene, tally = killer.scene, killer.tally
    with witness.Witness(scene.store_url) as looking:
        life = scene.start(environ=_environ(shim, "t.db", first, last))
        life.listen(ENDS_WITHIN_S)
        store = scene.store()
        if life.process.poll() is None:
            killer.meddle()
        store.close()
        code = life.wait(ENDS_WITHIN_S)
    tally.counts[f"ended with {code}"] += 1
    if code != Exit.IO:
        tally.violations.append(f"fsync {first}-{last} of the database failed: ended with {code}")
    life.kill()
    killer.seen = looking.seen
    killer.look()
    if not killer.live():
        tally.violations.append("it did not start after a failed fsync")
        return
    store = scene.store()
    killer.inspect(store)
    store.close()
    killer.life.end()


def _controls(killer: Killer, shim: Path) -> None:
    """Have the controls' disk fail all the time: nothing may count as applied that is not."""
    scene, tally = killer.scene, killer.tally
    life = scene.start(environ=_environ(shim, "/controls", 1, ALWAYS))
    tally.counts["controls failing"] += 1
    life.listen(ENDS_WITHIN_S)
    store = scene.store()
    for _ in range(3):
        killer.meddle()
        life.wait(LIVES_S)
    tally.violations += witness.broken(store) + witness.torn(scene)
    store.close()
    life.end()
    killer.look()
