"""A session as objects of Kubernetes: its file, a Job that runs its shares, one that ranks.

The shares are an indexed Job. Which share a pod has is told by its index, and all of
them write into one database, so that a pod that is killed and started again repeats
nothing. Since no Job waits for another one, the Job that ranks is made suspended;
`commands` says how it is set free.
"""

from __future__ import annotations

import base64
import math
import posixpath
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import daemon
from daemon.adapters.manifests import (
    CPU,
    IMAGE,
    LABEL,
    MEMORY,
    SUBDOMAIN,
    check,
    literal,
    named,
    within,
)
from daemon.errors import Exit, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

KUBERNETES = "1.33"
"""The oldest version in which all that is used here is stable."""

SHARDS_MAX = 10_000
SECONDS_MAX = 365 * 86_400
CONFIG_MAP_MAX = 1_000_000
"""Bytes that a ConfigMap may hold, less what its names take."""

USER = 10_001
"""Who the image runs as."""

HOME = "/var/lib/self-tuning-daemon"
"""The image's working directory; relative paths count from here."""

SESSION_DIR = "/session"
SECRETS = "/run/secrets/self-tuning-daemon"
SECRET_KEY = "database_url"  # noqa: S105 - the name of a key
QUOTES = "quotes"


@dataclass(frozen=True, slots=True)
class Claim:
    """Quotes in a volume that is there already."""

    name: str
    """Of the PersistentVolumeClaim; several pods read it at once."""
    path: str
    """Of the file, from the root of the volume."""


@dataclass(frozen=True, slots=True)
class Inline:
    """Quotes that travel with the manifest, for which they have to be small; gzip will do."""

    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionManifest:
    """What a session on Kubernetes is made of."""

    name: str
    """As it is on record; any text."""
    session_text: str
    """The session file."""
    data_file: str
    """As the session file names it."""
    data: Claim | Inline
    data_digest: str
    image: str
    namespace: str = "default"
    shards: int = 8
    max_parallel: int = 4
    """So many shares run at once."""
    session_timeout_s: int = 3_600
    """After so long, all that still runs is ended."""
    shard_timeout_s: int | None = None
    """After so long, a pod is ended, and its share tried again."""
    retries: int = 3
    """How often a share is tried again whose pod failed."""
    cpu: str = "1"
    memory: str = "1Gi"
    ttl_s: int = 86_400
    """Jobs that are done are removed after so long; results stay in the database."""
    database_secret: str = "self-tuning-daemon-database"  # noqa: S105 - a name
    arguments: tuple[str, ...] = ()
    """Further options of `daemon session run`."""


def render(manifest: SessionManifest) -> list[dict[str, Any]]:
    """Give the objects: the ConfigMap, the Job that runs, the suspended Job that ranks.

    Raises:
        InputError: Kubernetes would not take something of it.
    """
    _check(manifest)
    base = _base(manifest)
    share = f"$(JOB_COMPLETION_INDEX)/{manifest.shards}"
    run = ["session", "run", f"{SESSION_DIR}/session.yaml", *_given(manifest)]
    running = [*literal(run), "--shard", share]
    ranking = literal(["session", "rank", "--", manifest.name])
    return [
        _config_map(manifest, base),
        _object(manifest, base, "session", spec=_shares(manifest, base, running)),
        _object(manifest, f"{base}-rank", "ranking", spec=_ranking(manifest, base, ranking)),
    ]


def commands(manifest: SessionManifest) -> list[str]:
    """Say what a person types with the objects at hand."""
    base = _base(manifest)
    kubectl = f"kubectl --namespace {shlex.quote(manifest.namespace)}"
    wait = f"{kubectl} wait --for=condition=complete --timeout={manifest.session_timeout_s}s"
    return [
        f"{kubectl} apply --server-side --filename FILE",
        f"{wait} job/{base}",
        f'{kubectl} patch job/{base}-rank --patch \'{{"spec": {{"suspend": false}}}}\'',
        f"{wait} job/{base}-rank",
        f"{kubectl} logs job/{base}-rank",
    ]


def _base(manifest: SessionManifest) -> str:
    """Name the objects: the same session, by name, file and quotes, has the same ones."""
    return named(manifest.name, manifest.session_text, manifest.data_digest)


# ── what cannot be ───────────────────────────────────────────────────────────
def _check(manifest: SessionManifest) -> None:
    check(LABEL, manifest.namespace, "namespace", "small letters, digits and dashes: tuning")
    check(IMAGE, manifest.image, "image", "as in registry.example/self-tuning-daemon:0.1.0")
    check(SUBDOMAIN, manifest.database_secret, "name of a Secret", "as in daemon-database")
    check(CPU, manifest.cpu, "amount of CPU", "as in 2, 0.5 or 500m")
    check(MEMORY, manifest.memory, "amount of memory", "as in 512Mi or 2Gi")
    within(manifest.shards, SHARDS_MAX, "the number of shares")
    within(manifest.max_parallel, SHARDS_MAX, "the number of shares at once")
    within(manifest.session_timeout_s, SECONDS_MAX, "the time of a session, in seconds,")
    within(manifest.ttl_s, SECONDS_MAX, "the time for which Jobs are kept, in seconds,")
    if manifest.shard_timeout_s is not None:
        within(manifest.shard_timeout_s, SECONDS_MAX, "the time of a share, in seconds,")
    if not 0 <= manifest.retries <= 100:  # noqa: PLR2004 - a bound, and told in the message
        raise InputError(f"a share cannot be tried {manifest.retries} more times", hint="0 to 100")
    _check_data(manifest)


def _check_data(manifest: SessionManifest) -> None:
    data = manifest.data
    if ":" in manifest.data_file or not posixpath.basename(manifest.data_file):
        raise InputError(
            f"a pod can have no file called {manifest.data_file!r}",
            hint="name the quotes by a path without a colon in it",
        )
    size = len(manifest.session_text.encode())
    if isinstance(data, Claim):
        check(SUBDOMAIN, data.name, "name of a volume claim", "as in quotes")
        path = _inside(data)
        if path.startswith("..") or path in {"", "."}:
            raise InputError(
                f"{data.path!r} names no file within the volume",
                hint="give the path from its root: 2026/btc.csv",
            )
    else:
        size += len(data.content)
    if size > CONFIG_MAP_MAX:
        raise InputError(
            f"the session and its quotes take {size:,} bytes, and at most"
            f" {CONFIG_MAP_MAX:,} can travel in a manifest",
            hint="put the quotes into a volume and name its claim",
        )


# ── objects ──────────────────────────────────────────────────────────────────
def _object(
    manifest: SessionManifest, name: str, component: str, *, kind: str = "Job", **content: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "v1" if kind == "ConfigMap" else "batch/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": manifest.namespace,
            "labels": _labels(_base(manifest), component),
            "annotations": {
                "self-tuning-daemon/session": manifest.name,
                "self-tuning-daemon/data-digest": manifest.data_digest,
            },
        },
        **content,
    }


def _labels(base: str, component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "self-tuning-daemon",
        "app.kubernetes.io/version": re.sub(r"[^\w.-]", "-", daemon.__version__),
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/instance": base,
        "app.kubernetes.io/managed-by": "self-tuning-daemon",
    }


def _config_map(manifest: SessionManifest, base: str) -> dict[str, Any]:
    made = _object(
        manifest,
        base,
        "session",
        kind="ConfigMap",
        immutable=True,
        data={"session.yaml": manifest.session_text},
    )
    if isinstance(manifest.data, Inline):
        made["binaryData"] = {QUOTES: base64.b64encode(manifest.data.content).decode()}
    return made


def _shares(manifest: SessionManifest, base: str, arguments: list[str]) -> dict[str, Any]:
    return {
        "completionMode": "Indexed",
        "completions": manifest.shards,
        "parallelism": min(manifest.max_parallel, manifest.shards),
        "backoffLimitPerIndex": manifest.retries,
        "activeDeadlineSeconds": manifest.session_timeout_s,
        "ttlSecondsAfterFinished": manifest.ttl_s,
        "podFailurePolicy": {
            "rules": [
                # A pod that had to leave its machine is no failure of ours.
                {"action": "Ignore", "onPodConditions": [_condition("DisruptionTarget")]},
                # What is wrong in the file or the configuration is wrong in every share.
                _on_exit("FailJob", Exit.INPUT, Exit.USAGE, Exit.CONFIG),
                # Jobs that failed are on record; another try would skip them.
                _on_exit("FailIndex", Exit.FAILED),
            ]
        },
        "template": _pod(manifest, base, "session", arguments),
    }


def _ranking(manifest: SessionManifest, base: str, arguments: list[str]) -> dict[str, Any]:
    return {
        "suspend": True,
        "backoffLimit": manifest.retries,
        "activeDeadlineSeconds": manifest.session_timeout_s,
        "ttlSecondsAfterFinished": manifest.ttl_s,
        "template": _pod(manifest, base, "ranking", arguments),
    }


def _condition(kind: str) -> dict[str, str]:
    return {"type": kind, "status": "True"}


def _on_exit(action: str, *codes: Exit) -> dict[str, Any]:
    values = sorted(int(code) for code in codes)
    return {
        "action": action,
        "onExitCodes": {"containerName": "daemon", "operator": "In", "values": values},
    }


# ── pods ─────────────────────────────────────────────────────────────────────
def _pod(
    manifest: SessionManifest, base: str, component: str, arguments: list[str]
) -> dict[str, Any]:
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(manifest, arguments)],
        "volumes": _volumes(manifest, base),
    }
    if component == "session" and manifest.shard_timeout_s is not None:
        spec["activeDeadlineSeconds"] = manifest.shard_timeout_s
    return {"metadata": {"labels": _labels(base, component)}, "spec": spec}


def _container(manifest: SessionManifest, arguments: list[str]) -> dict[str, Any]:
    resources = {"cpu": manifest.cpu, "memory": manifest.memory}
    return {
        "name": "daemon",
        "image": manifest.image,
        "args": arguments,
        "workingDir": HOME,
        "env": [
            {"name": "DAEMON_DATABASE_URL_FILE", "value": f"{SECRETS}/{SECRET_KEY}"},
            {"name": "DAEMON_LOG_FORMAT", "value": "json"},
            {"name": "OPENBLAS_NUM_THREADS", "value": "1"},
        ],
        "resources": {"requests": resources, "limits": dict(resources)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _mounts(manifest),
    }


def _mounts(manifest: SessionManifest) -> list[dict[str, Any]]:
    inside = _inside(manifest.data) if isinstance(manifest.data, Claim) else QUOTES
    volume = "data" if isinstance(manifest.data, Claim) else "session"
    target = posixpath.normpath(posixpath.join(HOME, manifest.data_file))
    return [
        {"name": "scratch", "mountPath": HOME},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a pod's own
        {"name": "database", "mountPath": SECRETS, "readOnly": True},
        {"name": "session", "mountPath": SESSION_DIR, "readOnly": True},
        {"name": volume, "mountPath": target, "subPath": inside, "readOnly": True},
    ]


def _volumes(manifest: SessionManifest, base: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": "scratch", "emptyDir": {"sizeLimit": "4Gi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        {
            "name": "database",
            "secret": {"secretName": manifest.database_secret, "defaultMode": 0o440},
        },
        {"name": "session", "configMap": {"name": base}},
    ]
    if isinstance(manifest.data, Claim):
        claim = {"claimName": manifest.data.name, "readOnly": True}
        found.append({"name": "data", "persistentVolumeClaim": claim})
    return found


def _inside(data: Claim) -> str:
    """Give the path of a file from the root of its volume, as Kubernetes wants it."""
    return posixpath.normpath(data.path.lstrip("/") or ".")


def _given(manifest: SessionManifest) -> Sequence[str]:
    """Give the options, with those that only this place knows unless somebody has said them.

    The name, since the file is called otherwise here; and as many processes as
    there are processors.
    """
    cores = float(manifest.cpu.removesuffix("m")) / (1_000 if manifest.cpu.endswith("m") else 1)
    known = {"--name": manifest.name, "--workers": str(max(1, math.floor(cores)))}
    missing = {option: value for option, value in known.items() if option not in manifest.arguments}
    return [*manifest.arguments, *(word for pair in missing.items() for word in pair)]
