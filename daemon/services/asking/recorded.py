"""Policies as they stand on record: what a decision of the past was made under."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from daemon.config.policy_file import LoadedPolicy, PolicyFile
from daemon.store import rules, runs

if TYPE_CHECKING:
    from daemon.store.store import Tx
    from daemon.tuning.model import Policy


def policy_of(view: Tx, digest: str | None) -> Policy | None:
    """Read a policy by its digest; None where it is not on record, or of another version."""
    from daemon.config.tuning_policy import as_policy  # noqa: PLC0415 - the status does without

    loaded = loaded_of(view, digest)
    return None if loaded is None else as_policy(loaded)


def in_force(view: Tx) -> LoadedPolicy | None:
    """Read the policy that was adopted last, whatever its file says by now."""
    return loaded_of(view, rules.policy_in_force(view))


def loaded_of(view: Tx, digest: str | None) -> LoadedPolicy | None:
    """Read a policy by its digest, as if its file had been read."""
    body = None if digest is None else runs.policy_body(view, digest)
    if digest is None or body is None:
        return None
    try:
        policy = PolicyFile.model_validate(body)
    except ValueError:
        return None
    return LoadedPolicy(policy, Path(f"policy {digest[:12]}"), digest, body, {})
