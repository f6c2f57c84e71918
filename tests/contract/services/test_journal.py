"""The journal on every database: decisions, changes and what a replay needs, in rows."""

import pytest
from sqlalchemy import select

from daemon.services.loop.journal import Journal, Stamp
from daemon.store import chain, runs
from daemon.store.tables import (
    change_events,
    changes,
    decision_repeats,
    decisions,
    deltas,
    events,
    rule_history,
    rules,
)
from daemon.tuning.change import Applied, Refused
from daemon.tuning.model import Decision, Effect, Judgement, Move, Observation, Verdicts
from daemon.tuning.reasons import Reason
from daemon.tuning.vocabulary import DecisionKind, Mode, Verdict
from daemon.tuning.windows import BLOCK_US, Blocks
from tests.contract.rows import rows_of
from tests.recording import FIRST, Recording, loaded_policy

MOVES = (Move("batch", 50.0, 45.0), Move("workers", 8.0, 9.0))
FOUND = Judgement(
    verdict=Verdict.BETTER,
    cause=Reason.IMPROVED,
    probability=0.99,
    effects=(
        Effect(signal="errors", before=0.01, delta=0.001, low=0.0, high=0.002, samples=60),
        Effect(signal="latency", before=120.0, delta=-6.0, low=-7.0, high=-5.0, samples=60),
    ),
)


class Book:
    """A journal, its store, and the cycle it is at."""

    def __init__(self, store, tmp_path, mode=Mode.LIVE):
        self.store = store
        self.run = Recording(store, loaded_policy(tmp_path), mode=mode)
        self.journal = Journal(self.run.policy, mode=mode, epoch=7)
        self.end = FIRST
        self.rules = {"batch": 50.0, "workers": 8.0}
        with store.write() as tx:
            self.journal.begin(tx, self.seen(1), None)

    def seen(self, ahead=0, **fields):
        blocks = Blocks.empty(self.run.policy.signals(), self.end + ahead)
        return Observation(blocks=blocks, rules=dict(self.rules), **fields)

    def cycle(self, kind=DecisionKind.HOLD, reason=Reason.OBSERVING, *, skip=0, world=None, **said):
        self.end += 1 + skip
        seen = self.seen(**(world or {}))
        decision = Decision(kind=kind, reason=reason, at_us=seen.at_us, **said)
        with self.store.write() as tx:
            return self.journal.decided(tx, seen, decision)

    def apply(self, moves=MOVES):
        return self.cycle(DecisionKind.APPLY, Reason.BEST_EXPECTED, moves=moves, change=1)

    def back(self, kind=DecisionKind.REVERT, reason=Reason.NOT_PROVEN):
        moves = tuple(move.back() for move in MOVES)
        numbers = Verdicts(judgement=FOUND)
        return self.cycle(kind, reason, moves=moves, change=1, numbers=numbers)

    def acted(self, event=Applied, **more):
        with self.store.write() as tx:
            self.journal.acted(tx, event(self.end), **more)

    def states(self):
        return [row["state"] for row in rows_of(self.store, changes)]

    def of(self, table, *columns):
        return [tuple(row[name] for name in columns) for row in rows_of(self.store, table)]

    def kinds(self):
        return [row["kind"] for row in rows_of(self.store, events)]


@pytest.fixture
def book(store, tmp_path):
    return Book(store, tmp_path)


def test_a_decision_is_a_row_with_its_sentence_and_its_evidence(book):
    assert book.cycle(reason=Reason.WARMING_UP).seq == 1
    [row] = rows_of(book.store, decisions)
    assert (row["mode"], row["kind"], row["reason"]) == ("live", "hold", "warming_up")
    assert row["explanation"].startswith("Nothing is changed")
    assert row["policy"] == book.run.policy.digest
    assert row["evidence"] == {"block": book.end}
    assert row["at_us"] == book.end * BLOCK_US
    assert row["epoch"] == 7


def test_the_same_decision_is_counted_and_another_is_not(book):
    for _ in range(3):
        written = book.cycle(reason=Reason.RESTING)
    assert written.repeated
    assert not book.cycle(reason=Reason.OBSERVING).repeated
    [repeats] = rows_of(book.store, decision_repeats)
    assert (repeats["seq"], repeats["n"]) == (1, 2)
    assert repeats["last_at_us"] == (book.end - 1) * BLOCK_US
    assert len(rows_of(book.store, decisions)) == 2


def test_a_step_of_two_rules_opens_two_changes_of_one_decision(book):
    written = book.apply()
    assert list(written.changes) == ["batch", "workers"]
    assert book.of(changes, "rule", "state", "decision_seq") == [
        ("batch", "applying", written.seq),
        ("workers", "applying", written.seq),
    ]
    [row] = rows_of(book.store, decisions)
    assert (row["rule"], row["change_id"]) == ("batch", written.changes["batch"])
    assert [move["rule"] for move in row["evidence"]["moves"]] == ["batch", "workers"]


def test_a_step_that_was_applied_and_kept_goes_through_its_protocol(book):
    book.apply()
    book.acted(stamp=Stamp(book.end * BLOCK_US + 5, "boot", 99))
    assert book.states() == ["observing", "observing"]
    assert book.of(rule_history, "rule", "old", "new", "actor") == [
        ("batch", 50.0, 45.0, "daemon"),
        ("workers", 8.0, 9.0, "daemon"),
    ]
    assert book.of(rules, "name", "value") == [("batch", 45.0), ("workers", 9.0)]
    book.cycle(DecisionKind.KEEP, Reason.IMPROVED, change=1, numbers=Verdicts(judgement=FOUND))
    assert book.states() == ["kept", "kept"]
    measured = book.of(deltas, "delta", "pre_mean", "post_mean", "verdict", "cause", "post_n")
    assert measured.count((-6.0, 120.0, 114.0, "better", "improved", 60)) == 2
    assert len(measured) == 4
    told = book.of(change_events, "from_state", "to_state", "boot_id")
    assert told[0] == (None, "proposed", None)
    assert ("applying", "observing", "boot") in told


def test_a_step_that_was_taken_back_ends_where_it_began(book):
    book.apply()
    book.acted()
    book.back()
    assert book.states() == ["rolling_back", "rolling_back"]
    book.acted()
    assert book.states() == ["rolled_back", "rolled_back"]
    assert book.of(rules, "value") == [(50.0,), (8.0,)]
    assert book.cycle().changes == {}


def test_a_rollback_that_cannot_be_done_is_stuck_until_it_is(book):
    book.apply()
    book.acted()
    book.back()
    for _ in range(3):
        book.acted(Refused, cause="read only")
        assert book.back().repeated
    assert book.states() == ["stuck", "stuck"]
    assert ("rolling_back", "stuck", "read only") in book.of(
        change_events, "from_state", "to_state", "cause"
    )
    book.acted()
    assert book.states() == ["rolled_back", "rolled_back"]
    assert len(rows_of(book.store, deltas)) == 4


def test_a_step_that_was_refused_failed(book):
    book.apply()
    book.acted(Refused)
    assert book.states() == ["failed", "failed"]
    assert book.of(changes, "cause") == [("not applied",)] * 2
    assert rows_of(book.store, rule_history) == []
    assert book.apply().repeated is True


def test_somebody_elses_edit_supersedes_what_is_open(book):
    book.apply()
    book.acted()
    book.cycle(reason=Reason.SUPERSEDED)
    assert book.states() == ["superseded", "superseded"]
    assert book.cycle(reason=Reason.RESTING).changes == {}


def test_a_dry_run_writes_its_proposals_and_nothing_else(store, tmp_path):
    book = Book(store, tmp_path, Mode.DRY_RUN)
    assert book.apply().changes == {}
    book.acted(Refused)
    [row] = rows_of(store, decisions)
    assert (row["mode"], row["kind"], row["change_id"]) == ("dry_run", "propose", None)
    assert row["explanation"].startswith("Would move")
    for table in (changes, change_events, rule_history, deltas):
        assert rows_of(store, table) == []
    assert book.kinds() == ["tuning.state"]


def test_what_a_cycle_was_told_is_noted_where_it_is_new(book):
    book.cycle()
    book.cycle(world={"held": "HOLD", "barred": {"batch": "frozen"}})
    book.cycle(world={"held": "HOLD", "barred": {"batch": "frozen"}})
    book.rules["batch"] = 60.0
    book.cycle()
    book.cycle(skip=3)
    assert book.kinds() == ["tuning.state", "tuning.world", "tuning.world", "tuning.gap"]
    bodies = [row["body"] for row in rows_of(book.store, events)]
    assert bodies[1]["held"] == "HOLD"
    assert bodies[2]["rules"] == {"batch": 60.0, "workers": 8.0}
    assert bodies[3] == {"after": book.end - 4, "block": book.end, "first": book.end}


def test_an_act_is_noted_with_its_cycle(book):
    book.apply()
    book.acted()
    body = rows_of(book.store, events)[-1]["body"]
    assert body == {"cycle": book.end, "block": book.end, "applied": True}


def test_a_run_in_the_middle_of_a_change_goes_on_with_it(store, tmp_path):
    run = Recording(store, loaded_policy(tmp_path))
    while not run.state or run.state.trial is None or run.kinds[-1] == "apply":
        run.run(1)
    before = rows_of(store, changes)
    assert before[-1]["state"] == "observing"
    run.restart()
    run.run(30)
    assert rows_of(store, changes)[len(before) - 1]["state"] in {"kept", "rolled_back"}


def test_the_memory_is_written_now_and_then_and_when_the_run_stops(store, tmp_path, monkeypatch):
    monkeypatch.setattr("daemon.services.loop.journal._EVERY", 20)
    run = Recording(store, loaded_policy(tmp_path))
    run.run(50)
    run.stop()
    found = [row["body"] for row in rows_of(store, events) if row["kind"] == runs.STATE]
    assert [body["why"] for body in found] == ["start", "while running", "while running", "stop"]
    assert [body["block"] - FIRST for body in found] == [0, 20, 40, 50]
    assert found[0]["state"] is None
    assert found[-1]["state"]["block"] == FIRST + 50


def test_another_policy_is_a_new_beginning(store, tmp_path):
    run = Recording(store, loaded_policy(tmp_path))
    run.run(5)
    run.switch(loaded_policy(tmp_path, ("cooldown_s: 30", "cooldown_s: 60")))
    run.run(5)
    with store.read() as view:
        found = view.execute(select(decisions.c.policy).distinct()).all()
        assert len(found) == 2
        assert len(runs.policies_since(view, 0)) == 2
        assert all(not chain.verify(view, stream).breaks for stream in chain.STREAMS.values())


def test_what_is_no_number_is_left_out_of_the_deltas(book):
    endless = Effect(signal="latency", before=float("nan"), delta=1.0, low=0.0, high=float("inf"))
    found = Judgement(verdict=Verdict.WORSE, cause=Reason.SCORE_FELL, effects=(endless,))
    book.apply()
    book.acted()
    numbers = Verdicts(judgement=found)
    book.cycle(DecisionKind.KEEP, Reason.IMPROVED, change=1, numbers=numbers)
    assert book.of(deltas, "pre_mean", "delta", "ci_high")[0] == (None, 1.0, None)
    assert book.cycle(DecisionKind.KEEP, Reason.IMPROVED, change=2, numbers=numbers).changes == {}


def test_a_change_that_somebody_settled_meanwhile_is_not_touched(book):
    book.back()
    book.acted()
    assert rows_of(book.store, changes) == []
    assert rows_of(book.store, rule_history) == []
