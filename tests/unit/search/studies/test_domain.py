"""Search spaces: what they refuse, where values lie, and what a point means for a backtest."""

import math

import numpy as np
import pytest

from daemon.search.studies.domain import Choice, Domain, Profiles, Real, Whole

QUOTED = {"exit": "quoted"}
EXIT = Choice("exit", ("quoted", "convergence"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Domain(()), "there is nothing to search"),
        (lambda: Domain((EXIT, EXIT)), "stands there twice"),
        (lambda: Real("a", 2, 2), "low of a is 2, and high 2: it must lie above low"),
        (lambda: Real("a", math.nan, 2), "low of a is nan: it must be finite"),
        (lambda: Real("a", 0, "9"), "high of a is '9': a number is wanted"),
        (lambda: Real("a", 0, True), "high of a is True: a number is wanted"),
        (lambda: Real("a", 0, 1, 0), "step of a is 0: it must be above 0"),
        (lambda: Real("a", 0, 1, 2), "step of a is 2: it must be above 0 and fit"),
        (lambda: Real("a", 0, 1, log=True), "low of a is 0: a logarithmic scale begins above 0"),
        (lambda: Real("a", 4, 1e308, 4), "a goes from 4 to 1e.308: 1e.15 is the most"),
        (lambda: Real("a", -1e308, 1e308), "a goes from -1e.308 to 1e.308"),
        (lambda: Real("a", 1e-300, 1, log=True), "a goes from 1e-300 to 1"),
        (lambda: Real("a", 0, 1, 1e-320), "that makes more than 1e.15 values"),
        (lambda: Whole("a", 0, 10**400), "high of a is 10*: it must be finite"),
        (lambda: Whole("a", 1, 2.5), "high of a is 2.5: a whole number is wanted"),
        (lambda: Choice("a", ()), "a has no values"),
        (lambda: Choice("a", (1, 1.0)), "a value of a stands there twice"),
        (lambda: Choice("a", (1, True)), "value of a is True: a number is wanted"),
        (lambda: Profiles("a", {}), "a has no profiles"),
        (
            lambda: Domain((Profiles("a", {"x": {}}), Profiles("b", {"x": {}}))),
            "a and b are both profiles",
        ),
        (
            lambda: Domain((Profiles("a", {"x": {"fee": 1}}), Real("fee", 0, 1))),
            "profile x sets fee, which has an axis",
        ),
        (lambda: Domain((Real("a", 0, 1, when=QUOTED),)), "a depends on exit, which is no axis"),
        (
            lambda: Domain((Real("a", 0, 1), Real("b", 0, 1, when={"a": 0.5}))),
            "b depends on a, which has no steps",
        ),
        (
            lambda: Domain((EXIT, Real("b", 0, 1, when={"exit": "never"}))),
            "b asks for exit 'never', which it can never be",
        ),
        (
            lambda: Domain((Whole("n", 1, 3), Real("b", 0, 1, when={"n": 7}))),
            "b asks for n 7, which it can never be",
        ),
        (
            lambda: Domain((Whole("n", 1, 3, when={"m": 1}), Whole("m", 1, 3, when={"n": 1}))),
            "in a circle: n, m",
        ),
        (lambda: Domain.of([{"type": "complex", "name": "a"}]), "no type of parameter 'complex'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(make, said):
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ({}, "exit is missing"),
        ({"exit": "quoted"}, "stop is missing"),
        ({"exit": "never", "stop": 1}, "exit is 'never': it can be quoted, convergence"),
        ({"exit": "convergence", "stop": 3.0}, "stop must be left out here"),
        ({"exit": "quoted", "stop": 3.04}, "stop is 3.04: the nearest value it can have is 3.0"),
        ({"exit": "quoted", "stop": 30.0}, "stop is 30.0: the nearest value it can have is 20.0"),
        ({"exit": "quoted", "stop": "3"}, "value of stop is '3': a number is wanted"),
        ({"exit": "convergence", "fee": 3}, "there is no axis fee"),
    ],
)
def test_a_point_that_is_none_is_told_why(point, said):
    domain = Domain((Real("stop", 2, 20, 0.1, when=QUOTED), EXIT))
    with pytest.raises(ValueError, match=said):
        domain.check(point)


def test_steps_are_what_they_look_like():
    axis = Real("a", 0, 1, 0.1)
    assert [axis.value(place) for place in range(axis.size)] == [
        0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0,
    ]  # fmt: skip
    assert Real("a", 2, 120, 7).snap(1e9) == 114
    assert Real("a", 0, 1).snap(1 / 3) == 0.3333333333


def test_numbers_keep_the_type_of_their_axis_whatever_came_in():
    domain = Domain((Real("a", 0, 5, 1), Whole("n", 1, 3), Choice("c", (100.0, 50))))
    point = domain.snap({"a": 3, "n": 2.0, "c": 100})
    assert [(type(value), value) for value in point.values()] == [
        (float, 3.0),
        (int, 2),
        (float, 100.0),
    ]
    assert domain.key({"a": 3, "n": 2, "c": 50}) == domain.key({"c": 50.0, "n": 2.0, "a": 3.0})


def test_numbers_to_choose_from_are_ordered_and_words_are_not():
    sizes = Choice("size", (1000, 100, 500))
    assert (sizes.ordered, sizes.listed) == (True, (100, 500, 1000))
    assert sizes.snap(420) == 500
    mixed = Choice("mixed", (1, "auto"))
    assert not mixed.ordered
    with pytest.raises(ValueError, match="mixed is 2: it can be 1, auto"):
        mixed.snap(2)


@pytest.mark.parametrize(
    "axis",
    [
        Real("a", 0.5, 20, 0.5),
        Real("a", 1, 1000, 1, log=True),
        Whole("a", 1, 6),
        Whole("a", 1, 1000, log=True),
        Choice("a", ("x", "y", "z")),
    ],
    ids=str,
)
def test_what_is_drawn_evenly_falls_evenly(axis):
    shares = (np.arange(20_000) + 0.5) / 20_000
    found = [axis.at(share) for share in shares.tolist()]
    if getattr(axis, "log", False):
        counts = [sum(low <= value < 10 * low for value in found) for low in (1, 10, 100)]
        assert min(counts) > 0.2 * 20_000
    else:
        counts = [found.count(axis.value(place)) for place in range(axis.size)]
        assert max(counts) - min(counts) <= 2
    assert axis.at(-0.1) == axis.at(0.0)
    assert axis.at(1.1) == axis.at(1.0)


def test_a_large_space_is_numbered_at_once():
    axes = tuple(Whole(f"p{n}", 1, 10**6) for n in range(5))
    domain = Domain((*axes, Real("stop", 0, 1, 0.5, when={"p0": 7, "p4": 10**6})))
    assert domain.cells == 10**30 - 10**18 + 3 * 10**18
    for number in (0, 1, 10**18 * 6 + 5, domain.cells - 1):
        assert domain.index(domain.at(number)) == number
    with pytest.raises(IndexError, match="there is no point"):
        domain.at(domain.cells)


def test_points_of_a_space_without_steps_have_no_numbers():
    domain = Domain((Real("a", 0, 1), Whole("n", 1, 2)))
    assert domain.cells is None
    with pytest.raises(ValueError, match="a has no steps"):
        domain.at(0)
    with pytest.raises(ValueError, match="a has no steps"):
        domain.axes[0].place(0.5)


def test_neighbours_are_one_step_away():
    domain = Domain((Real("a", 0, 10), Whole("n", 1, 3), EXIT, Real("s", 0, 8, 1, when=QUOTED)))
    point = {"a": 5.0, "n": 1, "exit": "convergence"}
    assert domain.neighbours(point) == [
        {"a": 4.5, "n": 1, "exit": "convergence"},
        {"a": 5.5, "n": 1, "exit": "convergence"},
        {"a": 5.0, "n": 2, "exit": "convergence"},
    ]
    assert domain.beside(point)[3] == {"a": 5.0, "n": 1, "exit": "quoted", "s": 4.0}


def test_parameters_are_what_is_fixed_then_the_profile_then_the_point():
    zone = Profiles("zone", {"calm": {"fee": 1, "slip": 2}, "wild": {"fee": 3}})
    domain = Domain((zone, Whole("n", 1, 6)))
    fixed = {"balance": 10_000, "slip": 9}
    assert domain.params({"zone": "wild", "n": 2}, fixed) == {
        "balance": 10_000, "slip": 9, "fee": 3, "n": 2,
    }  # fmt: skip
    assert domain.params({"zone": "calm", "n": 2}, fixed)["slip"] == 2
    assert fixed == {"balance": 10_000, "slip": 9}
