"""The governed system of the torture: a process that only knows two files.

    python -m tests.torture.feed SETTINGS

It follows the values in ``controls/rules.yaml``, writes its signals into
``metrics.jsonl``, and every value it ever ran on into ``seen.jsonl``. Where its
signals are best moves slowly, so that there is always something worth trying.
A file ``harm`` beside the settings makes everything worse from then on.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import yaml

from daemon import app
from daemon.clock import MICROS, iso

STEP_US = MICROS
PAST_S = 1_800
NAP_S = 0.02
RULES = {"red": 10.0, "green": 10.0, "blue": 10.0}
WANDERS_S = 900.0
NOISE = 0.3


class Governed:
    """The system, its clock and its files."""

    def __init__(self, settings: Path, here: Path) -> None:
        self.built = app.build(str(settings))
        self.clock = self.built.clock
        self.controls = Path(self.built.settings.controls["file"].path)
        self.here = here
        self.rng = np.random.default_rng(7)
        self.rules = dict(RULES)
        self.next_us = self.clock.now_us() // STEP_US * STEP_US - PAST_S * MICROS
        self.changed_ns = -1

    def run(self) -> None:
        """Go on until somebody ends it."""
        with (
            (self.here / "metrics.jsonl").open("a") as out,
            (self.here / "seen.jsonl").open("a") as seen,
        ):
            while True:
                if self._reread():
                    seen.write(json.dumps(self.rules) + "\n")
                    seen.flush()
                lines = list(self._measured())
                if lines:
                    out.write("".join(lines))
                    out.flush()
                time.sleep(NAP_S)

    def _measured(self):
        now_us = self.clock.now_us()
        worse = 40.0 if (self.here / "harm").exists() else 0.0
        while self.next_us <= now_us:
            moment_s = self.next_us / MICROS
            far = sum(
                abs(value - 10 - 4 * math.sin(2 * math.pi * (moment_s / WANDERS_S + place / 3)))
                for place, value in enumerate(self.rules.values())
            )
            noise = self.rng.normal(size=2) * NOISE
            told = {"slow": 50 + 2 * far + worse + noise[0], "cost": 20 + noise[1]}
            yield json.dumps({"ts": iso(self.next_us), **told}) + "\n"
            self.next_us += STEP_US

    def _reread(self) -> bool:
        """Read the rules anew if the file is another one."""
        try:
            changed_ns = self.controls.stat().st_mtime_ns
            if changed_ns == self.changed_ns:
                return False
            found = yaml.safe_load(self.controls.read_text())
        except FileNotFoundError:
            return False
        self.changed_ns = changed_ns
        self.rules |= {name: float(value) for name, value in found["rules"].items()}
        return True


if __name__ == "__main__":
    where = Path(sys.argv[1])
    Governed(where, where.parent).run()
