"""Files written to exhaust a reader end in a refusal, and the limits bound what they cost."""

import pytest

from daemon.config.policy_file import policy_from
from daemon.config.problems import PROBLEMS_MAX
from daemon.config.settings import settings_from
from daemon.config.yaml_safe import DEFAULT_LIMITS, LOADERS, read_yaml, scan_yaml
from daemon.errors import ConfigError

pytestmark = pytest.mark.unmeasured  # thousands of keys; smaller files measure what is reached

SIZE = DEFAULT_LIMITS.size_bytes


def bomb(first, line):
    """Nine references to the line before, twenty-one times."""
    lines = [first]
    for number in range(1, 22):
        nine = ",".join([f"*a{number - 1}"] * 9)
        lines.append(line.format(number=number, nine=nine))
    return "\n".join(lines)


CORPUS = {
    "merge keys": (bomb("a0: &a0 {x: 1}", "a{number}: &a{number} {{<<: [{nine}]}}"), "anchor"),
    "laughs": (bomb("a0: &a0 [ha]", "a{number}: &a{number} [{nine}]"), "anchor"),
    "deep list": ("[" * 2_000, "20 levels"),
    "deep mapping": ("{a: " * 2_000, "20 levels"),
    "deep dashes": ("- " * 30_000, "20 levels"),
    "deep keys": ("? " * 30_000, "used as a key"),
    "flat list": ("[" + "1," * 32_000 + "1]", "10,000 values"),
    "flat lines": ("- 1\n" * 16_000, "10,000 values"),
    "ten megabytes": ("a: 1\n" * 2_000_000, "larger than"),
    "one key again and again": ("a: 1\n" * 4_900, "second time"),
    "anchors on nothing": ("&a " * 20_000, "anchor"),
    "tag lines": ("".join(f"%TAG !a{n}! b\n" for n in range(4_000)) + "---\na: 1", "%TAG"),
    "escaped quotes": ('["\\"' + '\\"' * 30_000, "never closed"),
    "long number": ("a: " + "1" * 65_000, "64 digits"),
    "long exponent": ("a: 1e" + "9" * 65_000, "infinite"),
    "urls without end": ('{"a://b:' * 8_000, "column"),
    "nothing but breaks": ("\n" * SIZE, "empty"),
    "nothing but colons": (": " * 30_000, ""),
    "a key without end": ("k" * (SIZE - 4) + ": 1\n", ""),
    "tabbed JSON": ("[\t" + "[" * 60_000, ""),
}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(("text", "word"), CORPUS.values(), ids=CORPUS)
def test_a_hostile_file_is_refused(text, word, loader):
    problems = ()
    try:
        problems = scan_yaml(text, name="f", loader=loader).problems
    except ConfigError as error:
        problems = error.problems
    assert 0 < len(problems) <= DEFAULT_LIMITS.problems
    assert word in problems[0].reason


@pytest.mark.parametrize(
    "text",
    [
        "{" + ",".join(f"key{n}: 1" for n in range(1_500)) + "}",
        "targets: {" + ",".join(f"s{n}: {{max: x}}" for n in range(1_500)) + "}",
        "rules: {" + ",".join(f"r{n}: {{}}" for n in range(1_500)) + "}",
        "strategy: {direction: {" + ",".join(f"r{n}: 1" for n in range(1_500)) + "}}",
        "database: {" + ",".join(f"key{n}: 1" for n in range(1_500)) + "}",
        "signals: {" + ",".join(f"s{n}: {{unit: 1}}" for n in range(1_500)) + "}",
    ],
)
def test_thousands_of_problems_are_told_in_a_hundred(text):
    document = read_yaml(text, name="f")
    for judge in (
        lambda: policy_from(document, None, signals={"a", "b"}),
        lambda: settings_from(document, None, {}),
    ):
        with pytest.raises(ConfigError) as caught:
            judge()
        assert len(caught.value.problems) <= PROBLEMS_MAX + 1


def test_the_last_line_says_how_many_more_there_are():
    document = read_yaml("{" + ",".join(f"key{n}: 1" for n in range(150)) + "}", name="f")
    with pytest.raises(ConfigError) as caught:
        settings_from(document, None, {})
    assert str(caught.value.problems[-1]) == "f: and 50 more"
