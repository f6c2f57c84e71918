"""What a sampler cannot do it says before anything runs, with what can."""

import subprocess
import sys
import warnings

import pytest

from daemon.adapters.samplers import make
from daemon.errors import ConfigError, MissingExtra
from daemon.search.studies.abilities import KINDS
from daemon.search.studies.domain import Domain, Real
from tests.contract.samplers.kit import DOMAINS, outcome

TWO = ["maximize", "minimize"]


def refused(kind, domain, directions=("maximize",), options=None):
    with pytest.raises(ConfigError) as caught:
        make(kind, domain, directions, 0, options or {})
    (problem,) = caught.value.problems
    assert problem.hint
    return f"{problem.reason}; {problem.hint}"


def test_cmaes_takes_numbers_only_and_says_who_takes_words():
    said = refused("cmaes", DOMAINS["words"])
    assert "exit, mode have values without an order" in said
    assert "tpe, gp and nsga2" in said


def test_cmaes_takes_no_conditions():
    domain = Domain((Real("a", 0, 1, 0.5), Real("b", 0, 1, when={"a": 0.5})))
    assert "b depends on another; tpe, gp and nsga2 take conditions" in refused("cmaes", domain)


@pytest.mark.parametrize("kind", ["gp", "cmaes"])
def test_one_objective_is_one(kind):
    said = refused(kind, DOMAINS["float"], TWO)
    assert "one objective, and there are 2; tpe and nsga2 take several" in said


def test_the_grid_needs_steps():
    assert "a, b has no steps; give it a `step`" in refused("grid", DOMAINS["float"])


def test_there_is_a_limit_to_how_many_axes_can_be_filled_evenly():
    domain = Domain(tuple(Real(f"p{n}", 0, 1) for n in range(17)))
    assert "16 axes at most, and there are 17; random" in refused("qmc", domain)
    for kind in ("tpe", "gp"):  # which begin evenly where they can
        sampler = make(kind, domain, ["maximize"], 0, {})
        points = sampler.ask(3, 0)
        for point in points:
            domain.check(point)
        assert sampler.ask(3, 0) == points


def test_an_unknown_sampler_is_told_the_known_ones():
    assert "there is no sampler 'bayes'; known are grid, random" in refused("bayes", DOMAINS["one"])


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("random", {"startup": 3}, "random has no option startup; it has none"),
        ("gp", {"starts": 3}, "gp has no option starts; it has startup, points_max"),
        ("tpe", {"startup": 2.5}, "startup of tpe is 2.5; a whole number is wanted"),
        ("tpe", {"startup": True}, "startup of tpe is True; a whole number is wanted"),
        ("cmaes", {"sigma": "wide"}, "sigma of cmaes is 'wide'; a number is wanted"),
        ("nsga2", {"population": 1}, "population of nsga2 is 1; it can be 4 to 10000"),
    ],
)
def test_options_are_held_against_what_a_sampler_has(kind, options, said):
    assert said in refused(kind, DOMAINS["float"], options=options)


@pytest.mark.parametrize(
    "options", [{"population": 4}, {"population": 40}, {"sigma": 0.05}], ids=str
)
def test_options_change_what_is_proposed(options):
    kind = "cmaes"
    found = []
    for given in (options, {}):
        sampler = make(kind, DOMAINS["float"], ["minimize"], 1, given)
        for batch in range(3):
            points = sampler.ask(8, batch)
            sampler.tell([outcome(point, batch) for point in points])
        found.append(sampler.ask(4, 3))
    assert found[0] != found[1]


# ── libraries ────────────────────────────────────────────────────────────────
BLOCKED = """
import sys
sys.modules["optuna"] = sys.modules["cmaes"] = None
from daemon.adapters.samplers import make
from daemon.errors import MissingExtra
from daemon.search.studies.domain import Domain, Real
domain = Domain((Real("a", 0, 1, 0.1),))
for kind in ("tpe", "cmaes", "nsga2"):
    try:
        make(kind, domain, ["maximize"], 0, {})
    except MissingExtra as error:
        assert "pip install 'self-tuning-daemon[search]'" in error.hint, error.hint
        assert "grid, random, qmc, gp" in error.hint, error.hint
        print(error.message)
for kind in ("grid", "random", "qmc", "gp"):
    assert make(kind, domain, ["maximize"], 0, {}).ask(3, 0)
"""


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_without_the_libraries_the_hint_says_what_to_install_and_our_own_samplers_run():
    done = run(BLOCKED)
    assert done.returncode == 0, done.stderr
    assert [line.split(" needs ")[0] for line in done.stdout.splitlines()] == [
        f"the sampler {kind}" for kind in ("tpe", "cmaes", "nsga2")
    ]
    assert issubclass(MissingExtra, Exception)


QUIET = """
import sys
from daemon.adapters.samplers import make
from daemon.ports import Told
from daemon.search.studies.domain import Choice, Domain, Real
assert not {"optuna", "cmaes"} & set(sys.modules)
domain = Domain((Choice("w", ("x", "y")), Real("a", 0, 1, when={"w": "x"}), Real("b", 0.1, 1, 0.3)))
for kind, directions in (("tpe", ["maximize"]), ("tpe", ["maximize"] * 2), ("nsga2", ["minimize"])):
    sampler = make(kind, domain, directions, 0, {})
    for batch in range(4):
        told = [
            Told(point=one, values=(one["b"],) * len(directions), violation=batch / 4, batch=batch)
            for one in sampler.ask(12, batch)
        ]
        sampler.tell(told)
import optuna
assert optuna.logging.get_verbosity() == optuna.logging.INFO
"""


def test_libraries_are_loaded_late_and_say_nothing():
    done = run(QUIET)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_warnings_of_others_are_left_alone():
    sampler = make("tpe", DOMAINS["conditional"], ["maximize"], 0, {"startup": 0})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sampler.ask(3, 0)
        warnings.warn("mine", stacklevel=1)
    assert [str(one.message) for one in caught] == ["mine"]


def test_every_sampler_says_what_it_is_for():
    for kind, ability in KINDS.items():
        assert len(ability.text) > 20, kind
        for option in ability.options.values():
            assert option.low < option.high
            assert len(option.text) > 10
