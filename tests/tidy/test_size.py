"""Files and functions stay short enough to be read in one go."""

import ast

from tests.tidy.project import ROOT, named, python_files

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

CODE = [ROOT / "self_tuning_daemon.py", *python_files("daemon", "migrations", "benchmarks")]
TESTS = python_files("tests")


def lines_in(path):
    return len(path.read_text().splitlines())


def functions_in(path):
    """Every function of a file, with how many lines it has."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{named(path)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_a_file_is_read_in_one_go():
    sizes = {named(path): lines_in(path) for path in CODE + TESTS}
    assert len(sizes) > 500
    long = {name: lines for name, lines in sizes.items() if lines > FILE_LINES_MAX}
    assert not long, f"the limit is {FILE_LINES_MAX} lines, split these by subject: {long}"


def test_a_function_fits_on_a_screen():
    sizes = dict(size for path in CODE for size in functions_in(path))
    assert len(sizes) > 1_000
    long = {name: lines for name, lines in sizes.items() if lines > FUNCTION_LINES_MAX}
    assert not long, f"the limit is {FUNCTION_LINES_MAX} lines: {long}"
