"""``alerts`` in ``configs/daemon.yaml``: who is told of what a person should know."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from daemon.config.http import is_loopback
from daemon.config.names import GivenName
from daemon.config.problems import Finding, refuse
from daemon.config.section import Section, nothing_is_defaults
from daemon.config.text import decode, read_bounded
from daemon.config.urls import check_http_url
from daemon.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SECRET_MIN = 16
"""Characters of a secret at least: shorter ones are guessed."""

SECRET_BYTES_MAX = 4_096
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _url(url: SecretStr) -> SecretStr:
    check_http_url(url.get_secret_value())
    return url


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise refuse("is not a name for a variable", "as in ALERTS_SECRET")
    return name


class Webhook(Section):
    """A program that is told of alerts by a signed POST."""

    url: Annotated[SecretStr, AfterValidator(_url)] = Field(
        description="Where alerts are sent. Only its host is ever shown: what follows may hold a"
        " key. Redirects and proxies are not followed, so name the place itself."
    )
    secret_file: Path | None = Field(
        default=None,
        strict=False,
        description="A file whose first line is the secret that alerts are signed with: at least"
        " 16 characters, which the receiver knows too. It is read at the start.",
    )
    secret_variable: Annotated[str, AfterValidator(_variable)] | None = Field(
        default=None,
        description="A variable of the environment with the secret that alerts are signed with."
        " Handy in containers; a file is seen by fewer programs.",
    )
    min_severity: Literal["info", "warn", "crit"] = Field(
        default="warn",
        description="The least severe alert that is sent. `crit` wakes nobody without need,"
        " `info` tells everything and is soon not read any more.",
    )
    timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=60,
        description="Seconds after which an attempt is given up, however slowly the answer still"
        " comes. Longer waits for a slow receiver, and keeps the others waiting.",
    )
    ca_file: Path | None = Field(
        default=None,
        strict=False,
        description="The certificates that are trusted, in PEM format, in place of those of the"
        " system. A receiver with a certificate of your own needs it; all others are then refused.",
    )
    allow_insecure: bool = Field(
        default=False,
        description="Whether plain http may leave this machine. Everybody on the way then reads"
        " what is wrong with your system; the signature still shows what was altered.",
    )
    allow_private: bool = Field(
        default=False,
        description="Whether the receiver may be on this machine or in a private network. If not,"
        " whoever can change a name cannot make the daemon call services that trust their network.",
    )

    def secret(self, name: str, environ: Mapping[str, str]) -> str:
        """Fetch the secret.

        Raises:
            ConfigError: it is not where it should be, or too short to be one.
        """
        key = f"alerts.webhooks.{name}"
        if self.secret_file is not None:
            place, key = str(self.secret_file), f"{key}.secret_file"
            data = read_bounded(self.secret_file, SECRET_BYTES_MAX)
            text = decode(data, place, SECRET_BYTES_MAX).partition("\n")[0].strip()
        else:
            place, key = self.secret_variable or "", f"{key}.secret_variable"
            if place not in environ:
                hint = "export it, or name a file by `secret_file`"
                raise ConfigError([Problem("is not set", place, key=key, hint=hint)])
            text = environ[place].strip()
        if len(text) < SECRET_MIN:
            reason = f"holds {len(text)} characters, which is no secret"
            hint = f"at least {SECRET_MIN}, as `openssl rand -hex 32` makes them"
            raise ConfigError([Problem(reason, place, key=key, hint=hint)])
        return text


class Alerts(Section):
    """Who is told of what a person should know."""

    webhooks: Annotated[dict[GivenName, Webhook], BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=dict,
        description="The programs that are told. Without any, alerts stand in the log and in"
        " `daemon ctl status`, where somebody has to look.",
    )
    per_minute: int = Field(
        default=20,
        ge=1,
        le=1_000,
        description="New alerts that are sent in a minute; critical ones have as many of their"
        " own. What comes faster is counted, and one alert says so: more tells each of them,"
        " fewer spares a person's telephone in a storm.",
    )


def check_alerts(alerts: Alerts) -> Iterator[Finding]:
    """Judge whether every receiver can be told, and can believe what it is told."""
    for name, webhook in alerts.webhooks.items():
        path = ("alerts", "webhooks", name)
        if webhook.secret_file is None and webhook.secret_variable is None:
            reason = "has no secret: nobody could tell our alerts from anybody else's"
            yield Finding(path, reason, "name a `secret_file`, or a `secret_variable`")
        if webhook.secret_file is not None and webhook.secret_variable is not None:
            reason = "is given, and so is `secret_file`: one secret, two places"
            yield Finding((*path, "secret_variable"), reason, "remove one of the two")
        yield from _check_reach((*path, "url"), webhook)


def _check_reach(path: tuple[str, ...], webhook: Webhook) -> Iterator[Finding]:
    parts = urlsplit(webhook.url.get_secret_value())
    here = is_loopback(parts.hostname or "")
    if here and not webhook.allow_private:
        reason = "leads to this machine, and `allow_private` is false"
        yield Finding(path, reason, "write `allow_private: true` if it is meant to")
    elif parts.scheme == "http" and not here and not webhook.allow_insecure:
        reason = "is plain http, which everybody on the way can read"
        yield Finding(path, reason, "write https, or `allow_insecure: true` if it must be")
