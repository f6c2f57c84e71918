"""A process that runs a session, for tests that kill it.

python -m tests.sweeping_child URL THRESHOLDS ROWS_MAX
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field

from daemon.adapters.executors import backtested
from daemon.adapters.executors.local.pool import LocalExecutor
from daemon.clock import SystemClock
from daemon.services.sweeping.runners import this_process
from daemon.store.store import Store
from tests.sweeping_kit import run, small, tools, wanted

BATCH_S = 0.02


def unhurried(quotes, combinations):
    """Backtest, and take a moment for it: there should be something to be killed in."""
    time.sleep(BATCH_S)
    return backtested(quotes, combinations)


@dataclass
class Counting:
    """The local executor, and how many jobs it was given."""

    inner: LocalExecutor = field(default_factory=lambda: LocalExecutor(2, work=unhurried))
    submitted: int = 0

    @property
    def slots(self):
        return self.inner.slots

    def submit(self, batch, timeout_s):
        self.submitted += len(batch.combinations)
        self.inner.submit(batch, timeout_s)

    def collect(self, timeout_s):
        return self.inner.collect(timeout_s)

    def cancel(self):
        self.inner.cancel()

    def close(self):
        self.inner.close()


def main(url: str, count: int, rows_max: int) -> int:
    executor = Counting()
    with Store.open(url) as store:
        make, runner = (lambda: executor), this_process()
        used = tools(store, make, clock=SystemClock(), runner=runner)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        outcome = run(used, wanted(small(count=count)), rows_max=rows_max)
    told = {"submitted": executor.submitted, "evaluated": outcome.evaluated, "said": outcome.said}
    sys.stdout.write(json.dumps(told) + "\n")
    return int(outcome.exit_code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
