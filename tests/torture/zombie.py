"""A leader that is paused, replaced, and wakes: it may not write anywhere any more."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from sqlalchemy import text

from daemon.errors import Exit
from tests.postgres import PostgresServer, ServerMissingError
from tests.torture import witness
from tests.torture.kills import Killer
from tests.torture.report import Tally
from tests.torture.scene import READY_WITHIN_S, Scene

if TYPE_CHECKING:
    import random

    from daemon.store.store import Store

ENDS_WITHIN_S = 15.0
SPEED = 4.0
"""On Postgres, where a takeover waits until time has passed."""

LATE = (
    "SELECT '{0}', count(*) FROM {0} WHERE epoch = :old AND seq >"
    " (SELECT coalesce(min(seq), 1000000000) FROM {0} WHERE epoch > :old)"
)
WROTE_LATE = text(" UNION ALL ".join(LATE.format(stream) for stream in witness.STREAMS))


def wake(count: int, rng: random.Random) -> Tally:
    """Pause, replace, wake: on a file, where the lock is deleted, and on Postgres."""
    tally = Tally("zombie")
    with Scene(tally) as scene:
        _rounds(Killer(scene, tally, rng), count)
    try:
        server = PostgresServer(durable=True)
    except ServerMissingError as error:
        tally.counts["Postgres left out"] = 1
        tally.skipped = str(error)
        return tally
    with server, Scene(tally, server.create_database(), speed=SPEED) as scene:
        _rounds(Killer(scene, tally, rng), count)
    return tally


def _rounds(killer: Killer, count: int) -> None:
    for _ in range(count):
        if not killer.live():
            killer.tally.violations.append("a leader did not start")
            return
        _one(killer)
    killer.finish()


def _one(killer: Killer) -> None:
    """Play one round. Where the leader was paused inside a transaction, nobody takes over."""
    scene, tally, old = killer.scene, killer.tally, killer.life
    store = scene.store()
    killer.meddle()
    time.sleep(killer.rng.uniform(0.1, 0.8))
    old.signal(signal.SIGSTOP)
    before = witness.epoch(store) if store.dialect == "postgresql" else None
    if store.dialect == "sqlite":
        (scene.store_in / "t.db.lock").unlink()
        new = scene.start()
    else:
        new = scene.start("--standby")
    led = _leads(new, store, before)
    tally.counts["takeovers" if led else "paused in a transaction: nobody took over"] += 1
    held = witness.content(scene)
    old.signal(signal.SIGCONT)
    code = old.wait(ENDS_WITHIN_S)
    if led:
        tally.counts[f"old one ended with {code}"] += 1
        if code != Exit.NOT_LEADER:
            tally.violations.append(f"the old leader ended with {code} and not with 75")
            old.kill()
        _nothing_written(killer, store, held)
        tally.violations += witness.broken(store)
    elif code is None:
        old.end()
    new.end()
    store.close()


def _leads(life, store: Store, before: int | None) -> bool:
    """Wait until the second one leads."""
    if not life.listen(READY_WITHIN_S):
        return False
    until_s = time.monotonic() + READY_WITHIN_S
    while before is not None and time.monotonic() < until_s:
        if witness.epoch(store) > before:
            return True
        time.sleep(0.1)
    return before is None


def _nothing_written(killer: Killer, store: Store, held) -> None:
    """See that the old leader wrote neither rows nor values once it was replaced."""
    new = witness.epoch(store)
    with store.read() as view:
        for stream, late in view.execute(WROTE_LATE, {"old": new - 1}):
            if late:
                killer.tally.violations.append(f"{late} rows of the old leader in {stream}")
    now = witness.content(killer.scene)
    if now is None:
        return
    known = {} if held is None else held.stamps
    if now.epoch != new:
        killer.tally.violations.append(f"the controls carry epoch {now.epoch}, the lease {new}")
    killer.tally.violations += [
        f"the old leader set {rule} after it was replaced"
        for rule, stamp in now.stamps.items()
        if stamp.epoch < new and known.get(rule) != stamp
    ]
