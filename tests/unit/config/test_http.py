"""Where the daemon listens, and how fast time passes: what is accepted and what is refused."""

import pytest

from daemon.app import build
from daemon.clock import LapseClock, SystemClock, parse_iso
from daemon.config.http import is_loopback, split_names
from daemon.config.settings import load_settings
from daemon.errors import ConfigError


def load(tmp_path, text, environ=None):
    path = tmp_path / "daemon.yaml"
    path.write_text(text)
    return load_settings(path, environ or {}).settings


def refused(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    (problem,) = caught.value.problems
    return problem


def test_unless_told_otherwise_it_listens_on_this_machine_only(tmp_path):
    http = load(tmp_path, "http:\n").http
    assert http.enabled
    assert is_loopback(http.host)
    assert http.token_file is None


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.7", "'::'", "tuner.example"])
def test_elsewhere_it_does_not_listen_without_a_token(tmp_path, host):
    problem = refused(tmp_path, f"http:\n  host: {host}\n")
    assert (problem.line, problem.key) == (2, "http.host")
    assert "can be reached by others" in problem.reason
    assert "token" in problem.hint
    assert load(tmp_path, f"http: {{host: {host}, token_file: /run/token}}").http.token_file
    assert load(tmp_path, f"http: {{host: {host}, enabled: false}}").http.host


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "'::1'"])
def test_loopback_has_many_names(tmp_path, host):
    assert load(tmp_path, f"http: {{host: {host}}}").http.host


@pytest.mark.parametrize("host", ["a b", "http://x", "x/y", "-x", "127.0.0.1:80", "''"])
def test_what_is_no_host_is_refused(tmp_path, host):
    assert refused(tmp_path, f"http: {{host: {host!s}}}").key == "http.host"


def test_names_are_separated_by_commas(tmp_path):
    names = load(tmp_path, "http: {names: 'A.example, b.example,'}").http.names
    assert split_names(names) == ["a.example", "b.example"]
    assert split_names(None) == []


@pytest.mark.parametrize("names", ["a b", "http://a", "a,*.example", "a:80"])
def test_what_is_no_name_is_refused(tmp_path, names):
    problem = refused(tmp_path, f"http: {{names: '{names}'}}")
    assert problem.key == "http.names"
    assert "is not the name of a host" in problem.reason


def test_the_token_file_has_a_variable_of_its_own(tmp_path):
    settings = load(tmp_path, "{}", {"DAEMON_HTTP_TOKEN_FILE": "/run/credentials/token"})
    assert str(settings.http.token_file) == "/run/credentials/token"


# ── time that passes faster ──────────────────────────────────────────────────
def test_time_passes_as_it_does_elsewhere(tmp_path):
    path = tmp_path / "daemon.yaml"
    path.write_text("{}")
    assert isinstance(build(str(path), {}).clock, SystemClock)


def test_for_a_demonstration_it_passes_faster(tmp_path):
    path = tmp_path / "daemon.yaml"
    path.write_text("time_lapse: {speed: 60, since: '2026-11-21T11:00:00+01:00'}")
    clock = build(str(path), {}).clock
    assert isinstance(clock, LapseClock)
    assert clock.speed == 60
    since_us, real_us = parse_iso("2026-11-21T10:00:00Z"), SystemClock().now_us()
    assert clock.now_us() == pytest.approx(since_us + 60 * (real_us - since_us), abs=60e6)


def test_an_origin_alone_changes_nothing(tmp_path):
    path = tmp_path / "daemon.yaml"
    path.write_text("time_lapse: {since: '2026-11-21'}")
    assert isinstance(build(str(path), {}).clock, SystemClock)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("time_lapse: {speed: 60}", "time_lapse.since"),
        ("time_lapse: {speed: 0.5}", "time_lapse.speed"),
        ("time_lapse: {speed: 1001}", "time_lapse.speed"),
        ("time_lapse: {since: yesterday}", "time_lapse.since"),
    ],
)
def test_time_that_makes_no_sense_is_refused(tmp_path, text, key):
    assert refused(tmp_path, text).key == key
