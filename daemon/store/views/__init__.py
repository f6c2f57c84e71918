"""The views, one file each; columns are a promise to everybody who queries them.

The files are SQL with three words that differ between databases: ``@iso(x)``
writes a moment as ISO text, ``@now_us`` is the present, ``@open`` is true for
an open change. `migrations/` keeps frozen copies of what each revision created.
"""

from __future__ import annotations

import re
from importlib import resources

from daemon.store.tables.tuning import IS_OPEN

ORDER = (
    "current_rules",
    "decision_log",
    "change_effects",
    "rule_timeline",
    "leaderboard",
    "study_leaderboard",
    "signal_health",
)

_ISO = {
    "sqlite": (
        r"(strftime('%Y-%m-%dT%H:%M:%S', (\1) / 1000000, 'unixepoch')"
        r" || printf('.%06dZ', (\1) % 1000000))"
    ),
    "postgresql": (
        r"""(to_char(to_timestamp((\1) / 1000000) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')"""
        r" || '.' || lpad(((\1) % 1000000)::text, 6, '0') || 'Z')"
    ),
}

_NOW = {
    "sqlite": "cast((julianday('now') - 2440587.5) * 86400000000 as integer)",
    "postgresql": "cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)",
}


def render(template: str, dialect: str) -> str:
    """Replace the words that differ between databases."""
    text = template.replace("@now_us", _NOW[dialect]).replace("@open", IS_OPEN)
    return re.sub(r"@iso\(([^()]+)\)", _ISO[dialect], text)


def _load(name: str) -> str:
    return (resources.files(__package__) / f"{name}.sql").read_text(encoding="utf-8")


VIEWS = {name: _load(name) for name in ORDER}
"""Name of a view and its template."""


def create_statement(name: str, dialect: str) -> str:
    """Write the statement that creates a view."""
    body = render(VIEWS[name], dialect)
    return f"CREATE VIEW {name} AS\n{body.rstrip()}"
