import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import verdicts
from noise import remembering
from verdicts import HISTORY, WINDOW, main, mean_variance, parse, triggered, window_needed_s


@pytest.fixture(autouse=True)
def _coreless(monkeypatch):
    monkeypatch.setitem(sys.modules, "core", None)


@pytest.mark.parametrize("lag_one", [0.0, 0.9, 0.99])
def test_the_variance_of_a_mean_is_what_draws_show(lag_one):
    means = remembering(lag_one)(np.random.default_rng(5), 4000, WINDOW).mean(axis=1)
    assert means.var() == pytest.approx(mean_variance(lag_one, WINDOW), rel=0.08)


def test_independent_samples_need_the_window_of_the_textbook():
    assert window_needed_s(0.0) == pytest.approx(2 * (2.4865 / 0.4) ** 2 / 5, rel=0.05)


def test_a_run_is_cut_where_its_bad_window_ends():
    samples = triggered("AR .9", parse(["--repetitions", "40"]))
    quiet = samples[:, : HISTORY - WINDOW].reshape(len(samples), -1, WINDOW).mean(axis=2)
    bad = samples[:, HISTORY : HISTORY + WINDOW].mean(axis=1)
    assert len(samples) > 30
    assert (bad > quiet.mean(axis=1) + quiet.std(axis=1)).mean() > 0.9


def test_tables_are_printed_and_written(tmp_path, capsys):
    file = tmp_path / "tables.json"
    arguments = ["--families", "AR .9", "--repetitions", "20", "--json", str(file)]
    assert main(arguments) == 0
    assert "Mann-Whitney" in capsys.readouterr().out
    assert len(json.loads(file.read_text())) == 8


def test_our_verdicts_stand_beside_the_others_with_a_goal(monkeypatch, capsys):
    def core_verdicts(samples, change):
        assert samples.shape[1] > change + WINDOW
        never = np.zeros(len(samples), dtype=bool)
        return ~never, never

    monkeypatch.setitem(sys.modules, "core", SimpleNamespace(core_verdicts=core_verdicts))
    arguments = ["--families", "white", "--repetitions", "20", "--only", "same"]
    assert main([*arguments, "--strict"]) == 1
    assert "MISSED" in capsys.readouterr().out
    assert main(arguments) == 0


def test_a_core_that_gives_no_verdicts_is_left_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "core", SimpleNamespace())
    assert verdicts.OURS not in verdicts.judges()
