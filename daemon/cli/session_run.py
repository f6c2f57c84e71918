"""``daemon session run``: a session from its file to its ranking."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.app import sweeping, swept
from daemon.cli import session_cluster
from daemon.cli.output import (
    BAD,
    config_option,
    paint,
    printable,
    say,
    show_document,
    type_option,
)
from daemon.cli.session_progress import progress
from daemon.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.app.sweeping import Asked, Outcome, Ranking, Sweeping, Tools

LOCAL, DASK, KUBERNETES = "local", "dask", "kubernetes"
LAST = "last"
NAME_MAX = 200
NAMED = 3
"""Jobs that failed for one reason which are named."""


class Shard(click.ParamType[tuple[int, int]]):
    """A share of a session: ``I/N``, counted from 0."""

    name = "share"

    def convert(
        self,
        value: str | tuple[int, int],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, int]:
        """Read it."""
        if not isinstance(value, str):
            return value
        number, slash, shares = value.partition("/")
        if not (slash and number.isdecimal() and shares.isdecimal()):
            self.fail(f"{value!r} is no share: 0/4 to 3/4 are the four quarters", param, ctx)
        if not int(number) < int(shares):
            self.fail(f"{value!r}: the shares of {shares} count from 0", param, ctx)
        return int(number), int(shares)


class Place(click.ParamType[str]):
    """Who runs the jobs."""

    name = "place"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check it."""
        kind, colon, address = value.partition(":")
        if value not in {LOCAL, KUBERNETES} and not (kind == DASK and colon and address):
            self.fail(f"{value!r} is none of local, dask:tcp://HOST:PORT, kubernetes", param, ctx)
        return value


def _name(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse a name by which the session could not be asked for."""
    del ctx, parameter
    if value is None:
        return None
    if not value.isprintable() or value != value.strip() or not 0 < len(value) <= NAME_MAX:
        raise click.BadParameter(f"1 to {NAME_MAX} characters that can be seen are a name")
    if value.isdecimal() or value == LAST:
        raise click.BadParameter(f"{value} is how a session is named by its number or its age")
    return value


@click.command("run")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--jobs-file",
    type=click.Path(path_type=Path),
    help="Run the jobs of a file that `session plan` wrote.",
)
@click.option(
    "--on",
    type=Place(),
    metavar="local|dask:ADDRESS|kubernetes",
    default=LOCAL,
    show_default=True,
    help="Who runs the jobs: this machine, a Dask cluster, or Kubernetes.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes  [default: one a core]")
@click.option("--max-jobs", type=click.IntRange(min=1), help="Run only the first N jobs.")
@click.option(
    "--job-timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="A job that runs for longer has failed  [default: 300, or what the file says]",
)
@click.option("--stop-on-error", is_flag=True, help="Stop at the first job that fails.")
@click.option("--resume", is_flag=True, help="Go on with one; refuse to begin a new one.")
@click.option("--retry-failed", is_flag=True, help="Try jobs again that failed.")
@click.option(
    "--write-json/--no-write-json",
    default=None,
    help="Write each result into its output_json, too  [default: with --jobs-file]",
)
@click.option("--name", callback=_name, help="What it is called  [default: as the file is]")
@click.option("--shard", type=Shard(), metavar="I/N", help="Run one of N shares, from 0 on.")
@click.option(
    "--max-results",
    type=click.IntRange(min=0),
    help="How many of the best are shown  [default: 10, or what the file says]",
)
@session_cluster.options
@config_option
@type_option
def command(
    *,
    file: Path | None,
    jobs_file: Path | None,
    on: str,
    config: str | None,
    output: str,
    **options: Any,
) -> int:
    """Run a session, rank it, and say what was best.

    What was run once is on record and never run again. A session that was stopped
    or killed goes on where it was, by the same command; one that is done has
    nothing to do. Ctrl-C stops it in order: what is finished is kept.

    \b
    Ends with
      0   done, or there was nothing to do
      1   some jobs failed; the others are ranked
      2   the session file, the jobs file or the quotes do not hold
      8   stopped before its end, or somebody else runs it: the same command goes on

    \b
    Examples:
      daemon session run configs/sessions/session001.yaml
      daemon session run --jobs-file outputs/jobs.jsonl --stop-on-error
      daemon session run configs/sessions/session001.yaml --on dask:tcp://10.0.0.5:8786
      daemon session run configs/sessions/session001.yaml --on kubernetes --dry-run
    """
    if (file is None) == (jobs_file is None):
        raise click.UsageError("name a session file, or a jobs file with --jobs-file; not both")
    built = sweeping.build(config)
    cluster = session_cluster.take(options)
    if on == KUBERNETES:
        session_cluster.print_manifests(built, file, cluster, options)
        return Exit.DONE
    session_cluster.require_none(cluster)
    if options["write_json"] is None:
        options["write_json"] = jobs_file is not None
    asked = built.asked(file, jobs_file, options["name"], options["max_jobs"])
    codes = [int(Exit.DONE)]
    with built.tools(on, options["workers"]) as tools:
        for number, one in enumerate(asked):
            if number and output == "yaml":
                click.echo("---")
            codes.append(_Run(built, tools, one, options).show(output))
            if tools.stop() is not None:
                break
    return max(codes)


@dataclass(frozen=True)
class _Run:
    """One session of those that a file asks for."""

    built: Sweeping
    tools: Tools
    asked: Asked
    options: Mapping[str, Any]

    def show(self, output: str) -> int:
        """Run it and say what came of it; returns the exit code that it deserves."""
        for doubt in self.asked.warnings:
            say(f"warning: {doubt}" + (f"\n    hint: {doubt.hint}" if doubt.hint else ""))
        found = self._run()
        ranking = found.ranking
        if ranking is None and found.nothing_to_do:
            ranking = swept.again(
                self.tools, self.asked, found.session_id, self._how("max_results")
            )
        if output == "table":
            if ranking is not None:
                click.echo(ranking.summary.text())
        else:
            show_document("daemon.session.run/1", _document(found, ranking), output)
        for line in _remarks(found):
            say(line)
        return int(found.exit_code)

    def _run(self) -> Outcome:
        options = sweeping.Options(
            resume=self.options["resume"],
            stop_on_error=self.options["stop_on_error"],
            retry_failed=self.options["retry_failed"],
            write_json=self.options["write_json"],
            shard=self.options["shard"] or (0, 1),
            job_timeout_s=self._how("job_timeout_s", "job_timeout"),
            max_results=self._how("max_results"),
        )
        with progress(self.asked.wanted.name, self.built.clock) as tell:
            return self.built.run(self.tools, self.asked.wanted, options, tell)

    def _how(self, name: str, option: str | None = None) -> Any:
        """Take what was typed, or what the file says."""
        typed = self.options[option or name]
        return getattr(self.asked, name) if typed is None else typed


# ── what came of it ──────────────────────────────────────────────────────────
def _document(found: Outcome, ranking: Ranking | None) -> dict[str, Any]:
    return {
        "session_id": found.session_id,
        "name": found.name,
        "state": found.state,
        "jobs": found.total,
        "done": found.done,
        "failed": found.failed,
        "known": found.known,
        "evaluated": found.evaluated,
        "seconds": found.seconds,
        "said": found.said,
        "failures": [{"job_id": job_id, "error": error} for job_id, error in found.failures],
        "promoted": [asdict(one) for one in found.promoted],
        "warnings": list(found.warnings),
        "exit_code": int(found.exit_code),
        **({} if ranking is None else ranking.document()),
    }


def _remarks(found: Outcome) -> Iterator[str]:
    """Say on stderr what became of it, what failed, and how to go on."""
    for warning in found.warnings:
        yield f"warning: {printable(warning)}"
    yield from _failed(found)
    for one in found.promoted:
        yield from promoted_lines(one.proposal, one.said)
    yield printable(found.said)
    if found.nothing_to_do or found.ranking is not None:
        yield f"what it is worth: daemon session rank {found.session_id}"


def promoted_lines(proposal: int | None, said: str) -> Iterator[str]:
    """Say what became of the finding for rules of the loop, and who decides it."""
    if proposal is None:
        yield printable(said)
        return
    yield f"proposal {proposal}: {printable(said)}"
    yield f"  try it: daemon ctl approve {proposal}; turn it down: daemon ctl reject {proposal}"


def _failed(found: Outcome) -> Iterator[str]:
    """Name jobs that failed, those of one reason together, and say how many more there are."""
    reasons: dict[str, list[str]] = {}
    for job_id, error in found.failures:
        reasons.setdefault(error, []).append(job_id)
    for error, jobs in reasons.items():
        named = ", ".join(jobs[:NAMED]) + (", …" if len(jobs) > NAMED else "")
        yield f"{paint('failed', BAD)} {printable(named)}: {printable(error)}"
    more = found.failed - len(found.failures)
    if found.failures and more > 0:
        yield f"  and {more:,} more: daemon session export {found.session_id} -o jsonl"
