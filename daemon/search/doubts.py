"""What the parameters of a session make one doubt, before anybody looks at its quotes.

Each check knows one mistake that people make and that no format can refuse: five
basis points written as 0.0005, a fifth written as 0.2 where percents are meant,
a grid whose values cannot change anything. A sane session hears of none of them.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from daemon.search.drawing import judge
from daemon.search.names import LEADING, ORDER
from daemon.search.notes import Note, listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.search.plan import Plan, Planned
    from daemon.search.space import Axis

COSTS = ("taker_fee_a_bps", "taker_fee_b_bps", "slippage_bps")

FRACTION_BPS = 0.01
"""A hundredth of a basis point is no fee and no threshold: somebody wrote a fraction of one."""
PERCENT_BPS = {"min_spread_bps": 1.0} | dict.fromkeys(COSTS, 0.1)
"""Where all values are smaller than this, somebody wrote percents."""
LARGE_BPS = {"min_spread_bps": 1_000.0, "slippage_bps": 200.0} | dict.fromkeys(COSTS[:2], 100.0)
"""Nobody asks for more than this: a fee of 1 %, a spread of 10 %."""

NEARLY = 1e-9
"""Values that differ by less than this share of themselves are one value, written twice."""


def doubts(planned: Planned) -> Iterator[Note]:
    """Go through everything that can be doubted without quotes."""
    yield from _missing(planned)
    for name in ORDER:
        yield from _refused(planned, name)
    for name in PERCENT_BPS:
        yield from _units(planned, name)
    yield from _stop(planned)
    yield from _money(planned)
    yield from _exits(planned)
    yield from _rate(planned)
    for name in planned.grids:
        yield from _nearly_equal(planned, name)
        yield from _axis(planned, name)


def numbers(planned: Planned, name: str) -> list[float]:
    """Give the values of a parameter that the engine takes; its default where nothing is said."""
    values = planned.values_of(name) or ((LEADING[name],) if name in LEADING else ())
    judged = judge(name, values)
    return [float(value) for value in judged.column[~judged.bad]]


def _missing(planned: Planned) -> Iterator[Note]:
    for name in planned.missing:
        text = f"{name} is not given, and no grid names it: nothing can be run"
        hint = f"write `{name}:` with a value, or give it a grid"
        yield Note("missing-parameter", text, hint, "error", name)


def _refused(planned: Planned, name: str) -> Iterator[Note]:
    judged = judge(name, planned.values_of(name))
    if judged.bad.any():
        reasons = judged.reasons[judged.bad].tolist()
        more = f" (and {plural(len(reasons) - 1, 'other value')})" if len(reasons) > 1 else ""
        hint = "jobs with such a value are recorded as errors, the others run"
        yield Note("refused-value", f"{reasons[0]}{more}", hint, parameter=name)


# ── units ────────────────────────────────────────────────────────────────────
def _units(planned: Planned, name: str) -> Iterator[Note]:
    found = [value for value in numbers(planned, name) if value > 0]
    if not found:
        return
    fractions = [value for value in found if value < FRACTION_BPS]
    if fractions:
        yield _too_small(name, fractions[0], 1e4, "a fraction of one")
    elif max(found) < PERCENT_BPS[name]:
        yield _too_small(name, max(found), 1e2, "percents")
    if max(found) > LARGE_BPS[name]:
        text = f"{name} of {max(found):g} is {max(found) / 100:g} %"
        yield Note("unit-large", text, "basis points are meant: 5 is 0.05 %", parameter=name)


def _too_small(name: str, value: float, factor: float, meant: str) -> Note:
    text = f"{name} of {value:g} is next to nothing: {meant}, where basis points are meant?"
    hint = f"write {value * factor:g} for {value * factor / 100:g} %"
    return Note("unit-small", text, hint, parameter=name)


def _stop(planned: Planned) -> Iterator[Note]:
    name = "stop_on_drawdown_pct"
    found = [value for value in numbers(planned, name) if math.isfinite(value)]
    small = [value for value in found if value <= 1]
    if small:
        text = f"{name} of {small[0]:g} ends a run at {small[0]:g} %: a fraction?"
        hint = f"write {small[0] * 100:g} if {small[0] * 100:g} % are meant"
        yield Note("stop-fraction", text, hint, parameter=name)
    if found and max(found) >= 100:  # noqa: PLR2004 - percent
        text = f"{name} of {max(found):g} acts when everything is lost, and more"
        yield Note("stop-never", text, "below 100, or leave it out", parameter=name)


# ── what does not fit together ───────────────────────────────────────────────
def _money(planned: Planned) -> Iterator[Note]:
    positions, balances = (
        [value for value in numbers(planned, name) if value > 0]
        for name in ("max_position_usd", "initial_balance_usd")
    )
    for name, found in (("max_position_usd", positions), ("initial_balance_usd", balances)):
        if found and min(found) < 1:
            text = f"{name} of {min(found):g} is less than a dollar: counted in coins?"
            yield Note("position-small", text, "write dollars", parameter=name)
    if positions and balances and min(positions) > max(balances):
        text = f"every trade of {min(positions):,g} USD is larger than the balance,"
        text += f" {max(balances):,g} USD"
        hint = "a smaller position, or a larger balance: drawdowns are counted on it"
        yield Note("position-over-balance", text, hint, parameter="max_position_usd")
    costs = [numbers(planned, name) for name in COSTS]
    if all(costs) and not any(max(found) for found in costs):
        text = "trading is free of costs: every result will look better than it is"
        yield Note("no-costs", text, "give the fees of both venues", parameter="taker_fee_a_bps")


def models(planned: Planned) -> set[str]:
    """Name the exit models in use."""
    return {str(value) for value in planned.values_of("exit_model")} or {"convergence"}


def stops(planned: Planned) -> bool:
    """Tell whether a drawdown can end a run."""
    found = numbers(planned, "stop_on_drawdown_pct")
    return "quoted" in models(planned) and any(map(math.isfinite, found))


def _exits(planned: Planned) -> Iterator[Note]:
    if "quoted" in models(planned):
        return
    said = bool(planned.values_of("exit_model"))
    text = "trades are closed where the venues agree, free of costs: none can lose"
    hint = "write `exit_model: quoted` for the prices at which they could have been closed"
    yield Note("exit-model", text, hint, "info" if said else "warning", "exit_model")
    if planned.values_of("stop_on_drawdown_pct"):
        name = "stop_on_drawdown_pct"
        text = f"{name} never acts: under `exit_model: convergence` nothing is lost"
        hint = "leave it out, or write `exit_model: quoted`"
        yield Note("stop-dead", text, hint, parameter=name)


def _rate(planned: Planned) -> Iterator[Note]:
    name = "exchange_a_to_b_rate"
    if len(planned.values_of(name)) > 1:
        text = f"{name} is tried with {len(planned.values_of(name))} values, and one of them is so"
        hint = "the ranking would choose the rate at which most could have been made: give the one"
        yield Note("rate-axis", text, hint, parameter=name)


# ── grids ────────────────────────────────────────────────────────────────────
def _nearly_equal(planned: Planned, name: str) -> Iterator[Note]:
    found = sorted(numbers(planned, name))
    for one, other in pairwise(found):
        if 0 < other - one <= NEARLY * abs(other):
            text = f"{name} has {one!r} and {other!r}: one value, written in two ways?"
            yield Note("nearly-equal", text, "leave one of them out", parameter=name)
            return


def _axis(planned: Planned, name: str) -> Iterator[Note]:
    values = planned.values_of(name)
    if len(values) == 1:
        text = f"the grid of {name} has one value: it turns nothing"
        yield Note("single-value", text, "write it as a fixed parameter", "info", name)
    elif name in COSTS:
        text = f"{name} is an assumption, not a choice: its lowest value mostly ranks first"
        yield Note("assumption-axis", text, "compare the ranks within each value", "info", name)
    elif name == "max_position_usd" and not stops(planned):
        text = f"{name} only scales what is gained: its largest value ranks first, if anything is"
        yield Note("scale-axis", text, "fix it, and scale the results", "info", name)
    elif name == "initial_balance_usd" and not stops(planned):
        text = f"{name} changes no trade: only drawdowns in percent depend on it"
        yield Note("balance-axis", text, "fix it", parameter=name)


def repeated(plan: Plan) -> Iterator[Note]:
    """Name values that were written more than once."""
    for axis in plan.space.axes:
        if axis.repeated:
            stand = "stands" if len(axis.repeated) == 1 else "stand"
            text = f"{axis.name}: {listed(axis.repeated)} {stand} there more than once"
            yield Note("duplicate-value", text, "each is planned once", parameter=axis.name)


def cut_off(plan: Plan) -> Iterator[Note]:
    """Name the values that a limit leaves out."""
    if plan.jobs == plan.cells:
        return
    stride = plan.cells
    for axis in plan.space.axes:
        stride //= len(axis.values)
        tried = min(-(-plan.jobs // stride), len(axis.values))
        if tried < len(axis.values):
            yield _left_out(plan, axis, tried)


def _left_out(plan: Plan, axis: Axis, tried: int) -> Note:
    text = f"of {plan.cells:,} combinations the first {plan.jobs:,} are run:"
    text += f" {axis.name} is never {listed(axis.values[tried:])}"
    hint = "raise `max_jobs`, or write the grid that matters most last"
    return Note("cut-off", text, hint, "warning" if tried == 1 else "info", axis.name)
