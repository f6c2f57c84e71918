"""Settings of a real PostgreSQL server, moved and read back."""

import re
import sys
from contextlib import contextmanager

import psycopg
import pytest
import structlog
from psycopg import sql

from daemon.adapters.controls.postgres import Named, PostgresControls
from daemon.adapters.controls.postgres.session import Session
from daemon.adapters.controls.postgres.settings import Row, Setting
from daemon.clock import SystemClock
from daemon.errors import MissingExtra
from daemon.ports import Author, ControlsFault, ControlsFenced, ControlsRefused, Held, Order
from tests.contract.controls.kits import COST, WORK, PostgresKit

ON_A_SERVER = pytest.mark.postgres


def order(rule, value, epoch=1, change_id=7):
    return Order(rule=rule, value=value, epoch=epoch, change_id=change_id)


@pytest.fixture
def kit(governed_url):
    kit = PostgresKit(governed_url)
    yield kit
    kit.close()


def governing(kit, settings, **more):
    """Open controls whose rules stand for some settings; they are set back at the end."""
    kit.touched |= {one.name for one in settings.values()}
    controls = PostgresControls(kit.url, SystemClock(), settings=settings, **more)
    kit._opened.append(controls)
    return controls


def shown(kit, name):
    return kit.admin.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchone()[0]


# ── on a server ──────────────────────────────────────────────────────────────
@ON_A_SERVER
def test_a_setting_moves_for_everybody_in_the_unit_of_the_rule(kit):
    kit.open().write([order(WORK, 2.5), order(COST, 1.25)])
    with psycopg.connect(kit.dsn) as other:
        assert other.execute("SHOW work_mem").fetchone() == ("2560kB",)
        assert other.execute("SHOW random_page_cost").fetchone() == ("1.25",)


@ON_A_SERVER
def test_what_nobody_ever_set_is_read_too_and_nobody_said_it_was_ours(kit):
    assert kit.open().read([WORK, COST]) == {WORK: Held(value=4.0), COST: Held(value=4.0)}


@ON_A_SERVER
def test_a_rule_may_have_the_servers_own_name_and_unit(kit):
    kit.touched |= {"deadlock_timeout"}
    controls = kit.open()
    controls.write([order("deadlock_timeout", 1500)])
    assert controls.read(["deadlock_timeout"])["deadlock_timeout"].value == 1500
    assert shown(kit, "deadlock_timeout") == "1500ms"


@ON_A_SERVER
def test_what_the_adapter_sets_for_itself_is_not_taken_for_the_setting(kit):
    controls = governing(kit, {"patience": Named("lock_timeout", "s")})
    assert controls.read(["patience"])["patience"].value == 0
    controls.write([order("patience", 1.5)])
    assert controls.read(["patience"])["patience"].author is Author.DAEMON


@ON_A_SERVER
@pytest.mark.parametrize(
    ("name", "unit", "value", "words"),
    [
        ("shared_buffers", "MB", 64.0, "only read when the server starts"),
        ("post_auth_delay", None, 1.0, "only read when a session starts"),
        ("server_version_num", None, 170000.0, "only read"),
        ("work_mem", "MB", 1 / 3, "whole steps of kB"),
        ("work_mem", "kB", 1.0, "from 64 to"),
        ("random_page_cost", None, -1.0, "from 0 to"),
        ("max_parallel_workers_per_gather", None, 1.5, "whole steps of 1"),
    ],
)
def test_what_a_reload_cannot_do_is_refused_before_anything_is_touched(
    kit, name, unit, value, words
):
    controls = governing(kit, {"r": Named(name, unit)})
    before = shown(kit, name)
    with pytest.raises(ControlsRefused, match=words) as caught:
        controls.write([order("r", value)])
    assert caught.value.hint
    assert shown(kit, name) == before
    kit.touched.discard(name)


@ON_A_SERVER
@pytest.mark.parametrize(
    ("name", "unit", "words"),
    [
        ("work_mem", "ms", "cannot be given in ms: it is counted in kB"),
        ("random_page_cost", "MB", "cannot be given in MB: it is a plain number"),
        ("client_min_messages", None, "PostgreSQL calls it enum"),
    ],
)
def test_a_unit_or_a_kind_that_does_not_fit_is_a_fault(kit, name, unit, words):
    controls = governing(kit, {"r": Named(name, unit)})
    for attempt in (lambda: controls.read(["r"]), lambda: controls.write([order("r", 1.0)])):
        with pytest.raises(ControlsFault, match=words):
            attempt()
    kit.touched.discard(name)


@ON_A_SERVER
def test_a_setting_that_something_stronger_holds_is_refused_with_its_name(kit):
    database = sql.Identifier(kit.url.partition("?")[0].rpartition("/")[2])
    alter = sql.SQL("ALTER DATABASE {} SET work_mem = '8MB'").format(database)
    kit.admin.execute(alter)
    try:
        controls = kit.open()
        assert controls.read([WORK])[WORK].value == 8.0
        with pytest.raises(ControlsRefused, match="ALTER DATABASE"):
            controls.write([order(WORK, 2.0)])
    finally:
        kit.admin.execute(sql.SQL("ALTER DATABASE {} RESET work_mem").format(database))


@ON_A_SERVER
def test_several_settings_take_hold_at_once_or_not_at_all(kit):
    controls = kit.open()
    controls.write([order(WORK, 2.0), order(COST, 1.123456789)])
    with pytest.raises(ControlsRefused):
        controls.write([order(COST, 3.0), order(WORK, 1e9)])
    assert {rule: held.value for rule, held in kit.open().read([WORK, COST]).items()} == {
        WORK: 2.0,
        COST: 1.123456789,
    }


class StubbornSession(Session):
    """A server that refuses what `pg_settings` allows, as a check of its own may."""

    def alter(self, connection, name, text):
        if name == "work_mem":
            raise psycopg.errors.InvalidParameterValue(f"not {text} today\nDETAIL: no")
        super().alter(connection, name, text)


@ON_A_SERVER
def test_what_the_server_refuses_after_all_is_taken_back(kit):
    controls = kit.open()
    controls.write([order(WORK, 2.0, change_id=1), order(COST, 1.123456789, change_id=1)])
    before = controls.read([WORK, COST])
    controls._session.close()
    controls._session = StubbornSession(kit.url, SystemClock(), 5.0)
    with pytest.raises(ControlsRefused, match=r"not 3072 today$"):
        controls.write([order(COST, 2.0), order(WORK, 3.0)])
    assert kit.open().read([WORK, COST]) == before
    kit.admin.execute("SELECT pg_reload_conf()")
    file = kit.admin.execute(
        "SELECT setting FROM pg_file_settings WHERE name = 'random_page_cost'"
    ).fetchone()
    assert file == ("1.123456789",)


@ON_A_SERVER
def test_what_was_never_stamped_is_taken_back_without_a_stamp(kit):
    controls = kit.open()
    controls._session = StubbornSession(kit.url, SystemClock(), 5.0)
    with pytest.raises(ControlsRefused):
        controls.write([order(COST, 2.0), order(WORK, 3.0)])
    assert kit.open().read([WORK, COST]) == {WORK: Held(value=4.0), COST: Held(value=4.0)}


@ON_A_SERVER
def test_a_leader_that_sleeps_with_the_lock_in_its_hand_loses_it(kit):
    sleeper = governing(kit, dict(kit.settings), timeout_s=0.1)
    awake = kit.open()

    def sleep_and_go_on():
        with sleeper._session.locked() as connection:
            awake.write([order(WORK, 2.0, epoch=2)])
            connection.execute("SELECT 1")

    with pytest.raises(ControlsFault):
        sleep_and_go_on()
    assert kit.open().read([WORK])[WORK].value == 2.0


@ON_A_SERVER
def test_a_session_that_was_ended_is_opened_again(kit):
    controls = kit.open()
    controls.write([order(WORK, 2.0)])
    kit.admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'self-tuning-daemon'"
    )
    assert controls.read([WORK])[WORK].value == 2.0


@contextmanager
def deaf(kit):
    """Give the server's configuration file an error: it reads none of it again."""
    program = sql.SQL("COPY (SELECT 1) TO PROGRAM {}")
    file = kit.admin.execute("SHOW config_file").fetchone()[0]

    def run(command):  # which reads what it is given: else the server finds a broken pipe
        kit.admin.execute(program.format(sql.Literal(f"cat > /dev/null && {command}")))

    run(f"cp {file} {file}.saved")
    try:
        run(f"echo '= nonsense' >> {file}")
        yield
    finally:
        run(f"mv {file}.saved {file}")


@ON_A_SERVER
def test_what_a_reload_does_not_show_is_unknown_and_does_not_spring_to_life_later(kit):
    controls = governing(kit, dict(kit.settings), timeout_s=0.5)
    controls.write([order(WORK, 3.0)])
    with deaf(kit), pytest.raises(ControlsFault, match="work_mem was set, but") as caught:
        controls.write([order(WORK, 2.0, change_id=8)])
    assert not isinstance(caught.value, ControlsRefused)
    kit.alter("random_page_cost", "2")  # and so everything was read again
    ours = Held(value=3.0, author=Author.DAEMON, change_id=7, epoch=1)
    assert controls.read([WORK])[WORK] == kit.open().read([WORK])[WORK] == ours


# ── without the table of stamps ──────────────────────────────────────────────
@pytest.fixture
def poor(kit):
    """A user who may set the two settings, and make no table."""
    for statement in (
        "CREATE ROLE poor LOGIN PASSWORD 'poor'",
        "GRANT ALTER SYSTEM ON PARAMETER random_page_cost TO poor",
        "GRANT EXECUTE ON FUNCTION pg_reload_conf() TO poor",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    ):
        kit.admin.execute(statement)
    yield re.sub("://[^@/]*@", "://poor:poor@", kit.url)
    kit.admin.execute("DROP OWNED BY poor")
    kit.admin.execute("DROP ROLE poor")


@ON_A_SERVER
def test_without_the_table_it_works_and_says_what_it_cannot(kit, poor):
    kit.touched |= {"random_page_cost"}
    with structlog.testing.capture_logs() as told:
        one = PostgresControls(poor, SystemClock(), settings=kit.settings)
        one.take_over(2)
        one.write([order(COST, 2.5, epoch=2)])
        held = one.read([COST])
        with pytest.raises(ControlsFenced):
            one.write([order(COST, 3.0, epoch=1)])
        with pytest.raises(ControlsRefused, match="six digits"):
            one.write([order(COST, 1.123456789, epoch=2)])
        one.close()
    assert held[COST] == Held(value=2.5, author=Author.DAEMON, change_id=7, epoch=2)
    again = PostgresControls(poor, SystemClock(), settings=kit.settings)
    assert again.read([COST])[COST] == Held(value=2.5)
    again.close()
    (line,) = told
    assert line["event"] == "controls_without_stamps"
    assert "permission denied" in line["reason"]


@ON_A_SERVER
def test_a_setting_that_this_user_may_not_set_is_refused(kit, poor):
    one = PostgresControls(poor, SystemClock(), settings=kit.settings)
    with pytest.raises(ControlsRefused, match="may not set work_mem") as caught:
        one.write([order(COST, 2.5), order(WORK, 2.0)])
    assert "GRANT ALTER SYSTEM" in caught.value.hint
    assert one.read([COST])[COST].value == 4.0
    one.close()


@ON_A_SERVER
def test_a_schema_that_is_not_there_is_as_none(kit):
    with structlog.testing.capture_logs() as told:
        one = governing(kit, dict(kit.settings), stamp_schema="nowhere")
        one.write([order(WORK, 2.0)])
        assert one.read([WORK])[WORK].author is Author.DAEMON
    assert len(told) == 1


@ON_A_SERVER
def test_a_table_of_that_name_that_is_another_one_is_a_fault(kit):
    kit.admin.execute("CREATE TABLE self_tuning_stamps (name text)")
    with pytest.raises(ControlsFault, match="said no: column"):
        kit.open().write([order(WORK, 2.0)])


# ── a server that is not there ───────────────────────────────────────────────
def test_a_server_that_cannot_be_reached_is_a_fault_without_its_password(tmp_path):
    url = f"postgresql+psycopg://u:hunter2canary@/db?host={tmp_path}"
    controls = PostgresControls(url, SystemClock())
    for attempt in (
        lambda: controls.read([WORK]),
        lambda: controls.write([order(WORK, 1.0)]),
        lambda: controls.take_over(1),
    ):
        with pytest.raises(ControlsFault, match="cannot be asked") as caught:
            attempt()
        assert "hunter2canary" not in str(caught.value)
    controls.close()


def test_without_the_driver_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match="postgres") as caught:
        PostgresControls("postgresql://h/d", SystemClock())
    assert "pip install" in caught.value.hint


# ── units ────────────────────────────────────────────────────────────────────
def setting(shown, *, base=None, unit=None, vartype="integer", low="-1", high="2147483647"):
    row = Row("s", shown, base, vartype, low, high, "user", "default", False, True)
    return Setting("r", row, unit)


@pytest.mark.parametrize(
    ("shown", "base", "unit", "value"),
    [
        ("8192", "kB", "MB", 8.0),
        ("16384", "8kB", "MB", 128.0),
        ("16384", "8kB", "GB", 0.125),
        ("3", "16MB", "MB", 48.0),
        ("1500", "ms", "s", 1.5),
        ("90", "s", "min", 1.5),
        ("7", "min", "h", 7 / 60),
        ("200", None, None, 200.0),
        ("8192", "kB", None, 8192.0),
        ("-1", "kB", "MB", -1.0),
        ("100", "ms", "us", 100_000.0),
    ],
)
def test_a_value_is_told_in_the_unit_of_the_rule_and_written_back_the_same(
    shown, base, unit, value
):
    found = setting(shown, base=base, unit=unit)
    assert found.value == value
    assert found.written(value) == shown


def test_a_sum_that_binary_fractions_blur_still_meets_its_step():
    assert setting("100", base="ms", unit="s").written(0.1 + 0.2) == "300"
    with pytest.raises(ControlsRefused, match=r"cannot be 0\.3001s") as caught:
        setting("100", base="ms", unit="s").written(0.3001)
    assert "0.3 or 0.301" in caught.value.hint


def test_a_number_with_a_point_is_written_whole_and_shown_to_six_digits():
    found = setting("1.1", vartype="real", low="0", high="1.79769e+308")
    text = found.written(1.123456789)
    assert (text, found.as_shown(text)) == ("1.123456789", "1.12346")
    assert not found.keeps(text)
    assert found.keeps(found.written(1.25))
    assert setting("1.12346", vartype="real").shows(found.as_shown(text))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("context", "internal", "when the server starts"),
        ("context", "superuser-backend", "when a session starts"),
        ("source", "command line", "overruled by the command line"),
        ("pending_restart", True, "waits for a restart"),
        ("may_alter", False, "may not set"),
    ],
)
def test_what_stands_against_moving_a_setting_is_named(field, value, words):
    whole = dict(zip(Row.__slots__, ("s", "1", None, "integer", "0", "9"), strict=False))
    whole |= {"context": "user", "source": "default", "pending_restart": False, "may_alter": True}
    with pytest.raises(ControlsRefused, match=words):
        Setting("r", Row(**{**whole, field: value}), None).written(2.0)
