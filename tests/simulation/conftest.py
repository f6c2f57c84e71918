"""What all simulated runs share."""

from __future__ import annotations

import gc

import pytest

from tests.simulation import ground, runs


@pytest.fixture(scope="module", autouse=True)
def _grounds():
    """Warm every loop up once, and keep the collector from looking at all modules again."""
    for variant in ground.VARIANTS:
        runs.begun(variant)
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    yield
    gc.set_threshold(*usual)
    gc.unfreeze()
