import re

import pytest

from daemon import errors
from daemon.errors import ConfigError, DaemonError, Exit, Problem

CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, DaemonError)
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_the_tree_at_the_head_of_the_module_names_every_error_and_its_code(kind):
    line = re.search(rf"\b{kind.__name__} +(\d+)  ", errors.__doc__)
    assert line is not None, f"{kind.__name__} is missing from the tree"
    assert int(line[1]) == kind.exit_code


def test_the_tree_names_nothing_else():
    tree = errors.__doc__.partition("\n\n")[2].partition("\n\n")[0]
    assert set(re.findall(r"\b[A-Z]\w+(?= +\d+  )", tree)) == {kind.__name__ for kind in CLASSES}


def test_exit_codes_are_what_scripts_rely_on():
    assert {code.name: code.value for code in Exit} == {
        "DONE": 0,
        "FAILED": 1,
        "INPUT": 2,
        "NOT_RUNNING": 3,
        "UNKNOWN": 4,
        "REFUSED": 5,
        "ROLLED_BACK": 6,
        "INCONCLUSIVE": 7,
        "TRY_AGAIN": 8,
        "UNVERIFIED": 9,
        "USAGE": 64,
        "IO": 74,
        "NOT_LEADER": 75,
        "CONFIG": 78,
    }


def test_an_error_carries_its_sentence_and_its_hint():
    error = DaemonError("the lake is dry", hint="wait for rain")
    assert (str(error), error.message, error.hint) == (
        "the lake is dry",
        "the lake is dry",
        "wait for rain",
    )
    assert DaemonError("alone").hint is None


@pytest.mark.parametrize(
    ("problem", "shown"),
    [
        (Problem("no"), "no"),
        (Problem("no", key="a.b"), "a.b: no"),
        (Problem("no", file="x.yaml"), "x.yaml: no"),
        (Problem("no", file="x.yaml", line=3), "x.yaml:3: no"),
        (Problem("no", file="x.yaml", line=0, key="a.b"), "x.yaml:0: a.b: no"),
    ],
)
def test_a_problem_says_where_it_is_as_far_as_it_knows(problem, shown):
    assert str(problem) == shown


def test_a_config_error_shows_all_problems_and_their_hints():
    first = Problem("must be positive", file="x.yaml", line=3, key="lr", hint="try 0.1")
    error = ConfigError([first, Problem("unknown key", key="speed")])
    assert error.problems == (first, Problem("unknown key", key="speed"))
    assert str(error) == (
        "2 problems in the configuration:\n"
        "  x.yaml:3: lr: must be positive\n"
        "      hint: try 0.1\n"
        "  speed: unknown key"
    )


def test_one_problem_is_not_many():
    assert str(ConfigError([Problem("no")])).startswith("1 problem in the configuration:")
