"""What every kind of controls promises, whatever stands behind it."""

import math

import pytest

from daemon.ports import Author, ControlsFault, ControlsFenced, ControlsRefused, Held, Order
from tests.contract.controls.conftest import POSTGRES
from tests.contract.controls.kits import COST, IMPATIENT_S, WORK

BOTH = [WORK, COST]


def order(rule, value, epoch=1, change_id=None):
    return Order(rule=rule, value=value, epoch=epoch, change_id=change_id)


def values(controls, rules=BOTH):
    return {rule: held.value for rule, held in controls.read(rules).items()}


@pytest.fixture
def controls(kit):
    """Controls that lead, with a value for both rules."""
    controls = kit.open()
    controls.take_over(1)
    controls.write([order(WORK, 4.0, change_id=7), order(COST, 4.0, change_id=7)])
    return controls


# ── reading and writing ──────────────────────────────────────────────────────
def test_what_was_written_is_read_and_so_by_others(kit, controls):
    controls.write([order(WORK, 2.5, change_id=8)])
    assert values(controls) == {WORK: 2.5, COST: 4.0}
    assert values(kit.open()) == {WORK: 2.5, COST: 4.0}


def test_a_rule_that_was_never_set_is_left_out(kit, controls):
    assert set(controls.read([WORK, kit.never])) == {WORK}


def test_only_what_is_asked_for_is_read(controls):
    assert set(controls.read([COST])) == {COST}
    assert controls.read([]) == {}


def test_nothing_at_all_may_be_ordered(controls):
    controls.write([])
    assert values(controls) == {WORK: 4.0, COST: 4.0}


def test_an_order_is_absolute_and_may_be_repeated(controls):
    for _ in range(3):
        controls.write([order(WORK, 3.0, change_id=8)])
    assert values(controls)[WORK] == 3.0


def test_a_value_that_was_set_taken_back_and_set_again_is_set_again(controls):
    for value in (3.0, 4.0, 3.0):
        controls.write([order(WORK, value, change_id=8)])
        assert values(controls)[WORK] == value


@pytest.mark.parametrize("value", [0.1 + 0.2, 1 / 3, 1.1e-7, 123456.78901234567, 0.0])
def test_every_bit_of_a_number_comes_back(kit, controls, value):
    controls.write([order(COST, value)])
    assert values(kit.open())[COST] == value


def test_several_rules_are_set_together(kit, controls):
    controls.write([order(WORK, 2.0, change_id=8), order(COST, 3.0, change_id=8)])
    assert values(kit.open()) == {WORK: 2.0, COST: 3.0}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_one_order_that_makes_no_sense_stops_all(controls, bad):
    with pytest.raises(ControlsRefused, match=COST):
        controls.write([order(WORK, 2.0), order(COST, bad)])
    assert values(controls) == {WORK: 4.0, COST: 4.0}


@pytest.mark.parametrize("name", ["http", "command", POSTGRES])
def test_a_rule_that_nobody_knows_is_refused(build, name):
    kit = build(name)
    controls = kit.open()
    with pytest.raises(ControlsRefused, match=kit.unknown):
        controls.write([order(kit.unknown, 1.0)])
    assert controls.read([kit.unknown]) == {}


def test_it_has_a_name_and_nothing_holds_it(controls):
    assert controls.name
    assert controls.held() is None


# ── who set it ───────────────────────────────────────────────────────────────
def test_our_own_value_is_known_by_its_stamp(kit, controls):
    controls.write([order(COST, 2.0)])
    assert kit.open().read(BOTH) == {
        WORK: Held(value=4.0, author=Author.DAEMON, change_id=7, epoch=1),
        COST: Held(value=2.0, author=Author.DAEMON, change_id=None, epoch=1),
    }


def test_a_value_edited_under_our_stamp_is_a_persons(kit, controls):
    kit.by_hand(WORK, 3.0)
    for reader in (controls, kit.open()):
        held = reader.read(BOTH)
        assert held[WORK] == Held(value=3.0)
        assert held[COST].author is Author.DAEMON


def test_what_a_person_set_for_another_rule_survives_our_writing(kit, controls):
    kit.by_hand(WORK, 3.0)
    controls.write([order(COST, 2.0, change_id=8)])
    assert controls.read(BOTH)[WORK] == Held(value=3.0)


def test_a_person_may_be_overruled_and_the_value_is_ours_again(kit, controls):
    kit.by_hand(WORK, 3.0)
    controls.read(BOTH)
    controls.write([order(WORK, 2.0, change_id=9)])
    assert kit.open().read([WORK])[WORK] == Held(
        value=2.0, author=Author.DAEMON, change_id=9, epoch=1
    )


@pytest.mark.parametrize("name", ["yaml", "http", "shared", POSTGRES])
def test_an_edit_since_the_last_look_is_not_overwritten(build, name):
    kit = build(name)
    controls = kit.open()
    controls.write([order(WORK, 4.0), order(COST, 4.0)])
    controls.read(BOTH)
    kit.by_hand(WORK, 3.0)
    with pytest.raises(ControlsRefused, match="meanwhile"):
        controls.write([order(COST, 2.0), order(WORK, 2.0)])
    assert values(controls) == {WORK: 3.0, COST: 4.0}


# ── who may write ────────────────────────────────────────────────────────────
def test_a_leader_that_was_replaced_is_kept_out(kit, controls):
    kit.open().take_over(2)
    with pytest.raises(ControlsFenced, match="epoch"):
        controls.write([order(WORK, 2.0, epoch=1)])
    assert values(controls)[WORK] == 4.0


def test_an_older_epoch_cannot_take_over(kit, controls):
    kit.open().take_over(5)
    with pytest.raises(ControlsFenced):
        controls.take_over(4)
    kit.open().take_over(5)


def test_the_same_leader_may_take_over_again_and_a_newer_one_writes(kit, controls):
    controls.take_over(1)
    newer = kit.open()
    newer.take_over(3)
    newer.write([order(WORK, 2.0, epoch=3, change_id=9)])
    assert kit.open().read([WORK])[WORK].epoch == 3


def test_taking_over_changes_no_value_and_no_author(kit, controls):
    before = controls.read(BOTH)
    kit.open().take_over(2)
    assert controls.read(BOTH) == before


def test_taking_over_is_possible_before_anything_was_ever_set(kit):
    first, second = kit.open(), kit.open()
    first.take_over(2)
    with pytest.raises(ControlsFenced):
        second.write([order(WORK, 2.0, epoch=1)])


# ── what goes wrong ──────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["yaml", "http", "shared", "command"])
def test_a_liar_is_found_out_by_reading_back(build, name):
    kit = build(name)
    controls = kit.open()
    controls.write([order(WORK, 4.0)])
    with kit.failing("lie"):
        controls.write([order(WORK, 2.0, change_id=8)])
        assert values(controls, [WORK]) == {WORK: 4.0}


def test_a_refusal_changes_nothing_and_says_so(kit, controls):
    refused = kit.open(kit.patience_s)
    with kit.failing("refuse"), pytest.raises(ControlsRefused):
        refused.write([order(WORK, 2.0, change_id=8), order(COST, 2.0, change_id=8)])
    assert values(controls) == {WORK: 4.0, COST: 4.0}
    controls.write([order(WORK, 2.0, change_id=8)])
    assert values(controls)[WORK] == 2.0


def test_silence_ends_in_time_and_the_next_attempt_succeeds(kit, controls):
    hasty = kit.open(IMPATIENT_S)
    with kit.failing("silence"), pytest.raises(ControlsFault):
        hasty.write([order(WORK, 2.0, change_id=8)])
    again = kit.open()
    again.write([order(WORK, 2.0, change_id=8)])
    assert values(again)[WORK] == 2.0


@pytest.mark.parametrize("name", ["http", "command"])
def test_half_of_what_was_ordered_is_unknown_and_not_refused(build, name):
    kit = build(name)
    controls = kit.open()
    controls.write([order(WORK, 4.0), order(COST, 4.0)])
    with kit.failing("partial"), pytest.raises(ControlsFault) as caught:
        controls.write([order(WORK, 2.0), order(COST, 2.0)])
    assert not isinstance(caught.value, ControlsRefused)
    assert "broke in the middle" in caught.value.message
    assert values(controls) == {WORK: 2.0, COST: 4.0}
