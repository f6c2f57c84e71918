"""The Makefile explains itself."""

import re
import subprocess

from tests.tidy.project import ROOT

TEXT = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z][a-z-]*):(?!=)", TEXT, re.MULTILINE)


def test_every_target_says_what_it_does():
    explained = re.findall(r"^([a-z][a-z-]*):.*## \S", TEXT, re.MULTILINE)
    assert explained == TARGETS, f"no `## …` after {set(TARGETS) - set(explained)}"


def test_no_target_is_mistaken_for_a_file():
    phony = re.search(r"^\.PHONY: (.*)$", TEXT, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == set(TARGETS)


def test_help_is_what_make_does_when_asked_for_nothing():
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^  make (\S+)", shown, re.MULTILINE) == TARGETS


def test_the_gate_runs_what_a_person_runs():
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make check"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
