"""Alerts that stand as long as something is so: rung when it begins, silent when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from daemon.store import alerts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.store.store import Tx


class Caller(Protocol):
    """Who calls a person."""

    def call(self, tx: Tx, kind: str, key: str, severity: str, text: str) -> None:
        """Raise an alert, or count it if it stands."""
        ...

    def calm(self, tx: Tx, kind: str, key: str) -> None:
        """Say that what an alert was about is over."""
        ...


class Bell:
    """Alerts of one kind, one for each thing that is so at the moment.

    What earlier runs rang for is read from the database: it may be over by now,
    and nobody else would say so.
    """

    def __init__(self, caller: Caller, kind: str, severity: str) -> None:
        self._caller = caller
        self._kind = kind
        self._severity = severity
        self._rung: set[str] | None = None

    def ring(self, tx: Tx, found: Mapping[str, str]) -> None:
        """Tell what is so now, by what it is about and in words; and what is not any more."""
        if self._rung is None:
            self._rung = alerts.keys_of(tx, self._kind)
        for key in sorted(found.keys() - self._rung):
            self._caller.call(tx, self._kind, key, self._severity, found[key])
        for key in sorted(self._rung - found.keys()):
            self._caller.calm(tx, self._kind, key)
        self._rung = set(found)

    def forget(self) -> None:
        """Trust the database only: a transaction did not end well."""
        self._rung = None
