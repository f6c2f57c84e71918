"""Quotes that are kept for the next one: whole sets or none, and no more than there is room for."""

import gzip
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from daemon.adapters.quotes.files import QuoteFiles
from daemon.adapters.quotes.files.cache import GRACE_S, LEFT_OVER_S, Cache
from daemon.errors import InputError

HEADER = "timestamp,best_bid_a,best_ask_a,best_bid_b,best_ask_b\n"
ROWS = "2023-03-01T00:00:00Z,1.5,2,3.25,4\n2023-03-01T00:01:00Z,10.5,20,30.25,40\n"
FIRST = [[1.5, 10.5], [2, 20], [3.25, 30.25], [4, 40]]
TIMES = [1_677_628_800_000_000, 1_677_628_860_000_000]
BAD = HEADER + ROWS + "x,1,2,3,4\n2023-03-01T00:03:00Z,1,,3,4\nshort\n"


@pytest.fixture
def file(tmp_path):
    """Write a file of quotes."""

    def write(text, name="quotes.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def prices(quotes):
    return [column.tolist() for column in quotes.prices]


# ── reading twice ────────────────────────────────────────────────────────────
def test_a_file_is_parsed_once(file, tmp_path):
    files, path = QuoteFiles(tmp_path / "cache"), file(HEADER + ROWS)
    first, second = files.load(path), QuoteFiles(tmp_path / "cache").load(path)
    assert (first.cached, second.cached) == (False, True)
    for loaded in (first, second):
        assert prices(loaded.quotes) == FIRST
        assert loaded.quotes.at_us.tolist() == TIMES
        assert loaded.quotes.digest == QuoteFiles().load(path).quotes.digest
        assert all(isinstance(column.base, np.memmap) for column in loaded.quotes.prices)
        with pytest.raises(ValueError, match="read-only"):
            loaded.quotes.best_bid_a[0] = 1
    assert not list(tmp_path.rglob(".new-*"))


def test_equal_quotes_have_one_name_and_others_another(file, tmp_path):
    files = QuoteFiles(tmp_path / "cache")
    digests = {
        files.load(file(text, f"{number}.csv")).quotes.digest
        for number, text in enumerate(
            [
                HEADER + ROWS,
                HEADER.replace("\n", ",x\n") + ROWS.replace("\n", ",1\n"),
                HEADER + ROWS.replace("1.5", "1.50"),
                gzip.compress((HEADER + ROWS).encode()),
            ]
        )
    }
    assert len(digests) == 1
    other = files.load(file(HEADER + ROWS.replace("1.5", "1.51"))).quotes.digest
    later = files.load(file(HEADER + ROWS.replace("00:01", "00:02"))).quotes.digest
    unnamed = files.load(file(HEADER + ROWS.replace("2023-", "x-"))).quotes.digest
    assert len({*digests, other, later, unnamed}) == 4
    assert prices(files.by_digest(other))[0] == [1.51, 10.5]
    assert files.by_digest(unnamed).at_us is None
    assert files.by_digest("0" * 64) is None


def test_what_was_left_out_is_remembered_and_a_fault_stays_one(file, tmp_path):
    files, path = QuoteFiles(tmp_path / "cache"), file(BAD)
    first = files.load(path, skip_bad_rows=True)
    again = files.load(path, skip_bad_rows=True)
    assert (again.cached, again.skipped, again.examples) == (True, 3, first.examples)
    with pytest.raises(InputError, match=":4: timestamp is 'x'"):
        files.load(path)


@pytest.mark.parametrize("harm", ["truncate", "empty", "remove", "note", "no note"])
def test_half_a_cache_is_none(file, tmp_path, harm):
    files, path = QuoteFiles(tmp_path / "cache"), file(HEADER + ROWS)
    digest = files.load(path).quotes.digest
    column = next(tmp_path.rglob("best_ask_b.npy"))
    note = next(tmp_path.rglob("*.json"))
    match harm:
        case "truncate":
            os.truncate(column, 100)
        case "empty":
            os.truncate(column, 0)
        case "remove":
            column.unlink()
        case "note":
            note.write_text('{"digest": 1')
        case "no note":
            note.unlink()
    again = files.load(path)
    assert not again.cached
    assert prices(again.quotes) == FIRST
    assert files.load(path).cached
    assert prices(files.by_digest(digest)) == FIRST


def test_a_folder_that_cannot_be_written_costs_time_and_nothing_else(file, tmp_path):
    (tmp_path / "cache").write_text("a file")
    loaded = QuoteFiles(tmp_path / "cache").load(file(HEADER + ROWS))
    assert prices(loaded.quotes) == FIRST


def test_many_may_read_one_file_at_the_same_time(file, tmp_path):
    path = file(HEADER + ROWS * 500)
    with ThreadPoolExecutor(8) as pool:
        loads = [pool.submit(QuoteFiles(tmp_path / "cache").load, path) for _ in range(24)]
        digests = {load.result().quotes.digest for load in loads}
    assert len(digests) == 1
    assert not list(tmp_path.rglob(".new-*"))


# ── making room ──────────────────────────────────────────────────────────────
HUGE = HEADER + ROWS * 12_500
"""A megabyte as it is kept: 25,000 rows of five columns."""


def numbered(number):
    """Write another file of a megabyte."""
    return HUGE.replace("10.5,", f"10.{number},")


def aged(folder, seconds):
    """Say that something was used so much earlier."""
    used = folder.stat().st_mtime - seconds
    os.utime(folder, (used, used))


def sets(cache):
    return {path.name for path in cache.glob("quotes-*/*") if path.is_dir()}


def notes(cache):
    return {path.name for path in cache.glob("quotes-*/*.json")}


@pytest.fixture
def three(file, tmp_path):
    """Three sets of a megabyte; the first was used last, then the third, then the second."""
    cache = tmp_path / "cache"
    digests = [
        QuoteFiles(cache).load(file(numbered(number), f"{number}.csv")).quotes.digest
        for number in range(3)
    ]
    for digest, days in zip(digests, (1, 3, 2), strict=True):
        aged(next(cache.glob(f"quotes-*/{digest}")), days * 86_400)
    return cache, digests


def test_what_was_not_used_for_longest_makes_room(file, three):
    cache, digests = three
    fourth = QuoteFiles(cache, 3).load(file(numbered(3))).quotes.digest
    assert sets(cache) == {digests[0], fourth}
    assert len(notes(cache)) == 2
    assert QuoteFiles(cache).by_digest(digests[1]) is None


def test_what_is_used_counts_as_new(file, three):
    cache, digests = three
    assert QuoteFiles(cache).by_digest(digests[1]) is not None
    fourth = QuoteFiles(cache, 3).load(file(numbered(3))).quotes.digest
    assert sets(cache) == {digests[1], fourth}


def test_as_much_as_fits_stays(file, three):
    cache, digests = three
    fourth = QuoteFiles(cache, 5).load(file(numbered(3))).quotes.digest
    assert sets(cache) == {*digests, fourth}
    assert len(notes(cache)) == 4


def test_what_was_just_used_stays_though_there_is_too_much(file, three):
    cache, digests = three
    for digest in digests:
        aged(next(cache.glob(f"quotes-*/{digest}")), -2 * 86_400)  # written while the clock was off
    used = next(cache.glob(f"quotes-*/{digests[2]}"))
    os.utime(used)
    aged(used, GRACE_S / 2)
    fourth = QuoteFiles(cache, 1).load(file(numbered(3))).quotes.digest
    assert sets(cache) == {digests[2], fourth}


def test_what_is_larger_than_the_folder_may_be_is_there_while_it_is_used(file, tmp_path):
    cache = tmp_path / "cache"
    first = QuoteFiles(cache, 1).load(file(HUGE + ROWS))
    assert isinstance(first.quotes.best_bid_a.base, np.memmap)
    aged(next(cache.glob(f"quotes-*/{first.quotes.digest}")), 3600)
    second = QuoteFiles(cache, 1).load(file(HEADER + ROWS, "other.csv"))
    assert sets(cache) == {second.quotes.digest}
    assert float(first.quotes.best_ask_b[-1]) == 40, "who has it mapped keeps it"


def test_a_folder_that_may_hold_nothing_is_not_made(file, tmp_path):
    loaded = QuoteFiles(tmp_path / "cache", 0).load(file(HEADER + ROWS))
    assert prices(loaded.quotes) == FIRST
    assert not (tmp_path / "cache").exists()


def test_what_a_crash_left_behind_goes_and_what_is_being_written_stays(file, tmp_path):
    cache = tmp_path / "cache"
    QuoteFiles(cache).load(file(HEADER + ROWS))
    folder = next(cache.glob("quotes-*"))
    for name in (".new-crashed", ".new-busy", ".old-crashed"):
        (folder / name).mkdir()
        (folder / name / "best_bid_a.npy").write_bytes(b"half")
    (folder / ".new-1-note.json").write_text("{")
    for name in (".new-crashed", ".new-1-note.json"):
        aged(folder / name, LEFT_OVER_S + 60)
    QuoteFiles(cache).load(file(HEADER + ROWS + ROWS))
    assert {path.name for path in folder.glob(".*")} == {".new-busy"}
    assert len(sets(cache)) == 3, "two sets, and what is being written"


def test_processes_that_make_room_at_once_leave_whole_sets_or_none(tmp_path):
    """Each keeps sets in a folder that has room for one, while others delete them."""
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from daemon.adapters.quotes.files import QuoteFiles, cache
        cache.GRACE_S = -1  # nothing is spared but what a call is about
        folder, mine = Path(sys.argv[1]), Path(sys.argv[2])
        for turn in range(15):
            loaded = QuoteFiles(folder, 1).load(mine)
            assert len(loaded.quotes) == 20_000, len(loaded.quotes)
            assert float(loaded.quotes.best_ask_b.sum()) == 440_000.0
        """
    )
    workers = []
    for number in range(3):
        path = tmp_path / f"{number}.csv"
        path.write_text(HEADER + ROWS.replace("10.5,", f"10.{number},") * 10_000)
        command = [sys.executable, "-c", program, str(tmp_path / "cache"), str(path)]
        workers.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    for worker in workers:
        _, said = worker.communicate(timeout=60)
        assert worker.returncode == 0, said
    folder = next((tmp_path / "cache").glob("quotes-*"))
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    for path in folder.iterdir():
        assert not path.is_dir() or Cache(tmp_path / "cache").quotes(path.name) is not None
