"""What a real socket receives of what the service manager is told."""

import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.services.living.notify import Notifier


@pytest.fixture(params=["file", "abstract"])
def manager(request, tmp_path):
    """A socket as systemd opens one, and its address as the environment names it."""
    path = str(tmp_path / "notify.sock")
    if request.param == "abstract":
        path = "@" + path.replace("/", "-")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + path[1:] if path.startswith("@") else path)
        receiver.settimeout(5)
        yield receiver, path


def test_every_word_arrives_as_one_message(manager):
    receiver, path = manager
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000"})
    notifier.ready("leading")
    notifier.reloading()
    notifier.alive()
    notifier.status("a line\nand READY=1 that somebody would like to add")
    notifier.extend(20)
    notifier.patience(600)
    notifier.patience(None)
    notifier.stopping("SIGTERM")
    heard = [receiver.recv(4096).decode() for _ in range(8)]
    assert heard[0] == "READY=1\nSTATUS=leading"
    assert heard[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert heard[2] == "WATCHDOG=1"
    assert heard[3] == "STATUS=a line\\nand READY=1 that somebody would like to add"
    assert heard[4] == "EXTEND_TIMEOUT_USEC=20000000"
    assert heard[5] == "WATCHDOG_USEC=600000000"
    assert heard[6] == "WATCHDOG_USEC=30000000"
    assert heard[7] == "STOPPING=1\nSTATUS=SIGTERM"


def test_the_moment_of_reading_again_is_that_of_the_clock_the_manager_reads(manager):
    receiver, path = manager
    booted_s = float(Path("/proc/uptime").read_text().split()[0])
    Notifier(path).reloading()
    told_us = int(receiver.recv(4096).decode().partition("MONOTONIC_USEC=")[2])
    assert 0 < told_us <= (booted_s + 60) * 1_000_000


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "soon"}])
def test_without_a_manager_nobody_is_told(environ):
    notifier = Notifier.from_environ(environ)
    with capture_logs() as logs:
        notifier.ready("leading")
        notifier.patience(600)
    assert logs == []


def test_without_a_watchdog_its_patience_is_not_spoken_of(manager):
    receiver, path = manager
    notifier = Notifier(path)
    notifier.patience(600)
    notifier.alive()
    assert receiver.recv(4096) == b"WATCHDOG=1"


def test_a_manager_that_is_gone_is_told_in_the_log_once(tmp_path):
    notifier = Notifier(str(tmp_path / "nobody"))
    with capture_logs() as logs:
        for _ in range(3):
            notifier.alive()
    assert [log["event"] for log in logs] == ["service_manager_unreachable"]


def test_a_manager_that_does_not_read_is_not_waited_for(manager):
    receiver, path = manager
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    notifier = Notifier(path, sent_within_s=0.05)
    with capture_logs() as logs:
        for _ in range(400):
            notifier.alive()
            if logs:
                break
    assert [log["event"] for log in logs] == ["service_manager_unreachable"]
    assert receiver.recv(4096) == b"WATCHDOG=1"
