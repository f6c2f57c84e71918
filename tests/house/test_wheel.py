"""What is installed from a wheel works without the checkout."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.tidy.project import ROOT, files, named

pytestmark = pytest.mark.slow

SHIPPED = {
    "migrations/": "daemon/_shipped/migrations/",
    "configs/": "daemon/_shipped/configs/",
    "data/legacy/": "daemon/_shipped/data/legacy/",
    "data/sample_arbitrage_prices": "daemon/_shipped/data/sample_arbitrage_prices",
    "alembic.ini": "daemon/_shipped/alembic.ini",
    "daemon/": "daemon/",
    "self_tuning_daemon.py": "self_tuning_daemon.py",
}
"""Where a file of the project stands in the wheel, by the beginning of its name."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    """A folder with the wheel in it, and without the checkout."""
    folder = tmp_path_factory.mktemp("installed") / "site"
    options = ["--quiet", "--no-deps", "--no-index", "--no-compile", "--target", str(folder)]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *options]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    return folder


def test_everything_that_an_installed_daemon_needs_is_inside(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        place + name.removeprefix(start)
        for name in map(named, files())
        for start, place in SHIPPED.items()
        if name.startswith(start)
    }
    assert {"self_tuning_daemon.py", "daemon/_shipped/migrations/env.py"} <= expected
    missing = expected - inside
    assert not missing, f"not in the wheel: {', '.join(sorted(missing))}"


def test_nothing_else_is_inside(wheel):
    inside = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in inside}
    (metadata,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {"daemon", "self_tuning_daemon.py", metadata}
    assert not [name for name in inside if re.search(r"(^|/)(tests?[/_.]|conftest)|\.pyc$", name)]


def run(site: Path, folder: Path, *arguments: str) -> str:
    """Run the installed command, as someone in another folder would."""
    done = subprocess.run(
        [sys.executable, site / "bin" / "daemon", *arguments],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if "DAEMON" not in name},
            "PYTHONPATH": str(site),
            "DAEMON_DATABASE_URL": f"sqlite:///{folder / 'history.db'}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_package_that_runs_is_the_installed_one(site, tmp_path):
    code = "import daemon, self_tuning_daemon as s; print(daemon.__file__); print(s.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(Path(line).is_relative_to(site) for line in found.stdout.splitlines())


def test_it_creates_its_database_from_anywhere(site, tmp_path):
    newest = max(
        path.name.partition("_")[0] for path in (ROOT / "migrations" / "versions").glob("[0-9]*.py")
    )
    run(site, tmp_path, "db", "upgrade")
    assert (tmp_path / "history.db").stat().st_size > 0
    assert newest in run(site, tmp_path, "db", "current")
    run(site, tmp_path, "db", "upgrade")
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".db"] == ["history.db"]
