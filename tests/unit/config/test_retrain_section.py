"""``retrain`` in a study file: defaults that need no touching, and what is refused."""

import pytest
from pydantic import ValidationError

from daemon.config.retrain_section import Retrain, none_is_off, rules
from daemon.search.studies.triggers import Rules


def read(value):
    return None if (value := none_is_off(value)) is None else Retrain.model_validate(value)


def test_without_a_word_the_defaults_of_the_core_hold():
    assert rules(read({})) == rules(read(None)) == Rules()


def test_none_is_never():
    assert rules(read("none")) is None


def test_every_key_reaches_the_core():
    given = {
        "max_age_days": 30,
        "min_rest_days": 2.5,
        "false_per_month": 1,
        "decay": False,
        "drift": False,
        "regime": False,
    }
    assert rules(read(given)) == Rules(**given)
    assert set(given) == set(Retrain.model_fields)


@pytest.mark.parametrize("word", ["none", None])
def test_age_alone_may_be_no_reason(word):
    assert rules(read({"max_age_days": word})).max_age_days is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_age_days": 0},
        {"max_age_days": "never"},
        {"max_age_days": 4000},
        {"min_rest_days": -1},
        {"false_per_month": 0},
        {"false_per_month": float("nan")},
        {"drift": "yes"},
        {"psi": 0.25},
        "off",
        3,
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        read(wrong)


def test_every_key_says_what_it_trades():
    for name, field in Retrain.model_fields.items():
        assert len(field.description or "") > 80, name
