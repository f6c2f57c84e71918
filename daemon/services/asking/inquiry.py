"""What an operator may ask: answered from what is on record, whether the daemon runs or not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.clock import boot_id
from daemon.errors import DaemonError, Exit
from daemon.services import invariants
from daemon.services.asking import inquiry_explain, inquiry_rows, inquiry_status
from daemon.services.asking.inquiry_explain import Account
from daemon.services.asking.inquiry_rows import Table, UnknownName, known_name
from daemon.services.asking.inquiry_status import Status
from daemon.services.loop import takeback
from daemon.services.loop.journal import Stamp
from daemon.store import lease, rules
from daemon.store.listing import Wanted, rule_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from daemon.clock import Clock
    from daemon.ports import Held
    from daemon.services.invariants import Broken
    from daemon.store.store import Store

__all__ = ["Account", "Inquiry", "NothingToDo", "Return", "Status", "Table"]

BEAT_S = 6.0
"""For so long a leader is watched for a sign of life, on Postgres: a cycle and a bit."""

_REFERENCE = re.compile(r"(?P<kind>[cd#]?)(?P<number>\d{1,18})", re.IGNORECASE)


class NothingToDo(DaemonError):  # noqa: N818 - an answer, not a fault
    """What is asked for cannot be done as things stand."""

    def __init__(self, message: str, exit_code: Exit, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """One rule that a rollback would set."""

    rule: str
    now: float
    back_to: float
    change_id: int | None
    """The open change that it takes back; None where a new one sets the value."""
    state: str


class Inquiry:
    """Answers questions; it writes nothing."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        held: Callable[[Sequence[str]], Mapping[str, Held]] = lambda _: {},
        planned: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """Say where answers come from.

        Args:
            store: what is on record.
            clock: what ages are counted by.
            held: reads what the controls hold of some rules; nothing where nobody may look.
            planned: names the rules of the policy file, which may not be in force yet.
        """
        self.store = store
        self.clock = clock
        self._held = held
        self._planned = planned

    def status(self, late_s: float = inquiry_status.LATE_S) -> Status:
        """Say how it stands; cycles that stay away for so long are a trouble."""
        return inquiry_status.look(self.store, self.clock, late_s)

    def rows(
        self,
        what: str,
        name: str | None = None,
        *,
        since_us: int | None = None,
        limit: int | None = None,
    ) -> Table:
        """Read rows of a kind, the newest first; of rules and signals all, by name.

        Raises:
            UnknownName: a name was asked for that nothing has.
        """
        wanted = Wanted(name=name, since_us=since_us, limit=limit)
        with self.store.read() as view:
            return inquiry_rows.listed(view, what, wanted, self.clock.now_us())

    def explain(self, word: str, *, change: bool = False) -> Account:
        """Say why: ``d12`` is a decision, ``c3`` a change, a number alone what the caller says.

        Raises:
            UnknownName: it is no such number, or nothing has it.
        """
        found = _REFERENCE.fullmatch(word.strip())
        if found is None:
            raise UnknownName(
                f"{word!r} is no number of a decision or a change",
                hint="for example d12 for decision 12, c3 for change 3",
            )
        number, kind = int(found["number"]), found["kind"].lower()
        with self.store.read() as view:
            if kind == "c" or (kind != "d" and change):
                return inquiry_explain.explain_change(view, number)
            return inquiry_explain.explain_decision(view, number)

    def broken(self, *, full: bool) -> list[Broken]:
        """Check every promise of the record and of the controls; what comes back is broken."""
        now = None  # nobody is late where nobody runs
        if lease.beating(self.store, self.clock, wait_s=BEAT_S):
            now = Stamp(self.clock.now_us(), boot_id(), self.clock.elapsed_us())
        with self.store.read() as view:
            names = rule_names(view)
        readings = self._held(names)
        with self.store.read(patient=True) as view:
            return invariants.check(view, full=full, now=now, readings=readings)

    def promises(self) -> Mapping[str, str]:
        """Name what `broken` checks."""
        return invariants.promises()

    def rollback(self, args: Mapping[str, Any]) -> tuple[list[Return], str]:
        """Say what a rollback would set, and what it leaves out or why it would set nothing.

        Raises:
            NothingToDo: it names something that is not there.
        """
        if args.get("rule") is not None:
            self.values([str(args["rule"])])
        with self.store.read() as view:
            try:
                plan = takeback.plan(view, args)
            except takeback.Refused as error:
                raise NothingToDo(str(error), error.code) from error
            stands = rules.values(view)
        back = [
            Return(
                rule=one["rule"],
                now=one["new"],
                back_to=one["old"],
                change_id=one["id"],
                state=one["state"],
            )
            for one in plan.back
        ]
        back += [
            Return(rule=rule, now=stands[rule].value, back_to=value, change_id=None, state="kept")
            for rule, value in plan.set_to.items()
        ]
        return back, "; ".join(plan.left_out) or plan.nothing

    def values(self, names: Sequence[str]) -> dict[str, float]:
        """Give the values in force of some rules; those that never were in force have none.

        Raises:
            UnknownName: neither the record nor the policy has such a rule.
        """
        with self.store.read() as view:
            stands = rules.values(view)
        for name in names:
            if name not in stands:
                known_name(name, dict.fromkeys([*stands, *self._planned()]), "rule")
        return {name: stands[name].value for name in names if name in stands}
