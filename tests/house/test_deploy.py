"""What is deployed: the unit is sound and hardened, the image is small in rights, no secrets."""

import re
import shutil
import subprocess
import sys
import tomllib
from configparser import RawConfigParser
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from daemon.config.http import DEFAULT_PORT
from daemon.errors import Exit
from daemon.services.living.interrupts import STOP_WITHIN_S
from daemon.services.living.pulse import PERIOD_S

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "daemon.service"
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
EXPOSURE_MAX = 2.0
INSTALLED = "/opt/self-tuning-daemon/bin/daemon"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


# ── systemd ──────────────────────────────────────────────────────────────────
@pytest.fixture
def unit(tmp_path):
    """The unit with a program that is there, as the checks want one."""
    copy = tmp_path / UNIT.name
    text = UNIT.read_text()
    assert text.count(INSTALLED) == 1
    copy.write_text(text.replace(INSTALLED, sys.executable))
    return copy


def analyze(*words):
    command = ["systemd-analyze", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(unit):
    done = analyze("verify", "--man=no", str(unit))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
def test_the_unit_exposes_little(unit):
    done = analyze("security", "--offline=true", "--no-pager", str(unit))
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure, done.stdout + done.stderr
    assert float(exposure[1]) <= EXPOSURE_MAX


@needs_systemd
def test_a_unit_without_walls_would_be_noticed(unit):
    lines = [line for line in unit.read_text().splitlines() if not re.match("Protect|Capab", line)]
    unit.write_text("\n".join([*lines, "Restart=sometimes"]))
    assert "Restart" in analyze("verify", "--man=no", str(unit)).stderr
    done = analyze("security", "--offline=true", "--no-pager", str(unit))
    assert float(re.search(r"level for \S+: ([\d.]+)", done.stdout)[1]) > EXPOSURE_MAX


def settings_of_the_unit():
    parser = RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read_string(UNIT.read_text())
    return parser


def test_the_unit_fits_what_the_daemon_does():
    unit = settings_of_the_unit()
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert service["KillMode"] == "mixed"
    assert service["Restart"] == "on-failure"
    assert int(service["RestartPreventExitStatus"]) == Exit.CONFIG
    assert STOP_WITHIN_S < float(service["TimeoutStopSec"]) <= 30
    assert float(service["WatchdogSec"]) >= 6 * PERIOD_S
    assert service["ExecReload"].endswith("-HUP $MAINPID")
    assert service["User"] not in {"", "root"}
    assert {"StartLimitIntervalSec", "StartLimitBurst"} <= set(unit["Unit"])


def test_the_unit_holds_no_secret():
    assert "LoadCredential=" in UNIT.read_text()
    environment = re.findall(r"^#?Environment=(\w+)", UNIT.read_text(), re.MULTILINE)
    assert not [name for name in environment if re.search("URL$|TOKEN$|PASSWORD", name)]


# ── the image ────────────────────────────────────────────────────────────────
def find_hadolint():
    beside = Path(sys.executable).with_name("hadolint")
    return str(beside) if beside.exists() else shutil.which("hadolint")


@pytest.mark.skipif(find_hadolint() is None, reason="hadolint is not installed")
def test_hadolint_finds_nothing_wrong_with_the_dockerfile():
    command = [str(find_hadolint()), str(DOCKERFILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def instructions():
    """Every instruction of the Dockerfile with what follows it, lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    joined = text.replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def test_the_image_is_built_in_two_stages_from_one_pinned_base():
    bases = [words for name, words in instructions() if name == "FROM"]
    assert len(bases) == 2
    (base,) = {words.split()[0] for words in bases}
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)


def test_the_image_runs_without_root_and_says_whether_it_lives():
    last = dict(instructions())
    user, group = map(int, last["USER"].split(":"))
    assert user > 0
    assert group > 0
    assert f"http://127.0.0.1:{DEFAULT_PORT}/livez" in last["HEALTHCHECK"]
    assert last["EXPOSE"] == str(DEFAULT_PORT)
    assert last["STOPSIGNAL"] == "SIGTERM"


def taken_from_the_list():
    """What the build takes from the list for development, by the very commands of the image."""
    run = next(words for name, words in instructions() if name == "RUN" and "awk" in words)
    programs = re.findall(r"awk '([^']+)'", run)
    assert len(programs) == 2
    for program in programs:
        command = ["awk", program, str(ROOT / "requirements" / "dev.txt")]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert text.count("==") <= text.count("--hash=sha256:")
        yield set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))


def closure(name, wanted=frozenset()):
    """A distribution and all it needs, as installed here."""
    found, ahead = set(), [(name, wanted)]
    while ahead:
        one, extras = ahead.pop()
        if one in found:
            continue
        found.add(one)
        for line in metadata.requires(one) or ():
            needed, _, marker = line.partition(";")
            extra = re.search(r"extra == ['\"](\w+)['\"]", marker)
            wanted_here = _installed(needed) if extra is None else extra[1] in extras
            if wanted_here:
                ahead.append((_named(needed), frozenset()))
    return found


def _named(requirement):
    return re.match(r"[\w.-]+", requirement.strip())[0].lower().replace("_", "-")


def _installed(requirement):
    try:
        metadata.distribution(_named(requirement))
    except metadata.PackageNotFoundError:
        return False
    return True


def test_every_package_of_the_image_is_held_to_its_hash():
    postgres, build = taken_from_the_list()
    runtime = (ROOT / "requirements" / "runtime.txt").read_text()
    listed = set(re.findall(r"^([\w.-]+)(?:\[.*])?==", runtime, re.MULTILINE))
    assert closure("psycopg", frozenset({"binary"})) <= postgres | listed
    assert closure("hatchling") == build


def test_the_image_is_given_what_the_wheel_is_made_of():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    given = {line.removeprefix("!").rstrip("/") for line in lines if line.startswith("!")}
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    wheel = build["targets"]["wheel"]
    needed = {*wheel["only-include"], *wheel["force-include"], "pyproject.toml", "README.md"}
    assert needed <= given
    assert given == {name for name in given if (ROOT / name).exists()}


# ── compose ──────────────────────────────────────────────────────────────────
SERVICES = COMPOSE["services"]


def test_no_secret_stands_in_the_compose_file():
    for name, service in SERVICES.items():
        for variable, value in service["environment"].items():
            assert not re.search(r"PASSWORD$|URL$|TOKEN$", variable), (name, variable)
            assert "://" not in value
        assert set(service["secrets"]) <= set(COMPOSE["secrets"])
    folder = "deploy/secrets/"
    assert folder in (ROOT / ".gitignore").read_text().splitlines()
    assert all(one["file"].startswith("secrets/") for one in COMPOSE["secrets"].values())


def test_every_container_is_read_only_and_its_log_ends_somewhere():
    for service in SERVICES.values():
        assert service["read_only"] is True
        assert "no-new-privileges:true" in service["security_opt"]
        options = service["logging"]["options"]
        assert set(options) == {"max-size", "max-file"}
    assert SERVICES["daemon"]["cap_drop"] == ["ALL"]


def test_the_daemon_waits_for_a_database_that_answers_and_has_its_schema():
    waits = SERVICES["daemon"]["depends_on"]
    assert waits["postgres"]["condition"] == "service_healthy"
    assert waits["schema"]["condition"] == "service_completed_successfully"
    assert "pg_isready" in SERVICES["postgres"]["healthcheck"]["test"]
    assert float(SERVICES["daemon"]["stop_grace_period"].removesuffix("s")) > STOP_WITHIN_S


def test_images_are_pinned_and_data_outlives_containers():
    assert re.fullmatch(r"postgres:\d+\.\d+-\w+", SERVICES["postgres"]["image"])
    for service in SERVICES.values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or volume.endswith(":ro")
