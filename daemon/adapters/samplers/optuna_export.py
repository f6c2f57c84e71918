"""The trials of a study in a storage of Optuna's, where its dashboard shows them.

Optuna is a guest here: what it is given is a copy. Done again, it adds the trials
that are not there yet, and leaves the others alone.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from daemon.adapters.samplers import library
from daemon.errors import InputError, StoreError
from daemon.log import mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from daemon.search.studies.domain import Axis, Domain, Point

NUMBER = "trial"
"""The attribute of an exported trial that says which of ours it is."""

OURS = "self-tuning-daemon"
"""The attribute of a study that says that it is a copy of ours."""

HINT = (
    "an address as SQLAlchemy has it, sqlite:///optuna.db for example;"
    " optuna-dashboard shows what is there"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A trial as it is exported."""

    n: int
    point: Point
    state: str
    """``done``, ``pruned`` or ``failed``; others are not exported."""
    values: tuple[float, ...] | None = None
    violation: float | None = None
    """How far it is from holding its constraints; None where there are none."""
    about: Mapping[str, Any] | None = None
    """Whatever else is worth showing, as JSON: fold, out-of-sample value, error, ..."""
    at_us: int | None = None
    """When it was done, where that is known."""


@dataclass(frozen=True, slots=True)
class Landed:
    """What an export did."""

    study: str
    added: int
    known: int
    """Trials that were there before."""


def export(
    url: str,
    name: str,
    domain: Domain,
    objectives: Sequence[tuple[str, str]],
    trials: Iterable[Exported],
) -> Landed:
    """Write the trials of a study to a storage of Optuna's.

    ``objectives`` are the names and directions of what is searched for.

    Raises:
        MissingExtra: Optuna is not installed.
        InputError: there is a study of this name that is not a copy of this one.
        StoreError: the storage cannot be written.
    """
    optuna = library("optuna", "an export to Optuna")
    with _quiet(optuna):
        study = _study(optuna, url, name, objectives)
        known = {trial.user_attrs.get(NUMBER) for trial in study.get_trials(deepcopy=False)}
        fresh, before = [], 0
        for one in trials:
            if one.state not in _STATES:
                continue
            before += one.n in known
            if one.n not in known:
                fresh.append(_trial(optuna, domain, one, len(objectives)))
        try:
            study.add_trials(fresh)
        except Exception as error:  # noqa: BLE001 - whatever its database library raises
            raise _fault(url, error) from None
    return Landed(name, len(fresh), before)


def _study(optuna: Any, url: str, name: str, objectives: Sequence[tuple[str, str]]) -> Any:
    directions = [direction for _, direction in objectives]
    try:
        study = optuna.create_study(
            storage=url, study_name=name, directions=directions, load_if_exists=True
        )
        ours = study.user_attrs.get(OURS)
        same = [direction.name.lower() for direction in study.directions] == directions
        empty = not study.get_trials(deepcopy=False)
    except Exception as error:  # noqa: BLE001 - whatever its database library raises
        raise _fault(url, error) from None
    if not same or not (ours or empty):
        raise InputError(
            f"there is a study {name} in {mask(url)} that is not a copy of this one",
            hint="choose another name, or another storage",
        )
    if not ours:
        study.set_user_attr(OURS, name)
        study.set_metric_names([metric for metric, _ in objectives])
    return study


def _fault(url: str, error: Exception) -> StoreError:
    text = mask(str(error).strip().partition("\n")[0]) or type(error).__name__
    return StoreError(f"Optuna could not write to {mask(url)}: {text}", hint=HINT)


_STATES = {"done": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}


def _trial(optuna: Any, domain: Domain, one: Exported, objectives: int) -> Any:
    state = optuna.trial.TrialState[_STATES[one.state]]
    if one.state == "done" and one.values is None:
        state = optuna.trial.TrialState.FAIL
    trial = optuna.trial.create_trial(
        state=state,
        values=one.values if state.name == "COMPLETE" else None,
        params=dict(one.point),
        distributions={name: _distribution(optuna, domain.named[name]) for name in one.point},
        user_attrs={NUMBER: one.n, **(one.about or {})},
        intermediate_values=_seen(one, objectives),
        constraints=None if one.violation is None else {"violation": one.violation},
    )
    if one.at_us is not None:
        trial.datetime_start = trial.datetime_complete = _moment(one.at_us)
    return trial


def _seen(one: Exported, objectives: int) -> dict[int, float]:
    """Give what a pruned trial had reached when it was given up."""
    if one.state != "pruned" or not one.values or objectives > 1:
        return {}
    return {0: one.values[0]}


def _distribution(optuna: Any, axis: Axis) -> Any:
    """Describe an axis as a person reads it; where Optuna cannot say it, without its steps."""
    said = axis.document()
    kinds = optuna.distributions
    if said["type"] == "float":
        whole = said["step"] is None or said["log"]
        last = said["high"] if whole else axis.value((axis.size or 1) - 1)
        step = None if whole else said["step"]
        return kinds.FloatDistribution(said["low"], last, log=said["log"], step=step)
    if said["type"] == "int":
        last = axis.value((axis.size or 1) - 1)
        step = 1 if said["log"] else said["step"]
        return kinds.IntDistribution(said["low"], last, log=said["log"], step=step)
    return kinds.CategoricalDistribution([*map(axis.value, range(axis.size or 1))])


def _moment(at_us: int) -> datetime:
    """Give a moment as Optuna keeps it: in the clock of the place, and without saying so."""
    return datetime.fromtimestamp(at_us / 1e6, UTC).astimezone().replace(tzinfo=None)


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    loudness = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(loudness)
