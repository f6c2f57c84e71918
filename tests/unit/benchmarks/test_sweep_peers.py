"""The peers of the sweep answer the question that it answers, and sessions are measured whole."""

import sqlite3

import numpy as np
import pytest
from sweep_market import Grid, a_market, bare_loop, write
from sweep_peers import as_dicts, by_its_rule, columns_for, usual_engine
from sweep_sessions import TOP, Place, Written, database_of, leaderboard, parse_and_insert, run
from sweep_vectorbt import signals

from daemon.adapters.quotes.files import QuoteFiles
from daemon.market.simulator import backtest


@pytest.fixture(scope="module")
def quotes():
    return a_market(2_000)


@pytest.mark.parametrize("quoted", [False, True])
def test_the_usual_engine_and_the_bare_loop_find_what_the_reference_finds(quotes, quoted):
    asked = columns_for(quoted=quoted)
    rows = as_dicts(quotes)
    for place in (0, len(asked) - 1):
        expected = backtest(quotes, asked[place])
        closed, pnl = usual_engine(rows, asked[place])
        assert closed == expected.closed_trades > 0
        assert pnl == pytest.approx(expected.realized_pnl_usd)
        assert bare_loop(quotes, asked[place]) == pytest.approx(expected.realized_pnl_usd)


@pytest.mark.parametrize("quoted", [False, True])
def test_signals_say_where_a_trade_closes_and_at_what(quotes, quoted):
    """One that follows them, opening nothing where one could close, counts what the rule counts."""
    one = columns_for(quoted=quoted)[0]
    price, best, exits = signals(np.array(quotes.prices), quoted=quoted)
    closed, paid = 0, None
    for row in range(len(price)):
        if exits[row]:
            closed += paid is not None
            paid = None
        elif paid is None and best[row] >= one.min_spread_bps + one.costs_bps:
            paid = price[row]
            assert paid == pytest.approx(1e4 - best[row])
    assert closed == by_its_rule(quotes, one) > 0


def test_a_session_is_run_whole_and_its_rows_can_be_written_again(tmp_path):
    place, data = Place(tmp_path), tmp_path / "q.csv"
    write(a_market(500), data)
    sweeping = place.fresh()
    outcome = run(place.session(Grid(5, 5, 1, 2), data), sweeping)
    assert outcome.evaluated == 50
    assert len(leaderboard(database_of(sweeping))) >= TOP
    written = Written.of(database_of(sweeping))
    bare = tmp_path / "bare.db"
    parse_and_insert(QuoteFiles().load, written, (data, bare))
    with sqlite3.connect(bare) as view:
        assert view.execute("SELECT count(*) FROM jobs").fetchone() == (50,)
        assert view.execute("SELECT count(*) FROM results").fetchone() == (50,)
