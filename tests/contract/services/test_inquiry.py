"""What is on record, asked for by a person: the same answers from every database."""

from daemon.errors import Exit
from daemon.services.asking.inquiry import Inquiry
from daemon.services.asking.inquiry_rows import ASKED
from daemon.store import rules
from daemon.store.lease import Lease
from daemon.tuning.windows import BLOCK_US
from tests.inquiry_kit import fill, recorded, records

CYCLES = 54
"""One change is kept and another one is being watched."""


def test_everything_can_be_asked_for(store, tmp_path):
    _, clock = recorded(store, tmp_path, CYCLES)
    asked = Inquiry(store, clock)
    fill(store, clock.now_us())
    found = {what: records(asked.rows(what)) for what in [*ASKED, "history"]}
    assert all(found.values())
    assert [row["rule"] for row in found["rules"]] == ["batch", "workers"]
    assert found["rules"][1]["state"] == "observing"
    assert [row["signal"] for row in found["signals"]] == ["errors", "latency"]
    assert [row["id"] for row in found["changes"]] == [2, 1]
    assert found["changes"][1]["state"] == "kept"
    assert found["decisions"][0]["seq"] == len(found["decisions"])
    assert found["decisions"][-1]["repeats"] > 0
    (proposal,) = found["proposals"]
    assert (proposal["moves"], proposal["gain"], proposal["state"]) == (
        "workers 10 → 11",
        0.1,
        "pending",
    )
    (freeze,) = found["freezes"]
    assert (freeze["rule"], freeze["state"], freeze["owner"]) == ("batch", "in_force", "ann")
    assert found["alerts"][0]["text"] == "change 7 is stuck"
    assert found["commands"][0]["args"] == {"rule": "batch"}
    assert [row["rev"] for row in found["history"]] == ["r2", "r1"]
    assert found["history"][0]["outcome"] == "observing"
    told = [asked.explain(f"d{row['seq']}").told for row in found["decisions"]]
    assert all(told)
    assert [asked.explain(word).undo for word in ("c2", "c1")] == [
        "daemon ctl rollback 2",
        "daemon ctl rollback --rule workers --to 8",
    ]
    assert asked.broken(full=True) == []


def test_a_running_service_is_told_with_all_that_matters(shared, tmp_path):
    run, clock = recorded(shared, tmp_path, CYCLES)
    now_us = clock.now_us()
    fill(shared, now_us)
    with shared.write() as tx:
        rules.set_foreign(tx, "batch", 50.0, now_us)
    lease = Lease(shared, "tests:1:a", clock, about={"version": "0.9"})
    assert lease.acquire() == 1
    asked = Inquiry(shared, clock)
    found = asked.status()
    assert (found.running, found.exit_code, found.trouble) == (True, Exit.DONE, None)
    assert (found.leader["holder"], found.leader["version"]) == ("tests:1:a", "0.9")
    assert (found.mode, found.phase, found.policy) == ("live", "observing", run.policy.digest)
    (change,) = found.open
    assert change["due_us"] == change["since_us"] + 70_000_000
    assert change["age_s"] == (now_us - change["since_us"]) / 1e6
    told = {
        "open": [(one["id"], one["state"], one["undo"]) for one in found.open],
        "resting": [one["rule"] for one in found.resting],
        "foreign": found.foreign,
        "held": [(one["rule"], one["kind"], one["undo"]) for one in found.held],
        "sources": [(one["source"], one["age_s"]) for one in found.sources],
        "proposals": [(one["id"], one["moves"]) for one in found.proposals],
        "alerts": [one["text"] for one in found.alerts],
        "commands": found.commands,
        "next": found.next_cycle_us,
    }
    assert told == {
        "open": [(2, "observing", "daemon ctl rollback 2")],
        "resting": ["workers"],
        "foreign": ["batch"],
        "held": [("batch", "freeze", "daemon ctl freeze remove 1")],
        "sources": [("csv", 3.0)],
        "proposals": [(1, "workers 10 → 11")],
        "alerts": ["change 7 is stuck"],
        "commands": 1,
        "next": now_us + BLOCK_US,
    }
    assert sum(found.signals.values()) == 2
    assert 0 < found.score < 1
    clock.sleep(61)
    found = asked.status()
    if shared.dialect == "sqlite":  # its lock is held, so it lives
        assert found.running
        assert "no cycle came to an end since" in found.trouble
    else:  # nothing but its beat can tell
        assert not found.running
    lease.release()
    assert asked.status().exit_code == Exit.NOT_RUNNING
