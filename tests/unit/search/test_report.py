"""The report on a session: everything at once, from quotes to plain JSON."""

import json

import numpy as np
import pytest

from daemon.market.params import Combinations
from daemon.market.simulator import backtest
from daemon.market.staircase import sweep
from daemon.search.grid import Grid
from daemon.search.ranking import ANY, Filters, rank
from daemon.search.report import examine
from daemon.search.space import Axis, Space
from daemon.search.trials import Trials, evenly
from tests.market_kit import ab, assert_same, quotes

FIXED = {
    "taker_fee_a_bps": 1,
    "taker_fee_b_bps": 1,
    "slippage_bps": 2,
    "max_position_usd": 1000,
    "exit_model": "quoted",
}
SPREADS = Axis("min_spread_bps", (40, 10, 20, 30))
SLIPPAGES = Axis("slippage_bps", (1, 2, 3))


@pytest.fixture(scope="module")
def market():
    """Two venues that drift apart and together again, each with a spread of its own."""
    rng = np.random.default_rng(9)
    apart, rows = 0.0, []
    for step in rng.normal(0, 20, 800).tolist():
        apart = 0.8 * apart + step
        middle = 100 * (1 + apart / 1e4)
        rows.append((99.95, 100.05, middle - 0.05, middle + 0.05))
    return quotes(rows)


def session(market, axes=(SPREADS, SLIPPAGES), limit=None, **changed):
    """A session that ran, ready to be examined."""
    space = Space(FIXED | changed, tuple(axes), limit)
    drawn = space.draw(np.arange(space.jobs))
    return Trials(
        columns=sweep(market, drawn.combinations).columns,
        done=np.ones(space.jobs, np.bool_),
        grid=Grid.of(space.axes, space.jobs),
        quotes=market,
        draw=lambda indices: space.draw(indices).combinations,
    )


def told(trials, filters=ANY):
    jobs = np.arange(1, len(trials.done) + 1)
    ranked = rank(trials.columns, jobs, filters, done=trials.done)
    return ranked, examine(trials, ranked, filters)


def changed(trials, **parts):
    names = ("columns", "done", "grid", "quotes", "draw", "elsewhere")
    return Trials(**{name: getattr(trials, name) for name in names} | parts)


def test_a_session_is_told_in_plain_json(market):
    _, report = told(session(market))
    document = report.document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert set(document) == {"robust", "dead_axes", "same", "unchanged", "luck"}
    assert document["robust"]["axes"] == ["min_spread_bps", "slippage_bps"]
    assert document["robust"]["n"] == report.robust.best + 1
    assert document["luck"]["trials"] == 12
    assert 1 <= document["luck"]["effective_trials"] <= 4  # one slippage, four thresholds
    assert 0 <= document["luck"]["pbo"] <= 1
    assert 0 <= document["luck"]["deflated_sharpe"] <= 1


def test_an_axis_that_the_engine_never_feels_is_found(market):
    deaf = Axis("max_open_trades", (500, 600))
    _, report = told(session(market, axes=(SPREADS, deaf)))
    assert report.document()["dead_axes"] == ["max_open_trades"]
    alive = Axis("max_open_trades", (1, 2, 900, 800))
    found = told(session(market, axes=(SPREADS, alive)))[1].document()
    assert found["dead_axes"] == []
    assert {"axis": "max_open_trades", "values": [800, 900]} in found["same"]


def test_thresholds_of_the_best_are_told_and_hold(market):
    trials = session(market)
    ranked, report = told(trials)
    assert [one["n"] - 1 for one in report.document()["unchanged"]] == ranked.places[:10].tolist()
    for one in report.document()["unchanged"][:3]:
        params = trials.draw(np.array([one["n"] - 1]))[0]
        edge = Space({**params.document(), "min_spread_bps": one["min_spread_bps_to"]}).params(0)
        assert_same(backtest(market, edge), backtest(market, params))


def test_trials_elsewhere_make_a_winner_less_convincing(market):
    trials = session(market)
    alone = told(trials)[1].luck
    among = told(changed(trials, elsewhere=5_000))[1].luck
    assert among.trials == 5_012
    assert alone.trials == 12
    assert among.effective_trials > alone.effective_trials
    assert among.deflated.expected_best > alone.deflated.expected_best
    assert among.deflated.probability < alone.deflated.probability
    assert among.overfitting == alone.overfitting


def test_jobs_that_are_no_grid_have_no_axes(market):
    document = told(changed(session(market), grid=None))[1].document()
    assert document["robust"] is None
    assert document["dead_axes"] == document["same"] == []
    assert document["luck"] is not None


def test_without_quotes_nothing_is_said_that_needs_them(market):
    document = told(changed(session(market), quotes=None))[1].document()
    assert document["luck"] is None
    assert document["unchanged"] == []
    assert document["robust"]["n"] is not None


def test_where_nobody_is_ranked_nobody_is_weighed(market):
    ranked, report = told(session(market), Filters(min_trades=10_000))
    assert len(ranked) == 0
    assert report.document()["luck"] is None
    assert report.document()["robust"] == {"n": None, "axes": ["min_spread_bps", "slippage_bps"]}
    nothing = told(changed(session(market), done=np.zeros(12, np.bool_)))[1].document()
    assert nothing["dead_axes"] == []
    assert nothing["luck"] is None


def test_failed_jobs_are_never_drawn(market):
    trials = session(market)
    done = trials.done.copy()
    done[[0, 5]] = False
    asked = []

    def draw(indices):
        asked.extend(indices.tolist())
        return trials.draw(indices)

    found = told(changed(trials, done=done, draw=draw))[1].luck
    assert found.trials == 10
    assert not {0, 5} & {*asked}


# ── what cannot be said ──────────────────────────────────────────────────────
def test_convergence_is_not_taken_for_skill(market):
    found = told(session(market, exit_model="convergence"))[1].luck
    assert any("no trade can lose" in note for note in found.notes)


def test_a_winner_without_trades_has_no_ratio(market):
    dear = Axis("min_spread_bps", (1_000, 2_000))
    found = told(session(market, axes=(dear,)))[1].luck
    assert found.deflated is None
    assert found.overfitting is None
    assert any("0 closed trades" in note for note in found.notes)
    assert any("nothing to choose" in note for note in found.notes)


def test_too_few_rows_are_not_cut():
    found = told(session(quotes([ab(30), ab(-1)] * 10)))[1].luck
    assert found.overfitting is None
    assert found.effective_trials == 4
    assert any("20 rows" in note for note in found.notes)


def test_results_without_ratios_say_so(market):
    trials = session(market)
    columns = {name: column for name, column in trials.columns.items() if "sharpe" not in name}
    found = told(changed(trials, columns=columns))[1].luck
    assert found.deflated is None
    assert found.overfitting is not None
    assert any("no Sharpe ratios" in note for note in found.notes)


def test_a_stop_begins_anew_in_every_slice_and_that_is_said(market):
    found = told(session(market, stop_on_drawdown_pct=50))[1].luck
    assert any("begins anew" in note for note in found.notes)


def test_who_pays_more_is_no_rival(market):
    """That less slippage is better is no discovery, and must not look like one."""
    dear = Axis("slippage_bps", (2, 20, 40))
    alone = told(session(market, axes=(SPREADS,)))[1].luck
    among = told(session(market, axes=(SPREADS, dear)))[1].luck
    assert among.overfitting == alone.overfitting
    assert among.effective_trials == alone.effective_trials
    assert among.deflated == alone.deflated
    assert any("4 of 12 jobs have the winner's costs" in note for note in among.notes)
    assert not any("jobs have" in note for note in alone.notes)


def test_where_only_costs_and_sizes_vary_nothing_was_chosen(market):
    sizes = Axis("max_position_usd", (100, 1_000))
    found = told(session(market, axes=(sizes, SLIPPAGES), min_spread_bps=10))[1].luck
    assert found.overfitting is None
    assert found.effective_trials == 1
    assert found.deflated.expected_best == 0
    assert any("nothing to choose" in note for note in found.notes)


def test_of_very_many_trials_some_speak_for_all(market):
    many = Axis("min_spread_bps", tuple(step / 100 for step in range(1_100)))
    trials = session(market, axes=(many,))
    found = told(trials)[1].luck
    assert found.trials == 1_100
    assert any("of 1,100 jobs were looked at" in note for note in found.notes)


def test_samples_lie_evenly():
    some = evenly(np.arange(1_000), 100)
    assert len(some) == len(np.unique(some)) == 100
    assert np.histogram(some, 10, (0, 1_000))[0].min() >= 8
    assert 30 <= np.count_nonzero(some % 2) <= 70
    assert evenly(np.arange(7), 7).tolist() == list(range(7))


def test_columns_may_be_read_one_at_a_time(market):
    trials = session(market)

    class Lazy(dict):
        def __getitem__(self, name):
            return trials.columns[name].copy()

    lazy = Lazy(dict.fromkeys(trials.columns))
    assert told(changed(trials, columns=lazy))[1].document() == told(trials)[1].document()


def test_combinations_are_asked_for_as_the_engine_takes_them(market):
    assert isinstance(session(market).draw(np.arange(2)), Combinations)
