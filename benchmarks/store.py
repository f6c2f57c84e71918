"""Measure the store: ingest, window reads, a decision's transaction, the views.

    python benchmarks/store.py                        SQLite
    python benchmarks/store.py --postgres             and a PostgreSQL of its own
    python benchmarks/store.py --quick --only views   a minute at most

Product and raw driver, small and large history take turns, so that the ratios
hold on a machine that is busy with something else. The goal for a figure stands
beside it. Every database is temporary; ``--folder`` says on which disk.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from measure import report
from store_decisions import HistoryDatabases, measure_growth, measure_safeguards
from store_ingest import measure_postgres, measure_sqlite
from store_lake import SampleDatabases, SqliteLake, postgres_lake
from store_views import measure_views
from store_windows import measure_jsonl, measure_windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from measure import Table
    from store_lake import PostgresLake

SECTIONS = ("ingest", "windows", "jsonl", "decisions", "views")


@dataclass(frozen=True)
class Wish:
    """What was asked for on the command line."""

    only: tuple[str, ...]
    quick: bool
    full: bool
    postgres: bool
    postgres_url: str | None
    folder: Path | None
    json: Path | None
    strict: bool


def parse(arguments: list[str]) -> Wish:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", type=_sections, default=SECTIONS, help=f"some of {','.join(SECTIONS)}")
    add("--quick", action="store_true", help="smaller databases and fewer repeats")
    add("--full", action="store_true", help="the largest databases on PostgreSQL too")
    add("--postgres", action="store_true", help="measure a PostgreSQL that is started for it, too")
    add("--postgres-url", metavar="URL", help="measure this PostgreSQL, in databases of our own")
    add("--folder", type=Path, help="where the SQLite files are put (default: temporary files)")
    add("--json", type=Path, metavar="FILE", help="write the tables to a file, too")
    add("--strict", action="store_true", help="exit with 1 when a goal is missed")
    return Wish(**vars(parser.parse_args(arguments)))


def _sections(text: str) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    for name in chosen:
        if name not in SECTIONS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(SECTIONS)}")
    return chosen


def tables(wish: Wish) -> Iterator[Table]:
    """Measure what was asked for, one table after the other."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=wish.folder)))
        yield from _on_sqlite(wish, folder)
        if wish.postgres or wish.postgres_url:
            yield from _on_postgres(
                wish, stack.enter_context(postgres_lake(wish.postgres_url)), folder
            )


def _on_sqlite(wish: Wish, folder: Path) -> Iterator[Table]:
    lake = SqliteLake(folder)
    if "ingest" in wish.only:
        yield measure_sqlite(lake, quick=wish.quick)
    filled = SampleDatabases(lake)
    if "windows" in wish.only:
        yield measure_windows(filled, quick=wish.quick, full=wish.full)
    if "jsonl" in wish.only:
        yield measure_jsonl(filled, folder, quick=wish.quick)
    if "decisions" in wish.only:
        history = HistoryDatabases(lake)
        yield measure_growth(history, folder, quick=wish.quick, full=wish.full)
        yield measure_safeguards(history, quick=wish.quick)
    if "views" in wish.only:
        yield measure_views(lake, quick=wish.quick)


def _on_postgres(wish: Wish, lake: PostgresLake, folder: Path) -> Iterator[Table]:
    if "ingest" in wish.only:
        yield measure_postgres(lake, quick=wish.quick)
    if "windows" in wish.only:
        yield measure_windows(SampleDatabases(lake), quick=wish.quick, full=wish.full)
    if "decisions" in wish.only:
        history = HistoryDatabases(lake)
        yield measure_growth(history, folder, quick=wish.quick, full=wish.full)
        yield measure_safeguards(history, quick=wish.quick)
    if "views" in wish.only:
        yield measure_views(lake, quick=wish.quick)


def main(arguments: list[str]) -> int:
    """Measure, print, and say whether every goal is met."""
    wish = parse(arguments)
    met = report(tables(wish), wish.json)
    return 1 if wish.strict and not met else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
