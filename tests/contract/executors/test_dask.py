"""A Dask cluster: what travels, who may run what, and what happens when somebody is gone."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from distributed import versions

from daemon.adapters.executors import packed
from daemon.adapters.executors.cluster import DaskExecutor
from daemon.adapters.executors.cluster.client import differences
from daemon.adapters.executors.cluster.task import Ask, Bench, version
from daemon.adapters.executors.cluster.task import run as run_there
from daemon.adapters.executors.local import LocalExecutor
from daemon.clock import MICROS, SystemClock
from daemon.errors import MissingExtra
from daemon.ports import Batch, ExecutorFault, Finished
from tests.contract.executors.dask_cluster import START_S, DaskCluster
from tests.contract.executors.kits import (
    AT_ONCE,
    PATIENCE_S,
    SECOND,
    DaskKit,
    a_market,
    alive,
    assert_sound,
    at_work,
    collect,
    combinations,
    run,
    until,
)
from tests.contract.executors.works import Slow

ROOT = Path(__file__).parents[3]
NOBODY = "tcp://127.0.0.1:9"


@pytest.fixture
def kit(cluster):
    made = DaskKit(cluster)
    yield made
    made.close()


def a_batch(market, number=1, size=20):
    return Batch(number=number, quotes=market, combinations=combinations(size))


# ── what travels ─────────────────────────────────────────────────────────────
class Counted(np.ndarray):
    """Prices that count how often they are put on the wire."""

    sent = 0

    def __reduce_ex__(self, protocol):
        Counted.sent += 1
        return np.asarray(self).__reduce_ex__(protocol)


def test_quotes_travel_once_however_many_batches_need_them(kit):
    plain = a_market()
    columns = [column.view(Counted) for column in plain.prices]
    executor = kit.make()
    for number in range(6):
        market = type(plain)(*columns, plain.at_us, digest="counted")
        market.once("what was computed of them, and cannot travel", threading.Lock)
        assert_sound(run(executor, a_batch(market, number)), a_batch(plain, number))
    assert Counted.sent == len(columns)


def test_workers_that_all_died_are_sent_the_quotes_again(kit, market, marks):
    executor = kit.make(Slow(str(marks), 0.5))
    executor.submit(a_batch(market), PATIENCE_S)
    until(lambda: at_work(marks))
    running = at_work(marks)
    kit.cluster.kill_workers()
    until(lambda: not any(alive(pid) for pid in running), AT_ONCE)
    for mark in marks.iterdir():
        mark.unlink()
    for _ in range(2):
        kit.cluster.start_worker()
    assert "died" in collect(executor, 1)[1].lost
    assert_sound(run(executor, a_batch(market)), a_batch(market))


# ── who may not, and who is not there ────────────────────────────────────────
@pytest.fixture(scope="module")
def second_cluster(tmp_path_factory):
    started = DaskCluster(tmp_path_factory.mktemp("second"), workers=0)
    yield started
    started.stop()


@pytest.fixture
def another(second_cluster):
    """A scheduler that has no workers but those that a test starts."""
    yield second_cluster
    second_cluster.kill_workers()


UNFIT = """
from importlib import metadata
from pathlib import Path

import daemon.market.metrics

daemon.market.metrics.ENGINE_VERSION = "0"

metadata.version = lambda name: eval(Path({told!r}).read_text())
"""


def test_a_worker_that_is_not_fit_is_refused_plainly_and_does_not_die_of_it(
    another, tmp_path, market
):
    told, preload = tmp_path / "told", tmp_path / "unfit.py"
    preload.write_text(UNFIT.format(told=str(told)))
    another.start_worker("--preload", str(preload))

    def refused(version, words):
        told.write_text(version)
        with pytest.raises(ExecutorFault, match=re.escape(words)) as why:
            attempt()
        assert "same version" in why.value.hint
        assert "pip install" in why.value.hint

    def attempt():
        executor = DaskExecutor(another.address, partial(LocalExecutor, 1), connect_s=START_S)
        try:
            run(executor, a_batch(market))
        finally:
            executor.close()

    refused("'0.0.1'", "has version 0.0.1 of self-tuning-daemon, and here is version")
    refused("1 / 0", "does not have self-tuning-daemon, and here is version")
    refused("metadata.distribution(name).version", "with engine 0, and the session")


def test_packages_of_other_versions_are_told_in_a_line():
    here = versions.get_versions()
    there = here | {"packages": here["packages"] | {"numpy": "1.0", "msgpack": "0.1"}}
    said = versions.error_message(here, {"tcp://x": there}, here)["warning"]
    numpy, msgpack = (here["packages"][name] for name in ("numpy", "msgpack"))
    assert differences(said) == [
        f"msgpack (client {msgpack}, scheduler {msgpack}, workers 0.1)",
        f"numpy (client {numpy}, scheduler {numpy}, workers 1.0)",
    ]
    assert differences("") == differences("something else\nthan a table") == []


def test_a_cluster_without_workers_is_told_how_to_get_some(another):
    since = time.monotonic()
    with pytest.raises(ExecutorFault, match="has no workers") as why:
        DaskExecutor(another.address, partial(LocalExecutor, 1), connect_s=0.5)
    assert f"dask worker {another.address}" in why.value.hint
    assert time.monotonic() - since < PATIENCE_S


@pytest.mark.parametrize("address", [NOBODY, "nonsense://x", "tcp://no.such.host.invalid:1"])
def test_where_nobody_answers_that_is_said_in_time(address):
    since = time.monotonic()
    with pytest.raises(ExecutorFault, match=re.escape(f"answers at {address}")):
        DaskExecutor(address, partial(LocalExecutor, 1), connect_s=0.5)
    assert time.monotonic() - since < PATIENCE_S


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtra, match="'distributed'") as why:
        DaskExecutor(NOBODY, partial(LocalExecutor, 1))
    assert "self-tuning-daemon[cluster]" in why.value.hint


# ── the scheduler is gone ────────────────────────────────────────────────────
SCHEDULER_DIES = """
    import os, sys, time
    from functools import partial
    from daemon.adapters.executors.cluster import DaskExecutor
    from daemon.adapters.executors.local import LocalExecutor
    from daemon.ports import Batch, ExecutorFault
    from tests.contract.executors.kits import a_market, assert_sound, combinations, run
    from tests.contract.executors.works import Slow

    def fails(attempt):
        try:
            attempt()
        except ExecutorFault as fault:
            print(fault.message, "|", fault.hint)

    address, scheduler, marks = sys.argv[1:]
    batch = Batch(number=1, quotes=a_market(), combinations=combinations(3))
    executor = DaskExecutor(address, partial(LocalExecutor, 1))
    assert_sound(run(executor, batch), batch)
    executor.close()
    executor = DaskExecutor(address, partial(LocalExecutor, 1, work=Slow(marks, 30)))
    executor.submit(batch, 60.0)
    os.kill(int(scheduler), 9)
    since = time.monotonic()
    fails(lambda: executor.collect(60.0))
    executor.cancel()
    fails(lambda: executor.submit(batch, 60.0))
    executor.close()
    print(time.monotonic() - since)
"""


@pytest.fixture
def doomed(tmp_path_factory):
    """A cluster whose scheduler may be killed."""
    started = DaskCluster(tmp_path_factory.mktemp("doomed"), workers=1)
    yield started
    started.stop()


def test_a_scheduler_that_dies_is_missed_at_once_and_nothing_else_is_said(doomed, tmp_path, marks):
    """By a process of its own, whose standard error shows whether the library talks."""
    here = tmp_path / "here"
    here.mkdir()
    words = [doomed.address, str(doomed.scheduler.pid), str(marks)]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCHEDULER_DIES), *words],
        cwd=here,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(here)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    *faults, seconds = done.stdout.splitlines()
    assert len(faults) == 2
    for line in faults:
        assert "does not answer any more" in line
        assert "repeat the command" in line
    assert float(seconds) < 5 * SECOND
    assert not [*here.iterdir()], "a client leaves no file"


class Leaping(SystemClock):
    leapt_us = 0

    def elapsed_us(self):
        return super().elapsed_us() + self.leapt_us


def test_a_batch_that_nobody_answers_for_is_given_up(cluster, market, marks):
    clock = Leaping()
    executor = DaskExecutor(
        cluster.address, partial(LocalExecutor, 1, work=Slow(str(marks), 30)), clock=clock
    )
    try:
        executor.submit(a_batch(market), 10.0)
        until(lambda: at_work(marks))
        assert not executor.collect(0.1)
        clock.leapt_us = 81 * MICROS
        (finished,) = executor.collect(0.1)
        assert "no worker has answered for 8" in finished.lost
        assert not finished.timed_out
    finally:
        executor.close()


def test_without_workers_batches_wait_for_new_ones_but_not_for_ever(another, market):
    clock = Leaping()
    another.start_worker()
    executor = DaskExecutor(
        another.address, partial(LocalExecutor, 1), clock=clock, connect_s=START_S
    )
    try:
        first, second = a_batch(market, 1), a_batch(market, 2)
        assert_sound(run(executor, first), first)
        another.kill_workers()
        until(lambda: noticed(executor, clock, slots=0))
        executor.submit(second, 1_000.0)
        assert not executor.collect(0.0)
        another.start_worker()
        assert_sound(collect(executor, 1)[2], second)
        another.kill_workers()
        until(lambda: noticed(executor, clock, slots=0))
        executor.submit(first, 1_000.0)
        clock.leapt_us += 61 * MICROS
        with pytest.raises(ExecutorFault, match="has had no workers for 60 s"):
            executor.collect(0.1)
    finally:
        executor.close()


def noticed(executor, clock, slots):
    """Whether the executor knows by now how many workers there are."""
    clock.leapt_us += 5 * MICROS
    executor._look_after_cluster()
    return executor._cluster.threads == slots


# ── what a worker does with a batch ──────────────────────────────────────────
class Recorded:
    """An executor that says what is done with it."""

    made: ClassVar[list[Recorded]] = []

    def __init__(self):
        self.said = []
        Recorded.made.append(self)

    def submit(self, batch, timeout_s):
        self.said.append(("submit", timeout_s))

    def collect(self, timeout_s):
        self.said.append("collect")
        return [Finished(number=0, seconds=1.0)] if self.said.count("collect") > 2 else []

    def cancel(self):
        self.said.append("cancel")

    def close(self):
        self.said.append("close")


def asked(inside=Recorded):
    return Ask("k", packed(combinations(2)), 5.0, pickle.dumps(inside), version())


def test_a_batch_of_another_version_is_refused_where_it_arrives(market):
    ask = asked()._replace(version="0.0.1 with engine 7")
    assert "and the session 0.0.1 with engine 7" in run_there(market, ask).refused


def test_what_goes_wrong_around_a_batch_is_told_and_not_raised(market):
    assert run_there(market, asked()).refused == "ValueError: No worker found"


def test_a_bench_asks_again_and_again_whether_its_batch_is_wanted(market):
    Recorded.made.clear()
    wanted = iter([True, False])
    finished = Bench().run(market, asked(), lambda: next(wanted))
    assert finished.lost == "it was cancelled"
    assert Recorded.made[0].said == [("submit", 5.0), "collect", "cancel"]


def test_a_bench_keeps_its_executor_until_it_was_idle_for_long(market):
    Recorded.made.clear()
    bench = Bench(idle_s=0.2)
    for _ in range(2):
        assert bench.run(market, asked(), lambda: True).seconds == 1.0
    (executor,) = Recorded.made
    assert "close" not in executor.said
    until(lambda: "close" in executor.said, 5 * SECOND)
    bench.run(market, asked(), lambda: True)
    assert len(Recorded.made) == 2


def test_a_bench_that_is_in_use_is_not_cleared(market):
    Recorded.made.clear()
    bench = Bench()
    bench.run(market, asked(), lambda: bench.clear() or True)
    assert "close" not in Recorded.made[0].said
