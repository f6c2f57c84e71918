import io
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import MICROS
from daemon.log import MASK, NESTING_MAX, clean, configure, get, mask, mask_urls, printable

NOW_US = 1_795_255_200 * MICROS
NOW = "2026-11-21T10:00:00.000000Z"


class StandingClock:
    """It is always ten o'clock."""

    def now_us(self):
        return NOW_US

    def elapsed_us(self):
        return 0

    def sleep(self, seconds):
        raise AssertionError("a log does not wait")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def fail(message):
    raise ValueError(message)


def logged(write, stream=None, *, level="info", form="json", environ=None):
    """Set up a log, let somebody write, and give back the lines."""
    stream = io.StringIO() if stream is None else stream
    configure(level, form, stream, clock=StandingClock(), environ=environ or {})
    write(get("daemon.test"))
    return stream.getvalue().splitlines()


def event(write, **options):
    (line,) = logged(write, **options)
    return json.loads(line)


# ── what may not be shown ────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://u:hush@h:5432/db", "postgresql://u:***@h:5432/db"),
        ("connect to redis://:hush@h/0 failed", "connect to redis://:***@h/0 failed"),
        ("postgresql:/u:hush@h/db", "postgresql:/u:***@h/db"),
        ("a b://u:hu:sh@h c", "a b://u:***@h c"),
        ("b://u:hu@sh@h", "b://u:***@h"),
        ("b://u:hu/sh@h", "b://u:***@h"),
        ("(b://u:hush@h)", "(b://u:***@h)"),
        ("b://u@h/db", "b://u@h/db"),
        ("b://h:80/x", "b://h:80/x"),
        ("sqlite:///var/daemon.db", "sqlite:///var/daemon.db"),
        ("mail a@b.c: hello", "mail a@b.c: hello"),
        ("host=h password=hush dbname=x", "host=h password=*** dbname=x"),
        ("password='hu sh' x", "password=*** x"),
        ('PASSWORD = "hu sh" x', "PASSWORD = *** x"),
        ("password='hush", "password=***"),
        ("?sslmode=x&password=hush&y=1", "?sslmode=x&password=***&y=1"),
        ('{"api_key": "hush", "a": 1}', '{"api_key": ***, "a": 1}'),
        ("token: hush", "token: ***"),
        ("Authorization: Bearer abc.def-g", "Authorization: Bearer ***"),
        ("authorization=Basic dTpw", "authorization=Basic ***"),
        ("the bearer abc of", "the bearer *** of"),
        ("nothing to hide", "nothing to hide"),
        ("", ""),
    ],
)
def test_passwords_are_masked_and_the_rest_stays(text, masked):
    assert mask(text) == masked
    assert mask(masked) == masked


@given(
    st.from_regex(r"[a-z]{2,8}", fullmatch=True),
    st.from_regex(r"[a-z]{0,8}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1),
    st.text(max_size=20),
)
def test_no_password_of_a_url_survives(scheme, user, password, around):
    secret = f"%%{password}%%"
    text = f"{around} {scheme}://{user}:{secret}@host/db {around}"
    assert secret not in mask_urls(text).replace(around, "")
    assert "@host/db" in mask_urls(text)


def test_a_long_text_is_masked_in_one_pass():
    for text in ("a://b:" * 20_000, "password='" * 20_000, "a" * 200_000, "x:/" * 50_000):
        assert len(mask(text)) <= len(text) + len(MASK)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "plain"), ("a\nb\x1b[0m", "a\\nb\\x1b[0m"), ("\u202e\ud800", "\\u202e\\ud800")],
)
def test_what_is_invisible_is_escaped(text, shown):
    assert printable(text) == shown


# ── events ───────────────────────────────────────────────────────────────────
def test_an_event_is_a_line_of_json():
    shown = event(
        lambda log: log.info("kept", change=7, rule="r", delta=-0.25, live=True, why=None)
    )
    assert shown == {
        "at": NOW,
        "level": "info",
        "event": "kept",
        "change": 7,
        "rule": "r",
        "delta": -0.25,
        "live": True,
        "why": None,
    }
    assert list(shown)[:3] == ["at", "level", "event"]


def test_the_system_clock_is_the_default():
    stream = io.StringIO()
    configure("info", "json", stream, environ={})
    get("daemon.test").info("x")
    assert json.loads(stream.getvalue())["at"].endswith("Z")


def test_stderr_is_the_default(capsys):
    configure("info", "json", clock=StandingClock())
    get("daemon.test").info("x")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert json.loads(shown.err)["event"] == "x"


@pytest.mark.parametrize(
    ("level", "told"),
    [("debug", "diwe"), ("info", "iwe"), ("warning", "we"), ("error", "e")],
)
def test_what_is_less_important_than_the_level_is_not_told(level, told):
    def write(log):
        log.debug("d")
        log.info("i")
        log.warning("w")
        log.error("e")

    assert "".join(json.loads(line)["event"] for line in logged(write, level=level)) == told


def test_context_travels_along():
    structlog.contextvars.bind_contextvars(cycle=3)
    assert event(lambda log: log.info("x"))["cycle"] == 3


def test_secrets_are_masked_wherever_they_stand():
    class Connection:
        def __str__(self):
            return "<connection postgresql://u:hush@h>"

    def write(log):
        try:
            fail("cannot reach postgresql://u:hush@h")
        except ValueError:
            log.exception(
                "at postgresql://u:hush@h",
                url="postgresql://u:hush@h",
                nested={"a": [("password=hush", {"b": "b://u:hush@h"})]},
                password="hush",
                db_password=["hush"],
                headers={"Authorization": "hush", "X": "y"},
                thing=Connection(),
                raw=b"b://u:hush@h",
                unset_token=None,
                **{"b://u:hush@h": 1},
            )

    (line,) = logged(write)
    shown = json.loads(line)
    assert "hush" not in line
    assert shown["event"] == "at postgresql://u:***@h"
    assert shown["password"] == shown["db_password"] == MASK
    assert shown["headers"] == {"Authorization": MASK, "X": "y"}
    assert shown["nested"] == {"a": [["password=***", {"b": "b://u:***@h"}]]}
    assert shown["unset_token"] is None
    assert "ValueError: cannot reach postgresql://u:***@h" in shown["exception"]


def test_whatever_a_value_is_the_line_is_written():
    class Broken:
        def __str__(self):
            raise RuntimeError

    endless = []
    endless.append(endless)

    def write(log):
        log.info("x", nan=float("nan"), broken=Broken(), set={1}, endless=endless, **{"\n": 1})

    shown = event(write)
    assert shown["nan"] == "nan"
    assert shown["broken"] == "<Broken that cannot be shown>"
    assert shown["set"] == [1]
    assert shown["\n"] == 1


def test_nesting_ends():
    value = "x"
    for _ in range(NESTING_MAX * 2):
        value = {"a": value}
    assert json.dumps(clean(value)).count('{"a"') == NESTING_MAX


FORGED = "x\n{}\r\x1b[2J\x85\u2028\u202e\ud800" + f'\n{NOW} info    forged  "'


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_value_forges_a_line(form):
    def write(log):
        try:
            fail(FORGED)
        except ValueError:
            log.info(FORGED, value=FORGED, nested=[FORGED], exc_info=True, **{FORGED: FORGED})

    lines = logged(write, form=form)
    assert all(line.isprintable() for line in lines)
    assert sum(line.startswith((NOW, "{")) for line in lines) == 1
    if form == "json":
        assert json.loads(lines[0])["value"] == FORGED
    else:
        assert all(line.startswith("    | ") for line in lines[1:])


# ── for eyes ─────────────────────────────────────────────────────────────────
def test_an_event_for_eyes():
    def write(log):
        log.info("change kept", rule="r.1", old=0.5, note="two words", empty="", list=[1, "é"])

    assert logged(write, form="console") == [
        f'{NOW} info    change kept  rule=r.1  old=0.5  note="two words"  empty=""  list=[1, "é"]'
    ]


@pytest.mark.parametrize(
    ("stream", "form", "environ", "shape"),
    [
        (Terminal, "auto", {}, "coloured"),
        (Terminal, "auto", {"NO_COLOR": ""}, "coloured"),
        (Terminal, "auto", {"NO_COLOR": "1"}, "plain"),
        (Terminal, "console", {}, "coloured"),
        (Terminal, "json", {}, "json"),
        (io.StringIO, "auto", {}, "json"),
        (io.StringIO, "console", {}, "plain"),
    ],
)
def test_the_form_follows_the_stream(stream, form, environ, shape):
    (line,) = logged(lambda log: log.warning("x"), stream(), form=form, environ=environ)
    shapes = {
        "json": json.dumps({"at": NOW, "level": "warning", "event": "x"}),
        "plain": f"{NOW} warning x",
        "coloured": f"{NOW} \033[33mwarning\033[0m x",
    }
    assert line == shapes[shape]


# ── libraries ────────────────────────────────────────────────────────────────
def test_libraries_log_into_the_same_lines():
    def write(_):
        logger = logging.getLogger("some.library")
        logger.info("not told")
        logger.warning("lost %s", "postgresql://u:hush@h")
        try:
            fail("token=hush")
        except ValueError:
            logger.exception("failed")

    first, second = (json.loads(line) for line in logged(write))
    assert first == {
        "at": NOW,
        "level": "warning",
        "event": "lost postgresql://u:***@h",
        "logger": "some.library",
    }
    assert "ValueError: token=***" in second["exception"]


def test_a_level_without_a_colour_is_shown_plainly():
    (line,) = logged(lambda _: logging.getLogger("x").critical("down"), Terminal(), form="console")
    assert line == f"{NOW} critical down  logger=x"


def test_libraries_tell_of_their_daily_work_at_level_debug():
    (line,) = logged(lambda _: logging.getLogger("x").info("worked"), level="debug")
    assert json.loads(line)["event"] == "worked"


def test_a_second_set_up_replaces_the_first():
    first = io.StringIO()
    configure("info", "json", first, environ={})
    assert len(logged(lambda _: logging.getLogger("x").error("once"))) == 1
    assert first.getvalue() == ""


# ── put off ──────────────────────────────────────────────────────────────────
def test_the_last_set_up_before_the_first_event_is_the_one_that_holds():
    first, second = io.StringIO(), io.StringIO()
    configure("debug", "json", first, clock=StandingClock(), environ={})
    configure("info", "json", second, clock=StandingClock(), environ={})
    log = get("daemon.test")
    log.debug("too much detail")
    log.info("kept")
    assert first.getvalue() == ""
    assert [json.loads(line)["event"] for line in second.getvalue().splitlines()] == ["kept"]


def test_threads_that_tell_their_first_event_at_once_all_tell_it_in_our_form():
    stream, ready = io.StringIO(), threading.Barrier(8)
    configure("info", "json", stream, clock=StandingClock(), environ={})

    def tell(number):
        ready.wait()
        get("daemon.test").info("x", number=number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tell, range(8)))
    told = [json.loads(line)["number"] for line in stream.getvalue().splitlines()]
    assert sorted(told) == list(range(8))
