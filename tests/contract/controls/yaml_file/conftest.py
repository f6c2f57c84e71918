"""A file of rules with two values in it."""

import pytest

from tests.contract.controls.yaml_file.kit import opened, order


@pytest.fixture
def path(tmp_path):
    return tmp_path / "controls" / "rules.yaml"


@pytest.fixture
def controls(path):
    controls = opened(path)
    controls.take_over(1)
    controls.write([order("a", 1.0), order("b", 2.0)])
    return controls
