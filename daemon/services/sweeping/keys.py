"""What results are known by: the same question on the same data has the same key.

A key is of the engine's version, the data's digest and the canonical form of the
parameters, so that whoever asks again finds the answer. The canonical form is
that of `Params.canonical`, written for thousands at once.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.metrics import ENGINE_VERSION
from daemon.market.params import Combinations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

FEW = 4
"""A column with fewer distinct values than a share of this is written value by value."""


def some(combinations: Combinations, places: Ints | slice) -> Combinations:
    """Take some of many combinations."""
    return Combinations(
        **{name: getattr(combinations, name)[places] for name in Combinations.__slots__}
    )


# ── numbers as text ──────────────────────────────────────────────────────────
def written(column: NDArray[Any], write: Callable[[Any], str] = repr) -> list[str]:
    """Write the values of a column; each distinct one is written once, where there are few."""
    values, place = np.unique(column, return_inverse=True)
    if len(values) * FEW > len(column):
        return list(map(write, column.tolist()))
    table: NDArray[np.object_] = np.array(list(map(write, values.tolist())), np.object_)
    texts: list[str] = table[place].tolist()
    return texts


def joined(names: Sequence[str], texts: Sequence[Sequence[str] | str]) -> list[str]:
    """Write objects of JSON: under each name a text of its own, or one for all."""
    parts, varying = [], []
    for name, text in zip(names, texts, strict=True):
        if isinstance(text, str):
            parts.append(f'"{name}":{text.replace("%", "%%")}')
        else:
            parts.append(f'"{name}":%s')
            varying.append(text)
    template = "{" + ",".join(parts) + "}"
    return [template % values for values in zip(*varying, strict=True)]


def canonical(combinations: Combinations) -> list[str]:
    """Write parameters in the form that digests are computed over: `Params.canonical` of each."""
    if not len(combinations):
        return []
    names = sorted(_CANONICAL)
    texts = [_CANONICAL[name](combinations) for name in names]
    if all(isinstance(text, str) for text in texts):
        texts[0] = [str(texts[0])] * len(combinations)
    return joined(names, texts)


def _text(column: NDArray[Any], write: Callable[[Any], str]) -> list[str] | str:
    alike = bool((column == column[0]).all())
    return write(column[0].item()) if alike else written(column, write)


def _plain(name: str) -> Callable[[Combinations], list[str] | str]:
    return lambda combinations: _text(getattr(combinations, name) + 0, repr)  # there is one zero


def _model(quoted: bool) -> str:  # noqa: FBT001 - an element of a column
    return '"quoted"' if quoted else '"convergence"'


def _stop(limit: float) -> str:
    return "null" if limit == np.inf else repr(limit)


_CANONICAL: dict[str, Callable[[Combinations], list[str] | str]] = {
    name: _plain(name)
    for name in Combinations.__slots__
    if name not in {"quoted", "stop_on_drawdown_pct"}
} | {
    "exit_model": lambda combinations: _text(combinations.quoted, _model),
    "stop_on_drawdown_pct": lambda combinations: _text(combinations.stop_on_drawdown_pct, _stop),
}


# ── keys ─────────────────────────────────────────────────────────────────────
def result_keys(data_digest: str, texts: Sequence[str]) -> list[str]:
    """Name the results of parameters in their canonical form."""
    begun = hashlib.sha256(f"{ENGINE_VERSION}\n{data_digest}\n".encode())
    found = []
    for text in texts:
        key = begun.copy()
        key.update(text.encode())
        found.append(key.hexdigest())
    return found


def error_key(session_id: int, n: int) -> str:
    """Name why a job failed: what failed in one session says nothing of any other."""
    return _named("error", session_id, n)


def block_key(data_digest: str, space_digest: str, first_n: int, jobs: int) -> str:
    """Name the results of jobs that follow each other, all of which succeeded."""
    return _named("block", ENGINE_VERSION, data_digest, space_digest, first_n, jobs)


def own_block_key(session_id: int, first_n: int, jobs: int) -> str:
    """Name the results of jobs of which some failed."""
    return _named("own block", session_id, first_n, jobs)


def identity(name: str, plan_digest: str, data_digest: str) -> str:
    """Name a session: who asks the same of the same data by the same engine means the same one."""
    return _named("session", name, plan_digest, data_digest, ENGINE_VERSION)


def _named(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
