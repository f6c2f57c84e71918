"""Files and functions stay short enough to be read in one go."""

import ast

import pytest

from tests.tidy.project import ROOT, named, python_files

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

CODE = [ROOT / "self_tuning_daemon.py", *python_files("daemon", "migrations", "benchmarks")]
TESTS = python_files("tests")


@pytest.mark.parametrize("path", CODE + TESTS, ids=named)
def test_a_file_is_read_in_one_go(path):
    lines = len(path.read_text().splitlines())
    assert lines <= FILE_LINES_MAX, (
        f"{named(path)} has {lines} lines, the limit is {FILE_LINES_MAX}: split it by subject"
    )


@pytest.mark.parametrize("path", CODE, ids=named)
def test_a_function_fits_on_a_screen(path):
    long = [
        f"{named(path)}:{node.lineno} {node.name} has {lines} lines"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not long, f"the limit is {FUNCTION_LINES_MAX} lines: {'; '.join(long)}"
