"""What calibration finds does not hang on the unit that somebody measures in."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.tuning import figures
from daemon.tuning.calibration import calibrate
from daemon.tuning.model import Shift
from daemon.tuning.placebo import rate
from tests.calibration_kit import a_policy, in_unit, noise, past, quiet

POLICY = a_policy(
    2,
    observe_window_s=30.0,
    max_step_mult=1.0,
    good={"s0": Shift(fall=-0.02)},
    warn={"s1": Shift(rise=0.3)},
)
ROWS = noise(24 + 39 * 8, 2, 0.9)


@pytest.fixture(scope="module")
def told():
    blocks = past(POLICY, ROWS)
    return calibrate(POLICY, blocks, quiet(blocks))


@settings(max_examples=8, deadline=None)
@given(power=st.integers(-40, 40))
def test_another_unit_changes_the_figures_and_nothing_else(told, power):
    factor = 2.0**power
    policy = in_unit(POLICY, factor)
    blocks = past(policy, ROWS * factor)
    found = calibrate(policy, blocks, quiet(blocks))
    assert (found.green, found.placebos) == (told.green, told.placebos)
    assert (found.false_keep, found.false_worse) == (told.false_keep, told.false_worse)
    for mine, other in zip(found.signals, told.signals, strict=True):
        assert mine.detectable == pytest.approx(other.detectable * factor, rel=1e-6)
        assert mine.null_spread == pytest.approx(other.null_spread * factor, rel=1e-6)
        assert mine.correlation_time_s == pytest.approx(other.correlation_time_s, rel=1e-6)
        assert (mine.judged, mine.window_s) == (other.judged, other.window_s)


@settings(max_examples=8, deadline=None)
@given(holes=st.lists(st.integers(0, len(ROWS) - 1), max_size=40), seed=st.integers(0, 99))
def test_whatever_is_missing_it_comes_to_an_answer(holes, seed):
    rows = ROWS + np.random.default_rng(seed).normal(size=ROWS.shape)
    rows[holes, seed % 2] = np.nan
    blocks = past(POLICY, rows)
    found = calibrate(POLICY, blocks, quiet(blocks))
    assert found.green == (not found.reasons)
    assert all(reason.what and reason.hint for reason in (*found.reasons, *found.warnings))


@given(share=st.floats(0, 1), trials=st.integers(0, 10_000))
def test_an_interval_holds_its_share(share, trials):
    found = rate(share, trials)
    assert 0 <= found.low <= share + 1e-9
    assert share - 1e-9 <= found.high <= 1


@given(
    phi=st.floats(0, 0.99),
    variance=st.floats(1e-6, 10.0),
    larger=st.floats(1.01, 100.0),
    confidence=st.floats(0.8, 0.999),
)
def test_more_noise_hides_more_and_toggling_shows_more(phi, variance, larger, confidence):
    policy = replace(POLICY, confidence=confidence)

    def of(amount):
        process = {"span": 1, "phi": phi, "variance": amount}
        return figures.figures(
            policy, figures.Heard(signal="s0", level=1.0, scale=1.0, processes=(process,))
        )

    calm, loud = of(variance), of(variance * larger)
    assert calm.detectable < loud.detectable
    assert calm.toggled < calm.detectable
    assert 1 <= calm.effective_n <= 6
    assert calm.correlation_time_s == pytest.approx(loud.correlation_time_s)
