"""``controls`` in ``configs/daemon.yaml``: where the governed system reads its rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from daemon.config.names import GivenName, RuleName
from daemon.config.problems import Finding, did_you_mean, refuse
from daemon.config.section import Section, nothing_is_defaults
from daemon.config.urls import check_postgres_url
from daemon.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

DEFAULT_NAME = "file"
"""What the controls are called that hold every rule where none are named."""

UNITS = ("B", "kB", "MB", "GB", "TB", "us", "ms", "s", "min", "h", "d")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*")
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(?:\.[A-Za-z_][A-Za-z0-9_$]*)?")
_SCHEMES = frozenset({"http", "https"})
_KIND = (
    "What holds the values: `yaml` a file, `http` a program that answers GET and PUT, `command`"
    " two programs that are called, `postgres` the settings of a PostgreSQL server. A file is the"
    " simplest and the only one that is set for several rules at the very same moment."
)


# ── what a value may look like ───────────────────────────────────────────────
def _url(url: str) -> str:
    hint = "write http://host:port/path; {rule} stands for the name of the rule"
    parts = _split(url)
    if parts is None or " " in url or not url.isascii() or not url.isprintable():
        raise refuse("is not the URL of an HTTP server", hint)
    if parts.username is not None or parts.password is not None:
        raise refuse("carries a user or a password", "give a token by `token_file`")
    if parts.fragment:
        raise refuse("has a '#', which no server ever sees", hint)
    return url


def _split(url: str) -> SplitResult | None:
    """Take a URL apart; None if no request could be sent to it."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in _SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if sound else None


def _server(url: SecretStr) -> SecretStr:
    check_postgres_url(url.get_secret_value())
    return url


def _header(name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise refuse("is not a name for a header", "as in X-Team: letters, digits and -")
    return name


def _header_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable():
        raise refuse("has characters that no header may have", "printable ASCII, in one line")
    return value


def _matching(pattern: re.Pattern[str], what: str, example: str) -> Any:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise refuse(f"is not {what}", f"as in {example}")
        return text

    return AfterValidator(check)


def _argument(text: str) -> str:
    if "\0" in text:
        raise refuse("has a character that no argument may have", "remove it")
    return text


Arguments = Annotated[
    list[Annotated[str, AfterValidator(_argument)]],
    Field(min_length=1),
]


# ── the kinds ────────────────────────────────────────────────────────────────
class Control(Section):
    """What all controls have in common."""

    rules: list[RuleName] | None = Field(
        default=None,
        description="The rules that these controls hold. Without it they hold every rule that no"
        " others name, and only one of all controls may go without.",
    )
    timeout_s: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="Seconds after which a read or a write is given up. Longer rides out a slow"
        " surface and holds up the cycle that waits for it; what became of a write that was given"
        " up is read back before anything else.",
    )


class YamlFile(Control):
    """A file that the governed system reads."""

    kind: Literal["yaml"] = Field(description=_KIND)
    path: Path = Field(
        default=Path("controls/rules.yaml"),
        strict=False,
        description="The file of a `yaml`; a file named HOLD beside it stops every change. A"
        " relative path counts from the current directory; an absolute one is safer where several"
        " programs read it.",
    )


class Http(Control):
    """A program that answers GET and PUT."""

    kind: Literal["http"] = Field(description=_KIND)
    url: Annotated[str, AfterValidator(_url)] = Field(
        description="Where an `http` holds the values. With {rule} in it every rule has its own"
        " address and is set by itself; without, one JSON object holds all of them and is set at"
        " once, which asks more of the program.",
    )
    field: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Where in the JSON of an `http` the value stands, names joined by dots;"
        " `value` where the URL names the rule, else {rule}. Plain is easier to check by hand,"
        " nested fits a program that is there already.",
    )
    stamp_field: str | None = Field(
        default=None,
        max_length=200,
        description="Where in the JSON of an `http` the stamp goes that tells our values from a"
        " person's; `stamp`, or stamps.{rule}. Empty text sends none: a stricter program takes"
        " that, and after a restart nobody can tell who set a value.",
    )
    fence_url: Annotated[str, AfterValidator(_url)] | None = Field(
        default=None,
        description="Where an `http` is told by PUT which epoch leads, so that it refuses older"
        " ones. Without it a program that keeps no stamps cannot tell a leader from one that was"
        " replaced.",
    )
    headers: Annotated[
        dict[
            Annotated[str, AfterValidator(_header)],
            Annotated[SecretStr, AfterValidator(_header_value)],
        ],
        BeforeValidator(nothing_is_defaults),
    ] = Field(
        default_factory=dict,
        description="Headers that every request of an `http` carries. They are kept out of logs"
        " like passwords, which makes a wrong one harder to find.",
    )
    token_file: Path | None = Field(
        default=None,
        strict=False,
        description="A file whose first line an `http` sends as a bearer token. It is read for"
        " every request, so a token may be renewed while the daemon runs.",
    )
    token_variable: (
        Annotated[str, _matching(_VARIABLE, "a name for a variable", "CONTROLS_TOKEN")] | None
    ) = Field(
        default=None,
        description="A variable of the environment with the bearer token of an `http`. Handy in"
        " containers; a renewed token needs a restart, unlike one in `token_file`.",
    )


class Command(Control):
    """Two programs that read and write a value."""

    kind: Literal["command"] = Field(description=_KIND)
    read: Arguments = Field(
        description="What a `command` runs to read a value: the program and its arguments, in"
        " which {rule} stands for the name. No shell is between: nothing is expanded, and nothing"
        " in a value can do harm.",
    )
    write: Arguments = Field(
        description="What a `command` runs to set a value; {rule}, {value}, {epoch} and {change}"
        " are put in. It may be run twice for the same value, so it must set and never add.",
    )
    take_over: Arguments | None = Field(
        default=None,
        description="What a `command` runs when a new leader takes over, with {epoch}. Without it"
        " only `write` can refuse a leader that was replaced, by ending with 76.",
    )


class Setting(Section):
    """A setting of a PostgreSQL server that a rule stands for."""

    name: (
        Annotated[
            str, _matching(_SETTING, "a name for a setting", "work_mem"), Field(max_length=63)
        ]
        | None
    ) = Field(
        default=None,
        description="What the server calls it; the name of the rule unless said. A name of its"
        " own lets two servers have the same setting, and makes a report harder to follow.",
    )
    unit: Literal["B", "kB", "MB", "GB", "TB", "us", "ms", "s", "min", "h", "d"] | None = Field(
        default=None,
        description="The unit of the rule's values; that of the server unless said. A larger one"
        " reads better, and values between two steps of the server are refused.",
    )


class Postgres(Control):
    """The settings of a PostgreSQL server."""

    kind: Literal["postgres"] = Field(description=_KIND)
    server: Annotated[SecretStr, AfterValidator(_server)] = Field(
        description="The URL of the server that a `postgres` governs, as in"
        " postgresql://tuner@host/database. Keep its password out of this file: libpq finds it in"
        " ~/.pgpass, or in the file that ?passfile= names.",
    )
    stamp_schema: Annotated[
        str, _matching(_IDENTIFIER, "a name for a schema", "public"), Field(max_length=63)
    ] = Field(
        default="public",
        description="The schema in which a `postgres` keeps the table self_tuning_stamps. Where"
        " the user may not create it, everything works but for two things: after a restart nobody"
        " can tell who set a value, and a leader that was replaced is not refused.",
    )
    settings: Annotated[
        dict[RuleName, Annotated[Setting, BeforeValidator(nothing_is_defaults)]],
        BeforeValidator(nothing_is_defaults),
    ] = Field(
        default_factory=dict,
        description="Which setting of a `postgres` a rule stands for, and in which unit. A rule"
        " that is not named here has the name and the unit of the server.",
    )


AnyControl = Annotated[YamlFile | Http | Command | Postgres, Field(discriminator="kind")]


def _or_default(value: Any) -> Any:
    """Read controls that nobody named as the file that is there without any settings."""
    return {DEFAULT_NAME: {"kind": "yaml"}} if value is None or value == {} else value


Controls = Annotated[dict[GivenName, AnyControl], BeforeValidator(_or_default)]


def default_controls() -> dict[str, YamlFile | Http | Command | Postgres]:
    """Give what holds where nothing is said: one file for all rules."""
    return {DEFAULT_NAME: YamlFile(kind="yaml")}


# ── what must fit together ───────────────────────────────────────────────────
def check_controls(controls: Mapping[str, Control]) -> Iterator[Finding]:
    """Judge who holds which rule: nobody twice, and the rest in one place."""
    places: dict[str, str] = {}
    rest: str | None = None
    for name, control in controls.items():
        path = ("controls", name)
        if control.rules is None:
            if rest is not None:
                reason = f"names no rules, and neither does `{rest}`: both would hold the rest"
                yield Finding(path, reason, "list the rules of one of them under `rules`")
            rest = rest or name
        for number, rule in enumerate(control.rules or ()):
            place = f"controls.{name}.rules[{number}]"
            if rule in places:
                reason = f"`{rule}` stands in {places[rule]} already: two would hold its value"
                yield Finding((*path, "rules", number), reason, "remove one of the two")
            places.setdefault(rule, place)
        yield from _check_http(path, control)


def _check_http(path: tuple[str, ...], control: Control) -> Iterator[Finding]:
    if not isinstance(control, Http):
        return
    if control.token_file is not None and control.token_variable is not None:
        reason = "is given, and so is `token_file`: one token, two places"
        yield Finding((*path, "token_variable"), reason, "remove one of the two")
    if "{rule}" not in control.url:
        for name in ("field", "stamp_field"):
            value = getattr(control, name)
            if value and "{rule}" not in value:
                reason = "names the rule nowhere, and neither does `url`"
                yield Finding((*path, name), reason, "put {rule} into one of them")


def holder(controls: Mapping[str, Control], rule: str) -> str | None:
    """Name the controls that hold a rule; None if no controls do."""
    rest = None
    for name, control in controls.items():
        if control.rules is None:
            rest = name
        elif rule in control.rules:
            return name
    return rest


def strays(
    controls: Mapping[str, Control], rules: Collection[str], origins: Mapping[str, str]
) -> Iterator[Problem]:
    """Find rules that controls name and no policy has: most are misspelt."""
    for name, control in controls.items():
        for rule in control.rules or ():
            if rule not in rules:
                key = f"controls.{name}.rules"
                reason = f"names `{rule}`, which is no rule of the policy"
                hint = did_you_mean(rule, rules)
                yield Problem(reason, origins.get(key), key=key, hint=hint, warning=True)


def unheld(controls: Mapping[str, Control], rules: Collection[str]) -> Iterator[Finding]:
    """Find rules of a policy that no controls hold."""
    for rule in rules:
        if holder(controls, rule) is None:
            reason = "no controls hold it: its value could not be set"
            hint = "name it under `rules` of one of the `controls` in configs/daemon.yaml"
            yield Finding(("rules", rule), reason, hint)
