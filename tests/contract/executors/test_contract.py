"""What every executor promises, whoever runs the batches."""

import itertools
import time

import numpy as np
import pytest

from daemon.ports import Batch
from tests.contract.executors.kits import (
    AT_ONCE,
    PATIENCE_S,
    a_market,
    alive,
    assert_sound,
    at_work,
    collect,
    combinations,
    poisoned,
    run,
    until,
)
from tests.contract.executors.works import (
    EATS,
    HANGS,
    INTERRUPTS,
    KILLS,
    LEAVES,
    RAISES,
    SEGFAULTS,
    SULKS,
    Poisoned,
    Slow,
)

DIES = {
    "killed": (KILLS, "SIGKILL"),
    "crashed": (SEGFAULTS, "SIGSEGV"),
    "left": (LEAVES, "exit code 3"),
}
RAISED = {
    "raised": (RAISES, "ValueError: this combination makes no sense"),
    "memory": (EATS, "MemoryError: 2 TB"),
    "unpicklable": (SULKS, "Sulk: sss"),
    "interrupted": (INTERRUPTS, "KeyboardInterrupt"),
}


def batches(market, count, size=40):
    return [
        Batch(number=n, quotes=market, combinations=combinations(size, first=0.1 * n))
        for n in range(1, count + 1)
    ]


# ── results ──────────────────────────────────────────────────────────────────
def test_a_batch_is_what_the_engine_says_bit_for_bit(kit, market):
    batch = Batch(number=7, quotes=market, combinations=combinations(300))
    finished = run(kit.make(), batch)
    assert_sound(finished, batch)
    assert finished.columns["total_trades"].sum() > 0
    assert 0 < finished.seconds < PATIENCE_S


def test_the_order_of_batches_changes_nothing(kit, market):
    given = batches(market, 12)
    found = []
    for order in (given, given[::-1]):
        executor = kit.make()
        for batch in order:
            executor.submit(batch, PATIENCE_S)
        found.append(collect(executor, len(given)))
        executor.close()
    for batch in given:
        for results in found:
            assert_sound(results[batch.number], batch)


def test_what_is_asked_twice_is_answered_twice_alike(kit, market):
    executor = kit.make()
    first, second = (Batch(number=n, quotes=market, combinations=combinations(30)) for n in (1, 2))
    executor.submit(first, PATIENCE_S)
    executor.submit(second, PATIENCE_S)
    found = collect(executor, 2)
    again = run(executor, first)
    for finished, batch in ((found[1], first), (found[2], second), (again, first)):
        assert_sound(finished, batch)


def test_no_two_batches_in_hand_have_one_number(kit, market, marks):
    executor = kit.make(Slow(str(marks), 0.3))
    (batch,) = batches(market, 1)
    executor.submit(batch, PATIENCE_S)
    with pytest.raises(ValueError, match="batch 1 is in hand"):
        executor.submit(batch, PATIENCE_S)
    assert_sound(collect(executor, 1)[1], batch)


def test_one_combination_and_none_are_batches(kit, market):
    executor = kit.make()
    for size in (1, 0):
        batch = Batch(number=size, quotes=market, combinations=combinations(size))
        assert_sound(run(executor, batch), batch)


def test_several_quotes_are_kept_apart(kit):
    executor = kit.make()
    markets = [a_market(seed=seed, digest=digest) for seed, digest in enumerate(["", "", "d"])]
    given = [
        Batch(number=n, quotes=market, combinations=combinations(20))
        for n, market in enumerate(markets * 3)
    ]
    for batch in given:
        executor.submit(batch, PATIENCE_S)
    found = collect(executor, len(given))
    for batch in given:
        assert_sound(found[batch.number], batch)
    first, second = (found[n].columns["realized_pnl_usd"] for n in (0, 1))
    assert not np.array_equal(first, second)


# ── waiting ──────────────────────────────────────────────────────────────────
def test_nobody_waits_where_nothing_is_in_hand(kit):
    since = time.monotonic()
    assert not kit.make().collect(PATIENCE_S)
    assert time.monotonic() - since < PATIENCE_S / 2


def test_nobody_waits_longer_than_told(kit, market, marks):
    executor = kit.make(Slow(str(marks), 30))
    executor.submit(batches(market, 1)[0], PATIENCE_S)
    for timeout_s in (0.0, 0.2):
        since = time.monotonic()
        assert not executor.collect(timeout_s)
        assert timeout_s <= time.monotonic() - since < timeout_s + AT_ONCE


def test_as_many_run_at_once_as_there_are_slots(kit, market, marks):
    executor = kit.make(Slow(str(marks), 0.5))
    assert executor.slots == kit.slots
    given = batches(market, 3)
    for batch in given:
        executor.submit(batch, PATIENCE_S)
    until(lambda: len(at_work(marks)) == kit.slots)
    for number, finished in collect(executor, 3).items():
        assert_sound(finished, given[number - 1])


# ── poison ───────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("how", DIES)
def test_a_batch_whose_process_dies_is_lost_and_the_next_one_is_not(kit, market, how):
    poison, words = DIES[how]
    executor = kit.make(Poisoned())
    bad = Batch(number=1, quotes=market, combinations=poisoned(20, at_13=poison))
    good = Batch(number=2, quotes=market, combinations=combinations(20))
    executor.submit(bad, PATIENCE_S)
    executor.submit(good, PATIENCE_S)
    found = collect(executor, 2)
    assert found[1].columns is None
    assert words in found[1].lost
    assert not found[1].timed_out
    assert_sound(found[2], good)
    assert_sound(run(executor, good), good)


@pytest.mark.parametrize("how", RAISED)
def test_a_batch_that_raises_is_lost_with_its_words(kit, market, how):
    poison, words = RAISED[how]
    executor = kit.make(Poisoned())
    bad = Batch(number=1, quotes=market, combinations=poisoned(20, at_0=poison))
    finished = run(executor, bad)
    assert finished.lost.startswith(words)
    assert len(finished.lost) < 500
    good = Batch(number=1, quotes=market, combinations=combinations(20))
    assert_sound(run(executor, good), good)


def test_a_batch_that_hangs_is_ended_in_time(kit, market):
    executor = kit.make(Poisoned())
    bad = Batch(number=1, quotes=market, combinations=poisoned(20, at_19=HANGS))
    good = Batch(number=2, quotes=market, combinations=combinations(20))
    since = time.monotonic()
    executor.submit(bad, 0.5)
    executor.submit(good, PATIENCE_S)
    found = collect(executor, 2)
    assert time.monotonic() - since < 0.5 + 2 * AT_ONCE
    assert (found[1].columns, found[1].timed_out) == (None, True)
    assert "0.5 s" in found[1].lost
    assert 0.5 <= found[1].seconds < 0.5 + AT_ONCE
    assert_sound(found[2], good)


def test_halving_finds_each_poisonous_combination_and_every_other_comes_back_once(kit, market):
    """As a session does it, here by hand: what is lost and more than one is divided."""
    poison = {3: KILLS, 17: RAISES, 18: LEAVES}
    everything = poisoned(32, **{f"at_{place}": kind for place, kind in poison.items()})
    executor = kit.make(Poisoned())
    numbers = itertools.count(1)
    ranges = {}
    found, isolated = {}, {}

    def submit(places):
        number = next(numbers)
        ranges[number] = places
        some = type(everything)(
            **{name: getattr(everything, name)[places] for name in everything.__slots__}
        )
        executor.submit(Batch(number=number, quotes=market, combinations=some), PATIENCE_S)

    submit(np.arange(32))
    while ranges:
        for finished in executor.collect(PATIENCE_S):
            places = ranges.pop(finished.number)
            if finished.lost is None:
                pnl = finished.columns["realized_pnl_usd"]
                for place, value in zip(places.tolist(), pnl.tolist(), strict=True):
                    assert place not in found
                    found[place] = value
            elif len(places) > 1:
                submit(places[: len(places) // 2])
                submit(places[len(places) // 2 :])
            else:
                isolated[int(places[0])] = finished.lost
    assert sorted(isolated) == sorted(poison)
    assert sorted([*found, *isolated]) == list(range(32))


# ── a worker is killed ───────────────────────────────────────────────────────
def test_a_worker_killed_in_the_middle_costs_at_most_its_batch(kit, market, marks):
    executor = kit.make(Slow(str(marks), 0.4))
    given = {batch.number: batch for batch in batches(market, 5)}
    for batch in given.values():
        executor.submit(batch, PATIENCE_S)
    until(lambda: len(at_work(marks)) == kit.slots)
    kit.kill_one(marks)
    found = collect(executor, len(given))
    lost = [number for number, finished in found.items() if finished.lost]
    assert len(lost) <= 1
    for number in lost:
        assert "its worker" in found[number].lost
        found[number] = run(executor, given[number])
    for number, batch in given.items():
        assert_sound(found[number], batch)


# ── cancelling and closing ───────────────────────────────────────────────────
def test_cancelled_in_the_middle_all_stop_within_a_second_and_it_may_be_used_again(
    kit, market, marks
):
    executor = kit.make(Slow(str(marks), 30))
    given = batches(market, 4)
    for batch in given:
        executor.submit(batch, PATIENCE_S)
    until(lambda: len(at_work(marks)) == kit.slots)
    running = at_work(marks)
    since = time.monotonic()
    executor.cancel()
    assert not executor.collect(PATIENCE_S)
    until(lambda: not any(alive(pid) for pid in running), AT_ONCE)
    assert time.monotonic() - since < AT_ONCE
    for mark in marks.iterdir():
        mark.unlink()
    executor.submit(given[0], PATIENCE_S)  # the number is free again
    until(lambda: len(at_work(marks)) == 1)


def test_closed_in_the_middle_it_leaves_nothing_at_work(kit, market, marks):
    executor = kit.make(Slow(str(marks), 30))
    for batch in batches(market, 3):
        executor.submit(batch, PATIENCE_S)
    until(lambda: len(at_work(marks)) == kit.slots)
    running = at_work(marks)
    executor.close()
    until(lambda: not any(alive(pid) for pid in running), AT_ONCE)
    executor.close()


def test_closed_without_having_worked_it_does_not_mind(kit):
    kit.make().close()
