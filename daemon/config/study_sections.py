"""``configs/studies/*.yaml``: which parameters to search, on which quotes, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from daemon.config.names import GivenName
from daemon.config.problems import did_you_mean, refuse
from daemon.config.retrain_section import Retrain, none_is_off
from daemon.config.section import Section, nothing_is_defaults
from daemon.config.session_sections import ParameterName, Parameters, QuotesPath
from daemon.config.study_axes import Space
from daemon.config.study_judging import LimitsOf, RankBy, RealityCheck, Stress, WalkForward
from daemon.config.study_words import (
    METRICS,
    none_is_nothing,
    nothing_is_empty,
    word_is_kind,
    word_is_metric,
)

SamplerWord = Literal["grid", "random", "qmc", "tpe", "gp", "cmaes", "nsga2"]
Direction = Literal["maximize", "minimize"]

NAME_LENGTH_MAX = 200
_LAST = "last"


def _metric(text: str) -> str:
    if text not in METRICS:
        raise refuse("is no metric of a backtest", did_you_mean(text, METRICS) or "")
    return text


def _study(text: str) -> str:
    if text != text.strip() or not text.isprintable() or text.isdecimal() or text == _LAST:
        raise refuse(
            "is not a name for a study",
            "characters that can be seen, not only digits and not `last`: by those a study is"
            " named by its number or its age",
        )
    return text


MetricName = Annotated[
    str, AfterValidator(_metric), Field(json_schema_extra={"enum": list(METRICS)})
]
StudyName = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH_MAX), AfterValidator(_study)]


# ── data ─────────────────────────────────────────────────────────────────────
class DataFile(Section):
    """The quotes of one of several symbols."""

    symbol: GivenName = Field(description="What it is called in rankings.")
    file: QuotesPath = Field(description="Its quotes, as for `data_file`.")
    weight: float = Field(
        default=1.0,
        gt=0,
        le=1_000_000,
        description="What it counts beside the others: sums of several symbols are weighted sums,"
        " ratios and shares weighted averages. What is higher, decides more.",
    )


# ── how it is searched ───────────────────────────────────────────────────────
class SamplerBy(Section):
    """Who proposes what is tried next."""

    kind: SamplerWord = Field(
        description="`grid` tries each point once, spread over all from the start. `random` and"
        " `qmc` learn nothing and miss nothing; qmc covers the space more evenly. `tpe` learns"
        " where it was good and takes every kind of space; `gp` learns"
        " more from few trials, and each takes it longer; `cmaes` walks downhill among numbers;"
        " `nsga2` is for several objectives. What they cost and find stands in the explanation of"
        " studies."
    )
    startup: int | None = Field(
        default=None,
        description="Trials that are drawn evenly before `tpe` or `gp` begin to learn; without it"
        " each knows itself. More miss less, and leave less of the budget to what was learnt.",
    )
    points_max: int | None = Field(
        default=None,
        description="Trials that `gp` learns from, 300 where nothing is said. Twice as many take"
        " eight times as long.",
    )
    population: int | None = Field(
        default=None,
        description="Points of a generation of `cmaes` and `nsga2`; without it each knows itself."
        " More are surer, and learn later.",
    )
    sigma: float | None = Field(
        default=None,
        description="How wide `cmaes` looks at first, as a share of an axis; 0.25 where nothing is"
        " said. Wider misses less and takes longer.",
    )


Sampler = Annotated[
    SamplerBy, BeforeValidator(word_is_kind, json_schema_input_type=SamplerBy | SamplerWord)
]


class ObjectiveOf(Section):
    """What is to be made large, or small."""

    metric: MetricName = Field(
        description="The metric of the backtest. Money in all rewards those that trade often, a"
        " ratio those that trade well, if they trade at all."
    )
    direction: Direction = Field(
        default="maximize",
        description="`maximize`, or `minimize` for what should be small. The wrong one finds the"
        " worst.",
    )


Objective = Annotated[
    ObjectiveOf, BeforeValidator(word_is_metric, json_schema_input_type=ObjectiveOf | MetricName)
]


class Bounds(Section):
    """Between what a metric must lie."""

    min: float | None = Field(
        default=None,
        description="It must be at least this. The stricter, the fewer are left to choose from.",
    )
    max: float | None = Field(
        default=None,
        description="It must be at most this. The stricter, the fewer are left to choose from.",
    )


class Budget(Section):
    """How much is tried."""

    trials: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Trials of each fold; 200 where neither this nor `minutes` is given. More find"
        " better values, and the best of more is luck more often: the statistics hold that"
        " against it.",
    )
    minutes: float | None = Field(
        default=None,
        gt=0,
        le=60 * 24 * 7,
        description="Minutes in all, over every run that continues it. What was tried by then is"
        " judged. A study that ends by the clock tries more on a faster machine, so two of them"
        " need not find the same.",
    )


class Pruning(Section):
    """What is given up early."""

    share: float = Field(
        default=0.25,
        gt=0,
        lt=1,
        description="The share of the training rows, from their beginning, on which a batch is"
        " tried first. Smaller saves more and misjudges more.",
    )
    keep: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="The share of a batch that goes on to all rows. Smaller saves more, and gives"
        " up what begins slowly.",
    )


class Fixed(Parameters):
    """Parameters that are the same in all trials."""


class StudyFile(Section):
    """Which parameters to search, on which quotes, how, and for how long."""

    name: StudyName | None = Field(
        default=None,
        description="What the study is called; without it, as its file. The same study on the same"
        " data is continued, another name begins anew.",
    )
    data_file: QuotesPath | None = Field(
        default=None,
        description="The quotes: CSV, plain or gzip, or Parquet. A relative path counts from the"
        " current directory. This key, or `data_files`.",
    )
    data_files: Annotated[list[DataFile], BeforeValidator(nothing_is_empty)] = Field(
        default_factory=list,
        max_length=100,
        description="The quotes of several symbols. Every trial is run on each of them, and what"
        " wins has to be good on all together; so it is luck less often, and takes as much longer.",
    )
    skip_bad_rows: bool = Field(
        default=False,
        description="Whether rows of the data that do not parse are counted and left out. If not,"
        " the first of them ends the study: nothing is missing from what was tested.",
    )
    fixed: Annotated[Fixed, BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=Fixed,
        description="Parameters that are the same in all trials. Every parameter that is needed"
        " stands here or in `space`, never in both.",
    )
    space: Space = Field(
        description="What is searched, by parameter. Every axis that matters is worth its trials;"
        " one that does not spends them."
    )
    sampler: Sampler = Field(
        default=SamplerBy(kind="tpe"),
        description="Who proposes what is tried next: a word, or a mapping with `kind`.",
    )
    objective: Objective | None = Field(
        default=None,
        description="What is searched for: a metric, which is maximised, or a mapping that says"
        " `direction: minimize`. `realized_pnl_usd` where neither this nor `objectives` is given.",
    )
    objectives: Annotated[list[Objective], BeforeValidator(nothing_is_empty)] = Field(
        default_factory=list,
        max_length=4,
        description="Several at once: what is found is the front of those that none beats in all."
        " Of more than two nearly everything lies on the front.",
    )
    constraints: Annotated[dict[MetricName, Bounds], BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=dict,
        description="What a trial must hold to be any good: bounds by metric. Those that break one"
        " rank behind all others, by how far; they are still learnt from.",
    )
    budget: Annotated[Budget, BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=Budget, description="How much is tried. A larger one continues the study."
    )
    batch: int = Field(
        default=16,
        ge=1,
        le=4_096,
        description="Proposals that share one pass over the data. More are faster each; fewer"
        " learn sooner. It is fixed, so that a study finds the same wherever it runs.",
    )
    pruning: Pruning | None = Field(
        default=None,
        description="Try every batch on a share of the rows first, and go on with the better part."
        " Without it nothing is given up early.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**32 - 1,
        description="The same seed, file and data find the same, trial for trial. Another one says"
        " how much of it hung on chance.",
    )
    walk_forward: Annotated[
        WalkForward | None,
        BeforeValidator(
            none_is_nothing, json_schema_input_type=WalkForward | Literal["none"] | None
        ),
    ] = Field(
        default=WalkForward(),
        description="Which rows are searched, and which vouch for what was found. `none` searches"
        " all rows: nothing is left that nobody has seen, and the other gates must do.",
    )
    reality_check: Annotated[RealityCheck, BeforeValidator(nothing_is_defaults)] = Field(
        default=RealityCheck(), description="What luck alone would have brought."
    )
    stress: Annotated[Stress, BeforeValidator(nothing_is_defaults)] = Field(
        default=Stress(), description="What the winner must stand to be declared."
    )
    limits: Annotated[LimitsOf, BeforeValidator(nothing_is_defaults)] = Field(
        default=LimitsOf(), description="What the process may take."
    )
    retrain: Annotated[
        Retrain | None,
        BeforeValidator(none_is_off, json_schema_input_type=Retrain | Literal["none"] | None),
    ] = Field(
        default=Retrain(),
        description="When `daemon optimize FILE --if-due` runs it again; `none` for once and never"
        " again.",
    )
    rank: Annotated[RankBy, BeforeValidator(nothing_is_defaults)] = Field(
        default=RankBy(), description="How many are shown."
    )
    promote: Annotated[list[ParameterName], BeforeValidator(nothing_is_empty)] = Field(
        default_factory=list,
        description="Parameters that are rules of the policy as well: a winner that is declared is"
        " proposed for each, a step towards it. A proposal is tried, judged and taken back like"
        " any other; without the key the loop never hears of the study.",
    )
