"""How long our commands keep a person or a machine waiting before they do anything.

    python benchmarks/startup.py [--runs 15] [--json]

``daemon --help`` is held against the floor of the interpreter: one that does
nothing, and one that imports the library which parses the command line. ``daemon
ctl status`` asks a database on which a daemon has run, and ``daemon run`` is
timed until it says that it leads, as it tells a service manager; there is nothing
to recover.

The commands take turns, so that whatever else the machine does hits all of them
alike. Of each the median is shown: by the clock, and of processor time, which is
what remains comparable on a machine that has other work.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READY_WITHIN_S = 60.0
TICKS = os.sysconf("SC_CLK_TCK")

_ENTRY = "import sys; from self_tuning_daemon import main; sys.argv[1:] = {!r}; main()"


@dataclass(frozen=True)
class Taken:
    """What a start took."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Goal:
    """What a command may take, of one of both."""

    wall_s: float | None = None
    cpu_s: float | None = None

    def met(self, taken: list[Taken]) -> bool:
        """Hold the medians against it."""
        wall, cpu = median(one.wall_s for one in taken), median(one.cpu_s for one in taken)
        return (self.wall_s is None or wall < self.wall_s) and (
            self.cpu_s is None or cpu < self.cpu_s
        )

    def __str__(self) -> str:
        if self.wall_s is not None:
            return f"< {self.wall_s} s"
        return "" if self.cpu_s is None else f"< {self.cpu_s} s CPU"


def daemon(*arguments: str) -> list[str]:
    """Write the command line that the installed command would be."""
    return [sys.executable, "-c", _ENTRY.format(list(arguments))]


# ── what is measured ─────────────────────────────────────────────────────────
def to_the_end(command: list[str], folder: Path) -> Taken:
    """Run a command; its exit code may be that of a daemon that does not run."""
    begun, before = time.perf_counter(), os.times()
    done = subprocess.run(command, cwd=folder, check=False, stdout=subprocess.DEVNULL)
    wall_s, after = time.perf_counter() - begun, os.times()
    if done.returncode not in {0, 3}:
        raise SystemExit(f"{command[3:]} ended with {done.returncode}")
    cpu = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    return Taken(wall_s, cpu)


def to_ready(command: list[str], folder: Path) -> Taken:
    """Run the service until it tells its manager that it is ready, and end it."""
    with _manager(folder) as (address, told):
        environ = {**os.environ, "NOTIFY_SOCKET": address}
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.DEVNULL)
        try:
            while b"READY=1" not in told():
                pass
            taken = Taken(time.perf_counter() - begun, _cpu_s(process.pid))
        finally:
            process.terminate()
            process.wait(READY_WITHIN_S)
    return taken


@contextmanager
def _manager(folder: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Listen as a service manager does."""
    path = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.settimeout(READY_WITHIN_S)
        try:
            yield str(path), lambda: listening.recv(4096)
        finally:
            path.unlink()


def _cpu_s(pid: int) -> float:
    """Read what a running process has used of the processors (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    command: list[str]
    take: Callable[[list[str], Path], Taken] = to_the_end
    goal: Goal = Goal()


CASES = (
    Case("python -c pass", [sys.executable, "-c", "pass"]),
    Case("python -c 'import click'", [sys.executable, "-c", "import click"]),
    Case("daemon --help", daemon("--help"), goal=Goal(wall_s=0.3)),
    Case("daemon ctl status", daemon("ctl", "status"), goal=Goal(cpu_s=0.5)),
    Case("daemon run --once to READY", daemon("run", "--once"), to_ready),
    Case("daemon run to READY", daemon("run"), to_ready, Goal(wall_s=2.0)),
)


def furnish(folder: Path) -> None:
    """Lay out a configuration and a database on which a daemon has run once."""
    for command in (
        daemon("config", "init", "configs"),
        daemon("db", "upgrade"),
        daemon("run", "--once"),
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)


def measure(runs: int, folder: Path) -> dict[str, list[Taken]]:
    """Take every command so many times, in turns, after a first round to warm the disk."""
    taken: dict[str, list[Taken]] = {case.name: [] for case in CASES}
    for turn in range(runs + 1):
        for case in CASES:
            one = case.take(case.command, folder)
            if turn:
                taken[case.name].append(one)
    return taken


# ── what is shown ────────────────────────────────────────────────────────────
def summarise(taken: dict[str, list[Taken]]) -> list[dict[str, object]]:
    """One row per command: medians, the spread, and what it should be."""
    rows: list[dict[str, object]] = []
    for case in CASES:
        walls = [one.wall_s for one in taken[case.name]]
        low, _, high = quantiles(walls, n=4)
        rows.append(
            {
                "command": case.name,
                "median_s": median(walls),
                "lower_quartile_s": low,
                "upper_quartile_s": high,
                "worst_s": max(walls),
                "median_cpu_s": median(one.cpu_s for one in taken[case.name]),
                "goal": str(case.goal),
                "met": case.goal.met(taken[case.name]),
            }
        )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how long our commands take to start.")
    parser.add_argument("--runs", type=int, default=15, help="turns to take (default: 15)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    if arguments.runs < 2:
        parser.error("two runs at least: a single one has no spread")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DAEMON_HTTP_PORT"] = str(_free_port())
        furnish(Path(folder))
        rows = summarise(measure(arguments.runs, Path(folder)))
    if arguments.json:
        print(json.dumps({"runs": arguments.runs, "rows": rows}, indent=2))
        return
    print(f"{'command':28} {'median':>8} {'quartiles':>15} {'worst':>8} {'CPU':>8}   goal")
    for row in rows:
        goal = f"{row['goal']}, {'met' if row['met'] else 'MISSED'}" if row["goal"] else ""
        print(
            f"{row['command']:28} {row['median_s']:6.3f} s"
            f" {row['lower_quartile_s']:7.3f}-{row['upper_quartile_s']:.3f} s"
            f" {row['worst_s']:6.3f} s {row['median_cpu_s']:6.3f} s   {goal}"
        )
    print(f"{arguments.runs} turns")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    main()
