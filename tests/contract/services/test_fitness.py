"""Whether signals are evidence: what is found, for how long it holds, and what is remembered."""

import pytest

from daemon.clock import MICROS, iso
from daemon.config.settings import load_settings
from daemon.services.watching.fitness import Fitness, Trait, traits
from daemon.store import changes, samples
from daemon.store import fitness as states
from daemon.tuning.vocabulary import ChangeState
from daemon.tuning.windows import BLOCK_US, Blocks
from tests.contract.rows import move, new_change
from tests.tuning_kit import PER_BLOCK, calm, lone, past

POLICY = lone(observe_window_s=60.0, settle_s=10.0, min_samples=100, digest="one")
END = 2_000
NOW = END * BLOCK_US + MICROS
TRAIT = Trait(source="app", period_s=1.0)


def found(store, mean, known=None, *, now_us=NOW, counts=None, fitness=None):
    """Examine one signal whose newest block is the last of these."""
    fitness = fitness or Fitness({"s": TRAIT} if known is None else known, lambda: POLICY)
    with store.read() as view:
        return fitness.look(view, past(("s",), mean, END, counts), now_us)["s"]


def noise(length, seed=1, at=10.0, sd=0.5):
    return calm(lone(), [at], length, END, sd, seed).mean[:, 0].tolist()


@pytest.fixture
def lake(memory_backend):
    with memory_backend.opened() as opened:
        yield opened


# ── what is found ────────────────────────────────────────────────────────────
def test_a_healthy_signal_is_ok(lake):
    assert found(lake, noise(200)) == ("ok", None)
    assert found(lake, noise(200), {}) == ("ok", None)  # the settings need not say a word


def test_a_signal_that_was_never_heard_of(lake):
    assert found(lake, [float("nan")] * 200) == ("no_data", "no sample of it is known")
    with lake.read() as view:
        look = Fitness({}, lambda: POLICY).look(view, Blocks.empty(("s",), END), NOW)
    assert look["s"][0] == "no_data"


@pytest.mark.parametrize(("period_s", "patience_s"), [(None, 15), (1.0, 15), (5.0, 15), (20.0, 60)])
def test_a_signal_is_silent_after_three_periods_and_not_before(lake, period_s, patience_s):
    known = {"s": Trait(period_s=period_s)}
    end_us = END * BLOCK_US
    assert found(lake, noise(200), known, now_us=end_us + patience_s * MICROS)[0] == "ok"
    late = found(lake, noise(200), known, now_us=end_us + patience_s * MICROS + 1)
    assert late == ("stale", f"silent since {iso(end_us)}")


def test_too_few_samples_in_the_newest_window(lake):
    few = [[PER_BLOCK]] * 188 + [[8]] * 12
    assert found(lake, noise(200), counts=few) == ("low_n", "fewer than 100 samples in 60 s")
    enough = [[PER_BLOCK]] * 188 + [[9]] * 12
    assert found(lake, noise(200), counts=enough)[0] == "ok"


def test_a_frozen_signal_is_told_with_what_to_do_if_it_may_stand(lake):
    mean = [*noise(180), *[9.5] * 20]
    assert found(lake, mean) == (
        "frozen",
        "stood still at 9.5 longer than it ever did; if it may, set signals.s.constant_ok",
    )
    assert found(lake, mean, {"s": Trait(constant_ok=True)})[0] == "ok"


def test_another_unit_is_told_with_since_when_and_what_to_do(lake):
    mean = [*noise(180), *noise(20, seed=2, at=10_000.0, sd=500.0)]
    state, detail = found(lake, mean)
    assert state == "unit_jump"
    assert detail.startswith(f"since {iso((END - 20) * BLOCK_US)} about 1000 times what it was")
    down = found(lake, [*noise(180), *noise(20, seed=2, at=0.01, sd=0.0005)])
    assert "about 1/1000 times" in down[1]


@pytest.mark.parametrize("fault", ["not_finite", "duplicate", "future", "late", "unreadable"])
def test_too_large_a_share_of_refused_samples(store, fault):
    seen = 20 * PER_BLOCK  # from the minute on in which the window of 14 blocks began
    for bad, state in ((seen // 4, "ok"), (1, fault)):
        with store.write() as tx:
            samples.count_faults(tx, {"s": {fault: bad}}, NOW - 30 * MICROS)
        assert found(store, noise(200))[0] == state
    with store.write() as tx:
        samples.count_faults(tx, {"t": {fault: 10_000}}, NOW)
    assert found(store, noise(200), now_us=NOW)[0] == fault


def test_what_was_refused_long_ago_counts_no_more(lake):
    with lake.write() as tx:
        samples.count_faults(tx, {"s": {"late": 10_000}}, NOW - 200 * MICROS)
    assert found(lake, noise(200))[0] == "ok"


def test_a_source_that_is_dead_takes_its_signals_with_it(lake):
    fitness = Fitness({"s": TRAIT}, lambda: POLICY, lambda: {"app"})
    assert found(lake, noise(200), fitness=fitness) == (
        "dead_source",
        "its source app cannot be read",
    )
    fitness = Fitness({"s": TRAIT}, lambda: POLICY, lambda: {"other"})
    assert found(lake, noise(200), fitness=fitness)[0] == "ok"


# ── for how long it counts ───────────────────────────────────────────────────
def test_sickness_counts_for_the_length_of_a_window(lake):
    window = 14  # 10 s and 60 s
    sick = [9.5] * 8
    assert found(lake, [*noise(170), *sick, *noise(window - 1, 2)])[0] == "frozen"
    assert found(lake, [*noise(170), *sick, *noise(window, 2)])[0] == "ok"


def test_sickness_counts_for_as_long_as_a_change_is_open_that_saw_it(lake):
    mean = [*noise(150), *[9.5] * 8, *noise(42, 2)]
    assert found(lake, mean)[0] == "ok"
    opened_us = (END - 45) * BLOCK_US
    with lake.write() as tx:
        change = changes.open_change(
            tx, new_change(opened_at_us=opened_us), ChangeState.PROPOSED, move(opened_us)
        )
        changes.advance(tx, change, ChangeState.PROPOSED, ChangeState.APPLYING, move(opened_us))
    assert found(lake, mean)[0] == "frozen"


def test_what_is_said_stays_the_same_while_nothing_turns(lake):
    fitness = Fitness({"s": TRAIT}, lambda: POLICY)
    jumped = noise(60, seed=2, at=10_000.0, sd=500.0)
    said = set()
    for more in range(5, 60, 5):
        blocks = past(("s",), [*noise(180), *jumped[:more]], END + more)
        with lake.read() as view:
            said.add(fitness.look(view, blocks, NOW + more * BLOCK_US)["s"])
    assert len(said) == 1


# ── what is remembered ───────────────────────────────────────────────────────
def look(lake, fitness, mean, end=END):
    with lake.write() as tx:
        judged = fitness.look(tx, past(("s",), mean, end), end * BLOCK_US + MICROS)
        states.put_states(tx, judged, end * BLOCK_US)
    return judged["s"][0]


def test_a_frozen_signal_stays_frozen_when_nothing_is_left_of_what_it_was(lake):
    fitness = Fitness({"s": TRAIT}, lambda: POLICY)
    assert look(lake, fitness, [*noise(180), *[9.5] * 20]) == "frozen"
    assert look(lake, fitness, [9.5] * 200, END + 200) == "frozen"
    again = Fitness({"s": TRAIT}, lambda: POLICY)  # after a restart
    assert look(lake, again, [9.5] * 200, END + 210) == "frozen"
    assert look(lake, again, [9.5] * 200, END + 220) == "frozen"
    assert look(lake, again, [*[9.5] * 199, 9.6], END + 230) == "ok"
    assert look(lake, again, [9.6] * 200, END + 240) == "ok"


def test_a_signal_that_never_moved_is_not_frozen(lake):
    fitness = Fitness({"s": TRAIT}, lambda: POLICY)
    assert look(lake, fitness, [0.0] * 200) == "ok"


def test_a_frozen_signal_of_which_no_block_is_left_is_silent_and_then_as_before(lake):
    fitness = Fitness({"s": TRAIT}, lambda: POLICY)
    look(lake, fitness, [*noise(180), *[9.5] * 20])
    assert look(lake, fitness, [float("nan")] * 200, END + 200) == "no_data"
    assert look(lake, fitness, [9.5] * 200, END + 400) == "frozen"


def test_another_unit_stays_one_until_it_is_back(lake):
    fitness = Fitness({"s": TRAIT}, lambda: POLICY)
    far = noise(300, seed=2, at=10_000.0, sd=500.0)
    assert look(lake, fitness, [*noise(180), *far[:20]]) == "unit_jump"
    assert look(lake, fitness, far[:200], END + 200) == "unit_jump"
    assert look(lake, fitness, [*far[:200], *noise(20, seed=3)], END + 220) == "ok"


def test_a_person_accepts_another_unit_by_changing_the_policy(lake):
    policies = [POLICY]
    fitness = Fitness({"s": TRAIT}, lambda: policies[-1])
    far = noise(300, seed=2, at=10_000.0, sd=500.0)
    assert look(lake, fitness, [*noise(180), *far[:20]]) == "unit_jump"
    policies.append(lone(observe_window_s=60.0, settle_s=10.0, min_samples=100, digest="two"))
    assert look(lake, fitness, far[:200], END + 200) == "ok"


# ── signals of one source ────────────────────────────────────────────────────
def test_a_signal_that_may_stand_is_frozen_with_all_else_of_its_source(lake):
    def judged(other, **more):
        known = {
            "errors": Trait(source="app", constant_ok=True),
            "speed": Trait(source="app"),
            "heat": Trait(source=more.get("heat", "else")),
        }
        rows = [*zip([0.0] * 180, noise(180), noise(180, 2), strict=True)]
        rows += [*zip([0.0] * 20, other, noise(20, 3), strict=True)]
        with lake.read() as view:
            blocks = past(("errors", "speed", "heat"), rows, END)
            return {
                name: state
                for name, (state, _) in Fitness(known, lambda: POLICY)
                .look(view, blocks, NOW)
                .items()
            }

    still, moving = [9.5] * 20, noise(20, 4)
    assert judged(moving) == {"errors": "ok", "speed": "ok", "heat": "ok"}
    assert judged(still) == {"errors": "frozen", "speed": "frozen", "heat": "ok"}
    # one signal of the source still moves: it is not the source that froze
    assert judged(still, heat="app") == {"errors": "ok", "speed": "frozen", "heat": "ok"}


# ── what the settings say ────────────────────────────────────────────────────
def test_the_traits_of_a_signal_come_from_its_source_and_from_the_list(tmp_path):
    path = tmp_path / "daemon.yaml"
    path.write_text(
        "signals: {a: {constant_ok: true}, b: , c: }\n"
        "sources:\n"
        "  app: {kind: push, signals: {a: , b: }, period_s: 0.2}\n"
        "  slow: {kind: command, argv: [x], signals: {c: }, period_s: 1, expect_s: 30}\n"
    )
    assert traits(load_settings(path, {}).settings) == {
        "a": Trait(source="app", period_s=0.2, constant_ok=True),
        "b": Trait(source="app", period_s=0.2),
        "c": Trait(source="slow", period_s=30.0),
    }
    path.write_text("signals: {a: {constant_ok: true}}\n")
    assert traits(load_settings(path, {}).settings) == {"a": Trait(constant_ok=True)}
