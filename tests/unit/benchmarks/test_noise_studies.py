import numpy as np
import pytest
from noise_markets import NOISE, Episodes, outcome, wide
from noise_studies import FIXED, Case, Tally, parse, study, tallied, wilson

from daemon.market.params import Combinations
from daemon.market.staircase import sweep

THRESHOLDS = [0.0, 10.0, 20.0]


def a_trade(kind, turns=25, rows=3_000):
    """What a trade brings on average, in bps, and by how much that is off; by threshold."""
    asked = Combinations.from_columns(
        len(THRESHOLDS),
        min_spread_bps=THRESHOLDS,
        **{name: value for name, value in FIXED.items() if name != "exit_model"},
        quoted=True,
    )
    total, square, count = np.zeros(3), np.zeros(3), np.zeros(3)
    for turn in range(turns):
        found = sweep(kind(np.random.default_rng([turn, 5]), rows), asked).columns
        total += (found["realized_pnl_usd"] + found["unrealized_pnl_usd"]) * 10
        square += found["closed_trades"] * (found["avg_pnl_per_trade_usd"] * 10) ** 2
        count += found["total_trades"]
    return total / np.maximum(count, 1), 20 / np.sqrt(np.maximum(count, 1)), count


@pytest.mark.parametrize("name", NOISE)
def test_nobody_gains_on_noise_at_any_threshold(name):
    mean, off, _ = a_trade(NOISE[name])
    assert (mean <= 3 * off).all()


@pytest.mark.parametrize("edge_bps", [0.0, 5.0])
def test_a_trade_brings_what_was_planted(edge_bps):
    mean, off, count = a_trade(Episodes(edge_bps=edge_bps))
    assert (count > 200).all()
    assert (np.abs(mean - edge_bps) <= 3.5 * off).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gaps_end_well_as_often_as_it_takes(sign):
    kind = Episodes(edge_bps=2.0)
    for size in (12.0, 20.0, 300.0):
        gain, loss = outcome(size, sign, 0.0, 1.0), outcome(size, sign, sign * size, wide(size))
        share = kind.ends_well(size, sign)
        assert share * gain + (1 - share) * loss == pytest.approx(2.0)
        assert gain == pytest.approx(size - 8, rel=0.1)


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"), [(0, 100, 0.0, 0.037), (5, 100, 0.0215, 0.1118)]
)
def test_intervals_are_wilsons(hits, count, low, high):
    assert wilson(hits, count) == pytest.approx((low, high), abs=1e-3)


def test_studies_are_judged_alike_each_time_and_tallied():
    case = Case("fair gaps", "random", "walk-forward", trials=12)
    one, other = study(case, 3), study(case, 3)
    assert one.report == other.report
    tally = Tally()
    tally.add(one)
    assert tally.studies == 1
    assert len(tally.oos_pairs) == 2
    found = tallied([case], parse(["--studies", "1", "--workers", "1"]))[case]
    assert found.studies == 1


def test_the_command_line():
    assert parse(["--quick"]).studies == 5
    assert parse(["--only", "power", "--studies", "7"]).only == ("power",)
