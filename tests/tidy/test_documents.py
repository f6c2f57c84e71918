"""The documents name what there is, and what they point at is there."""

import re
import sqlite3

import pytest

from daemon.cli.main import run
from tests.tidy.project import ROOT, documents, headings, named, prose, section

REFERENCE = ROOT / "docs" / "reference"


def slug(heading: str) -> str:
    """Write a heading as the fragment of a link."""
    plain = re.sub(r"\[([^]]*)]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", documents(), ids=named)
def test_links_lead_somewhere(path):
    broken = []
    for target in re.findall(r"]\(\s*<?([^)\s>]+)", prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, fragment = target.partition("#")
        there = (path.parent / place).resolve() if place else path
        if not there.exists() or (
            fragment and fragment not in {slug(heading) for heading in headings(there)}
        ):
            broken.append(target)
    assert not broken, f"{named(path)} points at what is not there: {', '.join(broken)}"


def test_every_configuration_key_is_in_the_reference():
    from daemon.config.schema import documented_keys  # noqa: PLC0415 - the others need it not

    for page, kinds in (
        ("config.md", ("daemon", "policy")),
        ("sessions.md", ("session",)),
        ("studies.md", ("study",)),
    ):
        text = (REFERENCE / page).read_text()
        missing = [key for key in documented_keys(*kinds) if f"`{key}`" not in text]
        assert not missing, f"docs/reference/{page} does not name {', '.join(missing)}"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A database as the migrations make it."""
    path = tmp_path_factory.mktemp("schema") / "schema.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAEMON_DATABASE_URL", f"sqlite:///{path}")
        assert run(["db", "upgrade"]) == 0
    connection = sqlite3.connect(path)
    yield connection
    connection.close()


@pytest.mark.parametrize("kind", ["table", "view"])
def test_every_table_and_view_is_in_the_reference(database, kind):
    text = (REFERENCE / "schema.md").read_text()
    query = "select name from sqlite_schema where type = ? and name not like 'sqlite%'"
    names = [name for (name,) in database.execute(query, (kind,))]
    assert names
    missing = [name for name in names if f"`{name}`" not in text]
    assert not missing, f"docs/reference/schema.md does not name the {kind}s {', '.join(missing)}"


def test_every_column_of_a_view_is_in_its_section_of_the_reference(database):
    missing = []
    for (view,) in database.execute("select name from sqlite_schema where type = 'view'"):
        text = section(REFERENCE / "schema.md", view)
        columns = [row[1] for row in database.execute(f'pragma table_info("{view}")')]
        missing += [f"{view}.{column}" for column in columns if f"`{column}`" not in text]
    assert not missing, (
        f"docs/reference/schema.md, below the heading of the view, lacks {', '.join(missing)}"
    )
