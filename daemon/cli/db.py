"""``daemon db``: the database, from creating it to asking it anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon import app
from daemon.cli.output import Rows, config_option, say, show, type_option
from daemon.cli.progress import by_file, counting
from daemon.clock import iso
from daemon.errors import ConfigError, Exit, InputError, TamperedHistory

if TYPE_CHECKING:
    from daemon.config.policy_file import LoadedPolicy

BAD_LINES_SHOWN = 20


@click.group(name="db")
def group() -> None:
    """Create, upgrade, check, query and export the database.

    \b
    The database is database.url in the settings, or $DAEMON_DATABASE_URL:
      sqlite:///var/daemon.db
      postgresql://user@host/name
    """


@group.command()
@config_option
def upgrade(config: str | None) -> None:
    """Create the schema, or bring it up to date.

    All pending revisions run in one transaction: if one fails, nothing has
    changed. Take a backup first when the database is dear to you.

    \b
    Example:
      DAEMON_DATABASE_URL=postgresql://daemon@db/daemon daemon db upgrade
    """
    with app.build(config).upkeep(any_schema=True) as upkeep:
        done = upkeep.upgrade(on_step=lambda revision: say(f"applied {revision}"))
        state = f"at {done.applied[-1]}" if done.applied else f"already at {done.before}"
        click.echo(f"{upkeep.store.name} is {state}")


@group.command()
@config_option
@type_option
def current(config: str | None, output: str) -> None:
    """Show which revisions of the schema the database has.

    \b
    Example:
      daemon db current -o json
    """
    with app.build(config).upkeep(any_schema=True) as upkeep:
        rows = [
            (one.id, "applied" if one.applied else "pending", one.summary)
            for one in upkeep.revisions()
        ]
    show(Rows("daemon.db.current/1", ("revision", "state", "summary"), rows), output)


@group.command()
@config_option
@type_option
def check(config: str | None, output: str) -> int:
    """Ask whether the database is sound: schema, structure, file, references, recent history.

    Ends with 1 when something is wrong; a warning alone ends with 0.

    \b
    Example:
      daemon db check
    """
    with app.build(config).upkeep(any_schema=True) as upkeep:
        findings = list(upkeep.examine())
    rows = [(one.status, one.check, one.detail, one.hint) for one in findings]
    show(Rows("daemon.db.check/1", ("status", "check", "detail", "hint"), rows), output)
    return Exit.FAILED if any(one.status == "fail" for one in findings) else Exit.DONE


@group.command()
@click.option("--last", type=click.IntRange(min=1), help="Only the last N rows of each stream.")
@click.option(
    "--against",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Heads printed by an earlier `verify -o json`: finds a tail that was cut off since.",
)
@config_option
@type_option
def verify(last: int | None, against: Path | None, config: str | None, output: str) -> int:
    """Check every row of the history against its hash, and name each one that was touched.

    Decisions, changes, rule values and events are chained: an altered, removed
    or reordered row is found. Keep the printed heads somewhere else, and a
    history that was cut short is found too.

    \b
    Examples:
      daemon db verify
      daemon db verify -o json > heads.json && daemon db verify --against heads.json
    """
    published = _read_heads(against) if against else None
    with (
        app.build(config).upkeep() as upkeep,
        counting("verifying", "rows", upkeep.history_rows(last)) as advance,
    ):
        reports = upkeep.verify(last=last, published=published, on_rows=advance)
    broken = [one for report in reports for one in report.breaks]
    rows = [
        (report.stream, report.head.seq, report.head.hash, len(report.breaks)) for report in reports
    ]
    show(Rows("daemon.db.verify/1", ("stream", "rows", "head", "breaks"), rows), output)
    for one in broken:
        say(f"  {one}")
    if broken:
        raise TamperedHistory(
            f"the history was touched in {len(broken)} place{'s' if len(broken) > 1 else ''}",
            hint="compare with a backup or an export; find out who has write access",
        )
    return Exit.DONE


def _read_heads(path: Path) -> dict[str, Any]:
    try:
        return dict(app.as_heads(json.loads(path.read_text(encoding="utf-8"))["rows"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} does not hold heads: {error}", hint="make it with: daemon db verify -o json"
        ) from error


@group.command()
@click.option("--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="Override.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@config_option
@type_option
def prune(older_than: float | None, dry_run: bool, config: str | None, output: str) -> None:
    """Remove raw samples that are older than retention.raw_days; summaries and history stay.

    Samples are summarised in buckets of 10 and 60 seconds first. What an open
    change rests on is never removed.

    \b
    Example:
      daemon db prune --older-than 30 --dry-run
    """
    with app.build(config).upkeep() as upkeep:
        if dry_run:
            pruned = upkeep.plan_prune(older_than)
        else:
            with counting("pruning", "rows") as advance:
                pruned = upkeep.prune(older_than, on_rows=advance)
    rows = [(one.signal, one.rows, iso(one.before_us)) for one in pruned]
    word = "would_remove" if dry_run else "removed"
    show(Rows("daemon.db.prune/1", ("signal", word, "before_at"), rows), output)


@group.command("import-legacy")
@click.argument("directory", type=click.Path(path_type=Path))
@config_option
@type_option
def import_legacy(directory: Path, config: str | None, output: str) -> int:
    """Take over the files of an earlier tuner; importing twice imports once.

    Reads, each if present: rules_history.jsonl, rules_effects.csv,
    quotes_bank.jsonl, risk_ledger.jsonl, tuning_decisions.jsonl, metrics.csv.
    Lines that cannot be read are listed and left out, the rest goes in. Rules
    of the policy continue from the last value in their history. Ends with 1
    when a whole file could not be read.

    \b
    Example:
      daemon db import-legacy /srv/old-tuner/logs
    """
    built = app.build(config)
    with built.upkeep() as upkeep:
        policy = _policy(built)
        with by_file("lines") as tell:
            report = upkeep.import_legacy(directory, policy, on_progress=tell)
    rows = [(one.path.name, one.lines, one.imported, one.known, one.bad) for one in report.files]
    columns = ("file", "lines", "imported", "already_known", "bad")
    show(Rows("daemon.db.import/1", columns, rows), output)
    for problem in report.problems[:BAD_LINES_SHOWN]:
        say(f"  {problem}")
    if report.bad > BAD_LINES_SHOWN:
        say(f"  … and {report.bad - BAD_LINES_SHOWN} more")
    return Exit.FAILED if report.refused else Exit.DONE


def _policy(built: app.App) -> LoadedPolicy | None:
    """Read the policy if there is one that holds: the import does not depend on it."""
    try:
        return built.policy()
    except ConfigError as error:
        say(f"rules are not taken over: {error.message}")
        return None


@group.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace files of an earlier export.")
@config_option
@type_option
def export(directory: Path, overwrite: bool, config: str | None, output: str) -> None:
    """Write the database in the files that `import-legacy` reads.

    Importing an export into an empty database and exporting again gives the
    same bytes.

    \b
    Example:
      daemon db export backup/2026-11-21
    """
    with app.build(config).upkeep() as upkeep, by_file("rows") as tell:
        report = upkeep.export(directory, overwrite=overwrite, on_progress=tell)
    rows = [(one.path.name, one.rows, one.bytes, one.sha256) for one in report.files]
    show(Rows("daemon.db.export/1", ("file", "rows", "bytes", "sha256"), rows), output)


@group.command()
@click.argument("question", required=False, metavar="[NAME | SQL]")
@click.option("--list", "listing", is_flag=True, help="Name every query, view and table.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="At most so many rows.",
)
@config_option
@type_option
def query(
    question: str | None,
    listing: bool,
    limit: int,
    config: str | None,
    output: str,
) -> None:
    """Ask the database: a query by name, a view, a table, or one SQL statement that reads.

    \b
    Examples:
      daemon db query --list
      daemon db query decision_log --limit 5
      daemon db query "select rule, count(*) from changes group by rule" -o json
    """
    if listing or question is None:
        show(_catalogue(), output)
        return
    with app.build(config).upkeep() as upkeep:
        show(_ask(upkeep, question, limit), output)


def _catalogue() -> Rows:
    return Rows("daemon.db.catalogue/1", ("name", "kind", "answers"), app.catalogue())


def _ask(upkeep: app.Upkeep, question: str, limit: int) -> Rows:
    answer = upkeep.ask(question, limit)
    note = f"the first {limit} rows; --limit shows more" if answer.more else None
    return Rows("daemon.db.query/1", answer.columns, answer.rows, note)
