"""The console entry, outside the package on purpose.

The distribution python-daemon installs a package named ``daemon`` as well. pip
lets both into one environment, and then one of four things happens:

    last written wins   both share one folder, whose ``__init__.py`` is the other's
    first found wins    an editable install of ours stands behind the other's folder
    taken away          uninstalling the other deleted our ``__init__.py``
    still ours          ours was written last and works, until the other goes or is upgraded

This module is found in every case, so it can look before it imports, say what
happened and how to repair it. The look costs about a millisecond: it lists the
folders that the import would have listed, and reads no metadata unless
something is wrong.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

__all__ = ["diagnose", "main"]

OURS = "self-tuning-daemon"
OTHER = "python-daemon"
MARK = f'DISTRIBUTION = "{OURS}"'
"""The line of our ``daemon/__init__.py`` by which it is recognised without importing it."""

EXIT_CONFIG = 78
"""``daemon.errors.Exit.CONFIG``, which cannot be imported before the package is known as ours."""


class Finding(NamedTuple):
    """What stands under the name ``daemon``: one sentence, and whether it stops us."""

    problem: str
    fatal: bool
    remedy: tuple[str, ...]


def main() -> NoReturn:
    """Check that the package ``daemon`` is ours, then run the command line."""
    finding = diagnose(sys.path)
    if finding is not None:
        _tell(finding)
        if finding.fatal:
            sys.exit(EXIT_CONFIG)
    try:
        from daemon.cli.main import main as run  # noqa: PLC0415 - only after the check
    except ModuleNotFoundError as error:
        _tell(_missing(error.name or "?"))
        sys.exit(EXIT_CONFIG)
    run()


def diagnose(path: Sequence[str]) -> Finding | None:
    """Say what is wrong with the package ``daemon`` found on this path, if anything is."""
    found = PathFinder.find_spec("daemon", path)
    others = [folder for entry in path for folder in _folders(entry) if _is_other(folder)]
    if found is None:
        return _missing("daemon")
    if found.loader is not None and MARK in _source(found):
        return _beside(others[0]) if others else None
    folder = next(iter(found.submodule_search_locations or ()), found.origin or "?")
    if others:
        return _taken_over(folder)
    if found.loader is None or found.origin is None:
        return _headless(folder)
    return Finding(f"the package 'daemon' in {folder} is not ours", True, _reinstall())


def _folders(entry: str) -> list[str]:
    spec = PathFinder.find_spec("daemon", [entry])
    return list(spec.submodule_search_locations or ()) if spec is not None else []


def _is_other(folder: str) -> bool:
    """Every release of python-daemon has had a module ``daemon/daemon.py``; ours never will."""
    return PathFinder.find_spec("daemon", [folder]) is not None


def _source(spec: ModuleSpec) -> str:
    read = getattr(spec.loader, "get_source", None)
    return (read("daemon") or "") if read is not None else ""


def _beside(folder: str) -> Finding:
    return Finding(
        f"{_other()} shares the package folder {folder} with {OURS};"
        " this command works until that one is upgraded or removed",
        False,
        (_uninstall(), *_reinstall()),
    )


def _taken_over(folder: str) -> Finding:
    return Finding(
        f"the package 'daemon' in {folder} belongs to {_other()},"
        f" which uses the same name as the package of {OURS}",
        True,
        (_uninstall(), *_reinstall()),
    )


def _headless(folder: str) -> Finding:
    return Finding(
        f"the package 'daemon' in {folder} has lost its __init__.py,"
        f" which uninstalling {OTHER} deletes",
        True,
        _reinstall(),
    )


def _missing(module: str) -> Finding:
    whose = "a part of" if module.partition(".")[0] == "daemon" else "needed by"
    return Finding(
        f"the module {module!r}, {whose} {OURS}, is not installed for {sys.executable}",
        True,
        _reinstall(with_dependencies=whose == "needed by"),
    )


def _other() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow, and rare

    try:
        return f"{OTHER} {version(OTHER)}"
    except PackageNotFoundError:
        return OTHER


def _uninstall() -> str:
    return f"{_python()} -m pip uninstall -y {OTHER}"


def _reinstall(*, with_dependencies: bool = False) -> tuple[str, ...]:
    from pathlib import Path  # noqa: PLC0415 - only when something is wrong

    here = Path(__file__).resolve().parent
    if (here / "pyproject.toml").is_file():
        return (f"make -C {_quoted(str(here))} -B setup",)
    depth = "" if with_dependencies else " --no-deps"
    return (f"{_python()} -m pip install --force-reinstall{depth} {OURS}",)


def _python() -> str:
    return _quoted(sys.executable or "python")


def _quoted(text: str) -> str:
    from shlex import quote  # noqa: PLC0415 - only when something is wrong

    return quote(text)


def _tell(finding: Finding) -> None:
    if finding.fatal:
        lines = [f"error: {finding.problem}", "  repair:", *(f"    {c}" for c in finding.remedy)]
    else:
        lines = [f"warning: {finding.problem}; repair: {' && '.join(finding.remedy)}"]
    sys.stderr.write("\n".join(lines) + "\n")
