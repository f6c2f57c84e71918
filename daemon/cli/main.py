"""The command ``daemon``: finds the command group, runs it, turns errors into words and codes.

Groups are imported when they are used: ``daemon --help`` answers before the
database library would have been loaded.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

import daemon
from daemon.errors import DaemonError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMANDS = {
    "backtest": (
        "daemon.cli.backtest:command",
        "Backtest one set of parameters on a file of quotes.",
    ),
    "config": ("daemon.cli.config:group", "Check, show and describe the configuration."),
    "ctl": ("daemon.cli.ctl:group", "Ask the tuner, and tell it what to do."),
    "db": ("daemon.cli.db:group", "Create, upgrade, check, query and export the database."),
    "demo": (
        "daemon.cli.demo:command",
        "See the whole thing at work on data that it brings along.",
    ),
    "doctor": ("daemon.cli.doctor:command", "Find out what is wrong with this installation."),
    "optimize": (
        "daemon.cli.optimize:command",
        "Search the parameters of a study, and say whether what was found is luck.",
    ),
    "replay": (
        "daemon.cli.replay:command",
        "Run what is on record again, with the same policy or with another one.",
    ),
    "run": ("daemon.cli.run:command", "Run the service: watch, decide, act, record."),
    "session": (
        "daemon.cli.session:group",
        "Sweep the parameter space: plan, run, rank and export sessions.",
    ),
    "study": (
        "daemon.cli.study:group",
        "See what studies found: list, show, rank, cancel and export them.",
    ),
}
"""Name of a command, where it lives, and its line in ``--help``."""


class ReaderLeft(Exception):  # noqa: N818 - a state, not a fault
    """Whoever read our output has closed the pipe, as ``head`` does when it has enough."""


class LazyGroup(click.Group):
    """A group that knows the names and short helps of its commands without importing them."""

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        """Parse the arguments, which may already print the help or the version."""
        with _minding_the_reader():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        with _minding_the_reader():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of the alphabet."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command that was asked for."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, not from the modules."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(daemon.__version__, prog_name=daemon.DISTRIBUTION)
def cli() -> None:
    """Watch a system, move the few parameters you allow, keep what measurably helped.

    \b
    Start here:
      daemon demo                    something to look at in a minute
      daemon config lint             is what I wrote sound?
      daemon db upgrade              create the database or bring it up to date
      daemon run                     the service; Ctrl-C ends it
      daemon db query decision_log   what did it do, and why?
    """


GARBAGE_AFTER = 50_000
"""So many new objects later garbage is looked for. With Python's 700 a start of ours would
spend a fifth of its time on looking through libraries that are there to stay."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the code that the result deserves."""
    gc.set_threshold(GARBAGE_AFTER)
    code = run(arguments)
    gc.freeze()  # what is left goes with the process: nothing in it is looked through again
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        result = cli.main(arguments, prog_name="daemon", standalone_mode=False)
        sys.stdout.flush()
    except (ReaderLeft, BrokenPipeError):
        _silence_stdout()
        return Exit.DONE
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return 130
    except Exception as error:  # noqa: BLE001 - the last line before a traceback in a user's face
        return _explain(error)
    return result if isinstance(result, int) else Exit.DONE


@contextmanager
def _minding_the_reader() -> Iterator[None]:
    """Tell a closed pipe apart before click or rich turn it into a failure."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderLeft from error
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            raise ReaderLeft from end
        raise


def _explain(error: Exception) -> int:
    """Tell a person what went wrong and return the exit code for it."""
    if isinstance(error, click.ClickException):
        error.show()
        return Exit.USAGE if isinstance(error, click.UsageError) else Exit.FAILED
    if isinstance(error, DaemonError):
        _report(error)
        return error.exit_code
    if isinstance(error, OSError):
        hint = "check the path, its permissions and the disk"
        _report(DaemonError(_describe(error), hint=hint))
        return Exit.IO
    hint = "this is a bug in the daemon; DAEMON_DEBUG=1 shows where it happened"
    _report(DaemonError(f"unexpected {type(error).__name__}: {error}", hint=hint))
    return Exit.FAILED


def _report(error: DaemonError) -> None:
    from daemon.log import printable  # noqa: PLC0415 - only failures need it

    click.secho("error: ", fg="red", bold=True, err=True, nl=False)
    click.echo("\n".join(map(printable, error.message.split("\n"))), err=True)
    if error.hint:
        click.echo(f"  hint: {printable(error.hint)}", err=True)
    if os.environ.get("DAEMON_DEBUG"):
        traceback.print_exc()


def _describe(error: OSError) -> str:
    return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")


def _silence_stdout() -> None:
    """Keep the interpreter from complaining when the reader of a pipe has left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
