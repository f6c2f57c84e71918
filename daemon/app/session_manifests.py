"""Composition for Kubernetes: what runs a session there, put together from a session file."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

import daemon
from daemon.adapters.manifests.session import Claim, Inline, SessionManifest, commands, render
from daemon.errors import DaemonError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.app.sweeping import Sweeping

IMAGE = "self-tuning-daemon"
GZIP = b"\x1f\x8b"


def manifests(
    built: Sweeping,
    file: Path,
    arguments: Sequence[str],
    claim: tuple[str, str] | None,
    **how: Any,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Give what runs a session on Kubernetes, and what a person types with it at hand.

    Raises:
        SessionRefused: the session file does not hold.
        InputError: the quotes cannot be read, or Kubernetes would not take something.
    """
    loaded = built.session(file)
    name = how.pop("name", None) or loaded.name
    data = Path(loaded.data_file)
    try:
        digest = built.bank().load(data, skip_bad_rows=loaded.skip_bad_rows).quotes.digest
    except DaemonError:
        if claim is None:
            raise
        digest = ""  # they are in the volume, and nowhere here
    manifest = SessionManifest(
        name=name,
        session_text=file.read_text(encoding="utf-8-sig"),
        data_file=loaded.data_file,
        data=Inline(_packed(data)) if claim is None else Claim(*claim),
        data_digest=digest,
        arguments=("--name", name, *arguments),
        **{"image": f"{IMAGE}:{daemon.__version__}", **how},
    )
    return render(manifest), commands(manifest)


def _packed(data: Path) -> bytes:
    """Read quotes as they travel best; the same file gives the same bytes."""
    content = data.read_bytes()
    return content if content.startswith(GZIP) else gzip.compress(content, mtime=0)
