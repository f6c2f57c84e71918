"""Who may write: one leader at a time, known by a number that only rises.

A leader holds a row, and beside a SQLite file the lock `<file>.lock` as well.
Every transaction of a leader begins with `fence`, an update that finds its row
only while the epoch is still its own: a leader that was paused, and was
followed by another one meanwhile, writes nothing when it wakes.

On SQLite the operating system takes the lock from a process that dies, so the
next one leads at once. On Postgres only time can tell: whoever wants to lead
watches the row, and takes it over once it has seen no beat for `ttl_s` of its
own time. Moments in the row are for people; two clocks are never compared.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, text, update

from daemon.clock import MICROS
from daemon.errors import NotLeader
from daemon.store import upsert
from daemon.store.lockfile import FileLock, is_held
from daemon.store.ready import Ready
from daemon.store.tables import lease

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from daemon.clock import Clock
    from daemon.store.store import Store, Tx

NAME = "leader"
TTL_S = 15.0
LOCK_TRIES = 5
"""How often a lock is asked for: a reader that looks at it is in the way for a moment."""

TRY_AGAIN_S = 0.01
LOOK_US = MICROS
"""How often a leader looks whether its lock file is still the one that others would open."""

LOOK_S = 0.2
"""How often a reader looks for a beat."""

_FENCE = Ready(
    text(
        "UPDATE lease SET beat = beat + 1, beat_at_us = :at_us"
        " WHERE name = :name AND epoch = :epoch AND holder = :holder AND released_at_us IS NULL"
    )
)
_ONLY = Ready(select(lease).where(lease.c.name == NAME))
_AS_SEEN = (
    lease.c.name == NAME,
    lease.c.epoch == bindparam("seen_epoch"),
    lease.c.beat == bindparam("seen_beat"),
)
_FREE = Ready(select(lease.c.name).where(*_AS_SEEN).with_for_update(skip_locked=True))
_ENTRY = ("holder", "beat", "ttl_s", "since_us", "beat_at_us", "released_at_us", "about")
_FOLLOW = Ready(
    update(lease).where(*_AS_SEEN).values({name: bindparam(name) for name in ("epoch", *_ENTRY)})
)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who leads, or led last."""

    holder: str
    epoch: int
    beat: int
    ttl_s: float
    since_us: int
    beat_at_us: int
    released: bool
    """It has let go by itself."""
    about: Mapping[str, Any]
    """What it says of itself: pid, host, boot_id, version, mode."""
    running: bool | None = None
    """Whether it lives; None where only watching its beat can tell."""


class Lease:
    """The wish to lead, and leading for as long as it is granted.

    ``holder`` must be unlike that of every other process, also of those before
    it on the same machine. ``about`` is shown to people. ``lapse`` says how much
    faster time passes for this process than for the server of the database.
    """

    def __init__(
        self,
        store: Store,
        holder: str,
        clock: Clock,
        ttl_s: float = TTL_S,
        *,
        about: Mapping[str, Any] | None = None,
        lapse: float = 1.0,
    ) -> None:
        self.store = store
        self.holder = holder
        self.clock = clock
        self.ttl_s = ttl_s
        self.about = dict(about or {})
        self._lapse = lapse
        self.epoch = 0
        """The number of this leadership; that of the last one once it has ended."""
        self.leads = False
        self.rival: Holder | None = None
        """Whom the last `acquire` met."""
        self.rival_lives = False
        """Whether that one was seen to live: it holds the lock, or its beat has moved."""
        self.followed: Holder | None = None
        """Whom this leadership followed; one that did not let go was killed, or paused."""
        self._lock: FileLock | None = None
        self._looked_us = 0
        self._seen_us = 0

    # ── leading ──────────────────────────────────────────────────────────────
    def acquire(self) -> int | None:
        """Try to lead, without waiting; returns the new epoch, or None while somebody else leads.

        Asked again and again by whoever stands by: what it saw of the other's
        beat is remembered from one call to the next.
        """
        if self.leads:
            return self.epoch
        path = lock_path(self.store)
        if path is None:
            return self._granted(self._take_row(certain=False))
        lock = self._take_lock(path)
        if lock is None:
            self.rival, self.rival_lives = held_by(self.store), True
            return None
        try:
            epoch = self._take_row(certain=True)
        except BaseException:
            lock.release()
            raise
        self._lock, self._looked_us = lock, self.clock.elapsed_us()
        return self._granted(epoch)

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Tx]:
        """Begin a transaction that only the leader may commit.

        Raises:
            NotLeader: somebody else leads now.
        """
        with self.store.write(durable=durable) as tx:
            if self.store.dialect == "postgresql":
                # A leader that is paused in here must not keep the row from its successor.
                idle_ms = round(self.ttl_s / self._lapse * 1000)
                tx.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {idle_ms}")
            self.fence(tx)
            yield tx

    def read(self, *, patient: bool = False) -> AbstractContextManager[Tx]:
        """Begin a transaction that cannot write; nobody need lead for it."""
        return self.store.read(patient=patient)

    def fence(self, tx: Tx) -> None:
        """Prove that this process still leads, and show that it lives.

        On Postgres the row stays locked until the transaction ends: nobody takes
        over between this and the commit.

        Raises:
            NotLeader: somebody else leads now.
        """
        if not self.leads:
            raise _not_leader("this process does not lead")
        if not self._lock_is_ours():
            self._lose()
            raise _not_leader("the lock file was deleted, and somebody else may hold a new one")
        given = {"name": NAME, "epoch": self.epoch, "holder": self.holder}
        if _FENCE.run(tx, at_us=self.clock.now_us(), **given) != 1:
            self._lose()
            raise _not_leader(f"epoch {self.epoch} has ended: another process has taken over")

    def beat(self) -> None:
        """Show that this process lives, where there is nothing else to write."""
        with self.write(durable=False):
            pass

    def release(self, tx: Tx | None = None) -> None:
        """Let go, in this transaction or one of its own: the next one need not wait."""
        if not self.leads:
            return
        try:
            if tx is not None:
                self._mark_released(tx)
            else:
                with self.store.write() as own:
                    self._mark_released(own)
        finally:
            self._lose()

    def _granted(self, epoch: int | None) -> int | None:
        if epoch is not None:
            self.epoch, self.leads = epoch, True
            self.rival, self.rival_lives = None, False
        return epoch

    def _lose(self) -> None:
        self.leads = False
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _mark_released(self, tx: Tx) -> None:
        mine = update(lease).where(
            lease.c.name == NAME, lease.c.epoch == self.epoch, lease.c.holder == self.holder
        )
        tx.execute(mine.values(released_at_us=self.clock.now_us()))

    # ── the lock beside a SQLite file ────────────────────────────────────────
    def _take_lock(self, path: Path) -> FileLock | None:
        for place in range(LOCK_TRIES):
            if place:
                self.clock.sleep(TRY_AGAIN_S)
            lock = FileLock.take(path)
            if lock is not None:
                return lock
        return None

    def _lock_is_ours(self) -> bool:
        if self._lock is None:
            return True
        now_us = self.clock.elapsed_us()
        if now_us - self._looked_us < LOOK_US:
            return self._lock.held
        self._looked_us = now_us
        return self._lock.still_ours()

    # ── the row ──────────────────────────────────────────────────────────────
    def _take_row(self, *, certain: bool) -> int | None:
        """Enter this process in the row; ``certain`` where a lock proves that nobody else leads."""
        with self.store.write() as tx:
            row = next(iter(_ONLY.records(tx)), None)
            if row is None:
                return self._first(tx)
            if not certain and not self._may_follow(row):
                return None
            return self._follow(tx, row)

    def _first(self, tx: Tx) -> int | None:
        row = {"name": NAME, "epoch": 1, **self._entry()}
        made = (
            upsert.insert(tx, lease).values(row).on_conflict_do_nothing().returning(lease.c.epoch)
        )
        return tx.execute(made).scalar_one_or_none()

    def _follow(self, tx: Tx, row: Mapping[str, Any]) -> int | None:
        """Take over the row as it was seen; not if it is locked, for then its leader is writing."""
        seen = {"seen_epoch": row["epoch"], "seen_beat": row["beat"]}
        if _FREE.first(tx, **seen) is None:
            return None
        epoch, self.followed = int(row["epoch"]) + 1, _holder(row)
        return epoch if _FOLLOW.run(tx, epoch=epoch, **self._entry(), **seen) == 1 else None

    def _entry(self) -> dict[str, Any]:
        now_us = self.clock.now_us()
        return {
            "holder": self.holder,
            "beat": 0,
            "ttl_s": self.ttl_s,
            "since_us": now_us,
            "beat_at_us": now_us,
            "released_at_us": None,
            "about": self.about,
        }

    def _may_follow(self, row: Mapping[str, Any]) -> bool:
        """Judge whether the one in the row has let go or is dead, by what was seen of it so far."""
        seen, now_us = _holder(row), self.clock.elapsed_us()
        before, self.rival = self.rival, seen
        if seen.released or seen.holder == self.holder:
            return True
        if before is None or (before.epoch, before.beat) != (seen.epoch, seen.beat):
            self._seen_us = now_us
            self.rival_lives = before is not None
            return False
        silent_us = now_us - self._seen_us
        return silent_us >= round(max(seen.ttl_s, self.ttl_s) * MICROS)


# ── for those who only want to know ──────────────────────────────────────────
def held_by(store: Store) -> Holder | None:
    """Say who leads, or led last; None if nobody ever did."""
    with store.read() as view:
        row = next(iter(_ONLY.records(view)), None)
    if row is None:
        return None
    path = lock_path(store)
    return _holder(row, running=None if path is None else is_held(path))


def beating(store: Store, clock: Clock, wait_s: float = TTL_S) -> bool:
    """Say whether a leader lives, watching its beat for a while where nothing else can tell."""
    first = held_by(store)
    if first is None or first.released:
        return False
    if first.running is not None:
        return first.running
    until_us = clock.elapsed_us() + round(wait_s * MICROS)
    while clock.elapsed_us() < until_us:
        clock.sleep(LOOK_S)
        now = held_by(store)
        if now is None or now.released:
            return False
        if (now.epoch, now.beat) != (first.epoch, first.beat):
            return True
    return False


def lock_path(store: Store) -> Path | None:
    """Name the lock file of a database; None where there is no file to lie beside."""
    database = store.url.database
    if store.dialect != "sqlite" or not database or database == ":memory:":
        return None
    path = Path(database).resolve()
    return path.with_name(path.name + ".lock")


def _holder(row: Mapping[str, Any], *, running: bool | None = None) -> Holder:
    return Holder(
        holder=row["holder"],
        epoch=int(row["epoch"]),
        beat=int(row["beat"]),
        ttl_s=float(row["ttl_s"]),
        since_us=int(row["since_us"]),
        beat_at_us=int(row["beat_at_us"]),
        released=row["released_at_us"] is not None,
        about=row["about"],
        running=running,
    )


def _not_leader(reason: str) -> NotLeader:
    return NotLeader(reason, hint="daemon ctl status says who leads")
