"""Mistakes that people make in sessions: each is caught, and sane sessions hear of none."""

import copy
import math

import numpy as np
import pytest

from daemon.config.session_file import SessionRefused, session_of
from daemon.market.quotes import Quotes
from daemon.search.costs import costs_of, lists_of
from daemon.search.notes import Note, listed, plural
from daemon.search.plan import Plan
from daemon.search.preflight import look
from daemon.search.space import Axis, Space
from daemon.search.suspicions import fitting_rate
from tests.market_kit import START_US, ab, ba, quotes
from tests.search_kit import plan

SANE = {
    "data_file": "q.csv",
    "min_spread_bps": 30,
    "taker_fee_a_bps": 5,
    "taker_fee_b_bps": 5,
    "slippage_bps": 2,
    "max_position_usd": 1000,
    "exit_model": "quoted",
    "stop_on_drawdown_pct": 20,
    "grids": [{"name": "min_spread_bps", "values": [20, 30, 40]}],
}


def market(rows=400, widest=80.0, rate=1.0):
    """Two venues whose difference swings; the widest spread in bps. B quotes in coins of a rate."""
    swing = widest * np.sin(np.arange(rows) / 5)
    table = np.array([ab(bps) if bps >= 0 else ba(-bps) for bps in swing])
    table[:, 2:] /= rate
    return quotes(table)


def session(**changed):
    values = copy.deepcopy(SANE) | changed
    return {name: value for name, value in values.items() if value is not None}


def grid(name, *values):
    return {"name": name, "values": list(values)}


def caught(values, market_):
    """Everything that is said of a session: why it is refused, or the codes of its notes."""
    try:
        loaded = session_of(values)
    except SessionRefused as error:
        return [f"refused {problem.key}: {problem.reason}" for problem in error.problems]
    doubted = [f"doubted {problem.key}" for problem in loaded.warnings]
    return [*doubted, *(note.code for note in look(loaded.plan(), market_).notes)]


MISTAKES = {
    "a misspelt key": (session(min_sprad_bps=3), "refused min_sprad_bps"),
    "a misspelt grid": (session(grids=[grid("min_spred_bps", 1)]), "refused grids[0].name"),
    "a grid that is no parameter": (
        session(grids=[grid("data_file", "a")]),
        "refused grids[0].name",
    ),
    "two grids of one name": (
        session(grids=[grid("slippage_bps", 1), grid("slippage_bps", 2)]),
        "refused grids[1].name: slippage_bps has a grid already",
    ),
    "no values": (session(grids=[grid("slippage_bps")]), "refused grids[0].values"),
    "no jobs": (session(max_jobs=0), "refused max_jobs"),
    "fewer jobs than none": (session(max_jobs=-1), "refused max_jobs"),
    "half a trade": (session(max_open_trades=2.0), "refused max_open_trades"),
    "half a trade in a grid": (
        session(grids=[grid("max_open_trades", 1, 2.0)]),
        "refused grids[0].values[1]: must be a whole number",
    ),
    "not a number": (session(slippage_bps=math.nan), "refused slippage_bps"),
    "an infinite grid": (
        session(grids=[grid("slippage_bps", math.inf)]),
        "refused grids[0].values",
    ),
    "a prefix that climbs": (session(tag_prefix="../x"), "refused tag_prefix"),
    "a word for a number": (session(grids=[grid("slippage_bps", "3bps")]), "refused grids[0]"),
    "an exit model that is none": (session(exit_model="midpoint"), "refused exit_model"),
    "10^12 jobs": (
        session(grids=[grid(n, *range(1000)) for n in list(SANE)[1:5]]),
        "refused grids: 1,000,000,000,000 jobs are planned",
    ),
    "two places": (session(fixed={"slippage_bps": 9}), "doubted slippage_bps"),
    "a promise without a grid": (session(promote=["slippage_bps"]), "doubted promote[0]"),
    "a filter in fractions": (
        session(rank={"max_drawdown_pct": 0.2}),
        "doubted rank.max_drawdown_pct",
    ),
    "a value twice": (session(grids=[grid("min_spread_bps", 20, 20.0)]), "duplicate-value"),
    "a value twice, nearly": (
        session(grids=[grid("min_spread_bps", 30, 0.3 * 100, 10 * (1 + 1 + 1 + 1e-12))]),
        "nearly-equal",
    ),
    "a fee as a fraction": (session(taker_fee_a_bps=0.0005), "unit-small"),
    "a fee in percent": (session(taker_fee_b_bps=0.05), "unit-small"),
    "slippage as a fraction": (session(grids=[grid("slippage_bps", 3, 0.0003)]), "unit-small"),
    "a threshold in percent": (
        session(grids=[grid("min_spread_bps", 0.2, 0.3, 0.4)]),
        "unit-small",
    ),
    "a threshold as a fraction": (session(grids=[], min_spread_bps=0.003), "unit-small"),
    "a fee in hundredths": (session(taker_fee_a_bps=500), "unit-large"),
    "a stop as a fraction": (session(stop_on_drawdown_pct=0.2), "stop-fraction"),
    "a stop beyond everything": (session(stop_on_drawdown_pct=100), "stop-never"),
    "a stop that never acts": (session(exit_model="convergence"), "stop-dead"),
    "an exit model nobody chose": (session(exit_model=None), "exit-model"),
    "a negative fee": (session(taker_fee_a_bps=-1), "refused-value"),
    "a position of nothing": (session(max_position_usd=0), "refused-value"),
    "no open trades": (session(grids=[grid("max_open_trades", 0, 1)]), "refused-value"),
    "a position in coins": (session(max_position_usd=0.05), "position-small"),
    "more than there is": (session(max_position_usd=20_000), "position-over-balance"),
    "no costs": (session(taker_fee_a_bps=0, taker_fee_b_bps=0, slippage_bps=0), "no-costs"),
    "a missing fee": (session(taker_fee_b_bps=None), "missing-parameter"),
    "a grid of one": (session(grids=[grid("slippage_bps", 3)]), "single-value"),
    "a grid of balances": (
        session(grids=[grid("initial_balance_usd", 1e3, 1e4)], stop_on_drawdown_pct=None),
        "balance-axis",
    ),
    "a grid of rates": (session(grids=[grid("exchange_a_to_b_rate", 1, 1.001)]), "rate-axis"),
    "a limit that cuts a grid off": (session(max_jobs=1), "cut-off"),
    "a threshold that is never met": (
        session(grids=[grid("min_spread_bps", 90, 100)]),
        "never-trades",
    ),
    "some that are never met": (
        session(grids=[grid("min_spread_bps", 20, 90)]),
        "values-never-trade",
    ),
    "a rate that makes spreads absurd": (session(exchange_a_to_b_rate=2.5), "rate-absurd"),
    "more open trades than ever": (
        session(grids=[grid("max_open_trades", 1, 100, 1000)]),
        "open-trades-dead",
    ),
}
MARKET = market()


@pytest.mark.parametrize(("values", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_caught(values, expected):
    found = caught(values, MARKET)
    assert any(one.startswith(expected) for one in found), found


def test_there_are_enough_of_them():
    assert len(MISTAKES) >= 40


SANITY = {
    "the plain one": {},
    "no grid": {"grids": [], "min_spread_bps": 12.5},
    "a small threshold among larger ones": {"grids": [grid("min_spread_bps", 0, 0.5, 1, 2, 40)]},
    "low fees": {"taker_fee_a_bps": 0.25, "taker_fee_b_bps": 0, "slippage_bps": 0.5},
    "several stops": {"grids": [grid("stop_on_drawdown_pct", 2, 5, 10, 50)]},
    "several open trades": {"grids": [grid("max_open_trades", 1, 2, 3)]},
    "both exit models": {
        "grids": [grid("exit_model", "quoted", "convergence")],
        "exit_model": None,
    },
    "sizes, with a stop": {"grids": [grid("max_position_usd", 500, 1000)]},
    "slippages": {"grids": [grid("slippage_bps", 3, 5, 7), grid("min_spread_bps", 20, 30)]},
    "a limit": {"max_jobs": 2},
    "a filter": {"rank": {"max_drawdown_pct": 15, "min_trades": 10}, "promote": ["min_spread_bps"]},
    "fixed parameters apart": {"fixed": {"slippage_bps": 3}, "slippage_bps": None},
    "decimals that nearly meet": {"grids": [grid("min_spread_bps", 0.1, 10.1, 10.100001)]},
}


@pytest.mark.parametrize("changed", SANITY.values(), ids=SANITY)
def test_a_sane_session_hears_of_nothing(changed):
    loaded = session_of(session(**changed))
    found = [note for note in look(loaded.plan(), MARKET).notes if note.severity != "info"]
    assert (loaded.warnings, found, loaded.doubts()) == ((), [], ())


# ── notes ────────────────────────────────────────────────────────────────────
def notes(values, market_=None):
    return {note.code: note for note in look(session_of(values).plan(), market_).notes}


def test_a_note_says_what_to_write():
    small = notes(session(taker_fee_a_bps=0.0005))["unit-small"]
    assert small == Note(
        "unit-small",
        "taker_fee_a_bps of 0.0005 is next to nothing: a fraction of one, where basis points"
        " are meant?",
        "write 5 for 0.05 %",
        "warning",
        "taker_fee_a_bps",
    )
    assert small.document()["parameter"] == "taker_fee_a_bps"
    assert notes(session(taker_fee_a_bps=0.05))["unit-small"].hint == "write 5 for 0.05 %"
    assert notes(session(stop_on_drawdown_pct=0.2))["stop-fraction"].hint.startswith("write 20 ")
    assert notes(session(slippage_bps=300))["unit-large"].text == "slippage_bps of 300 is 3 %"


def test_the_rate_that_fits_is_suggested():
    foreign = market(rate=1_350.25)
    note = notes(session(), foreign)["rate-absurd"]
    fits = fitting_rate(foreign)
    assert f"exchange_a_to_b_rate: {fits}`" in note.hint
    assert float(fits) == pytest.approx(1_350.25, rel=1e-3)
    right = notes(session(exchange_a_to_b_rate=1350.25), foreign)
    assert not {"rate-absurd", "never-trades"} & set(right)


def test_only_what_cannot_run_is_an_error():
    assert look(session_of(session()).plan()).sound
    assert not look(session_of(session(slippage_bps=None)).plan()).sound
    assert notes(session(exit_model="convergence"))["exit-model"].severity == "info"
    assert notes(session(exit_model=None))["exit-model"].severity == "warning"


def test_several_values_that_the_engine_refuses_are_one_note():
    found = notes(session(grids=[grid("slippage_bps", -1, 1, -2, -3)]))["refused-value"]
    assert found.text.startswith("slippage_bps is -1: it must be finite")
    assert found.text.endswith("(and 2 other values)")


def test_a_limit_names_what_it_leaves_out():
    two = [grid("min_spread_bps", 20, 30, 40), grid("slippage_bps", *range(1, 9))]
    note = notes(session(grids=two, max_jobs=10))["cut-off"]
    assert note.severity == "info"
    assert note.text == ("of 24 combinations the first 10 are run: min_spread_bps is never 40")
    note = notes(session(grids=two, max_jobs=8))["cut-off"]
    assert (note.severity, note.parameter) == ("warning", "min_spread_bps")
    assert "cut-off" not in notes(session(grids=two, max_jobs=24))


def test_words_count():
    assert plural(1, "row") == "1 row"
    assert plural(2_000, "row") == "2,000 rows"
    assert listed(range(7)) == "0, 1, 2, 3, 4 and 2 more"


# ── data ─────────────────────────────────────────────────────────────────────
def of_data(market_, **changed):
    return notes(session(**changed), market_)


def test_quotes_that_cannot_be_traded_are_named():
    rows = np.array([[ask, bid, ask_b, bid_b] for bid, ask, bid_b, ask_b in [ab(5)] * 200])
    found = of_data(quotes(rows))
    assert found["no-valid-row"].hint == "are bid and ask swapped?"
    found = of_data(quotes([(0.0, 1.0, 1.0, 2.0)] * 5))
    assert found["no-valid-row"].hint.startswith("every price")
    assert "no-valid-row" in of_data(quotes([]))
    mostly = quotes([(0.0, 1.0, 1.0, 2.0)] * 300 + [ab(50), ba(50)] * 100)
    assert of_data(mostly)["invalid-rows"].text == "only 40% of 500 rows are valid"
    assert "few-rows" in of_data(market(50))


def test_one_venue_twice_is_noticed():
    row = ab(5)
    assert "same-quotes" in of_data(quotes([row[:2] * 2] * 200))
    assert "same-quotes" not in of_data(MARKET)


def test_times_are_looked_at():
    assert of_data(quotes([ab(50), ba(50)] * 100, timed=False))["no-times"].severity == "info"
    at_us = START_US + np.array([*range(200), *range(200)])
    mixed = Quotes(*MARKET.prices, at_us=at_us)
    assert of_data(mixed)["time-order"].text.startswith("time goes back 1 time:")


# ── sizes and costs ──────────────────────────────────────────────────────────
def test_a_plan_that_nobody_could_list_is_looked_at_in_no_time():
    names = ("min_spread_bps", "slippage_bps", "taker_fee_a_bps", "max_position_usd")
    giant = plan(*(Axis.of(name, range(1, 1_001)) for name in names))
    found = look(giant, MARKET)
    assert (found.cells, found.jobs) == (10**12, 10**12)
    assert found.lists <= 10**9
    assert found.document()["notes"]


def test_lists_are_counted_by_what_opens_a_trade():
    axes = [Axis.of("min_spread_bps", [10, 20, 30]), Axis.of("slippage_bps", [0, 10, 20])]
    assert lists_of(plan(*axes)) == 5
    assert lists_of(plan(*axes, Axis.of("max_position_usd", [1, 2]))) == 5
    assert lists_of(plan(*axes, Axis.of("max_open_trades", [1, 2]))) == 10
    assert lists_of(plan(*axes, limit=4)) == 4
    assert lists_of(Plan(Space({}), "x")) == 1


def test_costs_grow_with_what_they_grow_with():
    small = plan(Axis.of("min_spread_bps", range(10)), exit_model="quoted")
    large = plan(Axis.of("min_spread_bps", range(1_000)), exit_model="quoted")
    assert costs_of(small, None, 50_000).seconds is None
    assert costs_of(large, 1_000_000, 50_000).seconds > costs_of(small, 1_000_000, 50_000).seconds
    assert costs_of(large, 1_000_000, 50_000).seconds > costs_of(large, 1_000, 50_000).seconds
    many = plan(Axis.of("min_spread_bps", range(20_000)), exit_model="quoted")
    as_rows, as_blocks = (costs_of(many, 1_000, rows_max) for rows_max in (20_000, 19_999))
    assert as_blocks.disk_bytes < as_rows.disk_bytes / 5
    assert as_blocks.seconds < as_rows.seconds
    assert look(small, MARKET).document().keys() == {
        *("cells", "jobs", "duplicates", "distinct_lists", "seconds", "disk_bytes", "notes")
    }
