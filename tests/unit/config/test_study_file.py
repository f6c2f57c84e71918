"""Study files: what is searched, and what is refused, with its line."""

import json
import re
from pathlib import Path

import pytest

from daemon.config.lint import lint_files
from daemon.config.study_file import SAID, StudyRefused, load_study, study_of
from daemon.config.study_words import METRICS
from daemon.config.yaml_safe import read_yaml
from daemon.errors import ConfigError, Exit, InputError
from daemon.market.metrics import NAMES
from daemon.search.studies.abilities import KINDS
from daemon.search.studies.domain import Choice, Profiles, Real, Whole
from daemon.search.studies.folds import Scheme
from daemon.search.studies.objective import Constraint, Objective

ROOT = Path(__file__).parents[3]

WHOLE = """\
name: night-search
data_file: data/sample_arbitrage_prices.csv
skip_bad_rows: true
fixed: { taker_fee_a_bps: 5, taker_fee_b_bps: 5, slippage_bps: 4, max_position_usd: 1000 }
space:
  min_spread_bps: { type: float, low: 2, high: 120, step: 1 }
  max_open_trades: { type: int, low: 1, high: 6 }
  exit_model: { type: categorical, values: [quoted, convergence] }
  stop_on_drawdown_pct: { type: float, low: 2, high: 20, log: true, when: { exit_model: quoted } }
sampler: { kind: tpe, startup: 24 }
objective: { metric: max_drawdown_pct, direction: minimize }
constraints: { max_drawdown_pct: { max: 10 }, total_trades: { min: 20 } }
budget: { trials: 100, minutes: 30 }
batch: 8
pruning: { share: 0.25, keep: 0.5 }
seed: 1
walk_forward: { kind: rolling, folds: 4, test_share: 0.1, purge_rows: 100, embargo_rows: 3 }
reality_check: { resamples: 500 }
stress: { costs_pct: 50, shift_rows: 1 }
limits: { memory_mb: 2000, workers: 2, minutes: 20 }
rank: { max_results: 5 }
promote: [min_spread_bps]
"""

SMALL = {
    "data_file": "q.csv",
    "fixed": {
        "taker_fee_a_bps": 5,
        "taker_fee_b_bps": 5,
        "slippage_bps": 4,
        "max_position_usd": 1000,
        "exit_model": "quoted",
    },
    "space": {"min_spread_bps": {"type": "float", "low": 2, "high": 120}},
}


@pytest.fixture
def write(tmp_path):
    def to(text, name="s.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return to


# ── what holds ───────────────────────────────────────────────────────────────
def test_a_file_is_put_into_the_words_of_the_search(write):
    loaded = load_study(write(WHOLE))
    assert loaded.name == "night-search"
    assert loaded.data == (("data", "data/sample_arbitrage_prices.csv", 1.0),)
    assert loaded.domain.axes == (
        Real("min_spread_bps", 2, 120, 1),
        Whole("max_open_trades", 1, 6),
        Choice("exit_model", ("quoted", "convergence")),
        Real("stop_on_drawdown_pct", 2, 20, None, log=True, when={"exit_model": "quoted"}),
    )
    assert loaded.fixed["slippage_bps"] == 4
    assert loaded.sampler == ("tpe", {"startup": 24})
    assert loaded.aim.objectives == (Objective("max_drawdown_pct", maximize=False),)
    assert loaded.aim.constraints == (
        Constraint("max_drawdown_pct", max=10.0),
        Constraint("total_trades", min=20.0),
    )
    assert (loaded.trials, loaded.minutes, loaded.study.batch) == (100, 20, 8)
    walk = {"folds": 4, "test_share": 0.1, "purge_rows": 100, "embargo_rows": 3}
    assert loaded.scheme == Scheme(kind="rolling", **walk)
    assert json.loads(json.dumps(loaded.body)) == loaded.body


def test_what_is_not_said_has_defaults():
    loaded = study_of(SMALL)
    assert (loaded.name, loaded.sampler, loaded.trials) == ("study", ("tpe", {}), 200)
    assert loaded.aim.objectives == (Objective("realized_pnl_usd"),)
    assert loaded.scheme == Scheme()
    assert (loaded.study.pruning, loaded.study.reality_check.resamples, loaded.minutes) == (
        None,
        500,
        None,
    )
    assert loaded.warnings == loaded.doubts() == ()


@pytest.mark.parametrize(
    ("budget", "trials", "minutes"),
    [({"minutes": 5}, None, 5), ({"trials": 7}, 7, None), ({"trials": 7, "minutes": 5}, 7, 5)],
)
def test_time_alone_is_a_budget(budget, trials, minutes):
    loaded = study_of(SMALL | {"budget": budget})
    assert (loaded.trials, loaded.minutes) == (trials, minutes)


def test_words_stand_for_sections():
    loaded = study_of(
        SMALL | {"sampler": "qmc", "objectives": ["win_rate"], "walk_forward": "none"}
    )
    assert (loaded.sampler, loaded.scheme) == (("qmc", {}), None)
    assert loaded.aim.objectives == (Objective("win_rate"),)
    empty = {"walk_forward": None, "pruning": None, "objectives": None, "constraints": None}
    assert study_of(SMALL | empty).scheme == Scheme()


def test_a_condition_on_what_is_fixed_holds_always():
    stop = {"type": "float", "low": 2, "high": 20, "when": {"exit_model": "quoted"}}
    loaded = study_of(SMALL | {"space": SMALL["space"] | {"stop_on_drawdown_pct": stop}})
    assert [axis.when for axis in loaded.domain.axes] == [{}, {}]


def test_profiles_set_what_stands_nowhere_else():
    sets = {
        "calm": {"min_spread_bps": 20, "slippage_bps": 3},
        "wild": {"min_spread_bps": 60, "slippage_bps": 9},
    }
    fixed = {k: v for k, v in SMALL["fixed"].items() if k != "slippage_bps"}
    space = {"zone": {"type": "profiles", "profiles": sets}}
    loaded = study_of(SMALL | {"fixed": fixed, "space": space})
    assert loaded.domain.axes == (Profiles("zone", sets),)
    assert loaded.doubts() == ()


def test_several_files_have_symbols_and_weights():
    files = [{"symbol": "btc", "file": "a.csv", "weight": 2}, {"symbol": "eth", "file": "b.csv"}]
    body = {key: value for key, value in SMALL.items() if key != "data_file"}
    loaded = study_of(body | {"data_files": files})
    assert loaded.data == (("btc", "a.csv", 2.0), ("eth", "b.csv", 1.0))


@pytest.mark.parametrize("stem", ["12", "last"])
def test_no_file_gives_a_name_by_which_another_would_be_found(write, stem):
    text = WHOLE.replace("name: night-search\n", "")
    assert load_study(write(text, f"{stem}.yaml")).name == f"study-{stem}"
    assert load_study(write(text, "own.yaml")).name == "own"


def test_json_says_the_same(write):
    values = read_yaml(WHOLE, name="f").value
    assert load_study(write(json.dumps(values), "a.json")).body == study_of(values).body


def test_the_words_are_those_of_the_engine_and_of_the_samplers():
    from daemon.config.schema import json_schema  # noqa: PLC0415 - beside what it is compared with

    assert METRICS == NAMES
    shown = json_schema("study")["$defs"]["SamplerBy"]["properties"]["kind"]["enum"]
    assert set(shown) == set(KINDS)


# ── what is said beside the file ─────────────────────────────────────────────
def test_what_is_said_overrules_the_file(write):
    said = {"sampler": "gp", "seed": 7, "trials": 30, "minutes": 2.0, "name": "other"}
    loaded = load_study(write(WHOLE), said)
    assert (loaded.sampler, loaded.study.seed) == (("gp", {}), 7)
    assert (loaded.trials, loaded.minutes, loaded.name) == (30, 2.0, "other")
    assert set(said) == set(SAID)


def test_what_is_said_is_refused_under_its_own_name(write):
    with pytest.raises(StudyRefused) as caught:
        load_study(write(WHOLE), {"name": "7", "sampler": "cmaes"})
    assert {(p.file, p.key) for p in caught.value.problems} == {
        ("--name", "name"),
        ("--sampler", "sampler"),
    }


# ── everything at once ───────────────────────────────────────────────────────
def test_everything_that_is_wrong_is_told_with_its_line(write):
    text = WHOLE.replace("low: 2, high: 120", "low: 120, high: 2").replace("batch: 8", "batch: 0")
    text = text.replace("promote: [min_", "promote: [max_").replace("seed: 1", "sede: 1")
    with pytest.raises(StudyRefused) as caught:
        load_study(write(text))
    assert [(p.line, p.key) for p in caught.value.problems] == [
        (6, "space.min_spread_bps.low"),
        (14, "batch"),
        (16, "sede"),
        (22, "promote[0]"),
    ]
    assert caught.value.exit_code == Exit.INPUT
    assert isinstance(caught.value, ConfigError | InputError | ValueError)
    assert str(caught.value).startswith("4 problems in the study:")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StudyRefused, match=r"none\.yaml"):
        load_study(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["[]", "text", "space: 3", "space: {a: 1}", "sampler: [1]"])
def test_other_shapes_are_refused_in_words(write, text):
    with pytest.raises(StudyRefused):
        load_study(write(text))


def test_a_session_file_is_told_from_a_study():
    with pytest.raises(StudyRefused) as caught:
        load_study(ROOT / "configs" / "sessions" / "night.yaml")
    (problem,) = caught.value.problems
    assert (problem.key, "daemon session run" in problem.hint) == ("grids", True)


# ── lint ─────────────────────────────────────────────────────────────────────
def test_lint_knows_a_study_by_its_keys(write):
    report = lint_files([write(WHOLE)], None, None, {})
    assert report.problems == []
    ((_, summary),) = report.accepted
    assert summary == (
        "study: tpe, 4 axes, endless points, 100 trials a fold, data/sample_arbitrage_prices.csv"
    )
    assert [warning.key for warning in report.warnings] == ["space.exit_model.values[1]"]


def test_lint_tells_what_is_doubtful_with_its_line(write):
    report = lint_files(
        [write(WHOLE.replace("slippage_bps: 4", "slippage_bps: 0.0004"))], None, None, {}
    )
    assert (4, "fixed.slippage_bps") in [(w.line, w.key) for w in report.warnings]


def test_a_range_is_doubted_by_its_upper_end(write):
    stop = "stop_on_drawdown_pct: { type: float, low: 0.5, high: {}"
    text = WHOLE.replace("stop_on_drawdown_pct: { type: float, low: 2, high: 20", stop)
    for high, doubts in (("20", []), ("0.9", ["0.9 ends a run at 0.9 %: a fraction?"])):
        told = load_study(write(text.replace("high: {}", f"high: {high}"))).doubts()
        assert [one.reason for one in told] == doubts


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "studies").glob("*.yaml")), ids=str)
def test_what_is_shipped_holds_and_says_when_to_use_it(path):
    loaded = load_study(path)
    assert (loaded.warnings, loaded.doubts()) == ((), ())
    assert loaded.fixed["exit_model"] == "quoted"
    text = path.read_text()
    assert text.startswith("# ")
    assert f"daemon optimize configs/studies/{path.name}" in text
    assert re.search("take it|first look", text, re.IGNORECASE)
