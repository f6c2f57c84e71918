"""What a session has found is walked to in steps, and every step is judged like any other."""

from dataclasses import replace

from daemon.errors import Exit
from daemon.services.sweeping.judging import promote
from daemon.services.sweeping.judging.ranked import Finding
from daemon.services.sweeping.record import Record
from daemon.store import proposals, sessions
from daemon.store.sessions import Place
from tests import sweeping_kit

DRY = ("dry_run: false", "dry_run: true")


def finding(store, **params):
    """A session's robust winner, whose parameters are called like rules."""
    sweeping_kit.run(sweeping_kit.tools(store))
    with store.read() as view:
        session = sessions.get(view, 1)
    metrics = {"realized_pnl_usd": 7.0, "max_drawdown_pct": 1.0}
    return Finding(
        session=session,
        report={"luck": {"pbo": 0.1}},
        robust=Record(3, "s_0003", params, metrics, 0.1, None),
        place=Place(rank=1, n=3, robust_rank=1, robust_score=5.0),
    )


def approve(loop, number):
    command = loop.ask("approve", proposal=number)
    loop.answer()
    loop.run(2)
    return loop.told(command)


def test_a_goal_that_is_far_away_is_walked_to_a_step_at_a_time(make):
    loop = make(DRY)
    loop.until("apply")
    found = finding(loop.store, workers=14.0)
    used = replace(sweeping_kit.tools(loop.store), clock=loop.clock)
    for value in (10.0, 12.0):
        (done,) = promote.promote(used, found, ["workers"])
        assert done.proposal is not None, done.said
        told = approve(loop, done.proposal)
        assert told.exit_code == Exit.DONE, told.result
        assert loop.surface.values["workers"] == value, "twice lr, and no farther"
        loop.until("keep")
        loop.run(1)
        with loop.store.read() as view:
            assert proposals.get(view, done.proposal).state == "applied"


def test_a_proposal_whose_values_have_moved_since_is_refused(make):
    loop = make(DRY)
    loop.until("apply")
    found = finding(loop.store, workers=14.0)
    used = replace(sweeping_kit.tools(loop.store), clock=loop.clock)
    promote.promote(used, found, ["workers"])
    loop.ask("apply", moves={"workers": 9.0}, keep=True)
    loop.answer()
    loop.run(2)
    told = approve(loop, 2)
    assert (told.exit_code, "rests on workers at 8" in told.result["text"]) == (
        Exit.TRY_AGAIN,
        True,
    )
