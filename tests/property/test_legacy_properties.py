"""Whatever a database or a directory holds: nothing raises, nothing is lost, nothing doubles."""

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import MAX_MICROS
from daemon.errors import StoreError
from daemon.store import history, samples
from daemon.store.changes import Delta, Move, NewChange, add_deltas, advance, open_change
from daemon.store.legacy.formats import Kind
from daemon.store.tables import decisions, evidence, risk_ledger, rule_history
from daemon.tuning.vocabulary import (
    TERMINAL_STATES,
    TRANSITIONS,
    ChangeState,
    DecisionKind,
    Mode,
    Severity,
    Verdict,
)
from tests.shelf import in_memory
from tests.strategies import FEWER
from tests.unit.store.legacy_kit import assert_chained, bring_in, exported, rows

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
names = st.sampled_from(["r", "creative_min", "a,b", 'q"', " x ", "two\nlines", "ü"])
moments = st.sampled_from([0, 1, 10**15, MAX_MICROS]) | st.integers(0, MAX_MICROS)
doubles = st.floats(-1e299, 1e299)
exact = st.integers(-(2**53), 2**53)
json_values = st.recursive(
    st.none() | st.booleans() | exact | texts | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
signal_names = st.sampled_from(
    ["phase_diff", "risk_band", "phase", "ts", " a", "signal:b", 'signal:"a"', "c,d", "e\n", "f"]
)
change_ids = st.none() | st.integers(1, 4)


# ── a database ───────────────────────────────────────────────────────────────


def _drawn_change(tx, data, place):
    """A change that went some way along its protocol."""
    move = Move(at_us=data.draw(moments), cause=data.draw(texts), actor=data.draw(texts))
    state = data.draw(st.sampled_from([ChangeState.PROPOSED, ChangeState.APPLYING]))
    new = NewChange(
        idempotency_key=f"key {place}",
        rule=data.draw(names),
        old=data.draw(doubles),
        new=data.draw(doubles),
        opened_at_us=data.draw(moments),
        origin=data.draw(st.sampled_from(["loop", "operator", "import"])),
    )
    change_id = open_change(tx, new, state, move)
    while state not in TERMINAL_STATES and data.draw(st.booleans()):
        target = data.draw(st.sampled_from(sorted(TRANSITIONS[state])))
        advance(tx, change_id, state, target, move)
        state = target
    return change_id


def _drawn_deltas(data, change_id, known):
    cells = st.tuples(st.integers(1, 3), st.sampled_from(sorted(known)))
    return [
        Delta(
            change_id=change_id,
            signal_id=known[name].id,
            at_us=data.draw(moments),
            verdict=data.draw(st.sampled_from(Verdict)),
            trial=trial,
            delta=data.draw(st.none() | doubles),
            pre_s=data.draw(st.none() | doubles),
            post_s=data.draw(st.none() | doubles),
        )
        for trial, name in sorted(data.draw(st.sets(cells, max_size=4)))
    ]


def _fill_changes(store, data):
    with store.write() as tx:
        listed = data.draw(st.lists(signal_names, min_size=1, max_size=4, unique=True))
        known = samples.declare(tx, listed, 0)
    for place in range(data.draw(st.integers(0, 3))):
        try:
            with store.write() as tx:
                change_id = _drawn_change(tx, data, place)
                add_deltas(tx, _drawn_deltas(data, change_id, known))
        except StoreError:
            continue  # the rule had an open change already


def _fill_streams(store, data):
    rule_sets = st.builds(
        history.RuleSet,
        at_us=moments,
        rule=names,
        new=doubles,
        actor=texts,
        old=st.none() | doubles,
        note=st.none() | texts,
        change_id=change_ids,
        epoch=st.integers(0, 2),
    )
    entries = st.builds(
        history.Decision,
        at_us=moments,
        mode=st.sampled_from(Mode),
        kind=st.sampled_from(DecisionKind),
        reason=texts.filter(bool),
        explanation=texts,
        rule=st.none() | texts,
        old=st.none() | doubles,
        new=st.none() | doubles,
        policy=st.none() | texts,
        change_id=change_ids,
        evidence=st.none() | st.dictionaries(texts, json_values, max_size=3),
        epoch=st.integers(0, 2),
    )
    with store.write() as tx:
        history.append_all(tx, data.draw(st.lists(rule_sets, max_size=3)))
        history.append_all(tx, data.draw(st.lists(entries, max_size=3)))


def _fill_ledgers(store, data):
    fixed = {
        "at_us": moments,
        "severity": st.sampled_from(Severity),
        "rule": st.none() | texts,
        "signal": json_values,
        "note": st.none() | texts,
    }
    quoted = {
        "at_us": moments,
        "author": texts,
        "rule": st.none() | texts,
        "delta": json_values,
        "confidence": st.none() | doubles,
        "quote": st.none() | texts,
    }
    with store.write() as tx:
        for table, columns in ((risk_ledger, fixed), (evidence, quoted)):
            for row in data.draw(st.lists(st.fixed_dictionaries(columns), max_size=3)):
                tx.execute(table.insert().values(row))


def _fill_samples(store, data):
    cells = st.tuples(signal_names, moments, doubles)
    with store.write() as tx:
        samples.ingest(tx, data.draw(st.lists(cells, max_size=8)), MAX_MICROS)


# ── a directory ──────────────────────────────────────────────────────────────

stamps = (
    moments
    | st.sampled_from(["2026-01-15T08:00:00Z", "2026-01-15", 1768464000.25, "1768464000", "", None])
    | json_values
)
anything = (
    json_values | doubles | st.sampled_from([2**60, "0.5", "nan", "apply", "dry-run", 10**309])
)
_FIELDS = [
    "actor",
    "by",
    "rule",
    "old",
    "new",
    "note",
    "delta",
    "confidence",
    "quote",
    "severity",
    "signal",
    "mode",
    "dry_run",
    "kind",
    "action",
    "decision",
    "reason",
    "explanation",
    "policy",
    "evidence",
    "change_key",
    "row",
    "epoch",
    "extra",
]
objects = st.fixed_dictionaries(
    {"ts": stamps},
    optional={
        **dict.fromkeys(_FIELDS, anything),
        "rule": names | anything,
        "new": doubles | anything,
        "severity": st.sampled_from(Severity) | anything,
        "row": st.integers(0, 3) | anything,
        "change_key": st.sampled_from(["key 0", "key 1", "other"]) | anything,
    },
)
json_lines = objects.map(json.dumps) | texts
file_ends = st.sampled_from(["\n", "", "\n\n", "\r\n"])


def _jsonl(data):
    lines = data.draw(st.lists(json_lines, max_size=6))
    again = lines[: data.draw(st.integers(0, len(lines)))]
    return ("\n".join(lines + again) + data.draw(file_ends)).encode("utf-8", "surrogatepass")


cell_texts = st.sampled_from(
    [
        "",
        "1",
        "-0.5",
        "nan",
        "x",
        ' "',
        '"a,b"',
        '"',
        "2026-01-15",
        "5",
        "kept",
        "observing",
        "key 0",
    ]
)


def _csv(data, columns):
    header = data.draw(st.permutations(columns))
    width = st.sampled_from([len(header)] * 8 + [1, len(header) + 1])
    made = [
        ",".join(data.draw(st.lists(cell_texts, min_size=size, max_size=size)))
        for size in data.draw(st.lists(width, max_size=8))
    ]
    return ("\n".join([",".join(header), *made]) + data.draw(file_ends)).encode()


def _drawn_directory(data, directory):
    effects = ["rule_ts", "rule", "old", "new"]
    more = ["actor", "pre_s", "post_s", "d_risk", "d_phase", "d_x", "outcome", "change_key", "z"]
    effects += data.draw(st.lists(st.sampled_from(more), unique=True))
    (directory / Kind.EFFECTS.file).write_bytes(_csv(data, effects))
    signals = data.draw(st.lists(st.sampled_from(["risk_band", "a", "phase"]), unique=True))
    (directory / Kind.METRICS.file).write_bytes(_csv(data, ["ts", *signals]))
    for kind in (Kind.HISTORY, Kind.QUOTES, Kind.RISKS, Kind.DECISIONS):
        (directory / kind.file).write_bytes(_jsonl(data))


def _settles(store, folder):
    """Export, import elsewhere, export again; import at home. Nothing changes anywhere."""
    first = exported(store, folder / "first")
    if not first:
        return
    with in_memory() as other:
        assert bring_in(other, folder / "first", MAX_MICROS).problems == ()
        assert exported(other, folder / "second") == first
        again = bring_in(other, folder / "second", MAX_MICROS)
        assert (again.imported, again.problems) == (0, ())
        assert_chained(other)
    home = bring_in(store, folder / "first", MAX_MICROS)
    assert (home.imported, home.problems) == (0, ())
    assert exported(store, folder / "third") == first


@FEWER
@given(st.data())
def test_every_database_survives_export_and_import(data):
    with tempfile.TemporaryDirectory() as name, in_memory() as store:
        _fill_changes(store, data)
        _fill_streams(store, data)
        _fill_ledgers(store, data)
        _fill_samples(store, data)
        _settles(store, Path(name))


@FEWER
@given(st.data())
def test_every_directory_is_read_once_and_survives(data):
    with tempfile.TemporaryDirectory() as name, in_memory() as store:
        folder = Path(name)
        (folder / "legacy").mkdir()
        _drawn_directory(data, folder / "legacy")
        first = bring_in(store, folder / "legacy", MAX_MICROS)
        for file in first.files:
            if file.kind != Kind.METRICS:
                assert file.lines == file.imported + file.known + file.bad
        second = bring_in(store, folder / "legacy", MAX_MICROS)
        assert second.imported == 0
        assert second.bad == first.bad
        assert_chained(store)
        _settles(store, folder)


@FEWER
@given(st.data())
def test_a_database_with_rows_of_both_origins_survives(data):
    with tempfile.TemporaryDirectory() as name, in_memory() as store:
        folder = Path(name)
        (folder / "legacy").mkdir()
        _fill_changes(store, data)
        _fill_streams(store, data)
        _drawn_directory(data, folder / "legacy")
        before = len(rows(store, rule_history)) + len(rows(store, decisions))
        report = bring_in(store, folder / "legacy", MAX_MICROS)
        _fill_streams(store, data)
        _fill_samples(store, data)
        assert len(rows(store, rule_history)) + len(rows(store, decisions)) >= before
        assert bring_in(store, folder / "legacy", MAX_MICROS).imported == 0
        assert report.refused == ()
        _settles(store, folder)


@given(st.binary(max_size=300), st.sampled_from(Kind))
def test_no_bytes_are_too_bad_to_be_read(raw, kind):
    with tempfile.TemporaryDirectory() as name, in_memory() as store:
        folder = Path(name)
        (folder / kind.file).write_bytes(raw)
        report = bring_in(store, folder)
        assert report.bad or report.refused or report.files[0].lines == report.imported == 0
