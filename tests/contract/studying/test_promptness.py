"""With real workers and a real clock: a study ends within a second, whatever is at work."""

import threading
import time
from functools import partial

import pytest

from daemon.adapters.executors import backtested
from daemon.adapters.executors.local.pool import LocalExecutor
from daemon.clock import SystemClock
from daemon.services.studying import asking
from daemon.services.studying.wanted import Budget
from daemon.services.sweeping.runners import this_process
from daemon.store.tables import trials
from tests.contract.rows import rows_of
from tests.studying_kit import climbers, lenient, row_of, run, tools, wanted

WITHIN_S = 1.0
LONG_S = 30.0


def stuck(quotes, combinations):
    """Run for very long."""
    time.sleep(LONG_S)
    return backtested(quotes, combinations)


def stuck_on_some(quotes, combinations):
    """Run for very long where a threshold is low."""
    if (combinations.min_spread_bps < 8).any():
        time.sleep(LONG_S)
    return backtested(quotes, combinations)


class Thoughtful:
    """A sampler that thinks for very long about its second batch."""

    def __init__(self, thinking, *given):
        self.inner, self.thinking = climbers(*given), thinking

    def ask(self, count, batch):
        if batch > 1:
            self.thinking.set()
            time.sleep(3 * WITHIN_S)
        return self.inner.ask(count, batch)

    def tell(self, told):
        self.inner.tell(told)


def pensive(tools, evidence):
    """Judge for very long."""
    for _ in range(round(LONG_S * 100)):
        evidence.go_on()
        time.sleep(0.01)
    return lenient(tools, evidence)


def real(store, work=backtested, **changed):
    made = {"clock": SystemClock(), "runner": this_process()} | changed
    return tools(store, lambda: LocalExecutor(2, work=work), **made)


def cancelled_after(store, used, asked, **how):
    """Cancel a study while it runs; gives how long it took to end, and what it came to."""
    begun, at = how.get("begun") or threading.Event(), []

    def tell(progress):
        if progress.phase == how.get("phase"):
            begun.set()

    def cancel():
        begun.wait(20)
        time.sleep(0.3)
        at.append(time.monotonic())
        asking.cancel(store, SystemClock(), "night")

    other = threading.Thread(target=cancel)
    other.start()
    outcome = run(used, asked, on_progress=tell, judged_by=how.get("judge", lenient))
    ended = time.monotonic()
    other.join()
    return ended - at[0], outcome


def test_cancelled_while_workers_hang(store):
    took_s, outcome = cancelled_after(store, real(store, stuck), wanted(), phase="searching")
    assert outcome.state == row_of(store)["state"] == "cancelled"
    assert took_s < WITHIN_S


def test_cancelled_while_the_sampler_thinks(store):
    thinking = threading.Event()
    used = real(store, sampler=partial(Thoughtful, thinking))
    took_s, outcome = cancelled_after(store, used, wanted(), begun=thinking)
    assert (outcome.state, outcome.trials) == ("cancelled", 8), "what was answered is kept"
    assert took_s < WITHIN_S


def test_cancelled_while_it_is_judged(store):
    asked = wanted(budget=Budget(trials=8))
    how = {"phase": "judging", "judge": pensive}
    took_s, outcome = cancelled_after(store, real(store), asked, **how)
    assert (outcome.state, outcome.trials) == ("cancelled", 16)
    assert took_s < WITHIN_S
    assert run(real(store), asked).declared


@pytest.mark.slow
def test_a_trial_that_hangs_is_ended_and_the_others_are_tried(store):
    asked = wanted(scheme=None, budget=Budget(trials=8))
    outcome = run(real(store, stuck_on_some), asked, job_timeout_s=1.0)
    rows = rows_of(store, trials)
    failed = [row for row in rows if row["state"] == "failed"]
    assert {row["params"]["min_spread_bps"] < 8 for row in failed} == {True}
    assert all("ran for more than 1 s" in row["error"] for row in failed)
    assert outcome.done == len(rows) - len(failed) > 0
