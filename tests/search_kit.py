"""Plans for tests: parameters that trade, and whatever grids a test wants."""

from daemon.search.plan import Plan
from daemon.search.space import Space

FIXED = {
    "taker_fee_a_bps": 5,
    "taker_fee_b_bps": 5.0,
    "slippage_bps": 2,
    "max_position_usd": 1000,
}
"""Everything that must be given, but for the threshold."""


def plan(*axes, limit=None, prefix="s", data_file="q.csv", **fixed):
    """Plan grids over parameters that trade; the threshold is up to the test."""
    return Plan(Space(FIXED | fixed, axes, limit), data_file, prefix)
