"""``daemon optimize`` as a process: killed, resumed, cancelled, interrupted, found busy."""

import csv
import io
import json
import signal
import time

import pytest

from daemon.errors import Exit
from tests.acceptance.conftest import point
from tests.acceptance.optimize_kit import STUDY, furnish, started, wait_for, write_study

LONG = "{ trials: 100 }"
RUN = ("optimize", "small.yaml", "--workers", "1")


@pytest.fixture
def desk(bare, sqlite_filled_url, monkeypatch):
    """A terminal in a folder with quotes and a study that takes some seconds."""
    point(monkeypatch, sqlite_filled_url)
    furnish(bare.folder, batch="4", budget=LONG, reality_check="{ resamples: 0 }", sampler="tpe")
    return bare


def table(terminal, ref):
    """Every trial of a study; whether it was known before is left out."""
    rows = csv.DictReader(io.StringIO(terminal.ok("study", "export", ref)))
    return [{key: value for key, value in row.items() if key != "known"} for row in rows]


def test_a_study_that_was_killed_goes_on_to_what_one_run_would_have_found(desk):
    with started(desk.folder, *RUN) as process:
        seen = wait_for(desk, 20)
        process.kill()
    assert seen["trials"] < 200
    shown = desk.rows("study", "list")[0]
    assert (shown["state"], shown["trials"] >= 20) == ("stalled", True)
    assert desk.type(*RUN, "--resume", "-o", "json") == Exit.DONE
    found = json.loads(desk.out)
    assert (found["trials"], found["study_id"]) == (200, 1)
    assert found["evaluated"] + found["known"] < 200
    assert desk.type(*RUN, "--name", "whole", "-o", "json") == Exit.DONE
    assert table(desk, "small") == table(desk, "whole")
    assert desk.type(*RUN) == Exit.DONE
    assert "nothing to do" in desk.err


def test_a_study_is_cancelled_from_another_terminal_within_moments(desk):
    with started(desk.folder, *RUN) as process:
        wait_for(desk, 10)
        began = time.monotonic()
        assert "ends within a second" in desk.ok("study", "cancel", "small")
        out, err = process.communicate(timeout=20)
        assert time.monotonic() - began < 10  # on a machine that has other things to do
    assert process.returncode == Exit.FAILED, err
    assert "it was cancelled" in err
    assert "so far" in out
    assert desk.rows("study", "list")[0]["state"] == "cancelled"
    assert "cancelled already" in desk.ok("study", "cancel", "last")
    assert desk.type(*RUN, "-o", "json") == Exit.DONE
    assert json.loads(desk.out)["trials"] == 200


def test_it_ends_in_order_when_it_is_interrupted_and_nobody_else_may_run_it(desk):
    with started(desk.folder, *RUN) as process:
        wait_for(desk, 10)
        assert desk.type(*RUN) == Exit.TRY_AGAIN
        assert "is being run by process" in desk.err
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == Exit.TRY_AGAIN, err
    assert "run it again to go on" in err
    row = desk.rows("study", "list")[0]
    assert row["state"] == "stopped"
    assert 10 <= row["trials"] < 200


def test_a_study_that_is_out_of_time_is_judged_by_what_it_has(desk):
    endless = STUDY.replace(", step: 2", "")
    write_study(desk.folder, endless, batch="2", budget="{ minutes: 0.05 }", sampler="tpe")
    assert desk.type(*RUN, "-o", "json") == Exit.DONE, desk.err
    found = json.loads(desk.out)
    assert [fold["trials"] > 0 for fold in found["folds"]] == [True, True]
    assert {fold["ended"] for fold in found["folds"]} == {"its time is over"}
    assert found["declared"] is not None
