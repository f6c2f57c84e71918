"""Errors of a driver that was spoken to directly: what they would have been otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy import Connection


def failed(connection: Connection, text: str, values: Any, error: Exception) -> BaseException:
    """Turn an error of the driver into SQLAlchemy's; a connection that is lost is given up."""
    dialect = connection.dialect
    driver = connection.connection.dbapi_connection if not connection.closed else None
    lost = driver is not None and dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
    if lost:
        connection.invalidate(error)
    base = dialect.loaded_dbapi.Error
    return DBAPIError.instance(
        text, values, error, base, connection_invalidated=lost, dialect=dialect
    )
