"""The doctor asks on, whatever the answers are."""

import pytest

from daemon.errors import ConfigError, DaemonError, Problem
from daemon.services import doctor
from daemon.store.health import Finding

FINE = Finding("disk", "ok", "there is room")


def ask(*answers):
    def question():
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
            yield answer

    return list(doctor.attempt("this", question))


@pytest.mark.parametrize(
    ("error", "details"),
    [
        (DaemonError("no such thing", hint="make one"), ["no such thing"]),
        (ConfigError([Problem("bad", key="a"), Problem("worse", key="b")]), ["a: bad", "b: worse"]),
        (
            PermissionError(13, "Permission denied", "x.db"),
            ["[Errno 13] Permission denied: 'x.db'"],
        ),
    ],
)
def test_an_error_is_an_answer_and_what_was_said_before_stays(error, details):
    found = ask(FINE, error)
    assert found[0] == FINE
    assert [(one.check, one.status, one.detail) for one in found[1:]] == [
        ("this", "fail", detail) for detail in details
    ]


def test_a_hint_is_passed_on():
    assert ask(DaemonError("no", hint="yes"))[0].hint == "yes"


def test_python_daemon_beside_us_is_a_warning(tmp_path, monkeypatch):
    info = tmp_path / "python_daemon-3.1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: python-daemon\nVersion: 3.1.2\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = [one for one in doctor.installation() if one.status == "warn"]
    assert [one.check for one in found] == ["package"]
    assert "uninstall" in found[0].hint


def test_a_healthy_installation_has_no_warning():
    assert {one.status for one in doctor.installation()} == {"ok"}
