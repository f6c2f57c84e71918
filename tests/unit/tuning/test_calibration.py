"""Calibration is right about noise that is known, and says what stands against it."""

import math

import numpy as np
import pytest

from daemon.tuning import calibration, figures
from daemon.tuning.model import Shift
from daemon.tuning.state import Quiet
from daemon.tuning.windows import BLOCK_US
from tests.calibration_kit import (
    FIRST,
    PER_BLOCK,
    a_policy,
    calibrated,
    codes,
    noise,
    past,
    phi_of,
    quiet,
    warned,
)

ENOUGH = 24 + 39 * 14
HOURS_4 = 2880


def of_window(seconds, tau_s):
    """The variance of the mean over a window of a process that lasts so long, and varies by 1."""
    apart = seconds / tau_s
    return 2 / apart**2 * (apart - 1 + math.exp(-apart))


# ── green ────────────────────────────────────────────────────────────────────
def test_39_placebos_of_white_noise_are_enough():
    found = calibrated(a_policy(), noise(ENOUGH, 2, 0.0))
    assert found.green
    assert found.placebos == 39
    assert found.quiet_s == ENOUGH * 5
    assert (found.from_us, found.to_us) == (FIRST * BLOCK_US, (FIRST + ENOUGH) * BLOCK_US)
    assert found.policy == "d" * 64
    assert found.false_keep.share <= 0.05
    assert found.false_worse.share <= 0.05
    assert [one.unfit for one in found.signals] == [None, None]
    assert found.warnings == ()


def test_the_same_past_gives_the_same_answer():
    rows = noise(ENOUGH, 2, 0.9)
    assert calibrated(a_policy(), rows) == calibrated(a_policy(), rows)


def test_38_are_not_and_it_says_how_long_to_wait():
    found = calibrated(a_policy(), noise(ENOUGH - 1, 2, 0.0))
    assert codes(found) == ["too_little_quiet"]
    assert found.reasons[0].what == (
        "47 min without changes give 38 independent placebos, and 39 are needed"
    )
    assert "until it has 48 min without a change" in found.reasons[0].hint
    assert found.false_keep is not None, "what is known is said"


def test_a_slow_noise_needs_a_longer_past():
    rows = noise(ENOUGH + 200, 2, phi_of(100.0))
    found = calibrated(a_policy(), rows)
    assert codes(found) == ["too_little_quiet"]
    assert found.placebos < 39
    assert " h without a change" in found.reasons[0].hint


# ── the figures ──────────────────────────────────────────────────────────────
@pytest.mark.parametrize("tau_s", [5.0, 20.0])
def test_the_figures_are_those_of_a_process_that_is_known(tau_s):
    policy = a_policy(2)
    found = calibrated(policy, noise(HOURS_4, 2, phi_of(tau_s)))
    block, window = of_window(5, tau_s), of_window(60, tau_s)
    shared = math.exp(-10 / tau_s) * ((1 - math.exp(-60 / tau_s)) * tau_s / 60) ** 2
    spread = 0.1 * math.sqrt(2 * (window - shared))
    for one in found.signals:
        assert one.correlation_time_s == pytest.approx(tau_s, rel=0.35)
        assert one.effective_n == pytest.approx(block / window, rel=0.3)
        assert one.null_spread == pytest.approx(spread, rel=0.2)
        assert one.null_model == pytest.approx(spread, rel=0.3)
        assert one.detectable > 1.88 * spread
        assert one.toggled < one.detectable


def test_white_noise_is_forgotten_at_once():
    found = calibrated(a_policy(1), noise(HOURS_4, 1, 0.0))
    assert found.signals[0].correlation_time_s < 1.0
    assert found.signals[0].effective_n == pytest.approx(12, rel=0.1)


def test_a_slow_noise_beneath_a_fast_one_is_heard():
    fine = {"span": 1, "phi": 0.1, "variance": 1.0}
    coarse = {"span": 6, "phi": 0.8, "variance": 0.5}
    slow = figures.Heard(signal="s", level=0.0, scale=1.0, processes=(fine, coarse))
    assert 80 < slow.correlation_time_s() < 130
    fast = figures.Heard(
        signal="s", level=0.0, scale=1.0, processes=(fine, coarse | {"variance": 0.1})
    )
    assert fast.correlation_time_s() < 5


def test_a_past_that_was_interrupted_counts_what_is_left():
    policy = a_policy(1)
    blocks = past(policy, noise(1500, 1, 0.5))
    found = calibration.calibrate(policy, blocks, quiet(blocks, FIRST + 700))
    assert found.quiet_s == 1490 * 5
    assert found.placebos == (700 - 24) // 14 + (790 - 24) // 14
    assert found.green


def test_a_time_without_any_samples_is_no_time():
    policy = a_policy(1)
    rows = noise(1500, 1, 0.5)
    rows[700:900] = np.nan
    rows[100:105] = np.nan
    found = calibrated(policy, rows)
    assert found.quiet_s == 1300 * 5
    assert found.green


def test_what_was_quiet_before_anything_was_recorded_is_left_out():
    policy = a_policy(1)
    blocks = past(policy, noise(ENOUGH, 1, 0.0))
    spans = [
        Quiet(first=0, end=FIRST - 50, setting=(1.0,)),
        Quiet(first=FIRST - 50, end=blocks.end + 50, setting=(2.0,)),
    ]
    assert calibration.calibrate(policy, blocks, spans).quiet_s == ENOUGH * 5


# ── red ──────────────────────────────────────────────────────────────────────
def test_a_past_without_a_quiet_moment_is_too_little():
    policy = a_policy()
    found = calibration.calibrate(policy, past(policy, noise(ENOUGH, 2, 0.0)), [])
    assert codes(found) == ["too_little_quiet"]
    assert (found.quiet_s, found.placebos, found.false_keep) == (0.0, 0, None)


def test_a_quiet_moment_too_short_for_anything_is_too_little():
    found = calibrated(a_policy(), noise(30, 2, 0.0))
    assert codes(found) == ["too_little_quiet"]
    assert [one.detectable for one in found.signals] == [None, None]


def test_a_signal_that_was_never_recorded_is_named():
    rows = noise(ENOUGH, 2, 0.0)
    rows[:, 0] = np.nan
    found = calibrated(a_policy(), rows)
    assert codes(found) == ["no_data"]
    assert found.reasons[0].what == "s0 has no samples"
    assert [one.unfit for one in found.signals] == ["no_data", None]


def test_a_signal_that_never_changes_is_named():
    rows = noise(ENOUGH, 2, 0.0)
    rows[:, 1] = 7.0
    found = calibrated(a_policy(), rows)
    assert codes(found) == ["frozen"]
    assert found.signals[1].unfit == "frozen"


def test_a_signal_that_fell_silent_is_named():
    rows = noise(ENOUGH, 2, 0.0)
    rows[-10:, 1] = np.nan
    assert codes(calibrated(a_policy(), rows)) == ["stale"]


def test_a_signal_with_few_samples_is_named_with_what_it_lacks():
    rows = noise(ENOUGH, 2, 0.0)
    counts = np.full(rows.shape, PER_BLOCK)
    counts[:, 0] = 8
    found = calibrated(a_policy(), rows, counts)
    assert codes(found) == ["low_n"]
    assert found.reasons[0].what == "s0 has fewer than 100 samples in 60 s"


def test_a_signal_that_is_missing_most_of_the_time_is_named():
    rows = noise(ENOUGH, 2, 0.0)
    rows[np.arange(ENOUGH) % 5 < 3, 1] = np.nan
    assert codes(calibrated(a_policy(), rows)) == ["gaps"]


def test_a_guard_that_sees_nothing_stands_against_it_too():
    policy = a_policy(1, warn={"heat": Shift(rise=3.0)})
    rows = noise(ENOUGH, 2, 0.0)
    rows[:, 0] = np.nan
    assert codes(calibrated(policy, rows)) == ["no_data"]


def test_a_signal_that_is_only_watched_is_measured_without_a_verdict():
    policy = a_policy(1, warn={"heat": Shift(rise=3.0)})
    heat, _ = calibrated(policy, noise(ENOUGH, 2, 0.0)).signals
    assert heat.signal == "heat"
    assert heat.heard.found == 1.0
    assert heat.detectable > 0


def test_a_verdict_that_errs_too_often_is_red():
    found = calibrated(a_policy(1, confidence=0.6), noise(ENOUGH, 1, 0.9))
    assert codes(found) == ["false_keeps"]
    assert "% of the placebos would have been kept" in found.reasons[0].what
    assert "strategy.confidence" in found.reasons[0].hint


def test_a_guard_within_the_noise_is_a_warning():
    found = calibrated(a_policy(1, warn={"s0": Shift(rise=0.001)}), noise(ENOUGH, 1, 0.9))
    assert found.green
    assert warned(found) == ["false_rollbacks"]


# ── effects that are asked for ───────────────────────────────────────────────
def test_an_effect_that_noise_hides_is_a_warning_and_the_window_that_would_do_is_named():
    rows = noise(HOURS_4, 1, 0.98, sd=0.05)
    (one,) = calibrated(a_policy(1, forget_h=1000.0), rows).signals
    good = one.detectable * 0.8
    policy = a_policy(1, forget_h=1000.0, good={"s0": Shift(fall=-good)})
    found = calibrated(policy, rows)
    (one,) = found.signals
    assert found.green
    assert one.judged == "toggled"
    assert 60 < one.window_s < 600
    (warning,) = found.warnings
    assert warning.code == "too_fine"
    assert f"observe_window_s: {one.window_s:g} would do" in warning.hint
    assert "7 toggled pairs of windows can" in warning.hint
    longer = a_policy(
        1, forget_h=1000.0, good={"s0": Shift(fall=-good)}, observe_window_s=one.window_s
    )
    assert figures.figures(longer, one.heard).judged == "at_once"


def test_an_effect_that_no_window_shows_is_said_to_be_so():
    policy = a_policy(1, good={"s0": Shift(fall=-1e-6)})
    found = calibrated(policy, noise(ENOUGH, 1, 0.98))
    assert found.signals[0].judged == "no"
    assert found.signals[0].window_s is None
    assert found.warnings[0].hint.startswith("no window within a day would do; or ask for ")


def test_an_effect_that_is_large_enough_is_judged_at_once():
    policy = a_policy(1, good={"s0": Shift(rise=0.9, fall=-0.8)})
    (one,) = calibrated(policy, noise(ENOUGH, 1, 0.9)).signals
    assert (one.good, one.judged, one.window_s) == (0.8, "at_once", 30.0)


def test_without_toggling_one_pair_is_all_there_is():
    rows = noise(ENOUGH, 1, 0.9)
    (one,) = calibrated(a_policy(1, paired_toggling=False), rows).signals
    assert one.toggled == one.detectable


def test_noise_on_record_judges_another_policy():
    (one, _) = calibrated(a_policy(), noise(ENOUGH, 2, 0.9)).signals
    heard = {"s0": one.heard}
    strict = a_policy(good={"s0": Shift(fall=-1e-5), "s1": Shift(fall=-1e-5)})
    assert [signal for signal, _ in figures.doubts(strict, heard)] == ["s0"]
    loose = a_policy(good={"s0": Shift(fall=-0.9)})
    assert figures.doubts(loose, heard) == []
    assert figures.doubts(strict, {}) == []


def test_figures_worked_out_again_are_those_that_were_measured():
    policy = a_policy(1, good={"s0": Shift(fall=-0.01)})
    (one,) = calibrated(policy, noise(ENOUGH, 1, 0.9)).signals
    again = figures.figures(policy, one.heard)
    assert (again.detectable, again.toggled, again.window_s) == (
        one.detectable,
        one.toggled,
        one.window_s,
    )
    assert again.correlation_time_s == one.correlation_time_s
