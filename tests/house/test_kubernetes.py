"""What Kubernetes is given: valid, small in rights, and fitting what the program does."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import click
import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement

import daemon
from daemon.adapters.manifests.session import (
    KUBERNETES,
    SECRET_KEY,
    USER,
    Claim,
    SessionManifest,
    render,
)
from daemon.adapters.quotes.files import QuoteFiles
from daemon.cli.main import cli
from daemon.config.http import DEFAULT_PORT
from daemon.services.living.interrupts import STOP_WITHIN_S
from tests.house.test_deploy import COMPOSE, find_hadolint

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
DOCKERFILE = FOLDER / "Dockerfile"
FILES = sorted([*FOLDER.glob("*.yaml"), *FOLDER.glob("*.example")])
OBJECTS = [
    pytest.param(one, id=f"{path.name}-{one['kind']}-{one['metadata']['name']}")
    for path in FILES
    for one in yaml.safe_load_all(path.read_text())
]
EVERYTHING = [param.values[0] for param in OBJECTS]
PODS = [one for one in EVERYTHING if "template" in one.get("spec", {})]
IMAGES = {
    "self-tuning-daemon": daemon.__version__,
    "self-tuning-daemon-cluster": daemon.__version__,
    "postgres": COMPOSE["services"]["postgres"]["image"].partition(":")[2],
}


def pod_of(one):
    return one["spec"]["template"]["spec"]


def containers(one):
    pod = pod_of(one)
    return [*pod.get("initContainers", ()), *pod["containers"]]


def called(kind, name):
    (found,) = (one for one in EVERYTHING if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


# ── valid ────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("one", OBJECTS)
def test_every_manifest_is_valid(one):
    kubernetes_validate.validate(one, KUBERNETES, strict=True)
    metadata_ = one["metadata"]
    assert one["kind"] == "Namespace" or metadata_["namespace"] == "self-tuning"
    part_of = metadata_["labels"].get("app.kubernetes.io/part-of")
    managed = metadata_["labels"].get("app.kubernetes.io/managed-by")
    assert "self-tuning-daemon" in {part_of, managed}


def test_the_folder_holds_what_is_promised():
    kinds = {(one["kind"], one["metadata"]["name"]) for one in EVERYTHING}
    assert {
        ("Deployment", "self-tuning-daemon"),
        ("StatefulSet", "postgres"),
        ("Deployment", "dask-scheduler"),
        ("Deployment", "dask-worker"),
        ("Secret", "self-tuning-daemon-database"),
    } <= kinds
    assert sum(one["kind"] == "Job" for one in EVERYTHING) == 2


def test_one_name_is_one_object():
    names = [(one["kind"], one["metadata"]["name"]) for one in EVERYTHING]
    assert len(names) == len(set(names))


# ── small in rights ──────────────────────────────────────────────────────────
@pytest.mark.parametrize("one", PODS, ids=lambda one: one["metadata"]["name"])
def test_every_pod_may_do_little(one):
    pod = pod_of(one)
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(one):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])


@pytest.mark.parametrize("one", PODS, ids=lambda one: one["metadata"]["name"])
def test_every_image_is_pinned_to_what_the_project_is_now(one):
    for container in containers(one):
        name, _, tag = container["image"].partition(":")
        assert tag == IMAGES[name]


def test_secrets_are_files_that_somebody_else_fills_in():
    for one in PODS:
        for container in containers(one):
            for variable in container.get("env", ()):
                assert not re.search(r"(PASSWORD|URL|TOKEN)$", variable["name"])
                assert "://" not in variable.get("value", "")
    for one in EVERYTHING:
        if one["kind"] == "Secret":
            assert all("CHANGE-ME" in value for value in one["stringData"].values())
    assert not [path for path in FOLDER.glob("*.yaml") if "kind: Secret" in path.read_text()]


def test_what_is_mounted_is_declared_and_secrets_have_the_keys():
    secrets = {
        one["metadata"]["name"]: set(one["stringData"])
        for one in EVERYTHING
        if one["kind"] == "Secret"
    }
    for one in PODS:
        volumes = {volume["name"]: volume for volume in pod_of(one)["volumes"]}
        claims = one["spec"].get("volumeClaimTemplates", ())
        known = set(volumes) | {claim["metadata"]["name"] for claim in claims}
        mounted = {mount["name"] for each in containers(one) for mount in each["volumeMounts"]}
        assert mounted == known
        for volume in volumes.values():
            if "secret" in volume:
                keys = {item["key"] for item in volume["secret"].get("items", ())}
                assert keys <= secrets[volume["secret"]["secretName"]]
    assert SECRET_KEY in secrets["self-tuning-daemon-database"]


def test_everybody_is_reached_by_its_labels():
    for one in EVERYTHING:
        if one["kind"] == "Service":
            wanted = one["spec"]["selector"].items()
            found = [
                each
                for each in PODS
                if wanted <= each["spec"]["template"]["metadata"]["labels"].items()
            ]
            assert len(found) == 1, one["metadata"]["name"]
    for one in PODS:
        if one["kind"] in {"Deployment", "StatefulSet"}:
            labels = one["spec"]["template"]["metadata"]["labels"]
            assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()


# ── fitting what the program does ────────────────────────────────────────────
def test_the_daemon_is_run_as_it_wants_to_be():
    one = called("Deployment", "self-tuning-daemon")
    (container,) = pod_of(one)["containers"]
    assert container["ports"][0]["containerPort"] == DEFAULT_PORT
    assert pod_of(one)["terminationGracePeriodSeconds"] > STOP_WITHIN_S
    assert pod_of(one)["securityContext"]["runAsUser"] == USER
    assert one["spec"]["strategy"] == {"type": "Recreate"}
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 600
    dockerfile = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    assert f"USER {USER}:{USER}" in dockerfile
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert re.search(r"^WORKDIR (\S+)$", dockerfile, re.MULTILINE)
    assert set(re.findall(r"^WORKDIR (/var\S+)$", dockerfile, re.MULTILINE)) <= mounted


def test_every_variable_is_one_that_the_daemon_reads():
    reference = (ROOT / "docs" / "reference" / "config.md").read_text()
    names = {
        variable["name"]
        for one in PODS
        for container in containers(one)
        for variable in container.get("env", ())
        if variable["name"].startswith("DAEMON_")
    }
    assert names
    for name in names:
        assert f"`{name.removesuffix('_FILE')}`" in reference or f"`{name}`" in reference, name


def parse(words):
    """Have the command line read words as it would, without doing what they say."""
    command, context = cli, click.Context(cli, info_name="daemon")
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name}"
        command = found
        if not isinstance(command, click.Group):
            return command.make_context(name, list(words), parent=context)
        context = click.Context(command, info_name=name, parent=context)
    raise AssertionError("no words")


def test_every_command_is_one_that_the_daemon_knows():
    ran = set()
    for one in PODS:
        for container in containers(one):
            if container["image"].startswith("self-tuning-daemon:"):
                assert "command" not in container
                words = [word.replace("$(JOB_COMPLETION_INDEX)", "0") for word in container["args"]]
                parse(words)
                ran.add(" ".join(words[:2]))
    assert ran == {"run", "db upgrade", "session run", "session rank"}


def test_a_command_that_is_none_would_be_noticed():
    with pytest.raises(click.UsageError):
        parse(["session", "run", "file.yaml", "--chard", "0/3"])
    with pytest.raises(AssertionError):
        parse(["sessions"])


@pytest.mark.parametrize("name", ["dask-scheduler", "dask-worker"])
def test_every_command_for_dask_is_one_that_it_knows(name):
    ((container,),) = ([*containers(called("Deployment", name))],)
    python, *module = container["command"]
    assert (python, module[:2]) == ("python", ["-m", "dask"])
    code = (
        "import sys; from distributed.cli.dask_scheduler import main as scheduler;"
        "from distributed.cli.dask_worker import main as worker;"
        "made = vars()[sys.argv[1]].make_context(*sys.argv[1:2], sys.argv[2:]);"
        "print(made.params['dashboard'], made.params.get('preload_argv'))"
    )
    words = [sys.executable, "-c", code, module[2], *container["args"]]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "False ()\n"), done.stderr


# ── the session that is shown ────────────────────────────────────────────────
SHOWN = "configs/sessions/night.yaml"
DATA = ROOT / "data" / "sample_arbitrage_prices.csv"


def test_the_session_that_is_shown_is_what_is_rendered():
    wanted = SessionManifest(
        name="night",
        session_text=(ROOT / SHOWN).read_text(),
        data_file="data/sample_arbitrage_prices.csv",
        data=Claim("quotes", DATA.name),
        data_digest=QuoteFiles().load(DATA).quotes.digest,
        image=f"self-tuning-daemon:{daemon.__version__}",
        namespace="self-tuning",
    )
    assert [*yaml.safe_load_all((FOLDER / "session.yaml").read_text())] == render(wanted), (
        f"daemon session run {SHOWN} --on kubernetes --dry-run --namespace self-tuning"
        f" --data-claim quotes:{DATA.name} writes it again"
    )


# ── the image ────────────────────────────────────────────────────────────────
@pytest.mark.skipif(find_hadolint() is None, reason="hadolint is not installed")
def test_hadolint_finds_nothing_wrong_with_the_dockerfile():
    command = [str(find_hadolint()), str(DOCKERFILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def needed_by(name, python):
    """A distribution and all it needs there, by what those that are installed here say."""
    there = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    found, ahead = set(), [name]
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            wanted = (Requirement(line) for line in metadata.requires(one) or ())
            ahead += [
                each.name.lower().replace("_", "-")
                for each in wanted
                if each.marker is None or each.marker.evaluate(there)
            ]
    return found


def test_the_image_adds_all_that_dask_needs_held_to_its_hash():
    (program,) = re.findall(r"awk '([^']+)'", DOCKERFILE.read_text())
    command = ["awk", program, str(ROOT / "requirements" / "dev.txt")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert text.count("==") <= text.count("--hash=sha256:")
    added = set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))
    runtime = (ROOT / "requirements" / "runtime.txt").read_text()
    listed = set(re.findall(r"^([\w.-]+)(?:\[.*])?==", runtime, re.MULTILINE))
    (python,) = re.findall(r"^FROM python:(3\.\d+)", DOCKERFILE.read_text(), re.MULTILINE)
    assert needed_by("distributed", python) - listed == added - listed
    assert not added & listed


def test_the_images_are_of_one_version_and_one_python():
    plain = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    (base,) = set(re.findall(r"^FROM (python:\S+)", plain, re.MULTILINE))
    assert f"FROM {base} AS cluster" in DOCKERFILE.read_text()
    assert f"FROM self-tuning-daemon:{daemon.__version__}\n" in DOCKERFILE.read_text()
    python = re.match(r"python:(3\.\d+)", base)[1]
    assert f"/lib/python{python}/site-packages" in DOCKERFILE.read_text()
    assert metadata.version("self-tuning-daemon") == daemon.__version__
