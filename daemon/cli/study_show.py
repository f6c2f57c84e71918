"""A study in lines for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.cli.moments import lasting
from daemon.cli.output import BAD, DOUBTFUL, GOOD, STYLES, cell, paint, printable, with_age
from daemon.cli.session_show import DIGEST, WIDTH
from daemon.cli.study_judgement import judgement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_EXACT = 6
ADVICE_MAX = 3
"""Nobody does more than this at once; the rest shows when it is done."""


def lines(found: Mapping[str, Any], now_us: int) -> Iterator[str]:
    """Say how it stands, a line a thing."""
    for word, text in _said(found, now_us):
        yield f"{paint(f'{word:<{WIDTH}}', 'bold')} {text}"


def _said(found: Mapping[str, Any], now_us: int) -> Iterator[tuple[str, str]]:
    yield "study", f"{found['study']} ({printable(found['name'])})"
    yield "state", paint(found["state"], STYLES.get(found["state"], "")) + _note(found)
    yield "sought", _sought(found)
    yield "trials", _trials(found)
    if found["runner"]:
        yield "runner", printable(found["runner"])
    yield from _data(found)
    for word in ("started", "finished"):
        if found[f"{word}_at"]:
            yield word, with_age(found[f"{word}_at"], now_us)
    yield from _folds(found)
    yield from winner(found)
    yield from judgement(found.get("report") or {})
    yield from _failures(found)
    yield from _next(found)


def _note(found: Mapping[str, Any]) -> str:
    return f": {printable(found['note'])}" if found["note"] else ""


def _sought(found: Mapping[str, Any]) -> str:
    aim = found["spec"]["aim"]
    aims = ", ".join(
        ("small " if one["direction"] == "minimize" else "") + one["metric"]
        for one in aim["objectives"]
    )
    axes = ", ".join(axis["name"] for axis in found["spec"]["domain"])
    return f"{printable(aims)} by {found['sampler']}, seed {found['seed']}, over {printable(axes)}"


def _trials(found: Mapping[str, Any]) -> str:
    of = "" if found["of"] is None else f" of {found['of']:,}"
    parts = [f"{found['trials']:,}{of}"]
    if found["folds"] > 1:
        parts[0] += f" in {found['folds']} folds"
    for count, word in ((found["known"], "known before"), (found["pruned"], "given up early")):
        if count:
            parts.append(f"{count:,} {word}")
    if found["failed"]:
        parts.append(paint(f"{found['failed']:,} failed", BAD))
    if found["trials_per_s"]:
        parts.append(f"{found['trials_per_s']:,.0f} a second")
    return ", ".join(parts)


def _data(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    held = found["spec"].get("data") or ()
    for number, one in enumerate(held):
        symbol = f"{printable(one['symbol'])}: " if len(held) > 1 else ""
        rows = f", {one['rows']:,} rows" if one.get("rows") else ""
        weight = f", weight {one['weight']:g}" if len(held) > 1 else ""
        digest = (one.get("digest") or "")[:DIGEST]
        yield "" if number else "data", f"{symbol}{printable(one['file'])}{rows}, {digest}{weight}"


# ── folds and winner ─────────────────────────────────────────────────────────
def _folds(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    metric = found["spec"]["aim"]["objectives"][0]["metric"]
    for number, fold in enumerate(found["walk"]):
        if not fold["trials"]:
            text = f"{fold['fold']}  not searched yet"
        elif fold["ended"] is None:
            text = f"{fold['fold']}  {fold['trials']:,} trials so far"
        elif fold["chosen_n"] is None:
            text = f"{fold['fold']}  {fold['trials']:,} trials, none holds what it must"
        else:
            text = (
                f"{fold['fold']}  trial {fold['chosen_n']}, best of {fold['trials']:,}: {metric}"
                f" {figure(fold['value'])} in sample, {_outside(fold['oos_value'])}"
            )
        ended = fold["ended"]
        yield "" if number else "folds", text + (f" ({printable(ended)})" if ended else "")


def _outside(value: float | None) -> str:
    return "no rows held back" if value is None else f"{figure(value)} on rows held back"


def figure(value: float | None) -> str:
    """Write what a trial brought."""
    return "nothing" if value is None else f"{value:,.{MOST_EXACT}g}"


def winner(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Say who is best, and with which parameters."""
    best = next((one for one in found["ranking"] if one["winner"]), None)
    if best is None:
        best = next((one for one in found["ranking"] if one["chosen"]), None)
    if best is not None:
        held = {axis["name"]: axis for axis in found["spec"]["domain"]}
        params = {name: best["params"][name] for name in held if name in best["params"]}
        told = ", ".join(f"{name} {cell(value)}" for name, value in params.items())
        word = "winner" if found["declared"] else "best"
        yield word, f"trial {best['trial']}: {printable(told)}"
        ends = [name for name, value in params.items() if _at_an_end(held[name], value)]
        if ends:
            they = "stands at the end of its axis" if len(ends) == 1 else "stand at their ends"
            yield "", f"{printable(', '.join(ends))} {they}: a wider one may hold a better value"
    if found["declared"] is not None:
        judged = (found.get("report") or {}).get("judgement") or {}
        text = judged.get("said") or ("declared" if found["declared"] else "not declared")
        yield "verdict", paint(printable(text), GOOD if found["declared"] else DOUBTFUL)


def _at_an_end(axis: Mapping[str, Any], value: Any) -> bool:
    return "low" in axis and value in {axis["low"], axis["high"]}


# ── what to do ───────────────────────────────────────────────────────────────
def _failures(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for number, one in enumerate(found["failures"]):
        yield "" if number else "failed", f"trial {one['trial']}: {printable(one['error'] or '')}"


def _next(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    number = found["study"]
    for one in found["proposals"]:
        target = ", ".join(f"{name} {cell(value)}" for name, value in one["target"].items())
        yield "proposal", f"{one['id']} ({one['state']}): {printable(target)}"
    if found["state"] == "running":
        left = "" if found["eta_at"] is None else f" (done at {found['eta_at'][:19]}Z, it thinks)"
        yield "stop it", f"daemon study cancel {number}{left}"
        return
    if found["state"] != "done":
        yield "go on", "run its file again: what is finished is not tried again"
        return
    for place, one in enumerate(_advice(found)):
        yield "" if place else "next", one
    spent = f"; it took {lasting(found['spent_s'])}" if found["spent_s"] else ""
    yield "more", f"daemon study rank {number}; daemon study export {number} -o csv{spent}"


def _advice(found: Mapping[str, Any]) -> Iterator[str]:
    """Say what to do next; where gates do not hold, it is known what could be done about each."""
    judged = (found.get("report") or {}).get("judgement") or {}
    told = [printable(one) for one in judged.get("next") or ()][:ADVICE_MAX]
    if told:
        yield from told
    elif found["declared"] and found["proposals"]:
        first = found["proposals"][0]["id"]
        yield f"daemon ctl approve {first}, or daemon ctl reject {first}"
    elif found["declared"] and not found["spec"].get("promote"):
        yield "name rules under `promote:`, and the next run proposes a step towards it"
    elif found["declared"] is False:
        yield "do not trade on it; more data, fewer axes or a narrower space say more"
    else:
        yield "a larger budget goes on with it"
