"""Judging a session: who was best, how much of it is luck, and what follows from it."""
