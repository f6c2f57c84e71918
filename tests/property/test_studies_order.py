"""Folds and objectives: nothing later is ever seen, and the order is what the rule says."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.search.studies.folds import TEST_MIN, TRAIN_MIN, Kind, Scheme, folds
from daemon.search.studies.objective import Aim, Constraint, Objective
from daemon.search.studies.pareto import balance, crowding, fronts


@st.composite
def schemes(draw):
    count = draw(st.integers(1, 6))
    return Scheme(
        kind=draw(st.sampled_from([*Kind])).value,
        folds=count,
        test_share=draw(st.floats(0.01, 0.99)) / count,
        purge_rows=draw(st.integers(0, 60)),
        embargo_rows=draw(st.integers(0, 60)),
    )


def _parted(rows, scheme):
    try:
        return folds(rows, scheme), ""
    except ValueError as error:
        return (), str(error)


@given(st.integers(0, 3000), schemes() | st.none())
def test_no_fold_sees_what_comes_after_it(rows, scheme):
    found, refused = _parted(rows, scheme)
    if refused:
        assert "at least" in refused
        assert str(rows) in refused
        return
    assert [fold.number for fold in found] == list(range(1, len(found) + 1))
    assert all(len(fold.train) >= TRAIN_MIN for fold in found)
    if scheme is None:
        assert [*found[0].train] == [*range(rows)]
        assert len(found) == 1
        assert not len(found[0].test)
        return
    size = int(scheme.test_share * rows)
    seen = set()
    for fold in found:
        assert len(fold.test) >= TEST_MIN
        assert fold.test[0] - fold.train[-1] == 1 + scheme.purge_rows + scheme.embargo_rows
        assert fold.test.stop - (fold.test.start - scheme.embargo_rows) == size
        assert not seen & {*fold.test}
        seen |= {*fold.test}
        if scheme.kind == Kind.ANCHORED:
            assert fold.train[0] == 0
        assert len(fold.train) == len(found[0].train) or scheme.kind == Kind.ANCHORED
    assert found[-1].test.stop == rows


# ── objectives ───────────────────────────────────────────────────────────────
figures = st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, float("nan")])


@st.composite
def trials(draw):
    """An aim, and what some trials brought."""
    metrics = ["realized_pnl_usd", "max_drawdown_pct", "win_rate"]
    wanted = draw(st.integers(1, 3))
    aim = Aim(
        tuple(Objective(name, draw(st.booleans())) for name in metrics[:wanted]),
        draw(st.sampled_from([(), (Constraint("total_trades", min=1, max=2),)])),
    )
    count = draw(st.integers(0, 12))
    columns = {
        name: np.array(draw(st.lists(figures, min_size=count, max_size=count)), np.float64)
        for name in [*metrics, "total_trades"]
    }
    return aim, columns


@given(trials())
def test_trials_are_ordered_as_the_rule_says(case):
    aim, columns = case
    values, violation = aim.values(columns), aim.violation(columns)
    found = aim.order(values, violation)
    signed, count = aim.signed(values), len(values)
    valued = [place for place in range(count) if np.isfinite(values[place]).all()]
    assert sorted(found.places.tolist()) == valued
    assert [bool(rank) for rank in found.ranks] == [place in valued for place in range(count)]
    ordered = found.places.tolist()
    for before, after in pairwise(ordered):
        assert found.ranks[before] <= found.ranks[after]
        assert violation[before] <= violation[after]
        if found.feasible[before] and not found.feasible[after]:
            continue
        if found.feasible[before]:
            assert found.front[before] <= found.front[after]
            if len(aim.objectives) == 1:
                assert signed[before, 0] >= signed[after, 0]
                if found.ranks[before] == found.ranks[after]:
                    assert before < after
                    assert found.tied[before]
                    assert found.tied[after]
    best = [place for place in ordered if violation[place] == 0]
    assert found.best == (best[0] if best else None)


@given(trials())
def test_an_aim_is_what_its_document_says(case):
    aim, _ = case
    assert Aim.of(aim.document()) == aim


def dominates(one, other):
    return (one >= other).all() and (one > other).any()


@st.composite
def clouds(draw):
    count, axes = draw(st.integers(1, 20)), draw(st.integers(1, 3))
    cells = draw(st.lists(st.integers(0, 4), min_size=count * axes, max_size=count * axes))
    return np.array(cells, np.float64).reshape(count, axes)


@given(clouds())
def test_fronts_are_what_is_left_when_the_better_ones_are_taken_away(values):
    found = fronts(values)
    left, number = set(range(len(values))), 1
    while left:
        front = {
            one for one in left if not any(dominates(values[other], values[one]) for other in left)
        }
        assert {one for one in left if found[one] == number} == front
        left -= front
        number += 1
    lonely = crowding(values, found)
    assert (lonely >= 0).all()
    shares = balance(values)
    assert ((shares >= 0) & (shares <= 1)).all()
    for one in range(len(values)):
        for other in range(len(values)):
            if dominates(values[one], values[other]):
                assert shares[one] > shares[other]
