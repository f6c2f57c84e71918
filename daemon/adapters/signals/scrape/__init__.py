"""Answers over HTTP: one careful way to ask below, two languages above it."""
