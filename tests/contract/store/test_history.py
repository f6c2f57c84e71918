"""The event log: append, read from a place, follow, count repeats."""

import pytest

from daemon.errors import StoreError, TamperedHistory
from daemon.store import chain, history
from daemon.store.tables import chains, decision_repeats, decisions, events, rule_history
from tests.contract.rows import T0, decision, event, rows_of, rule_set

ENTRIES = [
    (decision(), decisions),
    (
        decision(
            mode="dry_run",
            kind="apply",
            rule="risk_max",
            old=0.35,
            new=0.37,
            policy="p" * 64,
            change_id=7,
            evidence={"n": 3, "means": [0.1, None]},
            epoch=4,
        ),
        decisions,
    ),
    (rule_set(), rule_history),
    (rule_set(old=0.4, note="by hand", change_id=7, epoch=4), rule_history),
    (event(), events),
    (event(ref="change 7", body={"a": {"b": []}}, epoch=4), events),
]


def test_an_entry_is_read_back_as_it_was_written(store):
    for entry, table in ENTRIES:
        with store.write() as tx:
            seq = history.append(tx, entry)
        *before, row = rows_of(store, table)
        for name in entry.__slots__:
            assert row[name] == getattr(entry, name), name
        assert row["seq"] == seq == len(before) + 1
        assert row["prev_hash"] == (before[-1]["hash"] if before else chain.GENESIS)
        assert row["hash"] == chain.digest(row["prev_hash"], row)


def test_each_stream_counts_for_itself_and_without_gaps(store):
    with store.write() as tx:
        assert [history.append(tx, event()) for _ in range(3)] == [1, 2, 3]
        assert history.append(tx, decision()) == 1
        assert history.append_all(tx, [event(), event()]) == [4, 5]
        assert history.append_all(tx, []) == chain.append(tx, events, []) == []
    with store.write() as tx:
        assert history.append(tx, event()) == 6


def test_the_head_on_record_is_the_last_row(store):
    with store.write() as tx:
        history.append_all(tx, [event(), event(ref="last")])
    heads = {row["stream"]: (row["seq"], row["hash"]) for row in rows_of(store, chains)}
    last = rows_of(store, events)[-1]
    assert heads["events"] == (2, last["hash"])
    assert heads["decisions"] == (0, chain.GENESIS)
    with store.read() as view:
        assert chain.stored_head(view, events) == chain.Head(2, last["hash"])


def test_a_reader_follows_the_log_from_where_it_was(store):
    with store.write() as tx:
        history.append_all(tx, [event(ref=str(n)) for n in range(1, 6)])
    with store.read() as view:
        first = history.read(view, "events", limit=2)
        rest = history.read(view, "events", after=first[-1]["seq"])
        assert [row["ref"] for row in first + rest] == ["1", "2", "3", "4", "5"]
        assert history.read(view, "events", after=5) == []
    with store.write() as tx:
        history.append(tx, event(ref="6"))
    with store.read() as view:
        assert [row["ref"] for row in history.read(view, "events", after=5)] == ["6"]


def test_a_long_stream_is_walked_in_pages_that_miss_and_repeat_nothing(store):
    count = chain.PAGE + 1
    with store.write() as tx:
        history.append_all(tx, [event()] * count)
    with store.read() as view:
        sizes = [len(page) for page in chain.pages(view, events)]
        seqs = [row["seq"] for page in chain.pages(view, events) for row in page]
    assert sizes == [chain.PAGE, 1]
    assert seqs == list(range(1, count + 1))


def test_a_decision_that_comes_again_is_counted(store):
    with store.write() as tx:
        history.append_all(tx, [decision(), decision()])
        history.repeat(tx, 2, T0 + 1)
        history.repeat(tx, 2, T0 + 9)
        history.repeat(tx, 1, T0 + 5)
    assert rows_of(store, decision_repeats) == [
        {"seq": 1, "n": 1, "last_at_us": T0 + 5},
        {"seq": 2, "n": 2, "last_at_us": T0 + 9},
    ]


def test_only_a_decision_that_exists_can_come_again(store):
    with pytest.raises(StoreError, match=r"(?i)foreign key"), store.write() as tx:
        history.repeat(tx, 1, T0)


def test_the_latest_decision_is_found_for_all_rules_and_for_one(store):
    with store.read() as view:
        assert history.latest_decision(view) is None
    with store.write() as tx:
        history.append_all(
            tx, [decision(rule="a"), decision(rule="b"), decision(rule="a"), decision()]
        )
    with store.read() as view:
        assert history.latest_decision(view)["seq"] == 4
        assert history.latest_decision(view, rule="a")["seq"] == 3
        assert history.latest_decision(view, rule="b")["seq"] == 2
        assert history.latest_decision(view, rule="none") is None


def test_what_no_database_keeps_unchanged_is_refused_before_it_is_hashed(store):
    refused = [
        decision(old=float("nan")),
        decision(new=float("inf")),
        rule_set(new=float("-inf")),
        decision(evidence={"x": float("nan")}),
        decision(explanation="\0"),
        event(ref="\ud800"),
        event(body={"\0": 1}),
    ]
    for entry in refused:
        with pytest.raises(ValueError, match=r"NaN|NUL"), store.write() as tx:
            history.append(tx, entry)
    with store.write() as tx:
        assert history.append(tx, event()) == 1


def test_a_stream_whose_head_is_gone_takes_no_more_rows(store):
    with store.write() as tx:
        tx.execute(chains.delete().where(chains.c.stream == "events"))
    with pytest.raises(TamperedHistory, match="is gone") as raised, store.write() as tx:
        history.append(tx, event())
    assert "daemon db verify" in raised.value.hint
