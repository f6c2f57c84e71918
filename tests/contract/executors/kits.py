"""Every kind of executor, ready to be given work and to have its workers killed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.adapters.executors import backtested
from daemon.adapters.executors.cluster import DaskExecutor
from daemon.adapters.executors.local import LocalExecutor
from daemon.market.params import Combinations
from daemon.market.quotes import PRICES, Quotes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daemon.ports import Batch, Finished
    from tests.contract.executors.dask_cluster import DaskCluster

PATIENCE_S = 20.0
SECOND = 1.0
AT_ONCE = 3 * SECOND
"""A second is promised; the rest is for a machine that is busy with other tests."""
MINUTE_US = 60_000_000


# ── what is run ──────────────────────────────────────────────────────────────
def a_market(rows=600, seed=7, digest="") -> Quotes:
    """Quotes whose spread goes up and down, so that trades open and close."""
    draw = np.random.default_rng(seed)
    middle = 100 + np.cumsum(draw.normal(0, 0.01, rows))
    spread = draw.normal(0, 0.2, rows)
    columns = (middle - 0.01, middle + 0.01, middle + spread - 0.01, middle + spread + 0.01)
    prices = dict(zip(PRICES, columns, strict=True))
    at_us = 1_677_628_800_000_000 + MINUTE_US * np.arange(rows)
    return Quotes(**prices, at_us=at_us, digest=digest)


def combinations(count: int, first: float = 0.5, **changed: Any) -> Combinations:
    """Thresholds one above the other; every other one is closed at quoted prices."""
    plain = {
        "min_spread_bps": first + 0.5 * np.arange(count),
        "taker_fee_a_bps": 1.0,
        "taker_fee_b_bps": 1.5,
        "slippage_bps": 0.5,
        "max_position_usd": 1000.0,
        "max_open_trades": 1 + np.arange(count) % 3,
        "quoted": np.arange(count) % 2 == 0,
    }
    return Combinations.from_columns(count, **(plain | changed))


def poisoned(count: int, **poison: float) -> Combinations:
    """Combinations with some that are poison: ``at_3=KILLS`` makes the fourth one kill."""
    position = np.full(count, 1000.0)
    for place, kind in poison.items():
        position[int(place.removeprefix("at_"))] = kind
    return combinations(count, max_position_usd=position)


def assert_sound(finished: Finished, batch: Batch) -> None:
    """A batch came back, and with what it is worth, bit for bit."""
    assert (finished.number, finished.lost, finished.timed_out) == (batch.number, None, False)
    wanted = backtested(batch.quotes, batch.combinations)
    assert list(finished.columns) == list(wanted)
    for name, column in wanted.items():
        np.testing.assert_array_equal(finished.columns[name], column, err_msg=name)
        assert finished.columns[name].dtype == column.dtype


def collect(executor, count: int, within_s: float = PATIENCE_S) -> dict[int, Finished]:
    """Wait for so many, and see that no number comes twice."""
    found: dict[int, Finished] = {}
    until = time.monotonic() + within_s
    while len(found) < count:
        assert time.monotonic() < until, f"only {sorted(found)} came back"
        for finished in executor.collect(0.5):
            assert finished.number not in found
            found[finished.number] = finished
    return found


def run(executor, batch: Batch, timeout_s: float = PATIENCE_S) -> Finished:
    executor.submit(batch, timeout_s)
    return collect(executor, 1)[batch.number]


def until(what, within_s: float = PATIENCE_S) -> float:
    """Wait until something holds; say how long that took."""
    since = time.monotonic()
    while not what():
        assert time.monotonic() < since + within_s, "it did not come to hold"
        time.sleep(0.01)
    return time.monotonic() - since


# ── processes ────────────────────────────────────────────────────────────────
def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int | None = None) -> set[int]:
    """All children of a process, zombies among them."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid or os.getpid()}/task").iterdir():
            found |= {int(child) for child in (task / "children").read_text().split()}
    return found


def at_work(folder: Path) -> dict[int, int]:
    """The processes that run a slow batch now, each with its parent."""
    return {int(a): int(b) for a, b in (mark.name.split("-") for mark in folder.iterdir())}


def end(pids: Iterable[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


# ── executors ────────────────────────────────────────────────────────────────
class Kit:
    """Makes executors of one kind, and closes them in the end."""

    slots = 2

    def __init__(self) -> None:
        self._made: list[Any] = []

    def make(self, work=backtested):
        executor = self._build(work)
        self._made.append(executor)
        return executor

    def close(self) -> None:
        for executor in self._made:
            executor.close()

    def _build(self, work):
        raise NotImplementedError

    def kill_one(self, folder: Path) -> None:
        """Kill one of the workers that are at it, as a machine would: all of it."""
        raise NotImplementedError


class LocalKit(Kit):
    def _build(self, work):
        return LocalExecutor(self.slots, work=work)

    def kill_one(self, folder: Path) -> None:
        end([min(at_work(folder))])


class DaskKit(Kit):
    def __init__(self, cluster: DaskCluster) -> None:
        super().__init__()
        self.cluster = cluster

    def _build(self, work):
        return DaskExecutor(self.cluster.address, partial(LocalExecutor, 1, work=work))

    def kill_one(self, folder: Path) -> None:
        self.cluster.kill(min(at_work(folder).values()))
