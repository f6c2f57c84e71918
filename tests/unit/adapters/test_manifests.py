"""Sessions as objects of Kubernetes: valid whatever people call them, and safe to run."""

import base64
import re
from dataclasses import replace

import kubernetes_validate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.adapters.manifests import CPU, IMAGE, LABEL, MEMORY, SUBDOMAIN, named
from daemon.adapters.manifests.session import (
    CONFIG_MAP_MAX,
    HOME,
    KUBERNETES,
    SHARDS_MAX,
    Claim,
    Inline,
    SessionManifest,
    commands,
    render,
)
from daemon.errors import InputError

HOST_NAME_MAX = 63
PLAIN = SessionManifest(
    name="night 3",
    session_text="data_file: data/quotes.csv\n",
    data_file="data/quotes.csv",
    data=Claim("quotes", "2026/quotes.csv"),
    data_digest="0" * 64,
    image="registry.example:5000/tuning/self-tuning-daemon:0.1.0",
)


def container(job):
    (found,) = job["spec"]["template"]["spec"]["containers"]
    return found


def mounts(job):
    return {one["mountPath"]: one for one in container(job)["volumeMounts"]}


# ── names ────────────────────────────────────────────────────────────────────
NAMES = st.text(min_size=1, max_size=300).filter(str.strip)


@given(NAMES, NAMES)
def test_every_name_makes_a_name_for_objects_and_no_two_the_same(one, other):
    for name in (one, other):
        made = named(name)
        assert LABEL.fullmatch(made)
        assert len(f"{made}-{SHARDS_MAX}") <= HOST_NAME_MAX
        assert len(f"{made}-rank") <= HOST_NAME_MAX
    assert (named(one) == named(other)) == (one == other)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("A_1", "a-1"),
        ("a-1", "a-1"),
        ("한글", "session"),
        ("___", "session"),
        ("x" * 80, "x" * 40),
        ("--9--", "9"),
        (f"{'y' * 39}-z", "y" * 39),
    ],
)
def test_a_name_is_still_recognised_where_it_can_be(name, slug):
    assert re.fullmatch(rf"{slug}-[0-9a-f]{{10}}", named(name))


def test_other_content_has_another_name_and_the_same_the_same():
    bases = {
        render(manifest)[1]["metadata"]["name"]
        for manifest in (
            PLAIN,
            replace(PLAIN, session_text="data_file: data/quotes.csv\nmax_jobs: 3\n"),
            replace(PLAIN, data_digest="1" * 64),
            replace(PLAIN, name="Night 3"),
            replace(PLAIN, max_parallel=2, image="other:1"),
        )
    }
    assert len(bases) == 4


# ── what Kubernetes takes ────────────────────────────────────────────────────
@settings(max_examples=20)  # to validate one takes longer than to make it
@given(
    name=NAMES,
    text=st.text(max_size=200),
    data=st.one_of(
        st.builds(Inline, st.binary(max_size=200)),
        st.just(Claim("a.volume", "/2026/../quotes.csv")),
    ),
    shards=st.integers(1, SHARDS_MAX),
    parallel=st.integers(1, 100),
    timeout=st.none() | st.integers(1, 10_000),
    arguments=st.lists(st.text(max_size=20), max_size=3),
)
def test_whatever_is_asked_for_the_objects_are_valid(  # noqa: PLR0917
    name, text, data, shards, parallel, timeout, arguments
):
    manifest = replace(
        PLAIN,
        name=name,
        session_text=text,
        data=data,
        shards=shards,
        max_parallel=parallel,
        shard_timeout_s=timeout,
        arguments=tuple(arguments),
    )
    objects = render(manifest)
    assert [one["kind"] for one in objects] == ["ConfigMap", "Job", "Job"]
    for one in objects:
        kubernetes_validate.validate(one, KUBERNETES, strict=True)
        assert LABEL.fullmatch(one["metadata"]["name"])
        for value in one["metadata"]["labels"].values():
            assert re.fullmatch(r"[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", value, re.ASCII)
    assert objects[1]["spec"]["parallelism"] <= shards


def test_what_is_invalid_would_be_noticed():
    job = render(PLAIN)[1]
    job["spec"]["completion"] = 3
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, KUBERNETES, strict=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"namespace": "Tuning"}, "'Tuning' is no namespace"),
        ({"namespace": "a" * 64}, "is no namespace"),
        ({"image": "has space"}, "is no image"),
        ({"image": "a/UPPER"}, "is no image"),
        ({"database_secret": "a_b"}, "is no name of a Secret"),
        ({"cpu": "0"}, "is no amount of CPU"),
        ({"cpu": "two"}, "is no amount of CPU"),
        ({"memory": "1GB"}, "is no amount of memory"),
        ({"memory": "0Mi"}, "is no amount of memory"),
        ({"shards": 0}, "number of shares cannot be 0"),
        ({"shards": SHARDS_MAX + 1}, "number of shares"),
        ({"max_parallel": 0}, "at once cannot be 0"),
        ({"session_timeout_s": 0}, "time of a session"),
        ({"shard_timeout_s": -1}, "time of a share"),
        ({"ttl_s": 0}, "are kept"),
        ({"retries": -1}, "-1 more times"),
        ({"data_file": "c:/quotes.csv"}, "no file called"),
        ({"data_file": "quotes/"}, "no file called"),
        ({"data": Claim("Quotes", "a.csv")}, "is no name of a volume claim"),
        ({"data": Claim("quotes", "../a.csv")}, "no file within the volume"),
        ({"data": Claim("quotes", "/")}, "no file within the volume"),
        ({"data": Inline(b"x" * CONFIG_MAP_MAX)}, "at most 1,000,000 can travel"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused_with_a_hint(change, words):
    with pytest.raises(InputError, match=re.escape(words)) as why:
        render(replace(PLAIN, **change))
    assert why.value.hint


@pytest.mark.parametrize(
    ("pattern", "good"),
    [
        (IMAGE, ["a", "a:1", "docker.io/library/a:latest", "h:5000/a/b-c_d@sha256:" + "0" * 64]),
        (CPU, ["1", "0.5", "500m", "16"]),
        (MEMORY, ["512Mi", "2Gi", "1.5G", "1000000"]),
        (SUBDOMAIN, ["a", "a-b.c"]),
    ],
)
def test_what_kubernetes_takes_is_taken(pattern, good):
    for value in good:
        assert pattern.fullmatch(value), value


# ── what is run ──────────────────────────────────────────────────────────────
def test_each_pod_runs_its_share_and_variables_in_names_are_none():
    _, job, rank = render(
        replace(PLAIN, name="-$(HOME)", cpu="2500m", arguments=("--job-timeout", "$(X)"))
    )
    assert container(job)["args"] == [
        "session",
        "run",
        "/session/session.yaml",
        *("--job-timeout", "$$(X)"),
        *("--name", "-$$(HOME)"),
        *("--workers", "2"),
        *("--shard", "$(JOB_COMPLETION_INDEX)/8"),
    ]
    assert container(rank)["args"] == ["session", "rank", "--", "-$$(HOME)"]
    assert job["spec"]["completionMode"] == "Indexed"
    assert (job["spec"]["completions"], job["spec"]["parallelism"]) == (8, 4)


def test_what_somebody_has_said_is_not_said_again():
    args = container(render(replace(PLAIN, arguments=("--workers", "9", "--name", "n")))[1])["args"]
    assert args[3:7] == ["--workers", "9", "--name", "n"]
    assert args[7] == "--shard"


def test_quotes_of_a_claim_are_mounted_alone_where_the_session_expects_them():
    for data_file, target in (
        ("data/quotes.csv", f"{HOME}/data/quotes.csv"),
        ("quotes.csv", f"{HOME}/quotes.csv"),
        ("/srv/quotes.csv", "/srv/quotes.csv"),
        ("../q.csv", "/var/lib/q.csv"),
    ):
        for job in render(replace(PLAIN, data_file=data_file))[1:]:
            assert mounts(job)[target]["subPath"] == "2026/quotes.csv"
            assert mounts(job)[target]["readOnly"] is True


def test_quotes_that_travel_along_come_out_as_they_went_in():
    config, job, _ = render(replace(PLAIN, data=Inline(b"\x1f\x8b\x00quotes")))
    assert base64.b64decode(config["binaryData"]["quotes"]) == b"\x1f\x8b\x00quotes"
    assert mounts(job)[f"{HOME}/data/quotes.csv"]["subPath"] == "quotes"
    assert config["data"]["session.yaml"] == PLAIN.session_text
    assert config["immutable"] is True


def test_what_cannot_get_better_is_not_tried_again():
    rules = render(PLAIN)[1]["spec"]["podFailurePolicy"]["rules"]
    by_action = {rule["action"]: rule for rule in rules}
    assert by_action["FailJob"]["onExitCodes"]["values"] == [2, 64, 78]
    assert by_action["FailIndex"]["onExitCodes"]["values"] == [1]
    assert by_action["Ignore"]["onPodConditions"][0]["type"] == "DisruptionTarget"
    assert {rule["onExitCodes"]["containerName"] for rule in rules[1:]} == {"daemon"}


def test_pods_may_do_little_and_end_in_time():
    for job in render(replace(PLAIN, shard_timeout_s=600))[1:]:
        pod = job["spec"]["template"]["spec"]
        assert pod["restartPolicy"] == "Never"
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        own = container(job)["securityContext"]
        assert own["readOnlyRootFilesystem"] is True
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert container(job)["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}
        assert job["spec"]["activeDeadlineSeconds"] == 3_600
        assert job["spec"]["ttlSecondsAfterFinished"] == 86_400
        environment = container(job)["env"]
        assert not [one for one in environment if re.search("URL$|PASSWORD|TOKEN", one["name"])]
    running, ranking = (
        job["spec"]["template"]["spec"] for job in render(replace(PLAIN, shard_timeout_s=600))[1:]
    )
    assert running["activeDeadlineSeconds"] == 600
    assert "activeDeadlineSeconds" not in ranking


def test_the_ranking_waits_until_it_is_set_free_and_how_is_said():
    _, job, rank = render(PLAIN)
    assert rank["spec"]["suspend"] is True
    said = commands(PLAIN)
    assert all(line.startswith("kubectl --namespace default ") for line in said)
    assert f"job/{job['metadata']['name']}" in said[1]
    assert f"job/{rank['metadata']['name']}" in said[2]
    assert '{"spec": {"suspend": false}}' in said[2]
