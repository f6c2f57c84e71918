"""The objective along a recorded timeline."""

import numpy as np
import pytest

from daemon.tuning.model import Shift
from daemon.tuning.timeline import Span, Timeline
from tests.replay_kit import a_policy

SIGNALS = ("errors", "latency", "noise")


def rows(*pairs):
    return np.array([[errors, latency, 7.0] for errors, latency in pairs])


def test_every_stretch_has_its_score_and_its_share():
    timeline = Timeline(a_policy(), SIGNALS, stretch=10)
    timeline.add(18, rows((0.01, 90), (0.01, 120), (0.01, 110), (0.01, 90)))
    assert sorted(timeline.spans) == [1, 2]
    assert timeline.spans[1].mean == pytest.approx(0.75)  # 1 and, a scale off, a half
    assert timeline.spans[2].mean == pytest.approx(0.875)
    assert timeline.whole().share_met == 0.5
    assert timeline.whole().blocks == 4


def test_what_was_not_seen_does_not_count():
    timeline = Timeline(a_policy(), SIGNALS, stretch=10)
    timeline.add(0, rows((np.nan, 90), (np.nan, 90)))
    assert timeline.whole() == Span()
    assert timeline.whole().mean is None
    assert timeline.whole().share_met is None
    timeline.add(2, rows((0.01, np.nan), (0.01, 90)))
    assert (timeline.whole().blocks, timeline.whole().met) == (1, 1)


def test_a_signal_that_is_only_guarded_does_not_score():
    policy = a_policy(warn={"noise": Shift(rise=1.0)})
    timeline = Timeline(policy, SIGNALS, stretch=10)
    timeline.add(0, np.array([[0.01, 90, 7.0], [0.01, 90, np.nan]]))
    assert timeline.whole() == Span(2, 2.0, 2)
