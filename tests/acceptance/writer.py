"""A process that writes history and samples, one commit after the other, and says so.

    python writer.py URL NAME COUNT

Prints the number of each commit once it is durable. Goes on where the database
says that this writer stopped, as a daemon does that was killed.
"""

import sys

from sqlalchemy import func, select

from daemon.clock import MICROS
from daemon.store import history, samples
from daemon.store.engine import Options
from daemon.store.store import Store
from daemon.store.tables import events

T0 = 1_800_000_000 * MICROS
SAMPLES_PER_COMMIT = 5


def main(url: str, name: str, count: int) -> None:
    with Store.open(url, Options(busy_timeout_s=60)) as store:
        with store.read() as view:
            query = select(func.count()).select_from(events).where(events.c.ref == name)
            done = view.execute(query).scalar_one()
        for number in range(done + 1, count + 1):
            first_us = T0 + number * MICROS
            rows = [(name, first_us + n, float(number)) for n in range(SAMPLES_PER_COMMIT)]
            with store.write() as tx:
                history.append(tx, history.Event(at_us=first_us, kind="tick", ref=name))
                samples.ingest(tx, rows, first_us + MICROS)
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
