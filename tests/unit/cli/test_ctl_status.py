"""The status in lines: what there is to say is said, what is as it should be is not."""

import pytest

from daemon.cli.ctl_status import document, lines
from daemon.services.asking.inquiry_status import Status

NOW = 1_795_255_200_000_000
LEADER = {
    "holder": "host:1:a",
    "epoch": 7,
    "since_us": NOW - 7_200_000_000,
    "beat_at_us": NOW - 5_000_000,
    "version": "0.9",
    "released": False,
}
CHANGE = {
    "id": 45,
    "rule": "workers",
    "old": 8.0,
    "new": 9.0,
    "state": "observing",
    "cause": "best_expected",
    "since_us": NOW - 40_000_000,
    "age_s": 40.0,
    "due_us": NOW + 50_000_000,
    "undo": "daemon ctl rollback 45",
}


@pytest.fixture(autouse=True)
def _no_colour(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")


def told(**said):
    """The lines of a status, with single spaces."""
    status = Status(at_us=NOW, **{"running": True, "leader": LEADER, **said})
    return [" ".join(line.split()) for line in lines(status)]


def test_what_is_as_it_should_be_takes_no_line():
    assert told() == [
        "daemon running since 2026-11-21T08:00:00Z (2 h ago) as host:1:a, version 0.9, epoch 7"
    ]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"mode": "dry_run"}, "mode dry run: the loop only proposes, nothing is touched"),
        ({"mode": "live"}, "mode live: changes are made"),
        ({"policy": "a" * 64}, "policy aaaaaaaaaaaa"),
        ({"score": 0.71234}, "score 0.7123 (1 when every target is met)"),
        ({"signals": {"sick": 1, "ok": 3}}, "signals 3 ok, 1 sick"),
        (
            {"open": [CHANGE]},
            (
                "open change 45: workers 8 → 9, observing for 40 s, judged in 50 s;"
                " undo: daemon ctl rollback 45"
            ),
        ),
        (
            {"open": [CHANGE | {"due_us": NOW - 1}]},
            (
                "open change 45: workers 8 → 9, observing for 40 s, its window is full;"
                " undo: daemon ctl rollback 45"
            ),
        ),
        (
            {"open": [CHANGE | {"state": "rolling_back", "due_us": None}]},
            "open change 45: workers 8 → 9, rolling back for 40 s; undo: daemon ctl rollback 45",
        ),
        (
            {"resting": [{"rule": "batch", "until_us": NOW + 30_000_000}]},
            "resting batch for 30 s more, until 2026-11-21T10:00:30Z",
        ),
        (
            {"foreign": ["batch", "workers"]},
            "foreign batch, workers: set by a person; take over with: daemon ctl adopt RULE",
        ),
        (
            {"held": [{"rule": None, "kind": "hold", "words": "HOLD: x", "undo": None}]},
            "held everything HOLD: x",
        ),
        ({"commands": 2}, "waiting 2 commands to be carried out"),
        (
            {"next_cycle_us": NOW + 3_000_000, "next_look_us": NOW + 20_000_000},
            "next a cycle in 3 s; a step is looked for in 20 s",
        ),
        (
            {"sources": [{"source": "csv", "at_us": NOW, "age_s": -0.4}]},
            "source csv: last heard 0 s ago",
        ),
        (
            {"proposals": [{"id": 3, "moves": "a 1 → 2", "origin": "loop", "expires_us": None}]},
            "proposal 3: a 1 → 2 (loop); daemon ctl apply 3",
        ),
        ({"trouble": "no cycle came to an end"}, "no cycle came to an end"),
    ],
)
def test_each_thing_has_its_line(said, line):
    assert line in told(**said)


@pytest.mark.parametrize(
    ("leader", "line"),
    [
        (None, "daemon not running: it never ran on this database"),
        (
            LEADER | {"released": True},
            (
                "daemon not running: it ended 2026-11-21T09:59:55Z (5 s ago);"
                " start it with: daemon run"
            ),
        ),
        (
            LEADER,
            (
                "daemon not running: it did not end by itself: it was last heard of"
                " 2026-11-21T09:59:55Z (5 s ago); start it with: daemon run"
            ),
        ),
    ],
)
def test_one_that_does_not_run_says_how_it_ended(leader, line):
    assert told(running=False, leader=leader) == [line]


def test_what_others_wrote_cannot_steer_the_terminal():
    alert = {"id": 1, "at_us": NOW, "severity": "warn", "text": "\x1b[2J", "times": 1}
    assert told(alerts=[alert])[1] == r"alert warn \x1b[2J (0 s ago)"


def test_a_program_gets_moments_as_text():
    found = document(Status(at_us=NOW, running=False, open=[CHANGE], leader=LEADER))
    assert found["at"] == "2026-11-21T10:00:00.000000Z"
    assert found["open"][0]["due"] == "2026-11-21T10:00:50.000000Z"
    assert found["leader"]["since"] == "2026-11-21T08:00:00.000000Z"
    assert found["next_cycle"] is None
    assert found["exit_code"] == 3
