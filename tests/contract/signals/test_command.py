"""Programs that print values: what they are given, how they end, what is left of them."""

import math
import os
import time
from pathlib import Path

import pytest

from daemon.adapters.signals.command import CommandSource
from daemon.ports import Declared, SourceFault
from tests.contract.signals.kits import Profile, WallByHand


def source(line, output="number", places=None, **options):
    places = places or {"a": "a"}
    profile = Profile(name="c", declared={name: Declared() for name in places})
    argv = ["/bin/sh", "-c", line] if isinstance(line, str) else line
    return CommandSource(profile, argv, places, WallByHand(), output=output, **options)


def values(polled):
    return [one.value for one in polled.readings]


@pytest.mark.parametrize("printed", ["5", " 5.0\\n", "5e0\\n\\n"])
def test_a_number_is_a_number(printed):
    assert values(source(f"printf '{printed}'").poll()) == [5.0]


@pytest.mark.parametrize(
    ("line", "output", "example"),
    [
        ("true", "number", "/bin/sh: prints nothing"),
        ("echo ' '", "lines", "/bin/sh: prints nothing"),
        ("echo a 1 2", "lines", "/bin/sh: 'a 1 2' is not a name and a number"),
        ("echo b 1", "lines", "/bin/sh: says nothing of 'a'"),
        ("echo '{\"b\": 1}'", "json", "/bin/sh: says nothing of 'a'"),
        ("echo '{'", "json", "/bin/sh: prints no JSON: '{'"),
        ("echo 5", "json", "/bin/sh: prints no JSON object: '5'"),
    ],
)
def test_what_cannot_be_understood_is_counted(line, output, example):
    polled = source(line, output).poll()
    assert (polled.unreadable, polled.example, [*polled.readings]) == (1, example, [])


def test_a_word_in_place_of_a_number_is_no_number():
    polled = source("echo five").poll()
    assert [math.isnan(value) for value in values(polled)] == [True]
    assert polled.example == "/bin/sh: a: 'five' is not a number"


def test_several_signals_come_with_one_start(tmp_path):
    line = f"echo x >> '{tmp_path}/starts'; echo a 1; echo; echo stranger 3; echo lat.p99 2.5"
    polled = source(line, "lines", {"a": "a", "latency": "lat.p99"}).poll()
    assert values(polled) == [1.0, 2.5]
    assert (tmp_path / "starts").read_text() == "x\n"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("echo oh no >&2; exit 3", "/bin/sh ended with 3: 'oh no'"),
        ("exit 1", "/bin/sh ended with 1"),
        ("kill -9 $$", "/bin/sh was ended by signal 9"),
        ("printf '\\377'", "/bin/sh printed what is not UTF-8 text"),
        (["/nowhere/prog"], "/nowhere/prog cannot be started: No such file or directory"),
        (["/bin/sh\0"], None),
        (["/"], "/ cannot be started: Permission denied"),
    ],
)
def test_a_program_that_fails_is_a_fault(line, why):
    with pytest.raises(SourceFault) as caught:
        source(line).poll()
    assert why is None or caught.value.message == why


def is_gone(mark):
    """Wait until no process has this in its command line; what was killed may need a moment."""
    for _ in range(200):
        if not [one for one in processes() if mark in one]:
            return True
        time.sleep(0.01)
    return False


def processes():
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found.add((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
    return found


def test_everything_that_it_started_is_ended(tmp_path):
    mark = f"9{os.getpid()}.5"  # a number of seconds that nobody else sleeps
    with pytest.raises(SourceFault, match=r"took longer than 0\.2 s and was ended"):
        source(f"sleep {mark} & sleep {mark}", timeout_s=0.2).poll()
    assert is_gone(mark)


def test_what_outlives_the_program_is_not_waited_for_and_is_ended():
    mark = f"8{os.getpid()}.5"
    began = time.monotonic()
    assert values(source(f"sleep {mark} & echo 5", timeout_s=30).poll()) == [5.0]
    assert time.monotonic() - began < 10
    assert is_gone(mark)


def test_a_program_gets_nothing_to_read_and_none_of_our_secrets():
    environ = {"DAEMON_DATABASE_URL": "secret", "PATH": "/usr/bin:/bin", "OWN": "7"}
    line = "cat; echo ${DAEMON_DATABASE_URL-$OWN}"
    assert values(source(line, environ=environ).poll()) == [7.0]


def test_a_program_that_prints_without_end_is_ended():
    with pytest.raises(SourceFault, match="printed more than 262,144 bytes"):
        source("yes", timeout_s=20).poll()
    with pytest.raises(SourceFault, match="printed more than 262,144 bytes"):
        source("yes >&2", timeout_s=20).poll()


def test_a_long_answer_is_read_to_its_end():
    line = "i=0; while [ $i -lt 3000 ]; do echo n$i 1; i=$((i+1)); done; echo a 42"
    assert values(source(line, "lines", timeout_s=20).poll()) == [42.0]
