"""A new room or a new library says where it belongs before anything else is built on it."""

import ast
import sys
import tomllib

import pytest

from tests.tidy.project import ROOT, named, python_files

PURE_ROOMS = ("tuning", "search", "market", "quality")
FORBIDDEN_BUILTINS = {"open", "input", "print", "exec", "eval", "compile", "__import__"}

SHARED_LIBRARIES = {"numpy", "structlog", "yaml"}
"""Libraries that any room may use which is not pure; the others belong to one room by contract."""

CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
}


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_a_pure_room_that_exists_is_named_in_its_contract(room):
    if not (ROOT / "daemon" / room).exists():
        return  # until then the wildcard stands for it
    assert f"daemon.{room}" in CONTRACTS["pure"]["source_modules"], (
        f'daemon/{room} exists: in pyproject.toml, contract "pure", replace "daemon.{room}.*"'
        f' by "daemon.{room}", so that its __init__.py is held to it as well'
    )


@pytest.mark.parametrize("room", ["services", "adapters"])
def test_a_room_behind_a_wildcard_keeps_its_init_empty(room):
    init = ROOT / "daemon" / room / "__init__.py"
    if not init.exists():
        return
    imports = [node for node in ast.walk(ast.parse(init.read_text())) if "Import" in repr(node)]
    assert not imports, (
        f"{named(init)} imports, but the contracts see only the modules below it:"
        f' name "daemon.{room}" itself in pyproject.toml, or import elsewhere'
    )


def test_every_library_has_one_room_that_speaks_to_it():
    owned = {
        module
        for contract in CONTRACTS.values()
        if contract["type"] == "protected"
        for module in contract["protected_modules"]
    }
    strays = {
        f"{module} ({named(path)})"
        for path in python_files("daemon")
        for module in imported(path) - owned - SHARED_LIBRARIES - {"daemon"}
        if module not in sys.stdlib_module_names
    }
    assert not strays, (
        "name the only room that may import it in a protected contract of pyproject.toml,"
        f" or add it to SHARED_LIBRARIES here: {', '.join(sorted(strays))}"
    )


def imported(path) -> set[str]:
    """Name the top-level packages that a file imports, wherever in the file."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module)
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_a_pure_room_opens_and_prints_nothing(room):
    found = [
        f"{named(path)}:{node.lineno} calls {node.func.id}()"
        for path in python_files(f"daemon/{room}")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in FORBIDDEN_BUILTINS
    ]
    assert not found, f"a pure room computes and returns: {'; '.join(found)}"
