"""A process that runs a study with real workers and real samplers, for tests that kill it.

python -m tests.studying_child URL SAMPLER TRIALS
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from daemon.adapters import samplers
from daemon.adapters.executors import backtested
from daemon.adapters.executors.local.pool import LocalExecutor
from daemon.clock import SystemClock
from daemon.services.studying.wanted import Budget, Pruning, SamplerSpec, StudyTools, StudyWanted
from daemon.services.sweeping.runners import this_process
from daemon.store.store import Store
from tests.studying_kit import run, tools, wanted

if TYPE_CHECKING:
    from daemon.ports import Sampler
    from daemon.search.studies.domain import Domain
    from daemon.search.studies.objective import Aim

BATCH_S = 0.02


def unhurried(quotes, combinations):
    """Backtest, and take a moment for it: there should be something to be killed in."""
    time.sleep(BATCH_S)
    return backtested(quotes, combinations)


def made(spec: SamplerSpec, domain: Domain, aim: Aim, seed: int) -> Sampler:
    """Make the sampler that is asked for."""
    return samplers.make(spec.kind, domain, aim.directions, seed, spec.options)


def asked(sampler: str, trials: int) -> StudyWanted:
    """A study with everything that could be interrupted."""
    return wanted(
        sampler=SamplerSpec(kind=sampler),
        budget=Budget(trials=trials),
        pruning=Pruning(share=0.5, keep=0.75),
    )


def real(store: Store) -> StudyTools:
    """Tools with a clock, workers and samplers as they are outside of tests."""
    return tools(
        store,
        lambda: LocalExecutor(2, work=unhurried),
        clock=SystemClock(),
        runner=this_process(),
        sampler=made,
    )


def main(url: str, sampler: str, trials: int) -> int:
    with Store.open(url) as store:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        outcome = run(real(store), asked(sampler, trials))
    sys.stdout.write(json.dumps({"evaluated": outcome.evaluated, "said": outcome.said}) + "\n")
    return int(outcome.exit_code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
