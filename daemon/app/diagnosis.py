"""What could be wrong with an installation: asked in turn, also where the answer is bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.app import App, build
from daemon.services import doctor
from daemon.store.health import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator


def diagnose(config: str | None) -> Iterator[Finding]:
    """Ask everything that could be wrong: the installation, the configuration, the database."""
    yield from doctor.installation()
    built: list[App] = []

    def settings() -> Iterator[Finding]:
        built.append(build(config))
        loaded = built[0].loaded
        yield Finding("settings", "ok", str(loaded.path or "built-in defaults"))
        for problem in loaded.warnings:
            yield Finding("settings", "warn", str(problem), problem.hint)

    def policy() -> Iterator[Finding]:
        loaded = built[0].policy()
        names = ", ".join(loaded.policy.rules)
        yield Finding("policy", "ok", f"{loaded.path}: may move {names}")
        for problem in loaded.warnings:
            yield Finding("policy", "warn", str(problem), problem.hint)

    def database() -> Iterator[Finding]:
        with built[0].upkeep(any_schema=True) as upkeep:
            yield from upkeep.examine()

    yield from doctor.attempt("settings", settings)
    if built:
        yield from doctor.attempt("policy", policy)
        yield from doctor.attempt("database", database)
