"""Where a combination begins to trade, at the edges of what doubles can tell apart."""

import numpy as np
import pytest

from daemon.market.thresholds import entry_threshold, reached


@pytest.mark.parametrize(
    ("low", "paid", "expected"),
    [
        (0.0, 0.0, 0.0),
        (5.0, 0.0, 5.0),
        (0.0, 30.0, 30.0),
        (20.0, 12.0, 32.0),
        (5e-324, 0.1, np.nextafter(0.1, 1)),  # the sum is rounded down to what does not suffice
        (1.0, 1e16, 1e16 + 2),
        (26.1, 5.6, 31.7),  # the sum is rounded up to more than is needed
        (27.7, 28.1, np.nextafter(27.7 + 28.1, 99)),
    ],
)
def test_thresholds_are_exact(low, paid, expected):
    found = entry_threshold(np.array([low]), np.array([paid]))[0]
    assert found - paid >= low
    assert np.nextafter(found, -1) - paid < low
    assert found == expected


def test_a_threshold_beyond_all_numbers_is_never_reached():
    assert entry_threshold(np.array([1.7e308]), np.array([1.7e308])).tolist() == [np.inf]


@pytest.mark.parametrize("thresholds", [[5.0], [5.0, np.inf], [0.0, 5e-324], [1.0, 2.0, 2.5, 9e9]])
def test_thresholds_that_no_table_of_cells_fits_are_counted_all_the_same(thresholds):
    spreads = np.array([thresholds[0], thresholds[0] + 1, 2.0**60])
    spreads = spreads[spreads >= thresholds[0]]
    expected = [sum(threshold <= spread for threshold in thresholds) for spread in spreads]
    assert reached(np.array(thresholds), spreads).tolist() == expected
