"""When answers are written, and how work is shared out: neither changes what is found."""

import pytest

from daemon.clock import MICROS
from daemon.services.studying import asking
from daemon.services.studying.evaluating import Evaluator
from daemon.services.sweeping.running import conveyor
from daemon.store.tables import trials
from tests.contract.rows import rows_of
from tests.studying_kit import climbers, found, run, tools, wanted
from tests.sweeping_kit import Bank, Clock, Hand, market


class Slow:
    """A sampler that takes its time: by the clock, a second a batch."""

    def __init__(self, clock, look, *given):
        self.inner, self.clock, self.look = climbers(*given), clock, look

    def ask(self, count, batch):
        self.clock.passed_us += MICROS
        self.look(batch)
        return self.inner.ask(count, batch)

    def tell(self, told):
        self.inner.tell(told)


def test_where_proposing_takes_long_answers_are_written_before_it(backend):
    with backend.opened() as store:
        run(tools(store), wanted(scheme=None))
        expected = found(store)
    with backend.opened() as store:
        clock, seen = Clock(), []

        def look(batch):
            states = [row["state"] for row in rows_of(store, trials)]
            seen.append((batch, states.count("done"), states.count("asked")))

        run(
            tools(store, clock=clock, sampler=lambda *g: Slow(clock, look, *g)),
            wanted(scheme=None),
        )
        assert seen == [(1, 0, 0), (2, 8, 0), (3, 16, 0)]
        assert found(store) == expected


class Fragile:
    """A sampler that breaks with its third batch."""

    def __init__(self, *given):
        self.inner = climbers(*given)

    def ask(self, count, batch):
        if batch == 3:
            raise ArithmeticError("no direction leads anywhere")
        return self.inner.ask(count, batch)

    def tell(self, told):
        self.inner.tell(told)


def test_when_a_sampler_breaks_what_was_answered_is_kept(store):
    with pytest.raises(ArithmeticError):
        run(tools(store, sampler=Fragile), wanted(scheme=None))
    assert [row["state"] for row in rows_of(store, trials)] == ["done"] * 16
    assert run(tools(store), wanted(scheme=None)).trials == 24


def test_long_quotes_are_shared_out_and_short_ones_are_not(store):
    rows = conveyor.LONG
    bank, hand = Bank(**{"q.csv": market(rows, digest="f" * 64)}), Hand(slots=4)
    run(tools(store, hand, bank=bank), wanted(scheme=None))
    assert hand.evaluated == [2] * 12
    short = Hand(slots=4)
    run(tools(store, short), wanted(scheme=None))
    assert short.evaluated == [8] * 3


def test_nothing_is_begun_where_there_is_nothing_to_do():
    made = []
    evaluator = Evaluator(lambda: made.append(1), 1.0, lambda: None)
    assert evaluator.run([]) == []
    evaluator.close()
    assert not made


# ── names ────────────────────────────────────────────────────────────────────
def test_a_study_that_is_not_there_is_not_found(store):
    with pytest.raises(asking.UnknownStudy, match="no study yet"):
        asking.find(store, "last")
    run(tools(store), wanted(scheme=None))
    for ref in ("7", "99999999999999999999"):
        with pytest.raises(asking.UnknownStudy, match=f"no study {ref}"):
            asking.find(store, ref)
