"""Every command can be found, explains itself by example, and stands in the reference."""

import click
import pytest

from daemon.cli.main import COMMANDS, cli
from tests.tidy.project import ROOT, preface, section

CLI = ROOT / "docs" / "reference" / "cli.md"


def commands(group: click.Group, path: str, context: click.Context) -> dict[str, click.Command]:
    """Every command below a group, by what a person types."""
    found: dict[str, click.Command] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found[f"{path} {name}"] = command
        if isinstance(command, click.Group):
            found |= commands(command, f"{path} {name}", context)
    return found


@pytest.fixture(scope="module")
def everything():
    return commands(cli, "daemon", click.Context(cli))


def test_the_walk_reaches_every_group(everything):
    assert {f"daemon {name}" for name in COMMANDS} <= set(everything)


def test_every_command_has_a_section_in_the_reference(everything):
    missing = [path for path in everything if not section(CLI, path)]
    assert not missing, f"docs/reference/cli.md has no heading for {', '.join(missing)}"


def words(parameter: click.Parameter) -> list[str]:
    """What the reference has to name: long options, choices, or the word for a value."""
    if isinstance(parameter, click.Option):
        names = [*parameter.opts, *parameter.secondary_opts]
        return [] if parameter.hidden else [name for name in names if name.startswith("--")]
    if isinstance(parameter.type, click.Choice):
        return [str(choice) for choice in parameter.type.choices]
    return [parameter.human_readable_name.removesuffix("S")]


def test_every_option_and_argument_is_in_the_section_of_its_command(everything):
    shared = preface(CLI)
    missing = [
        f"{path} {word}"
        for path, command in everything.items()
        for parameter in command.params
        for word in words(parameter)
        if word not in section(CLI, path) + shared
    ]
    assert not missing, (
        "docs/reference/cli.md, below the heading of the command or before all others,"
        f" does not explain {', '.join(missing)}"
    )


def test_every_command_shows_an_example(everything):
    silent = [
        path
        for path, command in everything.items()
        if not isinstance(command, click.Group) and path not in (command.help or "")
    ]
    assert not silent, (
        "end the docstring with an example that can be pasted, beginning with the command"
        f" itself: {', '.join(silent)}"
    )


def test_every_option_has_a_help_text(everything):
    mute = [
        f"{path} {parameter.opts[0]}"
        for path, command in everything.items()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert not mute, f"no help for {', '.join(mute)}"


def test_a_short_help_is_one_line_that_ends(everything):
    for name, (_, line) in COMMANDS.items():
        assert line.endswith("."), f"the line of `daemon {name}` does not end with a full stop"
    for path, command in everything.items():
        first = (command.help or "").partition("\n")[0]
        assert first.endswith("."), f"the help of `{path}` does not begin with a sentence"
