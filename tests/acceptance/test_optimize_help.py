"""What the helps of ``daemon optimize`` and ``daemon study`` show by example can be typed."""

import re
import shlex
import shutil

import pytest

from daemon.app import shipped
from daemon.cli.main import run
from tests.acceptance.conftest import point

FEW = ("--trials", "6")
"""An example is as good with fewer trials."""

STUDY = ("list", "show", "rank", "cancel", "triggers", "export")


@pytest.fixture(scope="module")
def laid_out(sqlite_filled, tmp_path_factory):
    """A folder as `config init` leaves it, with the studies that examples speak of."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(shipped() / "configs" / "studies", folder / "configs" / "studies")
    (folder / "data").mkdir()
    for path in (shipped() / "data").glob("sample_*.csv"):
        shutil.copy(path, folder / "data")
    shutil.copy(sqlite_filled, folder / "run.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        point(patch, f"sqlite:///{folder / 'run.db'}")
        for name in ("tpe", "symbols", "zones"):
            assert run(["optimize", f"configs/studies/{name}.yaml", *FEW]) == 0
    return folder


@pytest.fixture
def desk(laid_out, bare, monkeypatch):
    monkeypatch.chdir(laid_out)
    point(monkeypatch, f"sqlite:///{laid_out / 'run.db'}")
    return bare


def examples(terminal, *command):
    """Give what the help of a command shows, without the pipes behind it."""
    shown = terminal.ok(*command, "--help").partition("Example")[2].partition("Options:")[0]
    lines = re.findall(r"^ +daemon (.*?)(?:  +.*)?$", shown, re.MULTILINE)
    assert lines
    return [shlex.split(re.split(r" [|>] ", line)[0]) for line in lines]


def test_the_examples_of_optimize(desk):
    for words in examples(desk, "optimize"):
        assert desk.type(*words, *FEW) == 0, (words, desk.err)


@pytest.mark.parametrize("name", STUDY)
def test_the_examples_of_study(desk, name):
    for words in examples(desk, "study", name):
        if "parquet" in words:
            pytest.importorskip("pyarrow")
        assert desk.type(*words) == 0, (words, desk.err)


def test_the_help_of_the_group_names_what_there_is(desk):
    for words in examples(desk, "study"):
        if "parquet" not in words:
            assert desk.type(*words) == 0, (words, desk.err)
    listed = desk.ok("--help")
    assert "optimize" in listed
    assert "study" in listed
