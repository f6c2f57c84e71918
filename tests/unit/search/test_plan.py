"""The plan of a session: the contract's examples byte for byte, and sizes nobody could list."""

import itertools
import json
import resource
import time
import tracemalloc
from dataclasses import MISSING, fields

import numpy as np
import pytest

from daemon.market.params import Params
from daemon.search import names
from daemon.search.plan import Plan, TooManyJobs, within
from daemon.search.space import DEFAULTS, Axis, Space
from tests.search_kit import FIXED, plan

NINE = [
    Axis.of("min_spread_bps", [20, 30, 40]),
    Axis.of("slippage_bps", [3, 5, 7]),
]

FIRST = (
    '{"job_id": "sess001_0001", "config": {"data_file": "data/sample_arbitrage_prices.csv",'
    ' "initial_balance_usd": 10000, "max_open_trades": 1, "min_spread_bps": 20,'
    ' "taker_fee_a_bps": 5, "taker_fee_b_bps": 5, "slippage_bps": 3, "max_position_usd": 1000,'
    ' "stop_on_drawdown_pct": 20, "tag": "sess001"},'
    ' "output_json": "outputs/tuning/sess001/sess001_0001.json"}'
)


def nine():
    fixed = {
        "min_spread_bps": 30,
        "taker_fee_a_bps": 5,
        "taker_fee_b_bps": 5,
        "slippage_bps": 5,
        "max_position_usd": 1000,
        "max_open_trades": 1,
        "initial_balance_usd": 10000,
        "stop_on_drawdown_pct": 20,
    }
    return Plan(Space(fixed, tuple(NINE), 50), "data/sample_arbitrage_prices.csv", "sess001")


# ── the contract, byte for byte ──────────────────────────────────────────────
def test_the_example_of_the_contract():
    lines = list(nine().lines())
    assert lines[0] == FIRST
    assert [line.partition(", ")[0] for line in lines] == [
        f'{{"job_id": "sess001_000{n}"' for n in range(1, 10)
    ]
    assert [(job.config["min_spread_bps"], job.config["slippage_bps"]) for job in nine()] == [
        *itertools.product((20, 30, 40), (3, 5, 7))
    ]


def test_three_jobs_without_a_prefix():
    three = plan(Axis.of("min_spread_bps", [20, 30.0, 1e-7]), prefix=None)
    config = (
        '{"data_file": "q.csv", "initial_balance_usd": 10000.0, "max_open_trades": 1,'
        ' "taker_fee_a_bps": 5, "taker_fee_b_bps": 5.0, "slippage_bps": 2, "max_position_usd":'
        ' 1000, "min_spread_bps": VALUE}'
    )
    assert list(three.lines()) == [
        f'{{"job_id": "job_000{n}", "config": {config.replace("VALUE", value)},'
        f' "output_json": "outputs/tuning/job_000{n}.json"}}'
        for n, value in enumerate(("20", "30.0", "1e-07"), start=1)
    ]


def test_six_jobs_whose_grids_stand_in_the_places_of_their_parameters():
    six = plan(
        Axis.of("exit_model", ["quoted", "convergence"]),
        Axis.of("taker_fee_a_bps", [1, 2, 3]),
        prefix="häuser"[:1],
        data_file="daten/größe.csv",
    )
    last = list(six.lines())[-1]
    assert last == (
        '{"job_id": "h_0006", "config": {"data_file": "daten/größe.csv",'
        ' "initial_balance_usd": 10000.0, "max_open_trades": 1, "taker_fee_a_bps": 3,'
        ' "taker_fee_b_bps": 5.0, "slippage_bps": 2, "max_position_usd": 1000,'
        ' "exit_model": "convergence", "tag": "h"}, "output_json": "outputs/tuning/h/h_0006.json"}'
    )


def test_ten_jobs_are_the_first_ten():
    axes = (Axis.of("min_spread_bps", range(10)), Axis.of("slippage_bps", range(10)))
    ten = plan(*axes, limit=10)
    assert (ten.jobs, ten.cells) == (10, 100)
    assert [job.config["slippage_bps"] for job in ten] == list(range(10))
    assert {job.config["min_spread_bps"] for job in ten} == {0}
    assert [job.job_id for job in ten][-1] == "s_0010"


def test_no_grid_is_one_job():
    one = plan()
    assert (one.jobs, one.cells, one.grids) == (1, 1, ())
    assert [job.job_id for job in one] == ["s_0001"]


def test_ids_grow_beyond_four_digits():
    many = plan(Axis.of("min_spread_bps", range(20_000)))
    assert [many.job_id(n) for n in (1, 9_999, 10_000)] == ["s_0001", "s_9999", "s_10000"]
    assert many.job(10_000).output_json == "outputs/tuning/s/s_10000.json"


@pytest.mark.parametrize("n", [0, -1, 10])
def test_there_is_no_job_of_another_number(n):
    with pytest.raises(IndexError, match=f"no job {n} of 9"):
        nine().job(n)
    with pytest.raises(IndexError):
        nine().params(n)


def test_a_job_is_found_by_its_name():
    many = plan(Axis.of("min_spread_bps", range(20_000)))
    assert [many.number(many.job_id(n)) for n in (1, 9_999, 10_000)] == [1, 9_999, 10_000]
    for stranger in (
        "s_1",
        "s_00001",
        "t_0001",
        "s_0000",
        "s_20001",
        "s_٣٣٣٣",
        "s_",
        "",
        "s_" + "9" * 9_999,
    ):
        assert many.number(stranger) is None


def test_what_a_text_holds_is_no_place_to_be_filled():
    odd = plan(Axis.of("min_spread_bps", [1]), data_file='a{0}{job}}}%s"\\.csv')
    assert [json.loads(line) for line in odd.lines()] == [
        {"job_id": job.job_id, "config": job.config, "output_json": job.output_json} for job in odd
    ]


# ── names ────────────────────────────────────────────────────────────────────
def test_the_parameters_are_those_of_the_engine():
    assert {item.name for item in fields(Params)} == set(names.ORDER)
    needed = [item.name for item in fields(Params) if item.default is MISSING]
    assert needed == list(names.REQUIRED)
    known = {item.name: item.default for item in fields(Params) if item.name in DEFAULTS}
    assert known == DEFAULTS
    assert set(DEFAULTS) | set(names.REQUIRED) | {"stop_on_drawdown_pct"} == set(names.ORDER)


# ── what it is ───────────────────────────────────────────────────────────────
def test_a_plan_can_be_written_down_and_rebuilt():
    written = json.loads(json.dumps(nine().document()))
    assert Plan.of(written) == nine()
    assert Plan.of(written).digest() == nine().digest()
    for broken in (
        {},
        {**written, "grids": [{}]},
        {**written, "fixed": 3},
        {**written, "grids": 1},
    ):
        with pytest.raises(ValueError, match="no grid"):
            Plan.of(broken)


def test_the_digest_names_every_line():
    same = nine()
    assert nine().limited(9).digest() == same.digest()  # a limit that leaves nothing out
    others = [
        nine().limited(8),
        Plan(same.space, "other.csv", "sess001"),
        Plan(same.space, same.data_file, "sess002"),
        Plan(same.space, same.data_file),
        plan(*NINE),
        Plan(Space(same.space.fixed, tuple(reversed(NINE))), same.data_file, "sess001"),
        Plan(
            Space({**same.space.fixed, "taker_fee_a_bps": 5.0}, tuple(NINE)),
            same.data_file,
            "sess001",
        ),
    ]
    assert len({same.digest(), *(other.digest() for other in others)}) == len(others) + 1


def test_the_digest_of_the_space_names_what_is_computed():
    same = nine()
    alike = [
        nine().limited(3),
        Plan(same.space, "other.csv"),
        Plan(Space({**same.space.fixed, "taker_fee_a_bps": 5.0}, tuple(NINE)), "x"),
        Plan(Space({**same.space.fixed, "min_spread_bps": 99}, tuple(NINE)), "x"),
        Plan(Space({**same.space.fixed, "exit_model": "convergence"}, tuple(NINE)), "x"),
        Plan(Space({**same.space.fixed, "exchange_a_to_b_rate": 1}, tuple(NINE)), "x"),
    ]
    assert {other.space_digest() for other in alike} == {same.space_digest()}
    others = [
        Plan(Space({**same.space.fixed, "taker_fee_a_bps": 6}, tuple(NINE)), "x"),
        Plan(Space({**same.space.fixed, "exit_model": "quoted"}, tuple(NINE)), "x"),
        Plan(Space(same.space.fixed, tuple(reversed(NINE))), "x"),
        Plan(Space(same.space.fixed, tuple(NINE[:1])), "x"),
        Plan(Space({**same.space.fixed, "taker_fee_a_bps": 10**400}, tuple(NINE)), "x"),
    ]
    assert len({same.space_digest(), *(other.space_digest() for other in others)}) == 6


# ── spaces ───────────────────────────────────────────────────────────────────
def test_equal_numbers_are_one_value_in_its_first_form():
    axis = Axis.of("min_spread_bps", [20, 20.0, 30.0, 30, 20, 0.0, -0.0])
    assert [repr(value) for value in axis.values] == ["20", "30.0", "0.0"]
    assert axis.repeated == (20, 30.0, 0.0)
    assert plan(axis).duplicates == 3


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Axis("min_spread_bps", ()), "has no values"),
        (lambda: Axis("min_spread_bps", (1, 1.0)), "stands there twice"),
        (lambda: Space(FIXED, (NINE[0], NINE[0])), "two grids"),
        (lambda: Space(FIXED, (Axis.of("spread", [1]),)), "no parameter spread"),
        (lambda: Space({"spread": 1}), "no parameter spread"),
        (lambda: Space(FIXED, limit=0), "leaves no combination"),
    ],
)
def test_what_is_no_space_is_refused(make, reason):
    with pytest.raises(ValueError, match=reason):
        make()


def test_the_stricter_of_two_limits_holds():
    space = Space(FIXED, tuple(NINE), 5)
    assert [space.limited(limit).jobs for limit in (None, 3, 8)] == [5, 3, 5]
    assert Space(FIXED, tuple(NINE)).limited(None).limit is None


def test_an_index_that_is_none_is_refused():
    space = Space(FIXED, tuple(NINE))
    for index in (-1, 9, 10**30):
        with pytest.raises(IndexError, match="no combination"):
            space.values(index)
    with pytest.raises(IndexError, match="from 0 to 8"):
        space.coordinates(np.array([0, 9]))
    with pytest.raises(IndexError):
        space.draw(np.array([-1]))
    with pytest.raises(KeyError):
        space.index({"min_spread_bps": 20, "slippage_bps": 4})


def test_a_missing_parameter_is_named():
    lacking = Plan(Space({"min_spread_bps": 1, "slippage_bps": 1}), "x")
    assert lacking.missing == ("taker_fee_a_bps", "taker_fee_b_bps", "max_position_usd")
    reason = "taker_fee_a_bps, taker_fee_b_bps, max_position_usd must be given"
    with pytest.raises(ValueError, match=reason):
        lacking.draw(np.arange(1))
    with pytest.raises(ValueError, match=reason):
        lacking.params(1)
    assert plan(min_spread_bps=1).missing == ()


# ── sizes ────────────────────────────────────────────────────────────────────
def huge(axes):
    spread = ("min_spread_bps", "slippage_bps", "max_position_usd", "taker_fee_a_bps")
    return plan(*(Axis.of(name, range(1, 1_001)) for name in spread[:axes]))


def test_a_million_million_jobs_are_counted_and_refused_in_no_time():
    started = time.perf_counter()
    giant = huge(4)
    with pytest.raises(TooManyJobs) as caught:
        within(giant, names.JOBS_MAX)
    assert giant.jobs == 10**12
    assert "1,000,000,000,000 jobs" in caught.value.message
    assert "10,000,000 are the most" in caught.value.message
    assert caught.value.exit_code == 2
    assert giant.job(10**12).job_id == "s_1000000000000"
    assert giant.number("s_1000000000000") == 10**12
    assert time.perf_counter() - started < 2
    within(giant.limited(10), 10)


def test_more_jobs_than_a_machine_word_can_count():
    axes = tuple(Axis.of(name, range(1, 1_001)) for name in names.ORDER[:9])
    giant = Plan(Space({}, axes), "x")
    assert giant.jobs == 10**27
    assert giant.space.index(giant.space.values(10**27 - 1)) == 10**27 - 1
    places = giant.space.coordinates(np.array([0, 2**62]))
    assert places.tolist() == [[0] * 9, [2**62 // 1_000**k % 1_000 for k in range(8, -1, -1)]]
    assert len(giant.draw(np.array([5])).combinations) == 1


@pytest.mark.slow
def test_a_million_jobs_stream_in_constant_memory():
    many = huge(2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(1 for _ in many.lines()) == 1_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


@pytest.mark.parametrize("stream", [iter, Plan.lines])
def test_no_job_is_kept(stream):
    many = huge(3)
    next(stream(many))
    tracemalloc.start()
    try:
        assert sum(1 for _ in itertools.islice(stream(many), 3_000)) == 3_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 400_000, f"{peak:,} bytes at the peak"
