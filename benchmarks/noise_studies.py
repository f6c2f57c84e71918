"""Measure the judge of studies: does it declare winners where there are none, and where there are?

    python benchmarks/noise_studies.py                   40 studies of each case
    python benchmarks/noise_studies.py --quick           5 of each
    python benchmarks/noise_studies.py --studies 100     more of them
    python benchmarks/noise_studies.py --trials 144      longer searches
    python benchmarks/noise_studies.py --only power      one of the tables
    python benchmarks/noise_studies.py --first-seed 500  on other quotes

Every study searches new quotes, with the samplers as they are and judged as all studies
are; only the store is left out. On noise nobody can gain, whatever is chosen; at most one
study in twenty may declare a winner. With an edge of known size, most should, once it is
large enough to be seen in so many rows.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from measure import Goal, Table, report, say
from noise_markets import FEE_BPS, NOISE, Episodes

from daemon.adapters.samplers import make
from daemon.market.params import Combinations
from daemon.market.staircase import sweep
from daemon.ports import Told
from daemon.search.studies.domain import Domain, Point, Real, Whole
from daemon.search.studies.folds import Fold, Scheme, folds
from daemon.search.studies.novelty import Novelty
from daemon.search.studies.objective import Aim
from daemon.services.studying.evidence import Evidence, FoldEvidence, Judged, SymbolData
from daemon.services.studying.judging import judge_study
from daemon.services.studying.layout import sliced
from daemon.services.studying.measuring import drawn
from daemon.services.studying.wanted import Budget, Dataset, SamplerSpec, StudyWanted
from daemon.services.sweeping.keys import some

if TYPE_CHECKING:
    from noise_markets import Kind

    from daemon.market.quotes import Quotes

SECTIONS = ("noise", "power")
SAMPLERS = ("random", "tpe")
SCHEMES = {"walk-forward": Scheme(folds=2, test_share=0.2, purge_rows=20), "all rows": None}

ROWS, TRIALS, BATCH = 4_000, 48, 12
EDGES_BPS = (1.0, 2.0, 4.0, 6.0, 9.0, 13.0)
LARGE_BPS = 9.0
"""From here on an edge should be found in most studies."""

DOMAIN = Domain(
    (
        Real("min_spread_bps", 0, 40),
        Whole("max_open_trades", 1, 5),
    )
)
FIXED = {
    "taker_fee_a_bps": FEE_BPS,
    "taker_fee_b_bps": FEE_BPS,
    "slippage_bps": 0.0,
    "max_position_usd": 1_000.0,
    "exit_model": "quoted",
}


@dataclass(frozen=True)
class Wish:
    """What was asked for on the command line."""

    only: tuple[str, ...]
    studies: int
    trials: int
    first_seed: int
    workers: int
    json: Path | None
    strict: bool


def parse(arguments: list[str]) -> Wish:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=SECTIONS, action="append", help="one of the tables")
    parser.add_argument("--quick", action="store_true", help="five studies of each case")
    parser.add_argument("--studies", type=int, default=40, help="studies of each case")
    parser.add_argument("--trials", type=int, default=TRIALS, help="trials of each fold")
    parser.add_argument("--first-seed", type=int, default=0, help="other quotes than those of 0")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables to a file, too")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal is missed")
    found = vars(parser.parse_args(arguments))
    if found.pop("quick"):
        found["studies"] = 5
    return Wish(only=tuple(found.pop("only") or SECTIONS), **found)


# ── a study without a store ──────────────────────────────────────────────────
@dataclass(frozen=True)
class Case:
    """A kind of market, a sampler, and whether rows are held back."""

    market: str
    sampler: str
    scheme: str
    edge_bps: float = 0.0
    trials: int = TRIALS

    def kind(self) -> Kind:
        """Give what draws the quotes."""
        return Episodes(edge_bps=self.edge_bps) if self.edge_bps else NOISE[self.market]


def study(case: Case, seed: int) -> Judged:
    """Search new quotes and judge what was found."""
    quotes = case.kind()(np.random.default_rng([seed, 7]), ROWS)
    wanted = StudyWanted(
        name=case.market,
        domain=DOMAIN,
        fixed=FIXED,
        data=(Dataset(symbol="x", path=Path("x.csv")),),
        sampler=SamplerSpec(kind=case.sampler),
        aim=Aim(),
        budget=Budget(trials=case.trials),
        batch=BATCH,
        seed=seed,
        scheme=SCHEMES[case.scheme],
    )
    parted = folds(ROWS, wanted.scheme)
    found = tuple(_fold(wanted, quotes, fold, len(parted)) for fold in parted)
    evidence = Evidence(
        study_id=1,
        name=wanted.name,
        wanted=wanted,
        data=(SymbolData(symbol="x", weight=1.0, quotes=quotes, digest=""),),
        folds=found,
        elsewhere=0,
        tried=sum(len(one.points) for one in found),
        go_on=lambda: None,
    )
    return judge_study(None, evidence)


def _fold(wanted: StudyWanted, quotes: Quotes, fold: Fold, count: int) -> FoldEvidence:
    """Search the training rows of a fold."""
    train, aim = sliced(quotes, fold.train), wanted.aim
    seed = wanted.seed * 100 + fold.number
    sampler = make(wanted.sampler.kind, DOMAIN, ["maximize"], seed, {})
    novelty = Novelty(DOMAIN, seed)
    points: list[Point] = []
    for batch in range((wanted.budget.trials or 0) // BATCH):
        fresh = novelty.fresh(sampler.ask(BATCH, batch), batch, BATCH)
        columns = sweep(train, drawn(wanted, fresh).combinations).columns
        values, violation = aim.values(columns).tolist(), aim.violation(columns).tolist()
        sampler.tell(
            [
                Told(point=point, values=tuple(value), violation=broken, batch=batch)
                for point, value, broken in zip(fresh, values, violation, strict=True)
            ]
        )
        points += fresh
    return _evidence(wanted, quotes, fold, points, count)


def _evidence(
    wanted: StudyWanted, quotes: Quotes, fold: Fold, points: list[Point], count: int
) -> FoldEvidence:
    trials: Combinations = some(drawn(wanted, points).combinations, slice(None))
    inside = sweep(sliced(quotes, fold.train), trials).columns
    outside = sweep(sliced(quotes, fold.test), trials).columns if len(fold.test) else None
    values, violation = wanted.aim.values(inside), wanted.aim.violation(inside)
    return FoldEvidence(
        number=fold.number,
        train={"x": fold.train},
        test={"x": fold.test},
        numbers=np.arange(len(points)) * count + fold.number,
        points=points,
        params=trials,
        values=values,
        violation=violation,
        train_columns=inside,
        test_columns=outside,
        by_symbol={"x": (inside, outside)},
        chosen=wanted.aim.order(values, violation).best,
        tried=len(points),
        ended="budget",
    )


# ── many of them ─────────────────────────────────────────────────────────────
@dataclass
class Tally:
    """What became of the studies of a case."""

    studies: int = 0
    declared: int = 0
    gates: Counter[str] = field(default_factory=Counter)
    """How often each gate held,"""
    decided: Counter[str] = field(default_factory=Counter)
    """and how often it was the only one that did not."""
    naive: int = 0
    """Winners that a plain test of their mean gain calls significant at 5 %."""
    oos_pairs: list[float] = field(default_factory=list)
    """Rank correlations in and out of sample."""

    def add(self, found: Judged) -> None:
        """Count one."""
        self.studies += 1
        gates = found.report["judgement"]["gates"]
        blind = {"out_of_sample"} if found.report["out_of_sample"] is None else set()
        self.declared += all(gate["held"] for gate in gates if gate["name"] not in blind)
        self.gates.update(gate["name"] for gate in gates if gate["held"])
        failed = [gate["name"] for gate in gates if not gate["held"]]
        self.decided.update(failed if len(failed) == 1 else [])
        reality = (found.report.get("luck") or {}).get("reality_check")
        self.naive += bool(reality and reality["p_alone"] <= 0.05)
        for fold in found.report["folds"]:
            if fold["rank_correlation"] is not None:
                self.oos_pairs.append(fold["rank_correlation"])

    def held(self, gate: str) -> str:
        """Say in what share of studies a gate held."""
        return f"{self.gates[gate] / max(self.studies, 1):.0%}"


def _one(job: tuple[Case, int]) -> tuple[Case, Judged]:
    return job[0], study(*job)


def tallied(cases: list[Case], wish: Wish) -> dict[Case, Tally]:
    """Run all studies of all cases, in turn."""
    jobs = [
        (case, 1_000 * number + wish.first_seed + turn)
        for turn in range(wish.studies)
        for number, case in enumerate(cases)
    ]
    found = {case: Tally() for case in cases}
    with ProcessPoolExecutor(wish.workers) as pool:
        for count, (case, judged) in enumerate(pool.map(_one, jobs, chunksize=4), 1):
            found[case].add(judged)
            if not count % 100:
                declared = sum(tally.declared for tally in found.values())
                say(f"{count} of {len(jobs)} studies, {declared} declared")
    return found


def wilson(hits: int, count: int, sure: float = 1.96) -> tuple[float, float]:
    """Give the interval that holds the true share in 95 of 100 cases."""
    share = hits / count
    middle = (share + sure**2 / (2 * count)) / (1 + sure**2 / count)
    half = sure * math.sqrt(share * (1 - share) / count + sure**2 / (4 * count**2))
    half /= 1 + sure**2 / count
    return max(0.0, middle - half), min(1.0, middle + half)


def _shown(hits: int, count: int) -> str:
    low, high = wilson(hits, count)
    return f"{low:.1%} to {high:.1%}"


# ── the tables ───────────────────────────────────────────────────────────────
def measure_noise(wish: Wish) -> Table:
    """Judge studies of quotes on which nobody can gain."""
    table = Table(
        "Winners declared where there is nothing to be found",
        (
            *("quotes", "sampler", "rows held back", "studies", "plain test", "reality check"),
            *("deflated", "overfitting", "declared", "95 % interval", "share declared"),
        ),
        notes=(
            "plain test: winners that are significant at 5 % for who forgets the search;",
            "reality check, deflated, overfitting: how often that gate held, whatever others did;",
            "all rows: nothing is declared there; counted is who passes every other gate.",
        ),
    )
    cases = [Case(*one, trials=wish.trials) for one in product(NOISE, SAMPLERS, SCHEMES)]
    found = tallied(cases, wish)
    for case, tally in found.items():
        _add(table, (case.market, case.sampler, case.scheme), tally)
    for name in NOISE:
        _add(table, (name, "both", "both"), _sum(found, market=name), goal=True)
    for sampler, scheme in product(SAMPLERS, SCHEMES):
        _add(
            table, ("all", sampler, scheme), _sum(found, sampler=sampler, scheme=scheme), goal=True
        )
    _add(table, ("all", "both", "both"), _sum(found), goal=True)
    return table


def _sum(found: dict[Case, Tally], **which: str) -> Tally:
    total = Tally()
    for case, tally in found.items():
        if all(getattr(case, name) == value for name, value in which.items()):
            total.studies += tally.studies
            total.declared += tally.declared
            total.naive += tally.naive
            total.gates += tally.gates
            total.decided += tally.decided
    return total


def _add(table: Table, names: tuple[str, ...], tally: Tally, *, goal: bool = False) -> None:
    table.add(
        *names,
        tally.studies,
        f"{tally.naive / tally.studies:.0%}",
        *(tally.held(gate) for gate in ("reality_check", "deflated_sharpe", "overfitting")),
        tally.declared,
        _shown(tally.declared, tally.studies),
        figure=tally.declared / tally.studies,
        goal=Goal(0.05, at_least=False) if goal else None,
    )


def measure_power(wish: Wish) -> Table:
    """Judge studies of quotes with an edge."""
    table = Table(
        "Winners declared where a trade brings so much on average, after all costs",
        (
            *("edge, bps a trade", "Sharpe ratio a trade", "trades", "sampler", "rows held back"),
            *("studies", "reality check", "deflated", "overfitting", "stress", "plateau"),
            *("declared", "95 % interval", "share declared"),
        ),
        notes=(
            f"Over {ROWS} rows; the ratio and the trades are those of one open trade at a time",
            "that takes every gap. stress: higher costs, late fills. all rows: nothing is declared",
            "there; counted is who passes every other gate.",
        ),
    )
    cases = [
        Case("edge", *one, trials=wish.trials) for one in product(SAMPLERS, SCHEMES, EDGES_BPS)
    ]
    for case, tally in tallied(cases, wish).items():
        ratio, trades = plain_ratio(case.edge_bps)
        table.add(
            case.edge_bps,
            f"{ratio:.2f}",
            round(trades),
            case.sampler,
            case.scheme,
            tally.studies,
            *(tally.held(gate) for gate in ("reality_check", "deflated_sharpe", "overfitting")),
            f"{tally.held('stress_costs')}, {tally.held('stress_shift')}",
            tally.held("plateau"),
            tally.declared,
            _shown(tally.declared, tally.studies),
            figure=tally.declared / tally.studies,
            goal=Goal(0.5, at_least=True) if case.edge_bps >= LARGE_BPS else None,
        )
    return table


def plain_ratio(edge_bps: float, turns: int = 10) -> tuple[float, float]:
    """Give the Sharpe ratio a trade of who takes every gap, and how many trades there are."""
    taken = Combinations.from_columns(
        1,
        min_spread_bps=0.0,
        taker_fee_a_bps=FEE_BPS,
        taker_fee_b_bps=FEE_BPS,
        slippage_bps=0.0,
        max_position_usd=1_000.0,
        quoted=True,
    )
    found = [
        sweep(Episodes(edge_bps=edge_bps)(np.random.default_rng([turn, 11]), ROWS), taken).columns
        for turn in range(turns)
    ]
    ratios, trades = (
        np.mean([one[name][0] for one in found]) for name in ("sharpe_per_trade", "closed_trades")
    )
    return float(ratios), float(trades)


def main(arguments: list[str]) -> int:
    """Measure, print, and say whether every goal is met."""
    wish = parse(arguments)
    measure = {"noise": measure_noise, "power": measure_power}
    met = report((measure[name](wish) for name in wish.only), wish.json)
    return 1 if wish.strict and not met else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
