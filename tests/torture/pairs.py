"""Two daemons that are started at once on one database: one leads, the other ends with 75."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from daemon.errors import Exit
from tests.torture import witness
from tests.torture.report import Tally
from tests.torture.scene import READY_WITHIN_S, Scene

if TYPE_CHECKING:
    import random

APART_S = 0.05


def meet(count: int, rng: random.Random) -> Tally:
    """Start two at once, again and again."""
    tally = Tally("pairs")
    with Scene(tally) as scene:
        store = scene.store()
        for _ in range(count):
            _one(scene, store, tally, rng)
        tally.violations += witness.broken(store, full=True) + witness.torn(scene)
        tally.violations += witness.strangers(scene, store) + witness.sound(store)
        store.close()
    return tally


def _one(scene: Scene, store, tally: Tally, rng: random.Random) -> None:
    before = witness.epoch(store)
    lives = [scene.start()]
    time.sleep(rng.uniform(0, APART_S))
    lives.append(scene.start())
    codes: list[int | None] = [None, None]
    until_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until_s:
        codes = [life.process.poll() for life in lives]
        ready = [life.listen(0.02) for life in lives]
        if all(ended is not None or up for ended, up in zip(codes, ready, strict=True)):
            break
    tally.counts["pairs"] += 1
    tally.counts["second one led"] += codes[0] is not None
    led = [life for life, code in zip(lives, codes, strict=True) if code is None]
    if len(led) != 1 or Exit.NOT_LEADER not in codes:
        tally.violations.append(f"two were started: they ended with {codes}")
    if (taken := witness.epoch(store) - before) != 1:
        tally.violations.append(f"the lead was taken {taken} times, not once")
    for life in led:
        tally.ready(life.ready_s, life.ready_busy_s)
    for life in lives:
        life.kill()
