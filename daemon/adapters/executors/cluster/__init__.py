"""Batches run by the workers of a Dask cluster: the extra 'cluster'."""

from daemon.adapters.executors.cluster.executor import DaskExecutor

__all__ = ["DaskExecutor"]
