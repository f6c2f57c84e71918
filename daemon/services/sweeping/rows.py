"""From columns to rows: numbers as the tables hold them, everything else as JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.metrics import NAMES
from daemon.services.sweeping.keys import joined, written
from daemon.services.sweeping.single import DEFAULTS
from daemon.store.results import COLUMNS, COUNTED, OTHERS
from daemon.store.types import LARGEST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from daemon.market.metrics import Columns
    from daemon.market.params import Combinations
    from daemon.store.results import Figures

_KINDS = {"stopped": np.bool_}
_WHOLE = COUNTED | {"longest_drawdown_rows", "rows_processed"}


# ── parameters ───────────────────────────────────────────────────────────────
def own_texts(grids: Sequence[str], combinations: Combinations) -> list[str]:
    """Write what differs between jobs as JSON: the parameters that the grids name."""
    if not grids or not len(combinations):
        return ["{}"] * len(combinations)
    return joined(grids, [_own(name, combinations) for name in grids])


def _own(name: str, combinations: Combinations) -> list[str]:
    if name == "exit_model":
        return written(combinations.quoted, lambda is_so: '"quoted"' if is_so else '"convergence"')
    return written(getattr(combinations, name), short)


def short(value: float) -> str:
    """Write a number without a fraction that says nothing; nothing where it is infinite."""
    if math.isinf(value):
        return "null"
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)


def effective(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give every parameter of a job with the value in effect, also where it cannot be run."""
    return {name: _told(name, config.get(name, default)) for name, default in DEFAULTS.items()}


def refused(config: Mapping[str, Any], own: Sequence[str]) -> tuple[str, str]:
    """Write the parameters of a job that cannot be run, as far as JSON has a form for them."""
    told = effective(config)
    return json.dumps(told), json.dumps({name: told[name] for name in own if name in told})


def _told(name: str, value: Any) -> Any:
    """Write numbers as the engine takes them; what is no number for it as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value if value is None else str(value)
    if abs(value) >= LARGEST or value != value:  # noqa: PLR0124 - NaN
        return str(value)
    return value if name == "max_open_trades" and abs(value) <= 2**53 else float(value)


# ── metrics ──────────────────────────────────────────────────────────────────
def figures(columns: Columns) -> list[list[float | None]]:
    """Give the metrics that are columns; what is no number is nothing."""
    return [values(columns[name]) for name in COLUMNS]


def values(column: NDArray[Any]) -> list[Any]:
    """Give the values of a column; what is no number is nothing."""
    if column.dtype.kind != "f":
        return list(column.tolist())
    sound = np.abs(column) < LARGEST
    if sound.all():
        return list(column.tolist())
    found: NDArray[np.object_] = column.astype(np.object_)
    found[~sound] = None
    return list(found.tolist())


def metric_texts(columns: Columns) -> list[str]:
    """Write all other metrics as JSON; what is no number is null."""
    return joined(OTHERS, [written(columns[name], _metric) for name in OTHERS])


def _metric(value: float | bool) -> str:  # noqa: FBT001 - an element of a column
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if abs(value) < LARGEST else "null"


def columns_of(found: Sequence[Figures]) -> Columns:
    """Lay figures that were stored side by side again; what is nothing is no number."""
    documents = [one.document() for one in found]
    return {name: _column(name, [one.get(name) for one in documents]) for name in NAMES}


def _column(name: str, values: list[Any]) -> NDArray[Any]:
    kind = kind_of(name)
    if kind is np.float64:
        return np.array([math.nan if value is None else value for value in values], kind)
    return np.array(values, kind)


def kind_of(name: str) -> type:
    """Say what the values of a metric are."""
    return _KINDS.get(name, np.int64 if name in _WHOLE else np.float64)


def blank(count: int) -> Columns:
    """Make room for the metrics of so many jobs; of none of them anything is known."""
    return {
        name: np.full(count, np.nan)
        if kind_of(name) is np.float64
        else np.zeros(count, kind_of(name))
        for name in NAMES
    }
