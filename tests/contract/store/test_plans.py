"""What people and the daemon ask every day costs the same however long the history is.

Two ways to see it: the plan names no scan and no sort of a table that grows, and
on SQLite the statement ends within a number of steps that a scan would exceed.
"""

import re

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text

from daemon.store import (
    alerts,
    chain,
    changes,
    commands,
    fitness,
    freezes,
    history,
    proposals,
    queries,
    retention,
    rules,
    samples,
    windows,
)
from daemon.store.store import Store
from daemon.store.tables import decisions
from tests.contract import crowd
from tests.contract.crowd import ROWS

GROWING = (
    "samples",
    "sample_faults",
    "changes",
    "deltas",
    "decisions",
    "decision_repeats",
    "change_events",
    "rule_history",
    "freezes",
    "commands",
    "alerts",
    "proposals",
    "jobs",
    "results",
    "rankings",
)
STEPS_MAX = ROWS * 2
"""Steps of SQLite's machine; reading one row takes more than two."""

FEW = {
    "list the open changes",
    "list the changes that have not ended",
    "read the freezes in force",
    "list the freezes that stand",
    "read the alerts that are due",
    "list the alerts that stand",
    "read the deltas of a change",
    "count the alerts nobody is told of",
}
"""What sorts rows of which there are never more than there are rules, signals or worries."""

ASKED = {
    "decision_log": "SELECT * FROM decision_log ORDER BY seq DESC LIMIT 20",
    "decision_log of a rule": "SELECT * FROM decision_log WHERE rule = 'rule3'"
    " ORDER BY seq DESC LIMIT 20",
    "decision_log of a kind": "SELECT * FROM decision_log WHERE kind = 'hold'"
    " ORDER BY seq DESC LIMIT 20",
    "decision_log of a change": "SELECT * FROM decision_log WHERE change_id = 77",
    "rule_timeline": "SELECT * FROM rule_timeline ORDER BY seq DESC LIMIT 20",
    "rule_timeline of a rule": "SELECT * FROM rule_timeline WHERE rule = 'rule3'"
    " ORDER BY seq DESC LIMIT 20",
    "change_effects": "SELECT * FROM change_effects ORDER BY change_id DESC LIMIT 20",
    "change_effects of a change": "SELECT * FROM change_effects WHERE change_id = 77",
    "current_rules": "SELECT * FROM current_rules LIMIT 20",
    "leaderboard": "SELECT * FROM leaderboard WHERE session_id = 7 ORDER BY rank LIMIT 20",
    "signal_health": "SELECT * FROM signal_health LIMIT 20",
    "last_decisions": queries.load("last_decisions"),
}

DONE = {
    "read a window": lambda tx: windows.read_window(tx, "s2", 0, 10**9),
    "read several windows": lambda tx: windows.read_windows(tx, ["s1", "s2"], 0, 10**9),
    "read the head of a stream": lambda tx: chain.stored_head(tx, decisions),
    "verify the tail of a stream": lambda tx: chain.verify(tx, decisions, last=5),
    "follow a stream": lambda tx: history.read(tx, "decisions", after=ROWS - 5),
    "find the latest decision": history.latest_decision,
    "find the latest of a rule": lambda tx: history.latest_decision(tx, rule="rule3"),
    "find the open change": lambda tx: changes.open_id(tx, "rule5"),
    "list the open changes": changes.open_changes,
    "list the changes that have not ended": changes.unsettled,
    "list the newest changes": changes.latest,
    "list the changes of a rule": lambda tx: changes.latest(tx, "rule3"),
    "read a change": lambda tx: changes.get(tx, 77),
    "read the events of a change": lambda tx: changes.events_of(tx, 77),
    "read the deltas of a change": lambda tx: changes.deltas_of(tx, 77),
    "read the last good values": changes.kept_values,
    "read where the rules stand": rules.values,
    "read the pending commands": commands.pending,
    "list the newest commands": commands.recent,
    "read the freezes in force": lambda tx: freezes.current(tx, ROWS),
    "list the freezes that stand": lambda tx: freezes.listed(tx, ROWS),
    "read the alerts that are due": lambda tx: alerts.due(tx, ROWS),
    "find the alert that stands": lambda tx: alerts.standing(tx, "stuck", "k3"),
    "list the alerts that stand": lambda tx: alerts.listed(tx, unresolved=True),
    "count the alerts nobody is told of": alerts.muted,
    "list the newest alerts": alerts.listed,
    "list the pending proposals": lambda tx: proposals.listed(tx, "pending"),
    "read the state of the signals": fitness.states,
    "list the signals": samples.lookup,
    "read rollups": lambda tx: windows.read_rollups(tx, "s1", 60, 0, 10**9),
}


@pytest.fixture(scope="module")
def crowded_sqlite(sqlite_backend):
    url = sqlite_backend.clone()
    with Store.open(url) as store:
        crowd.fill(store)
        yield store
    sqlite_backend.drop(url)


@pytest.fixture(scope="module")
def crowded_postgresql(postgresql_backend):
    url = postgresql_backend.clone()
    with Store.open(url) as store:
        crowd.fill(store)
        yield store
    postgresql_backend.drop(url)


def statements_of(store, act):
    """Every statement that an act of ours sends, with its parameters."""
    sent = []

    def note(_, __, statement, parameters, *___):
        sent.append((statement, parameters))

    sqlalchemy_event.listen(store.engines.reader, "before_cursor_execute", note)
    try:
        with store.read() as view:
            act(view)
    finally:
        sqlalchemy_event.remove(store.engines.reader, "before_cursor_execute", note)
    asked = [(text, given) for text, given in sent if text.lstrip().upper().startswith("SELECT")]
    assert asked
    return asked


def all_statements(store):
    for name, query in ASKED.items():
        yield name, query, ()
    for name, act in DONE.items():
        for statement, parameters in statements_of(store, act):
            yield name, statement, parameters


# ── SQLite ───────────────────────────────────────────────────────────────────
def plan_of(view, query, parameters=()):
    rows = view.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", parameters)
    return [row.detail for row in rows]


def read_by(step):
    """Which table a step of a plan reads, and whether from end to end."""
    found = re.match(r"(SCAN|SEARCH) (\w+)", step)
    return (found[1], ALIASES.get(found[2], found[2])) if found else (None, None)


def faults_of(plan, query):
    """Steps of a plan that cost more as the history grows.

    The first step may walk along a key as long as a limit stops it; nothing that
    has to be sorted first can be stopped.
    """
    sorts = [step for step in plan if "TEMP B-TREE" in step]
    read = [(step, *read_by(step)) for step in plan]
    if sorts and any(table in GROWING for _, _, table in read):
        yield from sorts
    stopped = re.search(r"\blimit\b", query, re.IGNORECASE) and not sorts
    for place, (step, how, table) in enumerate(read):
        if how == "SCAN" and table in GROWING and not (stopped and place == 0):
            yield step


ALIASES = {
    "d": "decisions",
    "n": "decision_repeats",
    "e": "deltas",
    "c": "changes",
    "h": "rule_history",
    "k": "rankings",
    "j": "jobs",
    "r": "results",
    "f": "freezes",
    "x": "samples",
    "m": "samples",
    "b": "sample_faults",
}


def steps_of(store, query, parameters=()):
    """How many steps SQLite's machine takes to answer, in hundreds."""
    counted = [0]

    def count():
        counted[0] += 100

    with store.read() as view:
        driver = view.connection.driver_connection
        driver.set_progress_handler(count, 100)
        view.exec_driver_sql(query, parameters).all()
        driver.set_progress_handler(None, 100)
    return counted[0]


def test_sqlite_reads_no_table_that_grows_from_end_to_end(crowded_sqlite):
    for name, query, parameters in all_statements(crowded_sqlite):
        with crowded_sqlite.read() as view:
            plan = plan_of(view, query, parameters)
        faults = [] if name in FEW else list(faults_of(plan, query))
        assert not faults, (name, plan)


def test_sqlite_answers_in_steps_that_do_not_grow_with_the_history(crowded_sqlite):
    for name, query, parameters in all_statements(crowded_sqlite):
        steps = steps_of(crowded_sqlite, query, parameters)
        assert steps < STEPS_MAX, (name, steps)


def test_the_measure_of_steps_finds_a_scan(crowded_sqlite):
    query = "SELECT count(*) FROM decisions WHERE explanation = 'x'"
    assert steps_of(crowded_sqlite, query) > STEPS_MAX
    with crowded_sqlite.read() as view:
        assert list(faults_of(plan_of(view, query), query))


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM current_rules", "uq_changes_one_open"),
        ("SELECT * FROM current_rules", "ix_freezes_removed_at_us_rule"),
        (ASKED["decision_log of a rule"], "ix_decisions_rule_seq"),
        (ASKED["decision_log of a kind"], "ix_decisions_kind_seq"),
        (ASKED["decision_log of a change"], "ix_decisions_change_id"),
        (ASKED["rule_timeline of a rule"], "ix_rule_history_rule_seq"),
    ],
)
def test_sqlite_uses_the_index_that_is_there_for_it(crowded_sqlite, query, index):
    with crowded_sqlite.read() as view:
        plan = plan_of(view, query)
    assert any(index in step for step in plan), plan


def test_sqlite_finds_an_open_change_by_the_index_of_open_ones(crowded_sqlite):
    for act in (DONE["find the open change"], DONE["list the open changes"]):
        ((statement, parameters),) = statements_of(crowded_sqlite, act)
        with crowded_sqlite.read() as view:
            plan = plan_of(view, statement, parameters)
        assert any("uq_changes_one_open" in step or "ix_changes_state_id" in step for step in plan)


# ── Postgres ─────────────────────────────────────────────────────────────────
def nodes(plan):
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def explained(view, query, parameters=()):
    (answer,) = view.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {query}", parameters).scalars()
    return list(nodes(answer[0]["Plan"]))


@pytest.mark.postgres
def test_postgres_reads_no_table_that_grows_from_end_to_end(crowded_postgresql):
    for name, query, parameters in all_statements(crowded_postgresql):
        with crowded_postgresql.read() as view:
            plan = explained(view, query, parameters)
        for node in plan:
            scanned = node["Node Type"] == "Seq Scan" and node["Relation Name"] in GROWING
            sorts = "Sort" in node["Node Type"] and node["Plan Rows"] > ROWS / 10
            assert not scanned, (name, node)
            assert not sorts, (name, node)


@pytest.mark.postgres
def test_postgres_would_be_seen_to_scan(crowded_postgresql):
    with crowded_postgresql.read() as view:
        plan = explained(view, "SELECT * FROM decisions WHERE explanation = 'x'")
    assert plan[0]["Node Type"] == "Seq Scan"


@pytest.mark.postgres
@pytest.mark.slow
def test_postgres_answers_what_is_asked_every_day_from_few_pages(crowded_postgresql):
    """Counted, not timed: the pages that each statement really touched."""
    for name, query, parameters in all_statements(crowded_postgresql):
        with crowded_postgresql.read() as view:
            (answer,) = (
                view.execution_options(no_parameters=not parameters)
                .exec_driver_sql(
                    f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", parameters or None
                )
                .scalars()
            )
        top = answer[0]["Plan"]
        pages = top["Shared Hit Blocks"] + top["Shared Read Blocks"]
        assert pages < 1_000, (name, pages)


def test_the_crowd_is_as_large_as_it_is_said_to_be(crowded_sqlite):
    with crowded_sqlite.read() as view:
        for table in GROWING:
            assert view.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == ROWS
        assert retention.plan(crowded_sqlite, 0)[0].rows == 0
