"""What the loop asks of the record at a start: up to when was judged, and under which policy."""

from daemon.store import alerts, history, rules, runs
from daemon.store.rules import Policy, RuleLimits
from tests.contract.rows import MINUTE, T0

DIGESTS = ("a" * 64, "b" * 64)


def decided(tx, at_us, kind="hold"):
    row = {"at_us": at_us, "mode": "live", "kind": kind, "reason": "r", "explanation": "e"}
    return history.append(tx, history.Decision(**row, policy="p", epoch=1))


def judged(store):
    with store.read() as view:
        return runs.judged_until_us(view)


def test_what_was_judged_is_told_by_the_newest_cycle_and_not_by_a_persons_word(store):
    assert judged(store) == 0
    with store.write() as tx:
        decided(tx, T0)
        seq = decided(tx, T0 + MINUTE)
    assert judged(store) == T0 + MINUTE
    with store.write() as tx:
        history.repeat(tx, seq, T0 + 3 * MINUTE)
        decided(tx, T0 + 9 * MINUTE, "command")
    assert judged(store) == T0 + 3 * MINUTE


def test_a_clock_that_was_set_back_is_followed(store):
    with store.write() as tx:
        decided(tx, T0 + 60 * MINUTE)
        decided(tx, T0)
    assert judged(store) == T0


def test_the_policy_adopted_last_is_named(store):
    limits = [RuleLimits(name="r", init=1.0, min_value=0.0, max_value=2.0, step=0.1)]
    with store.write() as tx:
        assert rules.policy_in_force(tx) is None
        for digest in (*DIGESTS, DIGESTS[0]):
            rules.adopt_policy(tx, Policy(digest=digest, body={}), limits, T0)
            assert rules.policy_in_force(tx) == digest


def test_unresolved_alerts_of_a_kind_are_named_by_what_they_are_about(store):
    with store.write() as tx:
        for kind, key in (("dead_source", "a"), ("dead_source", "b"), ("disk_low", "c")):
            cry = alerts.NewAlert(at_us=T0, kind=kind, key=key, severity="warn", text="t")
            alerts.raise_alert(tx, cry)
        alerts.resolve(tx, "dead_source", "a", T0)
        assert alerts.keys_of(tx, "dead_source") == {"b"}
        assert alerts.keys_of(tx, "stuck_rollback") == set()
