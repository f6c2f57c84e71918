"""The façade that other programs import: thin, lazy, and as strict as the session file."""

import itertools
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import daemon.sessions as facade
from daemon import session_results
from daemon.config.session_file import load_session
from daemon.sessions import ParamGrid, TuningJobPlan, TuningSessionConfig, TuningSessionPlanner

ROOT = Path(__file__).parents[2]
SESSION = ROOT / "configs" / "sessions" / "session001.yaml"
FIXED = {
    "min_spread_bps": 30,
    "taker_fee_a_bps": 5,
    "taker_fee_b_bps": 5,
    "slippage_bps": 5,
    "max_position_usd": 1000,
}


def jobs_of(**changed):
    config = TuningSessionConfig(**({"data_file": "q.csv"} | FIXED | changed))
    return TuningSessionPlanner(config).generate_jobs()


def nine(**changed):
    grids = [ParamGrid("min_spread_bps", [20, 30, 40]), ParamGrid("slippage_bps", (3, 5, 7))]
    return jobs_of(grids=grids, tag_prefix="sess001", **changed)


def test_a_session_is_planned_as_its_file_would_be():
    jobs = TuningSessionPlanner(TuningSessionConfig.from_file(str(SESSION))).generate_jobs()
    expected = [json.loads(line) for line in load_session(SESSION).plan().lines()]
    assert [asdict(job) for job in jobs] == expected
    assert len(jobs) == 9


def test_jobs_are_like_a_list():
    jobs = nine()
    listed = list(jobs)
    assert len(jobs) == len(listed) == 9
    assert jobs[0] == TuningJobPlan(
        "sess001_0001",
        {
            "data_file": "q.csv",
            "initial_balance_usd": 10_000.0,
            "max_open_trades": 1,
            "min_spread_bps": 20,
            "taker_fee_a_bps": 5,
            "taker_fee_b_bps": 5,
            "slippage_bps": 3,
            "max_position_usd": 1000,
            "tag": "sess001",
        },
        "outputs/tuning/sess001/sess001_0001.json",
    )
    assert jobs[-1].job_id == "sess001_0009"
    assert jobs[2:4] == listed[2:4]
    assert jobs[::-4] == listed[::-4]
    assert jobs == listed == nine()
    assert jobs != listed[1:]
    assert jobs != nine(max_jobs=8)
    assert jobs != "jobs"
    assert listed[3] in jobs
    assert repr(jobs) == "<9 jobs, sess001_0001 to sess001_0009>"
    with pytest.raises(IndexError):
        _ = jobs[9]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"max_jobs": 0}, "max_jobs: must be at least 1"),
        ({"max_open_trades": 2.0}, "max_open_trades: must be a whole number"),
        ({"slippage_bps": float("nan")}, "slippage_bps: must be a finite number"),
        ({"tag_prefix": "a/b"}, "tag_prefix: cannot begin"),
        ({"grids": [ParamGrid("spread", [1])]}, r"grids\[0\].name: is not a parameter"),
        ({"grids": [ParamGrid("slippage_bps", [])]}, r"grids\[0\].values: must name at least one"),
        ({"grids": [ParamGrid("slippage_bps", [1])] * 2}, "has a grid already"),
        ({"data_file": ""}, "data_file"),
        ({"fixed": {"spread": 1}}, "fixed.spread"),
        ({"rank": {"min_trades": -1}}, "rank.min_trades"),
        ({"promote": ["exit_model"]}, r"promote\[0\]"),
    ],
)
def test_what_a_file_may_not_say_is_refused(changed, words):
    with pytest.raises(ValueError, match=words):
        jobs_of(**changed)


def test_a_million_million_jobs_are_refused_in_no_time():
    grids = [ParamGrid(name, range(1, 1_001)) for name in itertools.islice(FIXED, 4)]
    started = time.perf_counter()
    with pytest.raises(ValueError, match="1,000,000,000,000 jobs are planned"):
        jobs_of(grids=grids)
    assert time.perf_counter() - started < 2
    assert len(jobs_of(grids=grids, max_jobs=1_000_000)) == 1_000_000


def test_numbers_of_numpy_and_ranges_will_do():
    grids = [
        ParamGrid("min_spread_bps", np.arange(1, 3)),
        {"name": "slippage_bps", "values": np.array([0.5])},
    ]
    jobs = jobs_of(grids=grids, max_position_usd=np.float64(10))
    assert json.dumps(jobs[1].config) == (
        '{"data_file": "q.csv", "initial_balance_usd": 10000.0, "max_open_trades": 1,'
        ' "min_spread_bps": 2, "taker_fee_a_bps": 5, "taker_fee_b_bps": 5, "slippage_bps": 0.5,'
        ' "max_position_usd": 10.0}'
    )


def test_a_config_that_was_changed_is_judged_again():
    config = TuningSessionConfig("q.csv", grids=[ParamGrid("slippage_bps", [1, 2])])
    config.tag_prefix = "a/b"
    with pytest.raises(ValueError, match="tag_prefix"):
        TuningSessionPlanner(config).generate_jobs()
    config.tag_prefix = "ab"
    assert [job.job_id for job in TuningSessionPlanner(config).generate_jobs()] == [
        *("ab_0001", "ab_0002")
    ]


def test_results_are_read_by_the_same_door():
    for name in ("TuningResultsAggregator", "AggregatedJobResult", "AggregatedSummary"):
        assert getattr(facade, name) is getattr(session_results, name)
    assert all(hasattr(facade, name) for name in facade.__all__)
