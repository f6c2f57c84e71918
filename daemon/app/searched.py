"""What became of studies: asked, ranked, exported and ended by whoever typed a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from daemon.adapters.samplers.optuna_export import Exported, Landed
    from daemon.app.studying import Studying
    from daemon.clock import Clock
    from daemon.search.studies.domain import Domain
    from daemon.services.asking.inquiry_rows import Table
    from daemon.services.studying.places import Places
    from daemon.store.store import Store
    from daemon.store.studies import Study

BESIDE = ("oos_value", "rank", "oos_rank", "robust_rank", "error")
"""What a trial that is handed over says of itself beside its values."""


def listed(built: Studying, limit: int) -> Table:
    """List studies, the newest first."""
    from daemon.services.studying import asking

    with built.sweeping.store() as store:
        return asking.listed(store, built.clock, limit)


def shown(built: Studying, ref: str, places: int) -> dict[str, Any]:
    """Tell all that is known of a study.

    Raises:
        UnknownStudy: there is none.
    """
    with built.sweeping.store() as store:
        return of(store, built.clock, ref, places)


def of(store: Store, clock: Clock, ref: str, places: int) -> dict[str, Any]:
    """Tell the same where the database is open already."""
    from daemon.services.studying import asking

    return asking.shown(store, clock, ref, places)


def ranked(built: Studying, ref: str, limit: int, fold: int | None) -> Places:
    """Give the best trials of a fold.

    Raises:
        UnknownStudy: there is none.
    """
    from daemon.services.studying.places import places

    with built.sweeping.store() as store:
        return places(store, ref, limit, fold)


def cancel(built: Studying, ref: str) -> str:
    """Have a study end; says what will become of it.

    Raises:
        UnknownStudy: there is none.
    """
    from daemon.services.studying import asking

    with built.sweeping.store() as store:
        return asking.cancel(store, built.clock, ref)


def export(built: Studying, ref: str, kind: str, out: BinaryIO) -> int:
    """Write every trial of a study, in order; says how many.

    Raises:
        UnknownStudy: there is none.
        MissingExtra: what writes this kind of file is not installed.
    """
    from daemon.services.studying.export import export

    with built.sweeping.store() as store:
        return export(store, ref, kind, out)


def triggers(built: Studying, name: str | None, limit: int) -> Table:
    """List what was asked of studies that may have to be run again, the newest first."""
    from daemon.services.studying import retraining

    with built.sweeping.store() as store:
        return retraining.listed(store, name, limit)


# ── to Optuna ────────────────────────────────────────────────────────────────
def hand_over(built: Studying, ref: str, url: str) -> list[Landed]:
    """Write the trials of a study into a storage of Optuna's, a study of its own for each fold.

    Raises:
        UnknownStudy: there is none.
        InputError: a study of this name is there that is no copy of this one.
        MissingExtra: Optuna is not installed.
        StoreError: its storage cannot be written.
    """
    from daemon.services.studying import asking

    with built.sweeping.store() as store:
        study = asking.find(store, ref)
        return [_fold(store, study, fold, url) for fold in range(1, study.folds + 1)]


def _fold(store: Store, study: Study, fold: int, url: str) -> Landed:
    from daemon.adapters.samplers.optuna_export import export
    from daemon.search.studies.domain import Domain
    from daemon.search.studies.objective import Aim

    name = f"{study.name} {study.id}" + (f" fold {fold}" if study.folds > 1 else "")
    domain = Domain.of(study.spec["domain"])
    aims = [(one.metric, one.direction) for one in Aim.of(study.spec["aim"]).objectives]
    return export(url, name, domain, aims, _handed(store, study, domain, fold))


def _handed(store: Store, study: Study, domain: Domain, fold: int) -> Iterator[Exported]:
    from daemon.adapters.samplers.optuna_export import Exported
    from daemon.services.studying import reading

    for one in reading.trials_of(store, study):
        row = one.row
        if row.fold == fold:
            more = {name: getattr(row, name) for name in BESIDE}
            yield Exported(
                n=row.n,
                point=domain.snap(row.params),
                state=row.state,
                values=None if row.values is None else tuple(row.values),
                violation=row.violation,
                about={name: value for name, value in more.items() if value is not None},
            )
