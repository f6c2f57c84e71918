"""What a backtest is asked: one set of parameters, or many of them as columns.

Whatever was written, whole numbers or not, is held as the number that the engine
computes with; so equal parameters have one canonical form and one digest.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

OPEN_TRADES_MAX = 2**31 - 1

NOT_NEGATIVE = ("min_spread_bps", "taker_fee_a_bps", "taker_fee_b_bps", "slippage_bps")
POSITIVE = ("max_position_usd", "initial_balance_usd", "exchange_a_to_b_rate")


class ExitModel(StrEnum):
    """At what prices a trade is closed."""

    CONVERGENCE = "convergence"
    """Where the venues agree, free of costs: such a trade cannot lose."""
    QUOTED = "quoted"
    """At the reverse spread quoted on the closing row, and costs are paid on the way out too."""


# ── one combination ──────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """One set of parameters.

    Raises:
        ValueError: a value is not what its parameter can be; the message names both.
    """

    min_spread_bps: float
    taker_fee_a_bps: float
    taker_fee_b_bps: float
    slippage_bps: float
    max_position_usd: float
    max_open_trades: int = 1
    initial_balance_usd: float = 10_000.0
    stop_on_drawdown_pct: float | None = None
    exchange_a_to_b_rate: float = 1.0
    """B's prices are multiplied by it: the worth of B's currency in A's."""
    exit_model: ExitModel = ExitModel.CONVERGENCE

    def __post_init__(self) -> None:
        for name in NOT_NEGATIVE:
            self._hold(name, _number(name, getattr(self, name), zero=True))
        for name in POSITIVE:
            self._hold(name, _number(name, getattr(self, name)))
        if self.stop_on_drawdown_pct is not None:
            stop = _number("stop_on_drawdown_pct", self.stop_on_drawdown_pct)
            self._hold("stop_on_drawdown_pct", stop)
        self._hold("max_open_trades", _count("max_open_trades", self.max_open_trades))
        self._hold("exit_model", _model(self.exit_model))

    def _hold(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def costs_bps(self) -> float:
        """What one way costs: the fees of both venues and the slippage."""
        return self.taker_fee_a_bps + self.taker_fee_b_bps + self.slippage_bps

    @property
    def quoted(self) -> bool:
        """Tell whether trades are closed at quoted prices."""
        return self.exit_model is ExitModel.QUOTED

    def document(self) -> dict[str, Any]:
        """Give every parameter with its effective value, as JSON can hold it."""
        return {
            item.name: None if (value := getattr(self, item.name)) is None else _plain(value)
            for item in fields(self)
        }

    def canonical(self) -> str:
        """Write the parameters in the one form that digests are computed over."""
        return json.dumps(self.document(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    def digest(self) -> str:
        """Name these parameters: equal ones have equal names."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()


def _number(name: str, value: object, *, zero: bool = False) -> float:
    wanted = "zero or more" if zero else "more than zero"
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ValueError(f"{name} is {value!r}: a number is wanted, {wanted}")  # noqa: TRY004
    number = _as_double(value)
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise ValueError(f"{name} is {value!r}: it must be finite and {wanted}")
    return number + 0.0  # there is one zero


def _as_double(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} is {value!r}: a whole number is wanted, one or more")  # noqa: TRY004
    if not 1 <= value <= OPEN_TRADES_MAX:
        raise ValueError(f"{name} is {value!r}: it must be from 1 to {OPEN_TRADES_MAX}")
    return int(value)


def _model(value: object) -> ExitModel:
    try:
        return ExitModel(str(value))
    except ValueError:
        known = " or ".join(ExitModel)
        raise ValueError(f"exit_model is {value!r}: it can be {known}") from None


def _plain(value: float | ExitModel) -> float | str:
    return value.value if isinstance(value, ExitModel) else value


# ── many combinations ────────────────────────────────────────────────────────
@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Combinations:
    """Many sets of parameters, a column a parameter and an element a combination."""

    min_spread_bps: Floats
    taker_fee_a_bps: Floats
    taker_fee_b_bps: Floats
    slippage_bps: Floats
    max_position_usd: Floats
    max_open_trades: Ints
    initial_balance_usd: Floats
    stop_on_drawdown_pct: Floats
    """Infinite where nothing stops a run."""
    exchange_a_to_b_rate: Floats
    quoted: Bools
    """Whether trades are closed at quoted prices."""

    @classmethod
    def of(cls, params: Sequence[Params]) -> Self:
        """Lay sets of parameters side by side."""
        columns: dict[str, ArrayLike] = {
            name: [getattr(one, name) for one in params] for name in _SHARED
        }
        stops = [one.stop_on_drawdown_pct for one in params]
        return cls.from_columns(
            len(params),
            stop_on_drawdown_pct=[math.inf if stop is None else stop for stop in stops],
            quoted=[one.quoted for one in params],
            **columns,
        )

    @classmethod
    def from_columns(cls, count: int, **columns: ArrayLike) -> Self:
        """Take columns, or one value for all; a parameter that has a default may be left out.

        Raises:
            ValueError: a column is missing, unknown, of another length, or holds
                a value that its parameter cannot have; the message says where.
        """
        given = dict(_DEFAULTS) | columns
        if unknown := sorted(given.keys() - _KINDS.keys()):
            raise ValueError(f"there is no parameter {', '.join(unknown)}")
        if missing := [name for name in _KINDS if name not in given]:
            raise ValueError(f"{', '.join(missing)} must be given")
        made = {name: _column(name, given[name], count) for name in _KINDS}
        return cls(**made)

    def __len__(self) -> int:
        return len(self.min_spread_bps)

    @property
    def costs_bps(self) -> Floats:
        """What one way costs, added up in the order in which `Params` adds it up."""
        costs: Floats = self.taker_fee_a_bps + self.taker_fee_b_bps + self.slippage_bps
        return costs

    def __getitem__(self, place: int) -> Params:
        stop = float(self.stop_on_drawdown_pct[place])
        return Params(
            **{name: getattr(self, name)[place].item() for name in _SHARED},
            stop_on_drawdown_pct=None if math.isinf(stop) else stop,
            exit_model=ExitModel.QUOTED if self.quoted[place] else ExitModel.CONVERGENCE,
        )


_KINDS: dict[str, type] = {
    item.name: {"max_open_trades": np.int64, "quoted": np.bool_}.get(item.name, np.float64)
    for item in fields(Combinations)
}
_SHARED = [name for name in _KINDS if name not in {"stop_on_drawdown_pct", "quoted"}]
_DEFAULTS: dict[str, ArrayLike] = {
    "max_open_trades": 1,
    "initial_balance_usd": 10_000.0,
    "stop_on_drawdown_pct": math.inf,
    "exchange_a_to_b_rate": 1.0,
    "quoted": False,
}


def _column(name: str, given: ArrayLike, count: int) -> NDArray[Any]:
    found = np.asarray(given)
    column: NDArray[Any] = found.astype(_KINDS[name], copy=False)
    if column.shape not in {(), (count,)}:
        raise ValueError(f"{name} has shape {column.shape}, and there are {count} combinations")
    if name == "max_open_trades":
        sound = (column == found) & (column >= 1) & (column <= OPEN_TRADES_MAX)
    elif name == "stop_on_drawdown_pct":
        sound = column > 0
    else:
        sound = (column >= 0 if name in NOT_NEGATIVE else column > 0) & (column < math.inf)
    if name != "quoted" and not sound.all():
        place = int(np.argmin(sound))
        raise ValueError(f"{name} cannot be {found.reshape(-1)[place]!s} (combination {place})")
    return np.broadcast_to(column, (count,))
