"""Doors for a person: one file per command group, no logic."""
