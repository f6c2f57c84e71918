"""Nothing is kept on sick evidence: every kind of sick stream, with a change open, both ways.

The rule does nothing to the signal, and each sick stream makes it look as if it
had helped a great deal. Without the examination most of them would be believed,
which is shown as well: the same table then keeps changes.
"""

import pytest

from tests.contract.signals.streams import KINDS, SickLoop

pytestmark = pytest.mark.unmeasured  # thousands of cycles; tests of one measure what it reaches

SICK = 20
"""Cycles for which a stream is sick: until the change is given up, and longer."""

WELL = 40
"""Cycles after it is well again, within which the next change is judged."""

DECEPTIVE = [
    "frozen",
    "frozen in blocks",
    "frozen for a while",
    "NaN where it is bad",
    "infinite where it is bad",
    "duplicates",
    "out of order",
    "from the future",
    "half as many",
]
"""Kinds that are believed if nobody examines them; tried one way and the other by turns."""


@pytest.fixture
def make(memory_backend, tmp_path):
    opened = []

    def start(way, **options):
        opened.append(memory_backend.opened())
        return SickLoop(opened[-1].__enter__(), tmp_path, way, 1, **options)

    yield start
    for store in opened:
        store.__exit__(None, None, None)


def kept(cycles):
    return [cycle.decision for cycle in cycles if cycle.decision.kind == "keep"]


def states(loop):
    return {state for (state,) in loop.sql("SELECT state FROM signal_states")}


@pytest.mark.parametrize("way", [-1, 1], ids=["should fall", "should rise"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_kept_on_sick_evidence(make, kind, way):
    falls_sick, told_by = KINDS[kind]
    loop = make(way)
    loop.examine()
    loop.until("apply", limit=60)
    loop.stream.fall_sick(falls_sick)
    cycles = loop.run(SICK)
    assert kept(cycles) == []
    assert {cycle.decision.kind for cycle in cycles} & {"revert", "rollback"}
    assert told_by & loop.watch.seen, loop.watch.seen
    if kind not in {"frozen for a while", "a thousandfold for a while", "stuck then catching up"}:
        assert states(loop) & told_by
    assert loop.surface.values["workers"] == 8.0
    loop.stream.recover()
    # nor for what the sick stream made of the next change
    assert loop.until("keep", "revert", "rollback", limit=WELL).decision.kind != "keep"


@pytest.mark.parametrize(("kind", "way"), [*zip(DECEPTIVE, [-1, 1] * 5, strict=False)])
def test_unexamined_it_would_be_believed(make, kind, way):
    loop = make(way)
    loop.until("apply", limit=60)
    loop.stream.fall_sick(KINDS[kind][0])
    assert kept(loop.run(SICK))


@pytest.mark.parametrize("way", [-1, 1])
def test_a_healthy_stream_is_evidence(make, way):
    """The same loop keeps what helps: it is not the examination that is in the way."""
    loop = make(way, slope=6.0)
    loop.examine()
    loop.until("apply", limit=60)
    assert kept(loop.run(SICK))
    assert states(loop) == {"ok"}


@pytest.mark.parametrize("way", [-1, 1])
def test_a_great_effect_is_no_sickness(make, way):
    """Half as much or twice as much at once, and it stays: that is what tuning is for."""
    loop = make(way, slope=40.0)
    loop.examine()
    loop.until("apply", limit=60)
    assert kept(loop.run(SICK))
    assert states(loop) == {"ok"}


def test_there_are_24_kinds_and_more():
    assert len(KINDS) >= 24
