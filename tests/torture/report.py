"""What was counted, and how it is told."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

SHOWN = 20


@dataclass
class Tally:
    """What one part of the torture came to."""

    part: str
    counts: Counter[str] = field(default_factory=Counter)
    losses: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    restarts_s: list[float] = field(default_factory=list)
    restarts_busy_s: list[float] = field(default_factory=list)
    """The same in processor time, which does not depend on what else the machine does."""
    skipped: str | None = None

    def as_json(self) -> dict[str, object]:
        """Give all of it to a machine."""
        return {
            "part": self.part,
            "counts": dict(self.counts),
            "losses": self.losses,
            "violations": self.violations,
            "restarts": len(self.restarts_s),
            "restart_p50_s": percentile(self.restarts_s, 50),
            "restart_p99_s": percentile(self.restarts_s, 99),
            "restart_cpu_p50_s": percentile(self.restarts_busy_s, 50),
            "restart_cpu_p99_s": percentile(self.restarts_busy_s, 99),
            "skipped": self.skipped,
        }

    def ready(self, seconds: float | None, busy_s: float | None) -> None:
        """Count a start that came to its end."""
        if seconds is not None:
            self.restarts_s.append(seconds)
        if busy_s is not None:
            self.restarts_busy_s.append(busy_s)

    @property
    def failed(self) -> bool:
        """Whether anything was lost or broken."""
        return bool(self.losses or self.violations)


def percentile(values: list[float], share: int) -> float | None:
    """Give the value below which so many of a hundred are."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 3)


def say(line: str) -> None:
    """Tell a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def table(tallies: list[Tally]) -> None:
    """Tell all of it to a person."""
    times = f"{'p50 s':>7} {'p99 s':>7} {'cpu s':>6}"
    say(f"\n{'part':10} {'lost':>5} {'broken':>7} {'restarts':>9} {times}  counts")
    for tally in tallies:
        row = tally.as_json()
        counts = tally.skipped or ", ".join(f"{k} {v}" for k, v in tally.counts.items())
        busy = row["restart_cpu_p50_s"] or "-"
        p50, p99 = row["restart_p50_s"] or "-", row["restart_p99_s"] or "-"
        numbers = f"{len(tally.losses):5} {len(tally.violations):7} {len(tally.restarts_s):9}"
        say(f"{tally.part:10} {numbers} {p50!s:>7} {p99!s:>7} {busy!s:>6}  {counts}")
    for tally in tallies:
        for line in [*tally.losses, *tally.violations][:SHOWN]:
            say(f"  {tally.part}: {line}")


def dump(tallies: list[Tally], path: str) -> None:
    """Write all of it for a machine."""
    Path(path).write_text(json.dumps([tally.as_json() for tally in tallies], indent=1) + "\n")
