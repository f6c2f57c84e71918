"""Doing what takes a while in a thread beside, so that a study still hears that it is to end."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LOOK_S = 0.1
"""How often somebody looks around meanwhile."""


class _Work(Generic[T]):
    """A piece of work, and what came of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.over = Event()
        self.found: list[T] = []
        self.failed: BaseException | None = None

    def run(self) -> None:
        """Do it, and keep what comes of it."""
        try:
            self.found.append(self._work())
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            self.failed = error
        finally:
            self.over.set()


def aside(work: Callable[[], T], pulse: Callable[[], None]) -> T:
    """Give what a piece of work comes to; ``pulse`` is called again and again until then.

    If that raises, nobody waits any longer: the thread ends by itself, with the process
    if need be, and what it finds is not looked at.
    """
    piece = _Work(work)
    Thread(target=piece.run, name="study-aside", daemon=True).start()
    while not piece.over.wait(LOOK_S):
        pulse()
    if piece.failed is not None:
        raise piece.failed
    return piece.found[0]
