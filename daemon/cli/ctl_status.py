"""The status in lines for a person, and as a document for a program."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from daemon.cli.moments import lasting
from daemon.cli.output import BAD, DOUBTFUL, GOOD, GRAVE, STYLES, UNDER_WAY, paint, printable
from daemon.clock import MICROS, iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.app import Status

WIDTH = 10
"""Of the words at the beginning of lines."""

MODES = {
    "live": "live: changes are made",
    "dry_run": "dry run: the loop only proposes, nothing is touched",
    "replay": "replay",
}
BY_PERSON = "approval: the loop proposes, and nothing is touched until a person approves"


# ── for a program ────────────────────────────────────────────────────────────
def document(found: Status) -> dict[str, Any]:
    """Write the status as one object; moments are ISO text."""
    told: dict[str, Any] = _texts(asdict(found))
    return {**told, "exit_code": int(found.exit_code)}


def _texts(value: Any) -> Any:
    """Write every moment as text: ``at_us`` becomes ``at``."""
    if isinstance(value, dict):
        return {
            name.removesuffix("_us"): iso(item)
            if name.endswith("_us") and item is not None
            else _texts(item)
            for name, item in value.items()
        }
    return [_texts(item) for item in value] if isinstance(value, list | tuple) else value


# ── for a person ─────────────────────────────────────────────────────────────
def lines(found: Status) -> Iterator[str]:
    """Say how it stands, a line a thing; what is as it should be takes no line."""
    for word, text in _said(found):
        yield f"{paint(f'{word:<{WIDTH}}', 'bold')} {text}"


def _said(found: Status) -> Iterator[tuple[str, str]]:
    yield "daemon", _daemon(found)
    if found.trouble:
        yield "", paint(printable(found.trouble), BAD)
    if found.running is None and found.last is None:
        return
    if found.mode is not None:
        mode = BY_PERSON if found.approval else MODES.get(found.mode, found.mode)
        yield "mode", paint(mode, GOOD if found.mode == "live" else UNDER_WAY)
    if found.policy is not None:
        yield "policy", found.policy[:12]
    if found.score is not None:
        yield "score", f"{found.score:.4g} (1 when every target is met)"
    if found.signals:
        yield "signals", _signals(found.signals)
    yield from _rows("source", [_source(one) for one in found.sources])
    yield from _rows("open", [_open(one, found.at_us) for one in found.open])
    yield from _rows("resting", [_resting(one, found.at_us) for one in found.resting])
    if found.foreign:
        names = ", ".join(found.foreign)
        yield "foreign", f"{names}: set by a person; take over with: daemon ctl adopt RULE"
    yield from _rows("held", [_held(one) for one in found.held])
    yield from _rows("proposal", [_proposal(one, found.at_us) for one in found.proposals])
    if found.commands:
        yield "waiting", f"{found.commands} commands to be carried out"
    yield from _rows("next", _next(found))
    if found.last is not None:
        yield "last", _last(found.last, found.at_us)
    yield from _rows("alert", [_alert(one, found.at_us) for one in found.alerts])


def _rows(word: str, texts: list[str]) -> Iterator[tuple[str, str]]:
    """Write the word once, before the first of some lines."""
    for number, text in enumerate(texts):
        yield ("" if number else word), text


def _daemon(found: Status) -> str:
    if found.running is None:
        return paint("unknown", BAD)
    who = found.leader or {}
    if not found.running:
        if not who:
            return paint("not running", DOUBTFUL) + ": it never ran on this database"
        how = "it ended" if who["released"] else "it did not end by itself: it was last heard of"
        seen = _when(who["beat_at_us"], found.at_us)
        return f"{paint('not running', DOUBTFUL)}: {how} {seen}; start it with: daemon run"
    version = f", version {who['version']}" if who.get("version") else ""
    about = f"{printable(str(who['holder']))}{version}, epoch {who['epoch']}"
    return f"{paint('running', GOOD)} since {_when(who['since_us'], found.at_us)} as {about}"


def _signals(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda one: (one[0] != "ok", one[0]))
    return ", ".join(paint(f"{n} {state}", STYLES.get(state, BAD)) for state, n in ordered)


def _source(one: Mapping[str, Any]) -> str:
    return f"{printable(one['source'])}: last heard {lasting(max(one['age_s'], 0))} ago"


def _open(one: Mapping[str, Any], now_us: int) -> str:
    state = paint(one["state"].replace("_", " "), STYLES.get(one["state"], UNDER_WAY))
    due = ""
    if one["due_us"] is not None:
        left_s = (one["due_us"] - now_us) / MICROS
        due = f", judged in {lasting(left_s)}" if left_s > 0 else ", its window is full"
    what = f"change {one['id']}: {one['rule']} {one['old']:.6g} → {one['new']:.6g}"
    return f"{what}, {state} for {lasting(one['age_s'])}{due}; undo: {one['undo']}"


def _resting(one: Mapping[str, Any], now_us: int) -> str:
    left_s = (one["until_us"] - now_us) / MICROS
    return f"{one['rule']} for {lasting(left_s)} more, until {_short(one['until_us'])}"


def _held(one: Mapping[str, Any]) -> str:
    what = one["rule"] or "everything"
    undo = f"; end it with: {one['undo']}" if one["undo"] else ""
    return f"{paint(what, DOUBTFUL)} {printable(one['words'])}{undo}"


def _proposal(one: Mapping[str, Any], now_us: int) -> str:
    left = ""
    if one["expires_us"] is not None:
        left = f", for {lasting((one['expires_us'] - now_us) / MICROS)} more"
    return f"{one['id']}: {one['moves']} ({one['origin']}){left}; daemon ctl apply {one['id']}"


def _next(found: Status) -> list[str]:
    texts = []
    if found.next_cycle_us is not None:
        texts.append(f"a cycle in {lasting((found.next_cycle_us - found.at_us) / MICROS)}")
    if found.next_look_us is not None and found.next_look_us > found.at_us:
        left_s = (found.next_look_us - found.at_us) / MICROS
        texts.append(f"a step is looked for in {lasting(left_s)}")
    return ["; ".join(texts)] if texts else []


def _last(one: Mapping[str, Any], now_us: int) -> str:
    at_us = max(one["at_us"], one["last_at_us"] or 0)
    text = printable(one["explanation"])
    return f"d{one['seq']}, {lasting((now_us - at_us) / MICROS)} ago: {text}"


def _alert(one: Mapping[str, Any], now_us: int) -> str:
    style = {"crit": GRAVE, "warn": DOUBTFUL}.get(one["severity"], UNDER_WAY)
    age = lasting((now_us - one["at_us"]) / MICROS)
    return f"{paint(one['severity'], style)} {printable(one['text'])} ({age} ago)"


def _when(at_us: int, now_us: int) -> str:
    return f"{_short(at_us)} ({lasting((now_us - at_us) / MICROS)} ago)"


def _short(at_us: int) -> str:
    return f"{iso(at_us)[:19]}Z"
