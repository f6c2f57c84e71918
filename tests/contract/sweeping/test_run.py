"""A session is run once, whoever is in the way and how often it is begun."""

import pytest

from daemon.errors import Exit, InputError
from daemon.market.params import Combinations
from daemon.market.staircase import sweep
from daemon.search.plan import Plan
from daemon.search.space import Axis, Space
from daemon.services.sweeping.keeping import record_single
from daemon.store import history, sessions
from daemon.store.tables import results
from tests.contract.rows import rows_of
from tests.sweeping_kit import Bank, Clock, Hand, job_rows, market, none, run, small, tools, wanted


def session(store, number=1):
    with store.read() as view:
        return sessions.get(view, number)


def test_every_job_has_the_result_of_the_engine(store):
    plan = small()
    outcome = run(tools(store))
    found = job_rows(store, "n", "job_id", "state", "realized_pnl_usd", "total_trades", "attempts")
    swept = sweep(market(), Combinations.of([plan.params(n) for n in range(1, 13)]))
    columns = swept.columns
    expected = [
        (
            n,
            f"s_{n:04}",
            "done",
            columns["realized_pnl_usd"][n - 1],
            columns["total_trades"][n - 1],
            1,
        )
        for n in range(1, 13)
    ]
    assert found == expected
    assert (outcome.state, outcome.done, outcome.failed) == ("done", 12, 0)
    assert (outcome.evaluated, outcome.known, outcome.exit_code) == (12, 0, Exit.DONE)
    now = session(store)
    assert (now.state, now.jobs_done, now.jobs_evaluated, now.layout) == ("done", 12, 12, "rows")
    assert now.finished_at_us
    assert now.ranked_at_us


def test_run_again_it_does_nothing_and_says_so(store):
    first = run(tools(store))
    again = run(tools(store, none))
    assert again.nothing_to_do
    assert again.exit_code == Exit.DONE
    assert again.session_id == first.session_id
    assert "finished as session 1" in again.said
    with store.read() as view:
        kinds = [event["kind"] for event in history.read(view, "events")]
    assert kinds == ["session.finished", "session.nothing_to_do"]


def test_other_data_another_name_or_other_jobs_make_another_session(store):
    run(tools(store))
    for number, (bank, asked) in enumerate(
        [
            (Bank(**{"q.csv": market(seed=2)}), wanted()),
            (Bank(), wanted(name="day")),
            (Bank(), wanted(small(count=5))),
            (Bank(), wanted(small(prefix="t"))),
        ],
        start=2,
    ):
        assert run(tools(store, bank=bank), asked).session_id == number


def test_sessions_share_the_cells_that_they_have_in_common(store):
    run(tools(store), wanted(small(1, 6)))
    hand = Hand()
    outcome = run(tools(store, hand), wanted(small(4, 6), name="later"))
    assert sorted(set(hand.seen)) == [7.0, 8.0, 9.0]
    assert (outcome.known, outcome.evaluated, outcome.done) == (6, 6, 12)
    assert len(rows_of(store, results)) == 18
    assert session(store, 2).jobs_evaluated == 6


def test_data_that_are_other_share_nothing(store):
    run(tools(store))
    hand = Hand()
    run(tools(store, hand, bank=Bank(**{"q.csv": market(seed=2)})))
    assert sum(hand.evaluated) == 12


class Enough(Exception):  # noqa: N818
    """The machine dies here."""


def test_cut_off_anywhere_it_goes_on_where_it_was(store):
    planned = small(count=2_000)

    def dies(found):
        if len(hand.evaluated) == 3:
            raise Enough
        return found

    hand = Hand(meddle=dies)
    with pytest.raises(Enough):
        run(tools(store, hand), wanted(planned))
    before = session(store)
    assert before.state == "stopped"
    assert before.jobs_done == len(job_rows(store))
    assert 0 < before.jobs_done < 4_000
    after = Hand()
    outcome = run(tools(store, after), wanted(planned), resume=True)
    assert outcome.state == "done"
    assert sum(after.evaluated) == 4_000 - before.jobs_done
    assert [n for n, _ in job_rows(store)] == list(range(1, 4_001))


@pytest.mark.parametrize(
    ("bank", "planned", "reason"),
    [
        (Bank(), small(count=3), "other jobs"),
        (Bank(**{"q.csv": market(seed=2)}), small(), "other data"),
    ],
)
def test_what_was_never_run_cannot_be_resumed(store, bank, planned, reason):
    with pytest.raises(InputError, match="never run"):
        run(tools(store, none), resume=True)
    run(tools(store))
    with pytest.raises(InputError, match=reason) as refused:
        run(tools(store, none, bank=bank), wanted(planned), resume=True)
    assert refused.value.exit_code == Exit.INPUT
    assert refused.value.hint


def test_a_session_without_what_must_be_given_is_refused(store):
    empty = Plan(Space({"slippage_bps": 1}, (Axis("min_spread_bps", (1, 2)),)), "q.csv", "s")
    with pytest.raises(InputError, match="taker_fee_a_bps"):
        run(tools(store, none), wanted(empty))
    with pytest.raises(InputError, match="12"):
        run(tools(store, none), max_cells=11)


def test_a_backtest_that_was_run_alone_is_not_run_again_by_a_session(store):
    params = small().params(3)
    found = sweep(market(), Combinations.of([params]))[0]
    for _ in range(2):
        record_single(store, Clock(), market().digest, params, (found, 0.25))
    hand = Hand()
    outcome = run(tools(store, hand))
    assert (outcome.known, sum(hand.evaluated)) == (1, 11)
    (row,) = [row for row in rows_of(store, results) if row["runtime_seconds"] == 0.25]
    assert row["realized_pnl_usd"] == found.realized_pnl_usd
    assert row["metrics"]["rows_processed"] == 400
