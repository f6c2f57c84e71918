"""Every change is told to those who operate the daemon, in a form that a release can collect."""

import re
import tomllib

import pytest

from tests.tidy.project import ROOT, files, named

FRAGMENTS = [
    path for path in files() if path.parent == ROOT / "changelog.d" and path.name != "README.md"
]
TOWNCRIER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
KINDS = [kind["directory"] for kind in TOWNCRIER["type"]]
REVISIONS = [
    path
    for path in files()
    if named(path).startswith("migrations/versions/") and path.suffix == ".py"
]


def test_a_fragment_is_well_formed():
    for path in FRAGMENTS:
        assert re.fullmatch(rf"(\d+|\+[a-z0-9-]+)\.({'|'.join(KINDS)})\.md", path.name), (
            f"{named(path)} must be called <number>.<kind>.md or +<words>.<kind>.md,"
            f" where the kind is one of {', '.join(KINDS)}"
        )
        text = path.read_text().strip()
        assert text, f"{named(path)} is empty"
        assert text.endswith((".", "`", ")")), f"{named(path)} does not end its sentence"


def test_the_changelog_has_the_place_where_releases_go():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert text.count(TOWNCRIER["start_string"]) == 1


@pytest.mark.parametrize("path", REVISIONS, ids=named)
def test_a_migration_is_told_to_operators(path):
    revision = re.search(r'^revision(?:: str)? = "([^"]+)"', path.read_text(), re.MULTILINE)
    assert revision, f"{named(path)} names no revision"
    told = [f.read_text() for f in FRAGMENTS if f.name.endswith(".migration.md")]
    told.append((ROOT / "CHANGELOG.md").read_text())
    assert any(re.search(rf"\b{re.escape(revision[1])}\b", text) for text in told), (
        f"no changelog.d/*.migration.md and no release in CHANGELOG.md names revision"
        f" {revision[1]}: say what it changes and whether it runs before or after the new code"
    )
