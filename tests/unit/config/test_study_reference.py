"""The reference of study files says what the models say."""

from pathlib import Path

import pytest

from daemon.config import shape
from daemon.config.session_sections import Parameters
from daemon.config.study_sections import DataFile, ObjectiveOf, StudyFile

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "reference" / "studies.md").read_text()
ROWS = {
    line.split("`")[1]: line
    for line in TEXT.partition("## Keys")[2].partition("## What is searched")[0].splitlines()
    if line.startswith("| `")
}
KEYS = {
    **{
        key.dotted: key
        for key in shape.keys(StudyFile)
        if key.path[:-1] != ("fixed",) and key.field is not None
    },
    **{f"data_files[].{key.dotted}": key for key in shape.keys(DataFile)},
    **{f"objectives[].{key.dotted}": key for key in shape.keys(ObjectiveOf)},
}


@pytest.mark.parametrize("name", [name for name in KEYS if name != "space.*.type"])
def test_a_row_says_what_the_model_says(name):
    row, field = ROWS[name], KEYS[name].field
    assert field.description in row
    if field.is_required():
        assert "| required |" in row
    elif field.default is None:
        assert "| none |" in row
    elif isinstance(field.default, bool):
        assert f"| `{str(field.default).lower()}` |" in row
    elif isinstance(field.default, int | float):
        assert f"| `{field.default:g}` |" in row


def test_no_row_is_about_a_key_that_is_gone():
    assert set(ROWS) == set(KEYS)
    assert all(f"`fixed.{name}`" in TEXT for name in Parameters.model_fields)


def test_every_template_is_named():
    for path in (ROOT / "configs" / "studies").glob("*.yaml"):
        assert f"| `{path.name}` |" in TEXT
    example = TEXT.partition("```yaml\n")[2].partition("```")[0]
    shipped = (ROOT / "configs" / "studies" / "tpe.yaml").read_text()
    told = [line.partition("#")[0].rstrip() for line in shipped.splitlines()]
    assert example.split() == "\n".join(line for line in told if line).split()
