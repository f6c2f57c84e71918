"""The reference of session files says what the models and the checks say."""

import ast
from pathlib import Path

import pytest

from daemon.config import shape
from daemon.config.session_file import load_session
from daemon.config.session_sections import Grid, Parameters, SessionFile
from daemon.search.notes import Note
from daemon.search.preflight import look

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "reference" / "sessions.md").read_text()
ROWS = {
    line.split("`")[1]: line
    for line in TEXT.partition("## Keys")[2].partition("### ")[0].splitlines()
    if line.startswith("| `")
}
CODES = {
    line.split("`")[1]: line.split("|")[2].strip()
    for line in TEXT.partition("## What is doubted")[2].partition("## From Python")[0].splitlines()
    if line.startswith("| `")
}
KEYS = {
    **{key.dotted: key for key in shape.keys(SessionFile) if key.path[:-1] != ("fixed",)},
    **{f"grids[].{key.dotted}": key for key in shape.keys(Grid)},
}


def written(default):
    if default is None:
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else f'{default:g}'}`"


@pytest.mark.parametrize("name", KEYS)
def test_a_row_says_what_the_model_says(name):
    row, field = ROWS[name], KEYS[name].field
    assert field.description in row
    if field.is_required():
        assert "| required |" in row
    elif field.default_factory is None:
        assert f"| {written(field.default)} |" in row


def test_no_row_is_about_a_key_that_is_gone():
    assert set(ROWS) == set(KEYS)
    assert all(f"`fixed.{name}`" in TEXT for name in Parameters.model_fields)


def codes():
    """Every code that a check gives, with whether it can be anything but a warning."""
    for path in (ROOT / "daemon" / "search").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == Note.__name__:
                yield node.args[0].value, [ast.unparse(argument) for argument in node.args[3:4]]


def test_every_code_is_in_the_reference_and_has_its_severity():
    found = dict(codes())
    assert set(found) == set(CODES)
    for code, severity in found.items():
        if not severity or severity[0] in {"'error'", "'info'"}:
            assert CODES[code] == (severity[0].strip("'") if severity else "warning"), code


def test_the_plan_of_the_reference_is_that_of_the_sample():
    plan = load_session(ROOT / "configs" / "sessions" / "session001.yaml").plan()
    assert plan.job(1).line() in TEXT
    assert f"digest {plan.digest()[:12]}" in TEXT
    assert look(plan).sound
