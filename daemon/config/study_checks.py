"""Whether a study makes sense as a whole; its space is judged in ``study_space_checks``.

The checks read the file as it was written and step over whatever has the wrong
shape: so a file with a misspelt key still hears of a fee that stands there twice.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from daemon.config.problems import Finding
from daemon.config.study_sampler_checks import check_sampler
from daemon.config.study_space_checks import (
    EXITS,
    axes_of,
    check_space,
    fixed_of,
    number,
    profiles_of,
)
from daemon.search.names import ORDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.config.yaml_safe import KeyPath

    Body = Mapping[str, Any]

SMALL = frozenset(
    ("max_drawdown_pct", "gross_loss_usd", "longest_drawdown_rows", "longest_drawdown_seconds")
)
"""Metrics of which less is better."""

RATIOS = frozenset(
    ("win_rate", "avg_pnl_per_trade_usd", "profit_factor", "sharpe_per_trade", "sharpe_per_day")
)
"""Metrics that a single lucky trade can carry to the top."""

IDLE = frozenset(("rows_processed", "stopped", "open_trades"))
"""Metrics that say nothing of how good it was."""

SHARES = frozenset(("win_rate", "exposure", "stopped"))
NEGATIVE = frozenset(
    (
        *("realized_pnl_usd", "avg_pnl_per_trade_usd", "unrealized_pnl_usd", "final_balance_usd"),
        *("sharpe_per_trade", "sharpe_per_day"),
    )
)
"""Metrics that may be below zero."""

COUNTED = ("total_trades", "closed_trades")
FEW_RESAMPLES = 20


def check_study(body: Any) -> Iterator[Finding]:
    """Judge a study file as it was written."""
    if not isinstance(body, dict):
        return
    yield from _check_data(body)
    yield from check_space(body)
    yield from check_sampler(body)
    yield from _check_objectives(body)
    yield from _check_constraints(body)
    yield from _check_pruning(body)
    yield from _check_walk(body)
    yield from _check_exits(body)
    yield from _check_promotion(body)


# ── data ─────────────────────────────────────────────────────────────────────
def _check_data(body: Body) -> Iterator[Finding]:
    one, several = body.get("data_file"), body.get("data_files")
    if one is None and not several:
        yield Finding(("data_file",), "is missing", "name the quotes: data_file: data/quotes.csv")
    elif one is not None and several:
        hint = "leave one of the two out"
        yield Finding(("data_files",), "stands beside `data_file`", hint)
    symbols: dict[Any, int] = {}
    files: dict[Any, int] = {}
    for place, held in enumerate(several if isinstance(several, list) else ()):
        symbol, file = (
            (held.get("symbol"), held.get("file")) if isinstance(held, dict) else (None, None)
        )
        if isinstance(symbol, str) and symbols.setdefault(symbol, place) != place:
            reason = f"{symbol} is data_files[{symbols[symbol]}] already"
            yield Finding(("data_files", place, "symbol"), reason, "call it something else")
        if isinstance(file, str) and files.setdefault(file, place) != place:
            reason = f"is the file of data_files[{files[file]}] as well: it counts twice"
            hint = "remove one; `weight` makes a symbol count for more"
            yield Finding(("data_files", place, "file"), reason, hint, warning=True)


# ── what is searched for ─────────────────────────────────────────────────────
def aims_of(body: Body) -> Iterator[tuple[KeyPath, str, str | None]]:
    """Give each objective: where it stands, its metric, and its direction if it says one."""
    several = body.get("objectives")
    listed = enumerate(several if isinstance(several, list) else ())
    held: Iterator[tuple[KeyPath, Any]] = chain(
        [(("objective",), body.get("objective"))],
        ((("objectives", place), one) for place, one in listed),
    )
    for path, one in held:
        if isinstance(one, str):
            yield path, one, None
        elif isinstance(one, dict) and isinstance(one.get("metric"), str):
            direction = one.get("direction")
            yield (*path, "metric"), one["metric"], direction and str(direction)


def _check_objectives(body: Body) -> Iterator[Finding]:
    if body.get("objective") is not None and body.get("objectives"):
        yield Finding(("objectives",), "stands beside `objective`", "leave one of the two out")
    seen: set[str] = set()
    for path, metric, direction in aims_of(body):
        if metric in seen:
            yield Finding(path, f"{metric} stands there already", "remove one of the two")
        seen.add(metric)
        if metric in SMALL and direction is None:
            reason = f"is maximised: the more {metric}, the better"
            hint = f"write {{ metric: {metric}, direction: minimize }}"
            yield Finding(path, reason, hint, warning=True)
        elif metric in IDLE:
            reason = f"{metric} says nothing of how good it was"
            yield Finding(path, reason, "another metric", warning=True)
        elif metric in RATIOS and not _enough_trades(body):
            reason = f"a single lucky trade may have the best {metric}"
            hint = "ask for more: constraints: { total_trades: { min: 20 } }"
            yield Finding(path, reason, hint, warning=True)


def _enough_trades(body: Body) -> bool:
    constraints = body.get("constraints")
    held = constraints if isinstance(constraints, dict) else {}
    bounds = [held.get(name) for name in COUNTED]
    return any(isinstance(one, dict) and (number(one.get("min")) or 0) > 1 for one in bounds)


# ── constraints ──────────────────────────────────────────────────────────────
def _check_constraints(body: Body) -> Iterator[Finding]:
    constraints = body.get("constraints")
    for metric, held in constraints.items() if isinstance(constraints, dict) else ():
        if isinstance(held, dict):
            path: KeyPath = ("constraints", str(metric))
            yield from _check_bounds(path, str(metric), held)


def _check_bounds(path: KeyPath, metric: str, held: Body) -> Iterator[Finding]:
    low, high = number(held.get("min")), number(held.get("max"))
    if not {"min", "max"} & {key for key, value in held.items() if value is not None}:
        yield Finding(path, "says neither `min` nor `max`", "give it a bound, or remove it")
    if low is not None and high is not None and low > high:
        reason = f"is {low}, and `max` only {high}: nothing can hold both"
        yield Finding((*path, "min"), reason, "exchange them")
    if high is not None and high < 0 and metric not in NEGATIVE:
        reason = f"is {high}, and {metric} is never below 0"
        yield Finding((*path, "max"), reason, "nobody can meet it: a bound of 0 or more")
    if low is not None and low > 1 and metric in SHARES:
        hint = f"write {low / 100:g} if {low:g} % are meant"
        yield Finding((*path, "min"), f"is {low}, and {metric} is at most 1", hint)
    if metric == "max_drawdown_pct" and low is not None and low > 0:
        reason = "asks for losses: every trial must have fallen so far"
        yield Finding((*path, "min"), reason, "`max` is what limits a drawdown", warning=True)
    if metric == "max_drawdown_pct" and high is not None and 0 < high <= 1:
        hint = f"write {high * 100:g} if {high * 100:g} % are meant"
        yield Finding((*path, "max"), f"{high} is at most one percent", hint, warning=True)


# ── how it is run and judged ─────────────────────────────────────────────────
def _check_pruning(body: Body) -> Iterator[Finding]:
    pruning, batch = body.get("pruning"), body.get("batch", 16)
    if isinstance(pruning, dict) and batch == 1:
        reason = "one proposal has nobody to be better than: nothing is given up early"
        yield Finding(("pruning",), reason, "a larger `batch`, or no pruning")


def _check_walk(body: Body) -> Iterator[Finding]:
    walk = body.get("walk_forward")
    if walk == "none":
        reason = "nothing is held back: no row that the search has not seen vouches for its winner"
        hint = "without the key the last quarter of the rows does"
        yield Finding(("walk_forward",), reason, hint, warning=True)
    if not isinstance(walk, dict):
        return
    folds, share = number(walk.get("folds", 1)), number(walk.get("test_share", 0.25))
    if folds is not None and share is not None and 0 < share < 1 <= folds:
        tested = folds * share
        if tested >= 1:
            reason = f"{folds:g} tests of {share:.3g} of the rows leave none to search on"
            hint = f"fewer folds, or at most {0.5 / folds:.3g} each: half of the rows in all"
            yield Finding(("walk_forward", "test_share"), reason, hint)
        elif tested > 0.75:  # noqa: PLR2004 - three quarters
            reason = f"the first fold searches on only {1 - tested:.0%} of the rows"
            yield Finding(
                ("walk_forward", "test_share"), reason, "fewer folds, or smaller ones", warning=True
            )


def _check_exits(body: Body) -> Iterator[Finding]:
    """Doubt exits at which nothing can be lost."""
    fixed, axes = fixed_of(body), axes_of(body)
    axis = axes.get(EXITS)
    sets = [held for one in axes.values() for held in profiles_of(one).values()]
    said = EXITS in fixed or axis is not None or any(EXITS in held for held in sets)
    path: KeyPath = ("fixed", EXITS) if EXITS in fixed else ("fixed",)
    if not said or fixed.get(EXITS) == "convergence":
        what = "convergence" if said else "exit_model is not given, and convergence holds"
        reason = f"{what}: no trade can lose, and whatever trades most looks best"
        yield Finding(path, reason, "write `exit_model: quoted`", warning=True)
        return
    values = axis.get("values") if axis is not None else None
    if isinstance(values, list) and "convergence" in values:
        place: KeyPath = ("space", EXITS, "values", values.index("convergence"))
        reason = "convergence cannot lose: it wins against every other exit, and says nothing"
        yield Finding(place, reason, "fix `exit_model: quoted`", warning=True)
        stop = axes.get("stop_on_drawdown_pct")
        if stop is not None and not stop.get("when"):
            reason = "does nothing where exit_model is convergence"
            hint = "when: { exit_model: quoted }"
            yield Finding(("space", "stop_on_drawdown_pct"), reason, hint, warning=True)


def _check_promotion(body: Body) -> Iterator[Finding]:
    promote = body.get("promote")
    axes = axes_of(body)
    sets = [held for one in axes.values() for held in profiles_of(one).values()]
    searched = set(axes).union(*sets)
    seen: set[str] = set()
    for place, name in enumerate(promote if isinstance(promote, list) else ()):
        path: KeyPath = ("promote", place)
        if not isinstance(name, str):
            continue  # which the model says
        if name == EXITS:
            reason = "exit_model is no number, and a rule is one"
            yield Finding(path, reason, "leave it out")
        elif name in seen:
            yield Finding(path, f"{name} stands there already", "leave one of the two out")
        elif name in ORDER and name not in searched:
            reason = f"{name} is not searched: its winner is known before"
            yield Finding(path, reason, "leave it out, or give it an axis", warning=True)
        seen.add(name)
    if promote and body.get("walk_forward") == "none":
        reason = "would move rules towards a winner for which no row vouches that it has not seen"
        yield Finding(("promote",), reason, "give it a `walk_forward`", warning=True)
    check = body.get("reality_check")
    resamples = number(check.get("resamples", 500)) if isinstance(check, dict) else None
    if promote and resamples is not None and resamples < FEW_RESAMPLES:
        reason = (
            "nothing is ever proposed: with so few `reality_check.resamples` nothing is declared"
        )
        yield Finding(("promote",), reason, f"at least {FEW_RESAMPLES} of them", warning=True)
