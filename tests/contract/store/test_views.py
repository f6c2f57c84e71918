"""The views: their columns are a promise, and they say the same on every database."""

import json

import pytest
from sqlalchemy import insert, select, text

from daemon.clock import MAX_MICROS, iso
from daemon.store import changes, history, rules, samples
from daemon.store.changes import Delta
from daemon.store.tables import jobs, rankings, results, sessions
from daemon.store.tables import rules as rules_table
from daemon.store.views import VIEWS, render
from daemon.tuning.vocabulary import ChangeState
from tests.contract.rows import T0, decision, event, move, new_change, rule_set

S = ChangeState
PROMISED = {
    "current_rules": "rule, value, init, min, max, changed_at, change_id, state",
    "decision_log": "seq, at, mode, kind, rule, old, new, reason, explanation, policy, change_id",
    "change_effects": "change_id, rule, old, new, applied_at, settled_at, outcome, signal, pre_n,"
    " pre_mean, post_n, post_mean, delta, ci_low, ci_high, verdict",
    "rule_timeline": "rule, at, old, new, actor, outcome, note",
    "leaderboard": "session_id, rank, job_id, params, realized_pnl_usd, max_drawdown_pct,"
    " total_trades, win_rate, robust_rank",
    "study_leaderboard": "study_id, study, fold, rank, oos_rank, robust_rank, trial, params,"
    " value, violation, oos_value, robust_score, chosen, declared",
    "signal_health": "signal, last_at, age_s, rate_hz, share_bad, state",
}


def ask(store, query):
    with store.read() as view:
        return [dict(row) for row in view.execute(text(query)).mappings()]


def test_every_view_has_the_columns_that_were_promised(store):
    """Named as users name them, without quotes."""
    assert set(PROMISED) == set(VIEWS)
    for view, columns in PROMISED.items():
        ask(store, f"SELECT {columns} FROM {view} ORDER BY 1")


MOMENTS = [0, 1, 999_999, 1_000_000, T0, T0 + 123_456, T0 + 50, 2**53, MAX_MICROS]


def test_a_moment_is_written_as_the_program_writes_it(store):
    """To the microsecond, on both databases, from the first moment to the last."""
    with store.write() as tx:
        history.append_all(tx, [decision(at_us) for at_us in MOMENTS])
    shown = [row["at"] for row in ask(store, "SELECT at FROM decision_log ORDER BY seq")]
    assert shown == [iso(at_us) for at_us in MOMENTS]
    assert ask(store, "SELECT last_at FROM decision_log")[0]["last_at"] is None


def test_the_words_for_now_mean_the_present(store):
    (now_us,) = ask(store, f"SELECT {render('@now_us', store.dialect)} AS now").pop().values()
    (later_us,) = ask(store, f"SELECT {render('@now_us', store.dialect)} AS now").pop().values()
    assert isinstance(now_us, int)
    assert now_us <= later_us < now_us + 60_000_000
    assert iso(now_us)[:4] >= "2024"


@pytest.fixture
def told(store):
    """A small story: a rule, a change that was kept, one that was taken back, a freeze."""
    with store.write() as tx:
        limits = [
            rules.RuleLimits(name=name, init=0.35, min_value=0.2, max_value=0.4, step=0.02)
            for name in ("risk_max", "creative_min")
        ]
        rules.adopt_policy(tx, rules.Policy(digest="d" * 64, body={}), limits, T0)
        samples.declare(tx, ["entropy_rate", "risk_band"], T0)
        history.append(tx, decision(T0, kind="hold", rule="risk_max", reason="cooldown"))
        history.repeat(tx, 1, T0 + 7)
        history.repeat(tx, 1, T0 + 8)
        number = changes.open_change(tx, new_change(), S.APPLYING, move(T0 + 10))
        history.append(
            tx,
            decision(
                T0 + 10,
                kind="apply",
                rule="risk_max",
                old=0.35,
                new=0.37,
                reason="improves",
                explanation="risk_band fell",
                policy="d" * 64,
                change_id=number,
            ),
        )
        history.append(
            tx,
            rule_set(T0 + 11, old=0.35, new=0.37, change_id=number, note="a step", actor="daemon"),
        )
        changes.advance(tx, number, S.APPLYING, S.OBSERVING, move(T0 + 11))
        measured = {"pre_n": 450, "pre_mean": 0.31, "post_n": 449, "post_mean": 0.3}
        changes.add_deltas(
            tx,
            [
                Delta(
                    change_id=number,
                    signal_id=2,
                    at_us=T0 + 20,
                    verdict="better",
                    delta=-0.01,
                    ci_low=-0.02,
                    ci_high=-0.005,
                    **measured,
                )
            ],
        )
        changes.advance(tx, number, S.OBSERVING, S.KEPT, move(T0 + 20))
        history.append(tx, rule_set(T0 + 30, rule="creative_min", new=0.3, actor="anna"))
        history.append(tx, event())
    return store


def test_the_decision_log_tells_every_decision_in_a_sentence(told):
    hold, applied = ask(told, "SELECT * FROM decision_log ORDER BY seq")
    assert (hold["kind"], hold["reason"], hold["repeats"]) == ("hold", "cooldown", 2)
    assert hold["last_at"] == iso(T0 + 8)
    assert {key: applied[key] for key in ("at", "mode", "kind", "rule", "old", "new")} == {
        "at": iso(T0 + 10),
        "mode": "live",
        "kind": "apply",
        "rule": "risk_max",
        "old": 0.35,
        "new": 0.37,
    }
    assert (applied["explanation"], applied["policy"]) == ("risk_band fell", "d" * 64)
    assert (applied["change_id"], applied["repeats"], applied["last_at"]) == (1, 0, None)


def test_the_effects_of_a_change_are_told_per_signal(told):
    (row,) = ask(told, "SELECT * FROM change_effects")
    assert row == {
        "change_id": 1,
        "rule": "risk_max",
        "old": 0.35,
        "new": 0.37,
        "applied_at": iso(T0 + 11),
        "settled_at": iso(T0 + 20),
        "outcome": "kept",
        "signal": "risk_band",
        "trial": 1,
        "pre_n": 450,
        "pre_mean": 0.31,
        "post_n": 449,
        "post_mean": 0.3,
        "delta": -0.01,
        "ci_low": -0.02,
        "ci_high": -0.005,
        "verdict": "better",
        "cause": None,
    }


def test_the_timeline_of_a_rule_says_what_became_of_each_value(told):
    mine, hers = ask(told, "SELECT * FROM rule_timeline ORDER BY seq")
    assert mine == {
        "seq": 1,
        "rule": "risk_max",
        "at": iso(T0 + 11),
        "old": 0.35,
        "new": 0.37,
        "actor": "daemon",
        "outcome": "kept",
        "note": "a step",
        "change_id": 1,
    }
    assert (hers["rule"], hers["actor"], hers["outcome"], hers["old"]) == (
        "creative_min",
        "anna",
        None,
        None,
    )


def test_the_leaderboard_ranks_the_jobs_of_each_session(store):
    common = {"at_us": T0, "engine_version": "1", "data_digest": "d", "params": {}}
    with store.write() as tx:
        for session in (1, 2):
            tx.execute(
                insert(sessions).values(
                    name=f"s{session}",
                    state="done",
                    spec={},
                    data_file="f",
                    jobs_total=2,
                    created_at_us=T0,
                )
            )
            for n in (1, 2):
                key = f"{session}-{n}"
                tx.execute(
                    insert(results).values(
                        key=key,
                        status="success",
                        realized_pnl_usd=10.0 * n,
                        max_drawdown_pct=1.5,
                        total_trades=7,
                        win_rate=0.5,
                        **common,
                    )
                )
                tx.execute(
                    insert(jobs).values(
                        session_id=session,
                        n=n,
                        job_id=f"job-{n}",
                        state="done",
                        params={"a": 0.5 * n, "b": "é"},
                        result_key=key,
                    )
                )
                tx.execute(
                    insert(rankings).values(
                        session_id=session, rank=3 - n, n=n, robust_rank=n, at_us=T0
                    )
                )
    best, worst = ask(store, "SELECT * FROM leaderboard WHERE session_id = 2 ORDER BY rank")
    params = best["params"] if isinstance(best["params"], dict) else json.loads(best["params"])
    assert params == {"a": 1, "b": "é"}
    assert (best["rank"], best["job_id"], best["realized_pnl_usd"]) == (1, "job-2", 20.0)
    assert (best["max_drawdown_pct"], best["total_trades"], best["win_rate"]) == (1.5, 7, 0.5)
    assert (best["robust_rank"], worst["job_id"], worst["robust_rank"]) == (2, "job-1", 1)


def test_a_rule_is_shown_with_its_bounds_until_it_is_retired(told):
    with told.write() as tx:
        tx.execute(
            rules_table.update()
            .where(rules_table.c.name == "risk_max")
            .values(value=0.37, changed_at_us=T0 + 11, change_id=1)
        )
        tx.execute(
            rules_table.update()
            .where(rules_table.c.name == "creative_min")
            .values(retired_at_us=T0)
        )
        assert len(tx.execute(select(rules_table)).all()) == 2
    (row,) = ask(told, "SELECT * FROM current_rules")
    assert row == {
        "rule": "risk_max",
        "value": 0.37,
        "init": 0.35,
        "min": 0.2,
        "max": 0.4,
        "changed_at": iso(T0 + 11),
        "change_id": 1,
        "state": "steady",
    }
