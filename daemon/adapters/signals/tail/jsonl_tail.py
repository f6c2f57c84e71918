"""Lines of a file, each a JSON object."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from daemon.adapters.signals import Misread, shown
from daemon.adapters.signals.tail.source import Tail

if TYPE_CHECKING:
    from collections.abc import Mapping


class JsonlTail(Tail):
    """Follows a JSONL file. Fields inside of others are named with a dot: ``stats.latency``."""

    def row(self, line: str) -> Mapping[str, Any]:
        """Read an object."""
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            raise Misread(f"is not JSON: {shown(line)}") from None
        if not isinstance(found, dict):
            raise Misread(f"is no JSON object: {shown(line)}")
        return found
