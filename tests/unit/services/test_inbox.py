"""Batches are shared out among the sources that are pushed to, as a whole or not at all."""

from daemon.ports import Reading
from daemon.services.watching.inbox import Delivery, Inbox
from tests.life_kit import T0, HandSource


def readings(*signals):
    return [Reading(signal, T0, 1.0) for signal in signals]


def test_every_sample_goes_to_the_source_that_declares_its_signal():
    one, two = HandSource(("a", "b")), HandSource(("c",))
    assert Inbox([one, two]).deliver(readings("a", "c", "b", "a")) == Delivery(accepted=4)
    assert [reading.signal for reading in one.taken] == ["a", "b", "a"]
    assert [reading.signal for reading in two.taken] == ["c"]


def test_a_signal_that_two_declare_goes_to_the_first():
    one, two = HandSource(("a",)), HandSource(("a",))
    Inbox([one, two]).deliver(readings("a"))
    assert (len(one.taken), len(two.taken)) == (1, 0)


def test_strangers_are_counted_and_named_once():
    delivery = Inbox([HandSource(("a",))]).deliver(readings("x", "a", "x", "w"))
    assert delivery == Delivery(accepted=1, strangers=("w", "x"), left_out=3)


def test_where_one_source_has_no_room_none_is_given_anything():
    one, two = HandSource(("a",)), HandSource(("b",), buffer=2)
    inbox = Inbox([one, two])
    assert inbox.deliver(readings("b")).accepted == 1
    delivery = inbox.deliver(readings("a", "b", "b"))
    assert delivery == Delivery(full=True)
    assert one.taken == []


def test_a_batch_that_can_never_fit_is_told_apart_from_one_that_does_not_fit_now():
    assert Inbox([HandSource(("a",), buffer=2)]).deliver(readings(*"aaa")) == Delivery(too_large=2)


def test_without_a_source_everybody_is_a_stranger():
    assert Inbox([]).deliver(readings("a")) == Delivery(strangers=("a",), left_out=1)


def test_a_batch_of_nothing_is_taken():
    assert Inbox([HandSource()]).deliver([]) == Delivery()
