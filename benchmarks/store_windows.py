"""What a window costs as history grows, and what reading a file again would cost instead."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
from measure import Case, Goal, Table, interleave, ratio, say
from store_lake import PERIOD_US, SIGNALS, START_US

from daemon.clock import MICROS
from daemon.store.store import Store
from daemon.store.windows import read_windows

if TYPE_CHECKING:
    from pathlib import Path

    from store_lake import SampleDatabases

GOAL = Goal(1.2)
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
SIDE_US = 90 * MICROS
"""How far a window reaches before and after a change."""

EXPECTED = 2 * len(SIGNALS) * SIDE_US // PERIOD_US
LARGEST_FILE = 1_000_000
SMALLEST = SIZES[0]


def window_case(name: str, store: Store, end_us: int) -> Case:
    """Read the windows around a moment somewhere in the history, a new one each turn."""
    random = np.random.default_rng(7)

    def moment() -> int:
        first, last = START_US + SIDE_US, end_us - SIDE_US
        return int(random.integers(first, last) // PERIOD_US * PERIOD_US)

    def read(at_us: int) -> None:
        with store.read() as view:
            before = read_windows(view, SIGNALS, at_us - SIDE_US, at_us)
            after = read_windows(view, SIGNALS, at_us, at_us + SIDE_US)
        found = sum(map(len, [*before.values(), *after.values()]))
        if found != EXPECTED:
            raise RuntimeError(f"{found} samples instead of {EXPECTED}")

    return Case(name, read, moment)


def measure_windows(databases: SampleDatabases, *, quick: bool, full: bool) -> Table:
    """Read windows from databases of every size in turn."""
    name = databases.lake.name
    largest = SIZES[-1] if full or name == "SQLite" else 1_000_000
    if quick:
        largest = 100_000
    sizes = [size for size in SIZES if size <= largest]
    table = Table(
        f"Window read of {EXPECTED:,} samples (4 signals, 90 s before and after), {name}",
        ("samples stored", "wall ms", "CPU ms", "wall p95 ms", "wall, of smallest"),
    )
    with ExitStack() as stack:
        cases = []
        for size in sizes:
            say(f"windows: {name} with {size:,} samples")
            url, end_us = databases.of(size)
            cases.append(window_case(str(size), stack.enter_context(Store.open(url)), end_us))
        timings = interleave(cases, 30 if quick else 300, warm_up=10)
    base = timings[str(sizes[0])]
    for size in sizes:
        timing = timings[str(size)]
        table.add(
            f"{size:,}",
            timing.wall,
            timing.cpu,
            timing.wall_at(0.95),
            figure=ratio(timing.wall_ms, base.wall_ms),
            goal=GOAL if size > SMALLEST else None,
        )
    return table


# ── the same from a file of lines ────────────────────────────────────────────
def measure_jsonl(databases: SampleDatabases, folder: Path, *, quick: bool) -> Table:
    """Find the same window by reading a file of JSON lines from its first line to its last."""
    table = Table(
        "The same window found by reading a JSONL file again, beside SQLite",
        ("lines in file", "file ms", "SQLite ms", "file, of SQLite"),
        notes=() if quick else ("(x) Scaled up from the largest file that was read.",),
    )
    largest = 100_000 if quick else LARGEST_FILE
    measured = [size for size in SIZES if size <= largest]
    last = 0.0
    for size in measured:
        say(f"jsonl: {size:,} lines")
        last, ours = _measure_file(databases, folder / f"{size}.jsonl", size)
        table.add(f"{size:,}", last, ours, figure=last / ours)
    for size in () if quick else SIZES[len(measured) :]:
        say(f"jsonl: SQLite with {size:,} samples")
        url, end_us = databases.of(size)
        with Store.open(url) as store:
            ours = interleave([window_case("ours", store, end_us)], 20)["ours"].wall
        scaled = last * size / measured[-1]
        table.add(f"{size:,} (x)", scaled, ours, figure=scaled / ours)
    return table


def _measure_file(databases: SampleDatabases, file: Path, size: int) -> tuple[float, float]:
    url, end_us = databases.of(size)
    _write_lines(file, size)
    at_us = (START_US + end_us) // 2 // PERIOD_US * PERIOD_US
    with Store.open(url) as store:
        cases = [window_case("ours", store, end_us), _file_case(file, at_us)]
        timings = interleave(cases, 5 if size == LARGEST_FILE else 9)
    file.unlink()
    return timings["file"].wall, timings["ours"].wall


def _write_lines(file: Path, size: int) -> None:
    with file.open("w", encoding="utf-8") as lines:
        for tick in range(size // len(SIGNALS)):
            at_us = START_US + tick * PERIOD_US
            for number, name in enumerate(SIGNALS):
                value = 100.0 + (tick * 7919 + number) % 10007 / 1000.0
                lines.write(f'{{"at_us": {at_us}, "signal": "{name}", "value": {value!r}}}\n')


def _file_case(file: Path, at_us: int) -> Case:
    def read(_: None) -> None:
        kept: list[tuple[str, int, float]] = []
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                sample = json.loads(line)
                if at_us - SIDE_US <= sample["at_us"] < at_us + SIDE_US:
                    kept.append((sample["signal"], sample["at_us"], sample["value"]))
        if len(kept) != EXPECTED:
            raise RuntimeError(f"{len(kept)} samples instead of {EXPECTED}")

    return Case("file", read)
