"""What was seen of studies that may have to run again, and signals by the hour, everywhere."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import insert

from daemon.clock import MICROS
from daemon.errors import StoreError
from daemon.store import hours, samples, studies, triggers_log
from daemon.store.hours import HOUR_US
from daemon.store.studies import NewStudy
from daemon.store.tables import sample_rollups
from daemon.store.triggers_log import NewTrigger
from tests.contract.rows import T0

SEEN = NewTrigger(
    name="night",
    at_us=T0,
    kind="drift",
    fired=0,
    evidence={"ratio": 0.5, "newer_days": 3, "said": "as ever"},
)


def record(store, *seen):
    with store.write() as tx:
        return triggers_log.record(tx, list(seen))


def newest(store, *asked):
    with store.read() as view:
        return triggers_log.newest(view, *asked)


def study(store, name="night"):
    new = NewStudy(
        identity=name[0] * 64,
        name=name,
        spec={},
        data_digest="d" * 64,
        data_rows=10,
        engine_version="1",
        sampler="random",
        seed=0,
        folds=1,
        trials_total=5,
        created_at_us=T0,
    )
    with store.write() as tx:
        return studies.found_or_made(tx, new)[0].id


# ── triggers ─────────────────────────────────────────────────────────────────
def test_what_was_seen_is_read_back_as_it_was_written(store):
    mine = study(store)
    fired = replace(SEEN, kind="age", fired=1, evidence={"age_days": 61.5}, study_id=mine)
    first, second = record(store, SEEN, fired)
    age, drift = newest(store, "night", 10)
    assert (age.id, drift.id) == (second, first)
    assert (age.kind, age.fired, age.evidence, age.study_id) == ("age", 1, {"age_days": 61.5}, mine)
    assert drift.evidence == SEEN.evidence
    assert (age.started_study_id, drift.study_id) == (None, None)


def test_who_sees_the_same_again_writes_nothing(store):
    (first,) = record(store, SEEN)
    later = {"ratio": 0.5, "newer_days": 3, "said": "as ever, again", "resting_days": 0.5}
    assert record(store, replace(SEEN, at_us=T0 + 5, evidence=later)) == [first]
    (one,) = newest(store, "night", 10)
    assert one.at_us == T0


@pytest.mark.parametrize(
    "other",
    [
        {"fired": 1},
        {"evidence": {"ratio": 0.6, "newer_days": 3}},
        {"evidence": {"newer_days": 3}},
        {"kind": "decay"},
        {"name": "day"},
    ],
)
def test_anything_else_is_a_row_of_its_own(store, other):
    (first,) = record(store, SEEN)
    assert record(store, replace(SEEN, **other)) != [first]


def test_what_began_a_study_is_not_seen_again_in_the_same_row(store):
    begun = study(store)
    ids = record(store, replace(SEEN, fired=1))
    with store.write() as tx:
        assert triggers_log.started(tx, ids, begun) == 1
        assert triggers_log.started(tx, ids, begun) == 0
    assert record(store, replace(SEEN, fired=1)) != ids
    assert [row.started_study_id for row in newest(store, "night", 10)] == [None, begun]


def test_the_newest_of_a_name_or_of_kinds_are_read(store):
    record(store, SEEN, replace(SEEN, kind="age"), replace(SEEN, name="day", kind="regime"))
    assert [row.kind for row in newest(store, None, 10)] == ["regime", "age", "drift"]
    assert [row.kind for row in newest(store, "night", 1)] == ["age"]
    assert [row.kind for row in newest(store, "night", 10, ["drift", "regime"])] == ["drift"]
    assert newest(store, "evening", 10) == []


def test_a_study_that_is_not_there_cannot_have_been_begun(store):
    with pytest.raises(StoreError):
        record(store, replace(SEEN, study_id=77))


# ── hours ────────────────────────────────────────────────────────────────────
ORIGIN = T0 - T0 % HOUR_US


def roll(store, name, minutes):
    """Write rollups: at each minute from the origin, how many samples of which mean."""
    with store.write() as tx:
        signal = samples.declare(tx, [name], ORIGIN)[name]
        rows = [
            {
                "signal_id": signal.id,
                "res_s": res_s,
                "bucket_us": ORIGIN + minute * 60 * MICROS,
                "n": n,
                "mean": mean if res_s == 60 else -1.0,
                "m2": 0.0,
                "lo": mean,
                "hi": mean,
            }
            for minute, n, mean in minutes
            for res_s in (10, 60)
        ]
        tx.execute(insert(sample_rollups), rows)


def means(store, names, origin=ORIGIN, count=4):
    with store.read() as view:
        return hours.means(view, names, origin, count)


def test_an_hour_is_the_mean_of_its_samples(store):
    roll(store, "s", [(0, 10, 1.0), (59, 30, 5.0), (60, 1, 7.0), (180, 2, 9.0), (240, 2, 11.0)])
    roll(store, "t", [(-1, 5, 3.0), (61, 5, 3.0)])
    found = means(store, ["s", "t", "u"])
    assert sorted(found) == ["s", "t"]
    assert found["s"].tolist()[:2] == [4.0, 7.0]
    assert np.isnan(found["s"]).tolist() == [False, False, True, False]
    assert np.isnan(found["t"]).tolist() == [True, False, True, True]


def test_hours_begin_where_somebody_wants(store):
    roll(store, "s", [(0, 10, 1.0), (59, 10, 5.0), (60, 10, 7.0)])
    found = means(store, ["s"], ORIGIN + 30 * 60 * MICROS, 2)
    assert found["s"].tolist()[:1] == [6.0]
    assert np.isnan(found["s"][1])
