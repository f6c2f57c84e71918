"""The text of the file of rules: whatever is put in comes out, to the last bit."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from daemon.adapters.controls.yaml_file.text import (
    LOADERS,
    Content,
    Entry,
    UnreadableError,
    parse,
    render,
)
from daemon.tuning.stamp import Stamp

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(
    "abcdefghijklmnopqrstuvwxyz0123456789_.-", min_size=1, max_size=64
) | st.sampled_from(
    [
        "no",
        "yes",
        "on",
        "off",
        "null",
        "true",
        "y",
        "n",
        "~",
        "1",
        "1.5",
        "1e3",
        "0x1f",
        ".inf",
        "-",
    ]
).filter(lambda name: name != "~")


@st.composite
def contents(draw):
    rules = draw(st.dictionaries(NAMES, NUMBERS, max_size=8))
    stamped = draw(st.sets(st.sampled_from(sorted(rules)))) if rules else set()
    change = st.none() | st.integers(0, 10**12)
    return Content(
        {rule: Entry.of(value) for rule, value in rules.items()},
        {
            rule: Stamp.of(rule, rules[rule], draw(change), draw(st.integers(0, 10**9)))
            for rule in stamped
        },
        draw(st.integers(0, 10**12)),
    )


@given(contents())
def test_what_is_written_is_read(content):
    for loader in LOADERS:
        assert parse(render(content), loader) == content


@given(contents())
def test_other_readers_read_the_very_same_numbers(content):
    found = yaml.safe_load(render(content))
    assert found["rules"] == {rule: entry.value for rule, entry in content.values.items()}
    assert all(isinstance(value, float) for value in found["rules"].values())
    assert found["epoch"] == content.epoch
    assert found["stamps"] == {rule: stamp.body() for rule, stamp in content.stamps.items()}


@given(contents(), st.data())
def test_a_text_that_was_cut_off_is_never_taken_for_whole(content, data):
    whole = render(content)
    length = data.draw(st.integers(0, len(whole) - 2))
    with pytest.raises(UnreadableError):
        parse(whole[:length])


def outcome(data, loader):
    """What becomes of a text: content, or the words of a refusal."""
    try:
        return parse(data, loader)
    except UnreadableError as error:
        return error


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="replace"))
)
def test_anything_at_all_is_read_or_refused_with_a_hint(data):
    for loader in LOADERS:
        found = outcome(data, loader)
        assert isinstance(found, Content) or (found.reason and found.hint)


@given(st.text("rules:{}[]&*!#-|>%@'\"\\ \n\t0.1ea?,", max_size=120))
def test_anything_that_looks_like_yaml_is_read_or_refused(text):
    for loader in LOADERS:
        found = outcome(text.encode(), loader)
        assert isinstance(found, Content) or found.hint
