"""Sources that ask over HTTP: what they ask, what they make of the answers, what never shows."""

import json
import math
import time

import pytest

from daemon.adapters.signals.scrape.fetch import Place
from daemon.adapters.signals.scrape.openmetrics import OpenMetricsSource, Series
from daemon.adapters.signals.scrape.prometheus import STEPS_MAX, PrometheusSource
from daemon.clock import MICROS
from daemon.ports import Declared, Reading, SourceFault
from tests.contract.signals.kits import PROFILE, T0, TIMEOUT_S, Profile, WallByHand

S0 = T0 / MICROS
CANARY = "hunter2canary"


def at(second):
    return T0 + round(second * MICROS)


@pytest.fixture
def clock():
    return WallByHand()


@pytest.fixture
def prometheus(endpoint, clock):
    endpoint.series = {}
    made = []

    def make(period_s=1.0, queries=None, **options):
        profile = Profile(name="p", declared={"a": Declared()}, period_s=period_s)
        place = Place(url=endpoint.url, timeout_s=TIMEOUT_S)
        made.append(PrometheusSource(profile, place, queries or {"a": "up"}, clock, **options))
        return made[-1]

    yield make
    for source in made:
        source.close()


@pytest.fixture
def metrics(endpoint, clock):
    made = []

    def make(**series):
        declared = {name: Declared() for name in series}
        place = Place(url=f"{endpoint.url}/metrics", timeout_s=TIMEOUT_S)
        made.append(OpenMetricsSource(Profile(name="m", declared=declared), place, series, clock))
        return made[-1]

    yield make
    for source in made:
        source.close()


# ── asking ───────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("mode", ["silent", "dripping_head", "dripping_body"])
def test_nobody_is_waited_for_longer_than_the_time_out(endpoint, metrics, mode):
    source = metrics(a=Series(metric="x"))
    endpoint.mode = mode
    began = time.monotonic()
    with pytest.raises(SourceFault, match=f"did not answer within {TIMEOUT_S:g} s"):
        source.poll()
    assert time.monotonic() - began < 5 * TIMEOUT_S


def test_a_redirect_is_not_followed(endpoint, metrics):
    endpoint.mode = "redirect"
    with pytest.raises(SourceFault, match="redirect, which is not followed"):
        metrics(a=Series(metric="x")).poll()
    assert [path for path, *_ in endpoint.asked] == ["/metrics"]


@pytest.mark.parametrize("status", [204, 401, 404, 500])
def test_another_status_is_a_fault_with_the_words_of_whoever_answers(endpoint, metrics, status):
    endpoint.status, endpoint.body = status, b"" if status == 204 else b"no \x1b[1m way"
    with pytest.raises(SourceFault, match=f"answers {status}"):
        metrics(a=Series(metric="x")).poll()


def test_nobody_there_is_a_fault(clock):
    place = Place(url="http://127.0.0.1:9/metrics", timeout_s=TIMEOUT_S)
    source = OpenMetricsSource(PROFILE, place, {"a": Series(metric="x")}, clock)
    with pytest.raises(SourceFault, match=r"http://127.0.0.1:9/metrics cannot be reached"):
        source.poll()
    source.close()


@pytest.mark.parametrize("where", ["file", "variable"])
def test_a_token_is_sent_and_never_shown(endpoint, clock, tmp_path, where):
    file = tmp_path / "token"
    file.write_text(f"{CANARY}\n")
    given = {"token_file": file} if where == "file" else {"token": CANARY}
    place = Place(url=f"{endpoint.url}/metrics", timeout_s=TIMEOUT_S, **given)
    source = OpenMetricsSource(PROFILE, place, {"a": Series(metric="x")}, clock)
    endpoint.body = b"x 1\n"
    assert len(source.poll().readings) == 1
    assert endpoint.asked[-1][2]["Authorization"] == f"Bearer {CANARY}"
    endpoint.mode = "silent"
    with pytest.raises(SourceFault) as caught:
        source.poll()
    assert CANARY not in f"{caught.value}{caught.value.hint}{caught.getrepr()}".replace(
        repr(place), ""
    )
    source.close()


@pytest.mark.parametrize("content", [None, "", "two words\n", "a\nb", "\x00", "ü"])
def test_a_file_without_a_token_is_a_fault(endpoint, clock, tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    place = Place(url=endpoint.url, token_file=file)
    source = OpenMetricsSource(PROFILE, place, {"a": Series(metric="x")}, clock)
    with pytest.raises(SourceFault, match="holds no token"):
        source.poll()
    source.close()
    assert endpoint.asked == []


# ── Prometheus ───────────────────────────────────────────────────────────────
def test_a_step_is_asked_for_by_itself_and_a_gap_at_once(endpoint, clock, prometheus):
    source = prometheus(period_s=5.0)
    endpoint.series["up"] = [{S0 + step: str(step) for step in range(0, 100, 5)}]
    clock.now = at(2.5)
    assert source.poll().readings == [Reading("a", at(0), 0.0)]
    clock.now = at(7)
    assert source.poll().readings == [Reading("a", at(5), 5.0)]
    assert not source.poll().readings
    clock.now = at(22)
    assert [one.value for one in source.poll().readings] == [10.0, 15.0, 20.0]
    asked = [(path, params) for path, params, _ in endpoint.asked]
    assert asked == [
        ("/api/v1/query", {"query": "up", "time": "1800000000.000000"}),
        ("/api/v1/query", {"query": "up", "time": "1800000005.000000"}),
        (
            "/api/v1/query_range",
            {
                "query": "up",
                "start": "1800000010.000000",
                "end": "1800000020.000000",
                "step": "5.000000",
            },
        ),
    ]


def test_a_gap_is_caught_up_with_as_far_as_one_likes_and_in_parts(endpoint, clock, prometheus):
    source = prometheus(catch_up_s=1_000)
    endpoint.series["up"] = [{S0 + step: str(step) for step in range(5_000)}]
    source.resume({"until_us": at(0)})
    clock.now = at(4_000)
    first = source.poll()
    assert first.more
    assert [one.value for one in first.readings] == [*range(3_000, 3_000 + STEPS_MAX)]
    second = source.poll()
    assert (second.more, second.readings[-1].value) == (False, 4_000)
    assert len(second.readings) == 1_001 - STEPS_MAX


def test_a_clock_that_was_set_back_is_waited_for_unless_by_far(endpoint, clock, prometheus):
    source = prometheus()
    endpoint.series["up"] = [{S0 - 7_200: "1", S0 - 60: "2", S0 + 1: "3"}]
    source.resume({"until_us": at(0)})
    clock.now = at(-60)
    assert not source.poll().readings
    clock.now = at(1)
    assert [one.value for one in source.poll().readings] == [3.0]
    clock.now = at(-7_200)
    assert [one.value for one in source.poll().readings] == [1.0]


def answered(kind, result):
    return {"status": "success", "data": {"resultType": kind, "result": result}}


ANSWERS = {
    "a number": (answered("scalar", [S0, "7"]), [7.0], None),
    "nothing": (answered("vector", []), [], None),
    "infinity": (answered("vector", [{"metric": {}, "value": [S0, "-Inf"]}]), [-math.inf], None),
    "several series": (
        answered("vector", [{"metric": {}, "value": [S0, "1"]}] * 3),
        [],
        "a: comes to 3 series: put sum() or max() around it",
    ),
    "text": (answered("string", [S0, "x"]), [], "a: comes to a 'string', not to a number"),
    "a histogram": (
        answered("vector", [{"metric": {}, "histogram": [S0, {}]}]),
        [],
        "a: is no answer of the Prometheus API",
    ),
    "no answer": ({"status": "success"}, [], "a: is no answer of the Prometheus API"),
    "a list": ([], [], "a: is no answer of the Prometheus API"),
    "a word": (
        answered("vector", [{"metric": {}, "value": [S0, "seven"]}]),
        [],
        "a: 'seven' is not a number",
    ),
    "no moment": (
        answered("vector", [{"metric": {}, "value": [None, "7"]}]),
        [],
        "a: 'None' is not a moment",
    ),
}


@pytest.mark.parametrize(("answer", "values", "complaint"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_one_series_or_it_is_said_why_not(
    endpoint, prometheus, answer, values, complaint
):
    endpoint.series, endpoint.body = None, json.dumps(answer).encode()
    polled = prometheus().poll()
    assert [one.value for one in polled.readings] == values
    assert (polled.unreadable, polled.example) == (int(complaint is not None), complaint)


def test_a_query_that_is_refused_spoils_its_own_signal_only(endpoint, clock):
    endpoint.series = None
    endpoint.status, endpoint.body = 400, b'{"status":"error","error":"parse error at char 3"}'
    place = Place(url=endpoint.url, timeout_s=TIMEOUT_S)
    source = PrometheusSource(PROFILE, place, {"a": "up("}, clock)
    polled = source.poll()
    source.close()
    assert polled.unreadable == 1
    assert polled.example == "a: refused: 'parse error at char 3'"


def test_a_server_that_fails_is_asked_again_for_the_same(endpoint, clock, prometheus):
    source = prometheus()
    endpoint.series, endpoint.status, endpoint.body = None, 503, b"starting"
    with pytest.raises(SourceFault, match="answers 503: starting"):
        source.poll()
    endpoint.series = {"up": [{S0: "1", S0 + 1: "2"}]}
    clock.now = at(1)
    assert [one.value for one in source.poll().readings] == [2.0]


# ── OpenMetrics ──────────────────────────────────────────────────────────────
def test_a_series_is_chosen_by_its_labels(endpoint, metrics):
    endpoint.body = b'x{h="1",q="0.5"} 1\nx{h="1",q="0.9"} 2\nxx 3\n# HELP x q\ny 4 # no\n'
    source = metrics(
        one=Series(metric="x", labels={"q": "0.9"}),
        many=Series(metric="x", labels={"h": "1"}),
        none=Series(metric="x", labels={"q": "1"}),
    )
    polled = source.poll()
    assert polled.readings == [Reading("one", T0, 2.0)]
    assert polled.unreadable == 2
    assert polled.example == "many: 2 series of 'x' match: name more labels"


def test_a_counter_becomes_a_rate_and_a_reset_no_value(endpoint, metrics, clock):
    source = metrics(a=Series(metric="x_total", rate=True))
    elapsed = iter([0, 2_000_000, 4_000_000, 6_000_000, 6_000_000, 10_000_000])

    def polled(value, kind=b""):
        endpoint.body = b"# TYPE x_total counter\nx_total %s\n" % str(value).encode()
        now = next(elapsed)
        source.clock = type("Clock", (), {"now_us": lambda _: T0, "elapsed_us": lambda _: now})()
        return [one.value for one in source.poll().readings]

    assert polled(100) == []
    assert polled(110) == [5.0]
    assert polled(3) == []  # began anew
    assert polled(9) == [3.0]
    assert polled(10) == []  # no time has passed
    assert polled(math.nan) == []


def test_a_series_with_moments_of_its_own_is_taken_once_a_moment(endpoint, metrics, clock):
    source = metrics(a=Series(metric="x"), rate=Series(metric="c_total", rate=True))
    endpoint.body = b"x 1 1800000000500\nc_total 10 1800000000000\n"
    assert source.poll().readings == [Reading("a", at(0.5), 1.0)]
    assert not source.poll().readings
    endpoint.body = b"x 1 1800000001500\nc_total 30 1800000004000\n"
    assert source.poll().readings == [Reading("a", at(1.5), 1.0), Reading("rate", at(4), 5.0)]


OPENMETRICS = b"""\
# TYPE latency histogram
latency_bucket{le="1.0"} 3 # {trace_id="x"} 0.5
latency_bucket{le="+Inf"} 4
latency_sum 7.5
latency_count 4
# TYPE requests counter
requests_total{code="200"} 9 # {trace_id="y"} 1.0
# TYPE other gauge
other nonsense
"""


def test_the_strict_format_is_understood_and_its_end_asked_for(endpoint, metrics):
    endpoint.kind = "application/openmetrics-text; version=1.0.0"
    series = {
        "sum": Series(metric="latency_sum"),
        "bucket": Series(metric="latency_bucket", labels={"le": "1.0"}),
        "requests": Series(metric="requests_total"),
    }
    source = metrics(**series)
    endpoint.body = OPENMETRICS + b"# EOF\n"
    assert [one.value for one in source.poll().readings] == [7.5, 3.0, 9.0]
    endpoint.body = OPENMETRICS
    with pytest.raises(SourceFault, match="no end, so part of it is missing"):
        source.poll()


@pytest.mark.parametrize("body", [b"x\n", b"x one\n", b'x{a=" 1\n', b"\xff\n", b"x{,,} 1\n"])
@pytest.mark.parametrize("kind", ["text/plain", "application/openmetrics-text"])
def test_what_is_not_in_the_format_is_a_fault_or_a_count(endpoint, metrics, body, kind):
    endpoint.kind, endpoint.body = kind, body + b"# EOF\n"
    try:
        polled = metrics(a=Series(metric="x")).poll()
    except SourceFault as fault:
        found = fault.message
    else:
        found = (polled.readings, polled.unreadable)
    assert found == ([], 1) or "not in the text format" in found


def test_a_million_other_lines_cost_little(endpoint, metrics):
    endpoint.body = b"".join(b'z_%d{a="b"} 1\n' % n for n in range(200_000)) + b"x 5\n"
    began = time.process_time()
    assert [one.value for one in metrics(a=Series(metric="x")).poll().readings] == [5.0]
    assert time.process_time() - began < 2
