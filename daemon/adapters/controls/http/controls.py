"""Rules that a program holds which answers GET and takes PUT.

Every value is asked for before it is set: so a newer leader's stamp is seen, and
``If-Match`` names what was seen, where the program gives an ``ETag``. A request
that ended without an answer says nothing about what became of it.

Who set a value is told by the stamp that is sent along, if the program keeps it
and gives it back. If it does not, only this process can know its own writing: it
takes a value for ours that equals the last one it set. After a restart all
values are a person's then, which matters only where one differs from what is on
record: a value that nobody expected is honestly somebody else's.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from daemon.adapters.controls.http.client import Client, complaint, excerpt
from daemon.adapters.controls.http.shape import RULE, Shape
from daemon.log import mask
from daemon.ports import ControlsFault, ControlsFenced, ControlsRefused, Held

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from daemon.ports import Order
    from daemon.tuning.stamp import Stamp

EPOCH_HEADER = "X-Control-Epoch"
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')
_NOTHING_THERE = frozenset({204, 404, 410})
_CONFLICTS = frozenset({409, 412})


@dataclass(frozen=True, slots=True)
class _Found:
    """What is held at an address now."""

    document: Any
    etag: str | None


class HttpControls:
    """The values of rules behind one address for each, or in one JSON object for all."""

    def __init__(
        self,
        url: str,
        *,
        name: str = "http",
        shape: Shape | None = None,
        fence_url: str | None = None,
        client: Client | None = None,
    ) -> None:
        self._name = name
        self._url = url
        self._shape = shape or Shape.of(url)
        self._fence_url = fence_url
        self._client = client or Client()
        self._epoch = 0
        self._known: dict[str, set[float | None]] = {}
        self._mine: dict[str, Order] = {}
        self._done: dict[str, int] = {}

    @property
    def name(self) -> str:
        """Its name in the settings."""
        return self._name

    def take_over(self, epoch: int) -> None:
        """Tell the program which epoch leads, if it wants to know."""
        self._check_epoch(epoch)
        if self._fence_url is not None:
            self._put(self._fence_url, {"epoch": epoch}, epoch, {})
        self._epoch = epoch

    def read(self, rules: Sequence[str]) -> Mapping[str, Held]:
        """Ask for every value; a 404 is a rule that was never set."""
        documents = {url: self._get(url).document for url in self._addresses(rules)}
        found = {}
        for rule in rules:
            value, stamp = self._look(rule, documents[self._address(rule)])
            self._known[rule] = {value}
            mine = self._mine.get(rule)
            if stamp is None and mine is not None:
                stamp = mine.stamp()
            if value is not None:
                found[rule] = Held.stamped(rule, value, stamp)
        return found

    def write(self, orders: Sequence[Order]) -> None:
        """Set values, address by address; what was set before a refusal stays unknown."""
        by_rule = {order.rule: order for order in orders}
        addresses = self._addresses(by_rule)
        found = {url: self._get(url) for url in addresses}
        for order in orders:
            self._check(order, found[self._address(order.rule)])
        done: list[Order] = []
        for url in addresses:
            mine = [order for order in orders if self._address(order.rule) == url]
            try:
                self._set(url, mine, found[url])
            except ControlsRefused as error:
                if not done:
                    raise
                names = ", ".join(order.rule for order in done)
                raise ControlsFault(f"{names} was set, then: {error.message}") from error
            done += mine

    def held(self) -> str | None:
        """Nobody can ask such a program for peace: that is what a file named HOLD is for."""
        return None

    def close(self) -> None:
        """Nothing is kept open."""

    # ── one address ──────────────────────────────────────────────────────────
    def _address(self, rule: str) -> str:
        return self._url.replace(RULE, quote(rule, safe=""))

    def _addresses(self, rules: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(self._address(rule) for rule in rules))

    def _look(self, rule: str, document: Any) -> tuple[float | None, Stamp | None]:
        """Find the value of a rule, and the stamp beside it."""
        if document is None:
            return None, None
        value = self._shape.value(rule, document)
        if isinstance(value, str):
            raise ControlsFault(f"{mask(self._address(rule))} {value}", hint=_FIELD_HINT)
        return value, self._shape.stamp(rule, document)

    def _get(self, url: str) -> _Found:
        answer = self._client.ask("GET", url)
        if answer.status in _NOTHING_THERE:
            return _Found(None, None)
        if answer.status != 200:  # noqa: PLR2004 - what HTTP calls OK
            raise complaint("GET", url, answer)
        etag = answer.headers.get("ETag", "")
        return _Found(_json(url, answer.data), etag if _STRONG_ETAG.fullmatch(etag) else None)

    def _set(self, url: str, orders: Sequence[Order], found: _Found) -> None:
        document = copy.deepcopy(found.document) if self._is_shared() else None
        body = document if isinstance(document, dict) else {}
        for order in orders:
            self._shape.put(order, body)
        headers = {"Idempotency-Key": self._key(orders)}
        if found.etag is not None:
            headers["If-Match"] = found.etag
        for order in orders:
            self._known.get(order.rule, set()).add(order.value)
        self._put(url, body, max(order.epoch for order in orders), headers)
        for order in orders:
            self._mine[order.rule] = order
            self._done[order.rule] = self._done.get(order.rule, 0) + 1

    def _is_shared(self) -> bool:
        return RULE not in self._url

    def _key(self, orders: Sequence[Order]) -> str:
        """Name a write: the same for every attempt, another one once it was acknowledged.

        A value that is set, taken back and set again must not be taken for a
        repetition; a new process has a new epoch, and so new names.
        """
        parts = (f"{o.rule} {o.stamp().checksum} {self._done.get(o.rule, 0)}" for o in orders)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def _put(self, url: str, body: Any, epoch: int, headers: Mapping[str, str]) -> None:
        data = json.dumps(body, allow_nan=False).encode()
        more = {"Content-Type": "application/json", EPOCH_HEADER: str(epoch), **headers}
        answer = self._client.ask("PUT", url, data, more)
        if 200 <= answer.status < 300:  # noqa: PLR2004 - what HTTP calls success
            return
        newest = answer.headers.get(EPOCH_HEADER, "")
        if answer.status in _CONFLICTS and newest.isdecimal() and int(newest[:18]) > epoch:
            raise _fenced(url, int(newest[:18]), epoch)
        raise complaint("PUT", url, answer)

    # ── what stands in the way ───────────────────────────────────────────────
    def _check_epoch(self, epoch: int) -> None:
        if epoch < self._epoch:
            raise _fenced(self._url, self._epoch, epoch)

    def _check(self, order: Order, found: _Found) -> None:
        if not math.isfinite(order.value):
            raise ControlsRefused(f"{order.rule} cannot be set to {order.value}")
        self._check_epoch(order.epoch)
        value, stamp = self._look(order.rule, found.document)
        if stamp is not None and stamp.epoch > order.epoch:
            raise _fenced(self._address(order.rule), stamp.epoch, order.epoch)
        known = self._known.get(order.rule, {value})
        if value is not None and value not in known | {order.value}:
            raise ControlsRefused(
                f"{order.rule} was set to {value:g} meanwhile, and not by this daemon",
                hint="the next look at the controls takes it into account",
            )


def _json(url: str, data: bytes) -> Any:
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        reason = f"{mask(url)} answers with something that is no JSON"
    raise ControlsFault(reason, hint=f"it begins: {excerpt(data)}")


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


_FIELD_HINT = "check `field` of these controls, and what GET answers"


def _fenced(url: str, newest: int, epoch: int) -> ControlsFenced:
    return ControlsFenced(
        f"{mask(url)} was taken over by epoch {newest}; this leader has epoch {epoch}",
        hint="if the database was restored from a backup and nobody else leads:"
        " have the program forget the stamp",
    )
