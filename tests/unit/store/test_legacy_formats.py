import pytest

from daemon.store.legacy.columns import (
    EffectColumns,
    MetricColumns,
    csv_line,
    delta_column,
    effect_columns,
    metric_column,
    metric_columns,
)
from daemon.store.legacy.formats import UNEXPLAINED, Entry, Kind, parse, render
from daemon.store.legacy.values import BadLine
from tests.unit.store.legacy_kit import TS, TS_US

EFFECTS = [
    "rule_ts",
    "actor",
    "rule",
    "old",
    "new",
    "pre_s",
    "post_s",
    "d_phase",
    "d_entropy",
    "d_creative",
    "d_risk",
]


def parsed(kind, /, **raw):
    entry = parse(kind, {"ts": TS, **raw})
    assert entry.at_us == TS_US
    return entry.fields, entry.extra


def test_files_are_named_like_their_kind():
    assert {kind.file for kind in Kind} == {
        "rules_history.jsonl",
        "rules_effects.csv",
        "quotes_bank.jsonl",
        "risk_ledger.jsonl",
        "tuning_decisions.jsonl",
        "metrics.csv",
    }


def test_a_line_of_history():
    fields, extra = parsed(
        Kind.HISTORY, actor="mara", rule="r", old=1, new="0.25", note=5, colour={"a": 1}
    )
    assert fields == {"actor": "mara", "rule": "r", "old": 1.0, "new": 0.25}
    assert extra == {"note": 5, "colour": {"a": 1}}


def test_a_line_of_history_needs_no_more_than_this():
    fields, extra = parsed(Kind.HISTORY, rule="r", new=1, old=None, note=None)
    assert (fields, extra) == ({"rule": "r", "new": 1.0, "actor": "unknown"}, {})


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({"rule": "r"}, "new is missing"),
        ({"rule": "r", "new": None}, "new is missing"),
        ({"rule": "r", "new": "x"}, "new makes no sense: 'x'"),
        ({"rule": "r", "new": True}, "new makes no sense: True"),
        ({"new": 1}, "rule is missing"),
        ({"rule": "", "new": 1}, "rule is missing"),
        ({"rule": ["r"], "new": 1}, r"rule makes no sense: \['r'\]"),
        ({"rule": "r", "new": 1, "old": float("nan")}, "NaN"),
        ({"rule": "r", "new": 1, "old": 1e300}, "1e\\+300 is not a finite number"),
        ({"rule": "r", "new": 1, "ts": None}, "ts is missing"),
        ({"rule": "r", "new": 1, "ts": "soon"}, "'soon' is not a moment"),
        ({"rule": "r", "new": 1, "note": "\ud800"}, "surrogate"),
    ],
)
def test_a_line_that_cannot_be_taken_says_why(raw, reason):
    with pytest.raises(BadLine, match=reason):
        parsed(Kind.HISTORY, **raw)


def test_what_people_believe():
    fields, extra = parsed(Kind.QUOTES, by="lin", delta={"risk": 1.0}, confidence="0.5", quote="q")
    assert fields == {"by": "lin", "delta": {"risk": 1}, "confidence": 0.5, "quote": "q"}
    assert extra == {}
    assert parsed(Kind.QUOTES, confidence="high") == ({"by": "unknown"}, {"confidence": "high"})


def test_a_number_that_json_would_change_is_kept_beside():
    assert parsed(Kind.RISKS, severity="info", signal={"id": 2**60}) == (
        {"severity": "info"},
        {"signal": {"id": 2**60}},
    )


def test_severity_has_three_words():
    assert parsed(Kind.RISKS, severity=" WARN ")[0] == {"severity": "warn"}
    with pytest.raises(BadLine, match="severity is info, warn or crit, not 'fatal'"):
        parsed(Kind.RISKS, severity="fatal")
    with pytest.raises(BadLine, match="severity is missing"):
        parsed(Kind.RISKS)


@pytest.mark.parametrize(
    ("raw", "fields", "extra"),
    [
        ({}, ("live", "hold", "imported", UNEXPLAINED), {}),
        ({"mode": "dry-run", "kind": "Apply"}, ("dry_run", "apply", "imported", UNEXPLAINED), {}),
        ({"dry_run": True, "action": "keep"}, ("dry_run", "keep", "imported", UNEXPLAINED), {}),
        ({"dry_run": False, "note": "n"}, ("live", "hold", "imported", "n"), {}),
        (
            {"mode": None, "kind": None, "decision": "rollback", "reason": None},
            ("live", "rollback", "imported", UNEXPLAINED),
            {},
        ),
        (
            {"mode": "paper", "kind": "nudge", "action": "apply"},
            ("live", "hold", "imported", UNEXPLAINED),
            {"mode": "paper", "kind": "nudge", "action": "apply"},
        ),
        (
            {"dry_run": "yes", "reason": "off_target"},
            ("live", "hold", "off_target", "off_target"),
            {"dry_run": "yes"},
        ),
        (
            {"reason": "Risk: too high!", "explanation": ""},
            ("live", "hold", "Risk:_too_high", ""),
            {"reason": "Risk: too high!"},
        ),
        (
            {"reason": "!", "explanation": {"a": 1}, "note": "n"},
            ("live", "hold", "imported", UNEXPLAINED),
            {"reason": "!", "explanation": {"a": 1}, "note": "n"},
        ),
        (
            {"reason": {"code": 1}, "note": 5},
            ("live", "hold", "imported", UNEXPLAINED),
            {"reason": {"code": 1}, "note": 5},
        ),
        (
            {"reason": "x" * 70, "explanation": "e"},
            ("live", "hold", "x" * 64, "e"),
            {"reason": "x" * 70},
        ),
    ],
)
def test_a_decision_is_understood_in_many_words(raw, fields, extra):
    found, rest = parsed(Kind.DECISIONS, **raw)
    assert tuple(found[name] for name in ("mode", "kind", "reason", "explanation")) == fields
    assert rest == extra


def test_what_a_decision_was_about():
    fields, extra = parsed(
        Kind.DECISIONS, rule="r", old=1, new=2, policy="p", evidence={"a": 1}, change_key="k"
    )
    assert extra == {}
    assert {name: fields[name] for name in ("rule", "old", "new", "policy", "change_key")} == {
        "rule": "r",
        "old": 1.0,
        "new": 2.0,
        "policy": "p",
        "change_key": "k",
    }


def test_lines_that_say_the_same_have_the_same_content():
    one = parse(Kind.HISTORY, {"ts": TS_US, "rule": "r", "new": 1, "x": {"b": 1.0, "a": 2}})
    two = parse(Kind.HISTORY, {"x": {"a": 2, "b": 1}, "new": "1.0", "rule": "r", "ts": TS})
    other = parse(Kind.HISTORY, {"ts": TS_US + 1, "rule": "r", "new": 1, "x": {"b": 1, "a": 2}})
    content = one.content(Kind.HISTORY)
    assert two.content(Kind.HISTORY) == content
    assert other.content(Kind.HISTORY) != content
    assert one.content(Kind.RISKS) != content


def test_a_line_is_written_readably():
    assert render({"ts": TS, "note": "größer"}) == f'{{"ts": "{TS}", "note": "größer"}}\n'


# ── effects ──────────────────────────────────────────────────────────────────


def effect(header=EFFECTS, /, **cells) -> Entry:
    given = {"rule_ts": TS, "rule": "r", "old": "1", "new": "2", **cells}
    return EffectColumns.read(header).parse([given.get(name, "") for name in header])


def test_an_effect():
    entry = effect(actor="mara", pre_s="90", post_s="60", d_phase="-0.01", d_risk="0")
    assert (entry.at_us, entry.extra) == (TS_US, {})
    assert entry.fields == {
        "actor": "mara",
        "rule": "r",
        "old": 1.0,
        "new": 2.0,
        "pre_s": 90.0,
        "post_s": 60.0,
        "deltas": {"phase_diff": -0.01, "risk_band": 0.0},
        "outcome": "kept",
    }


def test_an_effect_that_measured_nothing_keeps_its_windows_beside():
    entry = effect(pre_s="90", post_s="long", d_risk="n/a")
    assert entry.extra == {"pre_s": "90", "post_s": "long", "d_risk": "n/a"}
    assert entry.fields["deltas"] == {}


def test_further_columns_of_effects():
    header = [*EFFECTS[:-4], "d_phase_diff", "d_latency", "d_", "comment", "outcome", "change_key"]
    entry = effect(
        header,
        d_phase_diff="1",
        d_latency="2",
        d_="3",
        comment=" c ",
        outcome="rolled_back",
        change_key="k",
    )
    assert entry.fields["deltas"] == {"phase_diff": 1.0, "latency": 2.0}
    assert (entry.fields["outcome"], entry.fields["change_key"]) == ("rolled_back", "k")
    assert entry.extra == {"d_": "3", "comment": " c "}


def test_an_outcome_in_other_words_is_kept_beside():
    entry = effect([*EFFECTS, "outcome"], outcome="fine")
    assert (entry.fields["outcome"], entry.extra) == ("kept", {"outcome": "fine"})


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"rule_ts": ""}, "rule_ts is missing"),
        ({"rule_ts": "x"}, "'x' is not a moment"),
        ({"rule": ""}, "rule is missing"),
        ({"old": ""}, "old is missing"),
        ({"new": "up"}, "new makes no sense: 'up'"),
        ({"d_risk": "inf"}, "'inf' is not a finite number"),
        ({"actor": "\0"}, "NUL"),
    ],
)
def test_a_bad_effect_says_why(cells, reason):
    with pytest.raises(BadLine, match=reason):
        effect(**cells)


def test_a_record_has_a_cell_for_each_column():
    with pytest.raises(BadLine, match="3 cells under 11 columns"):
        EffectColumns.read(EFFECTS).parse(["a", "b", "c"])


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (["rule_ts", "rule", "old"], "there is no column new among"),
        (["a;b"], "there is no column rule_ts, rule, old, new among 'a;b'"),
        ([*EFFECTS, ""], "column 12 has no name"),
        ([*EFFECTS, "actor"], "more than one column is for 'actor'"),
        ([*EFFECTS, "d_phase_diff"], "more than one column is for 'd_phase'"),
        ([*EFFECTS, "\0"], "NUL"),
    ],
)
def test_a_header_that_cannot_be_read_says_why(header, reason):
    with pytest.raises(BadLine, match=reason):
        EffectColumns.read(header)


def test_columns_of_effects_are_in_order():
    used = {"rule", "zeta", "d_z", "alpha", "d_a", "d_risk", "outcome"}
    rest = ["d_a", "d_z", "outcome", "change_key", "alpha", "zeta"]
    assert effect_columns(used) == [*EFFECTS, *rest]


# ── metrics ──────────────────────────────────────────────────────────────────


def test_a_row_of_metrics():
    columns = MetricColumns.read([" ts ", "risk_band", "b", "c", "d", "e"])
    row = columns.parse([TS, "0.5", " ", "x", "nan", "-1"])
    assert (row.at_us, row.values) == (TS_US, {"risk_band": 0.5, "e": -1.0})
    assert row.faults == {"c": "'x' is not a number", "d": "'nan' is not a finite number"}


def test_a_row_of_metrics_needs_a_moment():
    with pytest.raises(BadLine, match="ts is missing"):
        MetricColumns.read(["ts", "a"]).parse(["", "1"])


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (["time", "a"], "there is no column ts among 'time, a'"),
        (["ts", "a", "a"], "more than one column is for 'a'"),
        (["ts", "a", 'signal:"a"'], "more than one column is for 'a'"),
        (["ts", "a" * 201], "a signal has 1 to 200 letters"),
        (["ts", 'signal:""'], "a signal has 1 to 200 letters"),
    ],
)
def test_a_header_of_metrics_that_cannot_be_read_says_why(header, reason):
    with pytest.raises(BadLine, match=reason):
        MetricColumns.read(header)


@pytest.mark.parametrize(
    "signal", ["a", "ts", "phase", "phase_diff", " a", "a\n", "signal:", 'signal:"a"', "ü,", '"']
)
def test_the_name_of_a_signal_survives_a_header(signal):
    metric, delta = metric_column(signal), delta_column(signal)
    assert MetricColumns.read(["ts", metric]).signals == {metric: signal}
    assert EffectColumns.read([*EFFECTS[:5], delta]).signals == {delta: signal}


@pytest.mark.parametrize("column", ["signal:5", "signal:x"])
def test_what_only_looks_like_an_escaped_name_is_one(column):
    assert MetricColumns.read(["ts", column]).signals == {column: column}


def test_columns_of_metrics_are_in_order():
    assert metric_columns({"z", "risk_band", "a", "phase_diff"}) == [
        "phase_diff",
        "risk_band",
        "a",
        "z",
    ]


def test_a_cell_is_quoted_where_it_must_be():
    assert csv_line(["a", "b c", 'd"e', "f,g", "h\ri", ""]) == 'a,b c,"d""e","f,g","h\ri",\n'
