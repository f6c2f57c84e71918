"""Time that passes when it is told to."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.clock import MICROS


@dataclass
class SimClock:
    """Wall time and time since boot, which go apart when somebody sets the clock."""

    wall_us: int
    boot_us: int = 1_000 * MICROS
    boots: int = 1

    @property
    def boot_id(self) -> str:
        return f"boot-{self.boots}"

    def now_us(self) -> int:
        return self.wall_us

    def elapsed_us(self) -> int:
        return self.boot_us

    def sleep(self, seconds: float) -> None:
        self.pass_us(round(seconds * MICROS))

    def pass_us(self, span_us: int) -> None:
        """Let time pass."""
        self.wall_us += span_us
        self.boot_us += span_us

    def step(self, seconds: float) -> None:
        """Set the wall clock; no time passes."""
        self.wall_us += round(seconds * MICROS)

    def reboot(self) -> None:
        """Start the machine again: what counts from its start counts anew."""
        self.boots += 1
        self.boot_us = 20 * MICROS
