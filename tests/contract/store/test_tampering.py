"""Whoever alters, removes, reorders or adds history is found, and the place is named."""

import pytest

from daemon.store import chain, history
from daemon.store.chain import STREAMS, Head
from daemon.store.tables import chains
from tests.contract import tampering
from tests.contract.rows import event
from tests.contract.tampering import ROWS, found, unguarded

LAST = ROWS

OTHER_VALUES = {
    "at_us": 7,
    "epoch": 99,
    "mode": "replay",
    "kind": "revert",
    "rule": "another",
    "old": 0.125,
    "new": 0.625,
    "reason": "forged",
    "explanation": "forged",
    "policy": "q" * 64,
    "change_id": 2,
    "evidence": {"n": 1, "x": [1e299]},
    "body": {"n": 99},
    "boot_id": "c",
    "elapsed_us": 6,
    "from_state": "stuck",
    "to_state": "stuck",
    "cause": "forged",
    "actor": "nobody",
    "note": "e",
    "ref": "",
    "prev_hash": "e" * 64,
    "hash": "f" * 64,
}
"""For each column a value that the table takes and that no row has."""


@pytest.fixture
def streams(store):
    tampering.write_streams(store)
    return store


def test_streams_that_nobody_touched_are_whole(streams):
    with streams.read() as view:
        for stream in STREAMS.values():
            report = chain.verify(view, stream)
            assert (report.stream, report.rows, report.breaks) == (stream.name, ROWS, ())
            assert report.head == chain.stored_head(view, stream)
            assert report.head.seq == ROWS


def test_an_empty_stream_is_whole(store):
    with store.read() as view:
        for stream in STREAMS.values():
            report = chain.verify(view, stream)
            assert (report.rows, report.head, report.breaks) == (0, Head(0, chain.GENESIS), ())


def test_an_altered_cell_of_any_column_is_found_in_its_row(streams):
    for stream in STREAMS.values():
        for column in [column.name for column in stream.columns if column.name != "seq"]:
            for seq in (1, 3, LAST):
                with unguarded(streams, stream) as tx:
                    other = OTHER_VALUES[column]
                    if (stream.name, column, seq) == ("change_events", "change_id", LAST):
                        other = 1
                    tampering.alter(tx, stream, seq, column, other)
                    assert (seq, "altered") in found(tx, stream), (column, seq)


def test_a_cell_that_was_emptied_is_found(streams):
    for stream in STREAMS.values():
        for column in [column.name for column in stream.columns if column.nullable]:
            with unguarded(streams, stream) as tx:
                tampering.alter(tx, stream, 3, column, None)
                assert found(tx, stream) == [(3, "altered")], column


def test_removed_rows_are_found_where_they_stood(streams):
    for stream in STREAMS.values():
        for seqs in ([1], [3], [LAST], [1, 2], [3, 4], [LAST - 1, LAST], range(1, LAST + 1)):
            with unguarded(streams, stream) as tx:
                tampering.remove(tx, stream, *seqs)
                assert found(tx, stream) == [(seqs[0], "removed")], seqs


def test_every_gap_is_named(streams):
    stream = STREAMS["events"]
    with unguarded(streams, stream) as tx:
        tampering.remove(tx, stream, 2, 4, 5)
        report = chain.verify(tx, stream)
    assert [str(one) for one in report.breaks] == [
        "events 2: removed (no row 2)",
        "events 4: removed (no row 4 to 5)",
    ]


def test_a_row_that_was_removed_is_missed_even_when_the_others_close_ranks(streams):
    for stream in STREAMS.values():
        for gone in (1, 3):
            with unguarded(streams, stream) as tx:
                tampering.remove(tx, stream, gone)
                for seq in range(gone + 1, LAST + 1):
                    tampering.renumber(tx, stream, seq, seq - 1)
                expected = [(gone, "removed"), (LAST, "removed")]
                assert found(tx, stream) == expected


@pytest.mark.parametrize(("one", "two"), [(1, 2), (3, 4), (2, 5), (LAST - 1, LAST), (1, LAST)])
def test_rows_that_changed_places_are_found(streams, one, two):
    for stream in STREAMS.values():
        with unguarded(streams, stream) as tx:
            tampering.swap(tx, stream, one, two)
            breaks = found(tx, stream)
        assert breaks[0] == (one, "reordered")
        assert (two, "reordered") in breaks
        assert {what for _, what in breaks} <= {"reordered", "altered"}


def test_a_forged_row_is_found_wherever_it_was_put(streams):
    """Its own hash is sound, and it links to the row before it."""
    for stream in STREAMS.values():
        with unguarded(streams, stream) as tx:
            tampering.forge(tx, stream, 3)
            assert found(tx, stream) == [(4, "reordered"), (LAST + 1, "added")]
        with unguarded(streams, stream) as tx:
            tampering.forge(tx, stream, LAST + 1)
            assert found(tx, stream) == [(LAST + 1, "added")]
        for seq in (0, -5):
            with unguarded(streams, stream) as tx:
                tampering.forge(tx, stream, seq, "a" * 64)
                assert found(tx, stream) == [(seq, "added")]
        with unguarded(streams, stream) as tx:
            tampering.remove(tx, stream, 3)
            tampering.renumber(tx, stream, LAST, 10_000)
            tampering.forge(tx, stream, 3, "a" * 64)
            assert found(tx, stream)[0] == (3, "removed"), "what it links to was never there"


def test_a_tail_that_was_cut_with_its_record_is_found_by_a_head_that_was_published(streams):
    for stream in STREAMS.values():
        with unguarded(streams, stream) as tx:
            published = chain.stored_head(tx, stream)
            tampering.remove(tx, stream, LAST - 1, LAST)
            tampering.rewind(tx, stream, LAST - 2)
            assert found(tx, stream) == [], "nothing inside the database tells"
            assert found(tx, stream, expect=published) == [(LAST, "removed")]


def test_a_stream_that_was_written_anew_is_found_by_a_head_that_was_published(streams):
    for stream in STREAMS.values():
        with unguarded(streams, stream) as tx:
            published = chain.stored_head(tx, stream)
            tampering.rewrite_from(tx, stream, 2)
            assert found(tx, stream) == []
            assert found(tx, stream, expect=published) == [(LAST, "altered")]


def test_a_head_that_was_published_holds_as_long_as_the_stream_grows(streams):
    stream = STREAMS["events"]
    with streams.write() as tx:
        published = chain.stored_head(tx, stream)
        history.append_all(tx, [event()] * 3)
        assert found(tx, stream, expect=published) == []
        assert found(tx, stream, expect=Head(0, chain.GENESIS)) == []


def test_a_record_of_the_head_that_was_changed_or_removed_is_found(streams):
    stream = STREAMS["events"]
    mine = chains.c.stream == "events"
    for change, expected in (
        (chains.update().where(mine).values(seq=LAST - 1), (LAST, "added")),
        (chains.update().where(mine).values(seq=LAST + 1), (LAST + 1, "removed")),
        (chains.update().where(mine).values(hash="a" * 64), (LAST, "altered")),
        (chains.delete().where(mine), (1, "added")),
    ):
        with unguarded(streams, stream) as tx:
            tx.execute(change)
            assert found(tx, stream) == [expected]


def test_the_last_rows_are_verified_without_the_others(streams):
    stream = STREAMS["events"]
    with unguarded(streams, stream) as tx:
        report = chain.verify(tx, stream, last=2)
        assert (report.rows, report.breaks) == (2, ())
        assert chain.verify(tx, stream, last=99).rows == ROWS
        assert chain.verify(tx, stream, last=0).rows == 0
        tampering.alter(tx, stream, 2, "ref", "forged")
        assert found(tx, stream, last=3) == []
        assert found(tx, stream, last=LAST) == [(2, "altered")]
        tampering.alter(tx, stream, LAST, "ref", "forged")
        assert found(tx, stream, last=1) == [(LAST, "altered")]
    with unguarded(streams, stream) as tx:
        tampering.remove(tx, stream, 3)
        assert found(tx, stream, last=3) == [(4, "removed")], "the row it is linked to is gone"
        assert found(tx, stream, last=4) == [(3, "removed")]


def test_progress_is_told_a_page_at_a_time(store):
    with store.write() as tx:
        history.append_all(tx, [event()] * (chain.PAGE + 1))
    told = []
    with store.read() as view:
        chain.verify(view, STREAMS["events"], on_rows=told.append)
    assert told == [chain.PAGE, 1]
