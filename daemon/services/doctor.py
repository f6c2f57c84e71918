"""What could be wrong with an installation, asked one by one; nothing here raises."""

from __future__ import annotations

import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import daemon
from daemon.errors import ConfigError, DaemonError
from daemon.store.health import FAIL, OK, WARN, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

RIVAL = "python-daemon"
"""A distribution that installs a package of our name into the same folder."""

EXTRAS = {
    "postgres": ("psycopg",),
    "fast": ("numba",),
    "search": ("optuna", "cmaes"),
    "cluster": ("distributed",),
    "sentinel": ("sklearn",),
    "forecast": ("prophet",),
    "rl": ("gymnasium", "stable_baselines3", "torch"),
}
"""Extra and the modules that tell whether it is installed."""


def installation() -> Iterator[Finding]:
    """Look at the interpreter, the package and the extras."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", OK, f"{version} at {sys.executable}")
    yield Finding("package", OK, f"{daemon.__version__} at {Path(daemon.__file__).parent}")
    if _installed(RIVAL):
        yield Finding(
            "package",
            WARN,
            f"{RIVAL} is installed too, and its files mix with ours",
            f"python -m pip uninstall -y {RIVAL}, then reinstall {daemon.DISTRIBUTION}",
        )
    yield Finding("extras", OK, _extras())


def attempt(check: str, question: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Ask a question whose answer may be an error; the error is then the answer."""
    try:
        yield from question()
    except ConfigError as error:
        for problem in error.problems:
            yield Finding(check, FAIL, str(problem), problem.hint)
    except DaemonError as error:
        yield Finding(check, FAIL, error.message, error.hint)
    except OSError as error:
        yield Finding(check, FAIL, f"{error}", "check the path and its permissions")


def _installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _extras() -> str:
    return ", ".join(
        f"{extra} {'yes' if all(find_spec(module) for module in modules) else 'no'}"
        for extra, modules in EXTRAS.items()
    )
