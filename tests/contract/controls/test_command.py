"""Controls by commands: what they are told, what they may answer, and how they are ended."""

import json
import os
import stat
import time
from pathlib import Path

import pytest

from daemon.adapters.controls.command import OUTPUT_MAX, CommandControls, Commands
from daemon.clock import SystemClock
from daemon.ports import Author, ControlsFault, ControlsFenced, ControlsRefused, Held, Order

SH = ["/bin/sh", "-c"]
CANARY = "hunter2canary"


def order(rule, value, epoch=1, change_id=7):
    return Order(rule=rule, value=value, epoch=epoch, change_id=change_id)


def controls(read="echo 1", write="true", take_over=None, **more):
    over = None if take_over is None else [*SH, take_over]
    return CommandControls(Commands([*SH, read], [*SH, write], over), SystemClock(), **more)


def read(script, rule="a"):
    return controls(script).read([rule]).get(rule)


# ── what it is told ──────────────────────────────────────────────────────────
def test_arguments_and_variables_say_the_same(tmp_path):
    written = tmp_path / "written"
    names = ["DAEMON_RULE", "DAEMON_VALUE", "DAEMON_EPOCH", "DAEMON_CHANGE", "DAEMON_CHECKSUM"]
    script = f'printf "%s\\n" "$@" {" ".join(f"${name}" for name in names)} > {written}'
    write = [*SH, script, "sh", "{rule}", "{value}", "{epoch}", "{change}", "{checksum}"]
    one = order("queue.workers", 1e-7, epoch=3)
    CommandControls(Commands(["true"], write), SystemClock()).write([one])
    said = ["queue.workers", "1e-07", "3", "7", one.stamp().checksum]
    assert written.read_text().splitlines() == said * 2


def test_what_is_no_placeholder_stays_as_it_is(tmp_path):
    written = tmp_path / "written"
    write = [*SH, f'printf "%s\\n" "$@" > {written}', "sh", "{}", "{x}", "a{rule}b", "{{value}}"]
    CommandControls(Commands(["true"], write), SystemClock()).write([order("r", 2.0)])
    assert written.read_text().splitlines() == ["{}", "{x}", "arb", "{2.0}"]


def test_nothing_in_a_rule_is_expanded_by_a_shell(tmp_path):
    write = ["touch", "{rule}"]
    hostile = f"$(touch {tmp_path}/harm)"
    with pytest.raises(ControlsFault):
        CommandControls(Commands(["true"], write), SystemClock()).write([order(hostile, 2.0)])
    assert not (tmp_path / "harm").exists()


def test_a_change_without_a_number_is_empty():
    script = 'test -z "$DAEMON_CHANGE" && test -n "${DAEMON_CHANGE+x}"'
    controls(write=script).write([order("a", 1.0, change_id=None)])


def test_our_own_variables_stay_with_us():
    environ = {**os.environ, "DAEMON_DATABASE_URL": CANARY, "OTHER": "5"}
    one = controls('env | grep -c canary; test "$OTHER" = 5', environ=environ)
    with pytest.raises(ControlsFault):  # grep -c found none and printed 0, and so ended with 1
        controls("env | grep canary", environ=environ).read(["a"])
    assert one.read(["a"])["a"].value == 0.0


# ── what it may print ────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("1", 1.0),
        (" 0.25 ", 0.25),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1e-7", -1e-7),
        ("+3", 3.0),
        ('{"value": 2}', 2.0),
        ('{"value": 1e300, "more": []}', 1e300),
    ],
)
def test_a_number_is_read(printed, value):
    assert read(f"echo '{printed}'") == Held(value=value)


@pytest.mark.parametrize("printed", ["", "\n", '{"value": null}', "{}"])
def test_nothing_is_a_rule_that_was_never_set(printed):
    assert read(f"printf '%s' '{printed}'") is None


@pytest.mark.parametrize(
    "printed",
    [
        *("fast", "1 2", "1,5", "10%", "nan", "NaN", "inf", "1e999", "true", "[1]", '"1"', "{"),
        *('{"value": "1"}', '{"value": true}', '{"value": NaN}', '{"value": 1e999}', "0x10"),
        *("9" * 400, '{"value": ' + "9" * 400 + "}", "9" * 5000),
    ],
)
def test_what_is_no_number_is_a_fault(printed):
    with pytest.raises(ControlsFault, match="no number"):
        read(f"echo '{printed}'")


def test_a_stamp_that_is_printed_is_judged():
    stamp = json.dumps(order("a", 2.0).stamp().body())
    ours = Held(value=2.0, author=Author.DAEMON, change_id=7, epoch=1)
    assert read(f"""echo '{{"value": 2.0, "stamp": {stamp}}}'""") == ours
    assert read(f"""echo '{{"value": 2.5, "stamp": {stamp}}}'""") == Held(value=2.5)


def test_without_stamps_only_our_own_last_value_is_ours(tmp_path):
    where = tmp_path / "value"
    script = f"cat {where}"
    one = controls(script, f"echo $DAEMON_VALUE > {where}")
    one.write([order("a", 2.0)])
    assert one.read(["a"])["a"].author is Author.DAEMON
    assert read(script).author is Author.PERSON
    where.write_text("3")
    assert one.read(["a"])["a"] == Held(value=3.0)


# ── how it may end ───────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("code", "kind"), [(75, ControlsRefused), (76, ControlsFenced), (1, ControlsFault)]
)
def test_an_exit_code_has_a_meaning_and_the_last_words_are_told(code, kind):
    script = f"echo first >&2; echo 'no token=abc today' >&2; exit {code}"
    for attempt in (
        lambda: controls(script).read(["a"]),
        lambda: controls(write=script).write([order("a", 1.0)]),
        lambda: controls(take_over=script).take_over(1),
    ):
        with pytest.raises(ControlsFault, match=r"no token=\*\*\* today$") as caught:
            attempt()
        assert type(caught.value) is kind


def test_a_refusal_of_the_second_leaves_the_first_and_is_unknown():
    script = 'test "$DAEMON_RULE" = a || exit 75'
    with pytest.raises(ControlsFault, match="a was set, then: ") as caught:
        controls(write=script).write([order("a", 1.0), order("b", 1.0)])
    assert not isinstance(caught.value, ControlsRefused)


def test_an_end_without_words_is_told_by_its_code():
    with pytest.raises(ControlsFault, match=r"ended with -9$"):
        read("kill -9 $$")


def test_only_the_end_of_many_words_is_kept():
    with pytest.raises(ControlsFault, match=r"3: the end$"):
        read("head -c 1000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo 'the end' >&2; exit 3")


def test_a_program_that_is_not_there_is_refused(tmp_path):
    not_a_program = tmp_path / "text"
    not_a_program.write_text("no program")
    for program in ("/nowhere/at/all", str(not_a_program), "nul\0"):
        one = CommandControls(Commands([program], [program]), SystemClock())
        with pytest.raises(ControlsRefused, match="cannot be run"):
            one.write([order("a", 1.0)])
    not_a_program.chmod(stat.S_IRWXU)
    one = CommandControls(Commands([str(not_a_program)], ["true"]), SystemClock())
    with pytest.raises(ControlsRefused, match="format"):
        one.read(["a"])


def test_an_older_epoch_is_kept_out_even_without_a_command_for_it():
    one = controls()
    one.take_over(2)
    for attempt in (lambda: one.write([order("a", 1.0, epoch=1)]), lambda: one.take_over(1)):
        with pytest.raises(ControlsFenced, match="epoch 2"):
            attempt()


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! $$ > {pids}; trap '' TERM; wait"
    with pytest.raises(ControlsFault, match=r"longer than 1 s"):
        controls(write=script, timeout_s=1).write([order("a", 1.0)])
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids.read_text().split()):
        assert time.monotonic() < deadline


def test_what_prints_without_end_is_ended():
    with pytest.raises(ControlsFault, match="too much"):
        read("cat /dev/zero")
    assert OUTPUT_MAX < 10**6


def test_what_is_left_running_in_the_background_is_not_waited_for(tmp_path):
    pid = tmp_path / "pid"
    started = time.monotonic()
    assert read(f"sleep 30 & echo $! > {pid}; echo 5") == Held(value=5.0)
    assert time.monotonic() - started < 20
    os.kill(int(pid.read_text()), 9)


def test_a_program_that_closes_its_output_early_is_waited_for(tmp_path):
    done = tmp_path / "done"
    controls(write=f"exec >&- 2>&-; sleep 0.1; touch {done}").write([order("a", 1.0)])
    assert done.exists()
