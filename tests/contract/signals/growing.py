"""A CSV file that grows, and the source that follows it."""

import json

from daemon.adapters.signals import Layout
from daemon.adapters.signals.tail.csv_tail import CsvTail
from daemon.clock import MICROS
from tests.contract.signals.kits import PLACES, PROFILE, T0, WallByHand

HEADER = "ts,alpha,b\n"
S0 = T0 // MICROS


class File:
    """A CSV file, and a source that follows it."""

    def __init__(self, folder, text=HEADER, **options):
        self.path = folder / "metrics.csv"
        self.count = 0
        if text is not None:
            self.path.write_text(text)
        self.options = options
        self.source = None
        self.start()

    def start(self, mark=None):
        """Begin, or begin again, where a mark says."""
        if self.source is not None:
            self.source.close()
        layout = Layout(places=PLACES)
        self.source = CsvTail(PROFILE, self.path, layout, WallByHand(), **self.options)
        self.source.resume(None if mark is None else json.loads(json.dumps(mark)))

    def append(self, lines=1, path=None, end="\n"):
        """Add lines; each value is the number of the line, counted over all files."""
        with (path or self.path).open("a") as file:
            for _ in range(lines):
                self.count += 1
                file.write(f"{S0 + self.count},{self.count},0{end}")

    def poll(self):
        """Give the numbers of the lines that are new, and the last answer."""
        numbers, unreadable = [], 0
        while True:
            polled = self.source.poll()
            numbers += [int(one.value) for one in polled.readings if one.signal == "a"]
            unreadable += polled.unreadable
            self.mark, self.example = polled.mark, polled.example
            if not polled.more:
                self.unreadable = unreadable
                return numbers
