"""The console entry, outside the package on purpose."""

from daemon.cli.main import main

__all__ = ["main"]
