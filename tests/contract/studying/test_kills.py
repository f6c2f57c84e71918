"""A process that runs a study may be killed at any moment; what it comes to is the same."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daemon.store import studies
from daemon.store.store import Store
from daemon.store.tables import trials
from tests.contract.rows import rows_of
from tests.studying_child import asked, made
from tests.studying_kit import found, run, tools

ROOT = Path(__file__).parents[3]
END_WITHIN_S = 120
LATEST_S = 0.9
"""A life is killed so long after it began to run, at most."""


def child(url, sampler, count):
    command = [sys.executable, "-m", "tests.studying_child", url, sampler, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def killed(url, sampler, count, after_s):
    """Let it live for a moment; gives what stood there then."""
    with child(url, sampler, count) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
    return looked(url)


def looked(url):
    """See that the counters tell the truth; gives every trial as it stands."""
    with Store.open(url) as store:
        rows = rows_of(store, trials)
        with store.read() as view:
            study = studies.newest(view)
    if study is None:
        return {}
    states = [row["state"] for row in rows]
    assert study.trials_done == states.count("done")
    assert study.trials_pruned == states.count("pruned")
    assert len({(row["fold"], row["cell"]) for row in rows}) == len(rows)
    return {row["n"]: row for row in rows}


def finished(url, sampler, count):
    """Leave it alone; gives how many trials it evaluated."""
    with child(url, sampler, count) as process:
        told, _ = process.communicate(timeout=END_WITHIN_S)
    assert process.returncode == 0, told
    return json.loads(told.splitlines()[-1])["evaluated"]


def kept(before, after):
    """Whatever was asked for is asked still, and what had an answer has that one."""
    for n, row in before.items():
        assert after[n]["cell"] == row["cell"]
        if row["state"] != "asked":
            same = ("state", "value", "violation", "batch", "objectives")
            assert [after[n][name] for name in same] == [row[name] for name in same]


def survives(backend, sampler, count, kills):
    with backend.opened() as store:
        used = tools(store, sampler=made)
        run(used, asked(sampler, count))
        expected = found(store)
    rng = random.Random(7)
    with backend.lend() as url:
        before = {}
        for number in range(1, kills + 1):
            after = killed(url, sampler, count, rng.uniform(0, LATEST_S * number / kills))
            kept(before, after)
            before = after
        finished(url, sampler, count)
        kept(before, looked(url))
        with Store.open(url) as store:
            assert found(store) == expected


@pytest.mark.slow
def test_killed_several_times_a_study_comes_to_what_one_run_finds(backend):
    sampler = "tpe" if backend.name == "sqlite" else "random"
    survives(backend, sampler, count=32, kills=2)


@pytest.mark.soak
@pytest.mark.parametrize("sampler", ["random", "qmc", "grid", "tpe", "nsga2", "gp", "cmaes"])
def test_killed_many_times_any_sampler_comes_to_what_one_run_finds(backend, sampler):
    survives(backend, sampler, count=96, kills=20)
