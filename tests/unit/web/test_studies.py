"""Studies over a real socket: handed in, asked after, ended, and refused with every reason."""

import json
from dataclasses import replace

import pytest

from daemon.app.submitted import desk as made_desk
from daemon.config.settings import Settings
from daemon.errors import StoreUnavailable
from daemon.store import studies, submissions
from daemon.store.store import Store
from daemon.web.studies import EXAMPLE, STUDY_BYTES_MAX
from tests.contract.databases import Sqlite
from tests.life_kit import HandClock
from tests.session_kit import write_quotes
from tests.unit.web.conftest import opened

PATH = "/api/v1/backtests/optimize"
STUDY = {**EXAMPLE, "data_file": "quotes.csv"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with quotes, a link out of it, and a file beside it."""
    folder = tmp_path_factory.mktemp("studies")
    root = folder / "data"
    root.mkdir()
    write_quotes(root, rows=40)
    write_quotes(folder, "secret.csv", rows=40)
    (root / "link.csv").symlink_to(folder / "secret.csv")
    (root / "inner.csv").symlink_to(root / "quotes.csv")
    (root / "round.csv").symlink_to(root / "round.csv")
    return root


@pytest.fixture(scope="module")
def house(root, tmp_path_factory):
    """A door with a desk behind it; one database for all tests of the module."""
    backend = Sqlite(tmp_path_factory.mktemp("base"))
    settings = Settings.model_validate({"sweeps": {"data_root": str(root)}})
    with Store.open(backend.clone()) as store:
        desk = made_desk(settings, store, HandClock())
        with opened(settings, desk=desk, request_s=5.0) as door:
            yield door, store


@pytest.fixture
def door(house):
    """The door, with nothing handed in yet."""
    door, store = house
    with store.write() as tx:
        tx.exec_driver_sql("DELETE FROM submissions")
    return door


@pytest.fixture
def store(house):
    return house[1]


def post(door, body=STUDY, path=PATH, **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return door.ask("POST", path, data, {"Content-Type": "application/json", **headers})


# ── taken ────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("path", [PATH, "/backtests/optimize"])
def test_a_study_is_taken_and_can_be_asked_after(door, path):
    answer = post(door, path=path)
    assert answer.status == 202
    number = answer.json["id"]
    assert answer.headers["location"] == f"{PATH}/{number}"
    shown = door.ask("GET", f"{path}/{number}")
    assert (shown.status, shown.json) == (200, answer.json)
    assert (shown.json["state"], shown.json["name"], shown.json["ahead"]) == (
        "queued",
        "night-search",
        0,
    )


def test_what_is_more_important_is_ahead(door):
    low = post(door, {"study": STUDY}).json["id"]
    high = post(door, {"study": STUDY, "priority": 9}).json
    assert (high["priority"], high["ahead"]) == (9, 0)
    assert door.ask("GET", f"{PATH}/{low}").json["ahead"] == 1
    listed = door.ask("GET", f"{PATH}?limit=1").json
    assert [one["id"] for one in listed["submissions"]] == [high["id"]]
    assert (listed["more"], listed["waiting"]) == (True, 2)


def test_it_is_written_down_as_it_was_sent(door, store):
    number = post(door, {"study": STUDY, "priority": 3}).json["id"]
    with store.read() as view:
        assert submissions.get(view, number).body == STUDY


def test_a_link_within_the_folder_is_followed(door):
    assert post(door, {**STUDY, "data_file": "inner.csv"}).status == 202


# ── refused ──────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("../secret.csv", "leads out"),
        ("link.csv", "leads out"),
        ("/etc/passwd", "leads out"),
        ("a/../quotes.csv", "leads out"),
        ("round.csv", "cannot be found"),
        ("nobody.csv", "there is no file"),
        (".", "there is no file"),
        ("x" * 300, "cannot be found"),
    ],
)
def test_only_files_below_the_folder_are_read(door, store, file, said):
    answer = post(door, {**STUDY, "data_file": file})
    assert answer.status == 422
    (problem,) = answer.json["problems"]
    assert problem["key"] == "data_file"
    assert said in problem["reason"]
    assert problem["hint"]
    with store.read() as view:
        assert submissions.waiting(view) == 0


def test_each_of_several_files_is_looked_at(door):
    both = {name: value for name, value in STUDY.items() if name != "data_file"}
    both["data_files"] = [
        {"symbol": "btc", "file": "quotes.csv"},
        {"symbol": "eth", "file": "link.csv"},
    ]
    (problem,) = post(door, both).json["problems"]
    assert problem["key"] == "data_files.1.file"


def test_everything_that_is_wrong_is_said_at_once(door):
    wrong = {**STUDY, "sampler": "tarot", "batch": 0, "sapce": {}}
    answer = post(door, wrong)
    assert answer.status == 422
    told = {problem["key"]: problem for problem in answer.json["problems"]}
    assert {"batch", "sapce"} <= set(told)
    assert any(key.startswith("sampler") for key in told)
    assert all(problem["reason"] for problem in told.values())
    assert told["sapce"]["hint"] == "did you mean `space`?"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is not JSON"),
        (b"[]", "must be a JSON object"),
        (b"\xff{}", "is not UTF-8"),
        (b'{"batch": NaN}', "no number"),
        (b'{"batch": 1, "batch": 2}', "written twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"batch": 1e999}', "no number"),
        (b'{"name": "a\\u0000b"}', "zero byte"),
        (b'{"name": "a\\ud800b"}', "half of a character"),
        (b'{"study": 3}', "under `study`"),
        (b'{"study": {}, "when": 1}', "means nothing"),
        (b'{"study": {}, "priority": 10}', "under `priority`"),
        (b'{"study": {}, "priority": true}', "under `priority`"),
        (b'{"session": {"grids": []}}', "sessions are not run"),
    ],
)
def test_what_is_no_study_is_refused(door, body, said):
    answer = post(door, body)
    assert answer.status == 422
    assert said in answer.json["error"]
    assert answer.json["hint"]


def test_only_so_many_wait(door):
    small = replace(door.service.desk, waiting_max=2)
    with opened(Settings(), desk=small, request_s=5.0) as crowded:
        assert [post(crowded).status for _ in range(2)] == [202, 202]
        answer = post(crowded)
    assert answer.status == 429
    assert answer.headers["retry-after"] == "1"
    assert "2 studies wait" in answer.json["error"]


def test_the_body_is_limited_and_of_one_kind(door):
    assert post(door, b" " * (STUDY_BYTES_MAX + 1)).status == 413
    assert door.ask("POST", PATH, b"a,b", {"Content-Type": "text/csv"}).status == 415
    assert post(door, STUDY, **{"Content-Encoding": "gzip"}).status == 415


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_pages_in_a_browser_may_change_nothing(door, method):
    path = PATH if method == "POST" else f"{PATH}/1"
    headers = {"Content-Type": "application/json", "Origin": "http://evil.example"}
    body = json.dumps(STUDY).encode() if method == "POST" else b""
    assert door.ask(method, path, body, headers).status == 403


def test_a_token_is_asked_for(tmp_path):
    (tmp_path / "token").write_text("a-token-that-is-long-enough\n")
    settings = Settings.model_validate({"http": {"token_file": str(tmp_path / "token")}})
    with opened(settings) as door:
        for method, path in (("POST", PATH), ("GET", PATH), ("DELETE", f"{PATH}/1")):
            assert door.ask(method, path).status == 401


@pytest.mark.parametrize("number", ["0", "7", "x", "-1", "²", "9" * 30])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_nobody_handed_in_is_not_found(door, method, number):
    if not number.isascii():
        number = "%C2%B2"
    answer = door.ask(method, f"{PATH}/{number}")
    assert answer.status == 404
    assert answer.json["error"]


@pytest.mark.parametrize("limit", ["0", "501", "x"])
def test_a_list_has_a_limit(door, limit):
    assert door.ask("GET", f"{PATH}?limit={limit}").status == 422


def test_where_nobody_runs_studies_none_is_taken():
    with opened(Settings()) as door:
        assert post(door).status == 409


class Away:
    """A database that cannot be reached."""

    def read(self):
        raise StoreUnavailable("secret.example: gone")


def test_a_database_that_is_away_is_said(door):
    lost = replace(door.service.desk, store=Away())
    with opened(Settings(), desk=lost) as lonely:
        answer = lonely.ask("GET", PATH)
    assert answer.status == 503
    assert "secret.example" not in answer.body.decode()


# ── ended ────────────────────────────────────────────────────────────────────
def test_what_waits_is_cancelled_at_once_and_twice_is_once(door):
    number = post(door).json["id"]
    for _ in range(2):
        answer = door.ask("DELETE", f"{PATH}/{number}")
        assert (answer.status, answer.json["state"]) == (200, "cancelled")


def test_what_runs_is_asked_to_end_and_its_study_is_told(door, store):
    number = post(door).json["id"]
    new = studies.NewStudy(
        identity=f"{number:064}",
        name="night-search",
        spec={},
        data_digest="d" * 64,
        data_rows=10,
        engine_version="1",
        sampler="random",
        seed=0,
        folds=2,
        trials_total=128,
        created_at_us=1,
    )
    with store.write() as tx:
        submissions.take(tx, number, 1)
        study = studies.found_or_made(tx, new)[0]
        studies.take(tx, study.id, "elsewhere:1", door.service.clock.now_us())
        submissions.named(tx, number, study.id)
    shown = door.ask("GET", f"{PATH}/{number}").json
    assert shown["study_id"] == study.id
    assert shown["progress"]["of"] == 128
    assert shown["progress"]["best_params"] is None
    answer = door.ask("DELETE", f"{PATH}/{number}")
    assert (answer.status, answer.json["state"]) == (202, "running")
    assert answer.json["cancel_requested_at"]
    with store.read() as view:
        assert studies.get(view, study.id).cancel_requested_at_us


def test_the_routes_are_described_with_an_example_that_holds(door):
    described = door.ask("GET", "/api/v1/openapi.json").json["paths"]
    assert set(described[PATH]) == {"post", "get"}
    assert set(described[f"{PATH}/{{id}}"]) == {"get", "delete"}
    media = described[PATH]["post"]["requestBody"]["content"]["application/json"]
    example = media["example"]
    assert (
        post(door, {**example, "study": {**example["study"], "data_file": "quotes.csv"}}).status
        == 202
    )
