"""Whatever grid is drawn: its plan is that of `itertools.product`, its columns what jobs say."""

import itertools
import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.config.jobs_file import load_jobs
from daemon.market.params import Params
from daemon.search.drawing import judge
from daemon.search.joblist import JobList
from daemon.search.names import LEADING, ORDER, REQUIRED
from daemon.search.plan import Plan
from daemon.search.space import Axis, Space
from tests.strategies import FEWER

MODELS = ("quoted", "convergence")

odd = st.sampled_from(
    [-1, -0.5, 0, 0.0, -0.0, 5e-324, 1.7e308, 10**40, 10**400, 2**53 + 1, 0.1, 1e-7]
)
numbers = st.integers(0, 50) | st.floats(0, 50) | odd
"""Mostly sound, now and then what only the engine refuses."""

counts = st.integers(1, 6) | st.sampled_from([0, -1, 2**31 - 1, 2**31, 10**30])
prefixes = st.none() | st.text("abcXYZ019._-", min_size=1, max_size=6).filter(
    lambda text: text not in {".", ".."}
)
paths = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)


def values_of(name):
    if name == "exit_model":
        return st.sampled_from(MODELS)
    return counts if name == "max_open_trades" else numbers


@st.composite
def plans(draw):
    """Any plan: some parameters fixed, some in grids, the required ones somewhere."""
    gridded = draw(st.lists(st.sampled_from(ORDER), max_size=4, unique=True))
    axes = tuple(
        Axis.of(name, draw(st.lists(values_of(name), min_size=1, max_size=4))) for name in gridded
    )
    wanted = draw(st.sets(st.sampled_from(ORDER))) | (set(REQUIRED) - set(gridded))
    fixed = {name: draw(values_of(name)) for name in sorted(wanted)}
    limit = draw(st.none() | st.integers(1, 300))
    return Plan(Space(fixed, axes, limit), draw(paths), draw(prefixes))


def naive(plan):
    """Plan as the contract says it, with everything written out."""
    fixed, axes = plan.space.fixed, plan.space.axes
    jobs = []
    for chosen in itertools.product(*(axis.values for axis in axes)):
        config = {"data_file": plan.data_file}
        config |= {name: fixed.get(name, default) for name, default in LEADING.items()}
        config |= {name: fixed[name] for name in ORDER if name in fixed}
        config |= dict(zip((axis.name for axis in axes), chosen, strict=True))
        name, folder = f"job_{len(jobs) + 1:04d}", "outputs/tuning"
        if plan.tag_prefix is not None:
            config["tag"] = plan.tag_prefix
            name = f"{plan.tag_prefix}_{len(jobs) + 1:04d}"
            folder += f"/{plan.tag_prefix}"
        jobs.append({"job_id": name, "config": config, "output_json": f"{folder}/{name}.json"})
    return [json.dumps(job, ensure_ascii=False) for job in jobs[: plan.space.limit]]


@given(plans())
def test_a_plan_is_the_product_written_out(plan):
    lines = naive(plan)
    assert list(plan.lines()) == lines
    assert [job.line() for job in plan] == lines
    assert [plan.job(n).n for n in range(1, plan.jobs + 1)] == [*range(1, len(lines) + 1)]
    assert all(plan.number(plan.job_id(n)) == n for n in range(1, plan.jobs + 1))


@given(plans(), st.data())
def test_numbers_and_combinations_are_a_bijection(plan, data):
    space = plan.space
    all_of_them = [space.values(index) for index in range(space.cells)]
    assert [space.index(values) for values in all_of_them] == [*range(space.cells)]
    assert len({tuple(values.items()) for values in all_of_them}) == space.cells
    indices = np.array(data.draw(st.lists(st.integers(0, space.cells - 1), max_size=8)), np.int64)
    for index, row in zip(indices.tolist(), space.coordinates(indices).tolist(), strict=True):
        values = [axis.values[place] for axis, place in zip(space.axes, row, strict=True)]
        assert values == list(space.values(index).values())


@given(st.lists(st.integers(1, 300), max_size=9), st.integers(0))
def test_the_bijection_holds_where_nothing_could_be_listed(sizes, index):
    axes = (Axis(name, tuple(range(size))) for name, size in zip(ORDER, sizes, strict=False))
    space = Space({}, tuple(axes))
    assert space.cells == math.prod(sizes)
    assert space.index(space.values(index % space.cells)) == index % space.cells


def told(plan, index):
    """What the engine says of one job by itself: its parameters, or why it has none."""
    try:
        return plan.params(index + 1)
    except ValueError as error:
        return str(error)


def assert_drawn(plan, indices):
    drawn = plan.draw(np.array(indices, np.int64))
    sound = {
        place: drawn.combinations[number] for number, place in enumerate(drawn.places.tolist())
    }
    assert len(sound) == len(drawn.combinations)
    assert {**sound, **drawn.errors} == dict(enumerate(told(plan, index) for index in indices))


@given(plans(), st.data())
def test_columns_say_what_jobs_say_one_by_one(plan, data):
    assert_drawn(plan, data.draw(st.lists(st.integers(0, plan.jobs - 1), max_size=20)))


@given(plans())
def test_a_plan_is_what_it_says_of_itself(plan):
    rebuilt = Plan.of(json.loads(json.dumps(plan.document())))
    assert (rebuilt.digest(), rebuilt.space_digest()) == (plan.digest(), plan.space_digest())
    assert list(rebuilt.lines()) == list(plan.lines())


@given(st.sampled_from(ORDER), st.lists(numbers | counts | st.sampled_from(MODELS)))
def test_a_value_is_judged_as_the_engine_judges_it(name, values):
    judged = judge(name, values)
    base = dict.fromkeys(REQUIRED, 1.0)
    for place, value in enumerate(values):
        wrong = None
        try:
            params = Params(**(base | {name: value}))
        except ValueError as error:
            wrong = str(error)
        assert (judged.bad[place], judged.reasons[place]) == (wrong is not None, wrong)
        if wrong is None:
            found = judged.column[place].item()
            assert found == (params.quoted if name == "exit_model" else getattr(params, name))


# ── the same, read back from a file ──────────────────────────────────────────
@FEWER
@given(plan=plans(), order=st.randoms(use_true_random=False))
def test_a_file_of_jobs_is_read_as_it_was_planned(tmp_path_factory, plan, order):
    lines = list(plan.lines())
    order.shuffle(lines)
    path = tmp_path_factory.mktemp("jobs") / "jobs.jsonl"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    jobs = load_jobs(path)
    assert isinstance(jobs, JobList)
    assert list(jobs.lines()) == lines
    assert jobs.jobs == plan.jobs
    assert jobs.data_file == plan.data_file
    assert jobs.duplicates == 0
    assert_drawn(jobs, range(jobs.jobs))
    assert set(jobs.grids) <= set(plan.grids)
    for name in ORDER:
        assert set(jobs.values_of(name)) == {job.config[name] for job in plan if name in job.config}
