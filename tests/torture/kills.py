"""SIGKILL of the real daemon: at random moments, and at chosen system calls."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from tests.torture import witness
from tests.torture.feed import RULES
from tests.torture.report import Tally, say
from tests.torture.scene import READY_WITHIN_S, Scene

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from daemon.store.store import Store

CALLS = {
    "pwrite64": 250,
    "fdatasync": 60,
    "fsync": 25,
    "rename": 12,
    "write": 80,
    "ftruncate": 8,
    "flock": 12,
    "unlink": 6,
}
"""Where the daemon is killed, and how far into its life at most."""

EARLY = 0.25
"""The share of lives that may end while they still start."""

START_S = 2.0
LIFE_S = 0.8
AT_CALL_S = 2.0
CALM_S = 25.0
EVERY = 25


class Killer:
    """Kills one life after another on one database, and looks what is left each time."""

    def __init__(self, scene: Scene, tally: Tally, rng: random.Random) -> None:
        self.scene, self.tally, self.rng = scene, tally, rng
        self.seen: dict[tuple[str, int], str] = {}
        self.before: dict[int, tuple[str, int]] = {}

    # ── looking ──────────────────────────────────────────────────────────────
    def look(self) -> None:
        """After a kill: is what is there whole, and what was under way?"""
        self.tally.violations += witness.torn(self.scene)
        with self.scene.store() as store:
            self.before = witness.unsettled(store)
        for state, _ in self.before.values():
            self.tally.counts[f"found {state}"] += 1

    def inspect(self, store: Store) -> None:
        """After a start: is everything there, was everything settled, can all of it be true?"""
        self.tally.losses += witness.lost(store, self.seen)
        self.tally.counts["rows seen"] += len(self.seen)
        self.tally.violations += witness.abandoned(store, self.before)
        self.tally.violations += witness.broken(store)
        self.seen, self.before = {}, {}

    def live(self) -> bool:
        """Start the daemon and wait until it is ready."""
        self.life = self.scene.start()
        if self.life.listen(READY_WITHIN_S):
            self.tally.ready(self.life.ready_s, self.life.ready_busy_s)
            return True
        code = self.life.process.poll()
        self.tally.violations.append(f"it did not get ready (exit code {code})")
        return False

    # ── killing ──────────────────────────────────────────────────────────────
    def random_kill(self) -> None:
        """One life that ends at a moment that nobody chose."""
        if self.rng.random() < EARLY:
            self.life = self.scene.start()
            ready = self.life.listen(self.rng.uniform(0, START_S))
            self.tally.counts["killed while starting"] += not ready
            self.life.kill()
        elif self.live():
            with self.scene.store() as store:
                self.inspect(store)
            with witness.Witness(self.scene.store_url) as looking:
                self.meddle()
                time.sleep(self.rng.uniform(0, LIFE_S))
                self.life.kill()
            self.seen = looking.seen
        self.life.kill()
        self.tally.counts["kills"] += 1
        self.look()

    def kill_at_call(self) -> None:
        """One life that ends at a system call, as strace has it."""
        call = self.rng.choice(list(CALLS))
        place = round(CALLS[call] ** self.rng.random())
        inject = f"inject={call}:signal=KILL:when={place}"
        trace = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}")
        self.life = self.scene.start(before=(*trace, "-e", inject))
        with witness.Witness(self.scene.store_url) as looking:
            if self.life.listen(READY_WITHIN_S):
                self.tally.ready(self.life.ready_s, self.life.ready_busy_s)
                with self.scene.store() as store:
                    self.inspect(store)
                self.meddle()
            died = self.life.wait(AT_CALL_S) is not None
            self.life.kill()
        self.seen |= looking.seen
        self.tally.counts[f"at {call}" if died else "elsewhere"] += 1
        self.tally.counts["kills"] += 1
        self.look()

    def meddle(self) -> None:
        """Be the operator who wants something just then, every other time."""
        kind = self.rng.choice(["apply", "keep", "rollback", "", "", ""])
        if not kind:
            return
        self.tally.counts["commands"] += 1
        if kind == "rollback":
            self.scene.ask("rollback", {"all": True})
            return
        rule, found = self.rng.choice(list(RULES)), witness.content(self.scene)
        held = None if found is None else found.values.get(rule)
        value = RULES[rule] if held is None else held.value
        wanted = min(20.0, max(0.0, value + self.rng.choice([-1.0, 1.0])))
        moves, base = {rule: wanted}, {rule: value}
        self.scene.ask("apply", {"moves": moves, "base": base, "keep": kind == "keep"})

    # ── the end ──────────────────────────────────────────────────────────────
    def finish(self) -> None:
        """Leave it alone for a while: in the end everything is settled and sound."""
        if not self.live():
            return
        with self.scene.store() as store:
            self.inspect(store)
            left, until_s = witness.unsettled(store).keys(), time.monotonic() + CALM_S
            while left and time.monotonic() < until_s:
                time.sleep(0.2)
                left &= witness.unsettled(store).keys()
        self.tally.violations += [f"change {key} was never settled" for key in left]
        self.life.end()
        self.sum_up()

    def sum_up(self) -> None:
        """Look at everything once more, and count it."""
        with self.scene.store() as store:
            self.tally.violations += witness.broken(store, full=True) + witness.sound(store)
            self.tally.violations += witness.torn(self.scene)
            self.tally.violations += witness.strangers(self.scene, store)
            self.tally.counts.update(witness.tallied(store))


def random_kills(count: int, rng: random.Random) -> Tally:
    """Kill at random moments."""
    tally = Tally("kills")
    with Scene(tally) as scene:
        killer = Killer(scene, tally, rng)
        _repeat(killer, killer.random_kill, count)
    return tally


def call_kills(count: int, rng: random.Random) -> Tally:
    """Kill at system calls."""
    tally = Tally("syscalls")
    if shutil.which("strace") is None:
        tally.skipped = "strace is not installed (Debian: apt install strace)"
        return tally
    with Scene(tally) as scene:
        killer = Killer(scene, tally, rng)
        _repeat(killer, killer.kill_at_call, count)
    return tally


def _repeat(killer: Killer, kill: Callable[[], None], count: int) -> None:
    tally = killer.tally
    for number in range(1, count + 1):
        kill()
        if number % EVERY == 0:
            found = f"lost {len(tally.losses)}, broken {len(tally.violations)}"
            say(f"{tally.part}: {number} of {count}, {found}")
    killer.finish()
