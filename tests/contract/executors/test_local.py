"""Worker processes of this machine: what they inherit, how they end, what they leave alone."""

import fcntl
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest

from daemon.adapters.executors import (
    COMMON_RATES,
    COMMON_ROWS,
    backtested,
    in_common,
    packed,
)
from daemon.adapters.executors.local import LocalExecutor
from daemon.adapters.executors.local.child import NICE, Ask, serve
from daemon.adapters.executors.local.pool import KEPT
from daemon.adapters.executors.local.worker import Worker, WorkerGone
from daemon.clock import MICROS, SystemClock
from daemon.market.quotes import Quotes
from daemon.ports import Batch, ExecutorFault
from tests.contract.executors.kits import (
    PATIENCE_S,
    a_market,
    alive,
    assert_sound,
    at_work,
    children,
    collect,
    combinations,
    end,
    poisoned,
    run,
    until,
)
from tests.contract.executors.works import EATS, KILLS, RAISES, Poisoned, Slow


@pytest.fixture
def make():
    """Make an executor; in the end nothing of it is left, no zombie either."""
    before = children()
    made = []

    def making(*arguments, **options):
        made.append(LocalExecutor(*arguments, **options))
        return made[-1]

    yield making
    for executor in made:
        executor.close()
    assert children() == before


def a_batch(market, number=1, size=20):
    return Batch(number=number, quotes=market, combinations=combinations(size))


# ── how many there are ───────────────────────────────────────────────────────
def test_no_worker_starts_before_it_is_needed_and_then_no_more_than_are_needed(make, market):
    before = children()
    executor = make(4)
    assert children() == before
    run(executor, a_batch(market))
    assert len(children() - before) == 1
    run(executor, a_batch(market))
    assert len(children() - before) == 1


def test_without_workers_there_is_no_executor():
    with pytest.raises(ValueError, match="0 workers"):
        LocalExecutor(0)


def test_the_dead_are_buried_and_replaced(make, market, marks):
    before = children()
    executor = make(2, work=Slow(str(marks), 0.2))
    for number in (1, 2):
        executor.submit(a_batch(market, number), PATIENCE_S)
    collect(executor, 2)
    killed = children() - before
    end(killed)
    until(lambda: not any(alive(pid) for pid in killed))
    assert_sound(run(executor, a_batch(market)), a_batch(market))
    until(lambda: not executor.collect(0.0) and all(alive(pid) for pid in children() - before))


def test_a_worker_that_ran_out_of_memory_gives_it_back(make, market):
    before = children()
    executor = make(1, work=Poisoned())
    run(executor, Batch(number=1, quotes=market, combinations=poisoned(3, at_1=EATS)))
    assert children() == before


def test_where_workers_do_nothing_but_die_that_is_the_end(make, market):
    executor = make(2, work=Poisoned(), deaths_max=20)
    poison = Batch(number=0, quotes=market, combinations=poisoned(1, at_0=KILLS))

    def dying():
        for _ in range(30):
            run(executor, poison)

    with pytest.raises(ExecutorFault, match=r"20 workers in a row died.*SIGKILL") as why:
        dying()
    assert "memory" in why.value.hint
    with pytest.raises(ExecutorFault):
        executor.submit(a_batch(market), PATIENCE_S)
    executor.cancel()
    assert_sound(run(executor, a_batch(market)), a_batch(market))


def test_a_batch_that_comes_back_makes_up_for_those_that_died(make, market):
    executor = make(1, work=Poisoned(), deaths_max=3)
    poison = Batch(number=0, quotes=market, combinations=poisoned(1, at_0=KILLS))
    for _ in range(3):
        for _ in range(2):
            assert "SIGKILL" in run(executor, poison).lost
        assert_sound(run(executor, a_batch(market)), a_batch(market))


# ── what a worker is ─────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Look:
    """Says what the process is like in which batches run."""

    def __call__(self, quotes, combinations):
        backtested(quotes, combinations)
        lines = Path("/proc/self/status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        return {
            "nice": np.array([os.nice(0)]),
            "threads": np.array([int(status["Threads"])]),
            "ignored": np.array([int(status["SigIgn"], 16)]),
            "caught": np.array([int(status["SigCgt"], 16)]),
            "blocked": np.array([int(status["SigBlk"], 16)]),
            "files": np.array([len([*Path("/proc/self/fd").iterdir()]) - 1]),
            "core": np.array([resource.getrlimit(resource.RLIMIT_CORE)[0]]),
            "streams": np.array([s is None for s in (sys.stdin, sys.stdout, sys.stderr)]),
        }


def test_a_worker_is_modest(make, market, tmp_path):
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    cores = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (cores[1], cores[1]))
    try:
        with (tmp_path / "open").open("w") as file:
            high = fcntl.fcntl(file.fileno(), fcntl.F_DUPFD_CLOEXEC, 200)
            seen = run(make(1, work=Look()), a_batch(market)).columns
            os.close(high)
    finally:
        signal.signal(signal.SIGTERM, before)
        resource.setrlimit(resource.RLIMIT_CORE, cores)
    bit = {number: 1 << (number - 1) for number in (signal.SIGINT, signal.SIGTERM)}
    assert seen["nice"] == min(19, os.nice(0) + NICE)
    assert seen["threads"] == 1
    assert seen["ignored"][0] & bit[signal.SIGINT]
    assert not seen["caught"][0] & (bit[signal.SIGINT] | bit[signal.SIGTERM])
    assert not seen["blocked"][0]
    assert seen["files"] == 4, "the standard streams, and its own connection"
    assert seen["core"] == 0
    assert seen["streams"].all()


def test_quotes_are_inherited_and_not_sent(make):
    class Counted(np.ndarray):
        sent = 0

        def __reduce_ex__(self, protocol):
            Counted.sent += 1
            return super().__reduce_ex__(protocol)

    plain = a_market()
    columns = [column.view(Counted) for column in plain.prices]
    market = type(plain)(*columns, plain.at_us, digest="counted")
    executor = make(2)
    for number in range(4):
        assert_sound(run(executor, a_batch(market, number)), a_batch(plain, number))
    assert Counted.sent == 0


def test_quotes_mapped_from_a_file_serve_as_well(make, tmp_path):
    plain = a_market()
    mapped = []
    for place, column in enumerate(plain.prices):
        np.save(tmp_path / f"{place}.npy", column)
        mapped.append(np.load(tmp_path / f"{place}.npy", mmap_mode="r").view(np.ndarray))
    market = type(plain)(*mapped, plain.at_us, digest="mapped")
    assert_sound(run(make(1), a_batch(market)), a_batch(plain))


def test_of_many_quotes_some_are_forgotten_and_inherited_again(make):
    executor = make(1)
    markets = [a_market(rows=50, seed=seed) for seed in range(KEPT + 3)]
    for number, market in enumerate(markets * 2):
        assert_sound(run(executor, a_batch(market, number)), a_batch(market, number))


def test_interrupts_belong_to_the_parent(make, market, marks):
    executor = make(1, work=Slow(str(marks), 0.4))
    executor.submit(a_batch(market), PATIENCE_S)
    until(lambda: at_work(marks))
    for pid in at_work(marks):
        os.kill(pid, signal.SIGINT)
    assert_sound(collect(executor, 1)[1], a_batch(market))


def served(work, *asks):
    """What a worker answers, one that is a thread and no process."""
    ours, theirs = Pipe()
    with ours, theirs:
        arguments = (theirs, work, {"quotes": asks[0].quotes}, SystemClock())
        thread = threading.Thread(target=serve, args=arguments)
        thread.start()
        found = []
        for ask in asks:
            ours.send(Ask(ask.number, "quotes", packed(ask.combinations)))
            found.append(ours.recv())
            if found[-1].spent:
                break
        ours.close()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    return found


def test_a_worker_answers_until_nobody_asks_or_its_memory_is_spent(market):
    first, last = a_batch(market, 1), a_batch(market, 4)
    bad = Batch(number=2, quotes=market, combinations=poisoned(3, at_2=RAISES))
    worse = Batch(number=3, quotes=market, combinations=poisoned(3, at_2=EATS))
    answers = served(Poisoned(), first, bad, worse, last)
    assert [answer.number for answer in answers] == [1, 2, 3]
    assert [answer.spent for answer in answers] == [False, False, True]
    assert list(answers[0].columns) == list(backtested(market, first.combinations))
    assert [answer.lost for answer in answers[1:]] == [
        "ValueError: this combination makes no sense",
        "MemoryError: 2 TB",
    ]


class Impatient(Worker):
    silent_s = 1


@dataclass(frozen=True)
class Breaks:
    """Begins an answer, and stops in the middle."""

    def __call__(self, quotes, combinations):
        (connection,) = (
            int(file.name)
            for file in Path("/proc/self/fd").iterdir()
            if int(file.name) > 2 and file.is_socket()
        )
        os.write(connection, (1_000).to_bytes(4, "big") + b"half of it")
        os.kill(os.getpid(), signal.SIGSTOP)


def test_nobody_waits_for_the_end_of_an_answer_that_does_not_come(market):
    before = children()
    worker = Impatient(Breaks(), {"quotes": market}, SystemClock())
    worker.start()
    worker.give(a_batch(market), "quotes", PATIENCE_S)
    until(worker.connection.poll)
    with pytest.raises(WorkerGone, match="SIGKILL"):
        worker.take()
    assert children() == before


# ── time ─────────────────────────────────────────────────────────────────────
class Leaping(SystemClock):
    """The clock of a machine that sleeps: it has leapt when somebody looks at it again."""

    leapt_us = 0

    def elapsed_us(self):
        return super().elapsed_us() + self.leapt_us


def test_while_the_machine_slept_no_time_was_up(make, market, marks):
    clock = Leaping()
    executor = make(1, work=Slow(str(marks), 1.0), clock=clock)

    def sleep():
        clock.leapt_us = 3_600 * MICROS

    executor.submit(a_batch(market), 5.0)
    threading.Timer(0.3, sleep).start()
    until(
        lambda: (found := executor.collect(0.6)) and assert_sound(found[0], a_batch(market)) is None
    )


def test_a_worker_that_was_stopped_is_ended_in_time(make, market, marks):
    executor = make(1, work=Slow(str(marks), 0.5))
    executor.submit(a_batch(market), 1.5)
    until(lambda: at_work(marks))
    for pid in at_work(marks):
        os.kill(pid, signal.SIGSTOP)
    assert collect(executor, 1)[1].timed_out


def test_results_that_came_while_nobody_looked_are_in_time(make, market, marks):
    executor = make(1, work=Slow(str(marks), 0.1))
    executor.submit(a_batch(market), 1.0)
    time.sleep(1.2)
    assert_sound(collect(executor, 1)[1], a_batch(market))


def test_what_all_batches_need_is_worked_out_once_before_workers_are_forked(make):
    quotes = a_market()
    rates = [1.0 + n / 1000 for n in range(COMMON_RATES + 2)] * 4
    asked = replace(combinations(len(rates)), exchange_a_to_b_rate=np.array(rates))
    run(make(1), Batch(number=1, quotes=quotes, combinations=asked))
    assert {name[1] for name in quotes._known if name[0] == "runs"} == set(rates[:COMMON_RATES])
    assert "days" in quotes._known
    long = np.broadcast_to(1.0, COMMON_ROWS + 1)
    many = Quotes(long, long, long, long)
    in_common(many, asked)
    assert not many._known
