"""The page on retraining says what the code does."""

import re

import pytest
import yaml

from daemon.search.studies import triggers, watching
from daemon.search.studies.triggers import CALM, KINDS, REST_MAX_DAYS, Rules
from tests.tidy.project import ROOT

PAGE = (ROOT / "docs/explanation/retraining.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_every_reason_has_its_line(kind):
    assert re.search(rf"^\| `{kind}` \| .+\|$", PAGE, re.MULTILINE)


def test_the_keys_are_shown_with_their_defaults():
    shown = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    (given,) = [block["retrain"] for block in shown if "retrain" in block]
    assert Rules(**given) == Rules()


@pytest.mark.parametrize(
    "said",
    [
        f"{watching.DRAWS} of them",
        "1, 2, 4, 8, 16 and 32 days" * (watching.WINDOWS == (1, 2, 4, 8, 16, 32)),
        f"(below {CALM} of what is unusual)",
        f"{REST_MAX_DAYS:.0f} at most",
        "seven whole days seen" * (watching.FEWEST == 7),
        f"`age` fires after {triggers.Rules().max_age_days:.0f} days",
    ],
)
def test_numbers_are_those_of_the_code(said):
    assert said
    assert said in " ".join(PAGE.split())
