"""Sessions and studies on the same data: nothing is run twice, and every trial counts for both."""

from pathlib import Path

import pytest

from daemon.search.space import Axis
from daemon.search.studies.domain import Domain, Real, Whole
from daemon.services.studying.wanted import Budget, Dataset, Pruning
from daemon.services.sweeping.judging import promote as of_sessions
from daemon.services.sweeping.wanted import Wanted
from daemon.store import proposals, rules, sessions, studies, tried
from daemon.store.rules import RuleLimits
from tests.contract.rows import T0
from tests.search_kit import plan
from tests.studying_kit import FIXED, found, run, strict, tools, wanted
from tests.sweeping_kit import DATA, Bank, Hand, market, none
from tests.sweeping_kit import run as run_session
from tests.sweeping_kit import tools as session_tools

GRID = Domain((Real("min_spread_bps", 1, 6, step=1), Whole("max_open_trades", 1, 2)))
"""Twelve cells; the session below has the same."""


def session(count=6, sizes=(1, 2), **changed):
    spreads = Axis("min_spread_bps", tuple(range(1, count + 1)))
    planned = plan(spreads, Axis("max_open_trades", sizes), **(FIXED | changed))
    return Wanted(name="grid", plan=planned, data_path=Path(DATA))


def study(**changed):
    return wanted(**({"domain": GRID, "scheme": None, "budget": Budget(trials=50)} | changed))


def elsewhere(store, session_id=1):
    with store.read() as view:
        found = sessions.get(view, session_id)
        return sessions.elsewhere(view, session_id, found.data_digest)


def besides(store, study_id=1):
    with store.read() as view:
        return tried.besides_study(view, study_id), tried.by_study(view, study_id)


# ── results ──────────────────────────────────────────────────────────────────
def test_what_a_session_has_run_a_study_need_not(store):
    run_session(session_tools(store), session())
    outcome = run(tools(store, none), study())
    assert (outcome.trials, outcome.known, outcome.evaluated) == (12, 12, 0)


def test_what_a_study_has_tried_a_session_need_not(store):
    run(tools(store), study())
    outcome = run_session(session_tools(store, none), session())
    assert (outcome.done, outcome.known, outcome.evaluated) == (12, 12, 0)


def test_what_is_known_changes_nothing_of_what_is_found(backend):
    with backend.opened() as store:
        run(tools(store), study(budget=Budget(trials=9), batch=4))
        alone = found(store)
    with backend.opened() as store:
        run_session(session_tools(store), session(3))
        outcome = run(tools(store), study(budget=Budget(trials=9), batch=4))
        assert 0 < outcome.known < 9
        assert found(store) == alone


def test_a_part_of_the_rows_is_other_data(store):
    run_session(session_tools(store), session())
    hand = Hand()
    outcome = run(tools(store, hand), wanted(domain=GRID, budget=Budget(trials=50)))
    assert outcome.known == 0
    assert sum(hand.evaluated) == 48


# ── counting ─────────────────────────────────────────────────────────────────
def test_trials_of_studies_count_for_sessions_each_combination_once(store):
    run_session(session_tools(store), session(3, (1,)))
    assert elsewhere(store) == 0
    run(tools(store), study())
    assert elsewhere(store) == 9, "twelve, three of which are its own"
    run(tools(store), wanted(domain=GRID, budget=Budget(trials=50)))
    assert elsewhere(store) == 9, "the same twelve on parts of the rows"
    run(
        tools(store),
        wanted(domain=GRID, budget=Budget(trials=50), fixed={**FIXED, "slippage_bps": 2}),
    )
    assert elsewhere(store) == 21


def test_pruned_trials_count_and_those_on_other_data_do_not(store):
    run_session(session_tools(store), session(3, (1,)))
    bank = Bank(**{DATA: market(), "e.csv": market(seed=5)})
    other = (Dataset(symbol="eth", path=Path("e.csv")),)
    run(tools(store, bank=bank), study(data=other))
    assert elsewhere(store) == 0
    outcome = run(tools(store), study(pruning=Pruning(share=0.5, keep=0.25)))
    assert outcome.pruned > 0
    assert elsewhere(store) == 9


def test_trials_of_sessions_and_studies_count_for_a_study(store):
    run(tools(store), study())
    assert besides(store) == (0, 12)
    run_session(session_tools(store), session())
    assert besides(store) == (0, 12), "they are its own"
    run_session(session_tools(store), session(slippage_bps=3))
    assert besides(store) == (12, 12)
    run(tools(store), study(name="other", fixed={**FIXED, "taker_fee_a_bps": 9}))
    assert besides(store) == (24, 12)
    assert besides(store, 2) == (24, 12)


def test_jobs_in_blocks_count_for_a_study(store):
    run(tools(store), study())
    run_session(session_tools(store), session(slippage_bps=3), rows_max=0)
    assert besides(store) == (12, 12)


def test_a_judge_hears_of_all_trials(store):
    run_session(session_tools(store), session(slippage_bps=3))
    run(tools(store), wanted(domain=GRID, budget=Budget(trials=50)))
    with store.read() as view:
        report = studies.report(view, 1)
    assert (report["elsewhere"], report["tried"]) == (12, 12)


# ── proposing ────────────────────────────────────────────────────────────────
def govern(store, *limits):
    policy = rules.Policy(digest="d" * 64, body={"strategy": {"max_step_mult": 2.0}})
    with store.write() as tx:
        rules.adopt_policy(tx, policy, limits, T0)


def limits(value, name="min_spread_bps"):
    return RuleLimits(name=name, init=value, min_value=0.0, max_value=60.0, step=2.0)


def listed(store):
    with store.read() as view:
        return proposals.listed(view)


def test_a_winner_that_was_declared_is_proposed_step_by_step(store):
    govern(store, limits(50.0))
    outcome = run(tools(store), wanted(promote=("min_spread_bps",)))
    (made,) = listed(store)
    goal = outcome.winner["min_spread_bps"]
    assert (made.origin, made.study_id, made.session_id) == ("study", 1, None)
    assert made.base == {"min_spread_bps": 50.0}
    assert made.target == {"min_spread_bps": 46.0}
    assert made.expected["goal"] == {"min_spread_bps": goal}
    assert f"trial {outcome.winner_n} is the winner that study 1 (night) declared" in made.reason
    assert outcome.promoted[0].proposal == made.id
    again = run(tools(store, none), wanted(promote=("min_spread_bps",)))
    assert again.nothing_to_do
    assert "proposal 1 of this finding is pending" in again.promoted[0].said
    assert len(listed(store)) == 1
    _apply(store, 46.0)
    third = run(tools(store, none), wanted(promote=("min_spread_bps",)))
    assert third.promoted[0].proposal == 2
    assert listed(store)[0].target == {"min_spread_bps": 42.0}


def _apply(store, value):
    with store.write() as tx:
        proposals.decide(tx, 1, proposals.APPROVED, "me", T0)
        proposals.carried_out(tx, 1)
        tx.exec_driver_sql(f"UPDATE rules SET value = {value}")


def test_nobody_is_proposed_who_was_not_declared(store):
    govern(store, limits(50.0))
    outcome = run(tools(store), wanted(promote=("min_spread_bps",)), judged_by=strict)
    assert outcome.declared is False
    assert "declared no winner" in outcome.promoted[0].said
    assert not listed(store)


def test_what_is_no_rule_is_told(store):
    outcome = run(tools(store), wanted(promote=("min_spread_bps", "slippage_bps")))
    assert all("no rule is called so" in one.said for one in outcome.promoted)


@pytest.mark.parametrize("names", [(), ("max_open_trades",)])
def test_only_what_the_file_names_is_proposed(store, names):
    govern(store, limits(50.0), limits(50.0, "max_open_trades"))
    run(tools(store), wanted(promote=names))
    assert [set(one.target) for one in listed(store)] == [{name} for name in names]
    assert of_sessions.ORIGIN == "session"
