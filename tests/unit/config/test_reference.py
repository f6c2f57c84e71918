"""The reference says of every key what the models say."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from daemon.config import shape
from daemon.config.environment import variables
from daemon.config.policy_file import PolicyFile
from daemon.config.settings import Settings

TEXT = (Path(__file__).parents[3] / "docs" / "reference" / "config.md").read_text()
TABLES = TEXT.partition("## `configs/daemon.yaml`")[2].partition("## How files are read")[0]
ROWS = {line.split("`")[1]: line for line in TABLES.splitlines() if line.startswith("| `")}
KEYS = [*shape.keys(Settings), *shape.keys(PolicyFile)]
VARIABLES = {key.dotted: name for name, key in variables(Settings).items()}


def written(default):
    if default is None:
        return "none"
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, bool):
        default = str(default).lower()
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.dotted)
def test_a_row_says_what_the_model_says(key):
    row = ROWS[key.dotted]
    assert VARIABLES.get(key.dotted, "") in row
    if key.field is None:
        return
    assert key.field.description in row
    if key.field.is_required():
        assert "| required |" in row
    elif key.field.default_factory is None:
        assert f"| {written(key.field.default)} |" in row


def test_no_row_is_about_a_key_that_is_gone():
    assert set(ROWS) == {key.dotted for key in KEYS}
