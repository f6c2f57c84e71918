"""Make `data/sample_arbitrage_prices*.csv`: two synthetic days of quotes of two venues, twice.

    python data/make_quotes.py [FOLDER]

Nothing in it was measured. A price wanders; venue B follows venue A with a
difference that returns to zero within minutes and is jolted now and then. After a
jolt B quotes widely, and goes on to after the difference is gone: so trades can be
closed at a loss. A few rows are broken in the ways in which rows of real feeds
are. The same seed gives the same file.
"""
# ruff: noqa: INP001 - a script, not a package

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from daemon.clock import MICROS, iso, parse_iso

FILES = {
    "sample_arbitrage_prices.csv": (20_260_301, 23_150.0),
    "sample_arbitrage_prices_eth.csv": (20_260_302, 1_730.0),
}
"""The seed of each file, and the price that it begins with."""

START_US = parse_iso("2026-03-01T00:00:00Z")
EVERY_S = 45
ROWS = 2 * 86_400 // EVERY_S

RETURN = 0.93
"""What is left of the difference between the venues after one row."""
NOISE_BPS = 4.0
JOLTS = 140
JOLT_BPS = (20.0, 100.0)
HALF_BPS = (1.2, 2.2)
"""Half of what lies between bid and ask, on A and on B, in calm times."""
SHOCK, CALM = 0.10, 0.955
"""Basis points that B quotes wider for each of a jolt, and what is left of them after one row."""

BROKEN = 24
"""Rows that are not valid."""

HEADER = "timestamp,best_bid_a,best_ask_a,best_bid_b,best_ask_b"


def main(folder: Path) -> None:
    """Write the files."""
    for name, (seed, price) in FILES.items():
        write(folder / name, seed, price)


def write(path: Path, seed: int, price: float) -> None:
    """Write one of them."""
    rng = np.random.default_rng(seed)
    table = quotes(rng, price)
    breakage(rng, table)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(HEADER + "\n")
        for row, prices in enumerate(table):
            at = iso(START_US + row * EVERY_S * MICROS)[:19] + "Z"
            file.write(",".join([at, *map(written, prices)]) + "\n")


def quotes(rng: np.random.Generator, price: float) -> np.ndarray:
    """Draw bid and ask of both venues, a row a moment."""
    middle_a = price * np.exp(np.cumsum(rng.normal(0.0, 1.1e-4, ROWS)))
    away, wider = differences(rng)
    middle_b = middle_a * (1 + away / 1e4)
    half_a = HALF_BPS[0] * rng.lognormal(0.0, 0.35, ROWS)
    half_b = (HALF_BPS[1] + wider) * rng.lognormal(0.0, 0.45, ROWS)
    sides = [middle_a * (1 - half_a / 1e4), middle_a * (1 + half_a / 1e4)]
    sides += [middle_b * (1 - half_b / 1e4), middle_b * (1 + half_b / 1e4)]
    table = np.round(np.stack(sides, axis=1), 2)
    table[:, 1] = np.maximum(table[:, 1], table[:, 0] + 0.01)
    table[:, 3] = np.maximum(table[:, 3], table[:, 2] + 0.01)
    return table


def differences(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw how far B is away from A, and how much wider it quotes for it, in basis points."""
    jolts = np.zeros(ROWS)
    at = rng.choice(ROWS, JOLTS, replace=False)
    jolts[at] = rng.uniform(*JOLT_BPS, JOLTS) * rng.choice([-1.0, 1.0], JOLTS)
    noise = rng.normal(0.0, NOISE_BPS, ROWS)
    away, wider = np.zeros(ROWS), np.zeros(ROWS)
    for row in range(1, ROWS):
        away[row] = RETURN * away[row - 1] + noise[row] + jolts[row]
        wider[row] = CALM * wider[row - 1] + SHOCK * abs(jolts[row])
    return away, wider


def breakage(rng: np.random.Generator, table: np.ndarray) -> None:
    """Break a few rows: a price that is missing, zero, or on the wrong side."""
    for number, row in enumerate(rng.choice(ROWS, BROKEN, replace=False)):
        venue = int(rng.integers(2))
        if number % 3 == 0:
            table[row, 2 * venue] = 0.0
        elif number % 3 == 1:
            table[row, 2 * venue + 1] = np.nan
        else:
            table[row, [2 * venue, 2 * venue + 1]] = table[row, [2 * venue + 1, 2 * venue]]


def written(price: float) -> str:
    """Write a price as venues do."""
    return "nan" if np.isnan(price) else f"{price:.2f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
