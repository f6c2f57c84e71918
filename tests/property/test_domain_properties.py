"""Whatever search space is drawn: its points are legal, have one name each, and are numbered."""

import itertools
import json
import math

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from daemon.search.studies.domain import Domain, Real
from daemon.search.studies.novelty import Novelty
from tests.domain_strategies import domains, points


def listed(domain):
    """List every point by trying all combinations of values."""
    found = {}
    ranges = [[axis.value(place) for place in range(axis.size)] for axis in domain.axes]
    for values in itertools.product(*ranges):
        point = domain.snap(dict(zip(domain.named, values, strict=True)))
        found.setdefault(domain.key(point), point)
    return found


@given(st.data())
def test_what_was_snapped_is_legal_and_stays(data):
    domain = data.draw(domains())
    point = data.draw(points(domain))
    domain.check(point)
    assert domain.snap(point) == point
    assert domain.active(point) == tuple(point)
    assert domain.key(point) == domain.key(dict(reversed(point.items())))


@given(st.data())
def test_points_survive_being_written_as_json(data):
    domain = data.draw(domains())
    point = data.draw(points(domain))
    again = Domain.of(json.loads(json.dumps(domain.document())))
    assert again == domain
    assert again.document() == domain.document()
    read = again.snap(json.loads(json.dumps(point)))
    assert read == point
    assert again.key(read) == domain.key(point)


@given(domains(discrete=True))
def test_numbers_and_points_are_a_bijection(domain):
    assume(math.prod(axis.size for axis in domain.axes) < 1500)
    found = listed(domain)
    assert domain.cells == len(found)
    numbered = [domain.at(number) for number in range(domain.cells)]
    assert {domain.key(point) for point in numbered} == found.keys()
    assert [domain.index(point) for point in numbered] == [*range(domain.cells)]


@given(st.data())
def test_shares_lead_back_to_the_point_they_were_taken_of(data):
    domain = data.draw(domains())
    point = data.draw(points(domain))
    shares = domain.unit([point])
    assert shares.shape == (1, len(domain.axes))
    named = [axis.name for axis in domain.axes]
    idle = np.array([name not in point for name in named])
    assert (np.isnan(shares[0]) == idle).all()
    assert ((shares[0][~idle] >= 0) & (shares[0][~idle] <= 1)).all()
    (back,) = domain.back(shares)
    assert back.keys() == point.keys()
    for name, value in point.items():
        axis = domain.named[name]
        if isinstance(axis, Real) and axis.size is None:
            assert math.isclose(back[name], value, rel_tol=1e-6, abs_tol=1e-6)
        else:
            assert back[name] == value


@given(st.data())
def test_neighbours_are_legal_others_and_see_each_other(data):
    domain = data.draw(domains(discrete=True))
    point = data.draw(points(domain))
    for beside in (domain.neighbours, domain.beside):
        around = beside(point)
        keys = [domain.key(other) for other in around]
        assert len(set(keys)) == len(keys)
        assert domain.key(point) not in keys
        for other in around:
            domain.check(other)
            if not domain.conditional:
                assert point in beside(other)


@given(domains(discrete=True), st.integers(0, 2**63), st.integers(1, 7))
def test_no_point_comes_twice_and_none_is_left_out(domain, seed, count):
    assume(math.prod(axis.size for axis in domain.axes) < 60)
    novelty = Novelty(domain, seed)
    asked = [domain.at(0)] * count
    seen = []
    for batch in range(domain.cells + 1):
        given_back = novelty.fresh(asked, batch, count)
        seen += [domain.key(point) for point in given_back]
        if len(given_back) < count:
            break
    assert novelty.left == 0
    assert len(seen) == len(set(seen)) == domain.cells
    assert novelty.fresh(asked, 999, count) == []
