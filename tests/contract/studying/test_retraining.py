"""When a study runs again: what was looked at, what was said, what is on record."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from daemon.config.tuning_policy import as_policy
from daemon.errors import InputError
from daemon.market.quotes import DAY_US, Quotes
from daemon.search.studies.folds import Scheme
from daemon.search.studies.triggers import Rules
from daemon.services.studying import hearing, retraining
from daemon.services.studying.wanted import Dataset
from daemon.store import studies
from daemon.store.tables import studies as table
from daemon.tuning.model import Shift
from tests.contract.rows import T0
from tests.recording import adopt, loaded_policy
from tests.retraining_kit import SEEN, Watch, hear, kinds, market, part, said
from tests.studying_kit import strict
from tests.sweeping_kit import DATA


@pytest.fixture
def watch(store):
    return Watch(store)


def rows(watch, limit=100):
    found = retraining.listed(watch.store, "night", limit)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


# ── nothing has changed ──────────────────────────────────────────────────────
def test_a_study_that_never_ran_is_due(watch):
    found = watch.due()
    assert (found.fired, found.said) == (True, "first: no study of this name has finished")
    begun = watch.run()
    retraining.started(watch.tools, found, begun)
    (row,) = rows(watch)
    assert (row["kind"], row["fired"], row["started"], row["study"]) == ("first", True, begun, None)


def test_right_after_a_study_there_is_nothing_to_do(watch):
    mine = watch.run()
    found = watch.due()
    assert (found.fired, found.study_id) == (False, mine)
    assert kinds(found) == {"age": False, "decay": False, "drift": False, "regime": False}
    assert said(found, "drift") == "no whole day has passed since what the study saw"


def test_quotes_that_go_on_as_they_were_are_calm(watch):
    watch.run()
    for days in (1, 2, 5, 14):
        found = watch.after(days)
        assert not found.fired
        drift = found.triggers[2]
        assert 0 < drift.ratio < 1
        assert drift.evidence["newer_days"] == days
        assert drift.evidence["seen_days"] == SEEN
        assert {one["what"] for one in drift.evidence["windows"]} == {"spread", "volatility"}


def test_who_looks_again_within_a_day_sees_and_writes_the_same(watch):
    watch.run()
    first = watch.after(3.1)
    count = len(rows(watch))
    watch.show(0, SEEN + 3.5)
    watch.later(0.4)
    again = watch.due()
    assert again.ids == first.ids
    assert len(rows(watch)) == count == len(first.ids)
    assert [one.ratio for one in again.triggers] == [one.ratio for one in first.triggers]


# ── something has ────────────────────────────────────────────────────────────
def test_wider_spreads_are_drift(store):
    watch = Watch(store, market(wider=2.5))
    mine = watch.run()
    found = watch.after(2)
    assert found.fired
    assert kinds(found)["drift"]
    assert found.said == f"drift: {said(found, 'drift')}"
    worst = {
        one["what"]: one["value"] > one["bound"] for one in found.triggers[2].evidence["windows"]
    }
    assert worst["spread"]
    (row,) = [row for row in rows(watch) if row["kind"] == "drift"]
    assert (row["fired"], row["study"], row["said"]) == (True, mine, said(found, "drift"))
    assert row["evidence"]["ratio"] > 1


def test_gaps_that_do_not_close_any_more_are_decay(store):
    watch = Watch(store, market(stuck=True))
    watch.run()
    found = watch.after(10)
    assert kinds(found)["decay"]
    assert "USD a day over the newest" in said(found, "decay")
    evidence = found.triggers[1].evidence
    assert evidence["promised_usd_per_day"] > 0
    assert evidence["promised_days"] >= 2


def test_where_no_winner_was_declared_none_can_decay(store):
    watch = Watch(store, market(stuck=True))
    watch.run(strict)
    found = watch.after(10)
    assert not kinds(found)["decay"]
    assert said(found, "decay") == "the study declared no winner, so there is none to decay"


def test_without_rows_out_of_sample_nothing_was_promised(watch):
    watch.wanted = replace(watch.wanted, scheme=None)
    watch.run()
    assert said(watch.after(3), "decay").startswith("the study left no rows out of sample")


def test_an_old_study_is_due_whatever_its_rows(watch):
    watch.run()
    watch.later(59)
    assert not watch.due().fired
    watch.later(1.5)
    found = watch.due()
    assert (found.fired, kinds(found)["age"]) == (True, True)
    assert found.said == "age: it is 60.5 days old, and 60 are allowed"


def test_what_is_switched_off_is_not_looked_at(store):
    watch = Watch(store, market(wider=2.5), rules=Rules(drift=False, decay=False, regime=False))
    watch.run()
    assert kinds(watch.after(5)) == {"age": False}


def test_without_retraining_a_study_runs_once(store):
    watch = Watch(store, market(wider=2.5), rules=None)
    assert watch.due().fired
    mine = watch.run()
    found = watch.after(90)
    assert (found.fired, found.triggers, found.ids) == (False, (), ())
    assert found.said == f"study {mine} is finished, and `retrain` is none"


def test_another_question_is_asked_at_once(watch):
    mine = watch.run()
    found = watch.due(seed=99)
    assert (found.fired, kinds(found)) == (True, {"asked": True, "age": False})
    assert found.said == f"asked: study {mine} was asked something else, or by another engine"
    assert not watch.due(max_results=3, retrain=Rules(max_age_days=9)).fired


@pytest.mark.parametrize("state", ["planned", "running", "stopped"])
def test_what_was_begun_is_gone_on_with(watch, state):
    first = watch.run()
    watch.show(0, SEEN + 1)
    second = watch.run()
    assert second != first
    with watch.store.write() as tx:
        tx.execute(update(table).where(table.c.id == second).values(state=state))
    found = watch.due()
    assert (found.fired, found.study_id) == (True, second)
    assert found.said == f"unfinished: study {second} was begun and is not finished"


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_what_failed_or_was_cancelled_is_not(watch, state):
    first = watch.run()
    watch.show(0, SEEN + 1)
    second = watch.run()
    with watch.store.write() as tx:
        tx.execute(update(table).where(table.c.id == second).values(state=state))
    found = watch.due()
    assert (found.fired, found.study_id) == (False, first)


# ── resting ──────────────────────────────────────────────────────────────────
def test_a_reason_that_a_study_did_not_settle_rests_longer_each_time(store):
    watch = Watch(store, market(wider=2.5))
    watch.run()
    found = watch.after(2)
    assert found.fired
    watch.later(0.01)
    second = watch.run()
    retraining.started(watch.tools, found, second)
    watch.later(1.5)
    watch.show(0, SEEN + 12)
    found = watch.due()
    assert kinds(found)["drift"]
    assert not found.fired
    assert found.said.startswith("resting for 0.5 more days, although drift: ")
    assert rows(watch)[0]["kind"] == "regime"
    (row,) = [row for row in rows(watch) if row["kind"] == "drift" and row["study"] == second]
    assert row["evidence"]["resting_days"] == pytest.approx(0.5, abs=0.01)
    watch.later(0.6)
    assert watch.due().fired


# ── files ────────────────────────────────────────────────────────────────────
def test_a_file_that_lost_its_first_rows_is_compared_with_what_was_kept(watch):
    watch.run()
    whole = watch.after(3)
    watch.show(10, SEEN + 3)
    assert [one.ratio for one in watch.due().triggers] == [one.ratio for one in whole.triggers]
    watch.show(SEEN + 1, SEEN + 3)
    assert kinds(watch.due()).keys() == {"age", "decay", "drift", "regime"}


def test_what_was_not_kept_is_compared_as_far_as_it_is_there(watch):
    watch.run()
    watch.later(3)
    watch.show(10, SEEN + 3, kept=False)
    found = watch.due()
    assert said(found, "decay") == "the first rows of the study are neither there nor kept"
    assert found.triggers[2].evidence["seen_days"] == SEEN - 10
    watch.show(SEEN, SEEN + 3, kept=False)
    assert said(watch.due(), "drift").endswith(
        "what the study saw is neither there nor kept in the cache"
    )


def test_other_quotes_in_the_file_replace_what_was_seen(watch):
    watch.run()
    watch.bank.files = {DATA: part(market(seed=2), 0, SEEN + 5)}
    assert watch.due().said.startswith("resting for 1.0 more days, although replaced: ")
    watch.later(2)
    found = watch.due()
    assert (found.fired, kinds(found)) == (True, {"age": False, "replaced": True, "regime": False})


def test_quotes_without_moments_have_no_days(store):
    plain = market()
    watch = Watch(store, Quotes(*plain.prices))
    watch.run()
    found = watch.after(5)
    assert not found.fired
    assert "its timestamps are no moments" in said(found, "drift")
    assert said(found, "decay") == said(found, "drift")


def test_rows_out_of_order_are_not_compared(watch):
    watch.run()
    grown = part(watch.quotes, 0, SEEN + 2)
    at_us = grown.at_us.copy()
    at_us[-2:] = at_us[[-1, -2]]
    watch.bank.files = {DATA: Quotes(*grown.prices, at_us=at_us, digest="e" * 64)}
    assert "not in order of time" in said(watch.due(), "drift")


def test_a_study_that_does_not_say_what_it_saw_is_not_compared(watch):
    mine = watch.run()
    with watch.store.read() as view:
        spec = dict(studies.get(view, mine).spec)
    spec["data"] = [{**one, "extent": None} for one in spec["data"]]
    with watch.store.write() as tx:
        tx.execute(update(table).where(table.c.id == mine).values(spec=spec))
    found = said(watch.after(3), "drift")
    assert found == f"{DATA}: it is not on record which rows the study saw"


def test_several_symbols_are_looked_at_together(store):
    watch = Watch(store)
    eth = market(seed=5, wider=2.5)
    both = (Dataset(symbol="btc", path=Path(DATA)), Dataset(symbol="eth", path=Path("eth.csv")))
    watch.wanted = replace(watch.wanted, data=both)
    watch.bank.files["eth.csv"] = part(eth, 0, SEEN)
    watch.run()
    watch.later(3)
    watch.show(0, SEEN + 3)
    watch.bank.files["eth.csv"] = part(eth, 0.5, SEEN + 4)
    watch.bank.files["kept"] = part(eth, 0, SEEN)
    found = watch.due()
    assert kinds(found)["drift"]
    evidence = found.triggers[2].evidence
    assert (evidence["seen_days"], evidence["newer_days"]) == (SEEN, 3)
    unusual = {one["what"] for one in evidence["windows"] if one["value"] > one["bound"]}
    assert unusual == {"eth spread", "eth volatility"}
    assert found.triggers[1].evidence["newer_days"] == 3


def test_few_days_out_of_sample_promise_nothing(watch):
    watch.wanted = replace(watch.wanted, scheme=Scheme(folds=1, test_share=0.05))
    watch.run()
    found = watch.after(3)
    assert said(found, "decay") == "too few whole days out of sample to promise anything: 1"


def test_a_file_that_is_gone_is_an_error(watch):
    watch.run()
    watch.bank.files = {}
    with pytest.raises(InputError):
        watch.due()


# ── the running daemon ───────────────────────────────────────────────────────
def heard(watch, tmp_path, turn, days=40):
    """Record every signal of a policy for some days, of which the last five differ."""
    loaded = loaded_policy(tmp_path)
    adopt(watch.store, loaded)
    draw = np.random.default_rng(1)
    now_us = T0 + 60 * DAY_US
    for name, target in loaded.policy.targets.items():
        way = 1 if target.max is None else -1
        daily = draw.normal(0, 1, days)
        daily[-5:] += turn * way
        hear(watch.store, name, 100 + daily, now_us)
    watch.clock.passed_us = 55 * DAY_US
    watch.run()
    watch.later(5.1)


@pytest.mark.parametrize(("turn", "fired"), [(-8, True), (0, False), (8, False)])
def test_signals_that_turn_for_the_worse_are_another_regime(watch, tmp_path, turn, fired):
    heard(watch, tmp_path, turn)
    found = watch.due()
    assert kinds(found)["regime"] is fired
    evidence = found.triggers[3].evidence
    assert (evidence["seen_days"], evidence["newer_days"]) == (35, 5)
    assert "of its usual spread from day to day" in said(found, "regime")


def test_a_policy_whose_signals_nobody_recorded_says_nothing(watch, tmp_path):
    adopt(watch.store, loaded_policy(tmp_path))
    watch.run()
    assert said(watch.after(2), "regime").startswith("no signal of the policy was recorded")


def test_a_guard_says_which_way_is_worse_if_it_watches_one(tmp_path):
    policy = as_policy(loaded_policy(tmp_path))
    target = policy.targets[0].signal
    warn = {
        "up": Shift(rise=1.0),
        "down": Shift(fall=-1.0),
        "both": Shift(rise=1.0, fall=-1.0),
        target: Shift(rise=1.0),
    }
    found = {one.signal: one for one in hearing.wishes(replace(policy, warn=warn))}
    assert found.keys() == {one.signal for one in policy.targets} | {"up", "down"}
    assert found["up"].turned(np.array([1.0, 2.0])).tolist() == [-1.0, -2.0]
    assert found["down"].turned(np.array([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert found[target].weight == policy.targets[0].weight


# ── reading ──────────────────────────────────────────────────────────────────
def test_what_was_seen_is_listed_the_newest_first(watch):
    watch.run()
    watch.after(2)
    found = retraining.listed(watch.store, None, 3)
    assert [row[found.columns.index("kind")] for row in found.rows] == ["regime", "drift", "decay"]
    assert found.more
    assert "evidence" not in found.shown().columns
    assert retraining.listed(watch.store, "day", 3).rows == []


def test_the_question_is_that_of_the_study(watch):
    mine = watch.run()
    with watch.store.read() as view:
        study = studies.get(view, mine)
    assert study.spec["question"] == retraining.question(watch.wanted)
