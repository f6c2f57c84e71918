"""Walk-forward: which rows are trained on, and what is refused."""

import re

import pytest

from daemon.search.studies.folds import Scheme, folds


def spans(found):
    return [((one.train.start, one.train.stop), (one.test.start, one.test.stop)) for one in found]


def test_anchored_folds_begin_with_the_first_row():
    found = folds(1000, Scheme(folds=3, test_share=0.1, purge_rows=20, embargo_rows=5))
    assert spans(found) == [
        ((0, 680), (705, 800)),
        ((0, 780), (805, 900)),
        ((0, 880), (905, 1000)),
    ]


def test_rolling_folds_are_trained_on_equally_many_rows():
    found = folds(1000, Scheme(kind="rolling", folds=3, test_share=0.1, purge_rows=20))
    assert spans(found) == [
        ((0, 680), (700, 800)),
        ((100, 780), (800, 900)),
        ((200, 880), (900, 1000)),
    ]


def test_without_a_scheme_all_rows_are_trained_on():
    assert spans(folds(500, None)) == [((0, 500), (500, 500))]


@pytest.mark.parametrize(
    ("rows", "scheme", "said"),
    [
        (49, None, "all 49 rows are for training: at least 50 are needed"),
        (0, None, "at least 50"),
        (60, Scheme(), "of 60 rows (1 x 0.25 for tests) fold 1 has 45 to train on"),
        (70, Scheme(test_share=0.2), "fold 1 has 14 to be tested on: at least 20"),
        (
            400,
            Scheme(folds=2, test_share=0.2, purge_rows=200),
            "of 400 rows (2 x 0.2 for tests, 200 purged) fold 1 has 40 to train on",
        ),
        (
            400,
            Scheme(folds=2, test_share=0.2, embargo_rows=70),
            "(2 x 0.2 for tests, 70 embargoed) fold 1 has 10 to be tested on",
        ),
        (400, Scheme(purge_rows=10**9), "fold 1 has 0 to train on"),
        (400, Scheme(embargo_rows=10**9), "fold 1 has 0 to be tested on"),
    ],
)
def test_what_is_too_short_is_refused_with_a_sentence(rows, scheme, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        folds(rows, scheme)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kind": "sliding"}, "kind is 'sliding': it can be anchored or rolling"),
        ({"folds": 0}, "folds is 0: it must be from 1 to 100"),
        ({"folds": 101}, "from 1 to 100"),
        ({"test_share": 0.0}, "test_share is 0.0: it must lie between 0 and 1"),
        ({"test_share": float("nan")}, "between 0 and 1"),
        ({"folds": 4, "test_share": 0.25}, "4 folds that test 0.25 of the rows each leave none"),
        ({"purge_rows": -1}, "purge_rows is -1: it must be zero or more"),
        ({"embargo_rows": -1}, "embargo_rows is -1"),
    ],
)
def test_a_scheme_that_makes_no_sense_is_refused(changed, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        Scheme(**changed)
