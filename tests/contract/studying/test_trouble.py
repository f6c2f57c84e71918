"""Whatever an executor, a store or a machine does: every trial has one answer, and no other."""

import threading

import pytest

from daemon.errors import Exit, StoreUnavailable
from daemon.ports import ExecutorFault, Finished
from daemon.services.studying import asking
from daemon.services.studying.wanted import Budget, Pruning, StudyBusy
from daemon.store import studies
from daemon.store.store import Store
from daemon.store.tables import results, trials
from tests.contract.rows import rows_of
from tests.studying_kit import found, row_of, run, tools, wanted
from tests.sweeping_kit import Clock, Hand, none

ASKED = wanted(pruning=Pruning(share=0.5, keep=0.5), budget=Budget(trials=8), batch=4)

STUDIED = ("trial_results", "trials", "study_parts", "study_folds", "studies", "results")


def whole(backend, asked=ASKED):
    """What a study finds that nothing disturbs, and how many transactions that takes."""
    with backend.opened() as store:
        dying = Dying(store, None)
        run(tools(dying), asked)
        return found(store), dying.written


class Died(BaseException):
    """The process is gone: nothing more is run of it, not even what tidies up."""


class Dying:
    """A store whose process dies with one of its transactions, before or after the commit."""

    def __init__(self, store: Store, fatal: int | None, after: bool = False) -> None:
        self.store, self.fatal, self.after = store, fatal, after
        self.written, self.dead = 0, False
        self.dialect, self.name = store.dialect, store.name

    def read(self, *, patient: bool = False):
        if self.dead:
            raise Died
        return self.store.read(patient=patient)

    def write(self, *, durable: bool = True):
        return _Transaction(self, self.store.write(durable=durable))


class _Transaction:
    def __init__(self, dying: Dying, inner) -> None:
        self.dying, self.inner = dying, inner

    def __enter__(self):
        dying = self.dying
        if dying.dead:
            raise Died
        dying.written += 1
        self.fatal = dying.written == dying.fatal
        return self.inner.__enter__()

    def __exit__(self, kind, error, trace):
        if self.fatal and kind is None:
            self.dying.dead = True
            if self.dying.after:
                self.inner.__exit__(None, None, None)
                raise Died
            died = Died()
            self.inner.__exit__(Died, died, None)
            raise died
        return self.inner.__exit__(kind, error, trace)


# ── it dies ──────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_dead_at_any_transaction_it_goes_on_to_what_one_run_finds(backend, after):
    expected, count = whole(backend)
    with backend.opened() as store:
        step = 1 if backend.name == "sqlite" else 3
        for number in range(1 + after, count + 1, step):
            with store.write() as tx:  # what is known of others is no part of this
                for table in STUDIED:
                    tx.exec_driver_sql(f"DELETE FROM {table}")
            with pytest.raises(Died):
                run(tools(Dying(store, number, after)), ASKED)
            outcome = run(tools(store), ASKED)
            assert outcome.state == "done"
            assert found(store, outcome.study_id) == expected
            row = row_of(store, outcome.study_id)
            assert (row["trials_done"], row["trials_pruned"], row["trials_failed"]) == (8, 8, 0)


def test_dead_again_and_again_it_still_comes_to_the_same(backend):
    expected, _ = whole(backend)
    with backend.opened() as store:
        for number in range(1, 40):
            try:
                run(tools(Dying(store, 1 + number % 4, after=number % 2 == 0)), ASKED)
            except Died:
                continue
            break
        else:
            run(tools(store), ASKED)
        assert found(store) == expected
        assert len({row["key"] for row in rows_of(store, results)}) == len(rows_of(store, results))


class Counting(Hand):
    """An executor whose process dies with one of its batches."""

    def __init__(self, fatal: int | None = None) -> None:
        super().__init__()
        self.fatal = fatal

    def collect(self, timeout_s):
        if self.fatal is not None and len(self.evaluated) == self.fatal:
            raise Died
        return super().collect(timeout_s)


def test_dead_at_any_batch_it_evaluates_what_was_asked_and_asks_for_nothing_twice(backend):
    with backend.opened() as store:
        hand = Hand()
        run(tools(store, hand), ASKED)
        expected, batches = found(store), len(hand.evaluated)
    for fatal in range(batches):
        with backend.opened() as store:
            with pytest.raises(Died):
                run(tools(store, Counting(fatal)), ASKED)
            pending = [row["n"] for row in rows_of(store, trials) if row["state"] == "asked"]
            run(tools(store), ASKED)
            assert found(store) == expected
            assert set(pending) <= {row[0] for row in expected}


# ── the store is away ────────────────────────────────────────────────────────
class Forgetful(Dying):
    """A store that says that it could not commit, though it has."""

    def write(self, *, durable: bool = True):
        return _Doubtful(self, self.store.write(durable=durable))


class _Doubtful(_Transaction):
    def __exit__(self, kind, error, trace):
        done = self.inner.__exit__(kind, error, trace)
        if kind is None and self.dying.written % 2 == 0:
            raise StoreUnavailable("the connection was lost while it committed")
        return done


def test_what_is_written_twice_is_counted_once(backend):
    expected, _ = whole(backend)
    with backend.opened() as store:
        outcome = run(tools(Forgetful(store, None)), ASKED)
        assert found(store) == expected
        assert (outcome.trials, outcome.done, outcome.pruned) == (16, 8, 8)
        with store.read() as view:
            assert [fold.trials for fold in studies.folds(view, 1)] == [8, 8]


# ── the executor fails ───────────────────────────────────────────────────────
def test_what_cannot_be_run_is_found_and_the_others_are_tried(store):
    cells = []

    def poison(asked):
        cells.extend(asked.min_spread_bps.tolist())
        return "its worker was killed by SIGKILL" if (asked.min_spread_bps > 30).any() else None

    hand = Hand(poison=poison)
    outcome = run(tools(store, hand), wanted(scheme=None))
    failed = [row for row in rows_of(store, trials) if row["state"] == "failed"]
    assert outcome.failed == len(failed) > 0
    assert all(row["params"]["min_spread_bps"] > 30 for row in failed)
    assert all("SIGKILL" in row["error"] and "3 times" in row["error"] for row in failed)
    assert outcome.done == 24 - len(failed) == sum(hand.evaluated)
    assert outcome.exit_code == Exit.DONE


def test_a_batch_that_hangs_is_ended_by_its_time(store):
    hand = Hand(poison=lambda asked: "timeout" if (asked.max_open_trades == 3).any() else None)
    run(tools(store, hand), wanted(scheme=None))
    failed = [row for row in rows_of(store, trials) if row["state"] == "failed"]
    assert failed
    assert {row["params"]["max_open_trades"] for row in failed} == {3}


def test_results_that_come_twice_or_are_cut_are_not_taken(backend):
    with backend.opened() as store:
        run(tools(store), wanted())
        expected = found(store)

    def meddle(given):
        cut = [
            Finished(number=one.number, columns={k: v[:1] for k, v in one.columns.items()})
            if len(hand.evaluated) == 2
            else one
            for one in given
        ]
        return [*cut, *cut, Finished(number=10**9, lost="nobody asked for this")]

    hand = Hand(meddle=meddle)
    with backend.opened() as store:
        run(tools(store, hand), wanted())
        assert found(store) == expected


def test_when_nothing_runs_any_more_it_can_be_gone_on_with(store):
    with pytest.raises(ExecutorFault):
        run(tools(store, Hand(fails_after=2)), wanted())
    row = row_of(store)
    assert (row["state"], row["note"], row["runner"]) == ("failed", "nothing runs any more", None)
    assert run(tools(store), wanted()).trials == 48


# ── it is to end ─────────────────────────────────────────────────────────────
def test_asked_to_end_it_leaves_what_the_next_run_goes_on_with(backend):
    with backend.opened() as store:
        run(tools(store), wanted())
        expected = found(store)
    with backend.opened() as store:
        hand = Hand()
        used = tools(store, hand, stop=lambda: "SIGTERM" if len(hand.evaluated) > 2 else None)
        outcome = run(used, wanted())
        row = row_of(store)
        assert (outcome.state, row["state"], outcome.exit_code) == (
            "stopped",
            "stopped",
            Exit.TRY_AGAIN,
        )
        assert "SIGTERM" in row["note"]
        assert (hand.cancelled, hand.closed) == (1, 1)
        assert 0 < outcome.trials < 48
        run(tools(store), wanted())
        assert found(store) == expected


def test_cancelled_by_another_process_it_ends_and_goes_on_when_it_is_run_again(store):
    hand = Hand(slots=1)

    def cancel(given):
        if len(hand.evaluated) == 3:
            said = asking.cancel(store, Clock(), "night")
            assert "within a second" in said
        return given

    hand.meddle = cancel
    outcome = run(tools(store, hand, clock=Clock(tick_us=30_000)), wanted())
    assert (outcome.state, outcome.exit_code) == ("cancelled", Exit.FAILED)
    assert row_of(store)["note"] == "it was cancelled"
    assert len(hand.evaluated) < 12
    assert "already" in asking.cancel(store, Clock(), "night")
    assert run(tools(store), wanted()).state == "done"


def test_a_sampler_that_thinks_for_long_does_not_keep_it_from_ending(store):
    """In a thread beside: nobody waits for it."""
    thinking, enough = threading.Event(), threading.Event()

    class Thinker:
        def __init__(self, *_):
            pass

        def ask(self, count, batch):
            thinking.set()
            enough.wait(20)
            return []

        def tell(self, told):
            pass

    used = tools(
        store, none, sampler=Thinker, stop=lambda: "SIGTERM" if thinking.is_set() else None
    )
    try:
        outcome = run(used, wanted())
    finally:
        enough.set()
    assert (outcome.state, outcome.trials) == ("stopped", 0)


def test_two_at_once_do_not_run_one_study(store):
    hand = Hand()
    busy = []

    def second(given):
        if not busy:
            other = tools(store, none, runner="other/boot/ns/2/2", stop=lambda: "enough")
            with pytest.raises(StudyBusy, match="process 1 on test") as caught:
                run(other, wanted())
            busy.append(caught.value)
        return given

    hand.meddle = second
    assert run(tools(store, hand), wanted()).trials == 48
    assert busy[0].exit_code == Exit.TRY_AGAIN


def test_a_runner_whose_study_was_taken_writes_no_more_of_it(store):
    hand = Hand()

    def stolen(given):
        if len(hand.evaluated) == 3:
            with store.write() as tx:
                tx.exec_driver_sql("UPDATE studies SET runner = 'other/boot/ns/2/2'")
        return given

    hand.meddle = stolen
    with pytest.raises(StudyBusy, match="silent"):
        run(tools(store, hand, clock=Clock(tick_us=200_000)), wanted())
    assert row_of(store)["runner"] == "other/boot/ns/2/2"
    assert row_of(store)["state"] == "running"


# ── its time is over ─────────────────────────────────────────────────────────
def test_minutes_are_shared_by_the_folds_and_count_all_runs(store):
    budget = Budget(trials=None, minutes=1.0)
    outcome = run(tools(store, clock=Clock(tick_us=500_000)), wanted(budget=budget))
    with store.read() as view:
        folds = studies.folds(view, 1)
    assert [fold.ended for fold in folds] == ["its time is over"] * 2
    assert all(fold.trials > 0 for fold in folds)
    assert outcome.state == "done"
    assert row_of(store)["spent_s"] >= 60
    assert run(tools(store, none), wanted(budget=budget)).nothing_to_do
    longer = Budget(trials=None, minutes=3.0)
    more = run(tools(store, clock=Clock(tick_us=500_000)), wanted(budget=longer))
    assert more.study_id == 1
    assert more.trials > outcome.trials


def test_a_run_may_have_fewer_minutes_than_its_study(store):
    outcome = run(tools(store, clock=Clock(tick_us=100_000)), wanted(), max_minutes=0.05)
    assert (outcome.state, outcome.exit_code) == ("stopped", Exit.TRY_AGAIN)
    assert "minutes" in row_of(store)["note"]
    assert run(tools(store), wanted()).state == "done"
