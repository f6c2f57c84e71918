import errno
import os
import runpy
import subprocess
import sys

import click
import pytest
from rich.console import Console

import daemon
from daemon.cli import main as main_module
from daemon.cli.main import COMMANDS, cli, main, run
from daemon.errors import ConfigError, DaemonError, Exit, InputError, Problem, StoreUnavailable

FAILURES = {
    "sentence": DaemonError("it did not work", hint="try the other one"),
    "config": ConfigError([Problem("must be positive", file="x.yaml", line=3, key="lr")]),
    "input": InputError("no such file: a.csv"),
    "store": StoreUnavailable("the database is locked"),
    "hostile": InputError("a.csv:\n  column \x1b]0;\x07 is unknown", hint="look\x1b[2J"),
    "disk": OSError(errno.ENOSPC, "No space left on device", "outputs/history.db"),
    "nameless": OSError("the disk went away"),
    "bug": ZeroDivisionError("division by zero"),
    "click": click.ClickException("click is unhappy"),
    "usage": click.BadParameter("must be positive"),
    "interrupt": KeyboardInterrupt(),
    "gone": BrokenPipeError(errno.EPIPE, "Broken pipe"),
}


@click.command()
@click.argument("what")
def stumble(what: str) -> object:
    """Fail in the way that was asked for, or return what was asked for."""
    if what in FAILURES:
        raise FAILURES[what]
    if what == "rich":
        try:
            os.write(_closed_pipe(), b"x")
        except BrokenPipeError:
            Console().on_broken_pipe()
    if what == "leave":
        sys.exit(5)
    return {"code": Exit.REFUSED, "nothing": None, "text": "not a code"}[what]


def _closed_pipe() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


not_a_command = "a string"


@pytest.fixture(autouse=True)
def _with_a_command_that_stumbles(monkeypatch):
    monkeypatch.setitem(COMMANDS, "stumble", (f"{__name__}:stumble", "Fail on request."))
    monkeypatch.setitem(COMMANDS, "broken", (f"{__name__}:not_a_command", "Not a command."))
    monkeypatch.delenv("DAEMON_DEBUG", raising=False)


@pytest.mark.parametrize(
    ("what", "code", "words"),
    [
        ("sentence", 1, ["error: it did not work", "  hint: try the other one"]),
        ("config", 78, ["1 problem in the configuration", "x.yaml:3: lr: must be positive"]),
        ("input", 2, ["no such file: a.csv"]),
        ("store", 74, ["the database is locked"]),
        ("hostile", 2, ["a.csv:\n  column \\x1b]0;\\x07 is unknown", "hint: look\\x1b[2J"]),
        ("disk", 74, ["No space left on device: outputs/history.db", "hint: check the path"]),
        ("nameless", 74, ["the disk went away"]),
        ("bug", 1, ["unexpected ZeroDivisionError: division by zero", "DAEMON_DEBUG=1"]),
        ("click", 1, ["click is unhappy"]),
        ("usage", 64, ["must be positive"]),
        ("interrupt", 130, ["interrupted"]),
    ],
)
def test_a_failure_is_told_in_words_and_in_a_code(capsys, what, code, words):
    assert run(["stumble", what]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    for word in words:
        assert word in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize("what", ["bug", "sentence", "disk"])
def test_the_traceback_is_there_for_who_asks(capsys, monkeypatch, what):
    monkeypatch.setenv("DAEMON_DEBUG", "1")
    run(["stumble", what])
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "in stumble" in shown


@pytest.mark.parametrize(
    ("what", "code"), [("code", Exit.REFUSED), ("nothing", Exit.DONE), ("text", Exit.DONE)]
)
def test_a_command_may_return_its_code(what, code):
    assert run(["stumble", what]) == code


def test_a_command_may_leave_by_itself():
    with pytest.raises(SystemExit) as end:
        run(["stumble", "leave"])
    assert end.value.code == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["--nonsense"], "No such option"),
        (["stumble"], "Missing argument"),
        ([], "Commands:"),
    ],
)
def test_wrong_usage_has_a_code_of_its_own(capsys, arguments, words):
    assert run(arguments) == 64
    shown = capsys.readouterr()
    assert words in shown.err
    assert shown.out == ""


def test_a_table_entry_that_is_no_command_is_a_bug_and_says_which(capsys):
    assert run(["broken"]) == 1
    assert f"{__name__}:not_a_command is not a command" in capsys.readouterr().err


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"self-tuning-daemon, version {daemon.__version__}\n"


def test_help_lists_every_command_with_its_line(capsys):
    assert run(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name, (_, line) in COMMANDS.items():
        assert f"{name} {line}" in shown
    assert cli.list_commands(click.Context(cli)) == sorted(COMMANDS)


def test_main_exits_with_the_code():
    with pytest.raises(SystemExit) as end:
        main(["stumble", "code"])
    assert end.value.code == Exit.REFUSED


# ── a reader that leaves ─────────────────────────────────────────────────────
@pytest.mark.parametrize("what", ["gone", "rich"])
def test_a_reader_that_leaves_is_no_failure(capsys, monkeypatch, tmp_path, what):
    with (tmp_path / "pipe").open("w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert run(["stumble", what]) == 0
        pipe.write("said to nobody")
    assert (tmp_path / "pipe").read_text() == ""
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_nothing_is_said_when_the_pipe_is_closed(arguments):
    writer = _closed_pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "daemon", *arguments],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_help_answers_before_any_slow_library_is_loaded():
    code = (
        "import sys; from daemon.cli.main import run; run(['--help']); "
        "print(sorted({'sqlalchemy', 'alembic', 'pydantic', 'numpy', 'rich', 'yaml'}"
        " & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stderr.strip() == b"[]"


def test_the_module_is_what_the_console_entry_runs():
    assert main_module.main is main


def test_the_package_runs_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["daemon", "--version"])
    with pytest.raises(SystemExit) as left:
        runpy.run_module("daemon", run_name="__main__")
    assert left.value.code == 0
    assert daemon.__version__ in capsys.readouterr().out
