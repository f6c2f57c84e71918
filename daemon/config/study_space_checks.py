"""Whether the space of a study makes sense: ranges, steps, conditions, and what is given twice.

The checks read the file as it was written and step over whatever has the wrong
shape, as those of sessions do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from daemon.config.problems import Finding, did_you_mean
from daemon.config.session_checks import shown, wrong_value
from daemon.search.drawing import judge
from daemon.search.names import ORDER, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.config.yaml_safe import KeyPath

    Body = Mapping[str, Any]

NUMERIC = ("float", "int")
EXITS = "exit_model"

LARGEST = 1e15
"""Beyond this no step can be told from the next, and powers of numbers are infinite."""

STEPS_MAX = 10**9
"""Values of an axis that are told apart."""

_FITS = 1e-9
"""A range is a whole number of steps if it is one to this share of a step."""


def axes_of(body: Body) -> dict[str, Body]:
    """Give the axes that have the shape of one."""
    space = body.get("space")
    found = space.items() if isinstance(space, dict) else ()
    return {str(name): axis for name, axis in found if isinstance(axis, dict)}


def fixed_of(body: Body) -> dict[str, Any]:
    """Give the parameters that are the same in all trials."""
    fixed = body.get("fixed")
    found = fixed.items() if isinstance(fixed, dict) else ()
    return {str(name): value for name, value in found if value is not None}


def profiles_of(axis: Body) -> dict[str, Body]:
    """Give the named sets of parameters that have the shape of one."""
    found = axis.get("profiles") if axis.get("type") == "profiles" else None
    items = found.items() if isinstance(found, dict) else ()
    return {str(name): held for name, held in items if isinstance(held, dict)}


def number(value: Any) -> float | None:
    """Give a finite number as one; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= LARGEST else None


def check_space(body: Body) -> Iterator[Finding]:
    """Judge the space of a study as it was written."""
    axes = axes_of(body)
    for name, axis in axes.items():
        yield from _check_name(name, axis)
        if axis.get("type") in NUMERIC:
            yield from _check_range(name, axis)
        elif axis.get("type") == "categorical":
            yield from _check_values(name, axis)
        elif axis.get("type") == "profiles":
            yield from _check_profiles(name, axis, body)
        yield from _check_when(name, axis, body)
    yield from _check_cycles(axes)
    yield from _check_places(body)
    yield from _check_fixed(body)
    yield from _check_required(body)


# ── names and values ─────────────────────────────────────────────────────────
def _check_name(name: str, axis: Body) -> Iterator[Finding]:
    kind, path = axis.get("type"), ("space", name)
    if kind == "profiles" and name in ORDER:
        reason = f"{name} is a parameter, and profiles set several"
        yield Finding(path, reason, "give the axis a name of its own, such as `zone`")
    elif kind != "profiles" and name not in ORDER:
        hint = did_you_mean(name, ORDER)
        yield Finding(path, f"{name} is not a parameter", hint)
    elif name == EXITS and kind in NUMERIC:
        reason = "exit_model is a word, and no number"
        hint = "write { type: categorical, values: [quoted, convergence] }"
        yield Finding((*path, "type"), reason, hint)
    elif name == "max_open_trades" and kind == "float":
        yield Finding((*path, "type"), "trades are counted", "write `type: int`")


def refused(name: str, value: Any) -> tuple[str, str | None] | None:
    """Say why a parameter cannot have a value."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or name not in ORDER:
        return None  # of the wrong shape, which the model says
    wrong = wrong_value(name, value)
    if wrong is not None:
        return wrong
    reason = judge(name, [value]).reasons[0]
    if reason is None:
        return None
    said = str(reason).rpartition(": ")[2]
    return f"cannot be {shown(value)}: {said}", None


def _check_range(name: str, axis: Body) -> Iterator[Finding]:
    path: KeyPath = ("space", name)
    for end in ("low", "high"):
        wrong = refused(name, axis.get(end)) if name != EXITS else None
        if wrong is not None and number(axis.get(end)) is not None:
            yield Finding((*path, end), *wrong)
    for key in ("low", "high", "step"):
        value = axis.get(key)
        if isinstance(value, int | float) and abs(value) > LARGEST:
            reason = "is larger than any number that can be computed with"
            yield Finding((*path, key), reason, "a number that somebody could want")
    low, high = number(axis.get("low")), number(axis.get("high"))
    if low is None or high is None:
        return
    if low > high:
        yield Finding((*path, "low"), f"is {low}, and `high` only {high}", "exchange them")
        return
    if low == high:
        hint = f"write `{name}: {low}` under `fixed`"
        yield Finding((*path, "low"), f"is also `high`: {low} is all there is", hint)
    yield from _check_step(path, axis, low, high)
    if axis.get("log") is True and low <= 0:
        hint = "a `low` above 0, or no `log`"
        yield Finding((*path, "log"), f"there is no logarithm of {low}", hint)
    elif axis.get("log") is True and low < 1 / LARGEST:
        hint = "the smallest value that somebody could want"
        yield Finding((*path, "low"), f"is {low}: next to nothing", hint)


def _check_step(path: KeyPath, axis: Body, low: float, high: float) -> Iterator[Finding]:
    step = number(axis.get("step"))
    if step is None:
        return
    place = (*path, "step")
    if step <= 0:
        yield Finding(place, f"must be above 0, not {step}", "the distance between two values")
        return
    if low == high:
        return
    if step > high - low:
        reason = f"is {step}, and from {low} to {high} it is only {high - low:g}: one value is left"
        yield Finding(place, reason, "a smaller step")
        return
    steps = (high - low) / step
    if steps > STEPS_MAX:
        reason = f"leaves more than {STEPS_MAX:,} values between {low} and {high}"
        yield Finding(place, reason, "a larger step, or none")
        return
    if abs(steps - round(steps)) > _FITS * max(1.0, steps):
        last = low + math.floor(steps) * step
        reason = f"does not fit: from {low} in steps of {step} one comes to {last:g}, not to {high}"
        yield Finding(place, reason, f"write `high: {last:g}`, or another step")


def _check_values(name: str, axis: Body) -> Iterator[Finding]:
    values, path = axis.get("values"), ("space", name, "values")
    if not isinstance(values, list) or name not in ORDER:
        return
    seen: set[Any] = set()
    for place, value in enumerate(values):
        wrong = refused(name, value)
        if wrong is not None:
            yield Finding((*path, place), *wrong)
        if not isinstance(value, dict | list):
            if value in seen:
                yield Finding((*path, place), f"{shown(value)} stands there already", "remove one")
            seen.add(value)
    if len(values) == 1 and isinstance(values[0], int | float | str):
        hint = f"write `{name}: {values[0]}` under `fixed`"
        yield Finding(path, f"{values[0]} is all there is", hint, warning=True)


# ── profiles ─────────────────────────────────────────────────────────────────
def _check_profiles(name: str, axis: Body, body: Body) -> Iterator[Finding]:
    others = [other for other, held in axes_of(body).items() if held.get("type") == "profiles"]
    if others[0] != name:
        reason = f"there is such an axis already: {others[0]}"
        yield Finding(("space", name), reason, "one set of profiles is searched at a time")
    searched = axes_of(body).keys() | fixed_of(body).keys()
    profiles = profiles_of(axis)
    equal: dict[str, str] = {}
    for profile, held in profiles.items():
        path: KeyPath = ("space", name, "profiles", profile)
        if not held:
            yield Finding(path, "sets no parameter", "name those that it sets, or remove it")
        for parameter, value in held.items():
            wrong = refused(str(parameter), value)
            if wrong is not None:
                yield Finding((*path, str(parameter)), *wrong)
            elif parameter in searched:
                where = "fixed" if parameter in fixed_of(body) else "space"
                reason = f"{parameter} stands under `{where}` as well"
                yield Finding((*path, str(parameter)), reason, "remove one of the two")
        same = equal.setdefault(repr(sorted(held.items(), key=repr)), profile)
        if same != profile:
            yield Finding(path, f"is the same as `{same}`", "remove one of the two", warning=True)
    if len(profiles) == 1:
        reason = "one profile leaves nothing to choose"
        yield Finding(("space", name, "profiles"), reason, "name another one", warning=True)


# ── conditions ───────────────────────────────────────────────────────────────
def _check_when(name: str, axis: Body, body: Body) -> Iterator[Finding]:
    when, axes = axis.get("when"), axes_of(body)
    for other, value in when.items() if isinstance(when, dict) else ():
        path: KeyPath = ("space", name, "when", str(other))
        if other == name:
            yield Finding(path, "is the axis itself", "name another one")
        elif other in axes:
            never = _never(axes[other], value)
            if never is not None:
                yield Finding(path, *never)
        elif other in fixed_of(body):
            if fixed_of(body)[other] != value:
                reason = f"is never {shown(value)}: `fixed` says {shown(fixed_of(body)[other])}"
                yield Finding(path, reason, "remove the axis, or the condition")
        else:
            reason = f"there is no axis {other} in this study"
            yield Finding(path, reason, did_you_mean(str(other), axes.keys() - {name}))
    if when and name in REQUIRED:
        reason = f"{name} is needed by every trial, and this leaves some without"
        yield Finding(("space", name, "when"), reason, "remove the condition")


def _never(axis: Body, value: Any) -> tuple[str, str | None] | None:
    """Say why an axis never has a value."""
    kind = axis.get("type")
    if kind == "float" and axis.get("step") is None:
        return "has no step: it is never exactly that", "give it a `step`, or another condition"
    if kind in NUMERIC:
        low, high = number(axis.get("low")), number(axis.get("high"))
        step = number(axis.get("step", 1))
        if low is None or high is None or not step or step < 0:
            return None  # which is said elsewhere
        told = number(value)
        steps = None if told is None else (told - low) / step
        if steps is None or not _on(steps, (high - low) / step):
            return f"is never {shown(value)}", f"it goes from {low} to {high} in steps of {step}"
        return None
    known = axis.get("values") if kind == "categorical" else [*profiles_of(axis)]
    if not isinstance(known, list) or value in known:
        return None
    return f"is never {shown(value)}", f"it can be {', '.join(map(str, known))}"


def _on(steps: float, most: float) -> bool:
    return -_FITS <= steps <= most + _FITS and abs(steps - round(steps)) <= _FITS * max(1.0, most)


def _check_cycles(axes: Mapping[str, Body]) -> Iterator[Finding]:
    """Find conditions that depend on each other: none of them could be decided first."""
    needs = {
        name: [str(other) for other in when if str(other) in axes and str(other) != name]
        for name, axis in axes.items()
        if isinstance(when := axis.get("when"), dict)
    }
    for name, parents in needs.items():
        reached, waiting = set[str](), list(parents)
        while waiting:
            other = waiting.pop()
            if other not in reached:
                reached.add(other)
                waiting += needs.get(other, ())
        if name in reached:
            reason = "depends on itself, by way of other conditions"
            yield Finding(("space", name, "when"), reason, "remove one of them")


# ── what is given, twice or not at all ───────────────────────────────────────
def _check_places(body: Body) -> Iterator[Finding]:
    fixed = fixed_of(body)
    for name in axes_of(body):
        if name in fixed:
            reason = f"is searched, and `fixed.{name}` says {shown(fixed[name])}"
            yield Finding(("space", name), reason, "remove one of the two")
    for name in ORDER:
        if body.get(name) is not None:
            yield Finding((name,), "is not a key that exists here", "it belongs under `fixed`")


def _check_fixed(body: Body) -> Iterator[Finding]:
    for name, value in fixed_of(body).items():
        wrong = refused(name, value)
        if wrong is not None and number(value) is not None:
            yield Finding(("fixed", name), *wrong)


def _check_required(body: Body) -> Iterator[Finding]:
    given = fixed_of(body).keys() | axes_of(body).keys()
    sets = [(axis, profiles_of(held)) for axis, held in axes_of(body).items() if profiles_of(held)]
    for name in REQUIRED:
        if name in given:
            continue
        having = [profile for _, held in sets for profile in held if name in held[profile]]
        if not having:
            hint = f"write `{name}:` with a value under `fixed`, or give it an axis"
            yield Finding(("fixed",), f"{name} is not given: nothing can be run", hint)
            continue
        for axis, held in sets:
            for profile in held:
                if name not in held[profile]:
                    reason = f"does not set {name}, which every trial needs"
                    hint = f"`{having[0]}` sets it: give it a value here too"
                    yield Finding(("space", axis, "profiles", profile), reason, hint)
