"""Altering a table on SQLite means building it anew; what hangs on it must survive."""

import ast
from pathlib import Path

import pytest
from alembic import command

from daemon.errors import StoreError
from daemon.store import chain, history, migrate, structure
from daemon.store.chain import STREAMS
from daemon.store.store import Store
from tests.contract import tampering

VERSIONS = sorted((Path(migrate.home()) / "migrations" / "versions").glob("*.py"))

REVISION = """
import migration_ddl as ddl
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0900", "{before}"
branch_labels = depends_on = None


def upgrade():
    {body}


def downgrade():
    pass
"""

SAFE = """with ddl.rebuild("decisions", views=["decision_log"]) as batch:
        batch.add_column(sa.Column("weather", sa.Text()))
        batch.alter_column("policy", nullable=False, server_default="none")"""
BARE = """with op.batch_alter_table("decisions") as batch:
        batch.add_column(sa.Column("weather", sa.Text()))
        batch.alter_column("policy", nullable=False, server_default="none")"""


def run(store, folder, body):
    """Upgrade through one more revision than there are."""
    words = REVISION.format(before=migrate.head(), body=body)
    (folder / "0900_rebuild.py").write_text(words)

    def act(config):
        ours = migrate.home() / "migrations" / "versions"
        config.set_main_option("version_locations", f"{ours}:{folder}")
        command.upgrade(config, "head")

    migrate._move(store, act, None)


@pytest.fixture
def filled(own_url):
    with Store.open(own_url) as store:
        tampering.write_streams(store)
        yield store


def test_a_rebuilt_table_keeps_its_rows_its_triggers_and_the_views_over_it(filled, tmp_path):
    with filled.read() as view:
        rows = history.read(view, "decisions")
    run(filled, tmp_path, SAFE)
    changed = {one.name for one in structure.drift(filled)}
    assert changed in (
        {"table decisions"},
        {"column decisions.weather", "column decisions.policy"},
    ), "what was asked for, and nothing else"
    with filled.read() as view:
        assert history.read(view, "decisions") == rows
        assert not chain.verify(view, STREAMS["decisions"]).breaks
        assert len(view.exec_driver_sql("SELECT * FROM decision_log").all()) == len(rows)
    for statement in ("UPDATE decisions SET at_us = 1", "DELETE FROM decisions"):
        with pytest.raises(StoreError, match="decisions is append-only"), filled.write() as tx:
            tx.exec_driver_sql(statement)


def test_a_rebuilt_table_keeps_what_only_its_text_says(sqlite_backend, tmp_path):
    """STRICT, the checks, the conditions of its indexes."""
    url = sqlite_backend.clone()
    views = ["current_rules", "change_effects", "rule_timeline"]
    body = f"""with ddl.rebuild("changes", views={views}) as batch:
        batch.add_column(sa.Column("weather", sa.Text()))"""
    with Store.open(url) as store:
        run(store, tmp_path, body)
        (drift,) = structure.drift(store)
    assert (drift.name, drift.difference) == ("table changes", "+ weather TEXT")


REMAKE = """ddl.remake(
        "small",
        sa.Column("id", ddl.Count, nullable=False),
        sa.Column("kept", sa.Text(), nullable=False),
        sa.Column("more", sa.Text(), server_default="none", nullable=False),
        *[sa.CheckConstraint(f"length(kept) > {n}", name=op.f(f"ck_{n}")) for n in range(9)],
        sa.PrimaryKeyConstraint("id", name=op.f("pk_small")),
        keep=["id", "kept"],
        views=["over"],
    )"""
SMALL = [
    "CREATE TABLE small (id INTEGER PRIMARY KEY, kept TEXT, gone TEXT)",
    "CREATE INDEX ix_small_kept ON small (kept) WHERE kept <> ''",
    "CREATE TRIGGER small_no_delete BEFORE DELETE ON small BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE VIEW over AS SELECT id, kept FROM small",
    "INSERT INTO small VALUES (7, 'long enough', 'x')",
]


def test_a_table_that_is_made_anew_keeps_its_rows_and_what_hangs_on_it(sqlite_backend, tmp_path):
    with Store.open(sqlite_backend.clone()) as store:
        with store.write() as tx:
            for statement in SMALL:
                tx.exec_driver_sql(statement)
        run(store, tmp_path, REMAKE)
        query = "SELECT type, name, sql FROM sqlite_master WHERE tbl_name IN ('small', 'over')"
        with store.read() as view:
            found = {name: sql for _, name, sql in view.exec_driver_sql(query)}
            assert view.exec_driver_sql("SELECT * FROM small").all() == [(7, "long enough", "none")]
            assert view.exec_driver_sql("SELECT * FROM over").all() == [(7, "long enough")]
    for statement in SMALL[1:4]:
        assert found[statement.split()[2]] == statement
    assert found["small"].rstrip().endswith("STRICT")
    places = [found["small"].index(f"ck_{n} ") for n in range(9)]
    assert places == sorted(places), "in the order they were written in"


def test_without_that_care_the_triggers_are_gone_without_a_word(sqlite_backend, tmp_path):
    """The trap itself: if SQLite or Alembic ever mend it, this says so."""
    url = sqlite_backend.clone()
    body = BARE.replace("with op", 'ddl.drop_views("decision_log")\n    with op')
    with Store.open(url) as store:
        run(store, tmp_path, body)
        lost = {one.name for one in structure.drift(store) if one.what == "missing"}
    assert {f"trigger decisions_no_{way}" for way in ("update", "delete", "replace")} <= lost


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node, ast.unparse(node.func)


def bare_rebuilds(words):
    return [
        node.lineno for node, name in calls(ast.parse(words)) if name.endswith("batch_alter_table")
    ]


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_no_revision_rebuilds_a_table_without_that_care(path):
    assert not bare_rebuilds(path.read_text()), "write: with ddl.rebuild(table, views=[...])"


def test_a_bare_rebuild_would_be_found():
    assert bare_rebuilds(REVISION.format(before="x", body=BARE))
    assert not bare_rebuilds(REVISION.format(before="x", body=SAFE))
