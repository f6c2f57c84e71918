"""A real Postgres that is killed under a running daemon, and one whose answers get lost."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from daemon.errors import DaemonError
from tests.postgres import PostgresServer, ServerMissingError
from tests.torture import witness
from tests.torture.kills import Killer
from tests.torture.proxy import Proxy
from tests.torture.report import Tally, percentile
from tests.torture.scene import Scene

if TYPE_CHECKING:
    import random

BACK_WITHIN_S = 60.0
BEATS = 5
"""Transactions after which the daemon counts as back at work."""

SHARE = 0.02
LIMIT_S = 240.0


def restarts(count: int, rng: random.Random) -> Tally:
    """Kill the server under the daemon, again and again; the daemon goes on by itself."""
    tally = Tally("postgres")
    try:
        server = PostgresServer(durable=True)
    except ServerMissingError as error:
        tally.skipped = str(error)
        return tally
    with server, Scene(tally, server.create_database()) as scene:
        killer = Killer(scene, tally, rng)
        if not killer.live():
            tally.violations.append("the daemon did not start")
            return tally
        back_s = [_one_restart(server, killer, rng) for _ in range(count)]
        tally.counts["ms until it works again, p50"] = round(1000 * (percentile(back_s, 50) or 0))
        tally.counts["ms until it works again, worst"] = round(1000 * max(back_s))
        _same_life(killer)
        killer.life.end()
        killer.finish()
    return tally


def _one_restart(server: PostgresServer, killer: Killer, rng: random.Random) -> float:
    """Kill the server once; returns how long the daemon took to go on once it was back."""
    scene, tally = killer.scene, killer.tally
    with witness.Witness(scene.store_url) as looking:
        killer.meddle()
        time.sleep(rng.uniform(0.2, 1.0))
        server.kill()
    tally.counts["server killed"] += 1
    time.sleep(rng.uniform(0, 0.5))
    server.start()
    began_s = time.monotonic()
    _until_at_work(killer)
    seconds = time.monotonic() - began_s
    killer.seen = looking.seen
    with scene.store() as store:
        killer.inspect(store)
    return seconds


def _until_at_work(killer: Killer) -> None:
    """Wait until the daemon writes again."""
    until_s, first = time.monotonic() + BACK_WITHIN_S, None
    store = killer.scene.store()
    while time.monotonic() < until_s:
        try:
            now = witness.beat(store)
        except DaemonError:
            now = None
        first = first or now
        if now is not None and now[0] == first[0] and now[1] >= first[1] + BEATS:
            break
        time.sleep(0.05)
    else:
        killer.tally.violations.append("it did not go on after the database was back")
    store.close()


def _same_life(killer: Killer) -> None:
    """See that it was one process all the time."""
    if killer.life.process.poll() is not None:
        code = killer.life.process.returncode
        killer.tally.violations.append(f"it ended with {code} while its database was away")


def drops(count: int, rng: random.Random) -> Tally:
    """Lose the answers to commits: nothing is done twice, and nothing is done that is not known."""
    tally = Tally("drops")
    try:
        server = PostgresServer(durable=True)
    except ServerMissingError as error:
        tally.skipped = str(error)
        return tally
    with server, tempfile.TemporaryDirectory(prefix="px-") as between:
        direct = server.create_database()
        home = server._home
        url = direct.replace(quote(str(home)), quote(between))
        with (
            Proxy(Path(between), home, rng) as proxy,
            Scene(tally, url, store_url=direct) as scene,
        ):
            killer = Killer(scene, tally, rng)
            if not killer.live():
                tally.violations.append("the daemon did not start")
                return tally
            _lose_answers(killer, proxy, count)
            _same_life(killer)
            killer.life.end()
            killer.finish()
    return tally


def _lose_answers(killer: Killer, proxy: Proxy, count: int) -> None:
    until_s, store = time.monotonic() + LIMIT_S, killer.scene.store()
    with witness.Witness(killer.scene.store_url) as looking:
        proxy.share = SHARE
        while proxy.unanswered < count and time.monotonic() < until_s:
            killer.meddle()
            time.sleep(0.5)
        proxy.share = 0.0
    killer.tally.counts["answers lost"] = proxy.unanswered
    killer.tally.counts["commits not sent"] = proxy.unsent
    if proxy.unanswered < count:
        killer.tally.violations.append(f"only {proxy.unanswered} answers were lost in time")
    _until_at_work(killer)
    killer.seen = looking.seen
    killer.inspect(store)
    store.close()
