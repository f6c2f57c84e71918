"""The sample quotes: made by their script, and worth trying a session on."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from daemon.adapters.quotes.files.bank import QuoteFiles
from daemon.config.session_file import load_session
from daemon.market.staircase import sweep
from daemon.search.preflight import look

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "sample_arbitrage_prices.csv"


@pytest.fixture(scope="module")
def quotes():
    return QuoteFiles().load(SAMPLE).quotes


def test_the_script_makes_the_file(tmp_path):
    runpy.run_path(str(ROOT / "data" / "make_quotes.py"))["main"](tmp_path)
    made = sorted(tmp_path.iterdir())
    assert [path.name for path in made] == [SAMPLE.name, "sample_arbitrage_prices_eth.csv"]
    for path in made:
        assert path.read_bytes() == (SAMPLE.parent / path.name).read_bytes()


def test_it_is_as_its_description_says(quotes):
    assert SAMPLE.stat().st_size < 300_000
    assert len(quotes) == 3_840
    spreads = quotes.spreads()
    assert np.count_nonzero(~spreads.valid) == 24
    assert quotes.days().count == 2
    best = np.maximum(spreads.ab, spreads.ba)[spreads.valid]
    assert best.max() > 100
    assert np.median(best) < 10


@pytest.mark.parametrize("name", ["session001", "night"])
def test_sessions_on_it_win_and_lose(quotes, name):
    plan = load_session(ROOT / "configs" / "sessions" / f"{name}.yaml").plan()
    assert plan.data_file == SAMPLE.relative_to(ROOT).as_posix()
    columns = sweep(quotes, plan.draw(np.arange(plan.jobs)).combinations).columns
    assert columns["closed_trades"].min() > 0
    assert np.any((columns["win_rate"] > 0.5) & (columns["win_rate"] < 1))
    assert columns["max_drawdown_pct"].max() > 0
    if name == "night":
        pnl = columns["realized_pnl_usd"]
        assert pnl.min() < 0 < pnl.max()
        assert columns["stopped"].any()
        spreads = [job.config["min_spread_bps"] for job in plan]
        assert 10 < spreads[int(np.argmax(pnl))] < 60
    notes = look(plan, quotes).notes
    assert [note for note in notes if note.severity != "info"] == []
