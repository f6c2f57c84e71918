"""Self-tuning daemon: moves what it may, keeps what helped, takes back what did not."""

__version__ = "0.1.0"

DISTRIBUTION = "self-tuning-daemon"
"""Our name on the package index; the console entry uses it to recognise this package as ours."""
