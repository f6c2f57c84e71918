"""What `daemon optimize` says when it is over."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.output import BAD, paint, printable, say, show_document
from daemon.cli.session_run import promoted_lines
from daemon.cli.study_show import lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.app.studying import Due, StudyOutcome

SCHEMA = "daemon.optimize/1"


def show(found: StudyOutcome, shown: Mapping[str, Any], output: str, now_us: int) -> None:
    """Show what came of it on stdout; what to do about it goes to stderr."""
    if output == "table":
        for line in lines(shown, now_us):
            click.echo(line)
    else:
        show_document(SCHEMA, document(found), output)
    for line in _remarks(found):
        say(line)


def document(found: StudyOutcome) -> dict[str, Any]:
    """Say it as JSON can hold it."""
    return {
        "study_id": found.study_id,
        "name": found.name,
        "state": found.state,
        "said": found.said,
        "nothing_to_do": found.nothing_to_do,
        "trials": found.trials,
        "done": found.done,
        "pruned": found.pruned,
        "failed": found.failed,
        "known": found.known,
        "evaluated": found.evaluated,
        "seconds": found.seconds,
        "declared": found.declared,
        "winner": {
            "trial": found.winner_n,
            "params": None if found.winner is None else dict(found.winner),
            "value": found.value,
            "oos_value": found.oos_value,
        },
        "folds": [asdict(fold) for fold in found.folds],
        "report": found.report,
        "promoted": [asdict(one) for one in found.promoted],
        "failures": [{"trial": n, "error": error} for n, error in found.failures],
        "warnings": list(found.warnings),
        "exit_code": int(found.exit_code),
    }


def due_document(due: Due) -> dict[str, Any]:
    """Say why it was not run, as JSON can hold it."""
    return {
        "due": due.fired,
        "said": due.said,
        "study_id": due.study_id,
        "triggers": [
            {"kind": one.kind, "fired": one.fired, "said": one.said, "evidence": dict(one.evidence)}
            for one in due.triggers
        ],
        "exit_code": 0,
    }


def _remarks(found: StudyOutcome) -> Iterator[str]:
    for warning in found.warnings:
        yield f"warning: {printable(warning)}"
    for n, error in found.failures:
        yield f"{paint('failed', BAD)} trial {n}: {printable(error)}"
    for one in found.promoted:
        yield from promoted_lines(one.proposal, one.said)
    yield printable(found.said)
