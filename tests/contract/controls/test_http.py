"""Controls over HTTP: what is sent, what may come back, and what is never told."""

import json
import socket
import threading

import pytest

from daemon.adapters.controls.http import (
    Client,
    HttpControls,
    Shape,
    token_from_file,
    token_from_variable,
)
from daemon.ports import Author, ControlsFault, ControlsFenced, ControlsRefused, Held, Order
from tests.contract.controls.kits import COST, WORK, HttpKit, SharedHttpKit

CANARY = "hunter2canary"


def order(rule, value, epoch=1, change_id=7):
    return Order(rule=rule, value=value, epoch=epoch, change_id=change_id)


@pytest.fixture
def kit():
    kit = HttpKit()
    yield kit
    kit.close()


@pytest.fixture
def shared():
    kit = SharedHttpKit()
    yield kit
    kit.close()


def sent(kit, method):
    return [headers for asked, _, headers in kit.program.asked if asked == method]


# ── what is sent ─────────────────────────────────────────────────────────────
def test_a_write_carries_its_key_its_epoch_and_what_it_saw(kit):
    controls = kit.open()
    controls.write([order(WORK, 1.0, epoch=3)])
    controls.write([order(WORK, 2.0, epoch=3)])
    first, second = sent(kit, "PUT")
    assert (first["X-Control-Epoch"], second["X-Control-Epoch"]) == ("3", "3")
    assert "If-Match" not in first
    assert second["If-Match"] == '"1"'
    assert kit.program.documents["/rules/work"] == {
        "value": 2.0,
        "stamp": order(WORK, 2.0, epoch=3).stamp().body(),
    }


def test_a_write_keeps_its_key_until_it_is_acknowledged(kit):
    controls = kit.open()
    kit.program.fault = "partial"
    for _ in range(2):
        with pytest.raises(ControlsFault):
            controls.write([order(COST, 1.0)])
    kit.program.fault = None
    for value in (1.0, 2.0, 1.0):
        controls.write([order(COST, value)])
    keys = [headers["Idempotency-Key"] for headers in sent(kit, "PUT")]
    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys[2:])) == 3


def test_a_key_belongs_to_change_epoch_rule_and_value(kit):
    orders = [order(WORK, 1.0), order(WORK, 2.0), order(COST, 1.0)]
    orders += [order(WORK, 1.0, change_id=8), order(WORK, 1.0, epoch=2)]
    for one in orders:
        kit.open().write([one])
    assert len({headers["Idempotency-Key"] for headers in sent(kit, "PUT")}) == len(orders)


def test_an_answer_without_an_etag_or_with_a_weak_one_asks_for_no_match(kit):
    kit.program.gives_etags = False
    controls = kit.open()
    controls.write([order(WORK, 1.0)])
    data = json.dumps(kit.program.documents["/rules/work"]).encode()
    kit.program.answers["GET"] = (200, {"ETag": 'W/"1"'}, data)
    controls.write([order(WORK, 2.0)])
    assert not any("If-Match" in headers for headers in sent(kit, "PUT"))


def test_somebody_who_comes_between_look_and_write_wins(kit):
    controls = kit.open()
    controls.write([order(WORK, 1.0)])
    stale = json.dumps(kit.program.documents["/rules/work"]).encode()
    kit.by_hand(WORK, 5.0)
    kit.program.gives_etags = False
    kit.program.answers["GET"] = (200, {"ETag": '"1"'}, stale)
    with pytest.raises(ControlsRefused, match="412") as caught:
        controls.write([order(WORK, 2.0)])
    assert "somebody else" in caught.value.hint
    assert kit.program.documents["/rules/work"]["value"] == 5.0


def test_headers_and_token_are_sent_and_never_told(kit, tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{CANARY}\nsecond line\n")
    client = Client(headers={"X-Team": CANARY}, token=token_from_file(file))
    controls = HttpControls(kit.program.url + kit.path, client=client)
    controls.write([order(WORK, 1.0)])
    assert sent(kit, "PUT")[0]["Authorization"] == f"Bearer {CANARY}"
    assert sent(kit, "GET")[0]["X-Team"] == CANARY
    kit.program.answers["PUT"] = (401, {}, b"Bearer " + CANARY.encode())
    with pytest.raises(ControlsRefused, match="401") as caught:
        controls.write([order(WORK, 2.0)])
    told = [repr(client), repr(controls), str(caught.value), str(caught.value.hint)]
    assert CANARY not in "".join(told)
    assert "token" in caught.value.hint
    file.write_text("renewed")
    controls.read([WORK])
    assert sent(kit, "GET")[-1]["Authorization"] == "Bearer renewed"


def test_a_token_may_come_from_a_variable(kit):
    environ = {"TOKEN": " abc "}
    client = Client(token=token_from_variable("TOKEN", environ))
    HttpControls(kit.program.url + kit.path, client=client).read([WORK])
    assert sent(kit, "GET")[0]["Authorization"] == "Bearer abc"


@pytest.mark.parametrize("text", ["", "\n\n", "tök", "a\x00b"])
def test_what_cannot_be_a_token_is_told_by_its_place(kit, tmp_path, text):
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(ControlsFault, match=r"no token in .*token"):
        HttpControls(kit.program.url, client=Client(token=token_from_file(file))).read([WORK])
    with pytest.raises(ControlsFault, match="no token in the variable T"):
        token_from_variable("T", {"T": text})()
    with pytest.raises(ControlsFault, match="cannot be read: No such file"):
        token_from_file(tmp_path / "none")()


# ── whose value it is, where no stamp is kept ────────────────────────────────
def test_without_stamps_only_our_own_last_value_is_ours(kit):
    kit.program.keeps_stamps = False
    controls = kit.open()
    controls.write([order(WORK, 2.0, change_id=9), order(COST, 2.0)])
    ours = Held(value=2.0, author=Author.DAEMON, change_id=9, epoch=1)
    assert controls.read([WORK])[WORK] == ours
    kit.program.set("/rules/work", {"value": 3.0})
    assert controls.read([WORK])[WORK] == Held(value=3.0)
    assert kit.open().read([COST])[COST] == Held(value=2.0)


def test_a_stamp_is_left_out_where_nobody_wants_it(kit):
    url = kit.program.url + kit.path
    controls = HttpControls(url, shape=Shape.of(url, stamp_field=""))
    controls.write([order(WORK, 2.0)])
    assert kit.program.documents["/rules/work"] == {"value": 2.0}
    assert controls.read([WORK])[WORK].author is Author.DAEMON


def test_a_newer_leaders_stamp_keeps_an_older_one_out(kit):
    url = kit.program.url + kit.path
    newer, older = HttpControls(url), HttpControls(url)
    newer.take_over(2)
    newer.write([order(WORK, 2.0, epoch=2)])
    kit.program.epoch = 0
    with pytest.raises(ControlsFenced, match="epoch 2"):
        older.write([order(WORK, 3.0, epoch=1)])
    with pytest.raises(ControlsFenced):
        newer.write([order(COST, 3.0, epoch=1)])


# ── where a value stands ─────────────────────────────────────────────────────
def test_one_object_holds_all_and_what_else_it_holds_stays(shared):
    shared.program.set("/all", {"other": {"thing": [1]}, COST: 1})
    controls = shared.open()
    controls.write([order(WORK, 2.0), order(COST, 3.0)])
    document = shared.program.documents["/all"]
    assert document["other"] == {"thing": [1]}
    assert (document[WORK], document[COST]) == (2.0, 3.0)
    assert len(sent(shared, "PUT")) == 1
    assert set(document["stamps"]) == {WORK, COST}


def test_a_value_may_stand_deep_and_a_rule_may_have_a_dot(shared):
    url = f"{shared.program.url}/all"
    shape = Shape.of(url, field="tuning.{rule}.now", stamp_field="tuning.{rule}.by")
    controls = HttpControls(url, shape=shape)
    shared.program.set("/all", {"tuning": {"a.b": {"now": 1}}})
    assert controls.read(["a.b"])["a.b"].value == 1.0
    controls.write([order("a.b", 2.0)])
    assert shared.program.documents["/all"]["tuning"]["a.b"]["now"] == 2.0
    assert controls.read(["a.b"])["a.b"].author is Author.DAEMON
    assert controls.read(["c"]) == {}
    controls.write([order("c", 3.0)])
    assert set(shared.program.documents["/all"]["tuning"]) == {"a.b", "c"}


SENSELESS = {
    "no JSON": (b"<html>", "no JSON"),
    "nothing": (b"", "no JSON"),
    "deep": (b"[" * 100_000, "no JSON"),
    "not a number": (b'{"value": NaN}', "no JSON"),
    "a list": (b"[1]", "no JSON object"),
    "a number": (b"1", "no JSON object"),
    "another name": (b'{"worth": 1}', "has no `value`"),
    "text": (b'{"value": "1"}', "no number"),
    "truth": (b'{"value": true}', "no number"),
    "infinity": (b'{"value": 1e999}', "too large"),
    "many digits": (b'{"value": ' + b"9" * 400 + b"}", "too large"),
    "too many digits": (b'{"value": ' + b"9" * 5000 + b"}", "no JSON"),
    "too much": (b'{"value": 1, "x": "' + b"x" * 300_000 + b'"}', "more than"),
}


@pytest.mark.parametrize(("data", "word"), SENSELESS.values(), ids=SENSELESS)
def test_an_answer_that_makes_no_sense_is_a_fault(kit, data, word):
    kit.program.answers["GET"] = (200, {}, data)
    controls = kit.open()
    for attempt in (lambda: controls.read([WORK]), lambda: controls.write([order(WORK, 1.0)])):
        with pytest.raises(ControlsFault, match=word):
            attempt()
    assert not sent(kit, "PUT")


def test_a_null_is_a_rule_that_was_never_set(kit):
    kit.program.answers["GET"] = (200, {}, b'{"value": null}')
    assert kit.open().read([WORK]) == {}


def test_a_shape_that_does_not_fit_the_answer_is_a_fault(shared):
    url = f"{shared.program.url}/all"
    shared.program.set("/all", {"rules": 7})
    for field in ("tuning.{rule}", "rules.{rule}"):
        with pytest.raises(ControlsFault) as caught:
            HttpControls(url, shape=Shape.of(url, field=field)).read([WORK])
        assert "field" in caught.value.hint


# ── what comes back ──────────────────────────────────────────────────────────
@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 405, 409, 412, 422, 429])
def test_what_is_refused_changed_nothing(kit, status):
    headers = {"Location": "http://127.0.0.1:1/", "X-Control-Epoch": "1"}
    kit.program.answers["PUT"] = (status, headers, b"because")
    with pytest.raises(ControlsRefused, match=f"{status}: because"):
        kit.open().write([order(WORK, 1.0)])
    assert len(sent(kit, "PUT")) == 1


def test_a_refusal_of_the_second_leaves_the_first_and_is_unknown(kit):
    controls = kit.open()
    with pytest.raises(ControlsFault, match=r"work was set, then: .*404") as caught:
        controls.write([order(WORK, 2.0), order("nobody.knows", 2.0)])
    assert not isinstance(caught.value, ControlsRefused)
    assert controls.read([WORK])[WORK].value == 2.0


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_what_broke_is_unknown(kit, status):
    kit.program.answers["PUT"] = (status, {}, b"")
    with pytest.raises(ControlsFault, match=str(status)) as caught:
        kit.open().write([order(WORK, 1.0)])
    assert not isinstance(caught.value, ControlsRefused)


@pytest.mark.parametrize("status", [409, 412])
@pytest.mark.parametrize("epoch", ["2", "9" * 30])
def test_a_conflict_with_a_newer_epoch_is_a_fence(kit, status, epoch):
    kit.program.answers["PUT"] = (status, {"X-Control-Epoch": epoch}, b"")
    with pytest.raises(ControlsFenced):
        kit.open().write([order(WORK, 1.0)])


@pytest.mark.parametrize("status", [400, 401, 500])
def test_a_look_that_is_refused_is_a_fault_and_nothing_is_written(kit, status):
    kit.program.answers["GET"] = (status, {}, b"")
    controls = kit.open()
    with pytest.raises(ControlsFault, match=str(status)):
        controls.read([WORK])
    with pytest.raises(ControlsFault):
        controls.write([order(WORK, 1.0)])
    assert not sent(kit, "PUT")


def test_a_compressed_answer_is_refused(kit):
    kit.program.answers["GET"] = (200, {"Content-Encoding": "gzip"}, b"x")
    with pytest.raises(ControlsFault, match="compressed"):
        kit.open().read([WORK])


def test_an_answer_that_ends_too_early_is_a_fault(kit):
    kit.program.answers["GET"] = (200, {"Content-Length": "100"}, b'{"value": 1}')
    with pytest.raises(ControlsFault, match="too early"):
        kit.open().read([WORK])


def test_nobody_there_is_a_fault(kit):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(ControlsFault, match="refused") as caught:
        HttpControls(f"http://127.0.0.1:{port}/{{rule}}").read([WORK])
    assert caught.value.hint


class Dripper:
    """A server that says a little every now and then, and never comes to an end."""

    def __init__(self, start: bytes, drop: bytes) -> None:
        self._start, self._drop = start, drop
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/{{rule}}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._drip)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self._listener.close()

    def _drip(self):
        connection, _ = self._listener.accept()
        with connection:
            try:
                connection.sendall(self._start)
                while not self._over.wait(0.05):
                    connection.sendall(self._drop)
            except OSError:
                return


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    ],
    ids=["silence", "headers", "counted body", "endless body"],
)
def test_an_answer_that_drips_is_cut_in_time(start, drop):
    with Dripper(start, drop) as server:
        controls = HttpControls(server.url, client=Client(timeout_s=0.3))
        with pytest.raises(ControlsFault, match=r"longer than 0\.3 s"):
            controls.read([WORK])


def test_a_line_without_end_is_a_fault():
    with (
        Dripper(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, b"") as server,
        pytest.raises(ControlsFault, match="did not come"),
    ):
        HttpControls(server.url, client=Client(timeout_s=5)).read([WORK])


def test_what_is_no_http_is_a_fault():
    with (
        Dripper(b"SSH-2.0-OpenSSH\r\n", b"") as server,
        pytest.raises(ControlsFault, match="did not come"),
    ):
        HttpControls(server.url, client=Client(timeout_s=5)).read([WORK])
