"""What became of sessions: asked, ranked, exported and ended by whoever typed a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.app.sweeping import LOCAL

if TYPE_CHECKING:
    from typing import BinaryIO

    from daemon.app.sweeping import Asked, Sweeping
    from daemon.search.ranking import Filters
    from daemon.services.asking.inquiry_rows import Table
    from daemon.services.sweeping.judging.ranked import Ranking
    from daemon.services.sweeping.wanted import Tools
    from daemon.store.store import Store


def rank(
    built: Sweeping, ref: str, filters: Filters | None, max_results: int, *, fast: bool = False
) -> Ranking:
    """Rank a session that was run before; without bounds by those of its file.

    It is kept if it says all that can be said, by the bounds of its file.

    Raises:
        UnknownSession: there is none.
        InputError: none of its jobs is finished.
    """
    from daemon.search.ranking import Filters
    from daemon.services.sweeping import asking
    from daemon.services.sweeping.judging.ranked import Asking, rank_session

    with built.store() as store:
        session = asking.find(store, ref)
        own = Filters(**session.spec.get("filters", {}))
        asked = Asking(
            filters=filters or own,
            max_results=max_results,
            fast=fast,
            store=not fast and filters in {None, own},
        )
        return rank_session(_reading(built, store), str(session.id), asked)


def again(tools: Tools, asked: Asked, session_id: int, max_results: int) -> Ranking:
    """Show once more what a session brought that had nothing to do; nothing is written."""
    from daemon.services.sweeping.judging.ranked import Asking, rank_session

    asking = Asking(filters=asked.wanted.filters, max_results=max_results, fast=True, store=False)
    return rank_session(tools, str(session_id), asking)


def listed(built: Sweeping, limit: int) -> Table:
    """List sessions, the newest first."""
    from daemon.services.sweeping import asking

    with built.store() as store:
        return asking.listed(store, built.clock, limit)


def shown(built: Sweeping, ref: str) -> dict[str, Any]:
    """Tell all that is known of a session.

    Raises:
        UnknownSession: there is none.
    """
    from daemon.services.sweeping import asking

    with built.store() as store:
        return asking.shown(store, built.clock, ref)


def cancel(built: Sweeping, ref: str) -> str:
    """Have a session end; says what will become of it.

    Raises:
        UnknownSession: there is none.
    """
    from daemon.services.sweeping import asking

    with built.store() as store:
        return asking.cancel(store, built.clock, ref)


def export(built: Sweeping, ref: str, kind: str, out: BinaryIO) -> int:
    """Write every job of a session, in order; says how many.

    Raises:
        UnknownSession: there is none.
        MissingExtra: what writes this kind of file is not installed.
    """
    from daemon.services.sweeping.export import export

    with built.store() as store:
        return export(store, ref, kind, out)


def _reading(built: Sweeping, store: Store) -> Tools:
    """Give what is needed to look at sessions, and nobody to run any."""
    from daemon.services.sweeping.runners import this_process
    from daemon.services.sweeping.wanted import Tools

    return Tools(
        store=store,
        clock=built.clock,
        bank=built.bank(),
        executor=built.executor(LOCAL, 1),
        runner=this_process(),
    )
