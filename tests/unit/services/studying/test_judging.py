"""Judging studies: winners that are declared and winners that are not, and what is said of them."""

import dataclasses
import json
import math
from functools import cache

import numpy as np
import pytest

from daemon.market.quotes import Quotes
from daemon.search.studies.domain import Choice, Domain, Profiles, Real
from daemon.search.studies.objective import Aim, Constraint, Objective
from daemon.services.studying import stressing, weighing
from daemon.services.studying.judging import judge_study
from daemon.services.studying.wanted import Stress
from tests.judging_kit import DOMAIN, FIXED, evidence, gaps, wanted

ROWS = 1_500


@cache
def market(wins=0.95, seed=1):
    return gaps(ROWS, wins, seed)


def judged(asked=None, quotes=None, suspicious=None, **others):
    asked = asked or wanted()
    found = evidence(asked, quotes or {"x": market()}, **others)
    return found, judge_study(None, found, suspicious)


def gate(told, name):
    return next(one for one in told.report["judgement"]["gates"] if one["name"] == name)


# ── who is declared ──────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def edge():
    return judged()


@pytest.fixture(scope="module")
def noise():
    """Gaps that close as often as it takes to bring nothing on average."""
    return judged(quotes={"x": market(wins=0.66, seed=3)})


def test_a_true_edge_is_declared(edge):
    found, told = edge
    assert told.declared, told.said
    last = found.folds[-1]
    assert told.winner_n == last.numbers[last.chosen]
    assert told.said == f"trial {told.winner_n} is declared the winner: all 11 gates hold"


def test_noise_is_not(noise):
    _, told = noise
    assert not told.declared
    assert not gate(told, "reality_check")["held"]
    assert told.winner_n is not None
    assert told.report["judgement"]["next"]


def test_reports_are_json_as_it_is_written_everywhere(edge, noise):
    for _, told in (edge, noise):
        assert json.loads(json.dumps(told.report, allow_nan=False)) == told.report


def test_the_same_evidence_is_judged_alike(edge):
    found, told = edge
    assert judge_study(None, found).report == told.report


# ── what is said ─────────────────────────────────────────────────────────────
def test_trials_are_ranked_on_both_sides_of_the_seam(edge):
    found, told = edge
    places = {place.n: place for place in told.places}
    assert len(places) == sum(len(fold.numbers) for fold in found.folds)
    for fold, said in zip(found.folds, told.report["folds"], strict=True):
        mine = [places[n] for n in fold.numbers.tolist()]
        assert min(place.rank for place in mine) == 1
        assert min(place.oos_rank for place in mine) == 1
        best = places[said["chosen_n"]]
        assert best.rank == 1
        assert best.oos_rank == said["oos_rank"]
        assert -1 <= said["rank_correlation"] <= 1
    assert places[told.winner_n].robust_rank is not None
    first = {*found.folds[0].numbers.tolist()}
    assert all(places[n].robust_rank is None for n in first)


def test_out_of_sample_results_are_stitched(edge):
    found, told = edge
    together = told.report["out_of_sample"]
    assert together["folds"] == 2
    parts = [fold["oos_pnl_usd"] for fold in told.report["folds"]]
    assert together["pnl_usd"] == pytest.approx(sum(parts))
    for fold, brought in zip(found.folds, parts, strict=True):
        columns = fold.test_columns
        both = columns["realized_pnl_usd"] + columns["unrealized_pnl_usd"]
        assert brought == pytest.approx(both[fold.chosen])
    assert together["trades"] > 0


def test_stress_ranks_the_best_again(edge):
    _, told = edge
    kinds = [kind["name"] for kind in told.report["stress"]["kinds"]]
    assert kinds == ["none", "costs", "shift"]
    trials = told.report["stress"]["trials"]
    assert trials[0]["n"] == told.winner_n
    for trial in trials:
        assert trial["pnl_usd"]["costs"] < trial["pnl_usd"]["none"]
    ranks = sorted(trial["rank"]["costs"] for trial in trials)
    assert ranks[0] == 1


def test_neighbours_of_the_best_are_probed(edge):
    _, told = edge
    flat = told.report["plateau"]
    assert flat["probes"] > 0
    assert flat["trials"][0]["n"] == told.winner_n
    assert flat["trials"][0]["neighbours"] >= 2
    assert {one["robust_rank"] for one in flat["trials"]} >= {1}


def test_the_map_names_every_axis(edge):
    _, told = edge
    assert set(told.report["importance"]["axes"]) == {axis.name for axis in DOMAIN.axes}
    assert told.report["contours"][0]["axes"] == [axis.name for axis in DOMAIN.axes]


def test_all_that_was_ever_tried_on_the_data_counts(edge):
    found, told = edge
    _, crowded = judged(elsewhere=1_000_000)
    one, other = told.report["luck"], crowded.report["luck"]
    assert other["trials"] == one["trials"] + 1_000_000
    assert other["effective_trials"] > one["effective_trials"]
    assert other["deflated_sharpe"] < one["deflated_sharpe"]
    assert one["compared"] <= sum(len(fold.points) for fold in found.folds)


# ── other studies ────────────────────────────────────────────────────────────
def test_without_rows_held_back_there_is_nothing_out_of_sample():
    _, told = judged(wanted(scheme=None))
    assert not told.declared
    failed = [one for one in told.report["judgement"]["gates"] if not one["held"]]
    assert [(one["name"], one["value"]) for one in failed] == [("out_of_sample", None)]
    assert told.report["out_of_sample"] is None
    assert told.report["winner"]["oos_value"] is None
    assert told.report["folds"][0]["test"] == {"x": None}
    assert all(place.oos_rank is None for place in told.places)


def test_trades_that_cannot_lose_are_never_declared():
    _, told = judged(wanted(fixed=FIXED | {"exit_model": "convergence"}))
    assert not told.declared
    assert not gate(told, "exits")["held"]
    assert told.warnings


def test_nobody_wins_where_nobody_keeps_the_constraints():
    aim = Aim(constraints=(Constraint("total_trades", min=1e6),))
    _, told = judged(wanted(aim=aim))
    assert not told.declared
    assert told.winner_n is None
    assert told.report["winner"] is None
    assert "constraints" in told.said
    assert len(told.places) > 0
    assert told.report["folds"][0]["chosen_n"] is None


def test_a_study_without_trials_is_judged_too():
    _, told = judged(trials=0)
    assert told.winner_n is None
    assert told.places == ()


def test_several_objectives_choose_a_compromise():
    aim = Aim((Objective("realized_pnl_usd"), Objective("max_drawdown_pct", maximize=False)))
    _, told = judged(wanted(aim=aim))
    assert told.report["winner"]["rank"] == 1


def test_profiles_and_conditions_are_searched_like_anything_else():
    domain = Domain(
        (
            Profiles("zone", {"calm": {"min_spread_bps": 2.0}, "wild": {"min_spread_bps": 9.0}}),
            Choice("max_open_trades", (1, 2)),
            Real("stop_on_drawdown_pct", 1, 20, when={"zone": "wild"}),
        )
    )
    _, told = judged(wanted(domain=domain))
    assert told.report["luck"]["crowd"] > 2
    assert set(told.report["importance"]["axes"]) == {axis.name for axis in domain.axes}
    assert told.report["winner"]["point"]["zone"] in {"calm", "wild"}


def test_a_run_that_was_stopped_counts_up_to_where_it_was():
    quotes = {"x": market(wins=0.3, seed=5)}
    found, told = judged(wanted(fixed=FIXED | {"stop_on_drawdown_pct": 0.5}, scheme=None), quotes)
    fold = found.folds[0]
    assert fold.train_columns["stopped"][fold.chosen]
    assert gate(told, "profit")["value"] == pytest.approx(
        fold.train_columns["realized_pnl_usd"][fold.chosen]
    )
    assert not told.declared


def test_where_nobody_trades_nobody_is_declared():
    domain = Domain((Real("min_spread_bps", 5_000, 6_000),))
    _, told = judged(wanted(domain=domain))
    assert not told.declared
    luck = told.report["luck"]
    assert (luck["pbo"], luck["reality_check"], luck["deflated_sharpe"]) == (None, None, None)
    assert "there was nothing to choose" in luck["notes"][0]
    assert told.report["importance"]["note"] is not None


# ── several symbols ──────────────────────────────────────────────────────────
def test_symbols_are_ranked_alone_and_together():
    quotes = {"btc": market(), "eth": gaps(1_100, 0.9, seed=2)}
    found, told = judged(quotes=quotes, weights={"eth": 2.0})
    symbols = {one["symbol"]: one for one in told.report["symbols"]}
    assert symbols["eth"]["weight"] == 2.0
    last = found.folds[-1]
    for name, said in symbols.items():
        column = last.by_symbol[name][0]["realized_pnl_usd"]
        assert said["best_n"] == last.numbers[int(np.argmax(column))]
        assert said["trials"][0]["n"] == told.winner_n
    winner = told.report["winner"]
    parts = [one["trials"][0]["value"] * one["weight"] for one in symbols.values()]
    assert winner["value"] == pytest.approx(sum(parts))


def test_symbols_without_moments_share_bins_by_rows():
    quotes = {name: Quotes(*market(seed=seed).prices) for name, seed in (("a", 1), ("b", 2))}
    found = evidence(wanted(), quotes)
    gains = weighing.gains_of(found, found.folds[0].params)
    total = [
        stressing._plain(found, found.folds[0].params),
        gains.sum(axis=0),
    ]
    assert np.allclose(*total)


# ── rows that nobody believes ────────────────────────────────────────────────
def test_a_winner_made_by_bad_ticks_is_exposed():
    """Rows on which B's prices slipped by a percent: who takes them seems to be rich."""
    plain = market(wins=0.5, seed=4)
    bad = np.zeros(ROWS, np.bool_)
    bad[20::40] = True
    slip = np.where(bad, 1.01, 1.0)
    bid_a, ask_a, bid_b, ask_b = plain.prices
    sick = Quotes(bid_a, ask_a, bid_b * slip, ask_b * slip, plain.at_us)
    _, blind = judged(quotes={"x": sick})
    _, seeing = judged(quotes={"x": sick}, suspicious={"x": bad})
    assert gate(blind, "profit")["value"] > 0
    assert not gate(seeing, "stress_masked")["held"]
    assert not seeing.declared
    assert "without 37 suspicious rows" in gate(seeing, "stress_masked")["text"]


def test_other_stress_can_be_asked_for():
    _, told = judged(wanted(stress=Stress(costs_pct=0, shift_rows=3)))
    kinds = told.report["stress"]["kinds"]
    assert [kind["name"] for kind in kinds] == ["none", "shift"]
    assert kinds[1]["said"] == "with B's orders filled 3 rows later"


# ── limits ───────────────────────────────────────────────────────────────────
def test_of_very_many_trials_some_are_weighed(edge):
    found, _ = edge
    last = found.folds[-1]
    told = weighing.weigh(found, last.params[last.chosen], most=10)
    assert told.compared <= 10
    assert "evenly spread" in told.notes[0]


def test_very_few_rows_are_judged_as_far_as_they_go():
    quotes = {"x": gaps(60, 0.9)}
    _, told = judged(wanted(scheme=None), quotes)
    assert not told.declared
    assert told.report["luck"]["reality_check"] is None
    assert gate(told, "reality_check")["value"] is None
    few = evidence(wanted(scheme=None), quotes)
    short = dataclasses.replace(few, data=(dataclasses.replace(few.data[0], quotes=gaps(31, 0.9)),))
    assert "too few rows" in weighing.weigh(short, few.folds[0].params[0]).notes[0]


def test_who_wants_it_to_end_is_heard():
    calls = []

    def go_on():
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt

    found = evidence(wanted(), {"x": market()}, go_on=go_on)
    with pytest.raises(KeyboardInterrupt):
        judge_study(None, found)


def test_figures_of_the_winner_are_those_of_its_trial(edge):
    found, told = edge
    winner, last = told.report["winner"], found.folds[-1]
    assert winner["value"] == pytest.approx(last.values[last.chosen, 0])
    assert winner["metrics"]["total_trades"] == last.train_columns["total_trades"][last.chosen]
    assert winner["oos_metrics"]["total_trades"] == last.test_columns["total_trades"][last.chosen]
    assert winner["params"]["min_spread_bps"] == last.points[last.chosen]["min_spread_bps"]
    assert math.isfinite(told.report["luck"]["effective_trials"])
