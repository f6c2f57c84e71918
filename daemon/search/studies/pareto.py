"""Several aims at once: who is beaten in nothing, and who of those is the best compromise.

A trial *dominates* another if it is at least as good in every objective and better
in one. Those that nobody dominates are the first front; without them, those that
nobody dominates then are the second, and so on. Within a front whoever stands best
on average over the objectives, by rank, comes first: it is a compromise, while the
ends of a front are the best in one thing and often useless in the others. Equal
ones are told apart by how lonely they are (crowding).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


def fronts(values: Floats) -> Ints:
    """Number the front of every trial, the best one 1; ``values`` (n, k), the larger the better.

    Trials are taken in an order in which nobody comes before whoever dominates it, so
    each belongs to the first front in which nobody does; that one is found by halving.
    """
    order = np.lexsort(-values.T[::-1])
    found = np.zeros(len(values), np.int64)
    members: list[list[int]] = []
    for place in order.tolist():
        low, high = 0, len(members)
        while low < high:
            middle = (low + high) // 2
            if _dominated(values[place], values[members[middle]]):
                low = middle + 1
            else:
                high = middle
        if low == len(members):
            members.append([])
        members[low].append(place)
        found[place] = low + 1
    return found


def _dominated(one: Floats, others: Floats) -> bool:
    at_least, better = (others >= one).all(axis=1), (others > one).any(axis=1)
    return bool((at_least & better).any())


def crowding(values: Floats, front: Ints) -> Floats:
    """Say how lonely every trial is on its front: infinite at the ends of it."""
    found = np.zeros(len(values))
    for number in np.unique(front).tolist():
        here = np.flatnonzero(front == number)
        for column in values[here].T:
            order = np.argsort(column, kind="stable")
            apart = column[order]
            width = apart[-1] - apart[0]
            gaps = np.full(len(here), np.inf)
            if width > 0:
                gaps[1:-1] = (apart[2:] - apart[:-2]) / width
            else:
                gaps[1:-1] = 0.0
            found[here[order]] += gaps
    return found


def balance(values: Floats) -> Floats:
    """Give the mean share of trials that each one is ahead of, over the objectives.

    Ties count half. 1 would be the best in everything.
    """
    count = len(values)
    if count < 2:  # noqa: PLR2004 - alone, there is nobody to be ahead of
        return np.ones(count)
    ahead = np.zeros(count)
    for column in values.T:
        ordered = np.sort(column)
        below = np.searchsorted(ordered, column, side="left")
        upto = np.searchsorted(ordered, column, side="right") - 1
        ahead += (below + upto) / 2 / (count - 1)
    found: Floats = ahead / values.shape[1]
    return found
