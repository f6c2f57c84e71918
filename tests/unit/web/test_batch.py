"""Batches as senders write them, and as they should not."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import MICROS
from daemon.ports import Reading
from daemon.web.batch import PROBLEMS_MAX, SAMPLES_MAX, read_batch
from daemon.web.replies import Refusal
from tests.life_kit import T0

JSON, CSV = "application/json", "text/csv"


def read(value, media=JSON):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_batch(body, media, T0)


def refused(value, media=JSON):
    with pytest.raises(Refusal) as raised:
        read(value, media)
    return raised.value


def problem(sample):
    (only,) = refused([sample]).body["problems"]
    return only


def test_a_list_and_an_object_with_samples_are_the_same_batch():
    samples = [{"signal": "load", "at": "2027-01-15T08:00:00Z", "value": 1}]
    assert read(samples) == read({"samples": samples}) == [Reading("load", T0, 1.0)]


def test_a_sample_without_a_moment_is_of_now():
    assert read([{"signal": "a", "value": 1}, {"signal": "a", "at": None, "value": 2}]) == [
        Reading("a", T0, 1.0),
        Reading("a", T0, 2.0),
    ]


@pytest.mark.parametrize("at", [1_800_000_000, 1_800_000_000.0, "2027-01-15T09:00:00+01:00"])
def test_a_moment_is_seconds_or_iso(at):
    assert read([{"signal": "a", "at": at, "value": 1}])[0].at_us == T0


def test_what_is_no_finite_number_is_passed_on_to_be_counted():
    body = (
        b'[{"signal":"a","value":NaN},{"signal":"a","value":-Infinity},{"signal":"a","value":null}]'
    )
    values = [reading.value for reading in read(body)]
    assert math.isnan(values[0])
    assert values[1] == -math.inf
    assert math.isnan(values[2])
    assert read([{"signal": "a", "value": -(10**400)}])[0].value == -math.inf


def test_nothing_is_a_batch_of_nothing():
    assert read([]) == read({"samples": []}) == read(b"", CSV) == []


def test_lines_of_csv_are_samples_with_or_without_a_head():
    lines = b"signal,at,value\nload,2027-01-15T08:00:00Z,0.5\n\n load , 1800000000.5 , 7e-1\n"
    assert read(lines, CSV) == [Reading("load", T0, 0.5), Reading("load", T0 + MICROS // 2, 0.7)]
    assert read(b"load,1\r\nload,,2\r\n", CSV) == [Reading("load", T0, 1), Reading("load", T0, 2)]
    assert read(b"\xef\xbb\xbfSignal,Value\nload,nan\n", CSV)[0].signal == "load"


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (7, "is no sample: '7'"),
        ({"value": 1}, "signal: 'None' is not the name of a signal"),
        ({"signal": "a b", "value": 1}, "signal: 'a b' is not the name of a signal"),
        ({"signal": "", "value": 1}, "signal: '' is not the name of a signal"),
        ({"signal": "a" * 201, "value": 1}, "signal: '" + "a" * 60 + "…' is not the name"),
        ({"signal": "a\u202e", "value": 1}, r"signal: 'a\u202e' is not the name"),
        ({"signal": "a"}, "value: is missing"),
        ({"signal": "a", "value": "1"}, "value: '1' is not a number"),
        ({"signal": "a", "value": True}, "value: 'True' is not a number"),
        ({"signal": "a", "value": 1, "tme": 3}, "has a key that means nothing: 'tme'"),
        ({"signal": "a", "value": 1, "at": "soon"}, "at: 'soon' is not a moment in ISO 8601"),
        ({"signal": "a", "value": 1, "at": 1.8e12}, "at: '1800000000000.0' is not a number of"),
        ({"signal": "a", "value": 1, "at": -1}, "at: '-1' is not a number of seconds"),
        ({"signal": "a", "value": 1, "at": [1]}, "at: '[1]' is not a number of seconds"),
        ({"signal": "a", "value": 1, "at": True}, "at: 'True' is not a number of seconds"),
    ],
)
def test_what_is_no_sample_is_told_with_its_place(sample, reason):
    assert problem(sample).startswith(f"samples[0]: {reason}")


def test_one_bad_sample_has_the_whole_batch_refused():
    fault = refused([{"signal": "a", "value": 1}, {"signal": "a"}])
    assert fault.status == 422
    assert fault.body["problems"] == ["samples[1]: value: is missing"]
    assert "none was taken" in fault.body["error"]
    assert "signal" in fault.body["hint"]


def test_of_many_problems_the_first_are_told():
    assert len(refused([0] * 50).body["problems"]) == PROBLEMS_MAX


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON: 'maximum recursion depth"),
        (b"1" * 5_000, "is not JSON: 'Exceeds the limit"),
        (b'"text"', "must be a list"),
        (b'{"samples": [], "more": 1}', "must be a list"),
        (b'{"samples": {}}', "must be a list"),
        (b"\xff\xfe", "is not UTF-8 at byte 0"),
    ],
)
def test_what_is_no_batch_is_refused(body, reason):
    fault = refused(body)
    assert fault.status == 422
    assert reason in fault.body["error"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"load", "line 1: is no sample"),
        (b"load,1,2,3", "line 1: is no sample"),
        (b"load,high", "line 1: value: 'high' is not a number"),
        (b"load,yesterday,1", "line 1: at: 'yesterday' is not a moment"),
        (b"load,nan,1", "line 1: at: 'nan' is not a number of seconds"),
        (b"load,1_0", "line 1: value: '1_0' is not a number"),
    ],
)
def test_a_line_that_is_no_sample_is_told(line, reason):
    assert refused(line, CSV).body["problems"][0].startswith(reason)


def test_a_csv_that_cannot_be_read_is_told_with_its_line():
    assert "line 2" in refused(b'load,1\n"lo"ad,2', CSV).body["error"]


@pytest.mark.parametrize("media", [JSON, CSV])
def test_there_is_a_largest_batch(media):
    def batch(count):
        if media == CSV:
            return b"a,1\n" * count
        return b"[" + b",".join([b'{"signal":"a","value":1}'] * count) + b"]"

    assert len(read(batch(SAMPLES_MAX), media)) == SAMPLES_MAX
    assert refused(batch(SAMPLES_MAX + 1), media).status == 413


def test_another_kind_of_body_is_refused_with_those_that_are_not():
    fault = refused(b"", "text/html")
    assert fault.status == 415
    assert "application/json" in fault.body["hint"]


def outcome(body, media):
    try:
        readings = read_batch(body, media, T0)
    except Refusal as refusal:
        return refusal.status
    assert all(isinstance(reading.value, float) for reading in readings)
    return 202


@given(st.binary(max_size=300), st.sampled_from([JSON, CSV]))
def test_whatever_is_sent_is_read_or_refused(body, media):
    assert outcome(body, media) in {202, 413, 422}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["signal", "at", "value", "samples", "x"]), inner)
    ),
    max_leaves=12,
)


@given(json_values)
def test_whatever_json_is_sent_is_read_or_refused(value):
    assert outcome(json.dumps(value).encode(), JSON) in {202, 422}
