"""How fast a past is read as blocks: a replay of a month must not wait for its samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from measure import Case, Goal, Table, interleave, say
from store_lake import PERIOD_US, SIGNALS, START_US

from daemon.clock import MICROS
from daemon.store.blocks import HOUR_S, stream_blocks
from daemon.store.store import Store
from daemon.store.windows import read_windows
from daemon.tuning.block import BLOCK_US
from daemon.tuning.windows import summarise

if TYPE_CHECKING:
    from store_lake import SampleDatabases

DAY_US = 24 * HOUR_S * MICROS
MONTH = 30
GOAL = Goal(60)
"""Seconds for thirty days of four signals at 5 Hz: 51.8 million samples."""


def measure_blocks(databases: SampleDatabases, *, quick: bool) -> Table:
    """Read days as blocks, beside the same through the windows that a cycle reads."""
    days = 1 if quick else 5
    table = Table(
        f"A past read as blocks of {BLOCK_US // MICROS} s (4 signals at 5 Hz), "
        f"{databases.lake.name}",
        ("read by", "days", "wall s", "CPU s", "samples a second", f"s for {MONTH} days"),
        notes=("CPU is that of the reading process alone.",),
    )
    count = days * len(SIGNALS) * DAY_US // PERIOD_US
    say(f"blocks: {databases.lake.name} with {count:,} samples")
    url, end_us = databases.of(count)
    with Store.open(url) as store:
        cases = [_streamed(store, end_us, count), _windowed(store, end_us, count)]
        timings = interleave(cases, 3)
    for case in cases:
        wall_s, cpu_s = timings[case.name].wall / 1000, timings[case.name].cpu / 1000
        goal = GOAL if case is cases[0] else None
        rate = count / wall_s
        table.add(case.name, days, wall_s, cpu_s, rate, figure=MONTH / days * wall_s, goal=goal)
    return table


def _streamed(store: Store, end_us: int, expected: int) -> Case:
    def read(_: None) -> None:
        with store.read() as view:
            chunks = stream_blocks(view, SIGNALS, START_US, end_us)
            _check(sum(int(chunk.count.sum()) for chunk in chunks), expected)

    return Case("stream_blocks", read)


def _windowed(store: Store, end_us: int, expected: int) -> Case:
    hour_us = HOUR_S * MICROS

    def read(_: None) -> None:
        found = 0
        with store.read() as view:
            for start_us in range(START_US, end_us, hour_us):
                windows = read_windows(view, SIGNALS, start_us, start_us + hour_us)
                for one in windows.values():
                    first, blocks = start_us // BLOCK_US, hour_us // BLOCK_US
                    found += int(summarise(one.at_us, one.values, first, blocks)[1].sum())
        _check(found, expected)

    return Case("read_windows, hourly", read)


def _check(found: int, expected: int) -> None:
    if found != expected:
        raise RuntimeError(f"{found} samples instead of {expected}")
