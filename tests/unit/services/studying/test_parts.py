"""What a study is put together from: rows, work done beside, names, and what is told."""

import threading
from pathlib import Path

import numpy as np
import pytest

from daemon.errors import InputError
from daemon.market.quotes import Quotes
from daemon.search.studies.folds import Scheme
from daemon.services.studying.aside import aside
from daemon.services.studying.evidence import SymbolData
from daemon.services.studying.layout import Layout, sliced
from daemon.services.studying.searching import rounded, seed_of
from daemon.services.studying.telling import trials_a_fold, trials_in_all
from daemon.services.studying.wanted import (
    TRIALS_MAX,
    Budget,
    Dataset,
    Pruning,
    data_digest,
    part_digest,
)
from tests.studying_kit import FINE, SMOOTH, wanted
from tests.sweeping_kit import market


def data(rows=400, symbol="btc"):
    quotes = market(rows)
    return SymbolData(symbol=symbol, weight=1.0, quotes=quotes, digest=quotes.digest)


# ── rows ─────────────────────────────────────────────────────────────────────
def test_all_rows_are_the_quotes_themselves_and_a_part_has_a_name_of_its_own():
    quotes = market()
    assert sliced(quotes, range(400)) is quotes
    part = sliced(quotes, range(100, 150))
    assert (len(part), part.best_bid_a[0], part.at_us[0]) == (
        50,
        quotes.best_bid_a[100],
        quotes.at_us[100],
    )
    assert part.digest == part_digest(quotes.digest, 100, 149, 400) != quotes.digest
    assert len({part_digest("d", *span, 9) for span in [(0, 8), (0, 7), (1, 8)]}) == 3


def test_quotes_without_moments_have_parts_too():
    quotes = Quotes(*np.ones((4, 9)), None, "d")
    assert sliced(quotes, range(3)).at_us is None


def test_a_layout_says_which_rows_each_part_of_each_fold_has():
    asked = wanted(
        scheme=Scheme(folds=2, test_share=0.2, purge_rows=5, embargo_rows=3),
        pruning=Pruning(share=0.1, keep=0.5),
    )
    layout = Layout(asked, [data()])
    assert layout.count == 2
    spans = {(fold, part): layout.spans(fold, part)["btc"] for fold, part in PLACES}
    assert spans == {
        (1, "train"): range(235),
        (1, "probe"): range(211, 235),
        (1, "test"): range(243, 320),
        (2, "train"): range(315),
        (2, "probe"): range(283, 315),
        (2, "test"): range(323, 400),
    }
    told = {(one.fold, one.part): range(one.first_row, one.last_row + 1) for one in layout.parts()}
    assert told == spans
    assert {len(rows.quotes) for rows in layout.cut(2, "test")} == {77}


PLACES = [(fold, part) for fold in (1, 2) for part in ("train", "probe", "test")]


def test_without_folds_there_is_nothing_to_test_on():
    layout = Layout(wanted(scheme=None), [data()])
    assert not layout.tested(1)
    (only,) = layout.parts()
    assert (only.part, only.digest) == ("train", market().digest)


def test_a_symbol_with_too_few_rows_is_named():
    pair = (Dataset(symbol="btc", path=Path("b")), Dataset(symbol="eth", path=Path("e")))
    with pytest.raises(InputError, match="eth"):
        Layout(wanted(data=pair), [data(), data(60, "eth")])


# ── names ────────────────────────────────────────────────────────────────────
def test_a_study_is_named_by_what_it_asks_and_not_by_how_long():
    plain = wanted()
    same = [
        wanted(budget=Budget(trials=9, minutes=3)),
        wanted(promote=("a",), max_results=3),
        wanted(body={"a": 1}),
        wanted(budget=Budget(trials=None, minutes=1)),
    ]
    assert {one.identity(["d"]) for one in same} == {plain.identity(["d"])}
    others = [
        wanted(name="x"),
        wanted(seed=9),
        wanted(batch=9),
        wanted(domain=SMOOTH),
        wanted(scheme=None),
        wanted(resamples=9),
        wanted(pruning=Pruning(share=0.5, keep=0.5)),
    ]
    named = [one.identity(["d"]) for one in [plain, *others]] + [plain.identity(["e"])]
    assert len(set(named)) == len(named)


def test_data_together_are_named_by_all_of_them_in_order():
    assert data_digest(["d"]) == "d"
    assert len({data_digest(one) for one in (["d", "e"], ["e", "d"], ["d"])}) == 3


def test_every_fold_has_a_seed_of_its_own():
    seeds = [seed_of(seed, fold) for seed in range(20) for fold in range(1, 20)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)


# ── budgets ──────────────────────────────────────────────────────────────────
def test_a_fold_has_no_more_trials_than_there_are_cells():
    assert trials_a_fold(wanted(budget=Budget(trials=9))) == 9
    assert trials_a_fold(wanted(budget=Budget(trials=9_000))) == FINE.cells
    assert trials_a_fold(wanted(budget=Budget(trials=None))) == FINE.cells
    endless = wanted(domain=SMOOTH, budget=Budget(trials=None, minutes=1))
    assert trials_a_fold(endless) == TRIALS_MAX
    assert trials_in_all(endless, 3) is None
    assert trials_in_all(wanted(budget=Budget(trials=9)), 3) == 27


def test_digits_that_depend_on_who_is_evaluated_beside_do_not_reach_the_search():
    assert rounded([5.462542953575527]) == rounded([5.462542953575531])
    assert rounded([1234.5, 0.0]) == (1234.5, 0.0)
    assert rounded(None) is None


# ── work done beside ─────────────────────────────────────────────────────────
def test_work_beside_gives_what_it_finds_or_raises_what_it_raised():
    assert aside(lambda: 3, _nothing) == 3
    with pytest.raises(ZeroDivisionError):
        aside(lambda: 1 // 0, _nothing)


def test_nobody_waits_for_work_when_it_is_to_end():
    enough = threading.Event()

    def pulse():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        aside(lambda: enough.wait(20), pulse)
    enough.set()


def _nothing():
    """Nobody wants anything."""
