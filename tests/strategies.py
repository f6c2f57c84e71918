"""What Hypothesis draws: values as JSON and SQL can hold them, and entries of the history."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from daemon.clock import MAX_MICROS
from daemon.store import history
from daemon.store.types import MAX_EXACT_INT
from daemon.tuning.vocabulary import DecisionKind, Mode

FEWER = settings(max_examples=max(10, settings.default.max_examples // 4))
"""For properties whose every example is a database written, read, and written again."""

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
"""Text that both databases hold: without NUL and lone surrogates."""

names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
doubles = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(-MAX_EXACT_INT, MAX_EXACT_INT)
moments = st.integers(0, min(MAX_MICROS, MAX_EXACT_INT))
values = st.floats(-1e299, 1e299)
"""Numbers that the tables take."""

edge_numbers = st.sampled_from(
    [
        *(0, -0.0, 1.0, 5e-324, 2.2250738585072014e-308, 1e-7, 0.1, 2.0**53, 2.0**53 + 2),
        *(1e16, 1e21, 1e23, -1e300, 1.7976931348623157e308, MAX_EXACT_INT, -MAX_EXACT_INT),
    ]
)
numbers = edge_numbers | doubles | whole

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
json_objects = st.dictionaries(texts, json_values, max_size=4)

decisions = st.builds(
    history.Decision,
    at_us=moments,
    mode=st.sampled_from(Mode),
    kind=st.sampled_from(DecisionKind),
    reason=names,
    explanation=texts,
    rule=st.none() | texts,
    old=st.none() | values,
    new=st.none() | values,
    policy=st.none() | texts,
    change_id=st.none() | st.integers(0, 2**40),
    evidence=st.none() | json_objects,
    epoch=st.integers(0, 2**40),
)
rule_sets = st.builds(
    history.RuleSet,
    at_us=moments,
    rule=texts,
    new=values,
    actor=texts,
    old=st.none() | values,
    note=st.none() | texts,
    change_id=st.none() | st.integers(0, 2**40),
    epoch=st.integers(0, 2**40),
)
events = st.builds(
    history.Event,
    at_us=moments,
    kind=names,
    ref=st.none() | texts,
    body=st.none() | json_objects,
    epoch=st.integers(0, 2**40),
)
entries = decisions | rule_sets | events


def respelled(value: Any) -> Any:
    """Write an equal value in another way: 1 as 1.0, a list as a tuple, keys in another order."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return float(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= MAX_EXACT_INT else value
    if isinstance(value, dict):
        return {key: respelled(item) for key, item in reversed(value.items())}
    return tuple(respelled(item) for item in value)
