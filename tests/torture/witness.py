"""Who looks on from outside: what was seen committed, and whether what is there can be true."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from typing import TYPE_CHECKING, Self

from sqlalchemy import text

from daemon.adapters.controls.yaml_file.text import Content, parse
from daemon.errors import DaemonError
from daemon.services import invariants
from daemon.store.store import Store

if TYPE_CHECKING:
    from tests.torture.scene import Scene

STREAMS = ("decisions", "change_events", "rule_history", "events")
HEADS = text("SELECT stream, seq, hash FROM chains")
OPEN = text(
    "SELECT c.id, c.state, max(e.epoch) AS epoch FROM changes c JOIN change_events e"
    " ON e.change_id = c.id WHERE c.settled_at_us IS NULL GROUP BY c.id, c.state"
)
FOOT = re.compile(rb"# complete, sha256 ([0-9a-f]{64})\n\Z")
LOOK_S = 0.01


class Witness:
    """Looks again and again at what is committed, for as long as the block lasts."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.seen: dict[tuple[str, int], str] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        store = Store.open(self._url)
        while not self._over.is_set():
            try:
                with store.read() as view:
                    for stream, seq, link in view.execute(HEADS):
                        self.seen[stream, int(seq)] = link
            except DaemonError:
                time.sleep(LOOK_S)  # the database is away, as it should be now and then
            self._over.wait(LOOK_S)
        store.close()


def lost(store: Store, seen: dict[tuple[str, int], str]) -> list[str]:
    """Name the rows that were seen committed and are not there any more as they were."""
    found = []
    with store.read() as view:
        for stream in STREAMS:
            wanted = {seq: link for (name, seq), link in seen.items() if name == stream and seq}
            if not wanted:
                continue
            query = text(f"SELECT seq, hash FROM {stream} WHERE seq >= :low AND seq <= :high")
            bounds = {"low": min(wanted), "high": max(wanted)}
            there = {int(seq): link for seq, link in view.execute(query, bounds)}
            found += [
                f"{stream} {seq}: {'lost' if seq not in there else 'altered'}"
                for seq, link in wanted.items()
                if there.get(seq) != link
            ]
    return found


def unsettled(store: Store) -> dict[int, tuple[str, int]]:
    """Name the changes that are under way: their state, and who touched them last."""
    with store.read() as view:
        return {int(key): (state, int(epoch)) for key, state, epoch in view.execute(OPEN)}


def epoch(store: Store) -> int:
    """Say which leadership this is."""
    with store.read() as view:
        return int(view.execute(text("SELECT max(epoch) FROM lease")).scalar_one() or 0)


def beat(store: Store) -> tuple[int, int]:
    """Say which leadership this is, and how often it has written."""
    with store.read() as view:
        return tuple(view.execute(text("SELECT epoch, beat FROM lease")).one())


def content(scene: Scene) -> Content | None:
    """Read the controls; None if there are none.

    Raises:
        ValueError: the file is not whole.
    """
    path = scene.controls / "rules.yaml"
    if not path.exists():
        return None
    data = path.read_bytes()
    foot = FOOT.search(data)
    if foot is None or hashlib.sha256(data[: foot.start()]).hexdigest().encode() != foot[1]:
        raise ValueError(f"{path} is torn: {data[-120:]!r}")
    return parse(data)


def torn(scene: Scene) -> list[str]:
    """Say whether the controls are whole."""
    try:
        content(scene)
    except ValueError as error:
        return [str(error)]
    return []


def broken(store: Store, *, full: bool = False) -> list[str]:
    """Ask every invariant, and whether the daemon itself found one broken."""
    with store.read(patient=True) as view:
        found = [str(one) for one in invariants.check(view, full=full)]
        alarm = text("SELECT text FROM alerts WHERE kind = 'invariant_broken'")
        found += [f"the daemon said: {line}" for line in view.execute(alarm).scalars()]
    return found


def abandoned(store: Store, before: dict[int, tuple[str, int]]) -> list[str]:
    """Name the changes that the new leader found under way and left as they were."""
    now, leader = unsettled(store), epoch(store)
    return [
        f"change {key} was {before[key][0]} and is {now[key][0]}, untouched"
        for key in before.keys() & now.keys()
        if now[key][0] != "observing" and now[key][1] < leader
    ]


def strangers(scene: Scene, store: Store) -> list[str]:
    """Name values that the governed system ran on and that no row explains."""
    with store.read() as view:
        known = {
            (rule, round(float(value), 9))
            for query in (
                "SELECT rule, old FROM changes",
                "SELECT rule, new FROM changes",
                "SELECT rule, new FROM rule_history",
                "SELECT name, init FROM rules",
            )
            for rule, value in view.execute(text(query))
        }
    ran = set()
    path = scene.folder / "seen.jsonl"
    for line in path.read_text().splitlines() if path.exists() else []:
        ran |= {(rule, round(value, 9)) for rule, value in json.loads(line).items()}
    return [f"it ran on {rule} = {value:g}, which no row explains" for rule, value in ran - known]


def tallied(store: Store) -> dict[str, int]:
    """Count what became of changes."""
    with store.read() as view:
        rows = view.execute(text("SELECT state, count(*) FROM changes GROUP BY state"))
        return {f"changes {state}": int(count) for state, count in rows}


def sound(store: Store) -> list[str]:
    """Ask SQLite itself whether its file is sound."""
    if store.dialect != "sqlite":
        return []
    with store.read(patient=True) as view:
        said = view.execute(text("PRAGMA integrity_check")).scalar_one()
    return [] if said == "ok" else [f"integrity_check: {said}"]
