"""A study in lines for a person."""

import re

import pytest

from daemon.cli.study_judgement import judgement
from daemon.cli.study_show import figure, lines

NOW_US = 1_800_000_000_000_000
AT = "2027-01-15T07:59:00.000000Z"
FOLD = {"fold": 1, "trials": 200, "chosen_n": 7, "value": 12.5, "oos_value": 3.0, "ended": "spent"}
FOUND = {
    "study": 4,
    "name": "tpe",
    "state": "done",
    "note": None,
    "sampler": "tpe",
    "seed": 1,
    "folds": 1,
    "trials": 200,
    "of": 200,
    "known": 0,
    "pruned": 0,
    "failed": 0,
    "declared": None,
    "trials_per_s": None,
    "eta_at": None,
    "runner": None,
    "started_at": AT,
    "finished_at": None,
    "spent_s": 0,
    "walk": [FOLD],
    "ranking": [],
    "report": None,
    "failures": [],
    "proposals": [],
    "spec": {
        "aim": {"objectives": [{"metric": "realized_pnl_usd", "direction": "maximize"}]},
        "domain": [
            {"name": "min_spread_bps", "type": "float", "low": 2, "high": 60},
            {"name": "zone", "type": "profiles"},
        ],
        "data": [{"symbol": "data", "file": "q.csv", "rows": 3840, "digest": "acf041b68d2c99"}],
        "promote": [],
    },
}


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")


def said(**changed):
    found = {}
    word = ""
    for line in lines(FOUND | changed, NOW_US):
        word = line[:10].strip() or word
        found.setdefault(word, []).append(line[11:])
    return found


def test_what_is_there_is_said():
    found = said()
    assert found["study"] == ["4 (tpe)"]
    assert found["sought"] == ["realized_pnl_usd by tpe, seed 1, over min_spread_bps, zone"]
    assert found["trials"] == ["200 of 200"]
    assert found["data"] == ["q.csv, 3,840 rows, acf041b68d2c"]
    assert found["folds"] == [
        "1  trial 7, best of 200: realized_pnl_usd 12.5 in sample, 3 on rows held back (spent)"
    ]
    assert found["next"] == ["a larger budget goes on with it"]
    assert found["more"] == ["daemon study rank 4; daemon study export 4 -o csv"]


@pytest.mark.parametrize(
    ("fold", "text"),
    [
        ({"trials": 0, "chosen_n": None, "ended": None}, "1  not searched yet"),
        ({"chosen_n": None, "ended": None}, "1  200 trials so far"),
        ({"chosen_n": None}, "1  200 trials, none holds what it must (spent)"),
        (
            {"oos_value": None},
            "1  trial 7, best of 200: realized_pnl_usd 12.5 in sample, no rows held back (spent)",
        ),
    ],
)
def test_a_fold_in_every_state(fold, text):
    assert said(walk=[FOLD | fold])["folds"] == [text]


def test_counts_that_are_not_zero_are_told():
    found = said(folds=3, known=1_200, pruned=2, failed=3, trials_per_s=37.4, of=None)
    assert found["trials"] == [
        "200 in 3 folds, 1,200 known before, 2 given up early, 3 failed, 37 a second"
    ]
    failed = said(failures=[{"trial": 3, "error": "broke\x1b"}, {"trial": 5, "error": None}])
    assert failed["failed"] == ["trial 3: broke\\x1b", "trial 5: "]


def test_what_runs_can_be_stopped_and_what_was_stopped_goes_on():
    running = said(state="running", runner="process 3 on vm", eta_at=AT)
    assert running["runner"] == ["process 3 on vm"]
    assert running["stop it"] == ["daemon study cancel 4 (done at 2027-01-15T07:59:00Z, it thinks)"]
    assert "next" not in running
    stopped = said(state="stopped", note="it was cut off")
    assert stopped["state"] == ["stopped: it was cut off"]
    assert stopped["go on"]


def trial(**changed):
    given = {"trial": 7, "params": {"zone": "calm", "min_spread_bps": 60}, "winner": True}
    return given | {"chosen": True} | changed


def test_a_winner_is_told_in_the_order_of_the_axes_and_where_it_stands():
    found = said(declared=True, ranking=[trial()], report={"judgement": {"said": "it is one"}})
    assert found["winner"] == [
        "trial 7: min_spread_bps 60, zone calm",
        "min_spread_bps stands at the end of its axis: a wider one may hold a better value",
    ]
    assert found["verdict"] == ["it is one"]
    assert "name rules under `promote:`" in found["next"][0]
    lost = said(declared=False, ranking=[trial(winner=False)])
    assert lost["best"][0].startswith("trial 7")
    assert lost["verdict"] == ["not declared"]
    assert lost["next"][0].startswith("do not trade on it")


def test_what_to_do_about_gates_is_told_and_not_too_much_of_it():
    report = {"judgement": {"next": ["one", "two", "three", "four"]}}
    assert said(declared=False, report=report)["next"] == ["one", "two", "three"]


def test_a_proposal_is_what_comes_next():
    proposal = {"id": 3, "state": "pending", "target": {"min_spread_bps": 34}}
    found = said(declared=True, proposals=[proposal])
    assert found["proposal"] == ["3 (pending): min_spread_bps 34"]
    assert found["next"] == ["daemon ctl approve 3, or daemon ctl reject 3"]


def test_several_symbols_have_their_weights():
    one = FOUND["spec"]["data"][0]
    spec = FOUND["spec"] | {"data": [one | {"weight": 2.0}, one | {"symbol": "b", "weight": 1.0}]}
    assert said(spec=spec)["data"] == [
        "data: q.csv, 3,840 rows, acf041b68d2c, weight 2",
        "b: q.csv, 3,840 rows, acf041b68d2c, weight 1",
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "nothing"), (1234.5678, "1,234.57"), (0.0, "0")]
)
def test_figures_are_short(value, text):
    assert figure(value) == text


REPORT = {
    "out_of_sample": {"folds": 3, "pnl_usd": 276.154, "trades": 136, "max_drawdown_pct": 0.88},
    "judgement": {
        "gates": [
            {"name": "trades", "held": True, "text": "258 trades"},
            {"name": "overfitting", "held": False, "text": "drawing lots"},
        ]
    },
    "winner": {"n": 7},
    "stress": {
        "kinds": [{"name": "none", "said": "as it was"}, {"name": "costs", "said": "dearer"}],
        "trials": [{"n": 7, "pnl_usd": {"none": 3.0, "costs": -1.5}, "rank": {"none": 1}}],
    },
    "importance": {"axes": {"b": 0.2, "a": 0.7, "c": None}, "note": "of 20 points"},
    "symbols": [{"symbol": "x", "best_n": 3}, {"symbol": "y", "best_n": None}],
}


def test_a_judgement_is_told_gate_by_gate():
    assert [*judgement(REPORT)] == [
        (
            "held back",
            (
                "the choices of 3 folds together: +276.15 USD in 136 trades, open ones at market,"
                " drawdown 0.88%"
            ),
        ),
        ("gates", "held   trades       258 trades"),
        ("", "failed overfitting  drawing lots"),
        ("stress", "as it was +3.00 USD (rank 1); dearer -1.50 USD"),
        ("matters", "a 70%, b 20%"),
        ("", "of 20 points"),
        ("symbols", "x: alone it would choose 3"),
        ("", "y: no trial holds what it must"),
    ]


@pytest.mark.parametrize("report", [{}, {"judgement": {}, "winner": None, "symbols": [{}]}])
def test_a_report_with_nothing_in_it_says_nothing(report):
    assert [*judgement(report)] == []


def test_control_characters_are_shown_and_not_sent():
    shown = "\n".join(lines(FOUND | {"name": "a\x1b[31m"}, NOW_US))
    assert not re.search(r"\x1b", shown)
