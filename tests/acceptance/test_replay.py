"""``daemon replay``: a recorded run comes out the same, or it is said where and why it does not."""

import json
import shutil
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from daemon.clock import iso
from daemon.errors import Exit
from daemon.store.store import Store
from daemon.tuning.model import Asked, Move
from daemon.tuning.vocabulary import Mode
from daemon.tuning.windows import BLOCK_US
from tests.acceptance.conftest import on_a_file, point
from tests.acceptance.test_db_commands import tamper
from tests.recording import FIRST, Recording, loaded_policy, write_policy

CYCLES = 400
BOLDER = ("latency: { max: 100", "latency: { max: 85")


@contextmanager
def recording(terminal, url, **how):
    """A run on this terminal's database, in this terminal's folder."""
    with Store.open(url) as store:
        yield Recording(store, loaded_policy(terminal.folder), **how)


def eventful(url, folder):
    """A run that has seen everything a run may see."""
    with Store.open(url) as store:
        run = Recording(store, loaded_policy(folder))
        run.run(120)
        run.refuse = True
        run.run(30)
        run.refuse = False
        run.stall(5)
        run.held = "HOLD file"
        run.run(10)
        run.held = None
        run.run(60)
        run.system.values["batch"] = 60.0
        run.run(40)
        run.restart()
        run.run(60)
        run.restart(remember=False)
        run.stall(20)
        run.run(CYCLES - 320)
        run.stop()


@pytest.fixture(scope="session")
def sqlite_run(sqlite_backend, tmp_path_factory):
    """A database file with that run, to be copied."""
    made = sqlite_backend.clone()
    eventful(made, tmp_path_factory.mktemp("run"))
    return made.removeprefix("sqlite:///")


@pytest.fixture(scope="session")
def postgres_run(postgres_backend, tmp_path_factory):
    """The name of a database with that run, to be copied."""
    made = postgres_backend.clone()
    eventful(made, tmp_path_factory.mktemp("run"))
    return made.partition("?")[0].rpartition("/")[2]


@pytest.fixture
def run_url(kind, request, tmp_path):
    """The URL of a copy, for this test alone."""
    made = request.getfixturevalue(f"{kind}_run")
    if kind == "sqlite":
        yield f"sqlite:///{shutil.copy(made, tmp_path / 'run.db')}"
        return
    server = request.getfixturevalue("postgres_server")
    url = server.create_database(template=made)
    yield url
    server.drop_database(url)


@pytest.fixture
def recorded(run_url, bare, monkeypatch):
    """A terminal on a database with that run."""
    point(monkeypatch, run_url)
    return bare


def document(terminal, *words, code=0):
    assert terminal.type("replay", *words, "-o", "json") == code, terminal.err
    return json.loads(terminal.out)


def sql(url, statement):
    with Store.open(url) as store, store.write() as tx:
        tx.execute(text(statement))


def test_the_same_policy_decides_the_same_bit_for_bit(recorded):
    found = document(recorded)
    assert found["schema"] == "daemon.replay/1"
    assert found["same"] is True
    assert found["cycles"] == CYCLES
    assert found["differences"] == []
    assert found["decisions"]["apply"] >= 2
    assert sum(found["decisions"].values()) == CYCLES
    assert f"{CYCLES} cycles" in recorded.err
    assert "bit for bit" in recorded.err


@on_a_file
def test_the_recorded_timeline_is_scored_in_a_table_and_as_json(recorded):
    found = document(recorded)
    [policy] = found["policies"]
    assert policy["policy"] == "recorded"
    assert 0 < policy["score"] < 1
    assert sum(row["blocks"] for row in found["scores"]) == policy["blocks"]
    assert {row["at"][13:] for row in found["scores"]} == {":00:00.000000Z"}
    shown = recorded.ok("replay")
    assert "share_met" in shown
    assert recorded.ok("replay", "-o", "csv").startswith("at,policy,blocks,score,share_met\n")
    assert "schema: daemon.replay/1" in recorded.ok("replay", "-o", "yaml")


@on_a_file
@pytest.mark.parametrize("what", ["hold", "apply", "keep"])
def test_an_altered_decision_is_the_first_difference(recorded, run_url, what):
    [row] = recorded.rows(
        "db",
        "query",
        f"select max(seq) as seq, max(at_us) as at from decisions where kind='{what}'",
    )
    tamper(run_url, f"UPDATE decisions SET reason = 'bribed' WHERE seq = {row['seq']}")
    found = document(recorded, code=1)
    assert found["same"] is False
    [difference] = found["differences"]
    assert difference["decision"] == row["seq"]
    assert difference["at"] == iso(row["at"])
    assert (difference["what"], difference["recorded"]) == ("reason", "bribed")
    assert difference["replayed"] != "bribed"
    assert "bribed" in recorded.err
    assert recorded.type("replay", "--diff") == 1
    assert "bribed" in recorded.out


@on_a_file
def test_an_altered_number_of_the_evidence_is_named(recorded, run_url):
    [row] = recorded.rows("db", "query", "select min(seq) as seq from decisions where kind='apply'")
    tamper(run_url, f"UPDATE decisions SET new = new + 1 WHERE seq = {row['seq']}")
    assert document(recorded, code=1)["differences"][0]["what"] == "new"


def test_a_removed_decision_is_missed(recorded, run_url):
    [row] = recorded.rows("db", "query", "select min(seq) as seq from decisions where kind='apply'")
    tamper(run_url, f"DELETE FROM decisions WHERE seq = {row['seq']}", act="delete")
    found = document(recorded, code=1)["differences"][0]
    assert found["what"] == "record"
    assert "no decision" in found["recorded"]


@on_a_file
def test_an_altered_sample_is_found_at_the_next_decision_that_rests_on_it(recorded, run_url):
    at_us = (FIRST + 50) * BLOCK_US
    sql(run_url, f"UPDATE samples SET value = value + 5 WHERE at_us = {at_us}")
    [difference] = document(recorded, code=1)["differences"]
    assert difference["at"] > iso(at_us)
    assert difference["at"] <= iso((FIRST + 120) * BLOCK_US)


@on_a_file
def test_another_policy_is_a_diff_with_reasons_and_without_claims(recorded):
    other = str(write_policy(recorded.folder, "other.yaml", BOLDER))
    found = document(recorded, "--policy", other)
    assert found["same"] is None
    assert [one["policy"] for one in found["policies"]] == ["recorded", "other"]
    assert found["policies"][1]["score"] < found["policies"][0]["score"]
    assert {row["policy"] for row in found["scores"]} == {"recorded", "other"}
    own = [row for row in found["differences"] if row["recorded"] is None]
    assert own
    assert all(row["followed"] is None and row["other_reason"] for row in own)
    assert any(row["explanation"].startswith("Move ") for row in own)
    taken = [row for row in found["differences"] if row["same"] and row["recorded"] == "apply"]
    assert all(row["followed"].startswith(("Keep", "Take back")) for row in taken)
    assert taken
    assert "no effect of a step that was not taken is claimed" in recorded.err
    differing = document(recorded, "--policy", other, "--diff")
    assert "scores" not in differing
    assert not any(row["same"] for row in differing["differences"])
    assert recorded.ok("replay", "--policy", other, "--diff", "-o", "csv").startswith("at,same,")
    assert "Move " in recorded.ok("replay", "--policy", other)


@on_a_file
def test_the_policy_on_record_by_its_file_is_the_same_policy(recorded):
    assert document(recorded, "--policy", str(write_policy(recorded.folder)))["same"] is True


@on_a_file
def test_a_replay_may_start_at_any_memory(ready, ready_url, monkeypatch):
    monkeypatch.setattr("daemon.services.loop.journal._EVERY", 50)
    with recording(ready, ready_url) as run:
        run.run(200)
    assert document(ready)["cycles"] == 200
    for since, cycles in ((75, 150), (199, 50), (10, 200)):
        found = document(ready, "--since", iso((FIRST + since) * BLOCK_US))
        assert (found["same"], found["cycles"]) == (True, cycles)
    assert document(ready, "--since", "1999-01-01")["cycles"] == 200


@on_a_file
def test_a_run_that_changed_its_policy_replays_with_both(ready, ready_url):
    with recording(ready, ready_url) as run:
        run.run(100)
        run.switch(loaded_policy(ready.folder, BOLDER))
        run.run(100)
    found = document(ready)
    assert (found["same"], found["cycles"]) == (True, 200)


def test_a_dry_run_replays_and_wrote_nothing(ready, ready_url):
    with recording(ready, ready_url, mode=Mode.DRY_RUN) as run:
        run.run(120)
    found = document(ready)
    assert found["same"] is True
    assert found["decisions"]["propose"] >= 1
    assert ready.rows("db", "query", "changes") == []


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.DRY_RUN])
def test_what_a_person_asked_for_replays_bit_for_bit(ready, ready_url, mode, monkeypatch):
    monkeypatch.setattr("daemon.services.loop.journal._EVERY", 20)
    with recording(ready, ready_url, mode=mode) as run:
        run.run(20)
        assert run.ask(a_step(run, workers=9.0)) == "hold"
        run.held = "HOLD file"
        run.run(30)
        run.held = None
        assert run.ask(a_step(run, workers=9.0, batch=45.0)) == "apply"
        assert run.system.values == {"workers": 9.0, "batch": 45.0}
        run.run(5)
        assert run.ask(Asked(kind="extend", blocks=24)) == "extend"
        run.restart()
        run.run(20)
        assert run.ask(Asked(kind="keep")) == "keep"
        assert run.ask(a_step(run, batch=60.0)) == "hold"
        assert run.ask(a_step(run, batch=50.0)) == "apply"
        run.run(60)
        assert {"rollback", "revert"} & set(run.kinds[-61:])
    found = document(ready)
    assert (found["same"], found["cycles"]) == (True, len(run.kinds))
    assert found["decisions"]["extend"] >= 1
    assert bool(found["decisions"].get("propose")) is (mode is Mode.DRY_RUN)
    for since in (40, 60, 100):
        part = document(ready, "--since", iso((FIRST + since) * BLOCK_US))
        assert part["same"] is True
    query = "select kind from decision_log where reason in ('asked', 'confirmed') order by seq"
    kinds = [row["kind"] for row in ready.rows("db", "query", query)]
    assert kinds == ["apply", "extend", "keep", "apply"]


def a_step(run, **goal):
    """Ask for some values, in place of those in force."""
    return Asked(
        kind="step",
        moves=tuple(Move(rule, run.system.values[rule], new) for rule, new in goal.items()),
    )


# ── what cannot be replayed ──────────────────────────────────────────────────
def test_nothing_on_record_is_said(ready):
    assert ready.type("replay") == Exit.FAILED
    assert "nothing is recorded" in ready.err


def test_samples_without_a_run_show_what_the_policy_would_have_done(filled):
    found = document(filled)
    assert found["same"] is None
    assert found["recorded_by"] is None
    assert [one["policy"] for one in found["policies"]] == ["other"]
    assert found["cycles"] > 100


def test_pruned_samples_are_said(recorded):
    recorded.ok("db", "prune", "--older-than", "0")
    assert recorded.type("replay") == Exit.FAILED
    assert "--since" in recorded.err


@on_a_file
def test_a_policy_on_signals_that_nobody_recorded_is_refused(recorded):
    other = write_policy(recorded.folder, "other.yaml", ("latency: { max: 100", "load: { max: 100"))
    other.write_text(other.read_text().replace("good: { latency: { max: -1 } }", "good: {}"))
    assert recorded.type("replay", "--policy", str(other)) == Exit.FAILED
    assert "load" in recorded.err


@on_a_file
def test_an_invalid_policy_and_a_moment_that_is_none_are_refused(recorded):
    broken = write_policy(recorded.folder, "broken.yaml", ("cooldown_s: 30", "cooldown_s: never"))
    assert recorded.type("replay", "--policy", str(broken)) == Exit.CONFIG
    assert "broken.yaml" in recorded.err
    assert recorded.type("replay", "--since", "yesterday") == Exit.INPUT
    assert "2026-11-01" in recorded.err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"subject"', '"sabject"', "not a state of this version"),
        ('"policy":"', '"policy":"0', "is not on record"),
    ],
)
def test_a_memory_of_another_version_is_refused(recorded, run_url, old, new, said):
    starts = "select max(seq) as seq from events where body ->> 'why' = 'start'"
    [row] = recorded.rows("db", "query", starts)
    kind = "jsonb" if run_url.startswith("postgres") else "text"
    body = f"CAST(replace(replace(CAST(body AS text), '\": ', '\":'), '{old}', '{new}') AS {kind})"
    tamper(run_url, f"UPDATE events SET body = {body} WHERE seq = {row['seq']}", table="events")
    code = recorded.type("replay")
    assert code == Exit.FAILED
    assert said in recorded.err
    assert "hint" in recorded.err
