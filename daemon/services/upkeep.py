"""Upkeep of the database: what operators do by command and the service does by schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.clock import MICROS
from daemon.services import schema
from daemon.services.adopting import adopt
from daemon.store import chain, console, health, migrate, retention
from daemon.store.legacy.exporter import export_directory
from daemon.store.legacy.importer import import_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from daemon.clock import Clock
    from daemon.config.policy_file import LoadedPolicy
    from daemon.config.settings import Settings
    from daemon.services.schema import Upgraded
    from daemon.store.legacy.report import ExportReport, ImportReport, OnProgress
    from daemon.store.store import Store

DAY_US = 86_400 * MICROS


class Upkeep:
    """Everything that can be done to a database as a whole."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self.store = store
        self.clock = clock
        self.retention = settings.retention
        self.signals = settings.signals

    # ── schema ───────────────────────────────────────────────────────────────

    def upgrade(self, on_step: Callable[[str], None] | None = None) -> Upgraded:
        """Create the schema or bring it up to date, and say so in the event log."""
        return schema.upgrade(self.store, self.clock, on_step)

    def revisions(self) -> list[migrate.Revision]:
        """List the revisions of the schema, and which of them the database has."""
        with self.store.read() as view:
            return migrate.revisions(migrate.current(view))

    # ── soundness ────────────────────────────────────────────────────────────

    def examine(self) -> Iterator[health.Finding]:
        """Ask whether the database is sound."""
        return health.examine(self.store)

    def history_rows(self, last: int | None = None) -> int:
        """Count the rows that verifying, or verifying the last of each stream, will read."""
        with self.store.read() as view:
            ends = [chain.stored_head(view, stream).seq for stream in chain.STREAMS.values()]
        return sum(end if last is None else min(end, last) for end in ends)

    def verify(
        self,
        *,
        last: int | None = None,
        published: Mapping[str, chain.Head] | None = None,
        on_rows: Callable[[int], None] | None = None,
    ) -> list[chain.Report]:
        """Check every stream of history against its hashes, all in one snapshot."""
        heads = published or {}
        with self.store.read() as view:
            return [
                chain.verify(view, stream, last=last, expect=heads.get(name), on_rows=on_rows)
                for name, stream in chain.STREAMS.items()
            ]

    # ── retention ────────────────────────────────────────────────────────────

    def plan_prune(self, days: float | None = None) -> list[retention.Pruned]:
        """Say which raw samples are old enough to go."""
        return retention.plan(self.store, self._keep_from(days))

    def prune(
        self, days: float | None = None, on_rows: Callable[[int], None] | None = None
    ) -> list[retention.Pruned]:
        """Roll up and remove raw samples that are old enough; history stays."""
        pruned = retention.prune(
            self.store,
            self._keep_from(days),
            slice_rows=self.retention.slice_rows,
            on_slice=on_rows,
        )
        if any(one.rows for one in pruned):
            self._note("samples_pruned", {one.signal: one.rows for one in pruned if one.rows})
        return pruned

    def _keep_from(self, days: float | None) -> int:
        kept = self.retention.raw_days if days is None else days
        return self.clock.now_us() - round(kept * DAY_US)

    # ── reading and carrying ─────────────────────────────────────────────────

    def ask(self, question: str, limit: int) -> console.Answer:
        """Answer a query that cannot write."""
        return console.ask(self.store, question, limit=limit)

    def import_legacy(
        self,
        directory: Path,
        policy: LoadedPolicy | None,
        on_progress: OnProgress | None = None,
    ) -> ImportReport:
        """Take over the files of an earlier tuner; rules continue from where it left them."""
        report = import_directory(
            self.store, directory, self.clock.now_us(), on_progress=on_progress
        )
        if policy is not None:
            self.adopt(policy)
        if any(one.imported for one in report.files):
            counts = {one.kind: one.imported for one in report.files}
            self._note("legacy_imported", {"directory": str(directory), "rows": counts})
        return report

    def export(
        self,
        directory: Path,
        *,
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
    ) -> ExportReport:
        """Write everything that the legacy files can hold."""
        return export_directory(self.store, directory, overwrite=overwrite, on_progress=on_progress)

    def adopt(self, policy: LoadedPolicy) -> list[str]:
        """Put a policy in force, with what the settings say of the signals.

        A new rule starts at the last value its history holds.
        """
        with self.store.write() as tx:
            return adopt(tx, policy, self.signals, self.clock.now_us())

    def _note(self, kind: str, body: Mapping[str, object]) -> None:
        schema.note(self.store, self.clock, kind, body)


def catalogue() -> list[tuple[str, str, str]]:
    """List every query, view and table that can be asked for by name."""
    return console.catalogue()


def as_heads(rows: list[dict[str, object]]) -> dict[str, chain.Head]:
    """Read the heads that an earlier verification printed.

    Raises:
        ValueError: the rows are not such a print-out.
    """
    heads = {}
    for row in rows:
        stream, seq, row_hash = row.get("stream"), row.get("rows"), row.get("head")
        if not (isinstance(stream, str) and isinstance(seq, int) and isinstance(row_hash, str)):
            raise ValueError("a row without stream, rows and head")  # noqa: TRY004
        heads[stream] = chain.Head(seq, row_hash)
    return heads
