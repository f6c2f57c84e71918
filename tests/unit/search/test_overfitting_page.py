"""What the page about luck says was measured is what its own snippets print."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

from daemon.adapters.quotes.files import QuoteFiles
from daemon.config.session_file import load_session
from daemon.market.staircase import sweep
from daemon.search.overfitting import overfitting
from daemon.search.ranking import rank
from daemon.search.slices import slice_pnl

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "overfitting.md"
PARTS = re.findall(r"```python\n(.*?)```\n(.*?)(?=\n\|)(.*?)\n\n", PAGE.read_text(), re.DOTALL)


def numbers(text):
    return [float(one) for one in re.findall(r"-?\d+\.?\d*", text)]


@pytest.mark.parametrize("number", [0, 1])
def test_tables_hold_what_their_snippets_print(number):
    code, _, table = PARTS[number]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(PAGE), "exec"), {})
    shown = [line for line in table.strip().splitlines() if re.match(r"\| [\d.]", line)]
    lines = [numbers(line) for line in printed.getvalue().splitlines()]
    assert len(shown) == len(lines) == 5
    for told, line in zip(shown, lines, strict=True):
        assert numbers(told) == pytest.approx(line, abs=0.0051)


def test_the_example_session_is_chosen_as_the_page_says(tmp_path):
    """All nine jobs look well chosen; the three thresholds at one slippage do not."""
    root = PAGE.parents[2]
    space = load_session(root / "configs" / "sessions" / "session001.yaml").plan().space
    quotes = QuoteFiles(tmp_path).load(root / "data" / "sample_arbitrage_prices.csv").quotes
    trials = space.draw(np.arange(9)).combinations
    found = rank(sweep(quotes, trials).columns, np.arange(1, 10))
    winner = space.values(int(found.places[0]))
    assert winner == {"min_spread_bps": 40, "slippage_bps": 3}
    pnl = slice_pnl(quotes, trials)
    alike = [place for place in range(9) if space.values(place)["slippage_bps"] == 3]
    assert overfitting(pnl).probability == pytest.approx(0.002, abs=5e-4)
    assert overfitting(pnl[:, alike]).probability == pytest.approx(0.41, abs=5e-3)
    assert overfitting(pnl[:, alike]).loss_share == 0
