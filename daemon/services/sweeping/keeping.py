"""Keeping the result of one backtest that was run alone: sessions that ask the same find it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daemon.market.metrics import ENGINE_VERSION, NAMES
from daemon.services.sweeping import rows
from daemon.services.sweeping.keys import result_keys
from daemon.store import results
from daemon.store.results import NewResults

if TYPE_CHECKING:
    from daemon.clock import Clock
    from daemon.market.metrics import Metrics
    from daemon.market.params import Params
    from daemon.store.store import Store


def record_single(
    store: Store, clock: Clock, data_digest: str, params: Params, found: tuple[Metrics, float]
) -> None:
    """Write what a backtest brought and how long it ran, unless that is known."""
    metrics, runtime_s = found
    columns = {name: np.array([getattr(metrics, name)]) for name in NAMES}
    text = params.canonical()
    new = NewResults(
        at_us=clock.now_us(),
        engine_version=ENGINE_VERSION,
        data_digest=data_digest,
        keys=result_keys(data_digest, [text]),
        params=[text],
        figures=rows.figures(columns),
        metrics=rows.metric_texts(columns),
        runtime_s=[runtime_s],
    )
    with store.write() as tx:
        results.add(tx, new)
