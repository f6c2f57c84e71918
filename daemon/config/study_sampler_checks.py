"""Whether the sampler of a study can search its space, and whether the budget suits both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.config.problems import Finding
from daemon.config.study_space_checks import axes_of, fixed_of, number
from daemon.config.study_words import TRIALS, kind_of
from daemon.search.studies.abilities import KINDS, refusals, wrong_options
from daemon.search.studies.domain import Domain
from daemon.search.studies.scales import axis_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.config.yaml_safe import KeyPath

    Body = Mapping[str, Any]

BATCH = 16


def domain_of(axes: Mapping[str, Body], fixed: Mapping[str, Any]) -> Domain:
    """Build what is searched; a condition on what is fixed holds, or was refused.

    Raises:
        ValueError: it makes no sense.
    """
    documents = []
    for name, axis in axes.items():
        document = {key: value for key, value in axis.items() if value is not None}
        if document.get("when"):
            when = document["when"].items()
            document["when"] = {other: value for other, value in when if other not in fixed}
        else:
            document.pop("when", None)
        documents.append({"name": name, **document})
    return Domain(tuple(axis_of(document) for document in documents))


def check_sampler(body: Body) -> Iterator[Finding]:
    """Judge the sampler of a study as it was written, its options and its budget."""
    kind, options = kind_of(body.get("sampler"))
    if kind not in KINDS:
        return  # which the model says
    for name in options:
        for wrong in wrong_options(kind, {name: options[name]}):
            yield Finding(("sampler", name), wrong.text, wrong.hint)
    axes, fixed = axes_of(body), fixed_of(body)
    if not axes or any(name in fixed for name in axes):
        return
    try:
        domain = domain_of(axes, fixed)
        cells = domain.cells
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
        return  # which is said of the axis
    several = body.get("objectives")
    count = len(several) if isinstance(several, list) else 1
    path: KeyPath = ("sampler", "kind") if isinstance(body.get("sampler"), dict) else ("sampler",)
    for refused in refusals(kind, domain, count):
        yield Finding(path, refused.text, refused.hint)
    yield from _check_budget(body, cells, kind)


def _check_budget(body: Body, cells: int | None, kind: str) -> Iterator[Finding]:
    budget = body.get("budget")
    held = budget if isinstance(budget, dict) else {}
    trials = number(held.get("trials"))
    if trials is not None and cells is not None and trials > cells:
        reason = f"is {trials:g}, and the space has only {cells:,} points"
        hint = "a fold ends when all are tried" + (
            "" if kind == "grid" else "; `sampler: grid` needs nothing to learn for that"
        )
        yield Finding(("budget", "trials"), reason, hint, warning=True)
    batch = number(body.get("batch", BATCH))
    asked = trials or (None if held.get("minutes") else TRIALS)
    if asked is not None and batch is not None and KINDS[kind].learns and 1 < asked <= batch:
        reason = f"{kind} learns from one batch for the next, and {asked:g} trials are only one"
        hint = f"a `batch` of {max(1, int(asked) // 8)}"
        path: KeyPath = ("batch",) if "batch" in body else ("budget", "trials")
        yield Finding(path, reason, hint, warning=True)
