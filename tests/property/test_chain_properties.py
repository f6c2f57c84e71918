"""No single act of tampering goes unfound, and both databases agree on every hash."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from daemon.store import chain, history, migrate
from daemon.store.chain import STREAMS
from daemon.store.store import Store
from daemon.store.types import canonical
from tests.contract import tampering
from tests.contract.tampering import ROWS
from tests.strategies import decisions, entries, json_objects, moments, texts, values

seqs = st.integers(1, ROWS)
streams = st.sampled_from(sorted(STREAMS))

NEW_VALUES = {
    "at_us": moments,
    "epoch": st.integers(0, 2**40),
    "rule": texts,
    "old": values,
    "new": values,
    "explanation": texts,
    "policy": texts,
    "note": texts,
    "ref": texts,
    "cause": texts,
    "boot_id": texts,
    "evidence": json_objects,
    "body": json_objects,
    "hash": st.text("0123456789abcdef", min_size=64, max_size=64),
    "prev_hash": st.text("0123456789abcdef", min_size=64, max_size=64),
}


def alter(tx, stream, draw):
    columns = sorted(set(NEW_VALUES) & set(stream.columns.keys()))
    column, seq = draw(st.sampled_from(columns)), draw(seqs)
    value = draw(NEW_VALUES[column])
    before = chain.read(tx, stream, after=seq - 1, limit=1)[0][column]
    assume(canonical(before) != canonical(value))
    tampering.alter(tx, stream, seq, column, value)
    return (seq, "altered")


def remove(tx, stream, draw):
    gone = sorted(draw(st.sets(seqs, min_size=1)))
    tampering.remove(tx, stream, *gone)
    return (gone[0], "removed")


def swap(tx, stream, draw):
    one, two = sorted(draw(st.sets(seqs, min_size=2, max_size=2)))
    tampering.swap(tx, stream, one, two)
    return (one, "reordered")


def forge(tx, stream, draw):
    seq = draw(st.integers(1, ROWS + 1))
    tampering.forge(tx, stream, seq)
    return (seq + 1, "reordered") if seq <= ROWS else (seq, "added")


ACTS = [alter, remove, swap, forge]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def filled(request):
    with Store.open(request.getfixturevalue(f"{request.param}_url")) as store:
        migrate.upgrade(store)
        tampering.write_streams(store)
        yield store


@pytest.mark.parametrize("act", ACTS)
def test_any_single_act_of_tampering_is_found_where_it_was_done(filled, act):
    @given(streams, st.data())
    def found(name, data):
        stream = STREAMS[name]
        with tampering.unguarded(filled, stream) as tx:
            expected = act(tx, stream, data.draw)
            assert expected in tampering.found(tx, stream)

    found()
    with filled.read() as view:
        assert all(not chain.verify(view, stream).breaks for stream in STREAMS.values())


@pytest.mark.postgres
def test_both_databases_give_the_same_rows_the_same_hashes(sqlite_url, postgres_url):
    with Store.open(sqlite_url) as one, Store.open(postgres_url) as two:
        migrate.upgrade(one)
        migrate.upgrade(two)

        @given(st.lists(entries, min_size=1, max_size=5))
        def agree(written):
            heads = []
            for store in (one, two):
                with store.engines.writer.connect() as connection:
                    for entry in written:
                        history.append(connection, entry)
                    reports = [chain.verify(connection, stream) for stream in STREAMS.values()]
                    assert [report.breaks for report in reports] == [()] * len(STREAMS)
                    heads.append([report.head for report in reports])
                    connection.rollback()
            assert heads[0] == heads[1]

        agree()


@given(decisions, st.data())
def test_a_digest_covers_every_field(entry, data):
    content = {name: getattr(entry, name) for name in entry.__slots__}
    name = data.draw(st.sampled_from(sorted(set(content) & set(NEW_VALUES))))
    value = data.draw(NEW_VALUES[name] if content[name] is None else NEW_VALUES[name] | st.none())
    assume(canonical(content[name]) != canonical(value))
    before = chain.digest(chain.GENESIS, content)
    assert chain.digest(chain.GENESIS, {**content, name: value}) != before
    assert chain.digest("1" * 64, content) != before


@given(decisions, st.integers(1, 99))
def test_a_digest_is_of_the_content_and_not_of_the_place(entry, seq):
    content = {name: getattr(entry, name) for name in entry.__slots__}
    stored = {**content, "seq": seq, "prev_hash": "x", "hash": "y", "added_later": None}
    assert chain.digest("0", stored) == chain.digest("0", content)


@given(decisions)
def test_a_digest_is_a_sha256_in_hexadecimal(entry):
    digest = chain.digest(chain.GENESIS, {"explanation": entry.explanation})
    assert len(digest) == 64
    assert set(digest) <= set("0123456789abcdef")
