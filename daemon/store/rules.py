"""Policies and the rules they name: what may be moved, how far, and where each stands."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from daemon.store import upsert
from daemon.store.ready import Ready
from daemon.store.tables import policies, rule_history, rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.store.store import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLimits:
    """A rule as a policy describes it."""

    name: str
    init: float
    min_value: float
    max_value: float
    step: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy as it was loaded; its digest names it in every decision."""

    digest: str
    body: Mapping[str, Any]
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """A rule as it stands."""

    name: str
    value: float
    init: float
    min_value: float
    max_value: float
    step: float
    weight: float
    change_id: int | None
    """The change that set its value; None if a person did, or nobody yet."""
    changed_at_us: int | None
    cooldown_until_us: int | None
    foreign_at_us: int | None
    """Since when it stands where a person put it."""


_VALUES = select(
    *(column for column in rules.c if column.name not in {"policy", "retired_at_us"})
).where(rules.c.retired_at_us.is_(None))
_IN_ORDER = Ready(_VALUES.order_by(rules.c.name))
_NAMES = Ready(select(rules.c.name))
_SEEN = Ready(select(policies.c.at_us).where(policies.c.digest == bindparam("known_digest")))
_DESCRIBED = (*(field.name for field in fields(RuleLimits)), "policy", "retired_at_us")
_DESCRIBE = Ready(
    update(rules)
    .where(rules.c.name == bindparam("rule"))
    .values({name: bindparam(name) for name in _DESCRIBED})
)
_RETIRE = Ready(
    update(rules)
    .where(rules.c.name == bindparam("rule"), rules.c.retired_at_us.is_(None))
    .values(retired_at_us=bindparam("retired_at_us"))
)


def adopt_policy(tx: Tx, policy: Policy, limits: Sequence[RuleLimits], at_us: int) -> list[str]:
    """Put a policy in force; returns the rules that are new.

    A rule that is known keeps its value: a policy says how far a rule may go,
    not where it is. A rule the policy no longer names is retired, not forgotten.
    A new rule that has a history starts at the last value of it, if that is
    within bounds, and otherwise at its ``init``.
    """
    # Asked first: the table is append-only, and the guard on SQLite that stops
    # INSERT OR REPLACE refuses a row that is there before any conflict is settled.
    if _SEEN.first(tx, known_digest=policy.digest) is None:
        tx.execute(
            upsert.insert(tx, policies)
            .values(**asdict(policy), at_us=at_us)
            .on_conflict_do_nothing(index_elements=["digest"])
        )
    known = {name for (name,) in _NAMES.rows(tx)}
    for rule in limits:
        given = {**asdict(rule), "policy": policy.digest, "retired_at_us": None}
        if rule.name in known:
            _DESCRIBE.run(tx, rule=rule.name, **given)
        else:
            tx.execute(insert(rules).values({**given, **_start(tx, rule)}))
    named = [rule.name for rule in limits]
    for name in sorted(known.difference(named)):
        _RETIRE.run(tx, rule=name, retired_at_us=at_us)
    return [name for name in named if name not in known]


def _start(tx: Tx, rule: RuleLimits) -> dict[str, Any]:
    query = (
        select(rule_history.c.new, rule_history.c.at_us)
        .where(rule_history.c.rule == rule.name)
        .order_by(rule_history.c.seq.desc())
        .limit(1)
    )
    last = tx.execute(query).one_or_none()
    if last is None or not rule.min_value <= last.new <= rule.max_value:
        return {"value": rule.init}
    return {"value": last.new, "changed_at_us": last.at_us}


def values(tx: Tx) -> dict[str, RuleRow]:
    """Read where every rule stands that is not retired, by name."""
    return {row["name"]: RuleRow(**row) for row in _IN_ORDER.records(tx)}


def policy_in_force(tx: Tx) -> str | None:
    """Name the policy that was adopted last, by its digest."""
    of_rules = select(rules.c.policy).where(rules.c.retired_at_us.is_(None)).limit(1)
    found: str | None = tx.execute(of_rules).scalar_one_or_none()
    return found


def get(tx: Tx, rule: str) -> RuleRow | None:
    """Read where a rule stands, or stood last if it is retired."""
    named = select(*_VALUES.selected_columns).where(rules.c.name == rule)
    row = tx.execute(named).mappings().one_or_none()
    return None if row is None else RuleRow(**row)


def set_foreign(tx: Tx, rule: str, value: float, at_us: int) -> None:
    """Say that a person has moved a rule: it stands where they put it, and is left alone."""
    moved = {"value": value, "changed_at_us": at_us, "foreign_at_us": at_us, "change_id": None}
    tx.execute(update(rules).where(rules.c.name == rule).values(moved))


def adopt(tx: Tx, rule: str) -> bool:
    """Take a value that a person set for good; False if the rule was not foreign."""
    foreign = update(rules).where(rules.c.name == rule, rules.c.foreign_at_us.is_not(None))
    return tx.execute(foreign.values(foreign_at_us=None)).rowcount == 1
