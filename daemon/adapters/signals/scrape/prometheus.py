"""Queries to a Prometheus server: a value a step, and those of a gap asked for together.

Moments are whole multiples of the step, so that a restart repeats none and
leaves none out. What the server says of a moment is its view when it was asked.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from daemon.adapters.signals import Misread, Provider, moment, number, shown
from daemon.adapters.signals.scrape.fetch import Fetcher
from daemon.clock import MICROS
from daemon.ports import Polled, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.adapters.signals import Profile
    from daemon.adapters.signals.scrape.fetch import Answer, Place
    from daemon.clock import Clock
    from daemon.ports import Mark

STEPS_MAX = 600
"""Steps that are asked for at once."""

BACK_US = 3600 * MICROS
"""A clock that is set back by more than this is not waited for."""

_UNSURE = range(400, 500)
"""Answers that are about the question, and not about whoever was asked."""


class PrometheusSource(Provider):
    """Asks one query a signal; each must come to one series, or to a number."""

    def __init__(
        self,
        profile: Profile,
        place: Place,
        queries: Mapping[str, str],
        clock: Clock,
        *,
        catch_up_s: float = 600.0,
    ) -> None:
        super().__init__(profile, clock)
        self.queries = dict(queries)
        self._fetch = Fetcher(place)
        self._step_us = max(round(profile.period_s * MICROS), 1)
        self._catch_up_us = round(catch_up_s * MICROS)
        self._until_us: int | None = None
        """The moment that was asked for last."""

    def resume(self, mark: Mark | None) -> None:
        """Go on behind the moment that was asked for last."""
        self._until_us = mark["until_us"] if mark else None

    def poll(self) -> Polled:
        """Ask for the steps that are over since the last time.

        Raises:
            SourceFault: the server cannot be asked now.
        """
        steps = self._due()
        if not steps:
            return Polled(mark=self._mark())
        readings: list[Reading] = []
        complaints = []
        for signal, query in self.queries.items():
            answer = self._ask(query, steps)
            try:
                readings += self._read(signal, answer)
            except Misread as why:
                complaints.append(f"{signal}: {why}")
        self._until_us = steps[-1]
        return Polled(
            readings=readings,
            mark=self._mark(),
            unreadable=len(complaints),
            example=complaints[0] if complaints else None,
            more=len(steps) == STEPS_MAX,
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._fetch.close()

    def _due(self) -> range:
        now_us = self.clock.now_us()
        last = now_us - now_us % self._step_us
        if self._until_us is None or self._until_us > now_us + BACK_US:
            return range(last, last + 1, self._step_us)
        oldest = max(self._until_us + 1, last - self._catch_up_us)
        first = -(-oldest // self._step_us) * self._step_us
        return range(first, last + 1, self._step_us)[:STEPS_MAX]

    def _mark(self) -> Mark | None:
        return None if self._until_us is None else {"until_us": self._until_us}

    def _ask(self, query: str, steps: range) -> Answer:
        first, last = _seconds(steps[0]), _seconds(steps[-1])
        if len(steps) == 1:
            answer = self._fetch.get("/api/v1/query", {"query": query, "time": first})
        else:
            params = {"query": query, "start": first, "end": last}
            params["step"] = _seconds(self._step_us)
            answer = self._fetch.get("/api/v1/query_range", params)
        if not answer.sound and answer.status not in _UNSURE:
            raise self._fetch.refused(answer)
        return answer

    def _read(self, signal: str, answer: Answer) -> Iterator[Reading]:
        try:
            said = json.loads(answer.body)
        except (ValueError, RecursionError):
            if not answer.sound:
                raise self._fetch.refused(answer) from None
            raise Misread(
                f"is no JSON: {shown(answer.body[:99].decode(errors='replace'))}"
            ) from None
        if not answer.sound:
            raise Misread(
                f"refused: {shown(said.get('error', said) if isinstance(said, dict) else said)}"
            )
        for at, value in _points(said):
            found = number(value)
            if found is not None:
                yield Reading(signal, moment(at, "s"), found)


def _points(said: Any) -> list[tuple[Any, Any]]:
    """Find the points of the only series there is.

    Raises:
        Misread: there are several, or it is no answer to a query.
    """
    try:
        kind, result = said["data"]["resultType"], said["data"]["result"]
        if kind == "scalar":
            return [(result[0], result[1])]
        if kind not in {"vector", "matrix"}:
            raise Misread(f"comes to a {shown(kind)}, not to a number")
        if not result:
            return []
        if len(result) > 1:
            raise Misread(f"comes to {len(result)} series: put sum() or max() around it")
        values = [result[0]["value"]] if kind == "vector" else result[0]["values"]
        return [(at, value) for at, value in values]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        if isinstance(error, Misread):
            raise
        raise Misread("is no answer of the Prometheus API") from None


def _seconds(at_us: int) -> str:
    whole, micros = divmod(at_us, MICROS)
    return f"{whole}.{micros:06d}"
