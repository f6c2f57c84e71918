"""Doors for programs: probes, metrics, pushed signals. Loopback unless told otherwise."""
