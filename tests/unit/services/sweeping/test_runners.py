"""Whether a process still runs, told from the name that it left."""

import os
import subprocess
import sys

import pytest

from daemon.services.sweeping.runners import gone, shown, this_process

HERE = this_process().split("/")


def named(**changed):
    parts = dict(zip(("host", "boot", "pids", "pid", "ticks"), HERE, strict=True)) | changed
    return "/".join(parts.values())


def test_this_process_is_not_gone():
    assert gone(this_process()) is False
    assert shown(this_process()) == f"process {os.getpid()} on {HERE[0]}"


def test_a_process_that_has_ended_is_gone():
    code = "from daemon.services.sweeping.runners import this_process; print(this_process())"
    name = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert gone(name) is True


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"ticks": "1"}, True),  # its number was given to another one since
        ({"boot": "another"}, True),
        ({"host": "elsewhere"}, None),
        ({"boot": "-"}, None),
        ({"pids": "4026000000"}, None),
        ({"pid": "x"}, None),
    ],
)
def test_where_it_cannot_be_seen_nothing_is_said(changed, expected):
    assert gone(named(**changed)) is expected


def test_a_name_that_is_none_says_nothing():
    assert gone("somebody") is None
    assert shown("somebody") == "process - on somebody"
