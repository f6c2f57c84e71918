"""From settings to adapters: each is asked, and answers as the words of its section say."""

import json
import sqlite3
from contextlib import closing

import pytest

from daemon.app import assembly
from daemon.clock import MICROS, SystemClock
from daemon.config.settings import Settings
from daemon.errors import ConfigError
from daemon.ports import Alert, Order, Reading, SourceFault
from tests.contract.controls.program import Program
from tests.contract.signals.endpoint import Endpoint
from tests.watch_kit import Receiver

AT_S = 1_770_000_000
AT_US = AT_S * MICROS


@pytest.fixture
def endpoint():
    made = Endpoint()
    yield made
    made.stop()


@pytest.fixture
def program():
    made = Program()
    yield made
    made.end()


def made_of(section, **signals):
    """Make the one source that settings name."""
    settings = Settings.model_validate({"sources": {"mine": section}, "signals": signals})
    (source,) = assembly.sources(settings, SystemClock())
    return source


def given(source, mark=None):
    """Ask a source until it has given something."""
    with closing(source):
        source.resume(mark)
        for _ in range(3):
            polled = source.poll()
            if polled.readings:
                return {one.signal: one.value for one in polled.readings}, polled
    raise AssertionError("nothing came")


# ── sources ──────────────────────────────────────────────────────────────────
def test_a_source_says_of_its_signals_what_the_settings_say(tmp_path):
    section = {"kind": "csv", "path": str(tmp_path / "x.csv"), "signals": {"p95": "lat", "n": None}}
    source = made_of(
        {**section, "period_s": 2.5, "expect_s": 7.0}, p95={"unit": "ms", "description": "slow"}
    )
    assert (source.name, source.period_s) == ("mine", 2.5)
    said = source.signals()
    assert (said["p95"].unit, said["p95"].description, said["p95"].period_s) == ("ms", "slow", 7.0)
    assert (said["n"].unit, said["n"].description) == (None, None)


def test_a_csv_file_is_read_as_its_section_says(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(f"when;who;what\n{AT_S * 1000};lat;12.5\n{AT_S * 1000};n;3\n")
    values, polled = given(
        made_of(
            {
                "kind": "csv",
                "path": str(path),
                "signals": {"p95": "lat", "n": None},
                "layout": "long",
                "delimiter": ";",
                "time_field": "when",
                "time_unit": "ms",
                "signal_field": "who",
                "value_field": "what",
                "start": "beginning",
            }
        )
    )
    assert values == {"p95": 12.5, "n": 3.0}
    assert {one.at_us for one in polled.readings} == {AT_US}


@pytest.mark.parametrize(("start", "count"), [("beginning", 1), ("end", 0)])
def test_a_jsonl_file_is_read_from_where_its_section_says(tmp_path, start, count):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"ts": AT_S, "lat": 12.5}) + "\n")
    source = made_of(
        {"kind": "jsonl", "path": str(path), "signals": {"p95": "lat"}, "start": start}
    )
    with closing(source):
        source.resume(None)
        found = [one.value for _ in range(2) for one in source.poll().readings]
    assert found == [12.5] * count


def test_what_is_pushed_waits_in_a_buffer_of_the_size_given():
    source = made_of({"kind": "push", "signals": {"p95": None}, "buffer": 123})
    assert (source.buffer, source.room()) == (123, 123)
    assert source.offer([Reading("p95", AT_US, 1.0)]) == 1
    assert given(source)[0] == {"p95": 1.0}


def test_prometheus_is_asked_what_the_section_asks_with_the_token_it_names(endpoint, monkeypatch):
    now_s = SystemClock().now_us() // MICROS
    values_of_late = {float(now_s - age): "4.5" for age in range(3)}
    endpoint.series = {"rate(x[1m])": [values_of_late]}
    monkeypatch.setenv("METRICS_TOKEN", "from-the-environment")
    values, _ = given(
        made_of(
            {
                "kind": "prometheus",
                "url": endpoint.url,
                "signals": {"p95": "rate(x[1m])"},
                "token_variable": "METRICS_TOKEN",
                "catch_up_s": 30,
            }
        ),
        {"until_us": (now_s - 300) * MICROS},
    )
    assert values == {"p95": 4.5}
    _, params, headers = endpoint.asked[0]
    assert headers["Authorization"] == "Bearer from-the-environment"
    assert params["query"] == "rate(x[1m])"
    assert now_s - 40 <= float(params["start"]) <= now_s - 20  # not the default of minutes


def test_an_endpoint_is_scraped_for_the_series_that_the_section_names(endpoint, tmp_path):
    token = tmp_path / "token"
    token.write_text("from-a-file\n")
    endpoint.body = b'queue{shard="a"} 7\nqueue{shard="b"} 9\nn 3\n'
    section = {
        "kind": "openmetrics",
        "url": f"{endpoint.url}/metrics",
        "signals": {"depth": {"metric": "queue", "labels": {"shard": "b"}}, "n": None},
        "token_file": str(token),
    }
    assert given(made_of(section))[0] == {"depth": 9.0, "n": 3.0}
    path, _, headers = endpoint.asked[0]
    assert (path, headers["Authorization"]) == ("/metrics", "Bearer from-a-file")


def test_a_counter_is_turned_into_a_rate_where_the_section_says_so(endpoint):
    endpoint.body = b"hits_total 100\n"
    source = made_of(
        {
            "kind": "openmetrics",
            "url": endpoint.url,
            "signals": {"hits": {"metric": "hits_total", "rate": True}},
        }
    )
    with closing(source):
        source.resume(None)
        assert source.poll().readings == []
        endpoint.body = b"hits_total 110\n"
        (reading,) = source.poll().readings
        assert reading.value > 0


def test_a_database_is_asked_the_query_of_the_section(tmp_path):
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE m (at REAL, lat REAL)")
        theirs.execute(f"INSERT INTO m VALUES ({AT_S}, 8.5)")
        theirs.commit()
    section = {
        "kind": "sql",
        "database": f"sqlite:///{path}",
        "query": "SELECT at, lat FROM m WHERE at > :since ORDER BY at",
        "signals": {"p95": "lat"},
        "time_field": "at",
        "time_unit": "s",
        "start": "beginning",
    }
    assert given(made_of(section))[0] == {"p95": 8.5}


@pytest.mark.parametrize(
    ("output", "text", "signals"),
    [
        ("number", "2.5", {"p95": None}),
        ("json", '{"lat": 2.5}', {"p95": "lat"}),
        ("lines", "lat 2.5", {"p95": "lat"}),
    ],
)
def test_a_program_is_started_and_read_as_the_section_says(output, text, signals):
    section = {"kind": "command", "argv": ["echo", text], "output": output, "signals": signals}
    assert given(made_of(section))[0] == {"p95": 2.5}


def test_a_program_gets_no_more_time_than_the_section_gives():
    section = {"kind": "command", "argv": ["sleep", "9"], "timeout_s": 0.1, "signals": {"a": None}}
    source = made_of(section)
    with closing(source), pytest.raises(SourceFault, match=r"0\.1 s"):
        source.poll()


# ── controls ─────────────────────────────────────────────────────────────────
def board_of(controls):
    board = assembly.switchboard(Settings.model_validate({"controls": controls}))
    assert board.take_over(3) == {}
    return board


def put(board, **values):
    """Set values, and read them back."""
    orders = [Order(rule=rule, value=value, epoch=3, change_id=7) for rule, value in values.items()]
    outcomes = board.carry_out(orders)
    assert all(one.done for one in outcomes.values()), [one.why() for one in outcomes.values()]
    return board.read(values).held


def test_without_a_word_on_controls_they_are_the_file_of_the_contract(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(assembly.switchboard(Settings())) as board:
        board.take_over(3)
        assert put(board, workers=9.0)["workers"].change_id == 7
    assert "workers" in (tmp_path / "controls" / "rules.yaml").read_text()


def test_a_file_of_a_name_of_its_own_holds_the_rest(tmp_path):
    one, rest = tmp_path / "one.yaml", tmp_path / "rest.yaml"
    with closing(
        board_of(
            {
                "one": {"kind": "yaml", "path": str(one), "rules": ["a"]},
                "rest": {"kind": "yaml", "path": str(rest)},
            }
        )
    ) as board:
        put(board, a=1.5, b=2.5)
        assert ("a" in one.read_text(), "b:" in rest.read_text()) == (True, True)
        (tmp_path / "HOLD").write_text("deploying\n")
        assert "deploying" in board.held()


def test_a_program_is_asked_where_and_how_the_section_says(program, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret-of-a-file\n")
    section = {
        "kind": "http",
        "url": f"{program.url}/rules/{{rule}}",
        "field": "spec.value",
        "stamp_field": "spec.by",
        "fence_url": f"{program.url}/fence",
        "headers": {"X-Team": "night"},
        "token_file": str(token),
        "rules": ["work"],
    }
    with closing(board_of({"shop": section})) as board:
        assert program.epoch == 3
        assert put(board, work=4.0)["work"].change_id == 7
    document = program.documents["/rules/work"]
    assert document["spec"]["value"] == 4.0
    assert "by" in document["spec"]
    for _, _, headers in program.asked:
        assert headers["X-Team"] == "night"
        assert headers["Authorization"] == "Bearer secret-of-a-file"


def test_a_token_may_come_from_the_environment(program, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "secret-of-the-environment")
    section = {
        "kind": "http",
        "url": f"{program.url}/rules/{{rule}}",
        "token_variable": "SHOP_TOKEN",
    }
    with closing(board_of({"shop": section})) as board:
        put(board, work=4.0)
    assert program.asked[-1][2]["Authorization"] == "Bearer secret-of-the-environment"


def test_two_programs_are_called_as_the_section_says(tmp_path):
    read, write, lead = (tmp_path / name for name in ("read", "write", "lead"))
    read.write_text(f'#!/bin/sh\ncat "{tmp_path}/$1.txt" 2>/dev/null || exit 3\n')
    write.write_text(f'#!/bin/sh\necho "$2" > "{tmp_path}/$1.txt"; echo "$3 $4" > {tmp_path}/by\n')
    lead.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/epoch\n')
    for script in (read, write, lead):
        script.chmod(0o755)
    section = {
        "kind": "command",
        "read": [str(read), "{rule}"],
        "write": [str(write), "{rule}", "{value}", "{epoch}", "{change}"],
        "take_over": [str(lead), "{epoch}"],
    }
    with closing(board_of({"scripts": section})) as board:
        assert (tmp_path / "epoch").read_text() == "3\n"
        assert put(board, work=4.0)["work"].value == 4.0
    assert (tmp_path / "by").read_text() == "3 7\n"


@pytest.mark.postgres
def test_the_settings_of_a_server_are_called_and_counted_as_the_section_says(postgres_url):
    section = {
        "kind": "postgres",
        "server": postgres_url,
        "settings": {"memory": {"name": "work_mem", "unit": "MB"}},
        "timeout_s": 10,
    }
    with closing(board_of({"database": section})) as board:
        before = board.read(["memory"]).value("memory")
        assert before == 4.0
        outcome = board.carry_out([Order(rule="memory", value=6.0, epoch=3, change_id=1)])["memory"]
        board.carry_out([Order(rule="memory", value=before, epoch=3, change_id=2)])
        assert outcome.done


def test_where_no_controls_are_a_file_a_hold_file_counts_all_the_same(
    program, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    section = {"kind": "http", "url": f"{program.url}/rules/{{rule}}"}
    with closing(board_of({"shop": section})) as board:
        assert board.held() is None
        (tmp_path / "controls").mkdir(exist_ok=True)
        (tmp_path / "controls" / "HOLD").write_text("freeze of the quarter\n")
        assert "freeze of the quarter" in board.held()
        put(board, work=4.0)
    assert not (tmp_path / "controls" / "rules.yaml").exists()


# ── receivers of alerts ──────────────────────────────────────────────────────
def alert():
    return Alert(
        id=1,
        kind="disk_low",
        key="database",
        severity="crit",
        text="it is full",
        at_us=AT_US,
    )


def test_a_webhook_is_called_with_the_secret_and_the_caution_of_its_section():
    with Receiver() as receiver:
        hook = {
            "url": receiver.url,
            "secret_variable": "HOOK_SECRET",
            "min_severity": "crit",
            "allow_insecure": True,
            "allow_private": True,
        }
        settings = Settings.model_validate({"alerts": {"webhooks": {"pager": hook}}})
        secret = {"HOOK_SECRET": "a secret that nobody guesses, ever"}
        (channel,) = assembly.channels(settings, SystemClock(), secret)
        assert (channel.name, channel.min_severity) == ("pager", "crit")
        channel.alerts.send(alert())
        ((headers, body),) = receiver.got
        assert headers["X-Daemon-Signature"].startswith("sha256=")
        assert json.loads(body)["kind"] == "disk_low"


def test_a_webhook_without_its_secret_is_refused():
    hook = {"url": "https://example.net/hook", "secret_variable": "HOOK_SECRET"}
    settings = Settings.model_validate({"alerts": {"webhooks": {"pager": hook}}})
    with pytest.raises(ConfigError):
        assembly.channels(settings, SystemClock(), {})
