"""What every way to reach a person must do, held against each there is: over real sockets."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.adapters.alerts.webhook import Caution, WebhookAlerts
from daemon.ports import Alert, AlertFault
from tests.contract.lease_kit import HandClock
from tests.contract.rows import T0
from tests.watch_kit import Receiver

SECRET = "5ecret-of-the-receiver"
PASSWORD = "hunter2canary"
DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "alerts.md"
HERE = Caution(allow_private=True)

STUCK = Alert(
    id=17,
    at_us=T0,
    kind="stuck_rollback",
    key="214",
    severity="crit",
    text=f"change 214 cannot be taken back: password={PASSWORD} was refused ✗",
    body={"rule": "risk_max", "url": f"postgresql://u:{PASSWORD}@h/db", "nan": float("nan")},
)


def documented():
    """The verification that the reference gives to receivers."""
    code = DOCUMENT.read_text().partition("```python\n")[2].partition("```")[0]
    room: dict = {}
    exec(code, room)
    return room["genuine"]


def webhook(receiver, **how):
    how = {"timeout_s": 5.0, "caution": HERE, **how}
    return WebhookAlerts(receiver.url, SECRET, HandClock(), **how)


def is_genuine(got, secret=SECRET, now=T0 / 1e6, body=None):
    headers, sent = got
    return documented()(
        secret,
        headers["X-Daemon-Timestamp"],
        headers["X-Daemon-Signature"],
        sent if body is None else body,
        now,
    )


# Each way in: how it is made for a receiver, and how a receiver knows that it is genuine.
WAYS = {"webhook": (webhook, is_genuine)}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture
def receiver():
    with Receiver() as listening:
        yield listening


# ── the contract ─────────────────────────────────────────────────────────────
def test_an_alert_arrives_with_all_that_a_person_needs(way, receiver):
    make, _ = way
    make(receiver).send(STUCK)
    told = json.loads(receiver.got[0][1])
    assert {key: told[key] for key in ("id", "kind", "key", "severity", "resolved")} == {
        "id": 17,
        "kind": "stuck_rollback",
        "key": "214",
        "severity": "crit",
        "resolved": False,
    }
    assert told["schema"] == "daemon.alert/1"
    assert told["at"] == "2027-01-15T08:00:00.000000Z"
    assert "cannot be taken back" in told["text"]
    assert told["text"].endswith("✗")
    assert told["body"]["rule"] == "risk_max"


def test_it_is_told_when_it_is_over(way, receiver):
    make, _ = way
    make(receiver).send(replace(STUCK, resolved=True))
    assert json.loads(receiver.got[0][1])["resolved"] is True


def test_the_receiver_can_tell_that_it_is_genuine(way, receiver):
    make, genuine = way
    make(receiver).send(STUCK)
    (got,) = receiver.got
    assert genuine(got)
    assert not genuine(got, secret="another secret altogether")
    assert not genuine(got, body=got[1].replace(b"crit", b"info"))
    assert not genuine(got, now=T0 / 1e6 + 301)


def test_no_password_leaves_the_house(way, receiver):
    make, _ = way
    make(receiver).send(STUCK)
    headers, body = receiver.got[0]
    assert PASSWORD.encode() not in body
    assert SECRET not in f"{headers}{body!r}"


def test_an_attempt_is_known_again_and_other_news_are_not(way, receiver):
    make, _ = way
    told = [STUCK, STUCK, replace(STUCK, resolved=True), replace(STUCK, id=18)]
    told.append(replace(STUCK, severity="warn"))
    for alert in told:
        make(receiver).send(alert)
    keys = [headers["Idempotency-Key"] for headers, _ in receiver.got]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


@pytest.mark.parametrize(
    ("answer", "words"),
    {
        "500": "answered 500 Internal Server Error",
        "404": "answered 404 Not Found",
        "429": "answered 429 Too Many Requests",
        "599": "answered 599",
        "redirect": "redirects are not followed",
        "garbage": "cannot be reached: BadStatusLine",
        "hang_up": "cannot be reached",
    }.items(),
)
def test_anything_but_success_is_a_fault_that_says_why(way, answer, words):
    make, _ = way
    with Receiver(answer) as receiver, pytest.raises(AlertFault, match=words) as caught:
        make(receiver).send(STUCK)
    assert receiver.paths == ["/hook?key=secretpath"]  # and nothing followed
    for secret in (SECRET, "secretpath", PASSWORD):
        assert secret not in f"{caught.value}{caught.value.hint}"


@pytest.mark.parametrize("answer", ["silent", "slow"])
def test_an_answer_that_does_not_come_is_given_up(way, answer):
    """However much of it trickles in."""
    make, _ = way
    with Receiver(answer) as receiver:
        with pytest.raises(AlertFault, match=r"gave no answer in 0\.3 s"):
            make(receiver, timeout_s=0.3).send(STUCK)
        receiver.over.set()


def test_an_answer_without_end_is_not_read_to_its_end(way):
    make, _ = way
    with Receiver("huge") as receiver:
        make(receiver).send(STUCK)
        assert receiver.over.wait(10), "a quarter of a gigabyte was taken"


def test_a_body_that_is_too_long_goes_without_its_details(way, receiver):
    make, _ = way
    make(receiver).send(replace(STUCK, text="t" * 5_000, body={"lines": ["x" * 1_000] * 100}))
    body = receiver.got[0][1]
    assert len(body) < 4_096
    assert json.loads(body)["body"] == {"left_out": "too long"}


def test_nobody_there_is_a_fault(way):
    make, _ = way
    with Receiver() as receiver:
        pass
    with pytest.raises(AlertFault, match="cannot be reached: Connection refused"):
        make(receiver).send(STUCK)
