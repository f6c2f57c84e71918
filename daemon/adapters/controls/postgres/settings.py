"""What a setting of PostgreSQL holds, and how a value of a rule is written for it.

The server counts many settings in units of its own, such as pages of 8 kB or
milliseconds, and shows numbers with a point to six digits. A value is only
written if the server can hold it: nothing is rounded without a word.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from daemon.ports import ControlsFault, ControlsRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

SHARE = Fraction(1, 10**9)
"""How far a value may lie from one that the server can hold, as a share of it."""

MOVABLE = frozenset({"sighup", "superuser", "user"})
"""Contexts of settings that a reload moves for everybody."""

OVERRULED_BY = {
    "command line": "the command line that the server was started with",
    "environment variable": "a variable of the environment of the server",
    "database": "ALTER DATABASE … SET",
    "user": "ALTER ROLE … SET",
    "database user": "ALTER ROLE … IN DATABASE … SET",
    "client": "the options of the connection",
    "override": "the server itself",
}
"""Sources that are stronger than what ALTER SYSTEM writes."""

_SIZES = {"B": 1, "kB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_TIMES = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
_UNIT = re.compile(r"([0-9]*)([A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class Named:
    """Which setting a rule stands for, and the unit of its values."""

    name: str
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What ``pg_settings`` says of a setting."""

    name: str
    shown: str
    unit: str | None
    vartype: str
    min_val: str | None
    max_val: str | None
    context: str
    source: str
    pending_restart: bool
    may_alter: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as a rule sees it."""

    rule: str
    row: Row
    unit: str | None

    @property
    def value(self) -> float:
        """The value that is shown, in the unit of the rule."""
        number = self._number(self.row.shown)
        # below nothing there is no unit: -1 is how the server writes "off" or "as the other"
        return float(number if number < 0 else number / self._factor())

    def shows(self, text: str) -> bool:
        """Tell whether the server shows this now."""
        return self._number(text) == self._number(self.row.shown)

    def written(self, value: float) -> str:
        """Write a value for ALTER SYSTEM.

        Raises:
            ControlsRefused: the server cannot hold it, or a reload cannot set it.
        """
        self._check_movable()
        if not math.isfinite(value):
            raise ControlsRefused(f"{self.rule} cannot be set to {value}")
        number = Fraction(value) * (1 if value < 0 else self._factor())
        if self.row.vartype == "integer":
            number = self._whole(value, number)
        self._check_bounds(value, number)
        return str(number) if self.row.vartype == "integer" else repr(float(number))

    def as_shown(self, text: str) -> str:
        """Say how the server will show what was written."""
        return text if self.row.vartype == "integer" else format(float(text), "g")

    def keeps(self, text: str) -> bool:
        """Tell whether what is shown tells all of what was written."""
        return self._number(self.as_shown(text)) == self._number(text)

    def _number(self, text: str) -> Fraction:
        if self.row.vartype not in {"integer", "real"}:
            raise ControlsFault(
                f"{self.row.name} is no number: PostgreSQL calls it {self.row.vartype}",
                hint=f"remove {self.rule} from the policy",
            )
        return Fraction(float(text)) if self.row.vartype == "real" else Fraction(text)

    def _factor(self) -> Fraction:
        """Tell how many of the server's units one of the rule's is."""
        if self.unit is None:
            return Fraction(1)
        found = _UNIT.fullmatch(self.row.unit or "")
        for known in (_SIZES, _TIMES):
            if found is not None and found[2] in known and self.unit in known:
                return Fraction(known[self.unit], int(found[1] or 1) * known[found[2]])
        counted = f"counted in {self.row.unit}" if self.row.unit else "a plain number"
        raise ControlsFault(
            f"{self.row.name} cannot be given in {self.unit}: it is {counted}",
            hint=f"change `unit` of {self.rule} under `settings` of these controls",
        )

    def _whole(self, value: float, number: Fraction) -> Fraction:
        whole = Fraction(round(number))
        if abs(whole - number) <= SHARE * max(Fraction(1), abs(whole)):
            return whole
        below = math.floor(number)
        near = " or ".join(f"{float(n / self._factor()):.12g}" for n in (below, below + 1))
        step = self.row.unit or "1"
        raise ControlsRefused(
            f"{self.rule} cannot be {value:g}{self.unit or ''}: {self.row.name} is counted in whole"
            f" steps of {step}",
            hint=f"near are {near}; choose `init` and `lr` of the rule so that it meets the steps",
        )

    def _check_bounds(self, value: float, number: Fraction) -> None:
        low, high = self.row.min_val, self.row.max_val
        if (low is not None and number < self._number(low)) or (
            high is not None and number > self._number(high)
        ):
            raise ControlsRefused(
                f"{self.rule} cannot be {value:g}: {self.row.name} goes from {low} to {high}"
                + (f" times {self.row.unit}" if self.row.unit else ""),
                hint="draw the bounds of the rule within them",
            )

    def _check_movable(self) -> None:
        row = self.row
        if row.context not in MOVABLE:
            when = "when a session starts" if "backend" in row.context else "when the server starts"
            raise ControlsRefused(
                f"{row.name} is only read {when}",
                hint=f"remove {self.rule} from the policy, or set it by hand and restart",
            )
        if row.pending_restart:
            raise ControlsRefused(f"{row.name} waits for a restart of the server")
        if row.source in OVERRULED_BY:
            raise ControlsRefused(
                f"{row.name} is overruled by {OVERRULED_BY[row.source]}",
                hint="take it away there, or remove the rule from the policy",
            )
        if not row.may_alter:
            raise ControlsRefused(
                f"this user may not set {row.name}, or may not reload the server",
                hint=f"as a superuser: GRANT ALTER SYSTEM ON PARAMETER {row.name} TO …;"
                " GRANT EXECUTE ON FUNCTION pg_reload_conf() TO … (before PostgreSQL 15 only"
                " superusers may)",
            )


def named(settings: Mapping[str, Named], rule: str) -> Named:
    """Say which setting a rule stands for: one of its own name unless said."""
    return settings.get(rule, Named(rule))
