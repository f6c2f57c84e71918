"""Submissions: studies that programs asked for by HTTP, and what became of each."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, text

from daemon.store.tables.base import json_checks, moment, one_of, table
from daemon.store.types import Count, Json, Micros

SUBMISSION_STATES = ("queued", "running", "stopped", "done", "failed", "cancelled")

# `body` is the study as it was sent. `child` says which process runs it, so that the
# next leader can end it. A submission that is `stopped` is taken up again by itself.
submissions = table(
    "submissions",
    Column("id", Count, primary_key=True),
    Column("name", Text, nullable=False),
    Column("body", Json, nullable=False),
    Column("priority", Count, nullable=False, server_default=text("0")),
    Column("state", Text, nullable=False),
    Column("asked_at_us", Micros, nullable=False),
    Column("again_at_us", Micros),
    Column("started_at_us", Micros),
    Column("ended_at_us", Micros),
    Column("cancel_requested_at_us", Micros),
    Column("tries", Count, nullable=False, server_default=text("0")),
    Column("study_id", Count, ForeignKey("studies.id")),
    Column("child", Json),
    Column("exit_code", Count),
    Column("note", Text),
    Index("ix_submissions_state_id", "state", "id"),
    one_of("state", SUBMISSION_STATES),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
    CheckConstraint("priority BETWEEN 0 AND 9", name="priority_range"),
    CheckConstraint("tries >= 0", name="tries_counted"),
    CheckConstraint(
        "(state IN ('done', 'failed', 'cancelled')) = (ended_at_us IS NOT NULL)", name="ended"
    ),
    moment("asked_at_us"),
    *json_checks("body", "child"),
)
