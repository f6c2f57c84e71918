"""The numbers for Prometheus, read back with the parser of its own library."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon.clock import MICROS
from daemon.services.living import metrics
from daemon.services.living.metrics import NAMES_MAX, OTHERS, Meters
from daemon.tuning.model import Decision
from daemon.tuning.vocabulary import TERMINAL_STATES, DecisionKind, Mode, Verdict
from tests.life_kit import T0, HandClock


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def meters(clock):
    return Meters(clock)


def read(meters):
    """Every sample by its name and labels."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(meters.render().decode())
        for sample in family.samples
    }


def hold():
    return Decision(at_us=T0, kind=DecisionKind.HOLD, reason="targets_met")


def test_cycles_are_counted_by_what_was_decided_and_timed(meters):
    for seconds in (0.004, 0.2, 40.0):
        meters.cycled(hold(), seconds)
    shown = read(meters)
    assert shown["daemon_cycles_total", "hold"] == 3
    assert shown["daemon_cycle_seconds_count",] == 3
    assert shown["daemon_cycle_seconds_bucket", "0.25"] == 2
    assert shown["daemon_cycle_seconds_bucket", "+Inf"] == 3


def test_what_is_known_to_come_is_shown_from_the_beginning(meters):
    shown = read(meters)
    for verdict in Verdict:
        assert shown["daemon_verdicts_total", verdict.value] == 0
    for outcome in TERMINAL_STATES:
        assert shown["daemon_changes_total", outcome.value] == 0
    assert shown["daemon_leader",] == 0


def test_verdicts_outcomes_and_deltas_are_shown(meters):
    meters.verdict("better")
    meters.ended("kept")
    meters.ended("kept")
    meters.delta("risk_max", "risk_band", -0.012)
    meters.open_changes(1)
    shown = read(meters)
    assert shown["daemon_verdicts_total", "better"] == 1
    assert shown["daemon_changes_total", "kept"] == 2
    assert shown["daemon_last_delta", "risk_band", "risk_max"] == -0.012
    assert shown["daemon_open_changes",] == 1


def test_one_mode_is_on_at_a_time(meters):
    meters.mode(Mode.DRY_RUN)
    meters.mode(Mode.LIVE)
    shown = read(meters)
    assert [shown["daemon_mode", mode.value] for mode in Mode] == [1, 0, 0]


def test_who_leads_shows_its_number_and_who_does_not_shows_none(meters):
    meters.leads(4)
    assert (read(meters)["daemon_leader",], read(meters)["daemon_epoch",]) == (1, 4)
    meters.leads(None)
    assert (read(meters)["daemon_leader",], read(meters)["daemon_epoch",]) == (0, 0)


def test_a_signal_has_one_state(meters):
    meters.signal("load", "ok")
    meters.signal("load", "frozen")
    shown = read(meters)
    assert ("daemon_signal_state", "load", "ok") not in shown
    assert shown["daemon_signal_state", "frozen", "load"] == 1
    assert shown["daemon_signal_fit", "load"] == 0
    meters.signal("load", "ok")
    assert read(meters)["daemon_signal_fit", "load"] == 1


def test_the_lag_of_a_signal_grows_by_itself(meters, clock):
    meters.signal("load", "ok", T0 - 3 * MICROS)
    assert read(meters)["daemon_signal_lag_seconds", "load"] == 3
    clock.pass_(4 * MICROS)
    assert read(meters)["daemon_signal_lag_seconds", "load"] == 7


def test_names_that_never_end_are_counted_together(meters):
    for number in range(NAMES_MAX + 5):
        meters.signal(f"s{number}", "ok")
        meters.delta("r", f"s{number}", number)
    shown = read(meters)
    for name in ("daemon_signal_fit", "daemon_last_delta"):
        assert sum(key[0] == name for key in shown) == NAMES_MAX + 1
    assert shown["daemon_signal_fit", OTHERS] == 1


def test_samples_chores_alerts_errors_and_the_switch_are_shown(meters):
    meters.ingested("metrics", 250)
    meters.refused("frozen", 3)
    meters.chore("prune", 0.5)
    meters.chore("prune", 1.5, failed=True)
    meters.alerted("sent")
    meters.erred("source")
    meters.killed(on=True)
    meters.skipped("asleep", 9)
    shown = read(meters)
    assert shown["daemon_samples_ingested_total", "metrics"] == 250
    assert shown["daemon_samples_refused_total", "frozen"] == 3
    assert shown["daemon_chores_total", "done", "prune"] == 1
    assert shown["daemon_chores_total", "failed", "prune"] == 1
    assert shown["daemon_chore_seconds", "prune"] == 1.5
    assert shown["daemon_alerts_total", "sent"] == 1
    assert shown["daemon_errors_total", "source"] == 1
    assert shown["daemon_killed",] == 1
    assert shown["daemon_cycles_skipped_total", "asleep"] == 9


def test_two_services_in_one_process_do_not_count_together(meters, clock):
    meters.verdict("worse")
    assert read(Meters(clock))["daemon_verdicts_total", "worse"] == 0


def test_the_process_itself_is_measured_too(meters):
    assert read(meters)["process_resident_memory_bytes",] > 1_000_000


def test_the_form_is_the_one_that_prometheus_asks_for():
    assert metrics.CONTENT_TYPE.startswith("text/plain; version=0.0.4")
