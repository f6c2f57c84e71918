import json
import sys
from types import SimpleNamespace

import judges
import numpy as np
import pytest
import verdicts
from judges import HISTORY, PAIRS, TOGGLED, TOGGLED_PAST, TURN, WINDOW, judge_toggled
from noise import remembering
from verdicts import main, mean_variance, parse, triggered, window_needed_s


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
    assert judges.OURS not in judges.judges()


def test_a_module_that_the_core_misses_is_an_error(monkeypatch):
    def fail(name):
        raise ModuleNotFoundError(name="numpy")

    monkeypatch.setattr(judges.importlib, "import_module", fail)
    with pytest.raises(ModuleNotFoundError):
        judges.core()


def test_toggling_sees_an_effect_that_comes_and_goes_and_no_drift():
    drawn = remembering(0.5)(np.random.default_rng(3), 50, HISTORY + (2 * PAIRS + 1) * TURN)
    drifting = drawn - 1e-4 * np.arange(drawn.shape[1])
    for name in (TOGGLED, TOGGLED_PAST):
        assert judge_toggled(drawn, 3.0)[name].fell.mean() > 0.9
        assert judge_toggled(drifting, 0.0)[name].fell.mean() < 0.2


def test_what_only_we_do_is_shown_with_goals(monkeypatch, capsys):
    def core_toggles(noise, change, effect):
        kept = effect > 0
        return [
            SimpleNamespace(kept=kept, given_up=not kept, made=2, took_s=60.0 * number)
            for number in range(len(noise))
        ]

    def core_guard(samples, change):
        harm = samples[:, change:].mean(axis=1) > 0.5
        return np.where(harm, 10.0, np.nan)

    fake = SimpleNamespace(core_toggles=core_toggles, core_guard=core_guard, WARN_SD=1.6)
    monkeypatch.setitem(sys.modules, "core", fake)
    monkeypatch.setattr(verdicts, "LONGEST", 10 * WINDOW)
    arguments = ["--families", "white,AR .999", "--repetitions", "40", "--only", "toggles,guard"]
    main([*arguments, "--strict"])
    shown = capsys.readouterr().out
    assert "made, unmade" not in shown
    rows = [line.split() for line in shown.splitlines()]
    assert ["1", "kept,", "%", "100.00", "100.00", "100.00"] in rows
    assert ["2", "median", "s", "10.00", "10.00", "10.00", "<=", "20", "pass"] in rows
