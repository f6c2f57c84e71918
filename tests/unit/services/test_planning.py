"""What would be done: nothing is touched, every guard speaks, and a stale plan is refused."""

import json
import shutil

import pytest

from daemon.errors import Exit, InputError
from daemon.services.asking.inquiry_rows import UnknownName
from daemon.services.asking.plan_file import StalePlan
from daemon.services.asking.planning import Planner
from daemon.store import freezes, memory, migrate, proposals, rules
from daemon.store.lease import Lease
from daemon.store.store import Store
from daemon.tuning.windows import BLOCK_US
from tests.inquiry_kit import StandingClock, recorded
from tests.recording import adopt, loaded_policy
from tests.shelf import in_memory

IDLE, OPEN, COLD = 65, 70, 20
"""Cycles after which one change was kept and nothing is open; one is open; nothing is known."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Databases of recorded runs by their length, each made once, to be copied."""
    made = {}

    def of(cycles):
        if cycles not in made:
            folder = tmp_path_factory.mktemp("run")
            with Store.open(f"sqlite:///{folder / 'run.db'}") as store:
                migrate.upgrade(store)
                _, clock = recorded(store, folder, cycles)
            made[cycles] = (folder / "run.db", clock.now_us())
        return made[cycles]

    return of


@pytest.fixture
def planner_on(recording, tmp_path):
    """Makes a planner on a copy of a recorded run, with some words of the policy replaced."""
    opened = []

    def planner(cycles, *changes):
        template, now_us = recording(cycles)
        store = Store.open(f"sqlite:///{shutil.copy(template, tmp_path / 'run.db')}")
        opened.append(store)
        return Planner(store, StandingClock(now_us), loaded_policy(tmp_path, *changes))

    yield planner
    for store in opened:
        store.close()


@pytest.fixture
def own(planner_on):
    """A planner on a run in which nothing is open."""
    return planner_on(IDLE)


def outcomes(plan):
    return {check.guard: check.outcome for check in plan.checks}


def details(plan):
    return {check.guard: check.detail for check in plan.checks}


# ── what the loop would do ───────────────────────────────────────────────────
def test_what_the_loop_would_do_now_is_told_with_all_it_was_held_against(planner_on):
    plan = planner_on(IDLE).plan()
    (move,) = plan.moves
    assert (move.rule, move.old, move.new) == ("workers", 10.0, 11.0)
    assert plan.said.startswith("Moving workers from 10 to 11 should change the score by +")
    assert plan.said.endswith("Nothing stands against it.")
    assert plan.stops == []
    assert not plan.hopeless
    assert plan.base == {"batch": 50.0, "workers": 10.0}
    assert plan.changes == {"batch": None, "workers": 2}
    latency = next(row for row in plan.effect_rows() if row[0] == "latency")
    _, before, delta, low, high = latency
    assert low < delta < high < 0
    assert 110 < before < 125
    assert all(why for *_, why in plan.other_rows())
    assert set(outcomes(plan).values()) == {"passed", "warned"}
    assert outcomes(plan)["calibration"] == "warned"
    assert outcomes(plan)["too_risky"] == "passed"


def test_while_a_change_is_open_the_loop_would_do_nothing(planner_on):
    plan = planner_on(OPEN).plan()
    assert plan.moves == ()
    assert plan.said.startswith("Nothing is changed: what the change does is being observed")
    assert outcomes(plan) == {"observing": "stopped"}
    assert plan.barred
    assert plan.hopeless
    assert plan.effect_rows() == []


def test_where_all_targets_are_met_nothing_is_in_the_way_but_nothing_is_to_be_done(planner_on):
    planner = planner_on(IDLE, ("latency: { max: 100", "latency: { max: 300"))
    plan = planner.plan()
    assert plan.moves == ()
    assert "all targets are met" in plan.said
    assert not plan.barred


# ── what a person's values would do ──────────────────────────────────────────
def test_values_are_weighed_and_nothing_stands_against_them(planner_on):
    plan = planner_on(IDLE).plan({"workers": 11.0})
    assert plan.candidate.gain > 0
    assert plan.candidate.spread > 0
    assert plan.stops == []
    assert plan.expected()["gain"] == plan.candidate.gain
    assert [one["signal"] for one in plan.expected()["effects"]] == ["errors", "latency"]


def test_a_step_that_promises_little_is_warned_of_and_not_stopped(planner_on):
    plan = planner_on(IDLE).plan({"workers": 9.0})
    assert outcomes(plan)["not_worth_it"] == "warned"
    assert outcomes(plan)["too_risky"] == "warned"
    assert plan.stops == []


@pytest.mark.parametrize(
    ("wanted", "guard", "detail"),
    [
        ({"workers": 30.0}, "at_bound", "workers may be 2 to 20"),
        ({"workers": 14.0}, "too_far", "workers may move by 2 at once, and would by 4"),
        ({"workers": 10.0}, "no_candidate", "it would move nothing"),
    ],
)
def test_what_can_never_be_done_is_hopeless(planner_on, wanted, guard, detail):
    plan = planner_on(IDLE).plan(wanted)
    assert outcomes(plan)[guard] == "stopped"
    assert details(plan)[guard] == detail
    assert plan.hopeless
    assert f"It would be refused: {detail}" in plan.said


def test_what_must_wait_is_not_hopeless(planner_on):
    plan = planner_on(OPEN).plan({"workers": 12.0})
    assert {guard for guard, outcome in outcomes(plan).items() if outcome == "stopped"} == {
        "busy",
        "cooldown",
    }
    assert "change 3 of workers (observing) is open" in details(plan)["busy"]
    assert "workers rests until 2026-" in details(plan)["cooldown"]
    assert not plan.hopeless


def test_before_anything_is_known_nothing_is_promised(planner_on):
    plan = planner_on(COLD).plan({"workers": 9.0})
    assert plan.said.startswith("Moving workers from 8 to 9: what it would bring is not known yet.")
    assert outcomes(plan)["warming_up"] == "stopped"
    assert plan.effect_rows() == []


def test_a_daemon_that_never_ran_knows_nothing(tmp_path):
    with in_memory() as store:
        loaded = loaded_policy(tmp_path)
        adopt(store, loaded)
        planner = Planner(store, StandingClock(1_795_255_200_000_000), loaded)
        plan = planner.plan({"workers": 9.0})
        assert outcomes(plan)["warming_up"] == "stopped"
        assert "has not watched these signals" in details(plan)["warming_up"]
        assert planner.plan().moves == ()


def test_an_unknown_rule_is_refused_with_the_nearest(planner_on):
    with pytest.raises(UnknownName) as caught:
        planner_on(IDLE).plan({"worker": 9.0})
    assert caught.value.hint == "did you mean workers?"


# ── what a person set against it ─────────────────────────────────────────────
def freeze(planner, rule=None, kind="freeze"):
    now_us = planner.clock.now_us()
    with planner.store.write() as tx:
        new = {"reason": "sale", "owner": "ann", "starts_at_us": now_us, "created_at_us": now_us}
        freezes.add(tx, freezes.NewFreeze(**new, rule=rule, kind=kind))


def test_a_freeze_of_everything_stops_it_in_words(own):
    freeze(own, kind="kill")
    plan = own.plan({"workers": 11.0})
    assert outcomes(plan)["held"] == "stopped"
    assert details(plan)["held"] == "killed by ann: sale"
    assert own.plan().barred


def test_a_freeze_of_a_rule_and_a_hand_on_it_stop_that_rule_only(own):
    freeze(own, rule="workers")
    with own.store.write() as tx:
        rules.set_foreign(tx, "batch", 50.0, own.clock.now_us())
    plan = own.plan({"workers": 11.0})
    assert details(plan)["barred"] == "workers: frozen by ann: sale"
    plan = own.plan({"batch": 55.0})
    assert "batch: a person set it" in details(plan)["barred"]


def test_a_value_that_somebody_set_just_now_is_no_ground_to_plan_on(own):
    with own.store.write() as tx:
        rules.set_foreign(tx, "batch", 60.0, own.clock.now_us())
    plan = own.plan({"workers": 11.0})
    assert outcomes(plan)["superseded"] == "stopped"
    assert "the next cycle takes it into account" in plan.said


def test_signals_that_stay_away_stop_it(own):
    own.clock.at_us += 20 * BLOCK_US
    plan = own.plan({"workers": 11.0})
    assert outcomes(plan)["signal_unfit"] == "stopped"
    assert "not every signal comes in" in details(plan)["signal_unfit"]


def test_what_the_last_cycle_found_counts_while_the_daemon_runs(tmp_path):
    with in_memory() as store:
        run, clock = recorded(store, tmp_path, IDLE)
        run.held = "HOLD: maintenance"
        run.run(1)
        clock.at_us = run.block * BLOCK_US
        planner = Planner(store, clock, loaded_policy(tmp_path))
        assert planner.plan({"workers": 11.0}).stops == []
        lease = Lease(store, "tests:1:a", clock)
        lease.acquire()
        plan = planner.plan({"workers": 11.0})
        assert details(plan)["held"] == "HOLD: maintenance"
        found = planner.plan()
        assert found.said.endswith("What holds them: HOLD: maintenance.")
        assert details(found) == {"held": "HOLD: maintenance"}


def test_approval_and_dry_run_are_named(planner_on):
    planner = planner_on(IDLE, ("dry_run: false", "dry_run: true, approval: required"))
    plan = planner.plan({"workers": 11.0})
    assert (outcomes(plan)["approval"], outcomes(plan)["dry_run"]) == ("warned", "warned")


def test_a_memory_of_another_version_is_no_memory(own):
    with own.store.write() as tx:
        known = memory.recall(tx)
        told = {name: getattr(known, name) for name in ("at_us", "block", "mode", "epoch")}
        memory.remember(tx, memory.Memory(**told, state={"_": "State", "was": "otherwise"}))
    assert outcomes(own.plan({"workers": 11.0}))["warming_up"] == "stopped"


# ── proposals and files ──────────────────────────────────────────────────────
def test_a_plan_is_stored_as_a_proposal_with_all_that_it_rests_on(own):
    plan = own.propose(own.plan(), "ann", "more load")
    assert plan.proposal == 1
    with own.store.read() as view:
        row = proposals.get(view, 1)
    assert (row.state, row.origin, row.target) == ("pending", "operator", {"workers": 11.0})
    assert row.base == {"batch": 50.0, "workers": 10.0}
    assert row.expected["gain"] == plan.candidate.gain
    assert row.reason == "ann: more load"
    assert row.expires_at_us == own.clock.now_us() + 3_600_000_000
    document = plan.document()
    assert document["apply"] == "daemon ctl apply 1"
    assert json.loads(json.dumps(document))["moves"] == document["moves"]


def test_a_plan_file_is_done_as_its_proposal_while_that_stands(own, tmp_path):
    plan = own.propose(own.plan(), "ann")
    own.write(tmp_path / "plan.json", plan, "ann")
    assert own.read(tmp_path / "plan.json") == {"proposal": 1}
    with own.store.write() as tx:
        proposals.decide(tx, 1, "expired", "daemon", own.clock.now_us())
    assert own.read(tmp_path / "plan.json") == {
        "moves": {"workers": 11.0},
        "base": {"batch": 50.0, "workers": 10.0},
    }


def altered(own, path, **said):
    """A plan file in which something was changed by hand."""
    own.write(path, own.plan(), "ann")
    body = json.loads(path.read_text())
    path.write_text(json.dumps({**body, **said}))
    return path


def test_a_plan_that_was_altered_is_stale(own, tmp_path):
    path = altered(own, tmp_path / "p.json", moves=[{"rule": "workers", "old": 10, "new": 20}])
    with pytest.raises(StalePlan, match="was altered") as caught:
        own.read(path)
    assert caught.value.exit_code == Exit.TRY_AGAIN
    assert "daemon ctl dry-run --out" in caught.value.hint


def test_a_plan_of_another_policy_is_stale(own, tmp_path):
    own.write(tmp_path / "p.json", own.plan(), "ann")
    other = loaded_policy(tmp_path, ("cooldown_s: 30", "cooldown_s: 40"))
    with pytest.raises(StalePlan, match=f"under the policy {own.loaded.digest[:12]}"):
        Planner(own.store, own.clock, other).read(tmp_path / "p.json")


def test_a_plan_on_other_values_is_stale_also_when_they_came_back(own, tmp_path):
    own.write(tmp_path / "p.json", own.plan(), "ann")
    with own.store.write() as tx:
        rules.set_foreign(tx, "batch", 60.0, 1)
    with pytest.raises(StalePlan, match="rests on batch at 50, and it is 60 now"):
        own.read(tmp_path / "p.json")
    with own.store.write() as tx:
        rules.set_foreign(tx, "batch", 50.0, 1)
        rules.set_foreign(tx, "workers", 10.0, 1)
    with pytest.raises(StalePlan, match="workers was moved and moved back"):
        own.read(tmp_path / "p.json")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "daemon.plan/0"}'])
def test_what_is_no_plan_is_refused(own, tmp_path, text):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(InputError):
        own.read(tmp_path / "p.json")
    with pytest.raises(InputError):
        own.read(tmp_path / "none.json")
