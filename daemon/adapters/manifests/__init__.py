"""What Kubernetes is told to run, as documents; nothing here speaks to a cluster.

What kinds of manifests share stands here: names that Kubernetes takes, and a way
to refuse what it would not.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from daemon.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

SLUG_MAX = 40
"""With what is appended, a name stays below the 63 characters of a host name."""

_DIGEST = 10
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
LABEL = re.compile(_LABEL)
SUBDOMAIN = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
IMAGE = re.compile(
    r"(?=.{1,255}$)([\w.-]+(:[0-9]+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*"
    r"(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?",
    re.ASCII,
)
CPU = re.compile(r"(?=.*[1-9])([0-9]{1,6}m|[0-9]{1,4}(\.[0-9]{1,3})?)")
MEMORY = re.compile(r"(?=.*[1-9])[0-9]{1,15}(\.[0-9]{1,3})?(Ki|Mi|Gi|Ti|k|M|G|T)?")


def named(name: str, *identity: str) -> str:
    """Make a name for objects out of one that people gave.

    What Kubernetes cannot take becomes a dash, so that ``A_1`` and ``a-1`` look
    alike; the digest at the end is of the name as it was, and of what else makes it
    this one and no other.
    """
    content = json.dumps([name, *identity], ensure_ascii=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:_DIGEST]
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:SLUG_MAX].rstrip("-")
    return f"{slug or 'session'}-{digest}"


def literal(words: Sequence[str]) -> list[str]:
    """Give arguments in which Kubernetes finds no variable to replace."""
    return [word.replace("$(", "$$(") for word in words]


def check(pattern: re.Pattern[str], value: str, what: str, hint: str) -> None:
    """Refuse what Kubernetes would refuse.

    Raises:
        InputError: it does not look like this.
    """
    if not pattern.fullmatch(value):
        raise InputError(f"{value!r} is no {what}", hint=hint)


def within(value: int, most: int, what: str) -> None:
    """Refuse a number out of bounds.

    Raises:
        InputError: it is below 1 or above the bound.
    """
    if not 1 <= value <= most:
        raise InputError(f"{what} cannot be {value}", hint=f"1 to {most} is possible")
