"""``sources`` in ``configs/daemon.yaml``: where samples come from, and of which signals."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from daemon.config.names import GivenName, SignalName
from daemon.config.problems import Finding, did_you_mean, refuse
from daemon.config.section import Section, nothing_is_defaults
from daemon.config.urls import check_database_url

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from daemon.config.yaml_safe import KeyPath

HOUR_S = 3_600
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


# ── what may stand where ─────────────────────────────────────────────────────
def _a_file(value: Any) -> Any:
    if isinstance(value, str) and "://" in value:
        raise refuse("is a URL, not the path of a file", "name a file: var/metrics.csv")
    return value


def _http_url(url: str) -> str:
    example = "write http://host:port/path or https://host/path"
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        raise refuse("is not a URL that can be asked", example) from None
    if not sound or not url.isprintable() or " " in url:
        raise refuse("is not a URL that can be asked", example)
    if parts.username is not None or parts.password is not None:
        raise refuse(
            "has a user in it, who would be shown with it",
            "give a token by `token_file`",
        )
    return url


def _database(url: SecretStr) -> SecretStr:
    check_database_url(url.get_secret_value())
    return url


def _one_character(text: str) -> str:
    if len(text) != 1 or text in '"\r\n':
        raise refuse("is not one character", 'one character, such as "," or ";" or "\\t"')
    return text


def _variable(text: str) -> str:
    if not _VARIABLE.fullmatch(text):
        raise refuse("is not a name for a variable", "as in METRICS_TOKEN")
    return text


FilePath = Annotated[Path, BeforeValidator(_a_file)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Where = Annotated[str, Field(min_length=1, max_length=10_000)]

_SIGNALS = (
    "The signals that it provides, and where each is found: a column, a field, a query, a metric;"
    " nothing if it is called the same there. What is not listed is not read."
)
_PERIOD = (
    "Seconds between two looks. Shorter sees sooner and gives a window more samples, and costs"
    " the source more; what is asked more often than it changes repeats itself."
)
_EXPECT = (
    "Seconds between two values of a signal; without it, `period_s`. A signal is silent, and no"
    " evidence, after three of them, and never before 15 s."
)
_TIME_UNIT = (
    "How a moment is written: `iso` for ISO 8601 (UTC unless it says otherwise), else a number"
    " of seconds, milli-, micro- or nanoseconds since 1970. `auto` tells by the size of the"
    " number, which is right for every moment after 1973."
)
_START = (
    "Where to begin the first time: `end` takes only what comes from now on, `beginning` also"
    " what is there already, which fills the past and takes its time. Later it goes on from where"
    " it was."
)
_LAYOUT = (
    "`wide` for one row or line a moment with a column for every signal, `long` for one a value"
    " with a column that names the signal. `long` suits signals that come at different moments."
)
_TIMEOUT = (
    "Seconds after which one look is given up. Longer waits for a slow source, shorter says"
    " sooner that it is gone."
)


class _Source(Section):
    """What every source has."""

    period_s: float = Field(default=1.0, ge=0.05, le=HOUR_S, description=_PERIOD)
    expect_s: float | None = Field(default=None, gt=0, le=HOUR_S, description=_EXPECT)

    def names(self) -> tuple[str, ...]:
        """Name the signals that it provides."""
        signals: Mapping[str, Any] = self.signals  # type: ignore[attr-defined]
        return tuple(signals)

    def expected_s(self) -> float:
        """Say how often a value of a signal is expected."""
        return self.period_s if self.expect_s is None else self.expect_s


class _Named(_Source):
    """A source in which a signal is found under a name."""

    signals: dict[SignalName, Where | None] = Field(min_length=1, description=_SIGNALS)

    def places(self) -> dict[str, str]:
        """Say where each signal is found."""
        return {name: name if place is None else place for name, place in self.signals.items()}


class _Rows(_Named):
    """A source of rows with named fields."""

    layout: Literal["wide", "long"] = Field(default="wide", description=_LAYOUT)
    time_unit: Literal["auto", "iso", "s", "ms", "us", "ns"] = Field(
        default="auto", description=_TIME_UNIT
    )
    signal_field: Text = Field(
        default="signal",
        description="The column or field that names the signal. It is read in the layout `long`"
        " only.",
    )
    value_field: Text = Field(
        default="value",
        description="The column or field that holds the value. It is read in the layout `long`"
        " only.",
    )
    start: Literal["end", "beginning"] = Field(default="end", description=_START)


class _Tail(_Rows):
    """A file that grows."""

    path: Annotated[FilePath, Field(strict=False)] = Field(
        description="The file that grows. It may be rotated, truncated or not there yet; a"
        " relative path counts from the current directory."
    )
    time_field: Text = Field(
        default="ts",
        description="The column or field that holds the moment. A row without one is counted as"
        " unreadable.",
    )


class _Http(_Source):
    """Something that is asked by HTTP."""

    url: Annotated[str, AfterValidator(_http_url)] = Field(
        description="Where it is asked. Redirects are not followed: name the place itself."
    )
    timeout_s: float = Field(default=5.0, gt=0, le=60, description=_TIMEOUT)
    token_file: Annotated[FilePath | None, Field(strict=False)] = Field(
        default=None,
        description="A file that holds a bearer token. It is read at every look, so that a token"
        " may be renewed while the daemon runs.",
    )
    token_variable: Annotated[str, AfterValidator(_variable)] | None = Field(
        default=None,
        description="A variable of the environment that holds a bearer token. It is read once, at"
        " the start.",
    )


# ── the kinds ────────────────────────────────────────────────────────────────
_KIND = (
    "What the source is. `csv` and `jsonl` follow a file and lose nothing over a restart; `push`"
    " is the fastest and loses what was not written yet; `prometheus` and `sql` can look back"
    " after a gap, `openmetrics` and `command` only see the moment."
)


class CsvSource(_Tail):
    """Lines of a CSV file with a header."""

    kind: Literal["csv"] = Field(description=_KIND)
    delimiter: Annotated[str, AfterValidator(_one_character)] = Field(
        default=",",
        description="What stands between two cells. A cell that holds it is quoted.",
    )


class JsonlSource(_Tail):
    """Lines of a file, each a JSON object."""

    kind: Literal["jsonl"] = Field(description=_KIND)


class PushSource(_Named):
    """Batches that others send to the daemon's own door."""

    kind: Literal["push"] = Field(description=_KIND)
    buffer: int = Field(
        default=50_000,
        ge=100,
        le=1_000_000,
        description="Values that wait to be written. More rides out a longer pause of the"
        " database and costs memory; when it is full, senders are told to try again.",
    )


class PrometheusSource(_Http, _Named):
    """Queries to a Prometheus server, or to anything that speaks like one."""

    kind: Literal["prometheus"] = Field(description=_KIND)
    catch_up_s: float = Field(
        default=600.0,
        ge=0,
        le=24 * HOUR_S,
        description="Seconds of the past that are asked for after a gap. More loses less over a"
        " restart, and asks a heavier question.",
    )


class Metric(Section):
    """A series of an OpenMetrics endpoint."""

    metric: Text | None = Field(
        default=None,
        description="The name of the sample, with its suffix: `http_requests_total`. Without it,"
        " the name of the signal.",
    )
    labels: dict[str, str] = Field(
        default_factory=dict,
        description="Labels that it must have. Exactly one series may be left: more is no value.",
    )
    rate: bool = Field(
        default=False,
        description="Whether a counter is turned into a rate per second. A counter itself only"
        " rises, and no target can be set for it; a reset gives no value, never a wrong one.",
    )


class OpenMetricsSource(_Http):
    """An endpoint in the text format of Prometheus or OpenMetrics, scraped directly."""

    kind: Literal["openmetrics"] = Field(description=_KIND)
    signals: dict[SignalName, Annotated[Metric, BeforeValidator(nothing_is_defaults)]] = Field(
        min_length=1, description=_SIGNALS
    )


class SqlSource(_Rows):
    """A query that only reads."""

    kind: Literal["sql"] = Field(description=_KIND)
    database: Annotated[SecretStr, AfterValidator(_database)] = Field(
        description="The database that is asked; nothing is ever written to it. Keep a password"
        " out of the file: give all sources by DAEMON_SOURCES_FILE, or let the server know the"
        " user."
    )
    query: Where = Field(
        description="The statement. `:since` in it is the newest moment that was read, in"
        " `time_unit`, and spares the database what is known already; rows of a signal that are"
        " not newer than its newest are left out in any case."
    )
    time_field: Text | None = Field(
        default="ts",
        description="The column or field that holds the moment. Null takes the moment of the look"
        " instead.",
    )
    timeout_s: float = Field(default=5.0, gt=0, le=60, description=_TIMEOUT)


class CommandSource(_Named):
    """A program that prints values."""

    kind: Literal["command"] = Field(description=_KIND)
    argv: list[Where] = Field(
        min_length=1,
        description="The program and its arguments; no shell reads them. It gets the daemon's"
        " environment without the variables that begin with DAEMON_.",
    )
    timeout_s: float = Field(default=5.0, gt=0, le=60, description=_TIMEOUT)
    output: Literal["number", "json", "lines"] = Field(
        default="number",
        description="What it prints: one number, a JSON object, or lines of a name and a number."
        " A number serves one signal, the others many with one start.",
    )


AnySource = Annotated[
    CsvSource
    | JsonlSource
    | PushSource
    | PrometheusSource
    | OpenMetricsSource
    | SqlSource
    | CommandSource,
    Field(discriminator="kind"),
]


Sources = Annotated[dict[GivenName, AnySource], BeforeValidator(nothing_is_defaults)]


# ── what must fit together ───────────────────────────────────────────────────
def check_sources(sources: Mapping[str, AnySource], declared: Collection[str]) -> Iterator[Finding]:
    """Judge each source, and all together: one signal has one source."""
    provided: dict[str, str] = {}
    for source, section in sources.items():
        yield from _check_source(("sources", source), section)
        for signal in section.names():
            path = ("sources", source, "signals", signal)
            if signal in provided:
                reason = f"is provided by the source `{provided[signal]}` as well"
                yield Finding(path, reason, "one signal has one source: rename or remove one")
            elif declared and signal not in declared:
                reason = "is not in the list under `signals`"
                yield Finding(path, reason, did_you_mean(signal, declared))
            provided.setdefault(signal, source)
    for signal in declared if sources else ():
        if signal not in provided:
            reason = "no source provides it"
            hint = "list it under `signals` of its source, or remove it here"
            yield Finding(("signals", signal), reason, hint, warning=True)


def _check_source(path: KeyPath, section: AnySource) -> Iterator[Finding]:
    """Judge what of one section must fit together."""
    if isinstance(section, _Http) and section.token_file and section.token_variable:
        reason = "is given, and so is `token_file`: one token, two places"
        yield Finding((*path, "token_variable"), reason, "remove one of the two")
    if (
        isinstance(section, CommandSource)
        and section.output == "number"
        and len(section.names()) > 1
    ):
        reason = "is one number, but the source is to provide several signals"
        yield Finding((*path, "output"), reason, "write json or lines, or keep one signal")
    if isinstance(section, SqlSource) and ":since" in section.query:
        if section.time_field is None:
            reason = "asks for `:since`, but no row has a moment"
            yield Finding((*path, "query"), reason, "name the column that holds it: time_field")
        elif section.time_unit == "auto":
            reason = "asks for `:since`, but nobody says how moments are written there"
            hint = "set time_unit: with iso `:since` is text or a timestamp, else a number"
            yield Finding((*path, "query"), reason, hint)
