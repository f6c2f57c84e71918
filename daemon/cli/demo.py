"""``daemon demo``: the real service beside a simulated system, told as it happens."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from daemon.cli.main import run
from daemon.cli.output import printable, say
from daemon.demo.story import Cast, Narrator, Stage, Told, follow, performance
from daemon.errors import DaemonError, Exit

QUICK, CALM = 30.0, 10.0
"""How many times faster time passes, with ``--fast`` and without."""

PATIENCE_S = 150.0
BAD_IDEA = ("ctl", "apply", "batch=45", "--wait", "--reason", "fewer, larger batches")
COLOURS = {"apply": "cyan", "keep": "green", "rollback": "red", "revert": "yellow"}
SEEN = ("kept", "rolled_back")


@click.command(name="demo")
@click.option(
    "--fast",
    is_flag=True,
    help="Time passes 30 times faster, and the demo ends by itself after about a minute.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/demo"),
    show_default=True,
    help="Where the demo keeps its settings and its database.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=8472,
    show_default=True,
    help="Where its daemon answers /livez, /readyz and /metrics on this machine.",
)
def command(fast: bool, folder: Path, port: int) -> None:
    """See the real service govern a system, which is simulated.

    Starts an online shop as a process of its own, simulated and said to be so:
    it reads `controls/rules.yaml` and writes its signals to a file, as a real
    one could. Beside it runs `daemon run`, the very service that you would run.
    Time passes faster; nothing else is different. The demo first lets the
    daemon watch and calibrate, then has it go live, and tells what it does. It
    prints every command that it uses, and ends both processes when it ends.

    Without --fast it goes on until Ctrl-C; use `daemon ctl` beside it meanwhile.

    \b
    Examples:
      daemon demo --fast
      daemon demo --folder /tmp/shop
    """
    stage = Stage(folder, QUICK if fast else CALM, port)
    stage.build()
    stage.refuse_another_database()
    settings = str(stage.settings)
    say(f"The shop is simulated, and time passes {stage.speed:g} times faster. All else is real.")
    _step("Is what the operator wrote sound?", ["config", "lint", "--config", settings])
    _step("Create the database", ["db", "upgrade", "--config", settings])
    with performance(stage) as cast:
        _play(stage, cast, fast=fast)
    _farewell(settings)


def _play(stage: Stage, cast: Cast, *, fast: bool) -> None:
    settings = str(stage.settings)
    here, narrator = ["--config", settings], Narrator(stage)
    _title("Start the shop, which has two hours of signals behind it, and the daemon")
    cast.raise_curtain()
    _shown(["run", "--config", settings])
    cast.enter_daemon(narrator.is_leading)
    _step("How does it stand?", ["ctl", "status", "--config", settings])
    _step("What can it tell from this noise?", ["ctl", "calibrate", "--config", settings])
    _step("What would it do?", ["ctl", "dry-run", "--config", settings])
    _step("Your own step is judged like its own: this one is no good", [*BAD_IDEA, *here])
    _title("Let it act: `dry_run: false` in the policy, and have it read again")
    stage.write_policy(dry_run=False)
    cast.tell_daemon_to_read_again()
    _title("What it does (Ctrl-C ends the demo)")
    try:
        seen = follow(cast, narrator, _tell, until=SEEN, seconds=PATIENCE_S if fast else None)
        if fast and not seen:
            raise DaemonError(
                f"no change was kept and none taken back within {PATIENCE_S:g} s",
                hint="is the machine very busy? daemon ctl get decisions tells what stood against"
                " it",
            )
        outcomes = narrator.outcomes()
        _ask_why(settings, outcomes["kept"], outcomes["rolled_back"])
        if not fast:
            say("")
            follow(cast, narrator, _tell)
    except KeyboardInterrupt:
        say("")


def _ask_why(settings: str, kept: int, taken_back: int) -> None:
    here = ["--config", settings]
    _step("Why was it kept?", ["ctl", "explain", f"c{kept}", *here])
    _step("Why was it taken back?", ["ctl", "explain", f"c{taken_back}", *here])
    _step("What was ever done to the rules?", ["ctl", "history", *here])
    _step("How does it stand now?", ["ctl", "status", *here])


def _farewell(settings: str) -> None:
    say("\nThe shop and its daemon have ended; the record stays. Ask it yourself:")
    for question in (
        "ctl get changes",
        "ctl rollback --to lkg --print",
        "ctl verify",
        "replay",
        "db query effects_by_rule",
    ):
        say(f"  daemon {question} --config {shlex.quote(settings)}")


def _tell(told: Told) -> None:
    change = "" if told.change is None else f" (change {told.change})"
    click.secho(
        f"  {told.at[11:19]}  {told.kind:<9}", fg=COLOURS.get(told.kind), nl=False, err=True
    )
    say(printable(f"{told.sentence}{change}"))


def _title(title: str) -> None:
    sys.stdout.flush()  # where both streams end in one place, in the order they were written
    say("")
    click.secho(f"— {title}", bold=True, err=True)


def _shown(arguments: list[str]) -> None:
    click.secho(f"$ daemon {shlex.join(arguments)}", fg="cyan", err=True)


def _step(title: str, arguments: list[str]) -> None:
    _title(title)
    _shown(arguments)
    code = run(arguments)
    if code not in {Exit.DONE, Exit.ROLLED_BACK}:
        raise DaemonError(
            f"this step of the demo ended with {code}",
            hint="try again with another folder, or ask: daemon doctor",
        )
