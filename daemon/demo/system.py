"""The simulated system as a process: reads the controls, writes its signals, as a real one would.

    python -m daemon.demo.system SETTINGS

It knows nothing of the daemon but a file that it reads and a file that it writes.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import yaml

from daemon import app
from daemon.clock import MICROS, iso
from daemon.demo.plant import RATE_HZ, Shop

if TYPE_CHECKING:
    from types import FrameType

    from daemon.clock import Clock

CONTROLS = Path("controls") / "rules.yaml"
METRICS = "metrics.jsonl"
PAST_S = 7_200
"""The shop has been running for two hours when the demonstration begins."""

STEP_US = MICROS // RATE_HZ
NAP_S = 0.02
"""Real seconds between two turns."""


class Ended(Exception):  # noqa: N818 - a wish, not a fault
    """Somebody wants this process to end."""


class System:
    """The shop, its clock, and its two files."""

    def __init__(self, folder: Path, clock: Clock, seed: int) -> None:
        self._controls = folder / CONTROLS
        self._metrics = folder / METRICS
        self._clock = clock
        self._shop = Shop(np.random.default_rng(seed))
        self._next_us = clock.now_us() // STEP_US * STEP_US - PAST_S * MICROS
        self._read_us = -1

    def run(self, nap_s: float) -> None:
        """Go on until somebody ends it."""
        with self._metrics.open("a", encoding="utf-8") as out:
            while True:
                self._catch_up(out)
                self._clock.sleep(nap_s)

    def _catch_up(self, out: TextIO) -> None:
        """Measure what was to be measured until now."""
        self._read()
        now_us = self._clock.now_us()
        lines = []
        while self._next_us <= now_us:
            lines.append(json.dumps({"ts": iso(self._next_us), **self._shop.step()}))
            self._next_us += STEP_US
        if lines:
            out.write("\n".join(lines) + "\n")
            out.flush()

    def _read(self) -> None:
        """Read the rules anew if the file is another one: it is replaced, never written into."""
        try:
            changed_us = self._controls.stat().st_mtime_ns
            if changed_us == self._read_us:
                return
            found: Any = yaml.safe_load(self._controls.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        self._read_us = changed_us
        self._shop.rules |= {name: float(value) for name, value in found["rules"].items()}


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Ended


def main(settings: str, seed: int = 7) -> None:
    """Run the shop beside some settings."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    built = app.build(settings)
    nap_s = NAP_S * built.settings.time_lapse.speed
    try:
        System(Path(settings).parent, built.clock, seed).run(nap_s)
    except Ended:
        return


if __name__ == "__main__":
    main(sys.argv[1])
