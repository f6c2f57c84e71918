"""Too much, too slow, too many: cut off, while others are served."""

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from daemon.config.http import Http
from daemon.config.settings import Settings
from daemon.web.listener import STOP_S, Listener, open_to_programs
from daemon.web.server import server
from tests.life_kit import HandClock, HandEngine, HandLease, service
from tests.unit.web.conftest import opened, read_answer

POST = b"POST /signals HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_body_that_is_announced_too_large_is_not_waited_for(door):
    with door.line() as line:
        line.sendall(POST + b"Content-Length: 60000000\r\nExpect: 100-continue\r\n\r\n")
        answer = read_answer(line)
    assert answer.status == 413
    assert answer.headers["connection"] == "close"
    assert "1,000,000" in answer.json["error"]


@pytest.mark.parametrize(
    "head", [b"Content-Length: 60000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"]
)
def test_sixty_megabytes_are_cut_off_and_cost_no_memory(door, head):
    piece = b"x" * 65_536
    framed = b"10000\r\n" + piece + b"\r\n" if b"chunked" in head else piece
    before, sent = resident_bytes(), 0
    with door.line() as line:
        line.sendall(POST + head)
        with contextlib.suppress(ConnectionError):
            while sent < 60_000_000:
                line.sendall(framed)
                sent += len(piece)
    assert sent < 30_000_000
    assert resident_bytes() - before < 30_000_000
    assert door.ask("GET", "/livez").status == 200


def test_who_sends_a_little_too_much_is_told_so(door):
    answer = door.push(b"[" + b" " * 1_500_000 + b"]")
    assert answer.status == 413
    assert "several batches" in answer.json["hint"]


def test_a_body_that_drips_is_cut_off_and_others_are_served_meanwhile(door):
    with door.line() as line:
        line.sendall(POST + b"Content-Length: 100\r\n\r\n[")
        assert door.ask("GET", "/livez").status == 200
        answer = read_answer(line)
    assert answer.status == 408
    assert door.source.taken == []


def test_a_head_that_drips_is_cut_off_however_lively_it_drips(door):
    with door.line() as line:
        line.settimeout(0.05)
        heard = b""
        for letter in POST * 20:
            with contextlib.suppress(ConnectionError):
                line.sendall(bytes([letter]))
            with contextlib.suppress(TimeoutError, ConnectionError):
                heard += line.recv(1000)
            if heard:
                break
    assert heard.startswith(b"HTTP/1.1 408")


def test_so_is_a_line_on_which_nothing_is_said(door):
    with door.line() as line:
        assert read_answer(line).status == 408


def test_and_the_head_of_a_second_request(door):
    with door.line() as line:
        assert ask_again(line) == 200
        line.sendall(b"GET /liv")
        assert read_answer(line).status == 408


def ask_again(line):
    """Ask on a line that stays open, and read the whole answer."""
    line.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    data = b""
    while not data.endswith(b"}"):
        data += line.recv(4096)
    return int(data.split()[1])


def test_a_line_is_kept_for_the_next_request(door):
    with door.line() as line:
        assert [ask_again(line) for _ in range(3)] == [200] * 3


def test_a_head_without_end_is_cut_off(door):
    with door.line() as line, contextlib.suppress(ConnectionError):
        line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000)
        assert read_answer(line).status == 400


def test_there_are_only_so_many_lines(door):
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(door.line()) for _ in range(9)]
        refused = 0
        for line in lines:
            with contextlib.suppress(ConnectionError):
                line.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                refused += not line.recv(100)
                continue
            refused += 1
    assert refused >= 3
    assert door.ask("GET", "/livez").status == 200


@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 50 + b"?"]
)
def test_what_is_no_http_is_refused_or_not_answered(door, noise):
    with door.line() as line:
        line.sendall(noise + b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert line.recv(100)[:10] in {b"", b"HTTP/1.1 4"}
    assert door.ask("GET", "/livez").status == 200


def test_who_hangs_up_in_the_middle_does_no_harm(door):
    for _ in range(5):
        with door.line() as line:
            line.sendall(POST + b"Content-Length: 100\r\n\r\n[")
    assert door.ask("GET", "/livez").status == 200


# ── the listener ─────────────────────────────────────────────────────────────
class Eager(Listener):
    bind_again_s = 0.02


async def nobody(scope, receive, send):
    """Answer nobody."""


def nothing():
    return server(nobody, STOP_S)


def test_an_address_that_is_taken_is_told_and_asked_for_again(capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listener = Eager(nothing, "127.0.0.1", port)
        listener.open()
        assert listener.address(0.1) is None
    try:
        assert listener.address(5) == ("127.0.0.1", port)
    finally:
        listener.close()
    assert capfd.readouterr().out.count("http_cannot_listen") == 1


def test_a_listener_that_never_got_its_address_can_be_closed():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listener = Listener(nothing, "127.0.0.1", taken.getsockname()[1])
        listener.open()
        listener.close()
        assert listener.address(0) is None


def test_the_door_is_open_for_as_long_as_the_block_runs():
    clock = HandClock()
    made = service(clock, HandEngine(clock), HandLease())
    threads = set(threading.enumerate())
    with open_to_programs(made, Settings(http=Http(port=0))) as listener:
        host, port = listener.address(5)
        assert host == "127.0.0.1"
    assert set(threading.enumerate()) <= threads
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, port), 1).close()


def test_or_not_at_all():
    clock = HandClock()
    made = service(clock, HandEngine(clock), HandLease())
    with open_to_programs(made, Settings(http=Http(enabled=False))) as listener:
        assert listener is None


def test_it_listens_on_the_other_loopback_as_well():
    with opened(Settings(http=Http(host="::1"))) as door:
        assert door.address[0] == "::1"
        assert door.ask("GET", "/livez").status == 200


@pytest.mark.parametrize("knocks", [False, True])
def test_what_answers_is_loaded_when_the_service_has_started_or_somebody_knocks(knocks):
    starting = threading.Event()
    loaded = threading.Event()
    starting.set()

    def serve():
        loaded.set()
        return server(nobody, STOP_S)

    listener = Listener(serve, "127.0.0.1", 0, starting.is_set)
    listener.open()
    address = listener.address(5)
    try:
        assert not loaded.wait(0.2)
        with contextlib.ExitStack() as line:
            if knocks:
                line.enter_context(socket.create_connection(address, 5))
            else:
                starting.clear()
            assert loaded.wait(5)
    finally:
        listener.close()


def test_a_listener_that_is_closed_while_the_service_starts_loads_nothing():
    listener = Listener(lambda: pytest.fail("loaded"), "127.0.0.1", 0, lambda: True)
    listener.open()
    assert listener.address(5) is not None
    listener.close()
