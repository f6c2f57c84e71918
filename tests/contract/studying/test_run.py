"""A study from its first run to its last: searched fold by fold, and never twice."""

from pathlib import Path

import numpy as np
import pytest

from daemon.errors import Exit, InputError
from daemon.market.staircase import sweep
from daemon.search.studies.domain import Choice, Domain, Profiles, Real, Whole
from daemon.search.studies.objective import Aim, Constraint, Objective
from daemon.services.studying import asking, reading
from daemon.services.studying.layout import sliced
from daemon.services.studying.measuring import drawn
from daemon.services.studying.wanted import Budget, Dataset, Pruning
from daemon.store import studies, trials
from daemon.store.tables import results, trial_results
from tests.contract.rows import rows_of
from tests.studying_kit import FIXED, SMOOTH, found, row_of, run, strict, tools, wanted
from tests.sweeping_kit import Bank, Hand, market, none

SMALL = Domain((Real("min_spread_bps", 1, 10, step=1), Whole("max_open_trades", 1, 2)))
"""20 cells."""


def folds(store, number=1):
    with store.read() as view:
        return studies.folds(view, number)


def records(store, number=1):
    with store.read() as view:
        study = studies.get(view, number)
    return list(reading.trials_of(store, study))


def cells(store, fold):
    return [one.row.cell for one in records(store) if one.row.fold == fold]


# ── the whole of it ──────────────────────────────────────────────────────────
def test_each_fold_is_searched_on_its_training_rows_and_tried_on_its_test_rows(store):
    outcome = run(tools(store))
    assert (outcome.state, outcome.exit_code, outcome.trials) == ("done", Exit.DONE, 48)
    quotes, aim = market(), Aim()
    asked = wanted()
    for fold, (train, test) in enumerate(
        [(range(235), range(240, 320)), (range(315), range(320, 400))], 1
    ):
        mine = [one for one in records(store) if one.row.fold == fold]
        points = [asked.domain.snap(one.row.params) for one in mine]
        combinations = drawn(asked, points).combinations
        expected = aim.values(sweep(sliced(quotes, train), combinations).columns)[:, 0]
        unseen = aim.values(sweep(sliced(quotes, test), combinations).columns)[:, 0]
        assert [one.row.value for one in mine] == expected.tolist()
        assert [one.row.oos_value for one in mine] == unseen.tolist()
        ended = folds(store)[fold - 1]
        best = int(np.argmax(expected))
        assert ended.chosen_n == mine[best].row.n
        assert (ended.value, ended.oos_value) == (expected[best], unseen[best])
    study = row_of(store)
    assert (study["declared"], study["winner_n"]) == (1, folds(store)[-1].chosen_n)
    assert study["runner"] is None
    assert outcome.winner == records(store)[study["winner_n"] - 1].row.params


def test_a_trial_has_a_number_that_a_larger_budget_does_not_change(store):
    run(tools(store))
    numbers = [(one.row.n, one.row.fold, one.row.batch) for one in records(store)]
    assert numbers[:4] == [(1, 1, 1), (2, 2, 1), (3, 1, 1), (4, 2, 1)]
    assert [n for n, _, _ in numbers] == list(range(1, 49))


def test_what_is_finished_is_not_run_again(store):
    first = run(tools(store))
    before = found(store)
    again = run(tools(store, none))
    assert again.nothing_to_do
    assert (again.exit_code, again.winner_n) == (Exit.DONE, first.winner_n)
    assert "nothing to do" in again.said
    assert found(store) == before


def test_with_a_larger_budget_the_same_study_goes_on_and_finds_what_it_would_have(backend):
    with backend.opened() as once:
        run(tools(once), wanted(budget=Budget(trials=48)))
        whole = found(once)
    with backend.opened() as twice:
        run(tools(twice), wanted(budget=Budget(trials=16)))
        outcome = run(tools(twice), wanted(budget=Budget(trials=48)))
        assert (outcome.study_id, outcome.trials, outcome.evaluated) == (1, 96, 64)
        assert found(twice) == whole


def test_no_fold_has_a_cell_twice_though_the_sampler_proposes_some_again(store):
    outcome = run(tools(store), wanted(budget=Budget(trials=100), batch=10))
    assert outcome.trials == 200
    for fold in (1, 2):
        assert len(set(cells(store, fold))) == len(cells(store, fold)) == 100


def test_a_domain_that_is_exhausted_ends_its_folds(store):
    hand = Hand()
    outcome = run(tools(store, hand), wanted(domain=SMALL))
    assert outcome.trials == 40
    assert {fold.ended for fold in folds(store)} == {"its trials are used up"}
    assert sum(hand.evaluated) == 80, "each cell once on each part of each fold"
    more = run(tools(store, none), wanted(domain=SMALL, budget=Budget(trials=500)))
    assert more.nothing_to_do


def test_without_folds_all_rows_are_searched_and_nothing_is_tested(store):
    outcome = run(tools(store), wanted(scheme=None))
    assert outcome.trials == 24
    assert all(one.row.oos_value is None for one in records(store))
    assert {row["part"] for row in rows_of(store, trial_results)} == {"train"}


def test_two_studies_of_the_same_data_share_their_results(store):
    run(tools(store))
    hand = Hand()
    outcome = run(tools(store, hand), wanted(name="other"))
    assert (outcome.study_id, outcome.known, outcome.evaluated) == (2, 48, 0)
    assert not hand.evaluated
    assert found(store, 1) == found(store, 2)


def test_whoever_asks_something_else_has_another_study(store):
    run(tools(store))
    run(tools(store), wanted(seed=4))
    run(tools(store), wanted(batch=4))
    run(tools(store), wanted(fixed={**FIXED, "slippage_bps": 1}))
    assert [study.id for study in _listed(store)] == [4, 3, 2, 1]
    assert run(tools(store, none), wanted(promote=("x",), max_results=3)).study_id == 1


def _listed(store):
    with store.read() as view:
        return studies.listed(view, 10)


def test_who_wants_to_go_on_with_nothing_is_told_so(store):
    with pytest.raises(InputError, match="never run"):
        run(tools(store), resume=True)
    run(tools(store))
    with pytest.raises(InputError, match="asks something else"):
        run(tools(store), wanted(seed=9), resume=True)
    with pytest.raises(InputError, match="other data"):
        run(tools(store, bank=Bank(**{"q.csv": market(seed=2)})), resume=True)
    assert run(tools(store, none), resume=True).nothing_to_do


def test_too_few_rows_are_no_study(store):
    with pytest.raises(InputError, match="btc"):
        run(tools(store, bank=Bank(**{"q.csv": market(60)})))
    assert not _listed(store)


# ── what is wanted ───────────────────────────────────────────────────────────
def test_a_constraint_keeps_the_best_from_being_chosen(store):
    aim = Aim(constraints=(Constraint("total_trades", max=40),))
    run(tools(store), wanted(aim=aim))
    for fold in folds(store):
        mine = [one.row for one in records(store) if one.row.fold == fold.fold]
        sound = [row for row in mine if row.violation == 0]
        assert 0 < len(sound) < len(mine)
        assert fold.value == max(row.value for row in sound)
        assert fold.value < max(row.value for row in mine)


def test_where_nothing_holds_nothing_is_chosen(store):
    aim = Aim(constraints=(Constraint("total_trades", min=10_000),))
    outcome = run(tools(store), wanted(aim=aim))
    assert [fold.chosen_n for fold in folds(store)] == [None, None]
    assert (outcome.winner_n, outcome.declared, outcome.exit_code) == (None, False, Exit.DONE)


def test_several_objectives_are_kept_side_by_side(store):
    aim = Aim((Objective("realized_pnl_usd"), Objective("max_drawdown_pct", maximize=False)))
    run(tools(store), wanted(aim=aim))
    for one in records(store):
        metrics = one.metrics["btc"]["train"]
        assert one.row.values == [metrics["realized_pnl_usd"], metrics["max_drawdown_pct"]]
        assert one.row.value == metrics["realized_pnl_usd"]


def test_what_the_engine_refuses_is_a_trial_that_failed(store):
    domain = Domain((Real("max_position_usd", -5, 5, step=1), Real("min_spread_bps", 1, 9)))
    outcome = run(tools(store), wanted(domain=domain, fixed={**FIXED, "min_spread_bps": 1}))
    failed = [one.row for one in records(store) if one.row.state == "failed"]
    assert outcome.failed == len(failed) > 0
    assert outcome.done == 48 - len(failed) > 0
    assert all("max_position_usd is" in row.error and row.values is None for row in failed)
    assert outcome.exit_code == Exit.DONE
    assert outcome.failures[0][1] == failed[0].error


def test_where_everything_fails_the_run_has_failed(store):
    domain = Domain((Real("max_position_usd", -5, -1), Whole("max_open_trades", 1, 3)))
    outcome = run(
        tools(store, none),
        wanted(domain=domain, fixed={**FIXED, "min_spread_bps": 3}),
        judged_by=strict,
    )
    assert (outcome.state, outcome.done, outcome.exit_code) == ("done", 0, Exit.FAILED)


def test_profiles_and_conditions_reach_the_backtest(store):
    domain = Domain(
        (
            Profiles(
                "zone",
                {
                    "calm": {"min_spread_bps": 5, "slippage_bps": 0},
                    "wild": {"min_spread_bps": 12, "slippage_bps": 1},
                },
            ),
            Choice("exit_model", ("quoted", "convergence")),
            Real("stop_on_drawdown_pct", 0.5, 5, when={"exit_model": "quoted"}),
        )
    )
    fixed = {k: v for k, v in FIXED.items() if k not in {"exit_model", "slippage_bps"}}
    run(tools(store), wanted(domain=domain, fixed=fixed))
    params = {row["key"]: row["params"] for row in rows_of(store, results)}
    assert {(one["min_spread_bps"], one["slippage_bps"]) for one in params.values()} == {
        (5, 0),
        (12, 1),
    }
    for one in params.values():
        assert (one["stop_on_drawdown_pct"] is None) == (one["exit_model"] == "convergence")


# ── rungs ────────────────────────────────────────────────────────────────────
def test_the_worse_part_of_a_batch_is_pruned_after_a_share_of_the_rows(store):
    hand = Hand()
    asked = wanted(pruning=Pruning(share=0.25, keep=0.5), scheme=None)
    outcome = run(tools(store, hand), asked)
    assert (outcome.done, outcome.pruned, outcome.trials) == (12, 12, 24)
    for batch in (1, 2, 3):
        mine = [one for one in records(store) if one.row.batch == batch]
        probed = {one.row.n: one.metrics["btc"]["probe"]["realized_pnl_usd"] for one in mine}
        kept = {one.row.n for one in mine if one.row.state == "done"}
        assert len(kept) == 4
        worst = min(probed[n] for n in kept)
        assert all(probed[n] <= worst for n in probed.keys() - kept)
        assert all("train" not in one.metrics["btc"] for one in mine if one.row.n not in kept)
    with store.read() as view:
        spans = {part.part: (part.first_row, part.last_row) for part in studies.parts(view, 1)}
    assert spans == {"train": (0, 399), "probe": (300, 399)}


def test_what_is_pruned_does_not_depend_on_what_is_known(backend):
    asked = wanted(pruning=Pruning(share=0.5, keep=0.25))
    with backend.opened() as fresh:
        run(tools(fresh), asked)
        whole = found(fresh)
    with backend.opened() as used:
        run(tools(used), wanted(name="before", pruning=Pruning(share=0.5, keep=1)))
        outcome = run(tools(used), asked)
        assert outcome.known > 0
        assert found(used, 2) == whole


# ── several symbols ──────────────────────────────────────────────────────────
def two(weight=3.0):
    return (
        Dataset(symbol="btc", path=Path("q.csv")),
        Dataset(symbol="eth", path=Path("e.csv"), weight=weight),
    )


def test_several_symbols_are_evaluated_alone_and_pooled(store):
    bank = Bank(**{"q.csv": market(), "e.csv": market(300, seed=5)})
    run(tools(store, bank=bank), wanted(data=two()))
    for one in records(store):
        btc, eth = (one.metrics[name]["train"]["realized_pnl_usd"] for name in ("btc", "eth"))
        assert one.row.value == pytest.approx(btc + 3 * eth, rel=1e-12)
        btc, eth = (one.metrics[name]["test"]["realized_pnl_usd"] for name in ("btc", "eth"))
        assert one.row.oos_value == pytest.approx(btc + 3 * eth, rel=1e-12)
    with store.read() as view:
        parts = {(part.fold, part.symbol, part.part) for part in studies.parts(view, 1)}
    assert len(parts) == 8
    alone = run(tools(store, Hand(), bank=bank), wanted(name="alone"))
    assert alone.known > 0, "a symbol's results are anybody's"


# ── looking at it ────────────────────────────────────────────────────────────
def test_a_study_is_found_listed_and_shown(store):
    used = tools(store)
    run(used, wanted(domain=SMOOTH))
    assert [asking.find(store, ref).id for ref in ("night", "1", "last")] == [1, 1, 1]
    with pytest.raises(asking.UnknownStudy, match="nigt"):
        asking.find(store, "nigt")
    table = asking.listed(store, used.clock)
    assert (len(table.rows), table.rows[0][:3]) == (1, (1, "night", "done"))
    shown = asking.shown(store, used.clock, "night", places=3)
    assert [one["rank"] for one in shown["ranking"]] == [1, 2, 3]
    assert shown["ranking"][0]["chosen"]
    assert shown["ranking"][0]["winner"]
    assert shown["progress"] == 1
    assert [len(fold["rows"]) for fold in shown["walk"]] == [2, 2]
    assert "already" in asking.cancel(store, used.clock, "1")


def test_the_leaderboard_shows_both_ranks_of_every_fold(store):
    run(tools(store))
    with store.read() as view:
        rows = view.exec_driver_sql(
            "SELECT fold, rank, trial, chosen, declared FROM study_leaderboard ORDER BY fold, rank"
        ).all()
    assert len(rows) == 48
    assert [tuple(row)[3:] for row in rows if row[1] == 1] == [(1, 0), (1, 1)]
    with store.read() as view:
        assert [row.rank for row in trials.best(view, 1, 2, 3)] == [1, 2, 3]


def test_a_study_goes_on_with_the_rows_that_it_began_with(store):
    """Where somebody has kept them: the file has grown since."""
    bank = Bank(**{"q.csv": market(), "kept": market()})
    run(tools(store, bank=bank), wanted(budget=Budget(trials=8)))
    bank.files["q.csv"] = market(500, digest="e" * 64)
    more = run(tools(store, bank=bank), wanted(budget=Budget(trials=16)), data_of=1)
    assert (more.study_id, more.trials) == (1, 32)
    del bank.files["kept"]
    anew = run(tools(store, bank=bank), data_of=1)
    with store.read() as view:
        assert studies.get(view, anew.study_id).data_digest == "e" * 64
