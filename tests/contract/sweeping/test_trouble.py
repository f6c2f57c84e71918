"""Whatever an executor loses, repeats, delays or shuffles: every job has one result."""

import numpy as np
import pytest

from daemon.errors import Exit
from daemon.market.staircase import sweep
from daemon.ports import ExecutorFault, Finished
from daemon.search.space import Axis
from daemon.services.sweeping import asking
from daemon.store import sessions
from daemon.store.tables import results
from tests.contract.rows import rows_of
from tests.search_kit import plan
from tests.sweeping_kit import (
    Clock,
    Hand,
    job_rows,
    large,
    market,
    none,
    run,
    small,
    tools,
    wanted,
)

POISON = 7.0
SLOW_S = 1.5
"""Batches that take so long do not grow: there are more of them, with fewer jobs."""


def session(store, number=1):
    with store.read() as view:
        return sessions.get(view, number)


def at(threshold, why="its worker was killed by SIGKILL"):
    """Lose every batch that holds this threshold."""
    return lambda asked: why if (asked.min_spread_bps == threshold).any() else None


def in_blocks(count=20_000):
    """A plan whose results stand in two blocks; the threshold 7.0 is that of 100 jobs."""
    return large(count)


# ── poison ───────────────────────────────────────────────────────────────────
def test_jobs_that_cannot_be_run_are_found_and_the_others_are_run(store):
    hand = Hand(poison=at(POISON))
    outcome = run(tools(store, hand), wanted(small(count=300)))
    failed = [
        row for row in job_rows(store, "n", "state", "attempts", "error") if row[1] == "failed"
    ]
    assert [row[0] for row in failed] == [13, 14]
    assert [row[2] for row in failed] == [3, 3]
    assert all("SIGKILL" in row[3] and "3 times" in row[3] for row in failed)
    assert (outcome.done, outcome.failed, outcome.exit_code) == (598, 2, Exit.FAILED)
    assert {job for job, _ in outcome.failures} == {"s_0013", "s_0014"}
    assert sum(hand.evaluated) == 598, "no sound job was evaluated twice"


def test_a_job_that_takes_too_long_is_an_error_at_once(store):
    hand = Hand(poison=at(POISON, "timeout"))
    outcome = run(tools(store, hand), wanted(small(count=8)))
    attempts = [row for row in job_rows(store, "state", "attempts") if row[0] == "failed"]
    assert outcome.failed == 2
    assert all(row[1] <= 2 for row in attempts)


def test_what_failed_once_is_tried_again_when_asked_and_only_then(store):
    run(tools(store, Hand(poison=at(POISON))), wanted(small(count=8)))
    again = run(tools(store, none), wanted(small(count=8)))
    assert again.nothing_to_do
    assert "--retry-failed" in again.said
    hand = Hand()
    outcome = run(tools(store, hand), wanted(small(count=8)), retry_failed=True)
    assert (outcome.done, outcome.failed, outcome.evaluated) == (16, 0, 2)
    assert set(hand.seen) == {POISON}
    assert all(row["status"] == "success" for row in rows_of(store, results))


def test_what_failed_in_one_session_is_no_finding_for_another(store):
    run(tools(store, Hand(poison=at(POISON))), wanted(small(count=8)))
    outcome = run(tools(store, Hand()), wanted(small(count=8), name="other"))
    assert (outcome.known, outcome.evaluated, outcome.failed) == (14, 2, 0)
    assert session(store).jobs_failed == 2


def test_parameters_that_the_engine_refuses_are_errors_and_the_others_run(store):
    planned = plan(Axis("min_spread_bps", (5,)), Axis("max_position_usd", (1000, 0, 500)))
    outcome = run(tools(store), wanted(planned))
    rows = job_rows(store, "n", "state", "attempts", "error", "params")
    assert [row[1] for row in rows] == ["done", "failed", "done"]
    assert "max_position_usd is 0" in rows[1][3]
    assert rows[1][2] == 0
    assert outcome.exit_code == Exit.FAILED


# ── delivery ─────────────────────────────────────────────────────────────────
class Unreliable:
    """Holds results back, gives some of them twice, in another order, and some that none asked."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.held = []

    def __call__(self, found):
        self.held += found
        self.held += [one for one in found if self.rng.random() < 0.5]
        self.rng.shuffle(self.held)
        given = [one for one in self.held if self.rng.random() < 0.4]
        self.held = [one for one in self.held if not any(one is other for other in given)]
        return [*given, Finished(number=10**9, lost="nobody asked for this")]


@pytest.mark.parametrize("seed", range(2))
def test_however_results_come_every_job_has_one(store, seed):
    planned = small(count=1_500)
    hand = Hand(slots=3, meddle=Unreliable(seed), seconds=3.0)
    outcome = run(tools(store, hand), wanted(planned))
    assert (outcome.done, outcome.evaluated) == (3_000, 3_000)
    combinations = planned.draw(np.arange(3_000)).combinations
    expected = sweep(market(), combinations).columns["realized_pnl_usd"].tolist()
    assert [row[0] for row in job_rows(store, "realized_pnl_usd")] == expected


def test_results_that_are_not_those_of_the_batch_are_not_taken(store):
    def cut(found):
        return [
            Finished(number=one.number, columns={k: v[:1] for k, v in one.columns.items()})
            if len(hand.evaluated) == 1
            else one
            for one in found
        ]

    hand = Hand(meddle=cut)
    outcome = run(tools(store, hand))
    assert (outcome.done, outcome.failed) == (12, 0)


def test_when_nothing_runs_any_more_what_came_back_is_kept(store):
    hand = Hand(fails_after=2, seconds=SLOW_S)
    with pytest.raises(ExecutorFault):
        run(tools(store, hand), wanted(small(count=2_500)))
    left = session(store)
    assert left.state == "failed"
    assert left.note == "nothing runs any more"
    assert hand.closed == 1
    rest = Hand()
    assert run(tools(store, rest), wanted(small(count=2_500))).done == 5_000
    assert sum(rest.evaluated) == 5_000 - left.jobs_done


# ── ended early ──────────────────────────────────────────────────────────────
def test_it_ends_at_the_first_failure_when_asked_and_goes_on_later(store):
    hand = Hand(poison=at(POISON), slots=3)
    outcome = run(tools(store, hand), wanted(small(count=50)), stop_on_error=True, rows_max=0)
    left = session(store)
    assert (outcome.state, left.state, outcome.exit_code) == ("failed", "failed", Exit.FAILED)
    assert job_rows(store) == [*((n, "done") for n in range(1, 13)), (13, "failed")]
    assert "s_0013" in left.note
    assert max(hand.seen) < POISON, "nothing behind it was begun"
    rest = run(tools(store, Hand()), wanted(small(count=50)), resume=True)
    assert (rest.state, rest.done, rest.failed) == ("done", 99, 1)


def test_jobs_behind_the_first_that_is_refused_are_not_run(store):
    planned = plan(
        Axis("min_spread_bps", (5,)), Axis("max_position_usd", (900, 950, 0, 500, -1, 9))
    )
    outcome = run(tools(store), wanted(planned), stop_on_error=True)
    assert job_rows(store) == [(1, "done"), (2, "done"), (3, "failed")]
    assert (outcome.state, outcome.exit_code) == ("failed", Exit.FAILED)
    assert "s_0003" in session(store).note
    again = run(tools(store), wanted(planned), stop_on_error=True)
    assert [state for _, state in job_rows(store)] == ["done", "done", "failed", "done", "failed"]
    assert again.state == "failed"
    last = run(tools(store), wanted(planned), stop_on_error=True)
    assert (last.state, last.done, last.failed) == ("done", 4, 2)


def test_asked_to_end_it_keeps_what_came_back_and_can_be_gone_on_with(store):
    hand = Hand(seconds=SLOW_S)
    used = tools(store, hand, stop=lambda: "SIGTERM" if len(hand.evaluated) > 1 else None)
    outcome = run(used, wanted(small(count=2_500)))
    left = session(store)
    assert (outcome.state, left.state, outcome.exit_code) == ("stopped", "stopped", Exit.TRY_AGAIN)
    assert left.jobs_done == sum(hand.evaluated)
    assert (hand.cancelled, hand.closed) == (1, 1)
    assert "SIGTERM" in left.note
    rest = Hand()
    run(tools(store, rest), wanted(small(count=2_500)))
    assert sum(rest.evaluated) == 5_000 - left.jobs_done


def test_asked_to_end_it_does_not_write_for_long_what_came_back(store):
    clock, hand, stop = Clock(tick_us=100_000), Hand(), []

    def late(found):
        if found and len(found[0].columns["stopped"]) > 1_024:
            stop.append("SIGINT")
        return found

    hand.meddle = late
    used = tools(store, hand, clock=clock, stop=lambda: stop[0] if stop else None)
    outcome = run(used, wanted(small(count=9_000)))
    left = session(store)
    assert (outcome.state, left.state) == ("stopped", "stopped")
    assert 2_048 <= left.jobs_done < sum(hand.evaluated), "some of it was let go"
    assert run(tools(store), wanted(small(count=9_000))).done == 18_000


def test_asked_to_end_when_only_the_ranking_is_left_it_says_so(store):
    hand = Hand()

    def stop():
        with store.read() as view:
            found = sessions.newest(view)
        return "SIGINT" if found is not None and found.state == "done" else None

    outcome = run(tools(store, hand, stop=stop))
    assert outcome.unranked
    assert outcome.exit_code == Exit.TRY_AGAIN
    assert "daemon session rank 1" in outcome.said
    again = run(tools(store, none))
    assert again.nothing_to_do
    assert again.ranking is not None


def test_failures_of_an_earlier_run_are_said(store):
    run(tools(store, Hand(poison=at(POISON))), wanted(small(count=8)), stop_on_error=True)
    outcome = run(tools(store), wanted(small(count=8)))
    assert "1 job failed before: --retry-failed" in outcome.said
    assert outcome.exit_code == Exit.FAILED
    (first, *_) = outcome.ranking.summary.left_out
    assert (first.reason, first.jobs) == ("error", 1)
    assert first.examples[0].startswith("s_0013: its worker was killed")


def test_asked_to_end_while_blocks_are_half_full_it_repeats_nothing(store):
    planned = in_blocks()
    hand = Hand(seconds=SLOW_S)
    used = tools(store, hand, stop=lambda: "SIGINT" if len(hand.evaluated) >= 5 else None)
    cut = run(used, wanted(planned), rows_max=100)
    assert session(store).jobs_done == 0, "no block was full"
    assert f"{sum(hand.evaluated):,} of them known by now" in cut.said
    rest = Hand()
    outcome = run(tools(store, rest), wanted(planned), rows_max=100)
    assert sum(rest.evaluated) == 20_000 - sum(hand.evaluated)
    assert outcome.known == sum(hand.evaluated)


def test_cancelled_it_ends_within_a_second(store):
    clock, hand = Clock(tick_us=20_000), Hand(seconds=SLOW_S)
    planned = small(count=3_000)

    def cancels(found):
        if len(hand.evaluated) == 2:
            assert "was asked to stop" in asking.cancel(store, clock, "night")
        return found

    hand.meddle = cancels
    outcome = run(tools(store, hand, clock=clock), wanted(planned))
    assert outcome.state == session(store).state == "cancelled"
    assert outcome.exit_code == Exit.FAILED
    assert session(store).jobs_left > 0
    assert run(tools(store), wanted(planned)).state == "done"


def test_one_that_nobody_runs_is_cancelled_at_once(store):
    hand = Hand()
    run(tools(store, hand, stop=lambda: "SIGTERM"), wanted())
    assert "is cancelled" in asking.cancel(store, Clock(), "last")
    assert session(store).state == "cancelled"
    assert "already" in asking.cancel(store, Clock(), "1")
