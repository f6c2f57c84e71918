"""Of each kind of source a kit: how to build one, what to give it, and how to break it."""

from __future__ import annotations

import json
import math
import sys
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from daemon.adapters.signals import Layout, Profile
from daemon.adapters.signals.command import CommandSource
from daemon.adapters.signals.push import PushSource
from daemon.adapters.signals.tail.csv_tail import CsvTail
from daemon.adapters.signals.tail.jsonl_tail import JsonlTail
from daemon.clock import MICROS, iso
from daemon.ports import Declared, Reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.ports import Source

T0 = 1_800_000_000 * MICROS
SIGNALS = {"a": Declared(unit="ms", period_s=1.0), "b": Declared(period_s=1.0)}
PLACES = {"a": "alpha", "b": "b"}
PROFILE = Profile(name="app", declared=SIGNALS)
TIMEOUT_S = 1.0
"""So long whoever hangs is waited for; the others answer in time, on a busy machine as well."""

Values = dict[str, float | None]
"""Of each signal the value of a moment; None: no value."""


class WallByHand:
    """A wall clock that is set by hand, and an elapsed time that is real."""

    def __init__(self) -> None:
        self.now = T0

    def now_us(self) -> int:
        return self.now

    def elapsed_us(self) -> int:
        return time.monotonic_ns() // 1_000

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Kit(ABC):
    """A source that a test can feed and break."""

    momentary = False
    """It only sees the moment: nothing is given twice because nothing is kept."""
    remembers = True
    """It goes on after a restart where it was."""
    hangs = True
    """Whoever it asks may not answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = WallByHand()
        self.opened: list[Source] = []

    def source(self) -> Source:
        """Build the source anew, as a start of the daemon does."""
        self.opened.append(self.build())
        return self.opened[-1]

    @abstractmethod
    def build(self) -> Source: ...

    @abstractmethod
    def give(self, second: int, values: Values) -> None:
        """Have values of a moment come, so many seconds after T0."""

    def at(self, second: int) -> None:
        self.clock.now = T0 + second * MICROS

    @abstractmethod
    def spoil(self) -> None:
        """Have something come that cannot be read."""

    @abstractmethod
    def garbage(self) -> None:
        """Have nothing but nonsense there."""

    def hang(self) -> None:
        raise NotImplementedError

    @abstractmethod
    def flood(self) -> None:
        """Have far too much there."""

    @abstractmethod
    def heal(self) -> None:
        """Have all well again, and what is there now be new."""

    def close(self) -> None:
        for source in self.opened:
            source.close()


def readings(*given: tuple[int, Values]) -> list[Reading]:
    return sorted(
        Reading(signal, T0 + second * MICROS, value)
        for second, values in given
        for signal, value in values.items()
        if value is not None
    )


# ── files ────────────────────────────────────────────────────────────────────
class FileKit(Kit):
    hangs = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "metrics.log"
        self.begin()

    def begin(self) -> None:
        self.path.write_text("")

    def append(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(text)

    def flood(self) -> None:
        self.append("x" * 600_000 + "\n")

    def heal(self) -> None:
        """Nothing to do: a file of lines is well again with its next line."""


class CsvKit(FileKit):
    header = "ts,alpha,other,b\n"

    def begin(self) -> None:
        self.path.write_text(self.header)

    def build(self) -> Source:
        return CsvTail(PROFILE, self.path, Layout(places=PLACES), self.clock)

    def give(self, second: int, values: Values) -> None:
        self.at(second)
        cells = ["" if values.get(name) is None else f"{values[name]}" for name in "ab"]
        self.append(f"{iso(self.clock.now)},{cells[0]},x,{cells[1]}\n")

    def spoil(self) -> None:
        self.append("yesterday,1,x,2\n")

    def garbage(self) -> None:
        self.append('\x00\x01"\n\n"""\n,,,,,,\n')


class LongCsvKit(CsvKit):
    header = "ts;signal;value\n"

    def build(self) -> Source:
        layout = Layout(places=PLACES, long=True, time_unit="ms")
        return CsvTail(PROFILE, self.path, layout, self.clock, delimiter=";")

    def give(self, second: int, values: Values) -> None:
        self.at(second)
        for signal, value in values.items():
            cell = "" if value is None else f"{value}"
            self.append(f"{self.clock.now // 1000};{PLACES[signal]};{cell}\n")
        self.append(f"{self.clock.now // 1000};stranger;1\n")

    def spoil(self) -> None:
        self.append("1,b,2\n")


class JsonlKit(FileKit):
    def build(self) -> Source:
        return JsonlTail(PROFILE, self.path, Layout(places=PLACES), self.clock)

    def give(self, second: int, values: Values) -> None:
        self.at(second)
        row = {PLACES[signal]: value for signal, value in values.items()}
        self.append(json.dumps({"ts": self.clock.now / MICROS, "other": "x", **row}) + "\n")

    def spoil(self) -> None:
        self.append('{"ts": "yesterday", "alpha": 1}\n')

    def garbage(self) -> None:
        self.append("[" * 100_000 + "\n{\n42\n\x00\n")


class LongJsonlKit(JsonlKit):
    def build(self) -> Source:
        layout = Layout(places=PLACES, long=True, signal_field="of.name", time_unit="us")
        return JsonlTail(PROFILE, self.path, layout, self.clock)

    def give(self, second: int, values: Values) -> None:
        self.at(second)
        for signal, value in values.items():
            row = {"ts": self.clock.now, "of": {"name": PLACES[signal]}, "value": value}
            self.append(json.dumps(row) + "\n")

    def spoil(self) -> None:
        self.append('{"ts": 1, "value": 1}\n')


# ── pushed ───────────────────────────────────────────────────────────────────
class PushKit(Kit):
    remembers = hangs = False

    def build(self) -> PushSource:
        self.last = PushSource(PROFILE, self.clock, buffer=100)
        return self.last

    def give(self, second: int, values: Values) -> None:
        self.at(second)
        batch = readings((second, values))
        assert self.last.offer(batch) == len(batch)

    def spoil(self) -> None:
        assert self.last.offer([Reading("stranger", T0, 1.0)]) == 0

    def garbage(self) -> None:
        self.last.offer([Reading("", -1, math.nan)] * 7)

    def flood(self) -> None:
        assert self.last.offer([Reading("a", T0, 1.0)] * 101) == 0

    def heal(self) -> None:
        """Nothing to do: whoever pushes sends something else."""


# ── commands ─────────────────────────────────────────────────────────────────
class CommandKit(Kit):
    momentary = True
    remembers = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.script = folder / "print.sh"
        self.says("")

    def says(self, text: str) -> None:
        (self.folder / "output").write_text(text)
        self.does(f"exec cat '{self.folder / 'output'}'")

    def does(self, line: str) -> None:
        self.script.write_text(f"{line}\n")

    def build(self) -> Source:
        return CommandSource(
            PROFILE,
            ["/bin/sh", str(self.script)],
            PLACES,
            self.clock,
            timeout_s=TIMEOUT_S,
            output="lines",
        )

    def give(self, second: int, values: Values) -> None:
        self.at(second)
        rows = {PLACES[signal]: value for signal, value in values.items() if value is not None}
        self.says("".join(f"{name} {value}\n" for name, value in rows.items()))

    def spoil(self) -> None:
        self.says("alpha 1\n")

    def garbage(self) -> None:
        self.does("printf '\\377\\376 x y z'")

    def hang(self) -> None:
        self.does("sleep 30 & wait")

    def flood(self) -> None:
        self.does(f"exec '{sys.executable}' -c 'print(\"x\" * 2**21)'")

    def heal(self) -> None:
        """Nothing to do: `give` writes the program anew."""


class JsonCommandKit(CommandKit):
    def build(self) -> Source:
        return CommandSource(
            PROFILE,
            ["/bin/sh", str(self.script)],
            PLACES,
            self.clock,
            timeout_s=TIMEOUT_S,
            output="json",
        )

    def give(self, second: int, values: Values) -> None:
        self.at(second)
        self.says(json.dumps({PLACES[signal]: value for signal, value in values.items()}))

    def spoil(self) -> None:
        self.says('{"alpha": 1}')


PLAIN: dict[str, Callable[[Path], Kit]] = {
    "csv": CsvKit,
    "long csv": LongCsvKit,
    "jsonl": JsonlKit,
    "long jsonl": LongJsonlKit,
    "push": PushKit,
    "command": CommandKit,
    "json command": JsonCommandKit,
}
