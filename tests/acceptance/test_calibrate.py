"""``daemon ctl calibrate`` as an operator types it, on both databases."""

import json

import pytest

from daemon.clock import SystemClock
from daemon.errors import Exit
from daemon.store import samples
from daemon.store.store import Store
from tests.calibration_kit import noise

POLICY = """\
targets:
  latency: { max: 100, scale: 20 }
  errors: { max: 1, scale: 1 }
rules: { workers: { init: 8, min: 4, max: 16, lr: 1 } }
observe_window_s: 60
settle_s: 10
warmup_s: 120
min_samples: 50
safety:
  good: { latency: { max: -0.01 } }
"""


@pytest.fixture
def watched(ready, monkeypatch):
    """A terminal on an empty database that exists, and a policy of two signals."""
    policy = ready.folder / "policy.yaml"
    policy.write_text(POLICY)
    monkeypatch.setenv("DAEMON_POLICY_FILE", str(policy))
    return ready


def fill(url, blocks=650):
    """A sample a second of both signals, up to now."""
    now = SystemClock().now_us()
    values = noise(blocks, 2, 0.9, sd=2.0).repeat(5, axis=0)
    start = now - len(values) * 1_000_000
    with Store.open(url) as store, store.write() as tx:
        rows = [
            (name, start + second * 1_000_000, level + float(row[column]))
            for column, (name, level) in enumerate([("errors", 4.0), ("latency", 150.0)])
            for second, row in enumerate(values)
        ]
        assert samples.ingest(tx, rows, now).refused() == 0


def test_a_recorded_past_is_green_and_kept(watched, ready_url):
    fill(ready_url)
    out = watched.ok("ctl", "calibrate")
    assert out.splitlines()[0].split()[:3] == ["signal", "state", "correlation_time_s"]
    assert out.splitlines()[-1] == "green"
    assert "independent placebos" in out
    assert "warning: in 60 s an effect of 0.01 on latency cannot be told from noise" in out
    (row,) = watched.rows("db", "query", "select outcome, placebos from calibrations")
    assert row["outcome"] == "green"
    assert row["placebos"] >= 39


def test_a_program_reads_all_of_it(watched, ready_url):
    fill(ready_url)
    told = json.loads(watched.ok("ctl", "calibrate", "-o", "json"))
    assert told["schema"] == "daemon.ctl.calibrate/1"
    assert told["outcome"] == "green"
    assert 0 <= told["false_keep"]["low"] <= told["false_keep"]["high"] <= 1
    assert told["reasons"] == []
    assert [row["signal"] for row in told["rows"]] == ["errors", "latency"]
    assert watched.err == ""
    watched.ok("ctl", "calibrate", "-o", "csv")
    assert watched.out.startswith("signal,state,")
    assert watched.err.splitlines()[-1] == "green"


def test_lint_then_warns_of_what_noise_hides(watched, ready_url):
    watched.ok("config", "lint")
    assert "cannot be told" not in watched.err
    fill(ready_url)
    watched.ok("ctl", "calibrate")
    watched.ok("config", "lint")
    assert "policy.yaml:10: safety.good.latency: in 60 s an effect of 0.01" in watched.err


def test_a_short_past_is_refused_with_what_to_do_and_may_be_accepted(watched, ready_url):
    fill(ready_url, blocks=100)
    assert watched.type("ctl", "calibrate") == Exit.REFUSED
    assert "not green: 8 min without changes give" in watched.out
    assert "hint: let it watch until it has" in watched.out
    assert watched.out.splitlines()[-1].startswith("red: ")
    out = watched.ok("ctl", "calibrate", "--accept-anyway", "a test rig")
    assert "goes on regardless: a test rig" in out.splitlines()[-1]
    rows = watched.rows("db", "query", "select override_reason from calibrations order by id")
    assert [row["override_reason"] for row in rows] == [None, "a test rig"]


def test_without_anything_recorded_it_says_what_to_do(watched):
    assert watched.type("ctl", "calibrate") == Exit.INPUT
    assert "nothing was recorded of errors, latency" in watched.err
    assert "let the daemon watch first" in watched.err


def test_another_policy_is_measured_under_its_own_digest(watched, ready_url):
    fill(ready_url)
    other = watched.folder / "other.yaml"
    other.write_text(POLICY.replace("observe_window_s: 60", "observe_window_s: 55"))
    watched.ok("ctl", "calibrate")
    watched.ok("ctl", "calibrate", "--policy", str(other), "--hours", "2")
    (row,) = watched.rows("db", "query", "select count(distinct policy) as n from calibrations")
    assert row["n"] == 2


@pytest.mark.parametrize("reason", ["", "   ", "x" * 1001])
def test_an_acceptance_needs_a_reason(bare, reason):
    assert bare.type("ctl", "calibrate", "--accept-anyway", reason) == Exit.USAGE
    assert "say why" in bare.err


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "9000"])
def test_hours_are_a_number_of_hours(bare, hours):
    assert bare.type("ctl", "calibrate", "--hours", hours) == Exit.USAGE


def test_a_policy_that_is_not_there_is_named(watched):
    assert watched.type("ctl", "calibrate", "--policy", "never.yaml") == Exit.CONFIG
    assert "never.yaml" in watched.err
