"""What is written for thousands at once is what is written for each alone."""

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.market.metrics import NAMES, Metrics
from daemon.market.params import Combinations, ExitModel, Params
from daemon.services.sweeping import keys, rows
from daemon.store import result_blocks
from daemon.store.results import COLUMNS, OTHERS, Figures

AMOUNTS = st.one_of(
    st.sampled_from([0.0, -0.0, 0.1, 5.0, 1e-300, 1e22]), st.floats(0, 1e6, allow_nan=False)
)
SIZES = st.one_of(st.sampled_from([1.0, 1000.0, 0.5]), st.floats(1e-3, 1e9))

PARAMS = st.builds(
    Params,
    min_spread_bps=AMOUNTS,
    taker_fee_a_bps=AMOUNTS,
    taker_fee_b_bps=st.just(5.0),
    slippage_bps=AMOUNTS,
    max_position_usd=SIZES,
    max_open_trades=st.integers(1, 5),
    stop_on_drawdown_pct=st.none() | SIZES,
    exit_model=st.sampled_from(list(ExitModel)),
)
MANY = st.lists(PARAMS, min_size=1, max_size=30)

COUNTED = st.integers(0, 10**9)
MONEY = st.one_of(st.floats(), st.sampled_from([math.nan, math.inf, 1e308, 0.0, 1.5]))


@st.composite
def columns(draw):
    count = draw(st.integers(1, 20))
    made = {}
    for name in NAMES:
        kind = rows.kind_of(name)
        values = {np.bool_: st.booleans(), np.int64: COUNTED}.get(kind, MONEY)
        made[name] = np.array(draw(st.lists(values, min_size=count, max_size=count)), kind)
    return made


@given(MANY)
def test_the_canonical_form_and_the_key_are_those_of_each_alone(params):
    combinations = Combinations.of(params)
    texts = keys.canonical(combinations)
    assert texts == [one.canonical() for one in params]
    found = keys.result_keys("d" * 64, texts)
    alone = [keys.result_keys("d" * 64, [one.canonical()])[0] for one in params]
    assert found == alone
    assert len(set(found)) == len(set(texts))


@given(MANY, st.data())
def test_some_of_many_are_those(params, data):
    places = data.draw(st.lists(st.integers(0, len(params) - 1), max_size=10))
    some = keys.some(Combinations.of(params), np.array(places, np.int64))
    assert [some[at] for at in range(len(places))] == [params[place] for place in places]


@given(MANY)
def test_what_differs_between_jobs_is_written_as_json_that_means_the_same(params):
    names = ("min_spread_bps", "max_open_trades", "stop_on_drawdown_pct", "exit_model")
    texts = rows.own_texts(names, Combinations.of(params))
    for text, one in zip(texts, params, strict=True):
        told, document = json.loads(text), one.document()
        assert told == {name: document[name] for name in names}
        assert list(told) == list(names)


@given(columns())
def test_metrics_come_back_from_rows_as_they_went_in(made):
    figures = rows.figures(made)
    texts = rows.metric_texts(made)
    back = [
        Figures([column[at] for column in figures], json.loads(texts[at]), None)
        for at in range(len(texts))
    ]
    found = rows.columns_of(back)
    for name in NAMES:
        expected = made[name]
        if expected.dtype.kind == "f":
            expected = np.where(np.abs(expected) < 1e300, expected, np.nan)
        assert np.array_equal(found[name], expected, equal_nan=expected.dtype.kind == "f"), name
        assert found[name].dtype == expected.dtype
    assert set(COLUMNS) | set(OTHERS) == set(NAMES)
    assert set(Metrics.__dataclass_fields__) == set(NAMES)


@given(columns(), st.sampled_from(NAMES))
def test_columns_come_back_from_a_block_to_the_bit(made, name):
    count, data = len(made["total_trades"]), result_blocks.encode(made)
    found = result_blocks.decode(data, count)
    for other in NAMES:
        assert np.ascontiguousarray(found[other]).tobytes() == made[other].tobytes()
    alone = result_blocks.decode(data, count, [name])
    assert list(alone) == [name]
    assert np.ascontiguousarray(alone[name]).tobytes() == made[name].tobytes()
