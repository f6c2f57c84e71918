"""Values of many things side by side: a dataclass whose fields are arrays of one length."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

KINDS: dict[object, type] = {"Floats": np.float64, "Ints": np.int64, "Bools": np.bool_}


class SideBySide:
    """What such a dataclass can do; its fields are declared as `Floats`, `Ints` or `Bools`."""

    __slots__ = ()

    @classmethod
    def empty(cls, count: int) -> Self:
        """Make room for so many, all zero."""
        kinds = {item.name: KINDS[item.type] for item in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: np.zeros(count, kind) for name, kind in kinds.items()})

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))  # type: ignore[arg-type]

    def __getitem__(self, places: NDArray[Any]) -> Self:
        return type(self)(**{name: column[places] for name, column in self.named().items()})

    def named(self) -> dict[str, NDArray[Any]]:
        """Give the arrays by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}  # type: ignore[arg-type]

    def put(self, places: NDArray[Any], **columns: Any) -> None:
        """Fill in some elements of some arrays."""
        for name, column in columns.items():
            getattr(self, name)[places] = column
