"""One backtest alone."""

import math
from pathlib import Path

import pytest

from daemon.clock import iso
from daemon.errors import InputError
from daemon.market import simulator
from daemon.ports import LoadedQuotes
from daemon.services.sweeping import single
from daemon.services.sweeping.single import Question
from tests.market_kit import START_US, ab, assert_same, ba, params, quotes

ROWS = [ab(40.0), ab(-5.0), ba(25.0), ab(30.0), ab(35.0)]
VALUES = {
    "min_spread_bps": 5.0,
    "taker_fee_a_bps": 1.0,
    "taker_fee_b_bps": 1.5,
    "slippage_bps": 2.5,
    "max_position_usd": 1000.0,
}


class Bank:
    """Has one file of quotes."""

    def __init__(self, found=None):
        self.found = quotes(ROWS) if found is None else found
        self.asked = []

    def load(self, path, *, skip_bad_rows=False):
        self.asked.append((path, skip_bad_rows))
        return LoadedQuotes(self.found, 2 if skip_bad_rows else 0, ("q.csv:3: no number",))

    def by_digest(self, digest):
        return self.found if digest == self.found.digest else None


class Ticking:
    """A clock on which every look takes a quarter of a second."""

    def __init__(self):
        self.at_us = 0

    def now_us(self):
        return START_US

    def elapsed_us(self):
        self.at_us += 250_000
        return self.at_us

    def sleep(self, seconds):
        self.at_us += round(seconds * 1e6)


def ask(bank=None, **changed):
    question = Question(data_file="data/q.csv", values=VALUES | changed, job_id="j", tag="t")
    return single.run(question, bank or Bank(), Ticking())


def test_the_result_is_that_of_the_readable_engine():
    found = ask()
    assert_same(simulator.backtest(quotes(ROWS), params()), found.metrics)
    document = found.document()
    assert document["status"] == "success"
    assert document["metrics"]["runtime_seconds"] == 0.25
    assert document["config"]["data_file"] == "data/q.csv"
    assert document["config"]["tag"] == "t"
    assert document["config_summary"]["rows"] == len(ROWS)
    assert document["config_summary"]["job_id"] == "j"


def test_bad_rows_are_skipped_only_if_somebody_says_so():
    bank = Bank()
    single.run(Question(data_file="q.csv", values=VALUES, skip_bad_rows=True), bank, Ticking())
    assert bank.asked == [(Path("q.csv"), True)]


def test_trades_are_listed_as_they_were_closed():
    found = [dict(zip(single.TRADE, row, strict=True)) for row in ask(exit_model="quoted").trades()]
    expected = simulator.trades(quotes(ROWS), params(exit_model="quoted"))
    assert [row["pnl_usd"] for row in found] == [trade.pnl_usd for trade in expected]
    assert [row["trade"] for row in found] == [*range(1, len(expected) + 1)]
    assert found[0]["side"] == "LONG_A_SHORT_B"
    assert (found[0]["entry_row"], found[0]["exit_row"]) == (1, 2)
    assert found[0]["entry_at"] == iso(START_US)


def test_rows_without_moments_have_none():
    [first, *_] = ask(Bank(quotes(ROWS, timed=False))).trades()
    assert first[single.TRADE.index("entry_at")] is None


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("taker_fee_a_bps", -1.0, -1.0),
        ("max_position_usd", 0.0, 0.0),
        ("slippage_bps", math.nan, "nan"),
        ("initial_balance_usd", math.inf, "inf"),
        ("stop_on_drawdown_pct", 0.0, 0.0),
        ("max_open_trades", 0, 0),
    ],
)
def test_a_value_that_a_parameter_cannot_have_is_an_error_with_a_document(name, value, shown):
    question = Question(data_file="q.csv", values=VALUES | {name: value}, job_id="j", tag="t")
    bank = Bank()
    with pytest.raises(InputError, match=name) as error:
        single.run(question, bank, Ticking())
    assert not bank.asked
    document = question.failed(error.value)
    assert document["status"] == "error"
    assert name in document["error"]
    assert document["config"][name] == shown
    assert document["config"]["tag"] == "t"
    assert document["config_summary"]["job_id"] == "j"


def test_a_bug_is_a_failed_job_as_well():
    found = Question(data_file="q.csv", values=VALUES).failed(ZeroDivisionError("by zero"))
    assert (found["status"], found["error"]) == ("error", "unexpected ZeroDivisionError: by zero")
