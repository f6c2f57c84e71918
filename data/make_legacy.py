"""Make the sample files in `data/legacy`: two synthetic hours of a governed system.

    python data/make_legacy.py [DIRECTORY]

Nothing in them was measured. Two rules pull at four signals with a lag and some
noise; twelve changes are made, two of which do harm and are taken back. The
same seed gives the same files.
"""
# ruff: noqa: INP001 - a script, not a package

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from daemon.clock import MICROS, iso, parse_iso

SEED = 20_260_115
START_S = parse_iso("2026-01-15T08:00:00Z") // MICROS
SECONDS = 7_200
GAP = range(4_380, 4_560)
"""Seconds without a sample: the collector was being restarted."""

LAG_S = 20.0
WINDOW_S = 90
SIGNALS = ("phase_diff", "entropy_rate", "creative_band", "risk_band")
LEVELS = np.array([0.062, 0.240, 0.232, 0.318])
NOISE = np.array([0.0040, 0.0050, 0.0045, 0.0060])
AT_START = {"creative_min": 0.22, "risk_max": 0.35}
PULLS = {
    "creative_min": np.array([-0.15, 0.70, 0.85, 0.05]),
    "risk_max": np.array([0.20, 0.10, 0.10, 0.80]),
}
"""How far a signal moves when a rule moves by one: phase, entropy, creative, risk."""


@dataclass(frozen=True)
class Step:
    """One change of a rule, and what was said about it."""

    at_s: int
    actor: str
    rule: str
    old: float
    new: float
    note: str

    @property
    def ts(self) -> str:
        """The moment as text."""
        return when(self.at_s)


def when(at_s: float) -> str:
    """Write a moment of the story."""
    return iso(int((START_S + at_s) * MICROS))[:-8] + "Z"


PLAN = (
    (510, "daemon", "risk_max", 0.33, "risk band is above its target"),
    (1_020, "daemon", "creative_min", 0.24, "creative band is below its target"),
    (1_560, "daemon", "risk_max", 0.31, "risk band is still above its target"),
    (2_130, "daemon", "creative_min", 0.26, "creative band has room"),
    (2_700, "mara", "creative_min", 0.31, "trying a bolder floor for the launch"),
    (3_060, "mara", "creative_min", 0.26, "taken back: entropy ran away"),
    (3_600, "daemon", "risk_max", 0.29, "phase follows risk"),
    (4_140, "daemon", "creative_min", 0.25, "a step back for entropy"),
    (5_010, "daemon", "risk_max", 0.27, "one step further"),
    (5_580, "jonas", "risk_max", 0.36, "more reach for the afternoon"),
    (5_880, "daemon", "risk_max", 0.27, "taken back: risk band rose at once"),
    (6_480, "daemon", "creative_min", 0.26, "creative band has room again"),
)


def steps() -> list[Step]:
    """Say what each change found and what it set."""
    values = dict(AT_START)
    found = []
    for at_s, actor, rule, new, note in PLAN:
        found.append(Step(at_s, actor, rule, values[rule], new, note))
        values[rule] = new
    return found


def signals(plan: list[Step], draw: np.random.Generator) -> np.ndarray:
    """Let the signals follow the rules: a level, a lag, and noise that remembers."""
    targets = np.tile(LEVELS, (SECONDS, 1))
    for step in plan:
        targets[step.at_s :] += PULLS[step.rule] * (step.new - step.old)
    shocks = draw.normal(size=(SECONDS, len(SIGNALS))) * NOISE
    series = np.empty_like(targets)
    level, noise = targets[0], np.zeros(len(SIGNALS))
    for second in range(SECONDS):
        level = level + (targets[second] - level) / LAG_S
        noise = 0.6 * noise + 0.8 * shocks[second]
        series[second] = level + noise
    return np.clip(series, 0.0, 1.0).round(4)


def effect(step: Step, series: np.ndarray) -> dict[str, Any]:
    """Measure a change as people used to: the mean after it less the mean before it."""
    before = series[step.at_s - WINDOW_S : step.at_s].mean(axis=0)
    settled = step.at_s + 3 * int(LAG_S)
    after = series[settled : settled + WINDOW_S].mean(axis=0)
    moved = [f"{value:.5f}" for value in after - before]
    columns = ("d_phase", "d_entropy", "d_creative", "d_risk")
    return {
        "rule_ts": step.ts,
        "actor": step.actor,
        "rule": step.rule,
        "old": step.old,
        "new": step.new,
        "pre_s": WINDOW_S,
        "post_s": WINDOW_S,
        **dict(zip(columns, moved, strict=True)),
    }


def quotes(effects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Have people say what they believe of some changes."""
    said = (
        (0, "mara", 0.8, "Lowering the ceiling calmed the feed within a minute."),
        (1, "jonas", 0.6, "Two points on the floor and the drafts got livelier."),
        (4, "mara", 0.9, "0.31 was too much: entropy climbed and stayed up."),
        (6, "lin", 0.5, "Phase seems to like a lower ceiling; I would not bet on it."),
        (9, "jonas", 0.9, "My mistake: reach is not worth that much risk."),
    )
    names = ("phase", "entropy", "creative", "risk")
    return [
        {
            "ts": when(PLAN[place][0] + 240),
            "by": by,
            "rule": effects[place]["rule"],
            "delta": {name: float(effects[place][f"d_{name}"]) for name in names},
            "confidence": confidence,
            "quote": quote,
        }
        for place, by, confidence, quote in said
    ]


def risks(series: np.ndarray) -> list[dict[str, Any]]:
    """Write down the moments at which somebody should have looked."""
    entries = (
        (300, "info", None, "risk band has been above its target since the start"),
        (2_790, "warn", "creative_min", "entropy rate is climbing fast"),
        (2_960, "crit", "creative_min", "entropy rate is above its guard: take the change back"),
        (4_379, "warn", None, "the collector is about to be restarted"),
        (5_670, "crit", "risk_max", "risk band is rising by the second"),
        (6_060, "info", "risk_max", "risk band is back where it was"),
    )
    return [
        {
            "ts": when(at_s),
            "severity": severity,
            **({"rule": rule} if rule else {}),
            "signal": dict(zip(SIGNALS, map(float, series[at_s]), strict=True)),
            "note": note,
        }
        for at_s, severity, rule, note in entries
    ]


def decisions(plan: list[Step]) -> list[dict[str, Any]]:
    """Tell what each cycle came to: changes, what became of them, and waiting in between."""
    told = [
        _decision(step.at_s, "apply", step, "off_target", f"{step.note.capitalize()}.")
        for step in plan
    ]
    for step in plan:
        back = step.note.startswith("taken back")
        kind, reason = ("rollback", "guard") if back else ("keep", "no_harm")
        told.append(_decision(step.at_s + 200, kind, step, reason, _verdict(step, back=back)))
    told += [
        {
            "ts": when(at_s),
            "dry_run": False,
            "action": "hold",
            "reason": "cooldown",
            "explanation": "Nothing was moved: the last change is too recent to be judged.",
        }
        for at_s in range(600, SECONDS, 1_500)
    ]
    return sorted(told, key=lambda entry: str(entry["ts"]))


def _decision(at_s: int, action: str, step: Step, reason: str, told: str) -> dict[str, Any]:
    return {
        "ts": when(at_s),
        "dry_run": False,
        "action": action,
        "rule": step.rule,
        "old": step.old,
        "new": step.new,
        "reason": reason,
        "explanation": told,
    }


def _verdict(step: Step, *, back: bool) -> str:
    ending = "is in force again" if back else "did no harm and stays"
    return f"{step.rule} at {step.new} {ending}."


def write_jsonl(path: Path, entries: list[dict[str, Any]]) -> None:
    """Write one object a line."""
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")


def write_csv(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    """Write a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main(directory: Path) -> None:
    """Write the six files."""
    plan = steps()
    series = signals(plan, np.random.default_rng(SEED))
    effects = [effect(step, series) for step in plan]
    history = [
        {
            "ts": step.ts,
            "actor": step.actor,
            "rule": step.rule,
            "old": step.old,
            "new": step.new,
            "note": step.note,
        }
        for step in plan
    ]
    samples = [
        [START_S + second, *series[second]] for second in range(SECONDS) if second not in GAP
    ]
    directory.mkdir(parents=True, exist_ok=True)
    write_jsonl(directory / "rules_history.jsonl", history)
    write_csv(
        directory / "rules_effects.csv",
        list(effects[0]),
        [list(row.values()) for row in effects],
    )
    write_jsonl(directory / "quotes_bank.jsonl", quotes(effects))
    write_jsonl(directory / "risk_ledger.jsonl", risks(series))
    write_jsonl(directory / "tuning_decisions.jsonl", decisions(plan))
    write_csv(directory / "metrics.csv", ["ts", *SIGNALS], samples)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "legacy")
