"""A small table in the governed server: who set which value, and which epoch leads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.tuning.stamp import Stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from psycopg import Connection

    from daemon.ports import Order

TABLE = "self_tuning_stamps"
FENCE = "*"
"""Stands in the place of a rule in the row that names the newest epoch."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What is remembered of a value that was set."""

    value: float
    shown: str
    """How the server shows it; what it shows otherwise was set by somebody else."""
    stamp: Stamp

    @classmethod
    def of(cls, order: Order, shown: str) -> Mark:
        """Remember an order."""
        return cls(order.value, shown, order.stamp())


class Stamps:
    """The table, on one connection."""

    def __init__(self, connection: Connection[Any], schema: str) -> None:
        from psycopg import sql  # noqa: PLC0415 - an extra

        self._connection = connection
        self._table = sql.Identifier(schema, TABLE)
        self._sql = sql.SQL

    def exists(self) -> bool:
        """Tell whether the table is there."""
        row = self._connection.execute(
            "SELECT to_regclass(%s) IS NOT NULL", (self._table.as_string(self._connection),)
        ).fetchone()
        return bool(row and row[0])

    def create(self) -> None:
        """Make the table if it is not there."""
        if not self.exists():
            self._connection.execute(
                self._sql(
                    "CREATE TABLE {} (rule text PRIMARY KEY, value double precision, shown text,"
                    " change_id bigint, epoch bigint NOT NULL, checksum text,"
                    " at timestamptz NOT NULL DEFAULT now())"
                ).format(self._table)
            )

    def epoch(self) -> int:
        """Give the newest epoch that took over."""
        query = self._sql("SELECT coalesce(max(epoch), 0) FROM {}").format(self._table)
        row = self._connection.execute(query).fetchone()
        return int(row[0]) if row else 0

    def raise_epoch(self, epoch: int) -> None:
        """Remember a newer epoch; an older one changes nothing."""
        self._connection.execute(
            self._sql(
                "INSERT INTO {0} (rule, epoch) VALUES (%s, %s) ON CONFLICT (rule) DO UPDATE"
                " SET epoch = greatest({0}.epoch, excluded.epoch), at = now()"
            ).format(self._table),
            (FENCE, epoch),
        )

    def get(self, rules: Iterable[str]) -> dict[str, Mark]:
        """Give what is remembered of rules."""
        query = self._sql(
            "SELECT rule, value, shown, change_id, epoch, checksum FROM {}"
            " WHERE rule = ANY(%s) AND value IS NOT NULL"
        ).format(self._table)
        return {
            rule: Mark(value, shown or "", Stamp(change_id, epoch, checksum or ""))
            for rule, value, shown, change_id, epoch, checksum in self._connection.execute(
                query, (list(rules),)
            )
        }

    def put(self, marks: Mapping[str, Mark]) -> None:
        """Remember values, all or none."""
        query = self._sql(
            "INSERT INTO {} (rule, value, shown, change_id, epoch, checksum)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (rule) DO UPDATE SET"
            " (value, shown, change_id, epoch, checksum, at) = (excluded.value, excluded.shown,"
            " excluded.change_id, excluded.epoch, excluded.checksum, now())"
        ).format(self._table)
        rows = [
            (rule, m.value, m.shown, m.stamp.change_id, m.stamp.epoch, m.stamp.checksum)
            for rule, m in marks.items()
        ]
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(query, rows)

    def remove(self, rules: Sequence[str]) -> None:
        """Forget values."""
        query = self._sql("DELETE FROM {} WHERE rule = ANY(%s)").format(self._table)
        self._connection.execute(query, (list(rules),))
