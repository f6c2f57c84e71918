"""Proposals on every database: decided once, by somebody, while they are pending."""

import pytest

from daemon.errors import StoreError
from daemon.store import proposals
from daemon.store.proposals import NewProposal, Proposal
from tests.contract.rows import MINUTE, T0


def new(**fields):
    said = {"origin": "operator", "base": {"risk_max": 0.35}, "target": {"risk_max": 0.37}}
    return NewProposal(at_us=T0, **{**said, **fields})


def made(store, *what):
    with store.write() as tx:
        return [proposals.propose(tx, one) for one in what]


def do(store, act, *given):
    with store.write() as tx:
        return act(tx, *given)


def get(store, number):
    with store.read() as view:
        return proposals.get(view, number)


def test_a_proposal_is_read_back_as_it_was_made(store):
    (number,) = made(
        store, new(expected={"gain": 0.1}, reason="r", decision_seq=7, expires_at_us=T0 + MINUTE)
    )
    assert get(store, number) == Proposal(
        id=number,
        at_us=T0,
        origin="operator",
        state="pending",
        base={"risk_max": 0.35},
        target={"risk_max": 0.37},
        expected={"gain": 0.1},
        reason="r",
        session_id=None,
        decision_seq=7,
        expires_at_us=T0 + MINUTE,
        decided_at_us=None,
        decided_by=None,
    )
    assert get(store, number + 1) is None


def test_proposals_are_listed_newest_first_of_one_state_or_of_all(store):
    one, two, dry, four = made(store, new(), new(), new(state="dry_run"), new())
    with store.read() as view:
        assert [p.id for p in proposals.listed(view)] == [four, dry, two, one]
        assert [p.id for p in proposals.listed(view, "pending")] == [four, two, one]
        assert [p.id for p in proposals.listed(view, "pending", 2)] == [four, two]
        assert proposals.listed(view, "applied") == []


@pytest.mark.parametrize("state", ["approved", "rejected", "applied", "superseded"])
def test_a_proposal_is_decided_once(store, state):
    (number,) = made(store, new())
    assert do(store, proposals.decide, number, state, "anna", T0 + 5) is True
    assert do(store, proposals.decide, number, "rejected", "ben", T0 + 6) is False
    decided = get(store, number)
    assert (decided.state, decided.decided_by, decided.decided_at_us) == (state, "anna", T0 + 5)
    assert do(store, proposals.decide, number + 1, state, "anna", T0) is False


def test_what_was_approved_is_carried_out_once_and_what_was_not_never(store):
    one, two = made(store, new(), new())
    assert do(store, proposals.carried_out, one) is False
    do(store, proposals.decide, one, "approved", "anna", T0 + 5)
    do(store, proposals.decide, two, "rejected", "anna", T0 + 5)
    assert do(store, proposals.carried_out, one) is True
    assert do(store, proposals.carried_out, one) is False
    assert do(store, proposals.carried_out, two) is False
    assert (get(store, one).state, get(store, one).decided_by) == ("applied", "anna")


def test_pending_proposals_expire(store):
    late, soon, ever, decided = made(
        store,
        new(expires_at_us=T0 + 10),
        new(expires_at_us=T0 + 11),
        new(),
        new(expires_at_us=T0 + 10),
    )
    do(store, proposals.decide, decided, "approved", "anna", T0)
    assert do(store, proposals.expire, T0 + 9) == []
    assert do(store, proposals.expire, T0 + 10) == [late]
    assert do(store, proposals.expire, T0 + 10) == []
    states = [get(store, number).state for number in (late, soon, ever, decided)]
    assert states == ["expired", "pending", "pending", "approved"]
    assert get(store, late).decided_at_us == T0 + 10


@pytest.mark.parametrize("wrong", [{"origin": "nobody"}, {"state": "maybe"}])
def test_what_makes_no_sense_is_refused(store, wrong):
    with pytest.raises(StoreError):
        made(store, new(**wrong))
