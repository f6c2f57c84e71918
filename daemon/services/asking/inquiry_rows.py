"""Rows that an operator asks for: what is shown of each kind, and in which words."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from daemon.clock import iso
from daemon.config.cron import Cron
from daemon.errors import DaemonError, Exit, InputError
from daemon.services.duties import calendar
from daemon.services.loop.switchboard import same
from daemon.store import listing, rules
from daemon.store.listing import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from daemon.store.rules import RuleRow
    from daemon.store.store import Tx

Row = dict[str, Any]


class UnknownName(DaemonError):  # noqa: N818 - says what was typed, not what went wrong
    """A name or a number that nothing has."""

    exit_code = Exit.USAGE


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns and their rows; a person is shown only some of the columns."""

    what: str
    columns: Sequence[str]
    rows: list[tuple[Any, ...]]
    brief: Sequence[str] = ()
    more: bool = False
    """There are more rows than were asked for."""

    def shown(self) -> Table:
        """Leave only the columns that a person is shown."""
        places = [self.columns.index(column) for column in self.brief]
        rows = [tuple(row[place] for place in places) for row in self.rows]
        return Table(self.what, self.brief, rows, self.brief, self.more)


@dataclass(frozen=True, slots=True)
class _Kind:
    columns: str
    brief: str
    """What of it a person is shown."""
    read: Callable[[Tx, Wanted], list[Row]]
    finish: Callable[[Row, int], Row] = lambda row, _: row


def listed(view: Tx, what: str, wanted: Wanted, now_us: int) -> Table:
    """Read rows of a kind, the newest first; of rules and signals all, by name.

    Raises:
        UnknownName: a name was asked for that nothing has.
    """
    kind = _KINDS[what]
    asked = (
        wanted
        if wanted.limit is None
        else Wanted(name=wanted.name, since_us=wanted.since_us, limit=wanted.limit + 1)
    )
    found = kind.read(view, asked)
    if not found and wanted.name is not None:
        _refuse_unknown(view, what, wanted)
    rows = [_moments(kind.finish(row, now_us)) for row in found[: wanted.limit]]
    columns = kind.columns.split()
    shaped = [tuple(row.get(column) for column in columns) for row in rows]
    return Table(what, columns, shaped, kind.brief.split(), len(found) > len(rows))


def _refuse_unknown(view: Tx, what: str, wanted: Wanted) -> None:
    """Tell a name that is misspelt from one of which there is nothing yet."""
    name = wanted.name or ""
    if what == "signals":
        known_name(name, [row["signal"] for row in listing.signal_health(view, Wanted())], "signal")
    if what in {"rules", "history"}:
        known_rule(view, name)
    if name.isdecimal() and wanted.since_us is None:
        raise UnknownName(
            f"there is no {what[:-1]} {name}", hint=f"see them all: daemon ctl get {what}"
        )


def known_rule(view: Tx, name: str) -> None:
    """Refuse a rule that nobody may move.

    Raises:
        UnknownName: with the nearest name there is.
    """
    known_name(name, listing.rule_names(view), "rule")


def known_name(name: str, names: Iterable[str], what: str) -> None:
    """Refuse a name that is not among those there are.

    Raises:
        UnknownName: with the nearest name there is.
    """
    known = list(names)
    if name in known:
        return
    near = get_close_matches(name, known, n=1)
    if near:
        hint = f"did you mean {near[0]}?"
    elif known:
        hint = f"there are: {', '.join(known)}"
    else:
        hint = f"no {what} is known yet: the daemon records them when it runs"
    raise UnknownName(f"there is no {what} {name!r}", hint=hint)


# ── finishing ────────────────────────────────────────────────────────────────
def _moments(row: Row) -> Row:
    """Write moments as text: ``opened_at_us`` becomes ``opened_at``."""
    said = {}
    for name, value in row.items():
        moment = name.endswith("_us")
        said[name.removesuffix("_us")] = iso(value) if moment and value is not None else value
    return said


def _history(row: Row, now_us: int) -> Row:
    del now_us
    return row | {"rev": f"r{row['seq']}"}


def _decision(row: Row, now_us: int) -> Row:
    del now_us
    return row | {"repeats": row["repeats"] or 0}


def _proposals(view: Tx, wanted: Wanted) -> list[Row]:
    """Read proposals, and whether the values they rest on are still in force."""
    stands = rules.values(view)
    return [
        row | {"fresh": rests_on(row["base"], stands)}
        for row in listing.newest(view, "proposals", wanted)
    ]


def rests_on(base: Mapping[str, float], stands: Mapping[str, RuleRow]) -> bool:
    """Tell whether the values that something rests on are in force."""
    return all(rule in stands and same(stands[rule].value, value) for rule, value in base.items())


def _proposal(row: Row, now_us: int) -> Row:
    expected = row["expected"] or {}
    expires, state = row["expires_at_us"], row["state"]
    if state == "pending" and expires is not None and expires <= now_us:
        state = "expired"
    elif state == "pending" and not row["fresh"]:
        state = "stale"
    numbers = {name: expected.get(name) for name in ("gain", "spread", "risk")}
    return row | numbers | {"moves": steps(row["base"], row["target"]), "state": state}


def holding(held: str) -> str:
    """Say in a sentence what holds changes."""
    return f"What holds them: {held}."


def steps(base: Mapping[str, float], target: Mapping[str, float]) -> str:
    """Write which rules go from where to where."""
    return ", ".join(
        f"{rule} {base[rule]:.6g} → {value:.6g}" if rule in base else f"{rule} → {value:.6g}"
        for rule, value in target.items()
    )


def _freeze(row: Row, now_us: int) -> Row:
    """Say whether a freeze holds; of one that recurs, when it holds now or next."""
    shown = row | {"rule": row["rule"] or "*"}
    if row["removed_at_us"] is not None:
        return shown | {"state": "removed"}
    starts_us, ends_us = row["starts_at_us"], row["ends_at_us"]
    if row["cron"] is not None:
        with suppress(InputError):  # one that cannot be read is in force: somebody meant it to be
            span = calendar.occurrence(Cron.parse(row["cron"]), row["duration_s"], now_us)
            if span is None:
                return shown | {"state": "over"}
            starts_us, ends_us = span.starts_at_us, span.ends_at_us
    state = "in_force" if starts_us <= now_us else "coming"
    if ends_us is not None and ends_us <= now_us:
        state = "over"
    return shown | {"state": state, "starts_at_us": starts_us, "ends_at_us": ends_us}


def _command(row: Row, now_us: int) -> Row:
    del now_us
    return row | {"text": (row["result"] or {}).get("text")}


def _newest(kind: str) -> Callable[[Tx, Wanted], list[Row]]:
    return lambda view, wanted: listing.newest(view, kind, wanted)


_KINDS = {
    "rules": _Kind(
        "rule value state min max step init changed_at change_id cooldown_until_at foreign_at",
        "rule value state min max step changed_at change_id",
        listing.current_rules,
        lambda row, _: row | {"cooldown_until_at_us": row["cooldown_until_us"]},
    ),
    "signals": _Kind(
        "signal state last_at age_s rate_hz share_bad unit source description",
        "signal state last_at rate_hz share_bad unit source",
        listing.signal_health,
    ),
    "proposals": _Kind(
        "id at state moves gain spread risk origin reason expires_at decided_at decided_by base"
        " target decision_seq",
        "id at state moves gain spread risk origin expires_at",
        _proposals,
        _proposal,
    ),
    "changes": _Kind(
        "id rule old new state cause opened_at applied_at settled_at origin decision_seq"
        " proposal_id",
        "id rule old new state cause opened_at settled_at origin",
        _newest("changes"),
    ),
    "decisions": _Kind(
        "seq at mode kind reason rule old new change_id repeats last_at policy explanation",
        "seq at kind reason change_id repeats explanation",
        _newest("decisions"),
        _decision,
    ),
    "freezes": _Kind(
        "id kind rule state starts_at ends_at cron duration_s reason owner created_at removed_at"
        " removed_by",
        "id kind rule state starts_at ends_at cron reason owner",
        _newest("freezes"),
        _freeze,
    ),
    "alerts": _Kind(
        "id at severity kind key state times last_at resolved_at text error",
        "id at severity kind key state times resolved_at text",
        _newest("alerts"),
    ),
    "commands": _Kind(
        "id at kind args state exit_code text actor reason done_at",
        "id at kind args state exit_code actor text",
        _newest("commands"),
        _command,
    ),
    "history": _Kind(
        "rev at rule old new actor outcome change_id note",
        "rev at rule old new actor outcome change_id note",
        listing.timeline,
        _history,
    ),
}
ASKED = tuple(sorted(set(_KINDS) - {"history"}))
"""What can be asked for by name."""
