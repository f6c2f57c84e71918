"""A real process, real signals, and a real socket on which it tells how it is."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.errors import Exit

PROCESS = Path(__file__).with_name("life_process.py")
ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


@pytest.fixture
def manager(tmp_path):
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(PATIENCE_S)
        yield receiver


@contextmanager
def living(folder, *how):
    command = [sys.executable, "-W", "error", str(PROCESS), str(folder), *how]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(folder / "notify")}
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(receiver, word):
    """Everything the manager hears up to a word."""
    heard = []
    while word not in heard:
        heard += receiver.recv(4096).decode().split("\n")
    return heard


def test_it_is_ready_lives_reads_again_and_ends_when_it_is_told_to(tmp_path, manager):
    with living(tmp_path) as process:
        heard = until(manager, "WATCHDOG=1")
        assert "READY=1" in heard
        process.send_signal(signal.SIGHUP)
        until(manager, "RELOADING=1")
        until(manager, "READY=1")
        until(manager, "WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        until(manager, "STOPPING=1")
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == Exit.DONE, err
    steps = out.split()
    assert steps[0] == "cycle"
    assert steps.count("reload") == steps.count("stop") == 1
    assert steps[-1] == "stop"
    assert "Traceback" not in err


def test_a_second_signal_ends_it_even_while_it_waits_inside_the_database(tmp_path, manager):
    with living(tmp_path, "blocked") as process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)
    assert process.returncode == 128 + signal.SIGINT


def test_an_end_that_does_not_come_in_time_comes_all_the_same(tmp_path, manager):
    with living(tmp_path, "blocked", "0.2") as process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == Exit.FAILED
    assert "stop_took_too_long" in err
