"""How Alembic runs: in one transaction, with a version table of its own name.

The daemon hands over a connection that is already inside a transaction
(`daemon/store/migrate.py`); a developer's ``alembic -x url=…`` gets one here.
Nothing is imported from the daemon but the tables, for the drift check.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context

from daemon.store.tables import metadata

VERSION_TABLE = "daemon_schema_version"
"""Not ``alembic_version``: other tools that share a database claim that name."""


def ours(name: str | None, kind: str, parents: object) -> bool:
    """Leave tables of other programs in the same database alone."""
    del parents
    return kind != "table" or name in metadata.tables


def needed(item: object, name: str | None, kind: str, reflected: bool, twin: object) -> bool:  # noqa: FBT001 - Alembic calls it by position
    """Leave out the JSON checks where they are not made: a ``jsonb`` column needs none."""
    del item, reflected, twin
    only_sqlite = kind == "check_constraint" and (name or "").endswith("_json")
    return not only_sqlite or context.get_context().dialect.name == "sqlite"


def report(*, step: Any, **_: Any) -> None:
    """Tell whoever is waiting which revision has just been applied or undone."""
    on_step = context.config.attributes.get("on_step")
    if on_step is not None:
        on_step(step.up_revision_id)


def run(connection: sa.Connection) -> None:
    """Run the revisions that Alembic was asked for on this connection."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        include_name=ours,
        include_object=needed,
        compare_type=True,
        compare_server_default=True,
        transactional_ddl=True,
        on_version_apply=report,  # type: ignore[arg-type]  # Alembic calls it by keyword
        autogenerate_plugins=["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    url = context.get_x_argument(as_dictionary=True).get("url", "sqlite:///var/daemon.db")
    with sa.create_engine(url).begin() as own:
        run(own)
