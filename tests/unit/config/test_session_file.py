"""Session files: what is planned from them, and what is refused, with its line."""

import json
from pathlib import Path

import pytest

from daemon.config.jobs_file import load_jobs
from daemon.config.lint import lint_files
from daemon.config.session_file import SessionRefused, load_session, session_from, session_of
from daemon.config.session_sections import PREFIX_LENGTH_MAX
from daemon.config.yaml_safe import read_yaml
from daemon.errors import ConfigError, Exit, InputError
from daemon.search.ranking import Filters

ROOT = Path(__file__).parents[3]

CONTRACT = """\
data_file: data/sample_arbitrage_prices.csv
min_spread_bps: 30
taker_fee_a_bps: 5
taker_fee_b_bps: 5
slippage_bps: 5
max_position_usd: 1000
max_open_trades: 1            # default 1
initial_balance_usd: 10000    # default 10000
stop_on_drawdown_pct: 20      # optional
grids:
  - { name: min_spread_bps, values: [20, 30, 40] }
  - { name: slippage_bps,   values: [3, 5, 7] }
max_jobs: 50                  # optional: the first N in order
tag_prefix: "sess001"         # optional; letters, digits, '.', '_' and '-' only
exit_model: convergence       # optional, see 3
"""


@pytest.fixture
def write(tmp_path):
    def to(text, name="s.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return to


def refusals(path, **options):
    with pytest.raises(SessionRefused) as caught:
        load_session(path, **options)
    return [(p.line, p.key, p.reason) for p in caught.value.problems]


# ── what holds ───────────────────────────────────────────────────────────────
def test_the_file_of_the_contract_is_planned(write):
    loaded = load_session(write(CONTRACT, "session001.yaml"))
    plan = loaded.plan()
    assert (plan.jobs, plan.cells, plan.grids) == (9, 9, ("min_spread_bps", "slippage_bps"))
    assert plan.job(1).line() == (
        '{"job_id": "sess001_0001", "config": {"data_file": "data/sample_arbitrage_prices.csv",'
        ' "initial_balance_usd": 10000, "max_open_trades": 1, "min_spread_bps": 20,'
        ' "taker_fee_a_bps": 5, "taker_fee_b_bps": 5, "slippage_bps": 3,'
        ' "max_position_usd": 1000, "stop_on_drawdown_pct": 20, "exit_model": "convergence",'
        ' "tag": "sess001"}, "output_json": "outputs/tuning/sess001/sess001_0001.json"}'
    )
    assert (loaded.name, loaded.warnings, loaded.job_timeout_s) == ("session001", (), 300.0)
    assert (loaded.filters, loaded.max_results, loaded.skip_bad_rows) == (Filters(), 10, False)
    assert (loaded.data_file, loaded.promote) == (plan.data_file, ())
    assert loaded.body["max_jobs"] == 50


def test_json_says_the_same(write):
    values = read_yaml(CONTRACT, name="f").value
    loaded = load_session(write(json.dumps(values, indent="\t"), "session001.json"))
    assert loaded.plan() == load_session(write(CONTRACT)).plan()
    assert session_of(values).plan() == loaded.plan()


def test_numbers_keep_the_form_they_were_written_in(write):
    text = (
        "data_file: q.csv\nfixed: {taker_fee_a_bps: 5.0, taker_fee_b_bps: 5, slippage_bps: 1e1}\n"
    )
    text += "grids: [{name: min_spread_bps, values: [20, 20.5, .5, 0x10]}]\n"
    lines = [*load_session(write(text)).plan().lines()]
    assert '"taker_fee_a_bps": 5.0, "taker_fee_b_bps": 5, "slippage_bps": 10.0' in lines[0]
    assert [line.partition('"min_spread_bps": ')[2].partition("}")[0] for line in lines] == [
        *("20", "20.5", "0.5", "16")
    ]


def test_what_stands_under_fixed_wins(write):
    text = "data_file: q.csv\nslippage_bps: 5\nmin_spread_bps: 3\nfixed:\n  slippage_bps: 0\n"
    text += "  min_spread_bps: 3\n"
    loaded = load_session(write(text))
    assert loaded.plan().space.fixed == {"slippage_bps": 0, "min_spread_bps": 3}
    (warning,) = loaded.warnings
    assert (warning.line, warning.key) == (2, "slippage_bps")
    assert warning.reason == "is 5, and `fixed.slippage_bps` is 0: that one holds"


def test_what_is_commented_out_says_nothing(write):
    text = "data_file: q.csv\nfixed:\ngrids:\nrank:\npromote:\nstop_on_drawdown_pct:\ntag_prefix:\n"
    loaded = load_session(write(text))
    assert loaded.plan().space.fixed == {}
    assert loaded.plan().job_id(1) == "job_0001"


def test_our_own_keys(write):
    loaded = load_session(
        write(
            "data_file: q.csv\nname: the long night\nskip_bad_rows: true\njob_timeout_s: 12\n"
            "rank: {max_drawdown_pct: 15, min_trades: 10, max_results: 3}\n"
            "promote: [min_spread_bps]\ngrids: [{name: min_spread_bps, values: [1, 2]}]\n"
        )
    )
    assert loaded.name == "the long night"
    assert loaded.filters == Filters(max_drawdown_pct=15, min_trades=10)
    assert (loaded.max_results, loaded.skip_bad_rows, loaded.job_timeout_s) == (3, True, 12.0)
    assert loaded.promote == ("min_spread_bps",)


def test_a_file_called_by_a_number_is_no_number(write):
    assert load_session(write("data_file: q\n", "2026.yaml")).name == "session-2026"
    assert load_session(write("data_file: q\nname: a\n", "2026.yaml")).name == "a"
    assert session_of({"data_file": "q"}).name == "session"


def test_of_two_limits_the_stricter_holds(write):
    path = write(CONTRACT.replace("max_jobs: 50", "max_jobs: 7"))
    assert [load_session(path, max_jobs=n).plan().jobs for n in (None, 3, 9)] == [7, 3, 7]


@pytest.mark.parametrize("name", ["session001", "night"])
def test_the_sessions_that_are_shipped_raise_no_doubt(name):
    loaded = load_session(ROOT / "configs" / "sessions" / f"{name}.yaml")
    assert (loaded.warnings, loaded.doubts(), loaded.plan().missing) == ((), (), ())
    assert "exit_model: quoted" in loaded.path.read_text()


# ── what does not ────────────────────────────────────────────────────────────
BAD = {
    "min_sprad_bps: 30": (2, "min_sprad_bps", "is not a key that exists here"),
    "grids: [{name: spread, values: [1]}]": (2, "grids[0].name", "is not a parameter"),
    "grids: [{name: slippage_bps}]": (2, "grids[0].values", "is missing"),
    "grids: [{values: [1]}]": (2, "grids[0].name", "is missing"),
    "grids: [{name: slippage_bps, values: []}]": (2, "grids[0].values", "must name at least one"),
    "grids: [{name: slippage_bps, values: 3}]": (2, "grids[0].values", "must be a list, not 3"),
    "grids: {slippage_bps: [1]}": (2, "grids", "must be a list, not a mapping"),
    "grids: [{name: slippage_bps, values: [a]}]": (
        *(2, "grids[0].values[0]", "must be a number, not text 'a'"),
    ),
    "grids: [{name: slippage_bps, values: [true]}]": (
        *(2, "grids[0].values[0]", "must be a number, not true"),
    ),
    "grids: [{name: slippage_bps, values: [null]}]": (
        *(2, "grids[0].values[0]", "must be a number, not nothing"),
    ),
    "grids: [{name: max_open_trades, values: [1, 2.5]}]": (
        *(2, "grids[0].values[1]", "must be a whole number, not 2.5"),
    ),
    "grids: [{name: exit_model, values: [quotd]}]": (
        *(2, "grids[0].values[0]", "must be convergence or quoted, not text 'quotd'"),
    ),
    "grids: [{name: exit_model, values: [1]}]": (
        *(2, "grids[0].values[0]", "must be convergence or quoted, not 1"),
    ),
    "max_open_trades: 2.0": (2, "max_open_trades", "must be a whole number, not 2.0"),
    "max_jobs: 0": (2, "max_jobs", "must be at least 1, not 0"),
    "max_jobs: -1": (2, "max_jobs", "must be at least 1, not -1"),
    "max_jobs: 1.5": (2, "max_jobs", "must be a whole number, not 1.5"),
    "slippage_bps: .nan": (2, "slippage_bps", "infinity and 'not a number' are no values here"),
    "slippage_bps: true": (2, "slippage_bps", "must be a number, not true"),
    "slippage_bps: '5'": (2, "slippage_bps", "must be a number, not text '5'"),
    "exit_model: quick": (2, "exit_model", "must be convergence or quoted, not text 'quick'"),
    "tag_prefix: a/b": (2, "tag_prefix", "cannot begin the names of jobs and files"),
    "tag_prefix: ..": (2, "tag_prefix", "cannot begin the names of jobs and files"),
    "tag_prefix: ''": (2, "tag_prefix", "cannot begin the names of jobs and files"),
    "tag_prefix: 세션": (2, "tag_prefix", "cannot begin the names of jobs and files"),
    f"tag_prefix: {'a' * (PREFIX_LENGTH_MAX + 1)}": (
        *(2, "tag_prefix", "cannot begin the names of jobs and files"),
    ),
    "tag_prefix: 7": (2, "tag_prefix", "must be text, not 7"),
    "name: '12'": (2, "name", "is not a name for a session"),
    "job_timeout_s: 0": (2, "job_timeout_s", "must be above 0, not 0"),
    "promote: [exit_model]": (2, "promote[0]", "exit_model is no number, and a rule is one"),
    "promote: [slippage_bps, slippage_bps]": (
        *(2, "promote[1]", "slippage_bps stands there already"),
    ),
    "promote: [slippage]": (2, "promote[0]", "is not a parameter"),
    "rank: {max_drawdown_pct: -1}": (2, "rank.max_drawdown_pct", "must be at least 0, not -1"),
    "rank: {max_results: 0}": (2, "rank.max_results", "must be at least 1, not 0"),
    "fixed: {data_file: x}": (2, "fixed.data_file", "is not a key that exists here"),
}


@pytest.mark.parametrize(("line", "told"), BAD.items(), ids=BAD)
def test_a_file_is_refused_with_its_line(write, line, told):
    assert refusals(write(f"data_file: q.csv\n{line}\n")) == [told]


@pytest.mark.parametrize("path", ["3", "''", "' '", "https://host/q.csv", '"a\\u0007b"', "[a]"])
def test_data_must_be_a_file(write, path):
    ((line, key, _),) = refusals(write(f"data_file: {path}\n"))
    assert (line, key) == (1, "data_file")


@pytest.mark.parametrize("grid", ["3", "{name: 3, values: [1]}", "{values: [1]}"])
def test_what_is_no_grid_hides_nothing(write, grid):
    keys = [key for _, key, _ in refusals(write(f"data_file: q\nmax_jobs: 0\ngrids: [{grid}]\n"))]
    assert keys[0] == "max_jobs"
    assert keys[1].startswith("grids[0]")


def test_two_grids_of_one_name_are_refused(write):
    text = "data_file: q\ngrids:\n" + "  - {name: slippage_bps, values: [1]}\n" * 2
    told = refusals(write(text))
    assert told == [(4, "grids[1].name", "slippage_bps has a grid already: grids[0]")]


def test_everything_is_told_at_once(write):
    text = "min_sprad_bps: 1\nmax_jobs: 0\ngrids:\n  - {name: max_open_trades, values: [2.0]}\n"
    text += "  - {name: max_open_trades, values: []}\npromote: [exit_model]\n"
    keys = [key for _, key, _ in refusals(write(text))]
    assert keys == [
        *("data_file", "min_sprad_bps", "max_jobs", "grids[0].values[0]"),
        *("grids[1].name", "grids[1].values", "promote[0]"),
    ]


def test_too_many_jobs_are_refused_at_once(write):
    names = ("min_spread_bps", "slippage_bps", "taker_fee_a_bps", "max_position_usd")
    thousand = ", ".join(map(str, range(1, 1_001)))
    text = "data_file: q\ngrids:\n"
    text += "".join(f"  - {{name: {name}, values: [{thousand}]}}\n" for name in names)
    path = write(text)
    ((line, key, reason),) = refusals(path)
    assert (line, key) == (2, "grids")
    assert reason == "1,000,000,000,000 jobs are planned, and 10,000,000 are the most that is run"
    assert load_session(path, max_jobs=10).plan().jobs == 10
    assert "9 are the most" in refusals(path, max_jobs=10, max_cells=9)[0][2]


def test_a_file_that_is_not_there_is_refused(tmp_path):
    ((line, key, reason),) = refusals(tmp_path / "none.yaml")
    assert (line, key, reason) == (None, None, "there is no such file")


@pytest.mark.parametrize("text", ["", "- 1\n", "data_file: [", "a", "{}", "data_file: &a q\n"])
def test_what_is_no_session_is_refused(write, text):
    with pytest.raises(SessionRefused):
        load_session(write(text))


def test_a_refusal_ends_with_the_code_for_input(write):
    with pytest.raises(SessionRefused) as caught:
        load_session(write("max_jobs: 0\n"))
    error = caught.value
    assert isinstance(error, ConfigError)
    assert isinstance(error, InputError)
    assert isinstance(error, ValueError)
    assert error.exit_code == Exit.INPUT
    assert error.message.startswith("2 problems in the session:\n")


def test_thousands_of_problems_are_told_in_a_hundred():
    for text in (
        "{" + ",".join(f"key{n}: 1" for n in range(900)) + "}",
        "data_file: q\ngrids: [" + "{name: x, values: []}," * 300 + "]",
        "data_file: q\npromote: [" + "exit_model," * 5_000 + "]",
        "data_file: q\ngrids: [{name: max_open_trades, values: [" + "1.5," * 5_000 + "]}]",
    ):
        document = read_yaml(text, name="f")
        with pytest.raises(SessionRefused) as caught:
            session_from(document, Path("f"))
        assert len(caught.value.problems) <= 101


# ── lint ─────────────────────────────────────────────────────────────────────
def test_lint_tells_a_session_from_its_keys(write):
    path = write(CONTRACT)
    report = lint_files([path], None, None, {})
    ((name, summary),) = report.accepted
    digest = load_session(path).plan().digest()[:12]
    assert name == str(path)
    assert summary == (
        f"session: 9 jobs, 2 grids, data/sample_arbitrage_prices.csv, digest {digest}"
    )
    assert [(warning.line, warning.key) for warning in report.warnings] == [
        (9, "stop_on_drawdown_pct")
    ]
    one = lint_files([write("slippage_bps: 1\ndata_file: q\n")], None, None, {}).accepted[0][1]
    assert one.startswith("session: 1 job, 0 grids, q,")


def test_lint_recommends_quoted_exits_to_who_did_not_choose(write):
    path = write(CONTRACT.replace("exit_model", "# exit_model"))
    warnings = {w.key: w.hint for w in lint_files([path], "session", None, {}).warnings}
    assert "`exit_model: quoted`" in warnings["exit_model"]


def test_lint_finds_doubts_in_their_lines(write):
    text = "data_file: q\nexit_model: quoted\nmin_spread_bps: 1\nmax_position_usd: 1\n"
    text += "slippage_bps: 1\ntaker_fee_b_bps: 1\nfixed:\n  taker_fee_a_bps: 0.0005\n"
    text += "grids:\n  - name: stop_on_drawdown_pct\n    values: [0.2, 0.2]\n"
    warnings = lint_files([write(text)], None, None, {}).warnings
    assert [(w.line, w.key) for w in warnings] == [
        (8, "fixed.taker_fee_a_bps"),
        (11, "grids[0].values"),
        (11, "grids[0].values"),
    ]
    assert [w.reason for w in warnings] == [
        "of 0.0005 is next to nothing: a fraction of one, where basis points are meant?",
        "stop_on_drawdown_pct of 0.2 ends a run at 0.2 %: a fraction?",
        "stop_on_drawdown_pct: 0.2 stands there more than once",
    ]
    assert all(w.warning for w in warnings)


def test_lint_refuses_with_the_limit_in_force(write):
    limits = write("sweeps: {max_cells: 8}\n", "d.yaml")
    report = lint_files([write(CONTRACT)], None, limits, {})
    assert [problem.reason for problem in report.problems] == [
        "9 jobs are planned, and 8 are the most that is run"
    ]
    broken = write("sweeps: {max_cells: 0}\n", "e.yaml")
    assert lint_files([write(CONTRACT)], None, broken, {}).problems == []


# ── round trip ───────────────────────────────────────────────────────────────
def test_a_plan_written_to_a_file_is_read_back(write):
    plan = load_session(write(CONTRACT)).plan()
    path = write("".join(line + "\n" for line in plan.lines()), "jobs.jsonl")
    jobs = load_jobs(path)
    assert [job.line() for job in jobs] == [*plan.lines()]


# ── written by programs ──────────────────────────────────────────────────────
def with_values(count):
    values = ", ".join(str(value) for value in range(1, count + 1))
    grid = f"grids:\n  - {{ name: max_position_usd, values: [{values}] }}\n"
    return CONTRACT.replace("max_jobs: 50 ", "#").split("grids:", maxsplit=1)[0] + grid


def test_a_grid_may_have_tens_of_thousands_of_values(write):
    path = write(with_values(20_000))
    assert load_session(path).plan().jobs == 20_000
    report = lint_files([path], None, None, {})
    assert "20,000 jobs" in report.accepted[0][1]


def test_more_values_than_anybody_means_are_refused(write):
    assert [reason for _, _, reason in refusals(write(with_values(100_001)))] == [
        "more than 100,000 values in one file"
    ]


def test_other_files_stay_small_for_the_linter_too(write):
    path = write("targets:\n" + "".join(f"  s{n}: {{ max: 1 }}\n" for n in range(10_000)))
    (problem,) = lint_files([path], "policy", None, {}).problems
    assert problem.reason.startswith(("more than 10,000 values", "is larger than"))
