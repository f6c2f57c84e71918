"""A connection to a Dask scheduler that never waits for ever and says nothing on its own."""

from __future__ import annotations

import contextlib
import logging
import warnings
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

from daemon import log
from daemon.errors import MissingExtra
from daemon.ports import ExecutorFault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

PACKAGE = "self-tuning-daemon"

CONNECT_S = 10.0
"""How long a scheduler is waited for, and the first of its workers."""

ANSWER_S = 30.0
"""How long an answer of the scheduler is waited for."""

TRANSFER_S = 300.0
"""How long quotes may be on their way to all workers."""

LEAVE_S = 2.0

_log = log.get(__name__)
_CHATTY = ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application")


class Cluster:
    """What the executor needs of the library, with every wait bounded.

    Raises:
        MissingExtra: the library is not installed.
        ExecutorFault: there is no scheduler at this address, or it has no workers.
    """

    def __init__(self, address: str, connect_s: float = CONNECT_S) -> None:
        self.address = address
        self.threads = 0
        """How many batches can be run at once, as far as is known."""
        self._fit: set[str] = set()
        self._connect_s = connect_s
        self._library = _library()
        self._client = self._connected()
        try:
            self._find_workers()
        except BaseException:
            self.close()
            raise

    def _connected(self) -> Any:
        try:
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                client = self._library.Client(
                    self.address,
                    timeout=self._connect_s,
                    set_as_default=False,
                    name=PACKAGE,
                )
        except ImportError as error:
            raise unfit(f"versions differ: {', '.join(differences(str(error)))}") from error
        except (OSError, ValueError) as error:  # time-outs are OSErrors
            reason = str(error).strip().splitlines()
            raise ExecutorFault(
                f"no Dask scheduler answers at {self.address}"
                + (f": {reason[0]}" if reason else ""),
                hint="does it run there (`dask scheduler`), and may this machine connect to it?",
            ) from error
        for warning in found:
            if warning.category.__name__ == "VersionMismatchWarning":
                found_there = differences(str(warning.message))
                _log.warning("cluster.versions_differ", address=self.address, packages=found_there)
        return client

    def _find_workers(self) -> None:
        with contextlib.suppress(self._library.TimeoutError, OSError):
            self._client.wait_for_workers(1, timeout=self._connect_s)
        self.look()
        if not self.threads:
            raise ExecutorFault(
                f"the Dask scheduler at {self.address} has no workers",
                hint=f"start some: dask worker {self.address} --nthreads 1 --no-dashboard",
            )

    # ── what is asked of it ──────────────────────────────────────────────────
    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return bool(self._client.status == "running")

    def look(self) -> None:
        """Find out what workers there are, and whether those that are new are fit.

        A worker without our package would not refuse a batch: it would die of it.

        Raises:
            ExecutorFault: the scheduler does not answer, or a worker has another version.
        """
        found = self._asked(lambda: self._client.scheduler.identity(n_workers=-1), ANSWER_S)
        self.threads = int(found["total_threads"])
        addresses = set(found["workers"])
        if new := sorted(addresses - self._fit):
            self._examine(new)
        self._fit = addresses

    def _examine(self, workers: list[str]) -> None:
        """Ask workers for the version of our package, by what Python itself brings along."""
        answers = self._asked(
            lambda: self._client.run(
                metadata.version, PACKAGE, workers=workers, on_error="return", asynchronous=True
            ),
            ANSWER_S,
        )
        here = metadata.version(PACKAGE)
        for worker, there in sorted(answers.items()):
            if isinstance(there, OSError):
                continue  # it has gone in the meantime
            if there != here:
                has = f"has version {there} of" if isinstance(there, str) else "does not have"
                raise unfit(f"{worker} {has} {PACKAGE}, and here is version {here}")

    def scatter(self, name: str, value: Any) -> Any | None:
        """Bring a value to all workers; None if there are none now.

        Raises:
            ExecutorFault: it does not arrive.
        """
        data = {name: value}
        try:
            found = self._asked(
                lambda: self._client.scatter(
                    data, broadcast=True, timeout=self._connect_s, asynchronous=True
                ),
                TRANSFER_S,
            )
        except ExecutorFault:
            self.look()
            if self.threads:
                raise
            return None
        return found[name]

    def _asked(self, question: Callable[[], Awaitable[Any]], timeout_s: float) -> Any:
        async def asking() -> Any:
            return await question()

        try:
            return self._client.sync(asking, callback_timeout=timeout_s)
        except (OSError, RuntimeError, self._library.TimeoutError) as error:
            raise self.gone(str(error)) from error

    def submit(self, key: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Have a function called on a worker; give what stands for its result."""
        return self._client.submit(function, *arguments, key=key, pure=False, retries=0)

    def wait(self, futures: Sequence[Any], timeout_s: float) -> None:
        """Wait until one of them is there, but not longer than this."""
        lapses = (self._library.TimeoutError, self._library.CancelledError, OSError)
        with self._client.as_current(), contextlib.suppress(*lapses):
            self._library.wait(futures, timeout=timeout_s, return_when="FIRST_COMPLETED")

    def gone(self, why: str = "") -> ExecutorFault:
        """Say that there is nobody left to talk to."""
        said = f" ({why.strip().splitlines()[0]})" if why.strip() else ""
        return ExecutorFault(
            f"the Dask scheduler at {self.address} does not answer any more{said}",
            hint="start it and its workers again, then repeat the command: it goes on from here",
        )

    def close(self) -> None:
        """Let go of the connection; the cluster stays."""
        with contextlib.suppress(OSError, RuntimeError, AssertionError, self._library.TimeoutError):
            self._client.close(timeout=LEAVE_S)


def differences(message: str) -> list[str]:
    """Take the rows out of the table of versions that the library draws."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in message.splitlines()]
    names, *packages = [row for row in rows if row] or [[]]
    told = []
    for package, *versions in packages:
        each = zip(names[1:], versions, strict=False)
        told.append(f"{package} ({', '.join(f'{who.lower()} {what}' for who, what in each)})")
    return told


def unfit(why: str) -> ExecutorFault:
    """Say that a worker can run nothing at all."""
    return ExecutorFault(
        f"a worker of the cluster cannot run backtests: {why}",
        hint="is the same version installed there (pip install 'self-tuning-daemon[cluster]'),"
        " and may it have further processes and memory?",
    )


def _library() -> Any:
    try:
        library = import_module("distributed")
    except ImportError:
        raise MissingExtra(
            "running on a Dask cluster needs 'distributed', and it is not installed",
            hint="pip install 'self-tuning-daemon[cluster]'",
        ) from None
    for name in _CHATTY:  # it writes to stderr whatever it meets; what matters is raised
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return library
