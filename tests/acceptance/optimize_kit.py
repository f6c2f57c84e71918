"""A study as a user has it, written into a folder, and a process that runs it."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from tests.session_kit import write_quotes

STUDY = """\
data_file: quotes.csv
fixed:
  taker_fee_a_bps: 5
  taker_fee_b_bps: 5
  slippage_bps: 3
  max_position_usd: 1000
  exit_model: quoted
space:
  min_spread_bps: { type: float, low: 2, high: 60, step: 2 }
  max_open_trades: { type: int, low: 1, high: 4 }
sampler: random
budget: { trials: 24 }
batch: 8
reality_check: { resamples: 100 }
walk_forward: { folds: 2, test_share: 0.2 }
"""


def write_study(folder, text=STUDY, name="small.yaml", **changed):
    """Write a study into a folder, some lines of it changed; gives its path."""
    path = folder / name
    kept = [line for line in text.splitlines() if line.partition(":")[0] not in changed]
    added = [f"{key}: {value}" for key, value in changed.items() if value is not None]
    path.write_text("\n".join([*kept, *added]) + "\n")
    return path


def furnish(folder, **changed):
    """Write quotes and a study."""
    write_quotes(folder, rows=900)
    return write_study(folder, **changed)


def started(folder, *words):
    """Start the command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "daemon", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(terminal, trials, within_s=40.0):
    """Wait until a study has so many trials; gives its row."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if terminal.type("study", "list", "-o", "json") == 0:
            rows = json.loads(terminal.out)["rows"]
            if rows and rows[0]["trials"] >= trials:
                return rows[0]
        time.sleep(0.05)
    raise AssertionError("no study has come so far")
