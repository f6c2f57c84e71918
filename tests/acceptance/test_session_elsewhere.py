"""``daemon session run --on``: manifests for Kubernetes, and a cluster that is not there."""

import json

import pytest
import yaml

from daemon.errors import Exit
from tests.acceptance.conftest import point
from tests.session_kit import write_quotes, write_session

RUN = ("session", "run", "session001.yaml")


@pytest.fixture
def desk(bare, sqlite_filled_url, monkeypatch):
    """A terminal in a folder with quotes and a session file, on a database."""
    point(monkeypatch, sqlite_filled_url)
    write_quotes(bare.folder)
    write_session(bare.folder)
    return bare


# ── Kubernetes ───────────────────────────────────────────────────────────────
def test_kubernetes_prints_manifests_and_runs_nothing(desk):
    words = ("--on", "kubernetes", "--dry-run", "--namespace", "tuning", "--shards", "4")
    shown = desk.ok(
        *RUN, *words, "--max-parallel", "2", "--session-timeout", "2h", "--job-timeout", "5"
    )
    objects = [*yaml.safe_load_all(shown)]
    assert [one["kind"] for one in objects] == ["ConfigMap", "Job", "Job"]
    assert objects[0]["data"]["session.yaml"] == (desk.folder / "session001.yaml").read_text()
    spec = objects[1]["spec"]
    assert (spec["completions"], spec["parallelism"]) == (4, 2)
    assert spec["activeDeadlineSeconds"] == 7_200
    [container] = spec["template"]["spec"]["containers"]
    arguments = container["args"]
    assert arguments[arguments.index("--name") + 1] == "session001"
    assert arguments[arguments.index("--job-timeout") + 1] == "5.0"
    assert arguments[-2:] == ["--shard", "$(JOB_COMPLETION_INDEX)/4"]
    assert "kubectl --namespace tuning apply" in desk.err
    assert shown == desk.ok(
        *RUN, *words, "--max-parallel", "2", "--session-timeout", "2h", "--job-timeout", "5"
    )
    assert desk.rows("session", "list") == []


def test_quotes_may_wait_in_a_volume_and_need_not_be_here(desk):
    (desk.folder / "quotes.csv").unlink()
    words = (*RUN, "--on", "kubernetes", "--dry-run")
    assert desk.type(*words) == Exit.INPUT
    assert "claimName: btc" in desk.ok(*words, "--data-claim", "btc:/2026/quotes.csv")
    assert desk.type(*words, "--data-claim", "btc") == Exit.USAGE
    assert desk.type(*words, "--data-claim", "btc:/x", "--cpu", "lots") == Exit.INPUT


# ── Dask ────────────────────────────────────────────────────────────────
def test_a_cluster_that_does_not_answer_can_be_tried_again(desk):
    assert desk.type(*RUN, "--on", "dask:nonsense") in {Exit.TRY_AGAIN, Exit.CONFIG}
    assert "Traceback" not in desk.err
    assert json.loads(desk.ok(*RUN, "-o", "json"))["done"] == 9
