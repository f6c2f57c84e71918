"""``time_lapse`` in ``configs/daemon.yaml``: for demonstrations, time that passes faster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from daemon.clock import iso, parse_iso
from daemon.config.problems import Finding, refuse
from daemon.config.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

REAL = 1.0


def _moment(text: str) -> str:
    try:
        return iso(parse_iso(text))
    except ValueError:
        raise refuse("is not a moment", "as in 2026-11-21T10:00:00Z") from None


class TimeLapse(Section):
    """How fast time passes."""

    speed: float = Field(
        default=REAL,
        ge=REAL,
        le=1000,
        description="For demonstrations only: how many seconds pass in one. Faster shows more in"
        " a minute, and every moment on record is then that of a clock which nobody else has.",
    )
    since: Annotated[str, AfterValidator(_moment)] | None = Field(
        default=None,
        description="For demonstrations only: the real moment, in ISO 8601, from which on time"
        " passes faster. All processes must be given the same one; the older it is, the further"
        " ahead of the world they are.",
    )


def check_time_lapse(lapse: TimeLapse) -> Iterator[Finding]:
    """Judge whether several processes would agree on what time it is."""
    if lapse.speed != REAL and lapse.since is None:
        reason = f"time would pass {lapse.speed:g} times faster, and nobody says since when"
        hint = "write the moment of the start, in quotes: '2026-11-21T10:00:00Z'"
        yield Finding(("time_lapse", "since"), reason, hint)
