"""A process that runs a session may be killed at any moment."""

import random

import pytest

from tests.torture.report import Tally
from tests.torture.sessions import BLOCKS, ROWS, Session, alike


@pytest.mark.slow
@pytest.mark.parametrize("rows_max", [ROWS, BLOCKS], ids=["rows", "blocks"])
def test_killed_several_times_it_loses_nothing_and_repeats_nothing(backend, rows_max):
    rng, tally = random.Random(7), Tally("sessions")
    with backend.lend() as url:
        session = Session(url, rows_max, tally, thresholds=3_000)
        for latest_s in (0.15, 0.4):
            session.kill(rng.uniform(latest_s / 2, latest_s))
        session.finish()
        assert not tally.losses
        assert not tally.violations
        assert session.done() == 6_000
        if backend.name == "sqlite" and rows_max == BLOCKS:
            whole = backend.clone()
            Session(whole, rows_max, tally, thresholds=3_000).finish()
            assert alike(url, whole)
            backend.drop(whole)
