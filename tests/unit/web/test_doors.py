"""The routes over a real socket: what is asked, by whom, and what is answered."""

import json

import pytest

from daemon.clock import MICROS
from daemon.config.http import Http
from daemon.config.settings import Settings
from daemon.errors import ConfigError
from daemon.services.living.pulse import Phase
from daemon.web.token import read_token
from tests.life_kit import HandClock, HandEngine
from tests.unit.web.conftest import opened

SAMPLE = {"signal": "load", "value": 0.5}
TOKEN = "a-token-that-is-long-enough"


# ── probes ───────────────────────────────────────────────────────────────────
def test_a_loop_that_comes_round_lives_and_is_ready(door):
    assert door.ask("GET", "/livez").json == {"alive": True, "phase": "leading", "reasons": []}
    answer = door.ask("GET", "/readyz")
    assert (answer.status, answer.json["ready"]) == (200, True)


def test_a_loop_that_hangs_is_told_by_both():
    with opened(Settings()) as door:
        door.service.clock.elapsed = 60 * MICROS
        answer = door.ask("GET", "/livez")
        assert answer.status == 503
        assert "has not come round for 60 s" in answer.json["reasons"][0]
        assert door.ask("GET", "/readyz").status == 503


def test_who_stands_by_lives_and_is_not_ready():
    with opened(Settings()) as door:
        door.service.pulse.enter(Phase.STANDBY, 0)
        assert door.ask("GET", "/livez").status == 200
        answer = door.ask("GET", "/readyz")
        assert answer.status == 503
        assert answer.json["reasons"] == ["does not lead: standby"]


def test_whatever_stands_against_it_is_named():
    engine = HandEngine(HandClock(), shown={"frozen": ["risk_max"], "stale_sources": ["m"]})
    with opened(Settings(), engine) as door:
        assert door.ask("GET", "/readyz").json["reasons"] == [
            "source m: brings nothing new",
            "rule risk_max: frozen",
        ]


def test_the_numbers_are_shown(door):
    door.service.meters.verdict("better")
    answer = door.ask("GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b'daemon_verdicts_total{verdict="better"} 1.0' in answer.body


# ── signals that are pushed ──────────────────────────────────────────────────
@pytest.mark.parametrize("path", ["/signals", "/api/v1/signals"])
def test_a_batch_is_taken_and_counted(door, path):
    answer = door.push([SAMPLE, SAMPLE], path=path)
    assert answer.status == 202
    assert answer.json == {"accepted": 2, "left_out": 0, "unknown": []}
    assert [reading.signal for reading in door.source.taken] == ["load", "load"]


def test_lines_of_csv_are_taken(door):
    assert door.push(b"load,0.5\nrisk_band,0.2\n", "text/csv; charset=utf-8").status == 202
    assert [reading.value for reading in door.source.taken] == [0.5, 0.2]


def test_samples_of_unknown_signals_are_left_out_and_named(door):
    answer = door.push([SAMPLE, {"signal": "unheard", "value": 1}])
    assert answer.json == {"accepted": 1, "left_out": 1, "unknown": ["unheard"]}


def test_a_batch_of_nothing_but_unknown_signals_is_refused(door):
    answer = door.push([{"signal": "unheard", "value": 1}])
    assert answer.status == 422
    assert answer.json["problems"] == ["unheard"]
    assert "kind push" in answer.json["hint"]


def test_a_batch_that_cannot_be_read_is_refused_with_reasons(door):
    answer = door.push([SAMPLE, {"signal": "load"}])
    assert answer.status == 422
    assert answer.json["problems"] == ["samples[1]: value: is missing"]
    assert door.source.taken == []


def test_a_full_buffer_asks_to_come_again():
    with opened(Settings()) as door:
        door.source.buffer = 3
        assert door.push([SAMPLE] * 2).status == 202
        answer = door.push([SAMPLE] * 2)
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert len(door.source.taken) == 2
        assert door.push([SAMPLE] * 4).status == 413


def test_without_a_source_that_is_pushed_to_it_says_how_to_declare_one():
    with opened(Settings()) as door:
        object.__setattr__(door.service, "inbox", None)
        answer = door.push([SAMPLE])
        assert answer.status == 409
        assert "kind push" in answer.json["hint"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_another_kind_of_body_is_refused_before_it_is_read(door, headers):
    assert door.ask("POST", "/signals", b"{}", headers).status == 415


# ── who may ask ──────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8471", "127.0.0.1:99", "[::1]:8471", "10.1.2.3", "localhost."]
)
def test_an_address_and_localhost_are_our_names(door, host):
    assert door.ask("GET", "/livez", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.x", "[::"]
)
def test_no_other_name_is(door, host):
    answer = door.ask("GET", "/livez", headers={"Host": host})
    assert answer.status == 421
    assert "http.names" in answer.json["hint"]


def test_two_names_are_none(door):
    with door.line() as line:
        line.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 4")


def test_a_name_may_be_given_in_the_settings():
    settings = Settings(http=Http(names="Tuner.Example, other.example."))
    with opened(settings) as door:
        for host in ("tuner.example", "TUNER.example:443", "other.example"):
            assert door.ask("GET", "/livez", headers={"Host": host}).status == 200
        assert door.ask("GET", "/livez", headers={"Host": "third.example"}).status == 421


def test_a_page_in_a_browser_may_not_push(door):
    headers = {"Content-Type": "application/json", "Origin": "http://localhost"}
    assert door.ask("POST", "/signals", json.dumps([SAMPLE]).encode(), headers).status == 403
    assert door.source.taken == []


@pytest.fixture
def guarded(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    with opened(Settings(http=Http(token_file=path))) as door:
        yield door


ROUTES = [
    ("GET", "/metrics"),
    ("POST", "/signals"),
    ("POST", "/api/v1/signals"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/what-is-not-there"),
    ("DELETE", "/signals"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "given", [None, "Bearer wrong", f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}é"]
)
def test_where_there_is_a_token_everything_but_the_probes_asks_for_it(guarded, method, path, given):
    answer = guarded.ask(method, path, headers={"Authorization": given})
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "bearer"
    assert TOKEN not in answer.body.decode()


def test_the_probes_and_who_has_the_token_are_let_in(guarded):
    assert guarded.ask("GET", "/livez").status == 200
    assert guarded.ask("GET", "/readyz").status == 200
    headers = {"Authorization": f"bearer {TOKEN}", "Content-Type": "application/json"}
    assert guarded.ask("POST", "/signals", json.dumps([SAMPLE]).encode(), headers).status == 202
    assert guarded.ask("GET", "/metrics", headers=headers).status == 200


def test_a_token_sent_twice_is_none(guarded):
    with guarded.line() as line:
        line.sendall(
            b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
            + f"Authorization: Bearer {TOKEN}\r\n".encode() * 2
            + b"\r\n"
        )
        assert line.recv(100).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("short\n", "no token"),
        ("\n" + TOKEN, "no token"),
        ("é" * 20, "ASCII"),
        ("a b" * 9, "no token"),
        ("x" * 2000, "no token"),
    ],
)
def test_what_is_no_token_is_refused_at_the_start(tmp_path, text, reason):
    path = tmp_path / "token"
    path.write_text(text)
    with pytest.raises(ConfigError, match=reason):
        read_token(Http(token_file=path))


def test_a_token_that_is_not_there_is_refused_at_the_start(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_token(Http(token_file=tmp_path / "none"))


# ── what goes wrong ──────────────────────────────────────────────────────────
class Broken(HandEngine):
    def status(self):
        raise ZeroDivisionError("a secret of the code")


def test_a_bug_is_told_in_the_log_and_not_to_whoever_asked(caplog):
    with opened(Settings(), Broken(HandClock())) as door:
        answer = door.ask("GET", "/readyz")
        assert b'daemon_errors_total{kind="http_500"} 1.0' in door.service.meters.render()
    assert answer.status == 500
    assert answer.json == {"error": "something went wrong here; the log of the daemon says what"}
    assert "a secret of the code" in caplog.text


def test_what_is_not_there_and_what_is_not_done_is_said_in_json(door):
    assert door.ask("GET", "/nothing").json == {"error": "not found"}
    answer = door.ask("PUT", "/signals")
    assert (answer.status, answer.headers["allow"]) == (405, "post")


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_no_page_loads_scripts_from_elsewhere(door, path):
    assert door.ask("GET", path).status == 404


def test_what_may_be_asked_is_described(door):
    described = door.ask("GET", "/api/v1/openapi.json").json
    studies = {"/api/v1/backtests/optimize", "/api/v1/backtests/optimize/{id}"}
    assert set(described["paths"]) == {"/livez", "/readyz", "/metrics", "/api/v1/signals", *studies}


def test_answers_are_neither_kept_nor_taken_for_pages(door):
    headers = door.ask("GET", "/livez").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
