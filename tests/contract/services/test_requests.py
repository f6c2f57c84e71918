"""Requests on every database: carried out by whoever leads, or by ourselves, or not at all."""

import pytest

from daemon.clock import SystemClock
from daemon.errors import Exit, InputError, NotLeader, StoreUnavailable
from daemon.services.asking.requests import Requests, StillRunning, Unanswered
from daemon.store import commands
from tests.inquiry_kit import StandingClock, recorded
from tests.leading import Leader, acting, running


class Nobody:
    """A way to the lease that is shut."""

    def __enter__(self):
        raise NotLeader("epoch 4 is held elsewhere")

    def __exit__(self, *_):
        raise AssertionError("it was never entered")


def requests(store, *, does=None, clock=None, said=None):
    """What a person has at hand; without ``does`` this process cannot act."""
    count = iter(range(1, 100))
    return Requests(
        store,
        clock or SystemClock(),
        actor="ann",
        key=lambda: f"key {next(count)}",
        acting=Nobody if does is None else lambda: acting(store, does),
        tell=(said if said is not None else []).append,
    )


def row(store, number=1):
    with store.read() as view:
        return commands.get(view, number)


def refused(tx, command):
    return commands.REFUSED, Exit.REFUSED, {"text": "a freeze is in force"}


def begun(tx, command):
    return None


# ── the service runs ─────────────────────────────────────────────────────────
def test_the_leader_carries_it_out_and_answers(shared, url):
    with running(url) as leader:
        answer = requests(shared).ask("pause", {"rule": "workers"}, reason="a test")
    assert (answer.state, answer.exit_code, answer.text) == ("done", Exit.DONE, "pause is done")
    (command,) = leader.seen
    assert (command.kind, command.args, command.actor, command.reason) == (
        "pause",
        {"rule": "workers"},
        "ann",
        "a test",
    )


def test_a_refusal_is_an_answer(shared, url):
    with running(url, refused):
        answer = requests(shared).ask("apply", {"moves": {"workers": 9}})
    assert (answer.state, answer.exit_code) == ("refused", Exit.REFUSED)
    assert answer.text == "a freeze is in force"
    assert answer.undo is None
    assert answer.changes == []


def test_a_leader_that_does_not_answer_is_named_and_nothing_will_be_done(shared, url):
    with running(url, answers=False), pytest.raises(Unanswered) as caught:
        requests(shared).ask("pause", {}, patience_s=0.1)
    assert caught.value.exit_code == Exit.TRY_AGAIN
    assert "tests:1:a holds the lease and does not answer: pause was not done" in str(caught.value)
    assert "daemon ctl status" in caught.value.hint
    assert row(shared).state == "expired"


def test_what_was_begun_and_has_no_end_yet_is_told_apart(shared, url):
    class Waiting(StandingClock):
        """Time passes once the leader has begun."""

        def sleep(self, seconds):
            while row(shared).state == "pending":
                SystemClock().sleep(0.01)
            super().sleep(seconds)

    asking = requests(shared, clock=Waiting(SystemClock().now_us()))
    with running(url, begun), pytest.raises(StillRunning) as caught:
        asking.ask("apply", {}, patience_s=0.3)
    assert caught.value.exit_code == Exit.INCONCLUSIVE
    assert "daemon ctl get commands 1" in caught.value.hint
    assert row(shared).state == "running"


def test_a_person_who_waits_is_told_for_whom(shared, url):
    said = []
    asking = requests(shared, said=said, clock=StandingClock(SystemClock().now_us()))
    with running(url, answers=False), pytest.raises(Unanswered):
        asking.ask("apply", {}, patience_s=3)
    assert said == ["waiting for the daemon tests:1:a to carry out command 1"]


def test_who_stops_waiting_takes_the_request_back(shared, url):
    class Impatient(StandingClock):
        def sleep(self, seconds):
            raise KeyboardInterrupt

    with running(url, answers=False), pytest.raises(KeyboardInterrupt):
        requests(shared, clock=Impatient(SystemClock().now_us())).ask("pause", {})
    assert row(shared).state == "expired"


def test_where_acting_fails_for_another_reason_nothing_is_left_to_be_done(shared):
    class Misconfigured(Nobody):
        def __enter__(self):
            raise InputError("the policy does not hold")

    asking = requests(shared)
    asking._acting = Misconfigured
    with pytest.raises(InputError):
        asking.ask("pause", {})
    assert row(shared).state == "expired"


# ── the service does not run ─────────────────────────────────────────────────
def test_with_nobody_there_this_process_does_it(shared):
    answer = requests(shared, does=refused).ask("apply", {})
    assert (answer.state, answer.exit_code) == ("refused", Exit.REFUSED)


def test_after_a_service_that_ended_this_process_does_it(shared, url):
    with running(url):
        pass
    answer = requests(shared, does=lambda *_: ("done", Exit.DONE, {"changes": [7]})).ask("kill", {})
    assert answer.changes == [7]
    assert answer.text == "kill: done"


def test_a_lease_that_cannot_be_had_after_all_leaves_nothing_to_be_done(shared):
    with pytest.raises(Unanswered) as caught:
        requests(shared).ask("pause", {})
    assert "epoch 4 is held elsewhere" in str(caught.value)
    assert row(shared).state == "expired"


def test_one_that_was_begun_by_another_meanwhile_is_left_to_it(shared):
    class Overtaken(Nobody):
        def __enter__(self):
            with acting(shared, begun) as leader:
                leader.carry_out(1)
            raise NotLeader("somebody was faster")

    asking = requests(shared)
    asking._acting = Overtaken
    with pytest.raises(StillRunning, match="somebody was faster"):
        asking.ask("pause", {})


def test_what_this_process_began_and_did_not_end_is_said(shared):
    with pytest.raises(StillRunning):
        requests(shared, does=begun).ask("pause", {})


# ── filing ───────────────────────────────────────────────────────────────────
def test_a_lost_answer_of_the_database_does_not_ask_twice(shared, url):
    class Flaky(Requests):
        """Its first commit succeeds, and nobody hears of it."""

        lost = False

        def _filed(self, new):
            number = super()._filed(new)
            if not self.lost:
                self.lost = True
                raise StoreUnavailable("the connection was lost")
            return number

    asking = Flaky(shared, SystemClock(), actor="ann", key=lambda: "one", acting=Nobody)
    with running(url):
        assert asking.ask("pause", {}).id == 1
    with shared.read() as view:
        assert len(commands.recent(view)) == 1


# ── what becomes of a change ─────────────────────────────────────────────────
def test_a_change_is_followed_to_its_verdict(shared, tmp_path):
    run, clock = recorded(shared, tmp_path, 60)
    asking = requests(shared, clock=clock)
    open_ = asking.follow([2], 0.0, lambda _: None)
    assert (open_.settled, open_.exit_code, open_.states) == (
        False,
        Exit.INCONCLUSIVE,
        ("observing",),
    )
    waited = []
    found = asking.follow([2], 600.0, lambda seconds: (waited.append(seconds), run.run(4)))
    assert found.settled
    assert (found.exit_code, found.states) == (Exit.DONE, ("kept",))
    assert found.said.startswith("Keep change 2")
    assert waited
    assert asking.follow([], 0.0, lambda _: None).exit_code == Exit.INCONCLUSIVE


def test_what_was_taken_back_undecided_is_not_what_was_worse(shared, tmp_path):
    recorded(shared, tmp_path, 130)
    asking = requests(shared)
    found = asking.follow([6], 0.0, lambda _: None)
    assert (found.settled, found.states) == (True, ("rolled_back",))
    assert found.exit_code == Exit.INCONCLUSIVE
    assert "not proven" in found.said


def test_an_answer_tells_its_changes_with_the_way_back(shared, tmp_path, url):
    recorded(shared, tmp_path, 60)

    def applied(tx, command):
        return commands.DONE, Exit.DONE, {"changes": [{"change_id": 1}, {"id": 2}], "undo": "x"}

    with running(url, applied):
        asking = requests(shared)
        answer = asking.ask("apply", {})
    first, second = asking.changed(answer)
    assert (first["rule"], first["old"], first["new"], first["state"]) == ("workers", 8, 9, "kept")
    assert first["undo"] == "daemon ctl rollback --rule workers --to 8"
    assert second["undo"] == "daemon ctl rollback 2"
    assert answer.undo == "x"


def test_a_leader_that_lets_go_while_we_wait_leaves_it_to_us(shared):
    """Somebody holds the lease, answers nothing, and ends: then this process acts."""
    other = Leader(shared)
    assert other.lease.acquire() is not None

    class Ending(StandingClock):
        def sleep(self, seconds):
            super().sleep(seconds)
            if self.at_us > begin_us + 2_000_000:
                other.lease.release()

    begin_us = SystemClock().now_us()
    asking = requests(shared, does=refused, clock=Ending(begin_us))
    assert asking.ask("apply", {}).state == "refused"
