"""Values of many things side by side: a dataclass whose fields are arrays of one length."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

KINDS: dict[object, type] = {"Floats": np.float64, "Ints": np.int64, "Bools": np.bool_}


class SideBySide:
    """What such a dataclass can do: one with slots, its fields `Floats`, `Ints` or `Bools`."""

    __slots__: tuple[str, ...] = ()

    @classmethod
    def empty(cls, count: int) -> Self:
        """Make room for so many, all zero."""
        kinds = {item.name: KINDS[item.type] for item in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: np.zeros(count, kind) for name, kind in kinds.items()})

    def __len__(self) -> int:
        return len(getattr(self, self.__slots__[0]))

    def __getitem__(self, places: NDArray[Any] | slice) -> Self:
        return type(self)(**{name: column[places] for name, column in self.named().items()})

    def named(self) -> dict[str, NDArray[Any]]:
        """Give the arrays by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def put(self, places: NDArray[Any], **columns: Any) -> None:
        """Fill in some elements of some arrays."""
        for name, column in columns.items():
            getattr(self, name)[places] = column


Some = TypeVar("Some", bound=SideBySide)


def joined(parts: Sequence[Some]) -> Some:
    """Put at least one of a kind behind one another."""
    if len(parts) == 1:
        return parts[0]
    columns = [part.named() for part in parts]
    return type(parts[0])(
        **{name: np.concatenate([one[name] for one in columns]) for name in columns[0]}
    )


def changes(values: NDArray[Any]) -> Bools:
    """Mark the first of every stretch of equal values."""
    new = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return new
