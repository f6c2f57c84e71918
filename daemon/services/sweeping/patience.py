"""Writing in short transactions, once more where the database could not take one just then."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from daemon import log
from daemon.errors import StoreBroken, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.services.sweeping.wanted import Tools
    from daemon.store.store import Tx

_log = log.get(__name__)

T = TypeVar("T")

ATTEMPTS = 5
"""How often a transaction is tried that the database could not take just then."""

PAUSE_S = 0.5
"""How long it waits before the second attempt; before each further one twice as long."""


def patiently(tools: Tools, what: Callable[[Tx], T]) -> T:
    """Do something in one transaction; once more where the database could not take it.

    Raises:
        StoreUnavailable: it could not take it several times.
    """
    for attempt in range(ATTEMPTS - 1):
        try:
            with tools.store.write() as tx:
                return what(tx)
        except StoreBroken:
            raise
        except StoreUnavailable as error:
            _log.warning("session_write_again", error=error.message)
            tools.clock.sleep(PAUSE_S * 2**attempt)
    with tools.store.write() as tx:
        return what(tx)
