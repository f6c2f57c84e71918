"""``daemon ctl dry-run`` and ``apply``: what would be done, and having it done."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon import app
from daemon.cli import moments
from daemon.cli.ctl_answer import ask, reason_option
from daemon.cli.output import (
    Rows,
    config_option,
    paint,
    printable,
    say,
    show,
    show_document,
    type_option,
)
from daemon.cli.progress import counting
from daemon.errors import Exit

if TYPE_CHECKING:
    from daemon.app import Answer, App, Plan, Verdict

EFFECTS = ("signal", "before", "delta", "ci_low", "ci_high")
GUARDS = ("guard", "outcome", "detail")
OTHERS = ("step", "gain", "spread", "risk", "why")
MARGIN_S = 60.0
"""A verdict may come so much later than the windows say: cycles, and samples that came late."""


# ── dry-run ──────────────────────────────────────────────────────────────────
@click.command("dry-run")
@click.argument("values", metavar="RULE=VALUE", nargs=-1)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the plan into a file that `apply --plan` takes.",
)
@click.option(
    "--detailed-exitcode", is_flag=True, help="End with 2 if something is proposed, with 0 if not."
)
@reason_option
@config_option
@type_option
def dry_run(
    values: tuple[str, ...],
    out: Path | None,
    detailed_exitcode: bool,
    reason: str | None,
    config: str | None,
    output: str,
) -> int:
    """Show what the loop would do now, or what some values would do; touch nothing.

    With what it should bring and how unsure that is, and every guard that lets
    it pass, stops it, or would keep the loop from it. What could be done is
    stored as a proposal, for an hour.

    \b
    Examples:
      daemon ctl dry-run
      daemon ctl dry-run workers=9 batch=45
      daemon ctl dry-run --out plan.json --detailed-exitcode
    """
    wanted = assignments(values)
    built = app.build(config)
    with built.planner() as planner:
        plan = planner.plan(wanted)
        if not plan.hopeless:
            plan = planner.propose(plan, app.actor(), reason)
        if out is not None and plan.moves:
            planner.write(out, plan, app.actor())
    _show(plan, output, built.clock.now_us())
    if out is not None:
        say(f"the plan is in {out}" if plan.moves else f"nothing to plan: {out} was not written")
    pending = plan.proposal is not None
    return Exit.INPUT if detailed_exitcode and pending else Exit.DONE


def assignments(words: tuple[str, ...]) -> dict[str, float]:
    """Read RULE=VALUE."""
    wanted: dict[str, float] = {}
    for word in words:
        rule, sign, text = word.partition("=")
        if not sign or not rule:
            raise click.UsageError(f"{word!r} is not RULE=VALUE: for example workers=9")
        if rule in wanted:
            raise click.UsageError(f"{rule} is given twice")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise click.UsageError(f"{text!r} is no value of {rule}: for example {rule}=0.5")
        wanted[rule] = value
    return wanted


def _show(plan: Plan, output: str, now_us: int) -> None:
    effects = Rows("daemon.ctl.plan.effects/1", EFFECTS, plan.effect_rows())
    guards = [(one.guard, one.outcome, one.detail) for one in plan.checks]
    if output == "csv":
        show(Rows("daemon.ctl.plan.guards/1", GUARDS, guards), output)
        return
    if output != "table":
        show_document("daemon.ctl.plan/1", plan.document(), output)
        return
    click.echo(printable(plan.said))
    if effects.rows:
        click.echo(f"\n{paint('what it should do', 'bold')}")
        show(effects, output)
    if guards:
        click.echo(f"\n{paint('guards', 'bold')}")
        columns = ("guard", "state", "detail")
        show(Rows("daemon.ctl.plan.guards/1", columns, guards, now_us=now_us), output)
    others = plan.other_rows()
    if others:
        click.echo(f"\n{paint('passed over', 'bold')}")
        show(Rows("daemon.ctl.plan.others/1", OTHERS, others), output)
    if plan.proposal is not None:
        click.echo(f"\nproposal {plan.proposal}; to do it: daemon ctl apply {plan.proposal}")


# ── apply ────────────────────────────────────────────────────────────────────
class Waiting(click.Command):
    """A command whose ``--wait`` may carry how long: ``--wait=5m``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take ``--wait=5m`` for ``--wait --timeout 5m``."""
        spread = []
        for word in args:
            option, sign, span = word.partition("=")
            spread += ["--wait", "--timeout", span] if sign and option == "--wait" else [word]
        return super().parse_args(ctx, spread)


@click.command("apply", cls=Waiting)
@click.argument("what", metavar="PROPOSAL|RULE=VALUE", nargs=-1)
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Do what a file of `dry-run --out` says, if nothing it rests on has changed.",
)
@click.option(
    "--keep", is_flag=True, help="Set it at your own word: unjudged, and further than one step."
)
@reason_option
@click.option(
    "--wait",
    is_flag=True,
    help="Follow the change to its verdict; --wait=DURATION says how long at most.",
)
@click.option(
    "--timeout",
    type=moments.Span(),
    metavar="DURATION",
    help="How long the answer is waited for  [default: 30s], with --wait the verdict"
    "  [default: as long as the policy's windows take]",
)
@config_option
@type_option
def apply(
    *,
    what: tuple[str, ...],
    plan_file: Path | None,
    keep: bool,
    reason: str | None,
    wait: bool,
    timeout: float | None,
    config: str | None,
    output: str,
) -> int:
    """Do what was proposed, set values, or without an argument do what the loop would do now.

    It is watched as any change of the loop, and taken back unless it helps. The
    policy's dry run does not stop it: it is your word. What rests on values
    that are not so any more is refused as stale, with 8. With --wait it ends
    with 0 if the change is kept, with 6 if it was worse and was taken back, with
    7 if it was taken back undecided or is still open.

    \b
    Examples:
      daemon ctl apply 12
      daemon ctl apply workers=9 --reason "queue is growing" --wait
      daemon ctl apply --plan plan.json
      daemon ctl apply workers=4 --keep --reason "maintenance"
    """
    if plan_file is not None and what:
        raise click.UsageError("say --plan FILE, or what to apply, not both")
    built = app.build(config)
    if plan_file is not None:
        with built.planner() as planner:
            args = planner.read(plan_file)
    elif not what:
        found = _planned_now(built, reason)
        if isinstance(found, int):
            return found
        args = found
    elif len(what) == 1 and what[0].lower().removeprefix("p").isdecimal():
        args = {"proposal": int(what[0].lower().removeprefix("p"))}
    else:
        args = _direct(built, what)
    patience_s = None if wait else timeout
    args = {**args, "keep": keep}
    answer = ask(built, output, "apply", args, reason=reason, timeout=patience_s)
    if not wait or keep or answer.exit_code != Exit.DONE or not answer.changes:
        return answer.exit_code
    return _follow(built, answer, timeout)


def _direct(built: App, what: tuple[str, ...]) -> dict[str, Any]:
    """Set values from those that are in force now: whoever moves one meanwhile makes this stale."""
    wanted = assignments(what)
    with built.inquiry() as inquiry:
        return {"moves": wanted, "base": inquiry.values(sorted(wanted))}


def _planned_now(built: App, reason: str | None) -> dict[str, Any] | int:
    """Plan what the loop would do now; an exit code where that is nothing."""
    with built.planner() as planner:
        plan = planner.plan()
        if plan.moves:
            plan = planner.propose(plan, app.actor(), reason)
    say(printable(plan.said))
    if plan.proposal is not None:
        return {"proposal": plan.proposal}
    return Exit.REFUSED if plan.barred else Exit.DONE


def _follow(built: App, answer: Answer, timeout: float | None) -> int:
    """Wait for the verdict on what was applied, and say it."""
    policy = built.policy().policy
    longest_s = policy.settle_s + 2 * policy.observe_window_s + MARGIN_S
    patience_s = longest_s if timeout is None else timeout
    named = ", ".join(f"change {one}" for one in answer.changes)
    say(f"watching {named} until it is judged, at most {moments.lasting(patience_s)}")
    seen = 0.0
    with (
        counting("observing", "s", round(patience_s)) as advance,
        built.requests(tell=say) as requests,
    ):

        def tell(waited_s: float) -> None:
            nonlocal seen
            advance(round(waited_s) - round(seen))
            seen = waited_s

        found = requests.follow(answer.changes, patience_s, tell)
    _conclude(found, named, answer)
    return int(found.exit_code)


def _conclude(found: Verdict, named: str, answer: Answer) -> None:
    said = f" {printable(found.said)}" if found.said else ""
    states = ", ".join(state.replace("_", " ") for state in found.states)
    if not found.settled:
        say(
            f"{named} is {states} and not judged yet; undo: daemon ctl rollback {answer.changes[0]}"
        )
        return
    say(f"{named} is {states}.{said}")
    say(f"why: daemon ctl explain c{answer.changes[0]}")


COMMANDS = (dry_run, apply)
