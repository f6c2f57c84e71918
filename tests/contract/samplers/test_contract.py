"""What every sampler promises, on every search space that it can search."""

import pytest

from daemon.adapters.samplers import make
from daemon.search.studies.abilities import KINDS
from daemon.search.studies.novelty import Novelty
from tests.contract.samplers.kit import CASES, DOMAINS, outcome

BATCHES = (5, 4, 5, 1, 3)
"""Points of each batch; enough for learning to have begun."""


def a_sampler(kind, name, seed=5, objectives=1):
    directions = ["maximize", "minimize"][:objectives]
    startup = {"startup": 4} if "startup" in KINDS[kind].options else {}
    return make(kind, DOMAINS[name], directions, seed, startup)


def asked(sampler, domain, batches=BATCHES, objectives=1):
    """Ask and tell batch by batch, as a study does."""
    novelty = Novelty(domain, 1)
    rows = []
    for batch, count in enumerate(batches):
        points = novelty.fresh(sampler.ask(count, batch), batch, count)
        told = [outcome(point, batch, objectives) for point in points]
        sampler.tell(told)
        rows.append(told)
    return rows


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_points_are_legal_and_as_many_as_asked_for(kind, name):
    sampler, domain = a_sampler(kind, name), DOMAINS[name]
    for batch, count in enumerate(BATCHES):
        points = sampler.ask(count, batch)
        if kind != "grid":
            assert len(points) == count
        assert len(points) <= count
        for point in points:
            domain.check(point)
            assert list(point) == [axis.name for axis in domain.axes if axis.name in point]
        sampler.tell([outcome(point, batch) for point in points])


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_the_same_seed_and_the_same_story_give_the_same_points(kind, name):
    one, other = (asked(a_sampler(kind, name), DOMAINS[name]) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_one_that_was_only_told_goes_on_like_one_that_was_asked(kind, name):
    domain = DOMAINS[name]
    sampler = a_sampler(kind, name)
    rows = asked(sampler, domain)
    last = sampler.ask(6, len(rows))
    resumed = a_sampler(kind, name)
    for told in reversed(rows):
        resumed.tell(list(reversed(told)))
    assert list(resumed.ask(6, len(rows))) == list(last)
    at_once = a_sampler(kind, name)
    at_once.tell([one for told in rows for one in told])
    assert list(at_once.ask(6, len(rows))) == list(last)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("known", range(len(BATCHES)))
def test_a_search_that_ended_after_any_batch_is_gone_on_with(kind, known):
    """Everything after that batch is what it would have been."""
    name = "tiny" if kind == "grid" else "numbers"
    rows = asked(a_sampler(kind, name), DOMAINS[name])
    resumed = a_sampler(kind, name)
    novelty = Novelty(DOMAINS[name], 1)
    for told in rows[:known]:
        resumed.tell(told)
        novelty.seen(one.point for one in told)
    for batch in range(known, len(BATCHES)):
        points = novelty.fresh(resumed.ask(BATCHES[batch], batch), batch, BATCHES[batch])
        assert points == [one.point for one in rows[batch]]
        resumed.tell(rows[batch])


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_asking_twice_gives_the_same_and_leaves_no_trace(kind, name):
    sampler = a_sampler(kind, name)
    asked(sampler, DOMAINS[name])
    first = list(sampler.ask(5, 9))
    sampler.ask(3, 10)
    assert list(sampler.ask(5, 9)) == first


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "grid"])
def test_another_seed_or_batch_gives_other_points(kind):
    name = "float"
    points = []
    for seed in (5, 6):
        sampler = a_sampler(kind, name, seed)
        asked(sampler, DOMAINS[name])
        points.append(list(sampler.ask(6, len(BATCHES))))
    assert points[0] != points[1]
    if kind != "qmc":
        sampler = a_sampler(kind, name)
        asked(sampler, DOMAINS[name])
        assert list(sampler.ask(6, 20)) != list(sampler.ask(6, 21))


@pytest.mark.parametrize(
    ("kind", "name"), [case for case in CASES if case[1] in {"float", "tiny", "mixed"}]
)
@pytest.mark.parametrize("values", [None, (float("nan"),), (float("inf"),), (3.0,)])
def test_points_that_all_came_to_the_same_are_gone_on_from(kind, name, values):
    """All failed, none is a number, or all are equal: there is nothing to learn, and no fault."""
    sampler, domain = a_sampler(kind, name), DOMAINS[name]
    violation = 0.0 if values == (3.0,) else float("nan")
    for batch in range(3):
        points = sampler.ask(5, batch)
        told = [outcome(point, batch) for point in points]
        sampler.tell(
            [
                type(one)(point=one.point, values=values, violation=violation, batch=batch)
                for one in told
            ]
        )
        for point in points:
            domain.check(point)


@pytest.mark.parametrize("kind", [kind for kind, can in KINDS.items() if can.several])
@pytest.mark.parametrize("name", ["stepped", "tiny", "numbers"])
def test_several_objectives_are_told_and_resumed_like_one(kind, name):
    if kind == "grid" and DOMAINS[name].cells is None:
        return
    sampler = a_sampler(kind, name, objectives=2)
    rows = asked(sampler, DOMAINS[name], objectives=2)
    resumed = a_sampler(kind, name, objectives=2)
    for told in rows:
        resumed.tell(told)
    assert list(resumed.ask(6, 5)) == list(sampler.ask(6, 5))


def test_the_grid_gives_every_point_once_and_then_no_more():
    domain = DOMAINS["conditional"].of(
        [axis.document() for axis in DOMAINS["conditional"].axes if axis.name != "stop"]
    )
    sampler = make("grid", domain, ["maximize"], 3, {})
    keys = []
    for batch in range(10):
        points = sampler.ask(4, batch)
        keys += [domain.key(point) for point in points]
        sampler.tell([outcome(point, batch) for point in points])
    assert sorted(keys) == sorted({domain.key(domain.at(n)) for n in range(domain.cells)})


def test_the_grid_is_spread_over_all_values_from_the_start():
    domain = DOMAINS["int"]
    points = make("grid", domain, ["maximize"], 0, {}).ask(12, 0)
    assert {point["trades"] for point in points} == set(range(1, 7))
    assert len({point["rows"] for point in points}) > 5
