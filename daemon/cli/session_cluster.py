"""What `daemon session run --on kubernetes` takes, and what it prints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.moments import Span
from daemon.cli.output import printable, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from daemon.app.sweeping import Sweeping

HOW = """\
nothing here speaks to Kubernetes; print the manifests and hand them over:
  daemon session run {file} --on kubernetes --dry-run | kubectl apply --server-side -f -"""

_OPTIONS = (
    click.option("--dry-run", is_flag=True, help="With --on kubernetes: print the manifests."),
    click.option("--shards", type=click.IntRange(min=1), help="… in so many shares  [default: 8]"),
    click.option(
        "--max-parallel", type=click.IntRange(min=1), help="… so many at once  [default: 4]"
    ),
    click.option("--namespace", help="… there  [default: default]"),
    click.option("--image", help="… as this image  [default: self-tuning-daemon, this version]"),
    click.option("--cpu", metavar="QUANTITY", help="… with so much CPU a pod  [default: 1]"),
    click.option("--memory", metavar="QUANTITY", help="… and memory  [default: 1Gi]"),
    click.option(
        "--session-timeout", type=Span(), help="… ended after so long in all  [default: 1h]"
    ),
    click.option(
        "--data-claim",
        metavar="CLAIM:PATH",
        help="… with the quotes in a volume claim; without it they travel in the manifest.",
    ),
)
NAMES = (
    "dry_run",
    "shards",
    "max_parallel",
    "namespace",
    "image",
    "cpu",
    "memory",
    "session_timeout",
    "data_claim",
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a session on Kubernetes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take(given: dict[str, Any]) -> dict[str, Any]:
    """Take what was said of Kubernetes out of all that was said."""
    return {name: value for name in NAMES if (value := given.pop(name))}


def require_none(cluster: Mapping[str, Any]) -> None:
    """Refuse what is said of Kubernetes where nothing is run there."""
    if cluster:
        said = ", ".join(f"--{name.replace('_', '-')}" for name in cluster)
        raise click.UsageError(f"{said}: only with --on kubernetes")


def print_manifests(
    built: Sweeping, file: Path | None, cluster: dict[str, Any], given: Mapping[str, Any]
) -> None:
    """Print what would run a session on Kubernetes, and on stderr what to type then."""
    if file is None:
        raise click.UsageError("--on kubernetes takes a session file, not a file of jobs")
    if not cluster.pop("dry_run", False):
        raise click.UsageError(HOW.format(file=file))
    claim = _claim(cluster.pop("data_claim", None))
    if "session_timeout" in cluster:
        cluster["session_timeout_s"] = math.ceil(cluster.pop("session_timeout"))
    from daemon.app.session_manifests import manifests  # noqa: PLC0415 - only who prints them

    objects, steps = manifests(
        built, file, _arguments(given), claim, name=given.get("name"), **cluster
    )
    import yaml  # noqa: PLC0415 - only manifests need it here

    for one in objects:
        click.echo("---")
        click.echo(yaml.safe_dump(one, sort_keys=False, allow_unicode=True), nl=False)
    for step in steps:
        say(printable(step))


def _claim(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    name, colon, path = text.partition(":")
    if not (name and colon and path):
        raise click.BadParameter(
            f"{text!r} names no claim and no path in it: quotes:/2026/btc.csv",
            param_hint="--data-claim",
        )
    return name, path


def _arguments(given: Mapping[str, Any]) -> Sequence[str]:
    """Say again, to each pod, what was said here."""
    said: list[str] = []
    for name in ("max_jobs", "workers", "job_timeout"):
        if given.get(name) is not None:
            said += [f"--{name.replace('_', '-')}", str(given[name])]
    said += ["--retry-failed"] if given.get("retry_failed") else []
    return said
