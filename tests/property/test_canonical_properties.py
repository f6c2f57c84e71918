"""One value, one text: whatever a database does to the spelling of JSON."""

import json
import math
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from daemon.store.types import Written, canonical, read_json
from tests.strategies import doubles, json_values, numbers, respelled, texts, whole


def plainly(value):
    """Write a value in two steps, the slow way: make it normal, then write it."""
    text = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False}
    return json.dumps(normal(value), **text)


def normal(value):
    if isinstance(value, float) and abs(value) <= 2**53 and value == int(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return float(value)
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    return [normal(item) for item in value] if isinstance(value, list) else value


@given(json_values)
def test_the_text_is_what_hashes_were_always_computed_over(value):
    assert canonical(value) == plainly(value)
    assert canonical({"in": (value, Written(canonical(value)))}) == plainly({"in": [value, value]})


@given(json_values)
def test_a_value_survives_being_written_and_read(value):
    assert read_json(canonical(value)) == value


@given(json_values)
def test_writing_what_was_read_gives_the_same_text(value):
    """What SQLite keeps as text is hashed again after each reading."""
    text = canonical(value)
    assert canonical(read_json(text)) == text
    assert canonical(json.loads(text)) == text, "also for a reader that knows nothing of ours"


@given(json_values)
def test_an_equal_value_in_another_spelling_gives_the_same_text(value):
    assert canonical(respelled(value)) == canonical(value)


@given(numbers, numbers)
def test_two_numbers_share_a_text_only_when_they_are_equal(one, other):
    assert (canonical(one) == canonical(other)) == (one == other)


@given(whole)
def test_a_whole_number_is_written_as_one_whether_or_not_it_came_as_a_double(value):
    assert canonical(value) == canonical(float(value)) == str(value)


@given(doubles)
def test_a_double_is_found_again_in_the_digits_that_jsonb_writes(value):
    """Without an exponent: 1e300 comes back as a one and 300 zeros, which is another number."""
    digits = format(Decimal(canonical(value)), "f")
    assert read_json(digits) == value
    assert canonical(read_json(digits)) == canonical(value)


@given(texts)
def test_text_is_kept_letter_by_letter(value):
    assert json.loads(canonical(value)) == value
    assert json.loads(canonical({value: 1})) == {value: 1}


@given(st.dictionaries(texts, numbers))
def test_the_order_of_keys_says_nothing(value):
    assert canonical(dict(reversed(value.items()))) == canonical(value)


@given(json_values, json_values)
def test_lists_and_objects_tell_their_contents_apart(one, other):
    pairs = [([one], [other]), ({"k": one}, {"k": other}), ([one, other], [other, one])]
    same = canonical(one) == canonical(other)
    for left, right in pairs:
        assert (canonical(left) == canonical(right)) == same


@given(json_values, st.sampled_from([math.nan, math.inf, -math.inf, "\0", "\ud800", b"", {1: 2}]))
def test_what_json_has_no_form_for_is_refused_however_deep(value, wrong):
    for nested in (wrong, [value, wrong], {"a": {"b": [wrong]}}):
        try:
            written = canonical(nested)
        except ValueError:
            continue
        raise AssertionError(f"{nested!r} was written as {written}")
