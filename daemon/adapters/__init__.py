"""Hands and eyes: what brings signals in, holds values, and reaches people."""
