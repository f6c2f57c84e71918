"""``http`` in ``configs/daemon.yaml``: where programs ask how the daemon is, and push signals."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from daemon.config.problems import Finding, refuse
from daemon.config.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_PORT = 8471
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?:\.(?!-)[A-Za-z0-9-]{1,63})*\.?")


def is_address(host: str) -> bool:
    """Tell whether a host is written as a number, which no name server can redirect."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Tell whether a host can be reached from this machine only."""
    return host == "localhost" or (is_address(host) and ip_address(host).is_loopback)


def _host(host: str) -> str:
    if not is_address(host) and not _HOST_NAME.fullmatch(host):
        raise refuse("is not an address or the name of a host", "as in 127.0.0.1 or ::1")
    return host


def _names(text: str) -> str:
    for name in split_names(text):
        if not _HOST_NAME.fullmatch(name):
            hint = "as in tuner.example, several separated by commas"
            raise refuse(f"`{name}` is not the name of a host", hint)
    return text


def split_names(text: str | None) -> list[str]:
    """Read names that are separated by commas."""
    return [name.strip().lower() for name in (text or "").split(",") if name.strip()]


class Http(Section):
    """Where the daemon listens."""

    enabled: bool = Field(
        default=True,
        description="Whether the daemon listens at all. Without it nothing can be pushed, and"
        " whoever wants to know how it is asks the service manager or the database.",
    )
    host: Annotated[str, AfterValidator(_host)] = Field(
        default="127.0.0.1",
        description="The address to listen on. Loopback is seen by this machine only; any other"
        " asks for a token, and for a proxy that encrypts where the network is not your own.",
    )
    port: int = Field(
        default=DEFAULT_PORT,
        ge=0,
        le=65_535,
        description="The port to listen on. 0 takes a free one and tells it in the log, which"
        " lets several run on one machine and lets nobody know beforehand where.",
    )
    token_file: Path | None = Field(
        default=None,
        strict=False,
        description="A file whose first line is asked for as bearer token by everything but"
        " /livez and /readyz: at least 16 characters. Without one every user of this machine may"
        " push signals, and so move what is decided, and hand in studies. It is read at the start.",
    )
    names: Annotated[str, AfterValidator(_names)] | None = Field(
        default=None,
        description="Names by which clients call this host, separated by commas; addresses and"
        " localhost are always answered. A name that is not listed is refused, because a page in"
        " somebody's browser could hide behind it.",
    )


def check_http(http: Http) -> Iterator[Finding]:
    """Judge whether what is reachable is protected."""
    if http.enabled and not is_loopback(http.host) and http.token_file is None:
        reason = f"{http.host} can be reached by others, and there is no `token_file`"
        yield Finding(("http", "host"), reason, "name a file with a token, or listen on 127.0.0.1")
