"""What is on record, run again: read from the store a page and an hour at a time."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, Any

import daemon
from daemon.clock import iso
from daemon.config.policy_file import LoadedPolicy, PolicyFile
from daemon.config.tuning_policy import as_policy
from daemon.errors import DaemonError, StoreError
from daemon.store import runs
from daemon.store.blocks import stream_blocks
from daemon.tuning import codec
from daemon.tuning.block import BLOCK_US
from daemon.tuning.codec import Unreadable
from daemon.tuning.model import Region
from daemon.tuning.record import (
    ENDLESS,
    Acted,
    Begun,
    Decided,
    Found,
    Gap,
    Last,
    Past,
    Remembered,
    Walk,
    World,
)
from daemon.tuning.replay import Rerun, last_in
from daemon.tuning.timeline import Timeline
from daemon.tuning.whatif import WhatIf
from daemon.tuning.windows import KEEP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from daemon.store.blocks import Chunk
    from daemon.store.store import Store, Tx
    from daemon.tuning.model import Policy
    from daemon.tuning.record import Entry
    from daemon.tuning.replay import Difference

DAY = 17_280
HOUR = 720
"""Blocks of a day and of an hour."""

LONG = 3 * DAY
"""Longer than this, scores are told by the day."""

_SPOKEN = ("kind", "reason", "rule", "old", "new", "evidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A policy, and what the recorded timeline was worth to it."""

    role: str
    """``recorded``: the one that was in force when the period began; ``other``: the one given."""
    digest: str
    timeline: Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a replay."""

    start_us: int
    end_us: int
    version: str
    """Which version wrote the record; empty where none did."""
    cycles: int
    kinds: Mapping[str, int]
    """How many cycles came to what."""
    rerun: Rerun | None
    """With the policies of the record."""
    whatif: WhatIf | None
    """With another one."""
    policies: tuple[Judged, ...]

    @property
    def difference(self) -> Difference | None:
        """Where the same policy decided otherwise."""
        return self.rerun.difference if self.rerun else None


@contextmanager
def replaying(
    store: Store,
    other: LoadedPolicy | None,
    fallback: Callable[[], LoadedPolicy],
    since_us: int | None = None,
) -> Iterator[Replay]:
    """Find what is on record, to be run again with its own policies or with another one.

    Args:
        store: where the record is.
        other: another policy; None for the record's own.
        fallback: gives the policy to use where only samples are on record.
        since_us: start at the newest memory that is not younger.

    Raises:
        DaemonError: there is nothing to run again, or not all of what it needs.
    """
    with store.read(patient=True) as view:
        try:
            yield Replay(view, other, fallback, since_us)
        except Unreadable as error:
            raise StoreError(
                f"the memory that the run began with cannot be read: {error}",
                hint="replay it with the version that wrote it, or a later part with --since",
            ) from error


class Replay:
    """One replay: where it begins and ends, and who takes part."""

    def __init__(
        self,
        view: Tx,
        other: LoadedPolicy | None,
        fallback: Callable[[], LoadedPolicy],
        since_us: int | None,
    ) -> None:
        self.view = view
        row = runs.first_state(view)
        if row is not None and since_us is not None:
            row = runs.state_before(view, since_us) or row
        self.version = "" if row is None else str(row["body"]["version"])
        self.names = _Policies(view)
        if row is None:
            self._from_samples(other or fallback(), since_us)
        else:
            self._from_record(row, other)
        self.first = max(self.begun.first, self.begun.due - KEEP)
        self._check_samples()

    def _from_record(self, row: dict[str, Any], other: LoadedPolicy | None) -> None:
        self.begun = self.names.begun(row)
        digests = runs.policies_since(self.view, row["seq"])
        alone = other is None or digests == [other.digest]
        self.other = None if alone or other is None else self.names.given(other, row)
        decisions = runs.decisions_after(self.view, row["body"]["decisions"])
        entries = merge(
            self._events(row["seq"]), _decided(decisions), key=lambda entry: (entry.due, entry.rank)
        )
        self.walk = Walk(self.begun, entries)
        self.end = runs.last_cycle_us(self.view) // BLOCK_US
        policies = [self.names.of(digest, []) for digest in digests]
        self.signals = _signals(*policies, *([self.other] if self.other else []))

    def _from_samples(self, loaded: LoadedPolicy, since_us: int | None) -> None:
        """Where no run is on record, ask what the policy would have done with the samples."""
        self.other = policy = as_policy(loaded)
        self.signals = policy.signals()
        extent = runs.extent(self.view, self.signals)
        if len(extent.missing) == len(self.signals):
            raise DaemonError(
                "nothing is recorded: no run of the loop, and no samples of "
                + ", ".join(self.signals),
                hint="a run is recorded by the daemon; samples also come with"
                " `daemon db import-legacy`",
            )
        first = -(-max(extent.first_us, since_us or 0) // BLOCK_US)
        self.end = extent.end_us // BLOCK_US
        values = runs.values(self.view)
        rules = {rule.name: rule.init for rule in policy.rules}
        rules |= {rule: old for _, rule, old, _ in reversed(values) if old is not None}
        rules = {rule.name: rules[rule.name] for rule in policy.rules}
        found = list(_found(values, rules, first))
        self.begun = Begun(
            due=first + 1,
            first=first,
            policy=policy,
            state=None,
            world=found[0].world,
            until=ENDLESS,
        )
        self.walk = Walk(self.begun, iter(found))

    def _check_samples(self) -> None:
        """Refuse to run on samples that are not there."""
        extent = runs.extent(self.view, self.signals)
        if extent.pruned_until_us > self.first * BLOCK_US:
            raise StoreError(
                f"samples before {iso(extent.pruned_until_us)} were pruned, and the replay needs"
                f" them from {iso(self.first * BLOCK_US)} on",
                hint="start later, with --since; retention.raw_days says how long samples are kept",
            )
        if extent.missing:
            raise StoreError(
                f"no samples are on record of {', '.join(extent.missing)}",
                hint="a policy can be tried on signals that were recorded:"
                " daemon db query signal_health",
            )

    # ── running ──────────────────────────────────────────────────────────────
    @property
    def blocks(self) -> int:
        """How many blocks there are to read."""
        return max(self.end - self.first, 0)

    def report(self, on_blocks: Callable[[int], None] | None = None) -> Report:
        """Run it; ``on_blocks`` is told how many blocks were done."""
        player = Rerun(self.walk) if self.other is None else WhatIf(self.walk, self.other)
        judged = self._judged()
        start = self.begun.due - 1
        past = Past(self.signals, self.first)
        for chunk in self._chunks():
            past.extend(chunk.first, chunk.mean, chunk.count)
            player.run(past, max(chunk.first, start), chunk.end)
            skipped = max(start - chunk.first, 0)
            for one in judged:
                one.timeline.add(chunk.first + skipped, chunk.mean[skipped:])
            if on_blocks is not None:
                on_blocks(chunk.end - chunk.first)
            if isinstance(player, Rerun) and player.difference is not None:
                break
        return Report(
            start_us=start * BLOCK_US,
            end_us=past.end * BLOCK_US,
            version=self.version,
            cycles=player.cycles,
            kinds=dict(player.kinds),
            rerun=player if isinstance(player, Rerun) else None,
            whatif=player if isinstance(player, WhatIf) else None,
            policies=judged,
        )

    def _chunks(self) -> Iterator[Chunk]:
        start_us, end_us = self.first * BLOCK_US, self.end * BLOCK_US
        return stream_blocks(self.view, self.signals, start_us, end_us)

    def _judged(self) -> tuple[Judged, ...]:
        stretch = DAY if self.end - self.begun.due > LONG else HOUR
        sides = [("recorded", self.begun.policy)] if self.version else []
        sides += [("other", self.other)] if self.other else []
        return tuple(
            Judged(
                role=role,
                digest=policy.digest,
                timeline=Timeline(policy, self.signals, stretch),
            )
            for role, policy in sides
        )

    # ── the record ───────────────────────────────────────────────────────────
    def _events(self, seq: int) -> Iterator[Entry]:
        """Turn the loop's events into entries."""
        for row in runs.events_after(self.view, seq):
            body = row["body"]
            if row["kind"] == runs.GAP:
                yield Gap(due=body["after"] + 1, resume=body["block"], first=body["first"])
            elif row["kind"] == runs.WORLD:
                yield Found(due=body["block"], world=_world(body))
            elif row["kind"] == runs.ACT:
                yield Acted(due=body["cycle"], block=body["block"], applied=body["applied"])
            elif body["why"] in {"start", "policy"}:
                yield self.names.begun(row)
            else:
                yield Remembered(due=body["block"], state=body["state"])


class _Policies:
    """The policies of a record, each read once."""

    def __init__(self, view: Tx) -> None:
        self._view = view
        self._loaded: dict[str, LoadedPolicy] = {}

    def begun(self, row: dict[str, Any]) -> Begun:
        """Read the beginning of a run, or a memory to begin from."""
        body = row["body"]
        return Begun(
            due=body["block"] + 1,
            first=body["first"],
            policy=self.of(body["policy"], body["regions"]),
            state=body["state"],
            world=_world(body["world"]),
            last=body["last"] and _last(body["last"]),
            until=self._until(body),
            dry=body["mode"] == "dry_run",
        )

    def _until(self, body: dict[str, Any]) -> int:
        """Say how long cycles went on coming to the last decision, for a start within a run."""
        if body["last"] is None:
            return -1
        row = next(runs.decisions_after(self._view, body["decisions"] - 1), None)
        last_at_us = None if row is None else row["last_at_us"]
        return -1 if last_at_us is None else int(last_at_us) // BLOCK_US

    def given(self, loaded: LoadedPolicy, row: dict[str, Any]) -> Policy:
        """Take another policy, with the findings of sessions that the run knew."""
        return as_policy(loaded, _regions(row["body"]["regions"]))

    def of(self, digest: str, regions: list[dict[str, Any]]) -> Policy:
        """Read a policy of the record.

        Raises:
            StoreError: it is not there, or not one of this version.
        """
        if digest not in self._loaded:
            self._loaded[digest] = self._load(digest)
        return as_policy(self._loaded[digest], _regions(regions))

    def _load(self, digest: str) -> LoadedPolicy:
        body = runs.policy_body(self._view, digest)
        if body is None:
            raise StoreError(
                f"the policy {digest[:12]}… that the run was made with is not on record",
                hint="name a policy with --policy",
            )
        try:
            policy = PolicyFile.model_validate(body)
        except ValueError as error:
            raise StoreError(
                f"the policy {digest[:12]}… that the run was made with is none of version"
                f" {daemon.__version__}: {error}",
                hint="replay it with the version that recorded it",
            ) from error
        return LoadedPolicy(policy, Path(f"policy {digest[:12]}"), digest, body, {})


def _decided(rows: Iterator[dict[str, Any]]) -> Iterator[Entry]:
    """Turn the loop's decisions into entries; those of others carry no block."""
    for row in rows:
        if "block" not in (row["evidence"] or {}):
            continue
        spoken = {name: row[name] for name in _SPOKEN}
        until_us = max(row["at_us"], row["last_at_us"] or 0)
        yield Decided(
            due=row["at_us"] // BLOCK_US,
            seq=row["seq"],
            kind=row["kind"],
            reason=row["reason"],
            explanation=row["explanation"],
            row=spoken,
            last=last_in(spoken),
            until=until_us // BLOCK_US,
        )


def _found(
    values: list[tuple[int, str, float | None, float]], rules: dict[str, float], first: int
) -> Iterator[Found]:
    """Follow the rules' values: the world at the beginning, and at each change behind it."""
    for at_us, rule, _, new in values:
        if rule in rules and at_us // BLOCK_US < first:
            rules = {**rules, rule: new}
    yield Found(due=first, world=World(rules=rules))
    for at_us, rule, _, new in values:
        if rule in rules and at_us // BLOCK_US >= first:
            rules = {**rules, rule: new}
            yield Found(due=at_us // BLOCK_US + 1, world=World(rules=rules))


def _signals(*policies: Policy) -> tuple[str, ...]:
    return tuple(sorted({signal for policy in policies for signal in policy.signals()}))


def _regions(plain: list[dict[str, Any]]) -> list[Region]:
    return [Region(**one) for one in plain]


def _world(body: dict[str, Any]) -> World:
    return World(
        rules=body["rules"],
        held=body["held"],
        barred=body["barred"],
        unfit=body["unfit"],
        asked=codec.load(body.get("asked")),
    )


def _last(body: dict[str, Any]) -> Last:
    moves = tuple((rule, old, new) for rule, old, new in body["moves"])
    return Last(kind=body["kind"], reason=body["reason"], change=body["change"], moves=moves)
