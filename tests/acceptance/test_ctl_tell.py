"""``daemon ctl`` as an operator tells it what to do, while somebody leads."""

import json

import pytest

from daemon import app
from daemon.errors import Exit
from daemon.store import commands
from tests.leading import running


# ── telling it, while it runs ────────────────────────────────────────────────
def answering(state, code, **result):
    return lambda tx, command: (state, code, {"text": f"{command.kind} it is", **result})


def asked_of(desk_url, desk, *words, does=None):
    """Type a command while a service runs; return the code and what it was asked for."""
    does = does or answering(commands.DONE, Exit.DONE)
    with running(desk_url, does) as leader:
        code = desk.type("ctl", *words)
    mine = [one for one in leader.seen if one.actor == app.actor()]
    return code, [(one.kind, one.args) for one in mine]


@pytest.mark.parametrize(
    ("words", "kind", "args"),
    [
        (["rollback", "3"], "rollback", {"change": 3}),
        (["rollback", "c3"], "rollback", {"change": 3}),
        (["rollback", "--last"], "rollback", {"last": True}),
        (["rollback", "--all"], "rollback", {"all": True}),
        (["rollback", "--to", "lkg"], "rollback", {"lkg": True}),
        (["rollback", "--rule", "batch"], "rollback", {"rule": "batch"}),
        (
            ["rollback", "--rule", "batch", "--to", "45"],
            "rollback",
            {"rule": "batch", "to": 45},
        ),
        (["rollback", "--rule", "batch", "--to", "r7"], "rollback", {"rule": "batch", "rev": 7}),
        (["approve", "p12"], "approve", {"proposal": 12}),
        (["reject", "12"], "reject", {"proposal": 12}),
        (["confirm", "3"], "confirm", {"change": 3}),
        (["extend", "3"], "extend", {"change": 3, "seconds": 60}),
        (["extend", "c3", "--for", "10m"], "extend", {"change": 3, "seconds": 600}),
        (["pause"], "pause", {}),
        (["pause", "batch"], "pause", {"rule": "batch"}),
        (["resume", "batch"], "resume", {"rule": "batch"}),
        (["adopt", "batch"], "adopt", {"rule": "batch"}),
        (["kill"], "kill", {"leave": False}),
        (["kill", "--leave"], "kill", {"leave": True}),
        (["unkill"], "unkill", {}),
        (["freeze", "remove", "7"], "freeze_remove", {"id": 7}),
        (["apply", "1"], "apply", {"proposal": 1, "keep": False}),
        (
            ["apply", "workers=12"],
            "apply",
            {"moves": {"workers": 12}, "base": {"workers": 11}, "keep": False},
        ),
        (
            ["apply", "workers=5", "--keep"],
            "apply",
            {"moves": {"workers": 5}, "base": {"workers": 11}, "keep": True},
        ),
    ],
)
def test_every_word_reaches_the_leader(desk, desk_url, words, kind, args):
    code, seen = asked_of(desk_url, desk, *words)
    assert (code, seen) == (Exit.DONE, [(kind, args)])
    assert desk.out.startswith(f"done: {kind} it is")


def test_a_reason_and_who_asks_stay_on_record(desk, desk_url):
    asked_of(desk_url, desk, "pause", "--reason", "  release day  ")
    (row, *_) = desk.rows("ctl", "get", "commands")
    assert (row["reason"], row["actor"]) == ("release day", app.actor())


def test_what_was_changed_is_told_with_the_command_that_undoes_it(desk, desk_url):
    does = answering(commands.DONE, Exit.DONE, changes=[3], undo="daemon ctl rollback 3")
    assert asked_of(desk_url, desk, "apply", "1", does=does)[0] == Exit.DONE
    assert desk.out.splitlines() == [
        "done: apply it is",
        "change 3: workers 10 → 11, observing; undo: daemon ctl rollback 3",
    ]
    asked_of(desk_url, desk, "apply", "1", "-o", "json", does=does)
    told = json.loads(desk.out)
    assert told["schema"] == "daemon.ctl.answer/1"
    assert told["changes"][0]["undo"] == told["undo"] == "daemon ctl rollback 3"
    asked_of(desk_url, desk, "apply", "1", "-o", "csv", does=does)
    assert desk.out.splitlines()[0] == "id,rule,old,new,state,undo"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (commands.REFUSED, Exit.REFUSED),
        (commands.REFUSED, Exit.TRY_AGAIN),
        (commands.FAILED, Exit.UNVERIFIED),
    ],
)
def test_what_was_not_done_ends_with_the_answers_code(desk, desk_url, state, code):
    assert asked_of(desk_url, desk, "pause", does=answering(state, code))[0] == code
    assert desk.out == ""
    assert desk.err == f"{state}: pause it is\n"


def test_a_service_that_does_not_answer_is_said_with_8(desk, desk_url):
    with running(desk_url, answers=False):
        assert desk.type("ctl", "pause", "--timeout", "0.1") == Exit.TRY_AGAIN
    assert "holds the lease and does not answer" in desk.err
    assert "daemon ctl status" in desk.err


def test_a_change_is_followed_to_its_verdict(desk, desk_url):
    kept = answering(commands.DONE, Exit.DONE, changes=[2])
    code, _ = asked_of(desk_url, desk, "apply", "1", "--wait", does=kept)
    assert code == Exit.DONE
    assert "watching change 2 until it is judged, at most 3 min" in desk.err
    assert "change 2 is kept. Keep change 2: the score rose" in desk.err
    assert "why: daemon ctl explain c2" in desk.err
    still_open = answering(commands.DONE, Exit.DONE, changes=[3])
    code, _ = asked_of(desk_url, desk, "apply", "1", "--wait=0.1", does=still_open)
    assert code == Exit.INCONCLUSIVE
    assert "change 3 is observing and not judged yet; undo: daemon ctl rollback 3" in desk.err


def test_what_is_kept_at_a_persons_word_is_not_waited_for(desk, desk_url):
    kept = answering(commands.DONE, Exit.DONE, changes=[3])
    code, _ = asked_of(desk_url, desk, "apply", "workers=5", "--keep", "--wait", does=kept)
    assert code == Exit.DONE
    assert "watching" not in desk.err


def test_a_plan_file_is_applied_or_refused_as_stale(desk, desk_url):
    desk.ok("ctl", "dry-run", "workers=12", "--out", "plan.json")
    code, seen = asked_of(desk_url, desk, "apply", "--plan", "plan.json")
    assert (code, seen) == (Exit.DONE, [("apply", {"proposal": 2, "keep": False})])
    path = desk.folder / "plan.json"
    path.write_text(path.read_text().replace("12.0", "13.0"))
    code, seen = asked_of(desk_url, desk, "apply", "--plan", "plan.json")
    assert (code, seen) == (Exit.TRY_AGAIN, [])
    assert "was altered" in desk.err
    assert desk.type("ctl", "apply", "--plan", "none.json") == Exit.INPUT


def test_without_an_argument_it_does_what_the_loop_would(desk, desk_url):
    code, seen = asked_of(desk_url, desk, "apply")
    assert (code, seen) == (Exit.REFUSED, [])
    assert desk.err.startswith("No step is tried while change 3 is open. The next cycle: ")


# ── usage ────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rollback"], "say what to take back"),
        (["rollback", "3", "--last"], "say what to take back"),
        (["rollback", "--to", "45"], "--to VALUE needs --rule"),
        (["rollback", "--rule", "batch", "--to", "high"], "neither a value nor a revision"),
        (["rollback", "three"], "no number"),
        (["apply", "1", "--plan", "x"], "not both"),
        (["pause", "--reason", "  "], "say why"),
        (["pause", "--timeout", "soon"], "no duration"),
        (["freeze", "add", "--for", "1h", "--reason", "x"], "name a RULE, or say --all"),
        (["freeze", "add", "batch", "--all", "--reason", "x"], "name a RULE, or say --all"),
        (["freeze", "add", "--all"], "--reason"),
        (
            ["freeze", "add", "--all", "--for", "1h", "--until", "2h", "--reason", "x"],
            "--until or --for",
        ),
        (["freeze", "add", "--all", "--cron", "* * * * *", "--reason", "x"], "--for how long"),
        (["freeze", "add", "--all", "--until", "2026-01-01", "--reason", "x"], "has ended already"),
        (["freeze", "add", "--all", "--from", "2h", "--until", "1h", "--reason", "x"], "before it"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(desk, words, said):
    assert desk.type("ctl", *words) == Exit.USAGE
    assert said in desk.err


def test_a_freeze_says_when_it_holds(desk, desk_url):
    words = ("freeze", "add", "batch", "--for", "1h", "--reason", "load test")
    _, [(kind, args)] = asked_of(desk_url, desk, *words)
    assert (kind, args["rule"], args["reason"]) == ("freeze_add", "batch", "load test")
    assert args["ends_at_us"] > 0
    words = ("freeze", "add", "--all", "--from", "1h", "--until", "2h", "--reason", "x")
    _, [(_, args)] = asked_of(desk_url, desk, *words)
    assert args["ends_at_us"] - args["starts_at_us"] == pytest.approx(3_600_000_000, abs=10**6)
    words = ("freeze", "add", "--all", "--cron", "0 18 * * 5", "--for", "60h", "--reason", "x")
    _, [(_, args)] = asked_of(desk_url, desk, *words)
    assert (args["cron"], args["duration_s"]) == ("0 18 * * 5", 216_000)
    assert args["ends_at_us"] - args["starts_at_us"] == 216_000_000_000
    words = ("ctl", "freeze", "add", "--all", "--cron", "noon", "--for", "1h", "--reason", "x")
    assert desk.type(*words) == Exit.INPUT


def test_freezes_are_listed_in_force_and_to_come(desk):
    assert [row["reason"] for row in desk.rows("ctl", "freeze", "list")] == ["sale"]
    assert "sale" in desk.ok("ctl", "freeze", "list", "--all")
