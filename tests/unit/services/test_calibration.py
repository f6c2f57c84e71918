"""Where the past was quiet, and whether a policy may go live."""

import pytest

from daemon.config.policy_file import load_policy
from daemon.errors import InputError
from daemon.services import calibration
from daemon.services.calibration import Calibrator, Readiness, quiet_spans, ready_for_live
from daemon.store import calibrations, history, samples
from daemon.store.calibrations import Movement
from daemon.store.store import Store
from daemon.tuning.windows import BLOCK_US
from tests.calibration_kit import a_policy, noise
from tests.shelf import in_memory

POLICY = a_policy(settle_s=10.0)
DAY_US = calibration.DAY_US


def at(block, *rest):
    return Movement(block * BLOCK_US + 1, *rest)


def spans(*moved):
    return [(one.first, one.end, one.setting) for one in quiet_spans(POLICY, 100, 200, [*moved])]


# ── where the past was quiet ─────────────────────────────────────────────────
def test_without_a_movement_all_of_it_was_quiet():
    assert spans() == [(100, 200, (0.0,))]


def test_a_movement_cuts_it_and_the_settle_gap_is_left_out():
    moved = at(150, "r", 5.0, 6.0)
    assert spans(moved) == [(100, 150, (5.0,)), (153, 200, (6.0,))]


def test_a_setting_that_was_taken_back_is_the_same_again():
    there, back = at(120, "r", 5.0, 6.0), at(160, "r", 6.0, 5.0)
    assert [setting for _, _, setting in spans(there, back)] == [(5.0,), (6.0,), (5.0,)]


def test_a_movement_just_before_still_shakes_the_beginning():
    assert spans(at(99))[0][0] == 102


def test_a_movement_at_the_end_leaves_nothing_behind_it():
    assert spans(at(198)) == [(100, 198, (0.0,))]


def test_movements_close_together_leave_nothing_between():
    assert [one[:2] for one in spans(at(150), at(152), at(153))] == [(100, 150), (156, 200)]


def test_a_value_that_nobody_knew_before_is_taken_up():
    assert [setting for _, _, setting in spans(at(150, "r", None, 7.0))] == [(0.0,), (7.0,)]


# ── on a database ────────────────────────────────────────────────────────────
TEXT = """\
targets: { s: { max: 0, scale: 1 } }
rules: { r: { init: 5, min: 0, max: 10, lr: 1 } }
observe_window_s: 60
settle_s: 10
warmup_s: 120
min_samples: 50
"""


class Stopped:
    """A clock that stands still."""

    def __init__(self, now_us):
        self.now = now_us

    def now_us(self):
        return self.now

    elapsed_us = now_us

    def sleep(self, seconds):
        self.now += round(seconds * 1e6)


START = 1_800_000_000_000_000


@pytest.fixture
def store():
    with in_memory() as opened:
        yield opened


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(TEXT)
    return load_policy(path)


def recorded(store, blocks, phi=0.5):
    """A sample a second, so many blocks long; gives the clock at the end of it."""
    values = noise(blocks, 1, phi).repeat(5, axis=0)[:, 0]
    rows = [("s", START + second * 1_000_000, float(x)) for second, x in enumerate(values)]
    with store.write() as tx:
        samples.ingest(tx, rows, rows[-1][1])
    return Stopped(rows[-1][1] + 1_000_000)


def test_a_policy_is_measured_and_the_answer_kept(store, policy):
    clock = recorded(store, 650)
    calibrator = Calibrator(store, clock)
    read = []
    found = calibrator.measure(policy, 24, read.append)
    assert found.green
    assert sum(read) == calibrator.hours(policy, 24) == 1
    ready = calibrator.record(found, "not needed", "me")
    assert ready
    assert ready.state is Readiness.GREEN
    with store.read() as view:
        row = calibrations.latest(view, policy.meaning)
    assert (row.outcome, row.placebos, row.at_us) == ("green", found.placebos, clock.now_us())
    assert (row.override_reason, row.override_by) == (None, None), "there was nothing to accept"
    assert row.signals[0]["detectable"] == pytest.approx(found.signals[0].detectable)


def test_only_the_newest_hours_are_looked_at(store, policy):
    calibrator = Calibrator(store, recorded(store, 800))
    assert calibrator.measure(policy, 0.5).quiet_s == 1800
    assert calibrator.measure(policy, 24).quiet_s == 4000


def test_a_past_that_ended_long_ago_is_still_looked_at(store, policy):
    clock = recorded(store, 650)
    clock.sleep(9 * 86_400)
    assert Calibrator(store, clock).measure(policy, 1).green


def test_what_was_moved_is_left_out(store, policy):
    clock = recorded(store, 650)
    with store.write() as tx:
        moved = history.RuleSet(
            at_us=START + 300 * BLOCK_US, rule="r", old=5.0, new=6.0, actor="me"
        )
        history.append(tx, moved)
    assert Calibrator(store, clock).measure(policy, 24).quiet_s == (650 - 3) * 5


def test_without_anything_recorded_there_is_nothing_to_measure(store, policy):
    calibrator = Calibrator(store, Stopped(START))
    for ask in (calibrator.hours, calibrator.measure):
        with pytest.raises(InputError, match="nothing was recorded of s") as raised:
            ask(policy, 24)
    assert "let the daemon watch" in raised.value.hint


# ── ready for live ───────────────────────────────────────────────────────────
def made(**changed):
    said = {
        "at_us": START,
        "policy": "a" * 64,
        "outcome": "red",
        "from_us": START,
        "to_us": START,
        "quiet_s": 60.0,
        "placebos": 3,
        "false_keep": None,
        "false_worse": None,
        "reasons": [{"code": "x", "what": "too short", "hint": "wait"}],
        "warnings": [],
        "signals": [],
    }
    return calibrations.Calibration(**(said | changed))


def ready(store, *rows, now_us=START):
    with store.write() as tx:
        for row in rows:
            calibrations.record(tx, row)
        return ready_for_live(tx, "a" * 64, now_us)


def test_nothing_is_ready_that_was_never_calibrated(store):
    answer = ready(store)
    assert not answer
    assert (answer.state, answer.hint) == (Readiness.MISSING, "run: daemon ctl calibrate")


def test_a_policy_that_was_altered_since_is_told_from_that(store):
    answer = ready(store, made(policy="b" * 64, outcome="green", reasons=[]))
    assert not answer
    assert answer.state is Readiness.STALE
    assert answer.why.startswith("the policy changed since the calibration of 2027-01-15T08:00Z")


def test_red_is_not_ready_and_says_why_and_what_to_do(store):
    answer = ready(store, made())
    assert not answer
    assert (answer.state, answer.why) == (Readiness.RED, "too short")
    assert answer.hint.startswith("wait; or go on with: daemon ctl calibrate --accept-anyway")


def test_red_that_somebody_accepts_is_ready_and_says_who(store):
    answer = ready(store, made(override_reason="a test rig", override_by="ann"))
    assert answer
    assert answer.state is Readiness.OVERRIDDEN
    assert answer.why == "ann goes on regardless: a test rig (too short)"


def test_what_was_accepted_once_does_not_cover_a_later_red(store):
    accepted = made(override_reason="a test rig", override_by="ann")
    assert ready(store, accepted, made()).state is Readiness.RED


def test_green_is_ready_for_so_long(store):
    green = made(outcome="green", reasons=[])
    assert ready(store, green, now_us=START + 30 * DAY_US).state is Readiness.GREEN
    late = ready(store, now_us=START + 30 * DAY_US + 1)
    assert not late
    assert (late.state, late.why) == (
        Readiness.STALE,
        "the calibration of 2027-01-15 is older than 30 days",
    )


# ── what lint asks ───────────────────────────────────────────────────────────
def test_a_threshold_that_noise_on_record_hides_is_a_warning(store, policy, tmp_path):
    calibrator = Calibrator(store, recorded(store, 650))
    calibrator.record(calibrator.measure(policy, 24))
    strict = tmp_path / "strict.yaml"
    strict.write_text(f"{TEXT}safety:\n  good:\n    s: {{ max: -0.001 }}\n")
    (problem,) = calibration.doubts(store, [policy, load_policy(strict)])
    assert problem.warning
    assert (problem.file, problem.line, problem.key) == (str(strict), 9, "safety.good.s")
    assert "in 60 s an effect of 0.001 on s cannot be told from noise" in problem.reason


def test_where_nothing_is_on_record_nothing_is_said(store, policy, tmp_path):
    assert calibration.doubts(store, [policy]) == []
    with Store.open(f"sqlite:///{tmp_path / 'never.db'}") as absent:
        assert calibration.doubts(absent, [policy]) == []
    assert not (tmp_path / "never.db").exists()


def test_who_carries_a_proposal_out_has_no_part_in_what_was_calibrated(tmp_path):
    from tests.recording import loaded_policy  # noqa: PLC0415

    live = loaded_policy(tmp_path)
    dry = loaded_policy(tmp_path, ("dry_run: false", "dry_run: true"))
    other = loaded_policy(tmp_path, ("observe_window_s: 60", "observe_window_s: 90"))
    assert live.digest != dry.digest
    assert live.meaning == dry.meaning != other.meaning
