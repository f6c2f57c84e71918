"""Nothing in the project knows the machine that it was written on."""

import re
from pathlib import Path

import pytest

from tests.tidy.project import ROOT, files, named

LOCK_FILES = [
    path
    for path in files()
    if named(path).startswith("requirements/") or path.name in {"package-lock.json", "uv.lock"}
]
PLACES = [f"{ROOT}/", f"{Path.home()}/"]


PLACE_IN_A_LOCK_FILE = re.compile(
    r"^.*(?:https?:|file:|--(?:extra-)?index-url|--find-links).*$", re.MULTILINE
)
PIN = re.compile(r"^[\w.-]+(?:\[.*\])?==.*$(\n +--hash=sha256:)?", re.MULTILINE)


@pytest.mark.parametrize("path", LOCK_FILES, ids=named)
def test_a_lock_file_says_what_and_not_from_where(path):
    found = PLACE_IN_A_LOCK_FILE.search(path.read_text())
    assert not found, f"{named(path)} names a place: {found[0].strip()}"


def test_requirements_are_pinned_by_hash():
    for path in (path for path in LOCK_FILES if path.parent.name == "requirements"):
        pins = [*PIN.finditer(path.read_text())]
        assert pins
        bare = [pin[0] for pin in pins if not pin[1]]
        assert not bare, f"{named(path)} has a line without a hash: {bare[0]}"


def test_no_file_names_a_folder_of_this_machine():
    places = [place for place in PLACES if place.count("/") > 2 or place == f"{Path.home()}/"]
    found = [
        f"{named(path)} names {place}"
        for path in files()
        for place in places
        if place.encode() in path.read_bytes()
    ]
    assert not found, "; ".join(found)
