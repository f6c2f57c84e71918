"""How long ``daemon --help`` keeps a person waiting, against the floor of the interpreter.

    python benchmarks/startup.py [--runs 15] [--json]

The floor is an interpreter that does nothing, and one that imports the library
which parses the command line. The commands take turns, so that whatever else
the machine does hits all of them alike; of each the median is shown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from statistics import median, quantiles

GOAL_S = 0.3
"""What a person does not notice, with room for a slow disk."""

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import click'": [sys.executable, "-c", "import click"],
    "daemon --help": [
        sys.executable,
        "-c",
        "import sys; from self_tuning_daemon import main; sys.argv[1:] = ['--help']; main()",
    ],
}
OURS = "daemon --help"


def measure(runs: int) -> dict[str, list[float]]:
    """Time every command so many times, in turns, after a first round to warm the disk."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def summarise(seconds: dict[str, list[float]]) -> list[dict[str, object]]:
    """One row per command: its median, its spread, and ours as a multiple of it."""
    ours = median(seconds[OURS])
    rows: list[dict[str, object]] = []
    for name, times in seconds.items():
        low, _, high = quantiles(times, n=4)
        rows.append(
            {
                "command": name,
                "median_s": median(times),
                "lower_quartile_s": low,
                "upper_quartile_s": high,
                "daemon_help_ratio": ours / median(times),
            }
        )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how long `daemon --help` takes.")
    parser.add_argument("--runs", type=int, default=15, help="turns to take (default: 15)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    if arguments.runs < 2:
        parser.error("two runs at least: a single one has no spread")
    seconds = measure(arguments.runs)
    met = median(seconds[OURS]) < GOAL_S
    if arguments.json:
        report = {"goal_s": GOAL_S, "met": met, "runs": arguments.runs, "rows": summarise(seconds)}
        print(json.dumps(report, indent=2))
        return
    print(f"{'command':26} {'median':>8} {'quartiles':>17}   daemon --help is")
    for row in summarise(seconds):
        print(
            f"{row['command']:26} {row['median_s']:6.3f} s"
            f" {row['lower_quartile_s']:7.3f}-{row['upper_quartile_s']:.3f} s"
            f"   {row['daemon_help_ratio']:.1f} times that"
        )
    print(f"goal: under {GOAL_S} s, {'met' if met else 'MISSED'} here ({arguments.runs} turns)")


if __name__ == "__main__":
    main()
