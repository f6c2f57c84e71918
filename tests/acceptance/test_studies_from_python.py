"""`daemon.studies`: what other programs import."""

import resource
import threading

import numpy as np
import pytest

import daemon.studies
from daemon.errors import DaemonError, Exit, InputError
from daemon.studies import Study, load, optimize
from tests.acceptance.conftest import point
from tests.acceptance.optimize_kit import STUDY, furnish, write_study
from tests.tidy.project import ROOT


@pytest.fixture
def desk(bare, sqlite_filled_url, monkeypatch):
    point(monkeypatch, sqlite_filled_url)
    furnish(bare.folder)
    return bare


def test_a_study_is_loaded_planned_and_run(desk):
    study = load("small.yaml", trials=8, name="from python")
    assert isinstance(study, Study)
    assert (study.name, study.warnings) == ("from python", ())
    plan = study.plan()
    assert (plan.cells, plan.trials, plan.fold_count) == (120, 8, 2)
    told = []
    found = optimize(study, on_progress=told.append)
    assert (found.state, found.trials, found.exit_code) == ("done", 16, Exit.DONE)
    assert [one.trials for one in told] == sorted(one.trials for one in told)
    assert told[-1].trials == 16
    assert {one.phase for one in told} >= {"searching", "judging"}
    assert optimize(study).nothing_to_do
    assert desk.rows("study", "list")[0]["name"] == "from python"


def test_a_mapping_by_the_names_of_the_keys_does_as_well(desk):
    import yaml  # noqa: PLC0415 - only here

    body = yaml.safe_load(STUDY) | {"name": "of values"}
    found = optimize(body, trials=8, workers=1)
    assert (found.name, found.trials) == ("of values", 16)
    assert optimize(body, trials=8, resume=True).nothing_to_do


def test_it_ends_when_the_program_wants_it_to_also_in_a_thread(desk):
    write_study(desk.folder, batch="2", budget="{ trials: 110 }")
    found, seen = [], []

    def enough():
        return any(so_far.trials for so_far in seen)

    def run():
        found.append(optimize("small.yaml", on_progress=seen.append, cancel=enough))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=60)
    assert found
    assert (found[0].state, found[0].exit_code) == ("stopped", Exit.TRY_AGAIN)
    assert 0 < found[0].trials < 220
    assert "the program" in found[0].said


def test_what_does_not_hold_is_a_value_error_with_everything_that_is_wrong(desk):
    write_study(desk.folder, STUDY.replace("low: 2, high: 60", "low: 60, high: 2"), bach="3")
    with pytest.raises(ValueError, match="2 problems in the study"):
        load("small.yaml")
    with pytest.raises(TypeError, match="tirals"):
        load("small.yaml", tirals=3)
    with pytest.raises(InputError, match="never run"):
        optimize(furnish(desk.folder), resume=True)


def test_the_documents_show_what_there_is():
    reference = (ROOT / "docs" / "reference" / "studies.md").read_text()
    for name in daemon.studies.__all__:
        assert f"`{name}" in reference


def test_what_a_program_holds_already_does_not_count(desk):
    holding = np.ones(60_000_000)  # 480 MB
    write_study(desk.folder, limits="{ memory_mb: 256 }")
    assert optimize("small.yaml").state == "done"
    assert len(holding) == 60_000_000


def test_a_study_that_needs_more_memory_than_it_may_have_says_so_and_goes_on_later(desk):
    write_study(desk.folder, limits="{ memory_mb: 300 }")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    held = []

    def greedy(so_far):
        if so_far.trials >= 8 and not held:
            held.append(np.ones(100_000_000))  # 800 MB

    with pytest.raises(DaemonError, match="more than the 300 MB") as caught:
        optimize("small.yaml", on_progress=greedy)
    assert "what is finished is kept" in caught.value.hint
    assert not held
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    found = optimize("small.yaml", resume=True)
    assert (found.state, found.trials) == ("done", 48)
