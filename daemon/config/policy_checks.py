"""Whether a policy makes sense as a whole.

The checks read the file as it was written and step over whatever has the wrong
shape: so a file with a misspelt key still hears about its crossed bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.config.policy_sections import OBSERVE_WINDOW_S, SETTLE_S, TOGETHER_MAX
from daemon.config.problems import Finding, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from daemon.config.yaml_safe import KeyPath

_WIDEN = "widen the bounds, or remove the rule"
_BOUNDS = frozenset({"min", "max"})
_OPPOSITE = {None: None, "rise": "fall", "fall": "rise"}
_ROUNDING = 1e-9
"""A step that fills the whole range may exceed it by what binary fractions lose."""


def check_policy(body: Any, signals: Collection[str] | None) -> Iterator[Finding]:
    """Judge a policy; without known signals their names are not judged."""
    for name, rule in _section(body, "rules").items():
        yield from _check_rule(("rules", name), rule)
    targets = _section(body, "targets")
    for name, target in targets.items():
        yield from _check_target(("targets", name), target)
    for kind in ("good", "warn"):
        for name, delta in _section(body, "safety", kind).items():
            path = ("safety", kind, name)
            yield from _check_delta(path, delta, targets.get(name))
    yield from _check_guards(body, targets)
    yield from _check_names(body, targets)
    yield from _check_weights(body)
    yield from _check_times(body)
    yield from _check_strategy(body)
    if signals:
        yield from _check_signals(body, signals)


def _section(body: Any, *path: str) -> Mapping[str, Any]:
    for part in path:
        body = body.get(part) if isinstance(body, dict) else None
    return body if isinstance(body, dict) else {}


def _number(section: Any, name: str) -> float | None:
    value = section.get(name) if isinstance(section, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value


def _setting(body: Any, name: str, default: float) -> float | None:
    """Read a number of the top level; None if something else stands there."""
    return _number(body, name) if name in _section(body) else default


def _check_rule(path: KeyPath, rule: Any) -> Iterator[Finding]:
    low, high, init, step = (_number(rule, name) for name in ("min", "max", "init", "lr"))
    if low is None or high is None:
        return
    if low == high:
        yield Finding((*path, "min"), f"equals max ({high}): the rule could never move", _WIDEN)
        return
    if low > high:
        yield Finding((*path, "min"), f"{low} is above max, which is {high}", "swap the two")
        return
    if init is not None and not low <= init <= high:
        reason = f"{init} is outside its bounds, {low} to {high}"
        yield Finding((*path, "init"), reason, "start from a value within them, or widen them")
    if step is not None and step > (high - low) * (1 + _ROUNDING):
        reason = f"a step of {step} is longer than the whole range from {low} to {high}"
        yield Finding((*path, "lr"), reason, f"at most {high - low:.6g}, better a tenth of that")


def _check_target(path: KeyPath, target: Any) -> Iterator[Finding]:
    yield from _check_some_bound(path, target, "where should the signal be?")
    low, high = _number(target, "min"), _number(target, "max")
    if low is not None and high is not None and low > high:
        yield Finding((*path, "min"), f"{low} is above max, which is {high}", "swap the two")


def _check_some_bound(path: KeyPath, section: Any, question: str) -> Iterator[Finding]:
    if not isinstance(section, dict) or any(section.get(name) is not None for name in _BOUNDS):
        return
    if not _BOUNDS.isdisjoint(section) or section.keys() <= {"scale"}:
        yield Finding(path, f"has neither min nor max: {question}", "give one of them, or both")


def _check_delta(path: KeyPath, delta: Any, target: Any) -> Iterator[Finding]:
    yield from _check_some_bound(path, delta, "how far must the signal move?")
    low, high = _number(delta, "min"), _number(delta, "max")
    if low is not None and low <= 0:
        yield _reversed((*path, "min"), low, target)
    if high is not None and high >= 0:
        yield _reversed((*path, "max"), high, target)
    rises, falls = low is not None and low > 0, high is not None and high < 0
    if rises != falls:
        yield from _check_direction(path, low if rises else high, target)


def _reversed(path: KeyPath, bound: float, target: Any) -> Finding:
    """A bound that a signal which did not move at all would meet."""
    _, kind, name, side = path
    better = _better(target)
    wanted = better if kind == "good" else _OPPOSITE[better]
    right = {"rise": "min", "fall": "max"}.get(wanted or "", str(side))
    hint = f"write `{right}: {_signed(right, bound)}`: delta is after less before"
    if kind == "warn":
        return Finding(path, f"{bound:+} would warn when {name} has not moved at all", hint)
    if better == "fall" and side == "max" and bound > 0:
        reason = f"{bound:+} would call a rise of {name} an improvement: it should fall"
    elif better == "rise" and side == "min" and bound < 0:
        reason = f"{bound:+} would call a fall of {name} an improvement: it should rise"
    else:
        reason = f"{bound:+} would call it an improvement when {name} has not moved at all"
    return Finding(path, reason, hint)


def _check_direction(path: KeyPath, bound: float | None, target: Any) -> Iterator[Finding]:
    """A movement that points away from the target may not be good, and is an odd thing to fear."""
    _, kind, name = path
    better = _better(target)
    if bound is None or better is None:
        return
    moves = "rise" if bound > 0 else "fall"
    side, other = ("min", "max") if bound > 0 else ("max", "min")
    hint = f"write `{other}: {_signed(other, bound)}`: delta is after less before"
    if kind == "good" and moves != better:
        reason = f"calls a {moves} of {name} an improvement, but its target wants it to {better}"
        yield Finding((*path, side), reason, hint)
    if kind == "warn" and moves == better:
        reason = f"warns of a {moves} of {name}, which is what its target wants"
        yield Finding((*path, side), reason, hint, warning=True)


def _check_guards(body: Any, targets: Mapping[str, Any]) -> Iterator[Finding]:
    """A guard that leaves no room for the movement which counts as an improvement.

    Only where a target has both bounds: elsewhere the directions have been judged.
    A guard tighter than ``good`` in the *other* direction is no mistake: one may
    well fear a small loss more than one is pleased by a small gain.
    """
    for name, guard in _section(body, "safety", "warn").items():
        good = _section(body, "safety", "good").get(name)
        if _better(targets.get(name)) is not None:
            continue
        for side, moves in (("min", "rise"), ("max", "fall")):
            feared, wanted = _number(guard, side), _number(good, side)
            if feared is None or wanted is None or abs(feared) > abs(wanted):
                continue
            reason = f"warns of every {moves} of {name} that counts as an improvement"
            hint = f"leave room beyond `safety.good.{name}.{side}`, which is {wanted:+}"
            yield Finding(("safety", "warn", name, side), reason, hint, warning=True)


def _better(target: Any) -> str | None:
    """Tell which way a signal improves; None if both ways or unknown."""
    low, high = _number(target, "min"), _number(target, "max")
    if (low is None) == (high is None):
        return None
    return "rise" if high is None else "fall"


def _signed(side: str, bound: float) -> str:
    size = abs(bound)
    if not size:
        return "+…" if side == "min" else "-…"
    return f"+{size}" if side == "min" else f"-{size}"


def _check_names(body: Any, targets: Mapping[str, Any]) -> Iterator[Finding]:
    rules = _section(body, "rules")
    for path, known, what in (
        (("safety", "good"), targets, "signal that has a target"),
        (("strategy", "objective_weights"), targets, "signal that has a target"),
        (("strategy", "direction"), rules, "rule of this file"),
    ):
        for name in _section(body, *path):
            if name not in known:
                yield Finding((*path, name), f"is not a {what}", did_you_mean(name, known))


def _check_weights(body: Any) -> Iterator[Finding]:
    weights = _section(body, "strategy", "objective_weights")
    targets = _section(body, "targets")
    if targets and all(_number(weights, name) == 0 for name in targets):
        reason = "every target weighs 0: nothing would ever be worth a change"
        yield Finding(("strategy", "objective_weights"), reason, "give one of them a weight")


def _check_times(body: Any) -> Iterator[Finding]:
    settle = _setting(body, "settle_s", SETTLE_S)
    window = _setting(body, "observe_window_s", OBSERVE_WINDOW_S)
    if settle is None or window is None:
        return
    needed = settle + window
    rest = _number(body, "cooldown_s")
    if rest is not None and rest < needed:
        reason = (
            f"{rest:g} is shorter than settle_s and observe_window_s, which are {needed:g}"
            " together: a rule rests until its change is judged"
        )
        yield Finding(("cooldown_s",), reason, f"at least {needed:g}", warning=True)


def _check_strategy(body: Any) -> Iterator[Finding]:
    strategy = _section(body, "strategy")
    together = _number(strategy, "max_concurrent_changes")
    if together is not None and together > TOGETHER_MAX:
        reason = f"{together} counts as {TOGETHER_MAX}: no more rules ever move in one step"
        path = ("strategy", "max_concurrent_changes")
        yield Finding(path, reason, f"write {TOGETHER_MAX}, or 1", warning=True)
    if strategy.get("paired_toggling") is False and _number(strategy, "max_extensions"):
        reason = "has no effect while `paired_toggling` is false: nothing is tried again"
        path = ("strategy", "max_extensions")
        yield Finding(path, reason, "remove it, or set `paired_toggling: true`", warning=True)


def _check_signals(body: Any, signals: Collection[str]) -> Iterator[Finding]:
    for path in (("targets",), ("safety", "warn")):
        for name in _section(body, *path):
            if name not in signals:
                reason = "no source provides this signal"
                yield Finding((*path, name), reason, did_you_mean(name, signals))
