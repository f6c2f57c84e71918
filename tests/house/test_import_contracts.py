"""Each import contract is broken on purpose, in a copy of the package, and must notice."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
}
PURE_ROOMS = ("tuning", "search", "market", "quality")

# Contract, and the modules which break it: a path below daemon/ and what stands in the file.
PLANTS = [
    ("direction", {"tuning/planted.py": "import daemon.store"}),
    ("direction", {"errors.py": "import daemon.clock"}),
    ("direction", {"clock.py": "import daemon.log"}),
    ("direction", {"store/planted.py": "import daemon.config"}),
    ("direction", {"store/planted.py": "import daemon.app"}),
    ("direction", {"config/planted.py": "def late():\n    from daemon.cli import main"}),
    ("direction", {"ports.py": "import daemon.store"}),
    ("direction", {"services/planted.py": "import daemon.app"}),
    ("direction", {"market/planted.py": "import daemon.tuning"}),
    ("direction", {"search/planted.py": "import daemon.tuning"}),
    ("direction", {"web/planted.py": "import daemon.cli"}),
    ("direction", {"attic/planted.py": ""}),
    ("pure", {"tuning/planted.py": "def late():\n    import os"}),
    ("pure", {"tuning/planted.py": "import daemon.helper", "helper.py": "import os"}),
    ("database", {"app.py": "from sqlalchemy.engine import URL"}),
    ("database", {"cli/planted.py": "import sqlalchemy"}),
    ("calendar", {"services/planted.py": "from apscheduler.triggers import cron"}),
    ("network", {"services/planted.py": "import fastapi"}),
    ("clients", {"services/planted.py": "import httpx"}),
    ("cluster", {"services/planted.py": "def late():\n    from distributed import Client"}),
    ("cluster", {"adapters/executors/local/planted.py": "import distributed"}),
    ("samplers", {"services/planted.py": "def late():\n    import optuna"}),
    ("samplers", {"config/planted.py": "from cmaes import CMA"}),
    ("metrics", {"tuning/planted.py": "import prometheus_client"}),
    ("terminal", {"store/planted.py": "import rich.table"}),
    ("terminal", {"app.py": "def late():\n    import click"}),
    ("validation", {"store/planted.py": "from pydantic import BaseModel"}),
    ("doors", {"cli/planted.py": "from daemon.store import engine"}),
    ("doors", {"cli/planted.py": "import daemon.services.loop", "services/loop.py": ""}),
    (
        "hands",
        {
            "services/planted.py": "import daemon.adapters.signals.csv",
            "adapters/signals/csv.py": "",
        },
    ),
    (
        "strangers",
        {
            "adapters/signals/csv.py": "import daemon.adapters.controls.yaml",
            "adapters/controls/yaml.py": "",
        },
    ),
    (
        "strangers",
        {"adapters/signals/a.py": "import daemon.adapters.signals.b", "adapters/signals/b.py": ""},
    ),
    (
        "acyclic",
        {"tuning/one.py": "import daemon.tuning.two", "tuning/two.py": "import daemon.tuning.one"},
    ),
]


INSPECTOR = """
import contextlib, importlib, io, json, os, sys
from importlinter.cli import lint_imports_command

for folder in map(str.rstrip, sys.stdin):
    os.chdir(folder)
    sys.path[0] = folder
    importlib.invalidate_caches()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            lint_imports_command(["--no-cache", "--no-logo"], standalone_mode=False)
        except SystemExit:
            pass
        except Exception as error:
            print(repr(error))
    print(json.dumps(said.getvalue()), flush=True)
"""
"""Inspects one copy of the package after the other: to start costs as much as to look."""


class House:
    """A copy of the package in which anything may be planted."""

    def __init__(self, folder: Path, inspector: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.inspector = inspector
        shutil.copy(ROOT / "pyproject.toml", folder)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "daemon", folder / "daemon", ignore=ignore)

    def plant(self, path: str, text: str) -> None:
        target = self.folder / "daemon" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        for room in target.relative_to(self.folder).parents[:-1]:
            (self.folder / room / "__init__.py").touch()
        with target.open("a") as file:
            file.write(f"\n{text}\n")

    def inspect(self) -> str:
        self.inspector.stdin.write(f"{self.folder}\n")
        self.inspector.stdin.flush()
        said = json.loads(self.inspector.stdout.readline())
        assert re.search(r"\d+ kept, \d+ broken", said), said
        return said


@pytest.fixture(scope="module")
def inspector():
    command = [sys.executable, "-c", INSPECTOR]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def house(tmp_path, inspector):
    return House(tmp_path, inspector)


def test_as_it_is_every_contract_is_kept(house):
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in house.inspect()


def test_every_contract_has_a_plant_and_says_what_to_do():
    assert {contract for contract, _ in PLANTS} == set(CONTRACTS)
    for contract in CONTRACTS.values():
        assert contract.get("broken_contract_guidance"), f"{contract['id']} gives no guidance"


@pytest.mark.parametrize(
    ("contract", "modules"), PLANTS, ids=[f"{name}-{'+'.join(files)}" for name, files in PLANTS]
)
def test_a_planted_import_breaks_its_contract(house, contract, modules):
    for path, text in modules.items():
        house.plant(path, text)
    report = house.inspect()
    assert f"{CONTRACTS[contract]['name']} BROKEN" in report
    assert CONTRACTS[contract]["broken_contract_guidance"] in " ".join(report.split())


def test_no_pure_room_imports_anything_that_acts(house):
    forbidden = CONTRACTS["pure"]["forbidden_modules"]
    for room in PURE_ROOMS:
        for module in forbidden:
            house.plant(f"{room}/planted_{module.replace('.', '_')}.py", f"import {module}")
    report = house.inspect()
    for room in PURE_ROOMS:
        for module in forbidden:
            planted = f"daemon.{room}.planted_{module.replace('.', '_')} -> {module} "
            assert planted in report, f"daemon.{room} may import {module}"


def test_a_pure_room_may_compute(house):
    values = "import dataclasses, enum, functools, itertools, math, typing\nimport numpy\n"
    for room in PURE_ROOMS:
        house.plant(f"{room}/planted.py", values + "import collections.abc\nimport daemon.errors")
    assert " 0 broken." in house.inspect()
