"""Trials handed over to Optuna: what its dashboard reads is what the study found."""

import optuna
import pytest

from daemon.adapters.samplers.optuna_export import Exported, export
from daemon.errors import InputError, StoreError
from tests.contract.samplers.kit import DOMAINS

PNL = [("realized_pnl_usd", "maximize")]
START_US = 1_700_000_000_000_000


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/optuna.db"


def trials(domain, count, objectives=1):
    states = ("done", "pruned", "failed", "asked", "done")
    return [
        Exported(
            n=n + 1,
            point=domain.at(n) if domain.cells else domain.back(0.05 * domain.unit([{}]) + n)[0],
            state=states[n % 5],
            values=None if n % 5 == 2 else (float(n),) * objectives,
            violation=0.5 * (n % 2),
            about={"fold": 1, "oos_value": n / 2},
            at_us=START_US + n * 1_000_000,
        )
        for n in range(count)
    ]


def read(url, name):
    return optuna.load_study(study_name=name, storage=url)


def test_states_values_constraints_and_moments_arrive(url, capsys):
    domain = DOMAINS["int"]
    landed = export(url, "night 7", domain, PNL, trials(domain, 15))
    assert (landed.study, landed.added, landed.known) == ("night 7", 12, 0)
    study = read(url, "night 7")
    assert study.metric_names == ["realized_pnl_usd"]
    assert [trial.state.name for trial in study.trials[:4]] == [
        "COMPLETE",
        "PRUNED",
        "FAIL",
        "COMPLETE",
    ]
    first, pruned = study.trials[:2]
    assert first.params == {"trades": 1, "rows": 10}
    assert first.user_attrs == {"trial": 1, "fold": 1, "oos_value": 0.0}
    assert first.constraints == {"violation": 0.0}
    assert pruned.intermediate_values == {0: 1.0}
    assert pruned.constraints == {"violation": 0.5}
    assert study.best_trial.user_attrs["trial"] == 15
    assert (study.trials[3].datetime_start - first.datetime_start).total_seconds() == 4
    assert capsys.readouterr() == ("", "")


def test_done_again_it_adds_what_is_new_and_nothing_else(url):
    domain = DOMAINS["int"]
    export(url, "s", domain, PNL, trials(domain, 10))
    before = [trial.number for trial in read(url, "s").trials]
    again = export(url, "s", domain, PNL, trials(domain, 10))
    assert (again.added, again.known) == (0, 8)
    more = export(url, "s", domain, PNL, trials(domain, 20))
    assert (more.added, more.known) == (8, 8)
    after = read(url, "s").trials
    assert [trial.number for trial in after][: len(before)] == before
    assert len({trial.user_attrs["trial"] for trial in after}) == len(after) == 16


def test_several_objectives_have_a_front(url):
    domain = DOMAINS["int"]
    both = [*PNL, ("max_drawdown_pct", "minimize")]
    export(url, "s", domain, both, trials(domain, 10, objectives=2))
    study = read(url, "s")
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == [name for name, _ in both]
    assert study.best_trials


@pytest.mark.parametrize("name", DOMAINS)
def test_every_search_space_can_be_said_in_its_words(name, url):
    domain = DOMAINS[name]
    point = domain.back(domain.unit([]).reshape(0, len(domain.axes)))
    assert point == []
    middle = {axis.name: axis.at(0.4) for axis in domain.axes}
    one = Exported(n=1, point=domain.snap(middle), state="done", values=(1.0,))
    assert export(url, "s", domain, PNL, [one]).added == 1
    assert read(url, "s").trials[0].params == domain.snap(middle)


def test_a_study_of_somebody_else_is_left_alone(url):
    domain = DOMAINS["tiny"]
    optuna.create_study(storage=url, study_name="s").add_trial(optuna.trial.create_trial(value=1.0))
    for objectives in ([("pnl", "minimize")], PNL):
        with pytest.raises(InputError, match="not a copy of this one"):
            export(url, "s", domain, objectives, trials(domain, 5))
    assert len(read(url, "s").trials) == 1


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "nonsense", "sqlite:///\0"])
def test_a_storage_that_cannot_be_written_is_said_in_a_sentence(url):
    with pytest.raises(StoreError) as caught:
        export(url, "s", DOMAINS["tiny"], PNL, [])
    assert "sqlite:///optuna.db" in caught.value.hint
    assert "\n" not in caught.value.message


def test_a_password_is_not_shown():
    with pytest.raises(StoreError) as caught:
        export("nodb://me:secret@host/x", "s", DOMAINS["tiny"], PNL, [])
    assert "secret" not in str(caught.value)
