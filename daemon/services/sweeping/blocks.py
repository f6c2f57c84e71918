"""What stands in a block of results: the columns, and how many jobs."""

from __future__ import annotations

from daemon.market.params import Combinations

BLOCK = 16_384
"""Jobs of a block; the last one of a session may have fewer."""

JOB_ID, FAILED, RUNTIME = "job_id", "failed", "runtime_seconds"
"""Columns beside parameters and metrics; names only where no plan gives them."""

PARAMETERS = tuple(Combinations.__slots__)
