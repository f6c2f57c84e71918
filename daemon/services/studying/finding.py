"""Which study is meant, on which rows: found by what is asked of which data, or made."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from daemon.errors import InputError
from daemon.market.metrics import ENGINE_VERSION
from daemon.search.studies.extent import Extent
from daemon.services.studying.evidence import SymbolData
from daemon.services.studying.telling import trials_in_all
from daemon.services.studying.wanted import data_digest
from daemon.services.sweeping.patience import patiently
from daemon.store import studies
from daemon.store.studies import NewStudy
from daemon.store.types import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.market.quotes import Quotes
    from daemon.services.studying.layout import Layout
    from daemon.services.studying.wanted import StudyOptions, StudyTools, StudyWanted
    from daemon.store.store import Tx
    from daemon.store.studies import Study


# ── on which data ────────────────────────────────────────────────────────────
def data(tools: StudyTools, wanted: StudyWanted, options: StudyOptions) -> list[SymbolData]:
    """Load the quotes of every symbol; or those that a study before had, if they are kept."""
    found = [] if options.data_of is None else _kept(tools, wanted, options.data_of)
    if not found:
        skip = wanted.skip_bad_rows
        found = [tools.bank.load(one.path, skip_bad_rows=skip).quotes for one in wanted.data]
    return [
        SymbolData(symbol=one.symbol, weight=one.weight, quotes=mine, digest=mine.digest)
        for one, mine in zip(wanted.data, found, strict=True)
    ]


def _kept(tools: StudyTools, wanted: StudyWanted, study_id: int) -> list[Quotes]:
    """Find the quotes of a study before; none of them where one is not at hand."""
    with tools.store.read() as view:
        before = studies.get(view, study_id)
    told: Sequence[dict[str, Any]] = [] if before is None else before.spec.get("data") or []
    digests = {one["symbol"]: one["digest"] for one in told}
    found = [tools.bank.by_digest(digests.get(one.symbol, "")) for one in wanted.data]
    there = [quotes for quotes in found if quotes is not None]
    return there if len(there) == len(found) else []


# ── which study ──────────────────────────────────────────────────────────────
def study(tools: StudyTools, layout: Layout, *, resume: bool) -> Study:
    """Find the study that asks this, or make it.

    Raises:
        InputError: there should be one, and there is none.
    """
    wanted = layout.wanted
    digests = [one.digest for one in layout.data]
    new = NewStudy(
        identity=wanted.identity(digests),
        name=wanted.name,
        spec=spec(layout),
        data_digest=data_digest(digests),
        data_rows=layout.rows,
        engine_version=ENGINE_VERSION,
        sampler=wanted.sampler.kind,
        seed=wanted.seed,
        folds=layout.count,
        trials_total=trials_in_all(wanted, layout.count),
        created_at_us=tools.clock.now_us(),
    )
    if resume:
        with tools.store.read() as view:
            found = studies.of_identity(view, new.identity)
            other = studies.newest(view, new.name)
        if found is None:
            raise _nothing_to_resume(new, other)
        return found

    def write(tx: Tx) -> Study:
        found, is_new = studies.found_or_made(tx, new)
        if is_new:
            studies.lay_out(tx, found.id, layout.count, layout.parts())
        return found

    return patiently(tools, write)


def spec(layout: Layout) -> dict[str, Any]:
    """Say what is asked, and of which rows."""
    asked = layout.wanted.document()
    rows = {one.symbol: one for one in layout.data}
    for told in asked["data"]:
        one = rows[told["symbol"]]
        told["digest"], told["rows"] = one.digest, len(one.quotes)
        told["extent"] = Extent.of(one.quotes).document()
    question = canonical(layout.wanted.question())
    named = f"{layout.wanted.name}\n{ENGINE_VERSION}\n{question}"
    return asked | {"question": hashlib.sha256(named.encode()).hexdigest()}


def _nothing_to_resume(new: NewStudy, other: Study | None) -> InputError:
    """Say why there is no study to go on with."""
    if other is None:
        reason = "it was never run"
    elif other.data_digest != new.data_digest:
        reason = f"study {other.id} was run on other data"
    elif other.engine_version != new.engine_version:
        reason = f"study {other.id} was run by another version of the engine"
    else:
        reason = f"study {other.id} asks something else"
    return InputError(
        f"there is no study {new.name} to go on with: {reason}",
        hint="leave --resume out to begin a new one; what is known is not run again",
    )
