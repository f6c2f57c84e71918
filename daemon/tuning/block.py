"""The grid of time that everything is counted by."""

BLOCK_US = 5_000_000
"""Block k covers ``[k * BLOCK_US, (k + 1) * BLOCK_US)`` of UTC microseconds."""
