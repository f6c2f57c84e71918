"""Batches run by processes of this machine."""

from daemon.adapters.executors.local.pool import LocalExecutor

__all__ = ["LocalExecutor"]
