"""How it stands: who leads, in which mode, what is open, what holds it back, what comes next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS, iso
from daemon.errors import Exit, StoreError
from daemon.services.asking.inquiry_rows import rests_on, steps
from daemon.services.asking.recorded import loaded_of
from daemon.services.duties import calendar
from daemon.store import changes, lease, listing, marks, memory, rules
from daemon.store.listing import Wanted
from daemon.tuning.block import BLOCK_US
from daemon.tuning.glance import glance
from daemon.tuning.state import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.clock import Clock
    from daemon.config.policy_file import LoadedPolicy, PolicyFile
    from daemon.store.lease import Holder
    from daemon.store.store import Store, Tx
    from daemon.tuning.glance import Glance

LATE_S = 60.0
"""Cycles stay away when none came to an end for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One look at the daemon."""

    at_us: int
    running: bool | None
    """None where nobody can tell."""
    trouble: str | None = None
    """What is wrong with it although it runs, or why nobody can tell."""
    leader: Mapping[str, Any] | None = None
    mode: str | None = None
    approval: bool = False
    """The loop proposes, and a person has its proposals carried out."""
    policy: str | None = None
    phase: str | None = None
    score: float | None = None
    signals: Mapping[str, int] = field(default_factory=dict)
    sources: Sequence[Mapping[str, Any]] = ()
    open: Sequence[Mapping[str, Any]] = ()
    resting: Sequence[Mapping[str, Any]] = ()
    foreign: Sequence[str] = ()
    """Rules that a person set: they are left alone."""
    held: Sequence[Mapping[str, Any]] = ()
    """What stands against changes."""
    proposals: Sequence[Mapping[str, Any]] = ()
    """Those that wait for a person."""
    commands: int = 0
    """Those that wait to be carried out."""
    next_cycle_us: int | None = None
    next_look_us: int | None = None
    """When a step is looked for next."""
    last: Mapping[str, Any] | None = None
    """The newest decision."""
    alerts: Sequence[Mapping[str, Any]] = ()
    """Those that are still true, the newest first."""

    @property
    def exit_code(self) -> Exit:
        """What a script is told."""
        if self.running is None:
            return Exit.UNKNOWN
        if not self.running:
            return Exit.NOT_RUNNING
        return Exit.UNKNOWN if self.trouble else Exit.DONE


def look(store: Store, clock: Clock, late_s: float = LATE_S) -> Status:
    """See how it stands; where the database cannot be asked, that is the answer."""
    now_us = clock.now_us()
    try:
        holder = lease.held_by(store)
        running = _lives(store, clock, holder)
        with store.read() as view:
            return _seen(view, now_us, holder, running=running, late_s=late_s)
    except StoreError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return Status(at_us=now_us, running=None, trouble=f"{error.message}{hint}")


def _lives(store: Store, clock: Clock, holder: Holder | None) -> bool | None:
    """Say whether the leader lives."""
    if holder is None or holder.released:
        return False
    if holder.running is not None:
        return holder.running
    fresh = 0 <= clock.now_us() - holder.beat_at_us < holder.ttl_s * MICROS
    return fresh or lease.beating(store, clock, holder.ttl_s)


def _seen(
    view: Tx, now_us: int, holder: Holder | None, *, running: bool | None, late_s: float
) -> Status:
    known, last = memory.recall(view), _last(view)
    trouble = _late(holder, last, now_us, late_s) if holder is not None and running else None
    loaded = loaded_of(view, known.policy) if known else None
    policy = loaded.policy if loaded else None
    state = glance(known.state) if known else None
    rules = listing.current_rules(view, Wanted())
    return Status(
        at_us=now_us,
        running=running,
        trouble=trouble,
        leader=_leader(holder),
        mode=known.mode if known else None,
        approval=loaded is not None and _awaits_approval(loaded),
        policy=known.policy if known else None,
        phase=str(state.phase) if state else None,
        score=state.score if state else None,
        signals=listing.counts(view),
        sources=_sources(view, now_us),
        open=[_open(row, policy, now_us) for row in changes.open_changes(view)],
        resting=[
            {"rule": row["rule"], "until_us": row["cooldown_until_us"]}
            for row in rules
            if (row["cooldown_until_us"] or 0) > now_us
        ],
        foreign=[row["rule"] for row in rules if row["foreign_at_us"] is not None],
        held=_held(view, now_us, running=bool(running)),
        proposals=_proposals(view, now_us),
        commands=len(listing.newest(view, "commands", Wanted(name="pending"))),
        next_cycle_us=(now_us // BLOCK_US + 1) * BLOCK_US if running else None,
        next_look_us=_next_look(state) if running else None,
        last=last,
        alerts=_alerts(view),
    )


def _awaits_approval(loaded: LoadedPolicy) -> bool:
    strategy = loaded.policy.strategy
    return strategy.approval == "required" and not strategy.dry_run


def _leader(holder: Holder | None) -> dict[str, Any] | None:
    if holder is None:
        return None
    return {
        "holder": holder.holder,
        "epoch": holder.epoch,
        "since_us": holder.since_us,
        "beat_at_us": holder.beat_at_us,
        "version": holder.about.get("version"),
        "released": holder.released,
    }


def _late(holder: Holder, last: Mapping[str, Any] | None, now_us: int, late_s: float) -> str | None:
    """Say that cycles do not come any more although somebody leads."""
    cycle_us = 0 if last is None else max(last["at_us"], last["last_at_us"] or 0)
    if now_us - max(cycle_us, holder.since_us) <= late_s * MICROS:
        return None
    since = iso(cycle_us)[:19] if cycle_us else "it began"
    return f"no cycle came to an end since {since}: its log says why"


def _next_look(state: Glance | None) -> int | None:
    """Say when the core looks for a step: while something is open it does not."""
    if state is None or state.phase is not Phase.IDLE:
        return None
    return max(state.look, state.idle_until) * BLOCK_US


def _open(row: Mapping[str, Any], policy: PolicyFile | None, now_us: int) -> dict[str, Any]:
    """Tell an open change, and when its window is full."""
    due_us = None
    if row["state"] == "observing" and row["applied_at_us"] is not None and policy is not None:
        watched_s = policy.settle_s + policy.observe_window_s
        due_us = row["applied_at_us"] + round(watched_s * MICROS)
    return {
        "id": row["id"],
        "rule": row["rule"],
        "old": row["old"],
        "new": row["new"],
        "state": row["state"],
        "cause": row["cause"],
        "since_us": row["applied_at_us"] or row["opened_at_us"],
        "age_s": (now_us - (row["applied_at_us"] or row["opened_at_us"])) / MICROS,
        "due_us": due_us,
        "undo": f"daemon ctl rollback {row['id']}",
    }


def _held(view: Tx, now_us: int, *, running: bool) -> list[dict[str, Any]]:
    """List what stands against changes: rows of the calendar, and what the last cycle found."""
    standing = calendar.standing(view, now_us)
    found: list[dict[str, Any]] = [
        {"rule": one.rule, "kind": one.kind, "words": one.words, "undo": one.undo}
        for one in standing
    ]
    world = listing.world(view) if running else None
    hold = (world or {}).get("held")
    if hold and hold not in {one["words"] for one in found if one["rule"] is None}:
        found.append({"rule": None, "kind": "hold", "words": hold, "undo": None})
    return found


def _sources(view: Tx, now_us: int) -> list[dict[str, Any]]:
    return [
        {"source": source, "at_us": at_us, "age_s": (now_us - at_us) / MICROS}
        for source, at_us in marks.last_heard(view).items()
    ]


def _proposals(view: Tx, now_us: int) -> list[dict[str, Any]]:
    """List the proposals that could be applied now."""
    stands = rules.values(view)
    pending = listing.newest(view, "proposals", Wanted(name="pending", limit=20))
    return [
        {
            "id": row["id"],
            "moves": steps(row["base"], row["target"]),
            "origin": row["origin"],
            "expires_us": row["expires_at_us"],
        }
        for row in pending
        if row["expires_at_us"] is None or row["expires_at_us"] > now_us
        if rests_on(row["base"], stands)
    ]


def _last(view: Tx) -> dict[str, Any] | None:
    found = listing.newest(view, "decisions", Wanted(limit=1))
    if not found:
        return None
    names = ("seq", "at_us", "last_at_us", "kind", "reason", "explanation", "repeats", "change_id")
    return {name: found[0][name] for name in names}


def _alerts(view: Tx) -> list[dict[str, Any]]:
    names = ("id", "at_us", "severity", "kind", "key", "text", "times")
    unresolved = [
        row
        for row in listing.newest(view, "alerts", Wanted(limit=50))
        if row["resolved_at_us"] is None
    ]
    return [{name: row[name] for name in names} for row in unresolved]
