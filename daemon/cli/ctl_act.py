"""``daemon ctl rollback``, ``kill``, and what else a person says of what is and was done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from daemon import app
from daemon.cli import moments
from daemon.cli.ctl_answer import Number, ask, have_done, reason_option, timeout_option
from daemon.cli.output import Rows, config_option, show, type_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.app import App

LKG = "lkg"
ONE_OF = "CHANGE, --rule, --last, --all or --to lkg"


def _shared(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options that all of them have."""
    for option in (type_option, config_option, timeout_option, reason_option):
        command = option(command)
    return command


# ── rollback ─────────────────────────────────────────────────────────────────
@click.command("rollback")
@click.argument("change", type=Number("c"), required=False)
@click.option("--rule", help="Take back the newest change of a rule that is in force.")
@click.option(
    "--to",
    "target",
    metavar="VALUE|REV|lkg",
    help="With --rule: set it to a value, or to a revision of `history` such as r12."
    " lkg alone: every rule to its last known good value.",
)
@click.option("--last", is_flag=True, help="Take back the newest change that is in force.")
@click.option("--all", "everything", is_flag=True, help="Take back every change that is open.")
@click.option("--print", "only_print", is_flag=True, help="Only show what it would set.")
@_shared
def rollback(
    *,
    change: int | None,
    rule: str | None,
    target: str | None,
    last: bool,
    everything: bool,
    only_print: bool,
    reason: str | None,
    timeout: float | None,
    config: str | None,
    output: str,
) -> int:
    """Take back a change, or set a rule to what it was: at once, read back, never refused.

    No freeze, pause, kill switch, cooldown or dry run stands in its way. Where
    nothing is in force to be taken back it says so and ends with 0; where what
    was set cannot be read back it ends with 9.

    \b
    Examples:
      daemon ctl rollback 45 --reason "errors rose after lunch"
      daemon ctl rollback --last
      daemon ctl rollback --rule workers --to r12
      daemon ctl rollback --to lkg --print
    """
    args = _rollback_args(change, rule, target, last=last, everything=everything)
    built = app.build(config)
    if only_print:
        _print(built, args, output)
        return 0
    if rule is not None:
        with built.inquiry() as inquiry:
            inquiry.values([rule])
    return ask(built, output, "rollback", args, reason=reason, timeout=timeout).exit_code


def _rollback_args(
    change: int | None, rule: str | None, target: str | None, *, last: bool, everything: bool
) -> dict[str, Any]:
    """Say which of its forms was typed."""
    lkg = rule is None and target == LKG
    if target is not None and rule is None and not lkg:
        raise click.UsageError("--to VALUE needs --rule; `--to lkg` stands alone")
    chosen = sum((change is not None, rule is not None, last, everything, lkg))
    if chosen != 1:
        raise click.UsageError(f"say what to take back, and only one: {ONE_OF}")
    if change is not None:
        return {"change": change}
    if rule is not None:
        return {"rule": rule, **_target(target)}
    return {LKG: True} if lkg else ({"last": True} if last else {"all": True})


def _target(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if text[:1] in {"r", "R"} and text[1:].isdecimal():
        return {"rev": int(text[1:])}
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise click.BadParameter(f"{text!r} is neither a value nor a revision such as r12")
    return {"to": value}


def _print(built: App, args: dict[str, Any], output: str) -> None:
    with built.inquiry() as inquiry:
        found, besides = inquiry.rollback(args)
    columns = ("rule", "now", "back_to", "change", "state")
    rows = [(one.rule, one.now, one.back_to, one.change_id, one.state) for one in found]
    note = "nothing was touched" if rows else besides
    show(Rows("daemon.ctl.rollback/1", columns, rows, note), output)


# ── proposals and open changes ───────────────────────────────────────────────
@click.command("approve")
@click.argument("proposal", type=Number("p"))
@_shared
def approve(
    proposal: int, reason: str | None, timeout: float | None, config: str | None, output: str
) -> int:
    """Say yes to a proposal: it is applied, watched, and taken back unless it helps.

    \b
    Example:
      daemon ctl approve 12 --reason "seen with the night shift"
    """
    args = {"proposal": proposal}
    return have_done(config, output, "approve", args, reason=reason, timeout=timeout)


@click.command("reject")
@click.argument("proposal", type=Number("p"))
@_shared
def reject(
    proposal: int, reason: str | None, timeout: float | None, config: str | None, output: str
) -> int:
    """Say no to a proposal; it is never applied.

    \b
    Example:
      daemon ctl reject 12 --reason "not during the sale"
    """
    args = {"proposal": proposal}
    return have_done(config, output, "reject", args, reason=reason, timeout=timeout)


@click.command("confirm")
@click.argument("change", type=Number("c"))
@_shared
def confirm(
    change: int, reason: str | None, timeout: float | None, config: str | None, output: str
) -> int:
    """Keep an open change at your word, whatever the evidence says.

    \b
    Example:
      daemon ctl confirm 45 --reason "the customers are happier"
    """
    args = {"change": change}
    return have_done(config, output, "confirm", args, reason=reason, timeout=timeout)


@click.command("extend")
@click.argument("change", type=Number("c"))
@click.option(
    "--for",
    "span",
    type=moments.Span(),
    metavar="DURATION",
    help="How much longer it is watched  [default: observe_window_s of the policy]",
)
@_shared
def extend(
    change: int,
    span: float | None,
    reason: str | None,
    timeout: float | None,
    config: str | None,
    output: str,
) -> int:
    """Watch an open change for longer before it is judged.

    A guard that breaks and a clear loss still end it.

    \b
    Example:
      daemon ctl extend 45 --for 10m
    """
    built = app.build(config)
    seconds = built.policy().policy.observe_window_s if span is None else span
    args = {"change": change, "seconds": seconds}
    return ask(built, output, "extend", args, reason=reason, timeout=timeout).exit_code


# ── pause, kill, adopt ───────────────────────────────────────────────────────
@click.command("pause")
@click.argument("rule", required=False)
@_shared
def pause(
    rule: str | None, reason: str | None, timeout: float | None, config: str | None, output: str
) -> int:
    """Begin no new changes, of one rule or of all, until `resume`.

    What is open is watched to its end. It survives a restart.

    \b
    Examples:
      daemon ctl pause --reason "release day"
      daemon ctl pause workers
    """
    return _about_rule("pause", rule, reason, timeout, config, output)


@click.command("resume")
@click.argument("rule", required=False)
@_shared
def resume(
    rule: str | None, reason: str | None, timeout: float | None, config: str | None, output: str
) -> int:
    """End a pause, of one rule or the pause of all.

    \b
    Example:
      daemon ctl resume workers
    """
    return _about_rule("resume", rule, reason, timeout, config, output)


@click.command("adopt")
@click.argument("rule")
@_shared
def adopt(
    rule: str, reason: str | None, timeout: float | None, config: str | None, output: str
) -> int:
    """Hand a rule that a person set back to the loop, from the value it has now.

    \b
    Example:
      daemon ctl adopt workers
    """
    return _about_rule("adopt", rule, reason, timeout, config, output)


def _about_rule(
    kind: str,
    rule: str | None,
    reason: str | None,
    timeout: float | None,
    config: str | None,
    output: str,
) -> int:
    built = app.build(config)
    if rule is not None:
        with built.inquiry() as inquiry:
            inquiry.values([rule])
    args = {} if rule is None else {"rule": rule}
    return ask(built, output, kind, args, reason=reason, timeout=timeout).exit_code


@click.command("kill")
@click.option("--leave", is_flag=True, help="Leave open changes as they are, and keep them.")
@_shared
def kill(
    leave: bool, reason: str | None, timeout: float | None, config: str | None, output: str
) -> int:
    """Take back what is open, and change nothing more until `unkill`.

    It survives restarts, and it works whether the daemon runs or not.

    \b
    Examples:
      daemon ctl kill --reason "incident 4711"
      daemon ctl kill --leave
    """
    return have_done(config, output, "kill", {"leave": leave}, reason=reason, timeout=timeout)


@click.command("unkill")
@_shared
def unkill(reason: str | None, timeout: float | None, config: str | None, output: str) -> int:
    """Let the loop change things again after `kill`.

    \b
    Example:
      daemon ctl unkill --reason "incident 4711 is over"
    """
    return have_done(config, output, "unkill", {}, reason=reason, timeout=timeout)


COMMANDS = (rollback, approve, reject, confirm, extend, pause, resume, adopt, kill, unkill)
