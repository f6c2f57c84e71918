"""Which database URLs hold, judged without ever repeating one."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from daemon.config.problems import refuse

EXAMPLES = "write sqlite:///var/daemon.db or postgresql://user@host/database"
_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgresql+psycopg://", "postgres://")
_HOST = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^:/?#\[\]@]*)(?::[0-9]{1,5})?(?:[/?].*)?")


def check_database_url(url: str) -> None:
    """Refuse what is no URL of a database that this program speaks.

    Raises:
        PydanticCustomError: says why, without the URL.
    """
    if not url.isprintable() or url != url.strip():
        raise refuse("has spaces at its ends, or characters that nobody sees", EXAMPLES)
    if url.startswith(_SQLITE):
        _check_sqlite(url.removeprefix(_SQLITE))
    elif url.startswith("sqlite:"):
        raise refuse(
            "does not begin with sqlite:///",
            "three slashes and a path: sqlite:///var/daemon.db is relative,"
            " sqlite:////srv/daemon.db absolute",
        )
    elif url.startswith(_POSTGRES):
        _check_postgres(url.partition("://")[2])
    else:
        raise refuse("is not the URL of a SQLite file or of a Postgres database", EXAMPLES)


def check_http_url(url: str) -> None:
    """Refuse what is no URL that can be called, and one with a password where everybody sees it.

    Raises:
        PydanticCustomError: says why, without the URL.
    """
    example = "write https://host/path"
    if not url.isascii() or not url.isprintable() or " " in url:
        raise refuse("has spaces in it, or characters that a URL writes with %", example)
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise refuse("has a host or a port that cannot be read", example) from None
    if parts.scheme not in {"http", "https"} or not named:
        raise refuse("is not the URL of a place that can be called", example)
    if "@" in parts.netloc:
        raise refuse("has a user or a password in it", "requests are signed with the secret")
    if parts.fragment:
        raise refuse("ends with a '#' and what no server is told", "leave that part out")


def check_postgres_url(url: str) -> None:
    """Refuse what is no URL of a PostgreSQL server.

    Raises:
        PydanticCustomError: says why, without the URL.
    """
    if not url.startswith(_POSTGRES):
        raise refuse(
            "is not the URL of a Postgres database", "write postgresql://user@host/database"
        )
    check_database_url(url)


def is_absent(url: str) -> bool:
    """Tell whether a URL names a file that is not there: so nothing is on record yet."""
    return url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists()


def _check_sqlite(path: str) -> None:
    if not path or path.endswith("/"):
        raise refuse("names no file", EXAMPLES)
    if path == ":memory:":
        raise refuse(
            "is a database that is forgotten when the process ends",
            "name a file: sqlite:///var/daemon.db",
        )
    if "?" in path or "#" in path:
        raise refuse(
            "has a '?' or a '#' in the path of the file",
            "name the file and nothing else: its options are set by the program",
        )


def _check_postgres(rest: str) -> None:
    encode = (
        "in a user name or a password, @ : / ? # and spaces are written %40 %3A %2F %3F %23 %20"
    )
    if " " in rest or rest.count("@") > 1:
        raise refuse("has a space or a second '@' in it", encode)
    host = rest.rpartition("@")[2]
    if not rest or not _HOST.fullmatch(host):
        raise refuse("has a host or a port that cannot be read", encode)
