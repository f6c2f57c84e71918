"""What a study found, read back from the store to be judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daemon.search.studies.pooling import pool
from daemon.services.studying.evidence import Evidence, FoldEvidence
from daemon.services.studying.measuring import drawn
from daemon.services.sweeping import rows as figures
from daemon.services.sweeping.keys import some
from daemon.store import results, studies, trials, tried
from daemon.store.studies import TEST, TRAIN
from daemon.store.trials import DONE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from daemon.market.metrics import Columns
    from daemon.services.studying.layout import Layout
    from daemon.store.store import Store
    from daemon.store.studies import FoldRow
    from daemon.store.trials import TrialRow


def gathered(store: Store, layout: Layout, study_id: int, go_on: Callable[[], None]) -> Evidence:
    """Give all that is known of a study."""
    wanted = layout.wanted
    with store.read(patient=True) as view:
        folds = studies.folds(view, study_id)
        keys = {part: trials.links(view, study_id, part) for part in (TRAIN, TEST)}
        elsewhere = tried.besides_study(view, study_id)
        own = tried.by_study(view, study_id)
    return Evidence(
        study_id=study_id,
        name=wanted.name,
        wanted=wanted,
        data=layout.data,
        folds=tuple(_fold(store, layout, (study_id, fold), keys) for fold in folds),
        elsewhere=elsewhere,
        tried=own,
        go_on=go_on,
    )


def _fold(
    store: Store,
    layout: Layout,
    which: tuple[int, FoldRow],
    keys: Mapping[str, Mapping[tuple[int, str], str]],
) -> FoldEvidence:
    """Read a fold; trials of which some result is missing are left out."""
    wanted, (study_id, fold) = layout.wanted, which
    symbols = [one.symbol for one in layout.data]
    with store.read(patient=True) as view:
        rows = trials.of_fold(view, study_id, fold.fold)
    done = [
        row
        for row in rows
        if row.state == DONE and all((row.n, symbol) in keys[TRAIN] for symbol in symbols)
    ]
    points = [wanted.domain.snap(row.params) for row in done]
    made = drawn(wanted, points)
    train = _columns(store, done, symbols, keys[TRAIN])
    test = _columns(store, done, symbols, keys[TEST]) if layout.tested(fold.fold) else None
    weights = [one.weight for one in layout.data]
    pooled = pool([train[symbol] for symbol in symbols], weights)
    numbers = [row.n for row in done]
    return FoldEvidence(
        number=fold.fold,
        train=layout.spans(fold.fold, TRAIN),
        test=layout.spans(fold.fold, TEST),
        numbers=np.array(numbers, np.int64),
        points=points,
        params=some(made.combinations, slice(None)),
        values=wanted.aim.values(pooled),
        violation=wanted.aim.violation(pooled),
        train_columns=pooled,
        test_columns=None if test is None else pool([test[name] for name in symbols], weights),
        by_symbol={
            symbol: (train[symbol], None if test is None else test[symbol]) for symbol in symbols
        },
        chosen=numbers.index(fold.chosen_n) if fold.chosen_n in numbers else None,
        tried=len(rows),
        ended=fold.ended or "",
    )


def _columns(
    store: Store,
    done: Sequence[TrialRow],
    symbols: Sequence[str],
    keys: Mapping[tuple[int, str], str],
) -> dict[str, Columns]:
    """Read the metrics of trials, symbol by symbol; NaN or zero where there is no result."""
    found: dict[str, Columns] = {}
    for symbol in symbols:
        mine = [keys.get((row.n, symbol), "") for row in done]
        with store.read(patient=True) as view:
            there = results.read(view, [key for key in dict.fromkeys(mine) if key])
        whole = figures.blank(len(mine))
        places = [place for place, key in enumerate(mine) if key in there]
        if places:
            read = figures.columns_of([there[mine[place]] for place in places])
            for name, column in read.items():
                whole[name][places] = column
        found[symbol] = whole
    return found
