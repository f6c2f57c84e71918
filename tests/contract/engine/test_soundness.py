"""A record that breaks a promise, and what stands only as long as it is so."""

from daemon.errors import Exit
from daemon.ports import ControlsFault


def break_the_record(station):
    """Let a rule have been set to what its policy does not allow, by a leader gone wrong."""
    with station.store.write() as tx:
        for trigger in tx.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).scalars():
            tx.exec_driver_sql(f"DROP TRIGGER {trigger}")
        tx.exec_driver_sql("UPDATE changes SET new = 99 WHERE id = 1")


def test_nothing_is_tried_on_a_record_that_is_broken_not_even_in_the_first_cycle(station):
    station.warm()
    station.until("kept")
    station.engine.stop()
    break_the_record(station)
    station.lease.release()
    station.build()
    station.clock.sleep(3600)
    before = len(station.states())
    station.engine.start()
    assert station.engine.broken
    assert station.sql("SELECT kind, reason FROM decisions ORDER BY seq DESC LIMIT 1") == [
        ("hold", "held")
    ]
    station.go(60)
    assert len(station.states()) == before
    assert station.engine.status()["violations"] > 0
    told = station.told(station.ask("rollback", last=True))
    station.go(5)
    assert station.told(told.id).exit_code == Exit.DONE, "rolling back always works"


def test_who_leads_for_one_command_tries_nothing_either(station):
    station.warm()
    station.until("kept")
    station.engine.stop()
    break_the_record(station)
    station.lease.release()
    station.build()
    station.engine.take_over()
    command = station.ask("apply", moves={"workers": 8.0}, keep=True)
    station.engine.carry_out(command)
    told = station.told(command)
    assert (told.exit_code, "daemon ctl verify" in told.result["text"]) == (Exit.REFUSED, True)


def test_what_an_earlier_run_called_for_and_is_over_is_said_to_be_over(station):
    station.source.fault = "no such host"
    station.engine.start()
    station.go(120)
    assert station.alerts() == [("dead_source", "plant")]
    station.again()  # the source can be read again
    station.go(2)
    assert station.alerts() == []


def test_controls_that_cannot_be_read_for_a_while_call_somebody_until_they_can(station):
    station.engine.start()
    station.go(10)
    station.surface.fault = "mute"
    station.go(10)
    assert station.alerts() == [], "it may be over in a moment"
    station.go(20)
    assert station.alerts() == [("controls_unreadable", "surface")]
    station.surface.fault = None
    station.go(10)
    assert station.alerts() == []


def test_controls_that_could_not_be_taken_over_call_somebody_until_they_can(station):
    real = station.surface.take_over

    def shut(epoch):
        raise ControlsFault("it starts")

    station.surface.take_over = shut
    station.engine.start()
    station.go(3)
    assert station.alerts() == [("controls_unreadable", "surface")]
    station.surface.take_over = real
    station.go(10)
    assert station.alerts() == []


def test_a_step_that_is_only_proposed_is_counted_as_one(found):
    station = found()  # which was never calibrated, so that it only proposes
    station.warm()
    station.go(30)
    assert station.sql("SELECT count(*) FROM proposals") == [(1,)]
    assert station.shows('daemon_cycles_total{kind="apply"} 0.0')
    assert not station.shows('daemon_cycles_total{kind="propose"} 0.0')
