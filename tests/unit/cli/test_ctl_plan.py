"""Plans as they are shown, on a run that ended a moment ago."""

from contextlib import contextmanager

import pytest

from daemon.cli import ctl_plan
from daemon.errors import Exit
from daemon.services.asking.inquiry import Inquiry
from daemon.services.asking.planning import Planner
from daemon.store import freezes, proposals
from tests.inquiry_kit import recorded
from tests.recording import loaded_policy
from tests.shelf import in_memory

IDLE = 65
"""Cycles after which a change was kept and nothing is open."""


class Desk:
    """As much of the daemon as planning needs."""

    def __init__(self, planner):
        self._planner = planner

    @contextmanager
    def planner(self):
        yield self._planner


@pytest.fixture
def planner(tmp_path):
    with in_memory() as store:
        _, clock = recorded(store, tmp_path, IDLE)
        yield Planner(store, clock, loaded_policy(tmp_path))


def test_a_plan_is_shown_with_effects_guards_and_what_else_there_was(planner, capsys):
    plan = planner.propose(planner.plan(), "ann")
    ctl_plan._show(plan, "table", planner.clock.now_us())
    out = capsys.readouterr().out
    for said in (
        "Moving workers from 10 to 11 should change the score by +",
        "Nothing stands against it.",
        "what it should do\nsignal ",
        "guards\nguard ",
        "passed over\nstep ",
        "another step promises more",
        "proposal 1; to do it: daemon ctl apply 1",
    ):
        assert said in out


def test_what_the_loop_would_do_becomes_a_proposal_to_be_applied(planner, capsys):
    assert ctl_plan._planned_now(Desk(planner), "a test") == {"proposal": 1}
    assert capsys.readouterr().err.startswith("Moving workers from 10 to 11")
    with planner.store.read() as view:
        assert proposals.get(view, 1).reason.endswith(": a test")


def test_where_the_loop_would_do_nothing_the_code_tells_whether_it_may(planner, tmp_path):
    content = Planner(
        planner.store,
        planner.clock,
        loaded_policy(tmp_path, ("latency: { max: 100", "latency: { max: 300")),
    )
    assert ctl_plan._planned_now(Desk(content), None) == Exit.DONE
    now_us = planner.clock.now_us()
    with planner.store.write() as tx:
        new = {"reason": "sale", "owner": "ann", "starts_at_us": now_us, "created_at_us": now_us}
        freezes.add(tx, freezes.NewFreeze(**new))
    assert ctl_plan._planned_now(Desk(planner), None) == Exit.REFUSED


def test_a_kept_change_that_is_in_force_is_taken_back_by_its_number(planner):
    inquiry = Inquiry(planner.store, planner.clock)
    assert inquiry.explain("c2").undo == "daemon ctl rollback 2"
    assert inquiry.explain("c1").undo == "daemon ctl rollback --rule workers --to 8"
