"""The picture of the backtest shows what the simulator says, and is the one in the documents."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from picture_backtest import FOLDER, MODELS, NAME, main, picture, quotes, runs

from daemon.market.params import ExitModel
from daemon.market.simulator import Side


def test_the_rows_show_all_that_the_page_speaks_of():
    found = runs()
    converged, quoted = (found[model] for model in (ExitModel.CONVERGENCE, ExitModel.QUOTED))
    assert {trade.side for trade in converged.trades} == set(Side)
    assert all(trade.pnl_bps > 0 for trade in converged.trades)
    assert converged.max_drawdown_pct == 0
    assert [trade.pnl_bps > 0 for trade in quoted.trades] == [True, False, False]
    assert quoted.state.stopped
    assert quoted.rows < converged.rows == len(quotes())


def test_the_page_says_what_the_trades_brought():
    page = (FOLDER.parent / "backtest.md").read_text(encoding="utf-8")
    for model in MODELS:
        for trade in runs()[model].trades:
            row = f"| {trade.entry_row + 1} | {trade.exit_row + 1} |"
            assert row in page
    for number, trade in enumerate(runs()[ExitModel.QUOTED].trades):
        other = runs()[ExitModel.CONVERGENCE].trades[number]
        cells = f"| {trade.entry_spread_bps:.0f} | {other.pnl_bps:+.0f} | {trade.pnl_bps:+.0f} |"
        assert cells.replace("-", "\N{MINUS SIGN}") in page.replace("| -", "| \N{MINUS SIGN}")


def test_it_is_the_picture_in_the_documents(tmp_path):
    assert main(["--folder", str(tmp_path)]) == 0
    drawn = (tmp_path / f"{NAME}.svg").read_text(encoding="utf-8")
    assert drawn == (FOLDER / f"{NAME}.svg").read_text(encoding="utf-8")
    assert drawn == str(picture())


@pytest.mark.parametrize("words", ["+21", "\N{MINUS SIGN}17", "stopped at 0.19 %", "quoted"])
def test_it_says_in_words_what_happens(words):
    parts = ET.fromstring(str(picture())).iter("{http://www.w3.org/2000/svg}text")
    assert words in {part.text for part in parts}
    assert Path(FOLDER).is_dir()
