"""``daemon ctl`` as an operator asks it, on a run that was recorded."""

import json

import pytest

from daemon import app
from daemon.cli.ctl_ask import watching
from daemon.cli.output import paint
from daemon.errors import Exit
from daemon.store.store import Store
from tests.inquiry_kit import StandingClock
from tests.leading import running

KINDS = app.ASKED


def document(terminal, *words, code=0):
    assert terminal.type("ctl", *words, "-o", "json") == code, terminal.err
    return json.loads(terminal.out)


# ── status ───────────────────────────────────────────────────────────────────
def test_status_says_how_it_stands_and_ends_with_3_where_nothing_runs(desk):
    assert desk.type("ctl", "status") == Exit.NOT_RUNNING
    said = {line.split()[0]: line for line in desk.out.splitlines()}
    assert "not running: it never ran on this database" in said["daemon"]
    assert "live: changes are made" in said["mode"]
    assert "1 when every target is met" in said["score"]
    assert "change 3: workers 10 → 11, observing for" in said["open"]
    assert said["open"].endswith("undo: daemon ctl rollback 3")
    assert "batch frozen by ann: sale; end it with: daemon ctl freeze remove 1" in said["held"]
    assert said["last"].split()[1].startswith("d")
    assert "crit change 7 is stuck" in said["alert"]
    assert "waiting" in said


def test_status_is_one_document_for_a_program(desk):
    told = document(desk, "status", code=Exit.NOT_RUNNING)
    assert told["schema"] == "daemon.ctl.status/1"
    assert (told["running"], told["mode"], told["exit_code"]) == (False, "live", 3)
    assert told["open"][0]["since"].endswith("Z")
    assert desk.type("ctl", "status", "-o", "csv") == Exit.NOT_RUNNING
    assert desk.out.splitlines()[0] == "key,value"


def test_status_of_a_running_service_ends_with_0(desk, desk_url):
    with running(desk_url):
        assert desk.type("ctl", "status") == Exit.DONE
    assert desk.out.splitlines()[0].split()[1] == "running"
    assert "as tests:1:a, epoch 1" in desk.out
    assert "a cycle in" in desk.out
    desk.type("ctl", "status")
    assert "not running: it ended" in desk.out


def test_status_ends_with_4_where_nobody_can_tell(bare, monkeypatch):
    monkeypatch.setenv("DAEMON_DATABASE_URL", "sqlite:///none.db")
    assert bare.type("ctl", "status") == Exit.UNKNOWN
    assert "unknown" in bare.out
    assert "none.db" in bare.out


def test_watching_shows_it_again(desk, capsys):
    built = app.build(None)
    built = app.App(built.loaded, StandingClock(built.clock.now_us()))
    capsys.readouterr()
    assert watching(built, "table", range(2)) == Exit.NOT_RUNNING
    assert capsys.readouterr().out.count("not running") == 2


# ── get, history ─────────────────────────────────────────────────────────────
@pytest.mark.parametrize("output", ["table", "json", "csv"])
@pytest.mark.parametrize("what", KINDS)
def test_everything_is_shown_in_every_form(desk, what, output):
    out = desk.ok("ctl", "get", what, "-o", output)
    assert len(out.splitlines()) > 1
    if output == "json":
        assert json.loads(out)["schema"] == f"daemon.ctl.{what}/1"


def test_the_newest_rows_come_first_and_there_may_be_more(desk):
    desk.ok("ctl", "get", "decisions", "--limit", "2")
    assert desk.err == "the newest 2 rows; --limit shows more\n"
    rows = desk.rows("ctl", "get", "changes", "workers")
    assert [row["id"] for row in rows] == [3, 2, 1]
    assert desk.rows("ctl", "get", "changes", "--since", "2026-06-01") == []
    desk.ok("ctl", "get", "changes", "--since", "1h")
    assert desk.err == "no changes yet\n"


def test_a_misspelt_rule_is_a_usage_error_with_the_nearest_name(desk):
    for words in (["get", "rules"], ["history"], ["pause"], ["adopt"], ["rollback", "--rule"]):
        assert desk.type("ctl", *words, "wrokers") == Exit.USAGE
        assert "there is no rule 'wrokers'" in desk.err
        assert "did you mean workers?" in desk.err


def test_the_history_of_a_rule_has_revisions_to_go_back_to(desk):
    rows = desk.rows("ctl", "history", "workers")
    assert [(row["rev"], row["old"], row["new"]) for row in rows] == [
        ("r3", 10, 11),
        ("r2", 9, 10),
        ("r1", 8, 9),
    ]
    desk.ok("ctl", "rollback", "--rule", "workers", "--to", "r1", "--print", "-o", "json")
    assert [row["back_to"] for row in json.loads(desk.out)["rows"]] == [10, 9]


# ── explain ──────────────────────────────────────────────────────────────────
def test_a_kept_change_is_explained_with_its_numbers_and_the_way_back(desk):
    out = desk.ok("ctl", "explain", "c2")
    for said in (
        "change c2, 2026-02-02T",
        "Change 2 moves workers 9 → 10; it is kept.",
        "It began with decision d",
        "It ended with decision d",
        "what it saw",
        "at most 100",
        "what would have changed it",
        "A change is kept if the score rose with a probability of at least 97 %",
        "what was considered",
        "another step promises more",
        "what happened when",
    ):
        assert said in out
    assert out.splitlines()[-1] == "undo: daemon ctl rollback --rule workers --to 9"


def test_a_decision_is_explained_for_a_program(desk):
    (keep, *_) = desk.rows("ctl", "get", "decisions", "keep")
    told = document(desk, "explain", f"d{keep['seq']}")
    assert told["schema"] == "daemon.ctl.explain/1"
    assert told["about"]["kind"] == "keep"
    assert told["told"] == [keep["explanation"]]
    assert [row["signal"] for row in told["signals"]] == ["errors", "latency"]
    assert told["otherwise"]
    assert told["compared"]
    assert [row["to"] for row in told["events"]][-1] == "kept"
    desk.ok("ctl", "explain", str(keep["seq"]), "-o", "csv")
    assert desk.out.splitlines()[0].startswith("signal,before,after,delta")


def test_a_number_alone_is_a_decision_unless_said_otherwise(desk):
    assert document(desk, "explain", "1")["about"]["seq"] == 1
    assert document(desk, "explain", "1", "--change")["about"]["id"] == 1
    assert "there is nothing to undo" in desk.ok("ctl", "explain", "d1")


@pytest.mark.parametrize("word", ["d999", "c999", "x1", "change"])
def test_what_cannot_be_explained_is_a_usage_error(desk, word):
    assert desk.type("ctl", "explain", word) == Exit.USAGE
    assert "hint" in desk.err


# ── verify ───────────────────────────────────────────────────────────────────
def test_a_sound_record_keeps_every_promise(bare, monkeypatch):
    monkeypatch.setenv("DAEMON_DATABASE_URL", "sqlite:///new.db")
    bare.ok("db", "upgrade")
    told = document(bare, "verify")
    assert told["broken"] == []
    assert {row["state"] for row in told["rows"]} == {"ok"}
    assert {"one_ending", "hash_chain", "controls"} <= {row["promise"] for row in told["rows"]}


@pytest.fixture
def spoilt(desk, desk_url):
    """The desk, on a record in which a change is not where its newest event left it."""
    with Store.open(desk_url) as store, store.write() as tx:
        tx.exec_driver_sql("UPDATE changes SET state = 'failed' WHERE id = 1")
    return desk


def test_a_broken_promise_is_named_with_the_rows_that_show_it(spoilt):
    assert spoilt.type("ctl", "verify", "--quick") == Exit.FAILED
    assert "broken: one_ending: A change ends once" in spoilt.err
    assert len(spoilt.err.splitlines()) == 1
    told = document(spoilt, "verify", code=Exit.FAILED)
    (broken,) = told["broken"]
    assert broken["name"] == "one_ending"
    assert [row["state"] for row in told["rows"] if row["promise"] == broken["name"]] == ["broken"]


def test_nobody_is_late_where_nobody_runs(desk):
    """The recorded run is long over, and one of its changes is still open."""
    assert desk.type("ctl", "verify", "--quick") == Exit.DONE


# ── dry-run ──────────────────────────────────────────────────────────────────
def test_a_what_if_is_weighed_stored_and_can_be_applied(desk):
    out = desk.ok("ctl", "dry-run", "workers=12")
    assert "Moving workers from 11 to 12 should change the score by +" in out
    assert "It would be refused: change 3 of workers (observing) is open" in out
    assert "signal_unfit" in out
    assert out.splitlines()[-1] == "proposal 2; to do it: daemon ctl apply 2"
    assert desk.rows("ctl", "get", "proposals", "2")[0]["moves"] == "workers 11 → 12"
    assert desk.rows("ctl", "get", "changes", "4", "--since", "1h") == []


def test_the_exit_code_tells_whether_something_is_proposed(desk):
    words = ("ctl", "dry-run", "--detailed-exitcode")
    assert desk.type(*words, "workers=12") == 2
    assert desk.type(*words, "workers=99") == 0
    assert "workers may be 2 to 20" in desk.out
    assert desk.type(*words) == 0
    assert desk.type(*words, "wrokers=12") == Exit.USAGE
    assert "did you mean workers?" in desk.err


def test_a_plan_goes_into_a_file(desk):
    desk.ok("ctl", "dry-run", "workers=12", "--out", "plan.json", "-o", "json")
    assert json.loads(desk.out)["schema"] == "daemon.ctl.plan/1"
    assert desk.err == "the plan is in plan.json\n"
    assert json.loads((desk.folder / "plan.json").read_text())["schema"] == "daemon.plan/1"
    desk.ok("ctl", "dry-run", "--out", "none.json", "-o", "csv")
    assert desk.out.splitlines()[0] == "guard,outcome,detail"
    assert not (desk.folder / "none.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["workers"], "'workers' is not RULE=VALUE"),
        (["=5"], "'=5' is not RULE=VALUE"),
        (["workers=fast"], "'fast' is no value of workers"),
        (["workers=nan"], "'nan' is no value of workers"),
        (["workers=1", "workers=2"], "workers is given twice"),
    ],
)
def test_what_is_no_value_of_a_rule_is_a_usage_error(desk, words, said):
    assert desk.type("ctl", "dry-run", *words) == Exit.USAGE
    assert said in desk.err


def test_colours_are_for_terminals_that_want_them(desk, monkeypatch):
    assert paint("x", "bold red") == "\x1b[31m\x1b[1mx\x1b[0m"
    assert paint("x", "bold") == "\x1b[1mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("x", "bold red") == "x"
    assert "\x1b" not in desk.ok("ctl", "get", "changes")
