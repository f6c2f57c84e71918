"""How a study is judged and what it may take: folds, luck, stress, limits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from daemon.config.section import Section


class WalkForward(Section):
    """Which rows are searched, and which vouch for what was found."""

    kind: Literal["anchored", "rolling"] = Field(
        default="anchored",
        description="`anchored` trains on everything before the test rows, `rolling` on as many"
        " rows as the first fold has. The one learns from more; the other forgets, for markets"
        " that change.",
    )
    folds: int = Field(
        default=1,
        ge=1,
        le=100,
        description="How often it is searched and tested, each time further on. Each fold costs"
        " as many trials as the first; with more the result depends less on one stretch of time.",
    )
    test_share: float = Field(
        default=0.25,
        gt=0,
        lt=1,
        description="The share of all rows on which the choice of a fold is tested. Larger says"
        " more of it, and leaves less to search on.",
    )
    purge_rows: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="Rows left out at the end of every training, so that no trade that is open"
        " there reaches into the test: as many as a trade lasts. More leave less to search on.",
    )
    embargo_rows: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="Rows left out at the beginning of every test, for data that remember: what"
        " follows the training is still like it. More leave less to be tested on.",
    )


class RealityCheck(Section):
    """What luck alone would have brought."""

    resamples: int = Field(
        default=500,
        ge=0,
        le=100_000,
        description="How often the trades of all trials are drawn anew in blocks, to see what the"
        " best of as many trials without skill would bring. More say it finer and take longer;"
        " below 20 nothing can be declared, and 0 leaves it out.",
    )


class Stress(Section):
    """What the winner must stand."""

    costs_pct: float = Field(
        default=50.0,
        ge=0,
        le=1_000,
        description="Percent by which fees and slippage are raised. A winner that loses money then"
        " is not declared: it lived on costs that were assumed.",
    )
    shift_rows: int = Field(
        default=1,
        ge=0,
        le=10_000,
        description="Rows by which entries are late. A winner that loses money then needs to be"
        " faster than anybody is.",
    )


class LimitsOf(Section):
    """What the process may take."""

    memory_mb: int | None = Field(
        default=None,
        ge=256,
        le=4_000_000,
        description="Megabytes of memory that the process, and each of its workers, may take beyond"
        " what it holds when the study begins. What asks for more fails, instead of the governed"
        " system beside it; without it there is no limit.",
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=1_024,
        description="Processes that run backtests; without it `sweeps.workers` of the settings."
        " Fewer leave more of the machine to others. What is found does not depend on it.",
    )
    minutes: float | None = Field(
        default=None,
        gt=0,
        le=60 * 24 * 7,
        description="Minutes in all, as in `budget`. The smaller of the two holds: here stands what"
        " the machine can spare, there what the search is worth.",
    )


class RankBy(Section):
    """How many are shown."""

    max_results: int = Field(
        default=10,
        ge=1,
        le=1_000,
        description="How many of the best trials are shown. More show where the good ones lie,"
        " fewer are read.",
    )
