"""Whether a session makes sense as a whole.

The checks read the file as it was written and step over whatever has the wrong
shape: so a file with a misspelt key still hears about its two grids of one name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from daemon.config.problems import Finding, did_you_mean
from daemon.config.session_sections import ExitWord
from daemon.config.wording import either
from daemon.log import printable
from daemon.search.names import ORDER
from daemon.search.plan import TooManyJobs, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.config.yaml_safe import KeyPath
    from daemon.search.plan import Plan

_MODELS = get_args(ExitWord)
_SHOWN_MAX = 40


def check_session(body: Any) -> Iterator[Finding]:
    """Judge a session file as it was written."""
    if not isinstance(body, dict):
        return
    yield from _check_names(body)
    for place, grid in _grids(body):
        yield from _check_values(place, grid)
    yield from _check_places(body)
    yield from _check_promotion(body)
    yield from _check_filters(body)


def too_many(plan: Plan, jobs_max: int) -> list[Finding]:
    """Refuse more jobs than may be run."""
    try:
        within(plan, jobs_max)
    except TooManyJobs as error:
        return [Finding(("grids",), error.message, error.hint)]
    return []


# ── grids ────────────────────────────────────────────────────────────────────
def _grids(body: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    grids = body.get("grids")
    for place, grid in enumerate(grids if isinstance(grids, list) else ()):
        if isinstance(grid, dict):
            yield place, grid


def _check_names(body: dict[str, Any]) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for place, grid in _grids(body):
        name = grid.get("name")
        if not isinstance(name, str):
            continue
        if name in seen:
            reason = f"{name} has a grid already: grids[{seen[name]}]"
            hint = "put the values of both into one of them"
            yield Finding(("grids", place, "name"), reason, hint)
        seen.setdefault(name, place)


def _check_values(place: int, grid: dict[str, Any]) -> Iterator[Finding]:
    name, values = grid.get("name"), grid.get("values")
    if name not in ORDER or not isinstance(values, list):
        return
    for number, value in enumerate(values):
        wrong = wrong_value(str(name), value)
        if wrong is not None:
            yield Finding(("grids", place, "values", number), *wrong)


def wrong_value(name: str, value: Any) -> tuple[str, str | None] | None:
    """Say what is wrong with a value that would be right for another parameter."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None  # it is right for none, which the model says
    if name == "exit_model":
        known = f"must be {either(_MODELS)}, not {shown(value)}"
        return None if value in _MODELS else (known, did_you_mean(str(value), _MODELS))
    if isinstance(value, str):
        return f"must be a number, not {shown(value)}", "remove the quotes, or the unit"
    if name == "max_open_trades" and not isinstance(value, int):
        hint = f"write {int(value)}" if value.is_integer() else "trades are counted"
        return f"must be a whole number, not {value}", hint
    return None


def shown(value: Any) -> str:
    """Write a value so that text is told from a number."""
    if not isinstance(value, str):
        return str(value)
    return f"text '{printable(value[:_SHOWN_MAX])}{'…' * (len(value) > _SHOWN_MAX)}'"


# ── what does not fit together ───────────────────────────────────────────────
def _check_places(body: dict[str, Any]) -> Iterator[Finding]:
    """A parameter that stands in two places, with two values."""
    fixed = body.get("fixed")
    if not isinstance(fixed, dict):
        return
    for name in ORDER:
        above, below = body.get(name), fixed.get(name)
        if above is not None and below is not None and above != below:
            reason = f"is {above}, and `fixed.{name}` is {below}: that one holds"
            yield Finding((name,), reason, "remove one of the two", warning=True)


def _check_promotion(body: dict[str, Any]) -> Iterator[Finding]:
    promote = body.get("promote")
    gridded = {grid.get("name") for _, grid in _grids(body)}
    seen: set[str] = set()
    for place, name in enumerate(promote if isinstance(promote, list) else ()):
        path: KeyPath = ("promote", place)
        if name == "exit_model":
            reason = "exit_model is no number, and a rule is one"
            yield Finding(path, reason, "leave it out")
        elif name in seen:
            yield Finding(path, f"{name} stands there already", "leave one of the two out")
        elif name in ORDER and name not in gridded:
            reason = f"no grid tries values of {name}: its winner is known before"
            yield Finding(path, reason, "leave it out, or give it a grid", warning=True)
        seen.add(str(name))


def _check_filters(body: dict[str, Any]) -> Iterator[Finding]:
    rank = body.get("rank")
    limit = rank.get("max_drawdown_pct") if isinstance(rank, dict) else None
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        return
    path: KeyPath = ("rank", "max_drawdown_pct")
    if 0 < limit <= 1:
        hint = f"write {limit * 100:g} if {limit * 100:g} % are meant"
        yield Finding(path, f"{limit} is at most one percent", hint, warning=True)
