"""Commands on every database: asked once, begun once, answered once."""

import pytest

from daemon.errors import Exit, StoreError
from daemon.store import commands
from daemon.store.commands import Command, NewCommand
from daemon.store.tables import commands as table
from tests.contract.rows import MINUTE, T0, rows_of
from tests.contract.store.test_changes_race import at_once


def new(key="k1", **fields):
    said = {"kind": "apply", "actor": "anna", "at_us": T0, "args": {"moves": {"risk_max": 0.37}}}
    return NewCommand(key=key, **{**said, **fields})


def filed(store, *asked):
    with store.write() as tx:
        return [commands.file(tx, one) for one in asked]


def do(store, act, *given):
    with store.write() as tx:
        return act(tx, *given)


def states(store):
    return [row["state"] for row in rows_of(store, table)]


def test_a_command_is_read_back_as_it_was_asked(store):
    (number,) = filed(store, new(reason="because", expires_at_us=T0 + MINUTE))
    with store.read() as view:
        assert commands.get(view, number) == Command(
            id=number,
            key="k1",
            kind="apply",
            args={"moves": {"risk_max": 0.37}},
            actor="anna",
            reason="because",
            at_us=T0,
            expires_at_us=T0 + MINUTE,
            state="pending",
            result=None,
            exit_code=None,
            epoch=None,
            done_at_us=None,
        )
        assert commands.get(view, number + 1) is None


def test_the_same_key_is_the_same_command(store):
    first, again, other = filed(store, new(), new(actor="ben", args={}), new("k2"))
    assert first == again != other
    assert [row["actor"] for row in rows_of(store, table)] == ["anna", "anna"]


def test_two_that_ask_with_the_same_key_at_once_get_the_same_command(shared, url):
    got = at_once(url, *[lambda tx: commands.file(tx, new())] * 4)
    assert len(set(got)) == 1, got
    assert len(rows_of(shared, table)) == 1


def test_what_is_pending_is_read_oldest_first_and_what_is_recent_newest_first(store):
    numbers = filed(store, *(new(f"k{n}") for n in range(4)))
    do(store, commands.take, numbers[1], 1)
    with store.read() as view:
        assert [one.id for one in commands.pending(view)] == [numbers[n] for n in (0, 2, 3)]
        assert [one.id for one in commands.pending(view, 2)] == [numbers[n] for n in (0, 2)]
        assert [one.id for one in commands.recent(view, 3)] == [numbers[n] for n in (3, 2, 1)]


def test_a_command_is_begun_once(store):
    (number,) = filed(store, new())
    assert do(store, commands.take, number, 3) is True
    assert do(store, commands.take, number, 4) is False
    assert do(store, commands.take, number + 1, 4) is False
    (row,) = rows_of(store, table)
    assert (row["state"], row["epoch"]) == ("running", 3)


def test_of_two_that_begin_a_command_at_once_one_does(shared, url):
    (number,) = filed(shared, new())
    acts = [lambda tx, epoch=epoch: commands.take(tx, number, epoch) for epoch in (1, 2, 3)]
    assert sorted(at_once(url, *acts)) == [False, False, True]


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("state", ["done", "refused", "failed", "expired"])
def test_a_command_is_answered_once(store, begun, state):
    (number,) = filed(store, new())
    if begun:
        do(store, commands.take, number, 1)
    answer = (number, state, Exit.REFUSED, {"text": "no"}, T0 + 5)
    assert do(store, commands.finish, *answer) is True
    assert do(store, commands.finish, number, "done", Exit.DONE, {}, T0 + 6) is False
    assert do(store, commands.take, number, 2) is False
    with store.read() as view:
        done = commands.get(view, number)
    assert (done.state, done.exit_code, done.result) == (state, 5, {"text": "no"})
    assert done.done_at_us == T0 + 5


@pytest.mark.parametrize("state", ["pending", "running", "forged"])
def test_what_is_no_end_is_refused(store, state):
    (number,) = filed(store, new())
    with pytest.raises(ValueError, match=f"{state} is no end"):
        do(store, commands.finish, number, state, 0, {}, T0)
    assert states(store) == ["pending"]


def test_what_nobody_began_in_time_expires(store):
    late, soon, ever, begun = filed(
        store,
        new("late", expires_at_us=T0 + 10),
        new("soon", expires_at_us=T0 + 11),
        new("ever"),
        new("begun", expires_at_us=T0 + 10),
    )
    do(store, commands.take, begun, 1)
    assert do(store, commands.expire, T0 + 9) == []
    assert do(store, commands.expire, T0 + 10) == [late]
    assert do(store, commands.expire, T0 + 10) == []
    with store.read() as view:
        gone = commands.get(view, late)
        assert [commands.get(view, one).state for one in (soon, ever)] == ["pending"] * 2
    assert (gone.state, gone.exit_code, gone.done_at_us) == ("expired", Exit.TRY_AGAIN, T0 + 10)
    assert "nothing was done" in gone.result["text"]


def test_what_an_earlier_leader_began_is_answered_and_not_begun_again(store):
    old, own, waiting = filed(store, new("old"), new("own"), new("waiting"))
    do(store, commands.take, old, 1)
    do(store, commands.take, own, 2)
    assert do(store, commands.abandoned, 2, T0 + 9) == [old]
    assert do(store, commands.abandoned, 2, T0 + 10) == []
    assert states(store) == ["failed", "running", "pending"]
    with store.read() as view:
        left = commands.get(view, old)
    assert (left.exit_code, left.done_at_us, left.epoch) == (Exit.FAILED, T0 + 9, 1)
    assert "daemon ctl status" in left.result["text"]
    assert do(store, commands.finish, old, "done", 0, {}, T0 + 11) is False
    assert waiting


@pytest.mark.parametrize("wrong", [{"key": ""}, {"kind": ""}, {"actor": ""}, {"at_us": -1}])
def test_what_makes_no_sense_is_refused(store, wrong):
    with pytest.raises(StoreError):
        filed(store, new(**{"key": "k", **wrong}))
