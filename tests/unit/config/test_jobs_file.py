"""Files of jobs: read back as they were planned, or refused with their lines."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from daemon.config.jobs_file import LINE_BYTES_MAX, load_jobs
from daemon.config.session_file import SessionRefused
from daemon.search.plan import Job, TooManyJobs
from daemon.search.preflight import look
from daemon.search.space import Axis
from tests.search_kit import FIXED, plan

CONFIG = {"data_file": "q.csv", "min_spread_bps": 1} | FIXED


def job(job_id="a", output_json=None, **config):
    said = {name: value for name, value in (CONFIG | config).items() if value != "nothing"}
    return json.dumps(
        {"job_id": job_id, "config": said, "output_json": output_json or f"o/{job_id}.json"}
    )


@pytest.fixture
def write(tmp_path):
    def to(*lines):
        path = tmp_path / "jobs.jsonl"
        text = (
            "\n".join(lines) if all(isinstance(line, str) for line in lines) else b"\n".join(lines)
        )
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return to


def refusals(path, **options):
    with pytest.raises(SessionRefused) as caught:
        load_jobs(path, **options)
    return [(p.line, p.key, p.reason) for p in caught.value.problems]


# ── what holds ───────────────────────────────────────────────────────────────
def test_jobs_are_given_as_they_were_written(write):
    lines = [
        job("z_2", tag="t", exit_model="quoted"),
        job("z_1", "elsewhere/x.txt", min_spread_bps=1.0, stop_on_drawdown_pct=None),
        job("z_10", "/absolute/z_10.json", slippage_bps=3, max_open_trades=2),
    ]
    jobs = load_jobs(write(*lines, ""))
    assert [one.line() for one in jobs] == lines == [*jobs.lines()]
    assert (jobs.jobs, jobs.cells, jobs.name, jobs.missing) == (3, 3, "jobs", ())
    assert (jobs.data_file, jobs.data_files, jobs.tag_prefix) == ("q.csv", ("q.csv",), None)
    assert jobs.grids == ("slippage_bps", "exit_model", "max_open_trades")
    assert [jobs.number(name) for name in ("z_2", "z_10", "z_9")] == [1, 3, None]
    assert [jobs.job_id(n) for n in (1, 2, 3)] == ["z_2", "z_1", "z_10"]
    assert jobs.values_of("max_open_trades") == (1, 2)
    assert jobs.values_of("exit_model") == ("quoted", "convergence")
    assert jobs.values_of("stop_on_drawdown_pct") == ()
    assert jobs.values_of("exchange_a_to_b_rate") == ()
    for n in (0, 4):
        with pytest.raises(IndexError):
            jobs.job(n)
    with pytest.raises(IndexError, match="from 0 to 2"):
        jobs.draw(np.array([3]))


def test_a_value_that_only_the_engine_refuses_is_an_error_of_its_job(write):
    jobs = load_jobs(write(job("a"), job("b", slippage_bps=-1), job("c", max_open_trades=0)))
    drawn = jobs.draw(np.arange(3))
    assert drawn.places.tolist() == [0]
    assert drawn.errors == {
        1: "slippage_bps is -1: it must be finite and zero or more",
        2: "max_open_trades is 0: it must be from 1 to 2147483647",
    }
    assert jobs.params(1) == drawn.combinations[0]
    with pytest.raises(ValueError, match="slippage_bps is -1"):
        jobs.params(2)


def test_a_byte_order_mark_and_other_letters_are_read(write):
    path = write(b"\xef\xbb\xbf" + job("größe", data_file="daten/größe.csv").encode())
    assert load_jobs(path).job(1).config["data_file"] == "daten/größe.csv"


def test_a_list_that_no_file_gave_may_lack_what_is_required(write):
    jobs = load_jobs(write(job("a")))
    lacking = replace(jobs, said={k: v for k, v in jobs.said.items() if k != "slippage_bps"})
    assert lacking.missing == ("slippage_bps",)
    for ask in (lambda: lacking.params(1), lambda: lacking.draw(np.arange(1))):
        with pytest.raises(ValueError, match="slippage_bps must be given"):
            ask()
    assert lacking.space_digest() != jobs.space_digest()
    assert not look(lacking).sound


def test_jobs_with_equal_parameters_are_counted(write):
    jobs = load_jobs(write(job("a"), job("b", min_spread_bps=1.0), job("c", slippage_bps=3)))
    assert (jobs.duplicates, jobs.grids) == (1, ("slippage_bps",))
    (note,) = (note for note in look(jobs).notes if note.code == "duplicate-job")
    assert (
        note.text == "1 job of the file have the parameters of another one" or "1 job" in note.text
    )
    other = load_jobs(write(job("a"), job("b", data_file="other.csv")))
    assert other.duplicates == 0
    assert not [note for note in look(other).notes if note.code == "duplicate-job"]


def test_jobs_of_several_files_are_parted(write):
    lines = [job(f"j{n}", data_file=name, slippage_bps=n) for n, name in enumerate("babac")]
    jobs = load_jobs(write(*lines))
    assert jobs.data_files == ("b", "a", "c")
    with pytest.raises(ValueError, match="3 data files"):
        _ = jobs.data_file
    parts = jobs.split()
    assert [part.data_file for part in parts] == ["b", "a", "c"]
    assert [[one.job_id for one in part] for part in parts] == [["j0", "j2"], ["j1", "j3"], ["j4"]]
    assert [part.cells for part in parts] == [2, 2, 1]
    assert parts[0].number("j2") == 2
    assert parts[0].split() == (parts[0],)
    assert parts[0].draw(np.array([1])).combinations[0].slippage_bps == 2.0


def test_the_first_jobs_alone_are_read(write):
    lines = [job(f"j{n}", slippage_bps=n, tag="t") for n in range(5)]
    path = write(*lines, "nonsense")
    jobs = load_jobs(path, max_jobs=3)
    assert [one.job_id for one in jobs] == ["j0", "j1", "j2"]
    fewer = jobs.limited(2)
    assert (fewer.jobs, fewer.cells, fewer.grids) == (2, 3, ("slippage_bps",))
    assert jobs.limited(None) is jobs is jobs.limited(9)
    assert fewer.tag_prefix == "t"
    assert fewer.values_of("slippage_bps") == (0, 1)
    assert [one.job_id for one in fewer] == ["j0", "j1"]


def test_digests_name_jobs_and_parameters(write):
    two = (job("a"), job("b", slippage_bps=3))
    jobs = load_jobs(write(*two))
    assert load_jobs(write(*two)).digest() == jobs.digest()
    renamed = load_jobs(write(job("a"), job("c", slippage_bps=3)))
    rewritten = load_jobs(write(job("a", slippage_bps=2.0, tag="t"), job("b", slippage_bps=3.0)))
    moved = load_jobs(write(*two[::-1]))
    assert len({j.digest() for j in (jobs, renamed, rewritten, moved, jobs.limited(1))}) == 5
    assert renamed.space_digest() == rewritten.space_digest() == jobs.space_digest()
    assert len({j.space_digest() for j in (jobs, moved, jobs.limited(1))}) == 3
    said = jobs.document()
    assert said["digest"] == jobs.digest()
    assert (said["jobs"], said["grids"]) == (2, ["slippage_bps"])


def test_a_plan_of_thousands_comes_back_in_no_time(write):
    many = plan(Axis.of("min_spread_bps", range(200)), Axis.of("slippage_bps", range(50)))
    path = write(*many.lines())
    started = time.perf_counter()
    jobs = load_jobs(path)
    drawn = jobs.draw(np.arange(10_000))
    assert time.perf_counter() - started < 10
    assert set(jobs.grids) == set(many.grids)
    assert np.array_equal(
        drawn.combinations.min_spread_bps, many.draw(np.arange(10_000)).combinations.min_spread_bps
    )


# ── what does not ────────────────────────────────────────────────────────────
NO_JSON = "is not JSON: "
BAD = {
    "nonsense": (None, NO_JSON + "Expecting value, column 1"),
    '{"a": 1, "a": 2}': (None, NO_JSON + "a key stands there twice"),
    job(slippage_bps=float("nan")): (None, NO_JSON + "NaN is no number"),
    "[" * 20_000: (None, NO_JSON + "too many levels"),
    "[]": (None, "must be a mapping of keys to values, not a list"),
    "3": (None, "must be a mapping of keys to values, not 3"),
    '{"job_id": "a", "config": {}}': ("output_json", "is missing"),
    job(job_id=""): ("job_id", "must not be empty"),
    job(job_id="a/b"): ("job_id", "is no name for a job"),
    job(job_id=" a"): ("job_id", "is no name for a job"),
    job(job_id="a\n"): ("job_id", "is no name for a job"),
    job(output_json="../a.json"): ("output_json", "leads out of its folder by `..`"),
    job(output_json="a/../../a.json"): ("output_json", "leads out of its folder by `..`"),
    job(output_json="/tmp/../a.json"): ("output_json", "leads out of its folder by `..`"),
    job(output_json="a/"): ("output_json", "is no path of a file"),
    job(output_json="a\0b"): ("output_json", "is no path of a file"),
    job(spread=3): ("config.spread", "is not a key that exists here"),
    job(slippage_bps="3"): ("config.slippage_bps", "must be a number, not text '3'"),
    job(slippage_bps=True): ("config.slippage_bps", "must be a number, not true"),
    job(slippage_bps=[1]): ("config.slippage_bps", "must be a number, not a list"),
    job(slippage_bps=None): ("config.slippage_bps", "is missing"),
    job(slippage_bps="nothing"): ("config.slippage_bps", "is missing"),
    job(data_file="nothing"): ("config.data_file", "is missing"),
    job(data_file=3): ("config.data_file", "must be text, not 3"),
    job(max_open_trades=2.0): ("config.max_open_trades", "must be a whole number, not 2.0"),
    job(exit_model="x"): (*("config.exit_model", "must be convergence or quoted, not text 'x'"),),
    job(slippage_bps=1).replace(": 1,", ": 1e999,", 1): (
        *("config.min_spread_bps", "must be a finite number"),
    ),
    "x" * (LINE_BYTES_MAX + 1): (None, "is longer than 65,536 bytes"),
}


@pytest.mark.parametrize(("line", "told"), BAD.items(), ids=range(len(BAD)))
def test_a_line_is_refused_with_its_number(write, line, told):
    assert refusals(write(job("first"), line)) == [(2, *told)]


def test_text_that_is_no_text_is_refused(write):
    told = refusals(write(job("a").encode(), b'{"\xff"}', b"\xfe"))
    assert told == [(2, None, "is not UTF-8 text"), (3, None, "is not UTF-8 text")]


def test_a_name_or_a_file_twice_is_refused(write):
    told = refusals(write(job("a"), job("a", slippage_bps=3)))
    assert told == [(2, "job_id", "stands in line 1 already")]
    told = refusals(write(job("a", "x"), job("b"), job("c", "x")))
    assert told == [(3, "output_json", "is the file of the job in line 1")]
    told = refusals(write(job("a", "o/b.json"), job("b"), job("c", "o/d.json")))
    assert told == [(1, "output_json", "is the file of the job in line 2")]
    assert load_jobs(write(job("a", "p/b.json"), job("b"))).jobs == 2


def test_a_file_without_jobs_is_refused(write, tmp_path):
    assert refusals(write("", "  ", "")) == [(None, None, "has no jobs")]
    assert refusals(tmp_path / "none") == [(None, None, "there is no such file")]
    assert refusals(tmp_path) == [(None, None, "is a directory, not a file")]


def test_problems_are_told_up_to_a_hundred(write):
    told = refusals(write(*["nonsense"] * 20_000))
    assert len(told) <= 101


def test_more_jobs_than_may_be_run_are_refused(write):
    path = write(*(job(f"j{n}") for n in range(5)))
    with pytest.raises(TooManyJobs, match="more than 4 jobs"):
        load_jobs(path, max_cells=4)
    assert load_jobs(path, max_cells=5).jobs == 5
    assert load_jobs(path, max_cells=4, max_jobs=4).jobs == 4


def test_a_job_is_a_line():
    assert (
        Job(1, "a", {"x": 1}, "o").line()
        == '{"job_id": "a", "config": {"x": 1}, "output_json": "o"}'
    )
