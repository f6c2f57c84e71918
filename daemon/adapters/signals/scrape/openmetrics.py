"""An endpoint in the text format of Prometheus or OpenMetrics, scraped directly."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from daemon.adapters.signals import Misread, Provider, shown
from daemon.adapters.signals.scrape.fetch import Fetcher
from daemon.clock import MICROS
from daemon.ports import Polled, Reading, SourceFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client.samples import Sample

    from daemon.adapters.signals import Profile
    from daemon.adapters.signals.scrape.fetch import Answer, Place
    from daemon.clock import Clock

_ACCEPT = "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.5"
_OPENMETRICS = "application/openmetrics-text"
_END = "# EOF"
_TYPE = "# TYPE "


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Which sample a signal is."""

    metric: str
    labels: Mapping[str, str] = field(default_factory=dict)
    rate: bool = False

    def matches(self, sample: Sample) -> bool:
        """Tell whether a sample is this one."""
        return sample.name == self.metric and self.labels.items() <= sample.labels.items()


class OpenMetricsSource(Provider):
    """Scrapes; of the answer only the lines of the metrics that are wanted are understood."""

    def __init__(
        self, profile: Profile, place: Place, series: Mapping[str, Series], clock: Clock
    ) -> None:
        super().__init__(profile, clock)
        self.series = dict(series)
        self._fetch = Fetcher(place)
        self._before: dict[str, tuple[int, float]] = {}
        """Of each counter the moment of the last look, by the clock that never steps back."""
        self._stamps: dict[str, float] = {}
        """Of each series that carries its own moment the newest one."""

    def poll(self) -> Polled:
        """Scrape once.

        Raises:
            SourceFault: the endpoint cannot be asked, or does not speak the format.
        """
        answer = self._fetch.get(Accept=_ACCEPT)
        if not answer.sound:
            raise self._fetch.refused(answer)
        now_us, elapsed_us = self.clock.now_us(), self.clock.elapsed_us()
        samples = self._samples(answer)
        readings: list[Reading] = []
        complaints = []
        for signal, series in self.series.items():
            try:
                sample = self._only(series, samples)
                if (
                    reading := self._reading(signal, series, sample, now_us, elapsed_us)
                ) is not None:
                    readings.append(reading)
            except Misread as why:
                complaints.append(f"{signal}: {why}")
        return Polled(
            readings=readings,
            unreadable=len(complaints),
            example=complaints[0] if complaints else None,
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._fetch.close()

    def _samples(self, answer: Answer) -> list[Sample]:
        try:
            lines = answer.body.decode().splitlines()
            kept = "".join(f"{line}\n" for line in self._of_interest(lines))
            if not answer.kind.startswith(_OPENMETRICS):
                return list(_flat(text_string_to_metric_families(kept)))
            if not lines or lines[-1] != _END:
                raise SourceFault(f"{self.name}: the answer has no end, so part of it is missing")
            families = openmetrics.text_string_to_metric_families(  # type: ignore[no-untyped-call]
                f"{kept}{_END}\n"
            )
            return list(_flat(families))
        except (ValueError, KeyError, IndexError, TypeError) as error:
            why = shown(error)
        raise SourceFault(
            f"{self.name}: the answer is not in the text format of metrics: {why}",
            hint="name the path where metrics are, often /metrics",
        )

    def _of_interest(self, lines: list[str]) -> Iterator[str]:
        """Leave out all families but those of our series: an answer may have a million lines."""
        wanted = {series.metric for series in self.series.values()}
        types = [line.split(" ", 3)[2] for line in lines if line.startswith(_TYPE)]
        families = {
            name for name in types for metric in wanted if f"{metric}_".startswith(f"{name}_")
        }
        ours = tuple(wanted | families)
        headed = tuple(f"{_TYPE}{name} " for name in families)
        return (line for line in lines if line.startswith(ours) or line.startswith(headed))

    @staticmethod
    def _only(series: Series, samples: Iterable[Sample]) -> Sample:
        found = [sample for sample in samples if series.matches(sample)]
        if not found:
            raise Misread(f"there is no {shown(series.metric)} with these labels")
        if len(found) > 1:
            raise Misread(f"{len(found)} series of {shown(series.metric)} match: name more labels")
        return found[0]

    def _reading(
        self, signal: str, series: Series, sample: Sample, now_us: int, elapsed_us: int
    ) -> Reading | None:
        """Give what is new of a series; None where nothing is."""
        if sample.timestamp is not None:
            stamp = float(sample.timestamp)
            if self._stamps.get(signal) == stamp or not math.isfinite(stamp):
                return None
            self._stamps[signal] = stamp
            now_us = elapsed_us = round(stamp * MICROS)
        value = float(sample.value)
        if not series.rate:
            return Reading(signal, now_us, value)
        before = self._before.get(signal)
        self._before[signal] = (elapsed_us, value)
        if before is None or elapsed_us <= before[0] or not value >= before[1]:
            return None  # the first look, or a counter that began anew: nobody knows how much
        return Reading(signal, now_us, (value - before[1]) / (elapsed_us - before[0]) * MICROS)


def _flat(families: Iterable[object]) -> Iterator[Sample]:
    for family in families:
        yield from family.samples  # type: ignore[attr-defined]
