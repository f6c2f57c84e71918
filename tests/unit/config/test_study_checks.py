"""What makes no sense in a study, each with the place where it is said and a hint."""

import copy
import json
import math

import pytest

from daemon.config.study_checks import check_study
from daemon.config.study_file import StudyRefused, study_of

BODY = {
    "data_file": "q.csv",
    "fixed": {
        "taker_fee_a_bps": 5,
        "taker_fee_b_bps": 5,
        "slippage_bps": 4,
        "max_position_usd": 1000,
        "exit_model": "quoted",
    },
    "space": {"min_spread_bps": {"type": "float", "low": 2, "high": 120, "step": 1}},
}
OPEN = {"type": "int", "low": 1, "high": 6}
STOP = {"type": "float", "low": 2, "high": 20}


def changed(*changes):
    """The body with values set at dotted places; None removes."""
    body = copy.deepcopy(BODY)
    for place, value in changes:
        section = body
        *above, last = place.split(".")
        for part in above:
            section = section.setdefault(part, {})
        if value is None:
            del section[last]
        else:
            section[last] = value
    return body


def sets(**profiles):
    return {"type": "profiles", "profiles": profiles}


def said(body):
    try:
        return {(p.key or "", p.reason) for p in study_of(body).warnings}, False
    except StudyRefused as refused:
        return {(p.key or "", p.reason) for p in refused.problems}, True


REFUSED = [
    ([("data_file", None)], "data_file", "is missing"),
    ([("data_files", [{"symbol": "a", "file": "x"}])], "data_files", "beside `data_file`"),
    (
        [("space.slippage_bps", {"type": "float", "low": 1, "high": 3})],
        "space.slippage_bps",
        "`fixed",
    ),
    ([("fixed.slippage_bps", None)], "fixed", "slippage_bps is not given"),
    ([("fixed.slippage_bps", -1)], "fixed.slippage_bps", "cannot be -1"),
    ([("min_spread_bps", 3)], "min_spread_bps", "is not a key"),
    ([("space.min_spread_bps.low", 200)], "space.min_spread_bps.low", "`high` only 120"),
    ([("space.min_spread_bps.low", 120)], "space.min_spread_bps.low", "is also `high`"),
    ([("space.min_spread_bps.low", -2)], "space.min_spread_bps.low", "cannot be -2"),
    ([("space.min_spread_bps.step", 7)], "space.min_spread_bps.step", "does not fit"),
    ([("space.min_spread_bps.step", 0)], "space.min_spread_bps.step", "above 0"),
    ([("space.min_spread_bps.step", 500)], "space.min_spread_bps.step", "one value is left"),
    (
        [("space.min_spread_bps", {"type": "float", "low": 0, "high": 3, "log": True})],
        "space.min_spread_bps.log",
        "no logarithm of 0",
    ),
    ([("space.min_spraed_bps", OPEN)], "space.min_spraed_bps", "is not a parameter"),
    ([("space.max_open_trades", STOP)], "space.max_open_trades.type", "counted"),
    ([("space.exit_model", OPEN), ("fixed.exit_model", None)], "space.exit_model.type", "a word"),
    (
        [("space.max_open_trades", {"type": "categorical", "values": [1, 2, 2]})],
        "space.max_open_trades.values[2]",
        "already",
    ),
    (
        [("space.max_open_trades", {"type": "categorical", "values": [1, 2.5]})],
        "space.max_open_trades.values[1]",
        "whole number",
    ),
    # profiles
    ([("space.min_spread_bps", sets(a={"min_spread_bps": 3}))], "space.min_spread_bps", "several"),
    (
        [("space.zone", sets(a={"slippage_bps": 3}))],
        "space.zone.profiles.a.slippage_bps",
        "`fixed`",
    ),
    (
        [("space.zone", sets(a={"min_spread_bps": 3}))],
        "space.zone.profiles.a.min_spread_bps",
        "`space`",
    ),
    ([("space.zone", sets(a={}))], "space.zone.profiles.a", "sets no parameter"),
    (
        [("space.a", sets(x={"max_open_trades": 3})), ("space.b", sets(y={"max_open_trades": 2}))],
        "space.b",
        "already: a",
    ),
    (
        [("space", {"zone": sets(a={"min_spread_bps": 3}, b={"max_open_trades": 3})})],
        "space.zone.profiles.b",
        "does not set min_spread_bps",
    ),
    # conditions
    (
        [("space.stop_on_drawdown_pct", STOP | {"when": {"max_open_trades": 2}})],
        "space.stop_on_drawdown_pct.when.max_open_trades",
        "no axis max_open_trades",
    ),
    (
        [("space.stop_on_drawdown_pct", STOP | {"when": {"exit_model": "convergence"}})],
        "space.stop_on_drawdown_pct.when.exit_model",
        "`fixed` says",
    ),
    (
        [
            ("space.max_open_trades", OPEN),
            ("space.stop_on_drawdown_pct", STOP | {"when": {"max_open_trades": 7}}),
        ],
        "space.stop_on_drawdown_pct.when.max_open_trades",
        "is never 7",
    ),
    (
        [
            ("space.min_spread_bps", {"type": "float", "low": 2, "high": 20}),
            ("space.max_open_trades", OPEN | {"when": {"min_spread_bps": 3}}),
        ],
        "space.max_open_trades.when.min_spread_bps",
        "has no step",
    ),
    (
        [("space.max_open_trades", OPEN | {"when": {"max_open_trades": 3}})],
        "space.max_open_trades.when.max_open_trades",
        "the axis itself",
    ),
    (
        [
            ("space.max_open_trades", OPEN),
            (
                "space.min_spread_bps",
                BODY["space"]["min_spread_bps"] | {"when": {"max_open_trades": 2}},
            ),
        ],
        "space.min_spread_bps.when",
        "needed by every trial",
    ),
    (
        [
            ("space.max_open_trades", OPEN | {"when": {"stop_on_drawdown_pct": 3}}),
            ("space.stop_on_drawdown_pct", STOP | {"step": 1, "when": {"max_open_trades": 2}}),
        ],
        "space.max_open_trades.when",
        "depends on itself",
    ),
    # the sampler
    ([("space.min_spread_bps.step", None), ("sampler", "grid")], "sampler", "has no step"),
    ([("sampler", "gp"), ("objectives", ["win_rate", "total_trades"])], "sampler", "one objective"),
    (
        [
            ("sampler", "cmaes"),
            ("space.zone", sets(a={"max_open_trades": 1}, b={"max_open_trades": 2})),
        ],
        "sampler",
        "without an order",
    ),
    ([("sampler.kind", "cmaes"), ("sampler.startup", 3)], "sampler.startup", "no option startup"),
    ([("sampler.kind", "tpe"), ("sampler.startup", -3)], "sampler.startup", "-3"),
    # what is searched for
    ([("objective", "pnl")], "objective.metric", "is no metric"),
    ([("objectives", ["win_rate", "win_rate"])], "objectives[1]", "already"),
    ([("objective", "win_rate"), ("objectives", ["win_rate"])], "objectives", "beside"),
    ([("constraints.total_trades", {"min": 20, "max": 3})], "constraints.total_trades.min", "both"),
    ([("constraints.total_trades", {})], "constraints.total_trades", "neither"),
    (
        [("constraints.gross_loss_usd", {"max": -1})],
        "constraints.gross_loss_usd.max",
        "never below 0",
    ),
    ([("constraints.win_rate", {"min": 50})], "constraints.win_rate.min", "at most 1"),
    # how it is run
    ([("pruning", {}), ("batch", 1)], "pruning", "nobody to be better than"),
    (
        [("walk_forward.folds", 4), ("walk_forward.test_share", 0.25)],
        "walk_forward.test_share",
        "none",
    ),
    ([("limits.memory_mb", 3)], "limits.memory_mb", "at least 256"),
    # promotion
    ([("promote", ["exit_model"])], "promote[0]", "no number"),
    ([("promote", ["min_spread_bps", "min_spread_bps"])], "promote[1]", "already"),
]


@pytest.mark.parametrize(("changes", "key", "reason"), REFUSED)
def test_refused(changes, key, reason):
    found, refused = said(changed(*changes))
    assert refused
    assert [told for place, told in found if place == key and reason in told], found


DOUBTED = [
    ([("fixed.exit_model", "convergence")], "fixed.exit_model", "no trade can lose"),
    ([("fixed.exit_model", None)], "fixed", "convergence holds"),
    (
        [
            ("fixed.exit_model", None),
            ("space.exit_model", {"type": "categorical", "values": ["quoted", "convergence"]}),
            ("space.stop_on_drawdown_pct", STOP),
        ],
        "space.stop_on_drawdown_pct",
        "does nothing where",
    ),
    ([("objective", "max_drawdown_pct")], "objective", "is maximised"),
    ([("objective", "win_rate")], "objective", "single lucky trade"),
    ([("objective", "rows_processed")], "objective", "says nothing"),
    ([("budget.trials", 5_000)], "budget.trials", "only 119 points"),
    ([("budget.trials", 10)], "budget.trials", "only one"),
    ([("batch", 256)], "batch", "only one"),
    ([("walk_forward", "none")], "walk_forward", "nothing is held back"),
    (
        [("walk_forward.folds", 4), ("walk_forward.test_share", 0.2)],
        "walk_forward.test_share",
        "only 20%",
    ),
    ([("promote", ["slippage_bps"])], "promote[0]", "known before"),
    (
        [("promote", ["min_spread_bps"]), ("reality_check.resamples", 10)],
        "promote",
        "nothing is ever proposed",
    ),
    (
        [("constraints.max_drawdown_pct", {"max": 0.1})],
        "constraints.max_drawdown_pct.max",
        "percent",
    ),
    ([("constraints.max_drawdown_pct", {"min": 5})], "constraints.max_drawdown_pct.min", "losses"),
    (
        [("space.max_open_trades", {"type": "categorical", "values": [3]})],
        "space.max_open_trades.values",
        "all there is",
    ),
    ([("space.zone", sets(a={"max_open_trades": 3}))], "space.zone.profiles", "nothing to choose"),
    (
        [("space.zone", sets(a={"max_open_trades": 3}, b={"max_open_trades": 3}))],
        "space.zone.profiles.b",
        "the same as `a`",
    ),
]


@pytest.mark.parametrize(("changes", "key", "reason"), DOUBTED)
def test_doubted(changes, key, reason):
    found, refused = said(changed(*changes))
    assert not refused, found
    assert [told for place, told in found if place == key and reason in told], found


def test_symbols_are_told_apart():
    files = [{"symbol": "a", "file": "x"}, {"symbol": "a", "file": "y"}]
    found, refused = said(changed(("data_file", None), ("data_files", files)))
    assert refused
    assert ("data_files[1].symbol", "a is data_files[0] already") in found
    files[1]["symbol"], files[1]["file"] = "b", "x"
    found, refused = said(changed(("data_file", None), ("data_files", files)))
    assert not refused
    assert [key for key, _ in found] == ["data_files[1].file"]


RANGE = "space.min_spread_bps"


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"high": 1e308, "step": 4}, f"{RANGE}.high"),
        ({"high": 1e12, "step": 4}, f"{RANGE}.step"),
        ({"high": 20, "step": 1e-320}, f"{RANGE}.step"),
        ({"high": 20, "step": 1e308}, f"{RANGE}.step"),
        ({"high": math.nan, "step": 4}, f"{RANGE}.high"),
        ({"high": math.inf}, f"{RANGE}.high"),
        ({"low": -1e308, "high": 1e308}, f"{RANGE}.low"),
        ({"low": 1e-300, "high": 20, "log": True}, f"{RANGE}.low"),
    ],
)
def test_numbers_that_cannot_be_computed_with_are_refused_in_words(given, key):
    axis = {"type": "float", "low": 4, "step": None} | given
    found, refused = said(changed((RANGE, axis)))
    assert refused
    assert key in {place for place, _ in found}, found


@pytest.mark.parametrize("word", [["min_spread_bps"], {"a": 1}, 3, None, True])
@pytest.mark.parametrize(
    "body",
    [
        {"promote": "word"},
        {"objectives": "word"},
        {"data_files": "word"},
        {"space": {"max_open_trades": {"type": "categorical", "values": "word"}}},
    ],
)
def test_no_wrong_item_of_a_list_breaks_the_checks(word, body):
    told = json.loads(json.dumps(body).replace('"word"', json.dumps([word])))
    found, refused = said(copy.deepcopy(BODY) | told)
    assert refused
    assert found


@pytest.mark.parametrize("body", [None, 3, [], {}, {"space": 3}, {"space": {"a": {"type": "int"}}}])
def test_whatever_has_another_shape_is_stepped_over(body):
    list(check_study(body))


@pytest.mark.parametrize("word", [3, "x", [], {}, True, None, {"type": "x"}, {"a": {"b": 3}}])
@pytest.mark.parametrize(
    "place",
    [
        *("fixed", "space", "sampler", "objective", "objectives", "constraints", "budget", "batch"),
        *(
            "pruning",
            "walk_forward",
            "reality_check",
            "promote",
            "data_files",
            "space.min_spread_bps",
        ),
        *("space.min_spread_bps.when", "space.min_spread_bps.low", "space.min_spread_bps.step"),
        *(
            "space.min_spread_bps.type",
            "constraints.win_rate",
            "budget.trials",
            "fixed.slippage_bps",
        ),
    ],
)
def test_no_wrong_shape_breaks_the_checks(place, word):
    body = copy.deepcopy(BODY)
    section = body
    *above, last = place.split(".")
    for part in above:
        section = section.setdefault(part, {})
    section[last] = word
    found, refused = said(body)
    assert found or not refused
