"""``daemon db`` from an empty database to a verified, exported and pruned one."""

import json

import pytest
from sqlalchemy import create_engine, text

from daemon.cli.main import run
from daemon.errors import Exit
from daemon.store import queries
from daemon.store.store import Store
from daemon.store.tables import metadata
from daemon.store.views import VIEWS
from tests.acceptance.conftest import on_a_file

DISABLE = {
    "sqlite": "DROP TRIGGER {table}_no_{act}",
    "postgresql": "ALTER TABLE {table} DISABLE TRIGGER {table}_append_only",
}


def tamper(url, *statements, table="decisions", act="update"):
    engine = create_engine(url)
    disable = DISABLE[engine.dialect.name].format(table=table, act=act)
    with engine.begin() as connection:
        for statement in (disable, *statements):
            connection.execute(text(statement))
    engine.dispose()


def test_an_empty_database_is_refused_with_the_command_that_creates_it(terminal):
    code = terminal.type("db", "verify")
    assert code in {Exit.CONFIG, Exit.IO}
    assert "daemon db upgrade" in terminal.err
    assert "Traceback" not in terminal.err


def test_upgrade_creates_the_schema_and_says_where_it_is(terminal):
    assert "is at 0011" in terminal.ok("db", "upgrade")
    assert "applied 0001" in terminal.err
    assert "already at 0011" in terminal.ok("db", "upgrade")
    assert {row["state"] for row in terminal.rows("db", "current")} == {"applied"}
    events = terminal.rows("db", "query", "select kind, ref from events")
    assert events == [{"kind": "schema_upgraded", "ref": None}]


def test_auto_upgrade_spares_the_command(terminal, monkeypatch):
    monkeypatch.setenv("DAEMON_DATABASE_AUTO_UPGRADE", "true")
    assert len(terminal.rows("db", "verify")) == 4
    assert "schema_upgraded" in terminal.err
    assert len(terminal.rows("db", "verify")) == 4
    assert terminal.err == ""


def test_auto_upgrade_waits_for_nobody_when_there_is_nothing_to_do(
    sqlite_filled_url, bare, monkeypatch
):
    monkeypatch.setenv("DAEMON_DATABASE_URL", sqlite_filled_url)
    monkeypatch.setenv("DAEMON_DATABASE_AUTO_UPGRADE", "true")
    monkeypatch.setenv("DAEMON_DATABASE_BUSY_TIMEOUT_S", "0")
    with Store.open(sqlite_filled_url) as daemon, daemon.write():
        assert bare.rows("db", "query", "current_rules")


def test_a_sound_database_passes_the_check(filled):
    findings = filled.rows("db", "check")
    assert {row["status"] for row in findings} <= {"ok", "warn"}
    assert {"database", "schema", "structure", "history"} <= {row["check"] for row in findings}


def test_a_dropped_view_and_a_lost_trigger_fail_the_check_and_are_named(filled, filled_url):
    tamper(filled_url, "DROP VIEW leaderboard", table="events")
    code = filled.type("db", "check", "-o", "json")
    found = [row for row in json.loads(filled.out)["rows"] if row["status"] == "fail"]
    assert code == Exit.FAILED
    assert len(found) == 2
    assert any("leaderboard is missing" in row["detail"] for row in found)
    assert any("events" in row["detail"] for row in found)


def test_an_altered_decision_fails_verification_and_is_named(filled, filled_url):
    tamper(filled_url, "UPDATE decisions SET explanation = 'no' WHERE seq = 2")
    assert filled.type("db", "verify") == Exit.FAILED
    assert "decisions 2: altered" in filled.err
    assert "hint" in filled.err


def test_a_tail_cut_off_since_the_heads_were_kept_is_found(filled, filled_url):
    filled.ok("db", "verify", "-o", "json")
    heads = filled.folder / "heads.json"
    heads.write_text(filled.out)
    assert filled.type("db", "verify", "--against", str(heads)) == 0
    published = {row["stream"]: row["rows"] for row in json.loads(heads.read_text())["rows"]}
    last = published["rule_history"]
    tamper(
        filled_url,
        f"DELETE FROM rule_history WHERE seq = {last}",
        "UPDATE chains SET seq = seq - 1, hash = (SELECT hash FROM rule_history"
        f" WHERE seq = {last - 1}) WHERE stream = 'rule_history'",
        table="rule_history",
        act="delete",
    )
    assert filled.type("db", "verify") == 0
    assert filled.type("db", "verify", "--against", str(heads)) == Exit.FAILED
    assert f"rule_history {last}: removed" in filled.err


@on_a_file
@pytest.mark.parametrize("content", ["", "[]", "{}", '{"rows": [{"stream": 1}]}', '{"rows": [1]}'])
def test_a_file_without_heads_is_refused(filled, content):
    (filled.folder / "heads.json").write_text(content)
    assert filled.type("db", "verify", "--against", "heads.json") == Exit.INPUT
    assert "daemon db verify -o json" in filled.err


def test_importing_twice_imports_once(filled, legacy):
    before = filled.rows("db", "query", "rule_timeline", "--limit", "1000")
    again = filled.rows("db", "import-legacy", legacy)
    assert {row["imported"] for row in again} == {0}
    assert filled.rows("db", "query", "rule_timeline", "--limit", "1000") == before


@on_a_file
def test_rules_continue_from_where_the_earlier_tuner_left_them(filled):
    rules = {row["rule"]: row for row in filled.rows("db", "query", "current_rules")}
    for rule, row in rules.items():
        last = filled.rows(
            "db", "query", f"select new from rule_timeline where rule = '{rule}' order by seq desc"
        )
        assert row["value"] == last[0]["new"]
        assert row["state"] == "steady"


@on_a_file
def test_what_the_settings_say_of_a_signal_stands_beside_its_samples(ready, legacy):
    settings = ready.folder / "daemon.yaml"
    names = ["phase_diff", "creative_band", "entropy_rate", "other"]
    settings.write_text(f"signals: {{risk_band: {{unit: share}}, {': , '.join(names)}: }}\n")
    ready.ok("db", "import-legacy", legacy, "--config", str(settings))
    units = ready.rows("db", "query", "select name, unit from signals where unit is not null")
    assert units == [{"name": "risk_band", "unit": "share"}]
    known = ready.rows("db", "query", "select name from signals order by name")
    assert [row["name"] for row in known] == sorted([*names, "risk_band"])


def test_a_question_that_takes_too_long_is_given_up(ready, monkeypatch):
    monkeypatch.setenv("DAEMON_DATABASE_STATEMENT_TIMEOUT_S", "0.2")
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
    assert ready.type("db", "query", endless) == Exit.IO
    assert "database.statement_timeout_s" in ready.err
    assert ready.type("db", "query", "signals") == 0


@on_a_file
def test_an_import_goes_on_where_the_policy_does_not_hold(ready, legacy, monkeypatch):
    monkeypatch.setenv("DAEMON_POLICY_FILE", "nowhere.yaml")
    assert sum(row["imported"] for row in ready.rows("db", "import-legacy", legacy)) > 0
    assert "rules are not taken over" in ready.err
    assert ready.rows("db", "query", "current_rules") == []


@on_a_file
def test_bad_lines_are_listed_and_the_rest_goes_in(ready):
    folder = ready.folder / "old"
    folder.mkdir()
    good = '{"ts": "2026-01-15T10:00:00Z", "severity": "warn", "rule": "r", "note": "n"}'
    (folder / "risk_ledger.jsonl").write_text("\n".join([good, *["{"] * 30]) + "\n")
    rows = ready.rows("db", "import-legacy", str(folder))
    assert [(row["imported"], row["bad"]) for row in rows] == [(1, 30)]
    assert "risk_ledger.jsonl:2" in ready.err
    assert "and 10 more" in ready.err


def test_an_export_imported_elsewhere_exports_the_same_bytes(filled, tmp_path, monkeypatch):
    first = filled.rows("db", "export", "first")
    monkeypatch.setenv("DAEMON_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    filled.ok("db", "upgrade")
    filled.ok("db", "import-legacy", "first")
    second = filled.rows("db", "export", "second")
    assert first == second
    for row in first:
        name = row["file"]
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


@on_a_file
def test_an_export_does_not_replace_what_it_was_not_told_to(filled):
    filled.ok("db", "export", "out")
    assert filled.type("db", "export", "out") == Exit.INPUT
    assert "--overwrite" in filled.err
    filled.ok("db", "export", "out", "--overwrite")


def test_pruning_says_first_what_it_would_do_and_then_does_it(filled):
    planned = filled.rows("db", "prune", "--older-than", "0", "--dry-run")
    assert sum(row["would_remove"] for row in planned) > 0
    done = filled.rows("db", "prune", "--older-than", "0")
    assert [row["removed"] for row in done] == [row["would_remove"] for row in planned]
    assert filled.rows("db", "query", "select count(*) as n from samples") == [{"n": 0}]
    assert filled.rows("db", "query", "select count(*) as n from sample_rollups")[0]["n"] > 0
    kinds = filled.rows("db", "query", "select kind from events order by seq")
    assert kinds[-1] == {"kind": "samples_pruned"}
    assert filled.rows("db", "verify")


def test_everything_in_the_catalogue_answers(filled):
    listed = {row["name"] for row in filled.rows("db", "query", "--list")}
    assert listed == {*queries.names(), *VIEWS, *metadata.tables}
    for name in sorted(listed):
        filled.ok("db", "query", name)


@on_a_file
def test_a_query_says_when_there_is_more(filled):
    assert len(filled.rows("db", "query", "rule_timeline", "--limit", "2")) == 2
    assert "--limit" in filled.err


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("delete from signals", "read"),
        ("update signals set unit = 'x'", "read"),
        ("select 1; delete from signals", "one statement"),
        ("select 1; --x\n delete from signals;", "one statement"),
        ("leaderbord", "no query, view or table"),
        ("selec 1", "syntax"),
        ("select * from nowhere", "nowhere"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why_and_changes_nothing(filled, question, part):
    before = filled.rows("db", "query", "select count(*) as n from signals")
    assert filled.type("db", "query", question) != 0
    assert part in filled.err.lower().replace("readonly", "read")
    assert "Traceback" not in filled.err
    assert filled.rows("db", "query", "select count(*) as n from signals") == before


def test_a_table_that_is_long_is_not_fetched_whole(filled):
    assert len(filled.rows("db", "query", "samples", "--limit", "3")) == 3
    explained = filled.rows("db", "query", "explain select 1")
    assert explained


def test_the_catalogue_needs_no_database(bare, monkeypatch):
    monkeypatch.setenv("DAEMON_DATABASE_URL", "sqlite:///nowhere/at/all.db")
    assert bare.rows("db", "query")
    assert bare.rows("db", "query", "--list")


def test_verifying_the_last_rows_reads_no_others(filled):
    assert {row["breaks"] for row in filled.rows("db", "verify", "--last", "5")} == {0}


@on_a_file
def test_a_semicolon_inside_text_or_at_the_end_is_no_second_statement(filled):
    assert filled.rows("db", "query", "select 'a;b' as x;") == [{"x": "a;b"}]


def test_a_password_is_never_shown(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAEMON_DATABASE_URL", "postgresql://me:canary@127.0.0.1:1/nowhere")
    assert run(["db", "upgrade"]) == Exit.IO
    said = capsys.readouterr()
    assert "canary" not in said.out + said.err
    assert "nowhere" in said.err
    assert "hint" in said.err
