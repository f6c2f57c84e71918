"""Rules that are settings of a PostgreSQL server."""

from daemon.adapters.controls.postgres.controls import PostgresControls
from daemon.adapters.controls.postgres.settings import Named

__all__ = ["Named", "PostgresControls"]
