"""The console entry in every state that python-daemon, a namesake of our package, can leave behind.

The environments are folders written by hand, in the order in which pip would
have written them.
"""

import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import self_tuning_daemon
from self_tuning_daemon import MARK, diagnose, main

ROOT = Path(__file__).parents[2]
UNINSTALL = f"{sys.executable} -m pip uninstall -y python-daemon"
REINSTALL = f"{sys.executable} -m pip install --force-reinstall --no-deps self-tuning-daemon"


class Site:
    """A folder that Python packages are installed into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = folder / "daemon"

    def write(self, path: str, text: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def install_ours(self, run: str = "print('it runs'); raise SystemExit(0)") -> "Site":
        self.write("self_tuning_daemon.py", (ROOT / "self_tuning_daemon.py").read_text())
        self.write("daemon/__init__.py", (ROOT / "daemon" / "__init__.py").read_text())
        self.write("daemon/cli/__init__.py", "")
        self.write("daemon/cli/main.py", f"def main():\n    {run}\n")
        return self

    def install_other(self) -> "Site":
        self.write("daemon/__init__.py", "from .daemon import DaemonContext\n")
        self.write("daemon/daemon.py", "class DaemonContext: pass\n")
        self.write("daemon/pidfile.py", "")
        metadata = "Metadata-Version: 2.1\nName: python-daemon\nVersion: 3.1.2\n"
        self.write("python_daemon-3.1.2.dist-info/METADATA", metadata)
        return self

    def uninstall_other(self) -> "Site":
        for name in ("__init__.py", "daemon.py", "pidfile.py"):
            (self.package / name).unlink()
        shutil.rmtree(self.folder / "python_daemon-3.1.2.dist-info")
        return self


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "site")


@pytest.fixture
def start(tmp_path):
    """Start the console entry on a path of our own, as the script that pip writes would."""

    def start(*folders: Path) -> subprocess.CompletedProcess[str]:
        code = (
            f"import sys; sys.path[:0] = {[str(folder) for folder in folders]!r};"
            " from self_tuning_daemon import main; sys.exit(main())"
        )
        command = [sys.executable, "-I", "-S", "-B", "-c", code]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return start


def test_alone_it_runs_and_says_nothing(site, start):
    done = start(site.install_ours().folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "it runs\n", "")


def test_overwritten_by_the_other(site, start):
    done = start(site.install_ours().install_other().folder)
    assert done.returncode == 78
    assert done.stdout == ""
    assert done.stderr == (
        f"error: the package 'daemon' in {site.package} belongs to python-daemon 3.1.2,"
        " which uses the same name as the package of self-tuning-daemon\n"
        f"  repair:\n    {UNINSTALL}\n    {REINSTALL}\n"
    )


def test_written_over_the_other_it_runs_with_one_line_of_warning(site, start):
    done = start(site.install_other().install_ours().folder)
    assert (done.returncode, done.stdout) == (0, "it runs\n")
    assert done.stderr == (
        f"warning: python-daemon 3.1.2 shares the package folder {site.package} with"
        " self-tuning-daemon; this command works until that one is upgraded or removed;"
        f" repair: {UNINSTALL} && {REINSTALL}\n"
    )


def test_beheaded_when_the_other_went(site, start):
    done = start(site.install_ours().install_other().uninstall_other().folder)
    assert done.returncode == 78
    assert done.stderr == (
        f"error: the package 'daemon' in {site.package} has lost its __init__.py,"
        " which uninstalling python-daemon deletes\n"
        f"  repair:\n    {REINSTALL}\n"
    )


def test_an_editable_install_stands_behind_the_other(site, start, tmp_path):
    checkout = Site(tmp_path / "check out").install_ours()
    checkout.write("pyproject.toml", "")
    done = start(site.install_other().folder, checkout.folder)
    assert done.returncode == 78
    assert f"the package 'daemon' in {site.package} belongs to python-daemon 3.1.2" in done.stderr
    assert done.stderr.endswith(f"    {UNINSTALL}\n    make -C '{checkout.folder}' -B setup\n")


def test_the_repair_repairs(site, start):
    site.install_ours().install_other()
    assert start(site.folder).returncode == 78
    site.uninstall_other().install_ours()
    done = start(site.folder)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_package_of_unknown_origin(site, start):
    site.install_ours().write("daemon/__init__.py", "__version__ = '1'\n")
    done = start(site.folder)
    assert done.returncode == 78
    assert f"the package 'daemon' in {site.package} is not ours" in done.stderr
    assert "uninstall" not in done.stderr


@pytest.mark.parametrize("gone", ["", "cli"])
def test_a_package_of_which_a_part_is_gone(site, start, gone):
    shutil.rmtree(site.install_ours().package / gone)
    done = start(site.folder)
    assert done.returncode == 78
    assert "a part of self-tuning-daemon, is not installed" in done.stderr
    assert REINSTALL in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dependency_that_is_missing(site, start):
    site.install_ours().write("daemon/cli/main.py", "import not_to_be_found\n")
    done = start(site.folder)
    assert done.returncode == 78
    assert "'not_to_be_found', needed by self-tuning-daemon, is not installed" in done.stderr
    assert REINSTALL.replace(" --no-deps", "") in done.stderr


def test_a_fault_inside_the_program_is_not_mistaken_for_a_broken_installation(site, start):
    done = start(site.install_ours(run="import not_to_be_found").folder)
    assert done.returncode == 1
    assert "repair" not in done.stderr


# ── in this process ──────────────────────────────────────────────────────────
def test_this_environment_has_one_package_of_the_name():
    assert diagnose(sys.path) is None
    assert packages_distributions().get("daemon", []) in ([], ["self-tuning-daemon"])


@pytest.mark.parametrize(
    "path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name
)
def test_nothing_that_we_depend_on_brings_the_other_along(path):
    assert "python-daemon" not in path.read_text()


def test_the_mark_is_in_our_package_and_the_other_s_module_is_not():
    assert MARK in (ROOT / "daemon" / "__init__.py").read_text()
    assert not (ROOT / "daemon" / "daemon.py").exists()


def test_no_metadata_is_read_while_nothing_is_wrong():
    code = (
        "import sys; from self_tuning_daemon import diagnose; assert diagnose(sys.path) is None;"
        " sys.exit(bool({'importlib.metadata', 'daemon'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("state", ["beside", "taken over", "headless", "foreign", "absent"])
def test_each_finding_is_one_sentence_with_a_remedy(site, monkeypatch, capsys, state):
    {
        "beside": lambda: site.install_other().install_ours(),
        "taken over": lambda: site.install_ours().install_other(),
        "headless": lambda: site.install_ours().install_other().uninstall_other(),
        "foreign": lambda: site.write("daemon/__init__.py", ""),
        "absent": lambda: None,
    }[state]()
    monkeypatch.setattr(sys, "path", [str(site.folder)])
    monkeypatch.setattr(sys, "argv", ["daemon", "--version"])
    finding = diagnose(sys.path)
    assert finding.fatal == (state != "beside")
    assert "\n" not in finding.problem
    assert finding.remedy
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == (78 if finding.fatal else 0)
    assert finding.problem in capsys.readouterr().err


def test_a_version_that_cannot_be_read_does_not_matter(site, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(site.folder)])
    shutil.rmtree(site.install_ours().install_other().folder / "python_daemon-3.1.2.dist-info")
    assert "belongs to python-daemon, which" in diagnose(sys.path).problem


def test_a_package_without_source_is_not_taken_for_ours(site, monkeypatch):
    class Mute:
        """A loader that cannot show its source."""

    spec = self_tuning_daemon.PathFinder.find_spec("daemon", [str(site.install_ours().folder)])
    spec.loader = Mute()
    assert self_tuning_daemon._source(spec) == ""


@pytest.mark.parametrize("module", ["daemon", "click"])
def test_what_was_installed_from_an_index_is_repaired_from_there(monkeypatch, tmp_path, module):
    monkeypatch.setattr(self_tuning_daemon, "__file__", str(tmp_path / "self_tuning_daemon.py"))
    remedy = self_tuning_daemon._missing(module).remedy
    assert remedy == (REINSTALL if module == "daemon" else REINSTALL.replace(" --no-deps", ""),)


def test_a_missing_module_ends_in_words(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "daemon.cli.main", None)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 78
    assert "a part of self-tuning-daemon, is not installed" in capsys.readouterr().err
