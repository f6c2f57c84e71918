"""``configs/sessions/*.yaml``: which parameters to try on which quotes.

A number keeps the form in which it was written: 20 stays 20 in every job, since
people compare what they get with what they wrote.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticKnownError

from daemon.config.problems import did_you_mean, refuse
from daemon.config.section import Section, nothing_is_defaults
from daemon.config.yaml_safe import Limits
from daemon.search.names import ORDER

READ_LIMITS = Limits(size_bytes=2 * 1024 * 1024, nodes=100_000)
"""A grid may be written by a program, with tens of thousands of values; read in two seconds."""
PREFIX_LENGTH_MAX = 200
"""A file is named after a job, and no file system takes names of more than 255 bytes."""

_PREFIX_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_PATH_LENGTH_MAX = 4_000
_PLACES = ("", ".", "..")


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticKnownError("float_type")
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticKnownError("finite_number")
    return value


def _grid_value(value: Any) -> int | float | str:
    return value if isinstance(value, str) else _number(value)


def _prefix(text: str) -> str:
    if text in _PLACES or len(text) > PREFIX_LENGTH_MAX or not _PREFIX_LETTERS.issuperset(text):
        raise refuse(
            "cannot begin the names of jobs and files",
            f"1 to {PREFIX_LENGTH_MAX} of the characters a-z A-Z 0-9 . _ -, and not `.` or `..`;"
            " without the key the jobs are called job_0001 and so on",
        )
    return text


def _path(text: str) -> str:
    if "://" in text:
        raise refuse("is a URL, not the path of a file", "name a file: data/quotes.csv")
    if not text.strip() or len(text) > _PATH_LENGTH_MAX or not text.isprintable():
        raise refuse("is no path of a file", "name a file: data/quotes.csv")
    return text


def _session(text: str) -> str:
    if text != text.strip() or not text.isprintable() or text.isdecimal():
        raise refuse(
            "is not a name for a session",
            "characters that can be seen, not only digits: those would be taken for its number",
        )
    return text


def _parameter(text: str) -> str:
    if text not in ORDER:
        raise refuse("is not a parameter", did_you_mean(text, ORDER) or "")
    return text


Number = Annotated[int | float, PlainValidator(_number), WithJsonSchema({"type": "number"})]
GridValue = Annotated[
    int | float | str,
    PlainValidator(_grid_value),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]
ExitWord = Literal["convergence", "quoted"]
QuotesPath = Annotated[str, AfterValidator(_path)]
ParameterName = Annotated[
    str, AfterValidator(_parameter), Field(json_schema_extra={"enum": list(ORDER)})
]
TagPrefix = Annotated[
    str,
    AfterValidator(_prefix),
    Field(json_schema_extra={"pattern": rf"^[A-Za-z0-9._-]{{1,{PREFIX_LENGTH_MAX}}}$"}),
]
SessionName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_session)]


class Parameters(Section):
    """What is the same in all jobs, unless a grid names it."""

    min_spread_bps: Number | None = Field(
        default=None,
        description="The spread, in basis points (30 is 0.3 %) and beyond the costs, from which a"
        " trade is opened. Higher trades less often and gains more each time.",
    )
    taker_fee_a_bps: Number | None = Field(
        default=None,
        description="The fee of venue A, in basis points of what is traded: 5 is 0.05 %. Too low"
        " finds profits that are none.",
    )
    taker_fee_b_bps: Number | None = Field(
        default=None,
        description="The fee of venue B, in basis points of what is traded: 5 is 0.05 %. Too low"
        " finds profits that are none.",
    )
    slippage_bps: Number | None = Field(
        default=None,
        description="What a trade is expected to lose against the quoted price, in basis points."
        " It is an assumption, not a choice: lower always looks better.",
    )
    max_position_usd: Number | None = Field(
        default=None,
        description="The size of one trade in dollars. Larger gains and loses more in proportion;"
        " the quotes do not say how much of it could have been traded.",
    )
    stop_on_drawdown_pct: Number | None = Field(
        default=None,
        description="The drawdown, in percent (20 is a fifth), at which a run ends. Lower ends bad"
        " runs sooner and some good ones too; without it none is ended. Under"
        " `exit_model: convergence` no trade loses, and it never acts.",
    )
    exchange_a_to_b_rate: Number | None = Field(
        default=None,
        description="What B's prices are multiplied by: the worth of B's currency in A's; 1 where"
        " nothing is said. With a wrong one every spread is nonsense.",
    )
    exit_model: ExitWord | None = Field(
        default=None,
        description="At what prices a trade is closed. `quoted` takes those at which it could have"
        " been closed, and pays costs on the way out too: trades can lose. `convergence`, which"
        " holds where nothing is said, closes where the venues agree, free of costs: a trade"
        " cannot lose, as in results that were made before.",
    )
    max_open_trades: int | None = Field(
        default=None,
        description="How many trades may be open at once; 1 where nothing is said. More take part"
        " in one movement several times, and risk as much more.",
    )
    initial_balance_usd: Number | None = Field(
        default=None,
        description="What there is at the start, in dollars; 10000.0 where nothing is said. Only"
        " drawdowns in percent depend on it: a larger one makes them smaller.",
    )


class Grid(Section):
    """One parameter and the values that are tried."""

    name: ParameterName = Field(
        description="The parameter. It overrules a value that is given for all jobs."
    )
    values: list[GridValue] = Field(
        min_length=1,
        description="The values, in the order in which they are tried. Every one multiplies the"
        " jobs; one that stands there twice is tried once.",
    )


class RankBy(Section):
    """Which results a ranking leaves out, and how many it shows."""

    max_drawdown_pct: float | None = Field(
        default=None,
        ge=0,
        description="Results with a larger drawdown, in percent, are left out. Lower keeps what"
        " loses little on the way; without it none is left out for that.",
    )
    min_trades: int | None = Field(
        default=None,
        ge=0,
        description="Results with fewer trades are left out. Higher leaves less to chance; without"
        " it the best may be one lucky trade.",
    )
    max_results: int = Field(
        default=10,
        ge=1,
        le=1_000,
        description="How many of the best are shown. More show where the good ones lie, fewer are"
        " read.",
    )


def _nothing_is_none(value: Any) -> Any:
    return [] if value is None else value


class SessionFile(Parameters):
    """Which parameters to try on which quotes."""

    data_file: QuotesPath = Field(
        description="The quotes: CSV, plain or gzip, or Parquet. A relative path counts from the"
        " current directory."
    )
    name: SessionName | None = Field(
        default=None,
        description="What the session is called; without it, as its file. A session of the same"
        " name, plan and data is continued, one of another name begins anew.",
    )
    fixed: Annotated[Parameters, BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=Parameters,
        description="The same parameters in a section of their own. What stands here wins over the"
        " top level.",
    )
    grids: Annotated[list[Grid], BeforeValidator(_nothing_is_none)] = Field(
        default_factory=list,
        description="What is tried out, each `- {name: …, values: […]}`, the last turning fastest."
        " Every grid multiplies the jobs by its length, and the chance that the best of them is"
        " luck grows with them.",
    )
    max_jobs: int | None = Field(
        default=None,
        ge=1,
        description="How many of the jobs are run: the first ones, in order. Fewer are done sooner"
        " and leave out the last values of the first grids.",
    )
    tag_prefix: TagPrefix | None = Field(
        default=None,
        description="What the names of jobs and their files begin with. Without it they begin with"
        " `job`, and two sessions that write files write over each other's.",
    )
    skip_bad_rows: bool = Field(
        default=False,
        description="Whether rows of the data that do not parse are counted and left out. If not,"
        " the first of them ends the session: nothing is missing from what was tested.",
    )
    job_timeout_s: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="Seconds after which a job counts as failed. Longer waits for large files,"
        " shorter finds out sooner that something hangs.",
    )
    rank: Annotated[RankBy, BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=RankBy, description="Which results a ranking leaves out."
    )
    promote: Annotated[list[ParameterName], BeforeValidator(_nothing_is_none)] = Field(
        default_factory=list,
        description="Parameters that are rules of the policy as well: when the session is done, the"
        " value of the robust winner is proposed for each. A proposal is tried, judged and taken"
        " back like any other; without the key the loop never hears of the session.",
    )
