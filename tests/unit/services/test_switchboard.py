"""Several controls as one: each is asked for its own rules, and what one does not know is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import NotLeader
from daemon.ports import ControlsFault, Order
from daemon.services.loop.switchboard import NOBODY, Route, Switchboard, same
from tests.loop_kit import Surface


def order(rule, value, epoch=1):
    return Order(rule=rule, value=value, epoch=epoch)


class Board:
    """Two controls: one for what is named, one for the rest."""

    def __init__(self):
        self.own = Surface({"a": 1.0}, name="own")
        self.rest = Surface({"b": 2.0, "c": 3.0}, name="rest")
        self.board = Switchboard([Route(self.own, frozenset({"a"})), Route(self.rest)])
        assert self.board.take_over(1) == {}

    def set(self, **values):
        return self.board.carry_out([order(rule, value) for rule, value in values.items()])


@pytest.fixture
def both():
    return Board()


def values(reading):
    return {rule: held.value for rule, held in reading.held.items()}


# ── who holds what ───────────────────────────────────────────────────────────
def test_each_is_asked_for_its_own_rules(both):
    assert values(both.board.read("abc")) == {"a": 1.0, "b": 2.0, "c": 3.0}
    both.set(a=5.0, c=6.0)
    assert (both.own.values, both.rest.values) == ({"a": 5.0}, {"b": 2.0, "c": 6.0})
    assert [one.rule for one in both.own.written] == ["a"]


def test_what_nobody_holds_is_neither_read_nor_set():
    board = Switchboard([Route(Surface({"a": 1.0, "x": 9.0}), frozenset({"a"}))])
    board.take_over(1)
    reading = board.read(["a", "x"])
    assert (values(reading), reading.unreadable) == ({"a": 1.0}, {"x": NOBODY})
    outcome = board.carry_out([order("x", 2.0)])["x"]
    assert (outcome.done, outcome.readable, outcome.why()) == (False, False, NOBODY)


def test_nothing_is_asked_of_controls_that_have_no_part_in_it(both):
    both.own.fault = "mute"
    assert both.board.read(["b"]).unreadable == {}


@given(
    homes=st.dictionaries(st.sampled_from("abcdef"), st.sampled_from((0, 1, 2))),
    asked=st.sets(st.sampled_from("abcdef")),
    catch_all=st.booleans(),
)
def test_every_rule_is_held_or_told_to_be_nobodys(homes, asked, catch_all):
    claims = [{rule for rule, home in homes.items() if home == n} for n in range(3)]
    surfaces = [Surface(dict.fromkeys("abcdef", 1.0)) for _ in claims]
    routes = [Route(one, frozenset(mine)) for one, mine in zip(surfaces, claims, strict=True)]
    routes += [Route(Surface(dict.fromkeys("abcdef", 2.0)))] if catch_all else []
    board = Switchboard(routes)
    board.take_over(1)
    reading = board.read(asked)
    assert reading.held.keys() | reading.unreadable.keys() == asked
    assert not reading.held.keys() & reading.unreadable.keys()
    for rule in asked:
        if rule in homes:
            assert reading.value(rule) == 1.0
        else:
            assert reading.value(rule) == (2.0 if catch_all else None)
    outcomes = board.carry_out([order(rule, 7.0) for rule in sorted(asked)])
    assert {rule for rule, one in outcomes.items() if one.done} == reading.held.keys()
    assert outcomes.keys() == asked


# ── controls that fail ───────────────────────────────────────────────────────
def test_where_one_is_dead_the_other_still_works(both):
    both.own.fault = "mute"
    reading = both.board.read("abc")
    assert reading.unreadable == {"a": "no answer"}
    assert (reading.holds("b", 2.0), reading.holds("a", 1.0), reading.value("a")) == (
        True,
        False,
        None,
    )
    outcomes = both.set(a=5.0, b=5.0)
    assert (outcomes["b"].done, outcomes["a"].done, outcomes["a"].readable) == (True, False, False)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("refuse", "not today"),
        ("lie", "a reads 1 after 5 was set"),
        ("mute", "no answer in time"),
    ],
)
def test_what_was_not_done_says_why(both, fault, why):
    both.own.fault = fault
    outcome = both.set(a=5.0)["a"]
    assert (outcome.done, outcome.why()) == (False, why)


def test_a_value_that_is_gone_after_it_was_set_was_not_set(both):
    both.own.values.clear()
    both.own.fault = "lie"
    outcome = both.set(a=5.0)["a"]
    assert (outcome.done, outcome.readable) == (False, True)
    assert outcome.why() == "a has no value after 5 was set"


def test_what_cannot_be_read_back_and_raised_nothing_is_told_so(both):
    real = both.own.write

    def write_and_fall_silent(orders):
        real(orders)
        both.own.fault = "mute"

    both.own.write = write_and_fall_silent
    assert both.set(a=5.0)["a"].why() == "a could not be read back"


# ── who leads ────────────────────────────────────────────────────────────────
def test_controls_that_have_seen_a_newer_leader_end_this_one(both):
    both.rest.epoch = 9
    with pytest.raises(NotLeader, match="epoch 9 leads"):
        both.board.take_over(1)
    with pytest.raises(NotLeader):
        both.set(b=1.0)


def test_a_newer_leader_is_met_in_the_write_at_the_latest(both):
    both.own.epoch = 2
    with pytest.raises(NotLeader):
        both.set(a=5.0)
    assert both.own.values == {"a": 1.0}


def test_what_cannot_be_taken_over_is_named_and_left_alone_until_it_can():
    shut = Surface({"a": 1.0}, name="shut")
    real = shut.take_over

    def slow(epoch):
        raise ControlsFault("it starts")

    shut.take_over = slow
    board = Switchboard([Route(shut)])
    assert board.take_over(3) == {"shut": "it starts"}
    assert board.read("a").unreadable == {"a": "it starts"}
    assert board.carry_out([order("a", 2.0, 3)])["a"].why() == "it starts"
    assert shut.values == {"a": 1.0}
    shut.take_over = real
    assert board.read("a").holds("a", 1.0)
    assert shut.epoch == 3


# ── HOLD ─────────────────────────────────────────────────────────────────────
def test_whichever_says_hold_holds_everything(both):
    assert both.board.held() is None
    both.rest.hold = "deploying"
    assert both.board.held() == "deploying"
    both.own.hold = "the first to say so"
    assert both.board.held() == "the first to say so"


def test_where_one_cannot_be_asked_nothing_is_changed(both):
    def deaf():
        raise ControlsFault("no answer")

    both.own.held = deaf
    assert both.board.held() == "nobody can tell whether changes are wanted: no answer"


def test_all_of_them_are_let_go(both):
    closed = []
    both.own.close = lambda: closed.append("own")
    both.rest.close = lambda: closed.append("rest")
    both.board.close()
    assert closed == ["own", "rest"]


# ── the same value ───────────────────────────────────────────────────────────
@given(st.floats(-1e15, 1e15))
def test_a_value_is_the_same_as_itself_and_as_what_differs_in_the_last_digits(value):
    assert same(value, value)
    assert same(value, value * (1 + 5e-10))
    assert not same(value, value * 1.001 + 1.0) or value * 1.001 + 1.0 == value
    assert not same(value, -value) or value == 0.0
