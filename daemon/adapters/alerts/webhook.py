"""Alerts by webhook: a signed POST that a receiver can trust, count once, and refuse.

The body is JSON. ``X-Daemon-Signature`` is ``sha256=`` and the HMAC-SHA256, in hex,
of the header ``X-Daemon-Timestamp``, a full stop, and the body, under the secret that
both sides know; a receiver compares in constant time and refuses old timestamps.
``Idempotency-Key`` is the same for every attempt. See docs/reference/alerts.md.

Where a name leads is looked up once, judged, and then connected to, so that it
cannot lead elsewhere a moment later. Redirects and proxies are not followed.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import json
import socket
import ssl
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from threading import Timer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import daemon
from daemon.clock import MICROS, iso
from daemon.errors import ConfigError, Problem
from daemon.log import clean, printable
from daemon.ports import AlertFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from daemon.clock import Clock
    from daemon.ports import Alert

SCHEMA = "daemon.alert/1"
BODY_MAX = 64 * 1024
"""Bytes of a message; a body that is longer goes without its details."""

ANSWER_MAX = 64 * 1024
"""Bytes of an answer that are read; nothing in it is used."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """Whom a webhook may call, and whom it believes."""

    allow_insecure: bool = False
    """Plain http to other machines, where everybody on the way reads along."""
    allow_private: bool = False
    """This machine and private networks, where nothing outside expects to be called."""
    ca_file: Path | None = None
    """The certificates that are trusted, in place of those of the system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How names are looked up and addresses connected to."""

    look_up: Callable[..., Any] = socket.getaddrinfo
    connect: Callable[[tuple[str, int], float], socket.socket] = socket.create_connection


class WebhookAlerts:
    """A receiver of alerts at a URL."""

    def __init__(
        self,
        url: str,
        secret: str,
        clock: Clock,
        *,
        timeout_s: float = 10.0,
        caution: Caution | None = None,
        network: Network | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._caution = caution or Caution()
        self._network = network or Network()
        self._tls = _trust(self._caution.ca_file) if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._secret = secret.encode()
        self._clock = clock
        self._timeout_s = timeout_s

    def send(self, alert: Alert) -> None:
        """Deliver an alert; anything but an answer of 2xx in time is a fault."""
        body = message(alert)
        headers = self._headers(alert, body)
        with self._explained():
            status = self._post(self._look_up(), body, headers)
        if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
            raise AlertFault(
                f"{self._host} answered {_named(status)}: redirects are not followed",
                hint="name the place that it points to",
            )
        if not 200 <= status < 300:  # noqa: PLR2004 - the class of success
            raise AlertFault(f"{self._host} answered {_named(status)}")

    # ── what is sent ─────────────────────────────────────────────────────────
    def _headers(self, alert: Alert, body: bytes) -> dict[str, str]:
        timestamp = str(self._clock.now_us() // MICROS)
        return {
            "Content-Type": "application/json",
            "User-Agent": f"self-tuning-daemon/{daemon.__version__}",
            "Idempotency-Key": key_of(alert),
            "X-Daemon-Timestamp": timestamp,
            "X-Daemon-Signature": f"sha256={signature(self._secret, timestamp, body)}",
            "Connection": "close",
        }

    def _post(self, addresses: list[Address], body: bytes, headers: dict[str, str]) -> int:
        connection = _Connection(
            self._host,
            self._port,
            timeout_s=self._timeout_s,
            connect=partial(_first, self._network, addresses, self._port, self._timeout_s),
            tls=self._tls,
        )
        with connection.within(self._timeout_s):
            connection.request("POST", self._target, body, headers)
            answer = connection.getresponse()
            answer.read(ANSWER_MAX)
            return answer.status

    # ── where it goes ────────────────────────────────────────────────────────
    def _look_up(self) -> list[Address]:
        """Find the addresses that may be called."""
        found = self._network.look_up(self._host, self._port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in found]
        refusals = {address: self._refusal(address) for address in addresses}
        allowed = [address for address, reason in refusals.items() if reason is None]
        if not allowed:
            raise AlertFault(
                f"{self._host} is not called: {next(iter(refusals.values()))}",
                hint="alerts.webhooks.*.allow_private and allow_insecure say what may be called",
            )
        return allowed

    def _refusal(self, address: Address) -> str | None:
        real = _embedded(address)
        if _nobodys(real):
            return f"{address} is not the address of a receiver"
        if not real.is_global and not self._caution.allow_private:
            return f"{address} is a private address, and allow_private is false"
        if self._tls is None and not real.is_loopback and not self._caution.allow_insecure:
            return f"plain http to {address} can be read on the way, and allow_insecure is false"
        return None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Put into words what can go wrong on the way; never the URL, which may hold a secret."""
        try:
            yield
        except TimeoutError:
            raise AlertFault(f"{self._host} gave no answer in {self._timeout_s:g} s") from None
        except socket.gaierror as error:
            raise AlertFault(f"{self._host} cannot be looked up: {error.strerror}") from None
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or "broken"
            raise AlertFault(f"TLS with {self._host} failed: {printable(str(reason))}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise AlertFault(f"{self._host} cannot be reached: {printable(str(reason))}") from None


class _Connection(http.client.HTTPConnection):
    """A connection to addresses that were judged, under the name that a certificate bears."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout_s: float,
        connect: Callable[[], socket.socket],
        tls: ssl.SSLContext | None,
    ) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._connect = connect
        self._tls = tls
        self._late = False
        if tls is not None:
            self.default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        """Connect, and greet where the URL says https."""
        self.sock = plain = self._connect()
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(
                plain, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Hang up after so many seconds in all, however slowly the other side goes on answering."""
        timer = Timer(seconds, self._hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            if self._late:
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
            self.close()

    def _hang_up(self) -> None:
        self._late = True
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


def _first(
    network: Network, addresses: list[Address], port: int, timeout_s: float
) -> socket.socket:
    """Connect to the first address that answers."""
    *others, last = addresses
    for address in others:
        with suppress(OSError):
            return network.connect((str(address), port), timeout_s)
    return network.connect((str(last), port), timeout_s)


# ── what is said ─────────────────────────────────────────────────────────────
def message(alert: Alert) -> bytes:
    """Write an alert as a receiver reads it; passwords in it are masked."""
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "id": alert.id,
        "kind": alert.kind,
        "key": alert.key,
        "severity": alert.severity,
        "text": alert.text,
        "at": iso(alert.at_us),
        "resolved": alert.resolved,
        "body": dict(alert.body),
    }
    body = _json(told)
    if len(body) > BODY_MAX:
        body = _json({**told, "text": alert.text[:1_000], "body": {"left_out": "too long"}})
    return body


def _json(told: dict[str, Any]) -> bytes:
    return json.dumps(clean(told), ensure_ascii=True, allow_nan=False).encode()


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """Sign a body as of a moment."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def key_of(alert: Alert) -> str:
    """Name what is told: the same in every attempt, another once it is worse or over."""
    news = "resolved" if alert.resolved else alert.severity
    return f"alert-{alert.id}-{alert.at_us}-{news}"


# ── addresses ────────────────────────────────────────────────────────────────
def _embedded(address: Address) -> Address:
    """Give the address that packets will really go to, where one is wrapped in another."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        return inner or address
    return address


def _nobodys(address: Address) -> bool:
    """Tell whether an address is no machine's own: machines of a cloud tell secrets at some."""
    return not address.is_loopback and (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """Trust who the system trusts, or only those in a file."""
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        reason = f"the certificates cannot be read: {error.strerror or type(error).__name__}"
        hint = "alerts.webhooks.*.ca_file names a file in PEM format"
        raise ConfigError([Problem(reason, str(ca_file), hint=hint)]) from None


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status}"
