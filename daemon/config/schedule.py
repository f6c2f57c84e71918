"""``schedule`` in ``configs/daemon.yaml``: commands of ours that run by the calendar."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from daemon.config.cron import Cron, CronText, Window, WindowText
from daemon.config.names import GivenName
from daemon.config.problems import Finding, refuse
from daemon.config.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENDLESS = frozenset({"run", "demo"})
"""Commands that never end, and would only find that this daemon leads."""

_SHELL = frozenset({"|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "2>&1"})
_EXAMPLE = "write what stands after `daemon`: session run configs/sessions/night.yaml"


def _command(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError:
        raise refuse("has a quote that is not closed", _EXAMPLE) from None
    if not words or not text.isprintable():
        raise refuse("is no command", _EXAMPLE)
    if words[0] == "daemon":
        raise refuse("begins with `daemon`, which goes without saying", _EXAMPLE)
    if words[0] in ENDLESS:
        raise refuse(f"would start `daemon {words[0]}` inside the daemon", _EXAMPLE)
    if not _SHELL.isdisjoint(words):
        raise refuse("is written for a shell, and none reads it", _EXAMPLE)
    return text


class Scheduled(Section):
    """A command of ours that runs by the calendar."""

    cron: CronText = Field(
        description="When it is due, in UTC: minute, hour, day of the month, month, day of the"
        " week. What was missed while the daemon was off is made up for once."
    )
    run: Annotated[str, AfterValidator(_command)] = Field(
        description="The command, without `daemon` before it. It runs as a process of its own at"
        " low priority, and its output goes to the log; no shell reads it."
    )
    window: WindowText | None = Field(
        default=None,
        description="The hours in UTC in which it may run. Before them it waits, at their end it"
        " is stopped, and what could not begin is left out; without them it may run at any time.",
    )
    priority: int = Field(
        default=10,
        ge=0,
        le=100,
        description="Which goes first where several wait: one at a time runs. Higher goes before"
        " lower; what runs already is not interrupted.",
    )
    timeout_s: float = Field(
        default=21_600.0,
        gt=0,
        le=7 * 86_400,
        description="Seconds after which it is stopped: asked to end, and killed 10 s later."
        " Longer lets it finish, shorter lets the next one begin.",
    )
    enabled: bool = Field(
        default=True,
        description="Whether it runs at all. What is not enabled is checked all the same, and owes"
        " no runs when it is enabled again.",
    )

    def timer(self) -> Cron:
        """Say when it is due."""
        return Cron.parse(self.cron)

    def hours(self) -> Window | None:
        """Say when it may run."""
        return None if self.window is None else Window.parse(self.window)

    def words(self) -> list[str]:
        """Give the arguments of the command."""
        return shlex.split(self.run)


Schedule = dict[GivenName, Scheduled]


def check_schedule(schedule: Mapping[str, Scheduled]) -> Iterator[Finding]:
    """Warn of commands that would be stopped before they have begun in earnest."""
    for name, one in schedule.items():
        hours = one.hours()
        if hours is not None and hours.seconds() < one.timeout_s and _explicit(one):
            reason = f"is {one.timeout_s:g} s, and its window only {hours.seconds()} s long"
            hint = "it is stopped at the end of the window in any case"
            yield Finding(("schedule", name, "timeout_s"), reason, hint, warning=True)


def _explicit(one: Scheduled) -> bool:
    return "timeout_s" in one.model_fields_set
