"""Draw the picture of docs/explanation/backtest.md: a few rows under both exit models.

    python benchmarks/picture_backtest.py

The rows are made up; what happens on them is what the simulator says.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from svg import COLOURS, INK, MUTED, Axis, Panel, Picture

from daemon.market.params import ExitModel, Params
from daemon.market.quotes import Quotes
from daemon.market.simulator import Run, Side, simulate

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "pictures"
NAME = "backtest"

ROWS = (
    *((0, 3), (16, 3), (34, 3), (26, 3), (10, 3), (-2, 3), (-14, 3), (-24, 3), (-12, 3)),
    *((1, 4), (12, 3), (22, 3), (9, 3), (0, 16), (-30, 3), (-10, 3), (5, 3)),
)
"""How much dearer B is than A, in bps, and what lies between the quotes on the way."""

ASKED = Params(
    min_spread_bps=8,
    taker_fee_a_bps=4,
    taker_fee_b_bps=4,
    slippage_bps=2,
    max_position_usd=1000,
    initial_balance_usd=1000,
    stop_on_drawdown_pct=0.15,
)
LONG_A, LONG_B = COLOURS[0], COLOURS[1]
PAINT = {Side.A_TO_B: LONG_A, Side.B_TO_A: LONG_B}
MODELS = {ExitModel.CONVERGENCE: COLOURS[2], ExitModel.QUOTED: COLOURS[3]}


def quotes() -> Quotes:
    """Make prices of which the spreads are what the rows say, to a hundredth of a bp."""
    dearer, between = np.array(ROWS, np.float64).T / 1e4
    one, other = np.full(len(ROWS), 100.0), 100.0 * (1 + dearer)
    half = 100.0 * between / 2
    return Quotes(one - half, one + half, other - half, other + half)


def runs() -> dict[ExitModel, Run]:
    """Backtest the rows under each exit model."""
    given = ASKED.document()
    return {
        model: simulate(quotes(), Params(**(given | {"exit_model": model}))) for model in MODELS
    }


def picture() -> Picture:
    """Draw spreads above, and what they bring below."""
    sheet = Picture(
        "Seventeen rows, backtested under both exit models",
        "Four trades, all of which gain when venues are taken to converge. At quoted prices one"
        " gains less, two lose, and the last loss is a drawdown that ends the run.",
        height=560,
    )
    found = runs()
    _spreads(sheet, found[ExitModel.CONVERGENCE])
    _balances(sheet, found)
    return sheet


def _across() -> Axis:
    return Axis(0.5, len(ROWS) + 0.5, tuple((row, str(row)) for row in range(1, len(ROWS) + 1)))


def _spreads(sheet: Picture, run: Run) -> None:
    ticks = tuple((value, f"{value:g} bps") for value in (-40, -20, 0, 20, 40))
    panel = Panel(sheet, 70, 60, 740, 290, _across(), Axis(-42, 42, ticks))
    for trade in run.trades:
        panel.span(trade.entry_row + 1, trade.exit_row + 1, PAINT[trade.side])
    panel.frame("The two spreads, row by row")
    spreads = quotes().spreads()
    rows = list(range(1, len(ROWS) + 1))
    enough = ASKED.min_spread_bps + ASKED.costs_bps
    panel.curve([0.5, len(ROWS) + 0.5], [enough, enough], MUTED, dashes="5 4")
    sheet.text(
        panel.x(10.4), panel.y(enough) - 5, "enough to open", size=11, anchor="middle", fill=MUTED
    )
    panel.curve([0.5, len(ROWS) + 0.5], [0, 0], INK, width=1)
    panel.curve(rows, spreads.ab.tolist(), LONG_A, width=2)
    panel.curve(rows, spreads.ba.tolist(), LONG_B, width=2, dashes="7 3")
    sheet.text(72, 54, "buy on A, sell on B", size=11, fill=LONG_A, font_weight="600")
    sheet.text(200, 54, "buy on B, sell on A (dashed)", size=11, fill=LONG_B, font_weight="600")
    for trade in run.trades:
        own, other = (
            (spreads.ab, spreads.ba) if trade.side is Side.A_TO_B else (spreads.ba, spreads.ab)
        )
        colour = PAINT[trade.side]
        sheet.dot(panel.x(trade.entry_row + 1), panel.y(own[trade.entry_row]), colour, radius=6)
        for line in (own, other):
            at = panel.x(trade.exit_row + 1), panel.y(line[trade.exit_row])
            sheet.dot(*at, colour, radius=5, hollow=True)


def _balances(sheet: Picture, found: dict[ExitModel, Run]) -> None:
    ticks = tuple((value, f"{value:g} bps") for value in (0, 20, 40, 60))
    panel = Panel(sheet, 70, 370, 740, 520, _across(), Axis(-14, 66, ticks))
    panel.frame("What was realized, in bps of a position")
    panel.curve([0.5, len(ROWS) + 0.5], [0, 0], INK, width=1)
    for model, colour in MODELS.items():
        run = found[model]
        realized, xs, ys = 0.0, [1.0], [0.0]
        for trade in run.trades:
            xs += [trade.exit_row + 1.0] * 2
            ys += [realized, realized + trade.pnl_bps]
            realized += trade.pnl_bps
            words = f"{trade.pnl_bps:+.0f}".replace("-", "\N{MINUS SIGN}")
            place = -8 if trade.pnl_bps > 0 else 16
            sheet.text(
                panel.x(xs[-1]),
                panel.y(realized) + place,
                words,
                size=11,
                anchor="middle",
                fill=colour,
            )
        xs.append(float(run.rows))
        ys.append(realized)
        panel.curve(xs, ys, colour, width=2.5)
        middle = panel.x(2), panel.y(50 if model is ExitModel.CONVERGENCE else 38)
        sheet.text(*middle, model.value, fill=colour, font_weight="600")
        if run.state.stopped:
            at = panel.x(run.rows), panel.y(realized)
            sheet.dot(*at, colour, radius=6)
            words = f"stopped at {run.max_drawdown_pct:.2f} %"
            sheet.text(at[0] + 10, at[1] + 4, words, size=11, fill=colour)


def main(arguments: list[str]) -> int:
    """Draw it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where it is put")
    wish = parser.parse_args(arguments)
    wish.folder.mkdir(parents=True, exist_ok=True)
    (wish.folder / f"{NAME}.svg").write_text(str(picture()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
