import os

import pytest

from daemon.store.legacy import lines as reading
from daemon.store.legacy.lines import MAX_LINE, Unreadable, objects, records


def read(tmp_path, raw, how):
    path = tmp_path / "file"
    path.write_bytes(raw)
    return [(found.number, found.value, found.fault) for found in how(path)]


def test_objects_are_read_a_line_at_a_time(tmp_path):
    raw = b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{"b": "\xc3\xa4"}'
    assert read(tmp_path, raw, objects) == [(1, {"a": 1}, None), (4, {"b": "ä"}, None)]


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"{'a': 1}\n", "not JSON: Expecting property name enclosed in double quotes"),
        (b"[1]\n", "not a JSON object"),
        (b'"a"', "not a JSON object"),
        (b'{"a": 1', "the last line is only half written"),
        (b'{"a": "\xff"}\n', "byte 8 is not UTF-8 text"),
        (b"[" * 100_000 + b"\n", "not JSON: it cannot be read"),
        (b"1" * 5_000 + b"\n", "not JSON: it cannot be read"),
        (b"x" * (MAX_LINE + 1) + b"\n", f"the line is longer than {MAX_LINE} bytes"),
        (b"x" * (3 * MAX_LINE), f"the line is longer than {MAX_LINE} bytes"),
    ],
)
def test_a_bad_line_says_why_and_the_next_one_is_read(tmp_path, raw, fault):
    assert read(tmp_path, raw, objects) == [(1, None, fault)]
    if raw.endswith(b"\n"):
        assert read(tmp_path, raw + b"{}\n", objects) == [(1, None, fault), (2, {}, None)]


def test_a_line_of_the_greatest_length_is_read(tmp_path):
    raw = b'{"a": "' + b"x" * (MAX_LINE - 9) + b'"}\n'
    assert [fault for _, _, fault in read(tmp_path, raw, objects)] == [None]


def test_a_record_may_hold_quotes_and_line_breaks(tmp_path):
    raw = b'a,"b ""x""",c\r\n\n1,"two\r\n\nlines",3\n4,5,6'
    assert read(tmp_path, raw, records) == [
        (1, ["a", 'b "x"', "c"], None),
        (3, ["1", "two\r\n\nlines", "3"], None),
        (6, ["4", "5", "6"], None),
    ]


def test_a_stray_quote_is_text(tmp_path):
    raw = b'1,5" pipe\n2,x\n3,7" pipe\n'
    assert [value for _, value, _ in read(tmp_path, raw, records)] == [
        ["1", '5" pipe'],
        ["2", "x"],
        ["3", '7" pipe'],
    ]


def test_a_quote_that_is_never_closed_costs_its_own_line(tmp_path):
    found = read(tmp_path, b'1,"open\n2,x\n3,y\n', records)
    assert found == [
        (1, None, "not CSV: unexpected end of data"),
        (2, ["2", "x"], None),
        (3, ["3", "y"], None),
    ]


def test_a_quote_is_not_looked_for_beyond_the_longest_record(tmp_path):
    rest = b"2,xxxxxxxx\n" * (MAX_LINE // 11 + 10)
    found = read(tmp_path, b'1,"open\n' + rest + b'3,"\n', records)
    assert found[0] == (1, None, "not CSV: field larger than field limit (131072)")
    assert len(found) == rest.count(b"\n") + 2
    assert {fault for _, _, fault in found[1:-1]} == {None}


def test_a_quote_open_before_an_unreadable_line_costs_both(tmp_path):
    found = read(tmp_path, b'1,"open\n\xff\n3,"\n', records)
    assert [fault for _, _, fault in found] == [
        "not CSV: unexpected end of data",
        "byte 1 is not UTF-8 text",
        "not CSV: unexpected end of data",
    ]


def test_text_behind_a_closing_quote_is_refused(tmp_path):
    found = read(tmp_path, b'"a"b,1\n"c",2\n', records)
    assert [number for number, _, fault in found if fault] == [1]


def test_the_last_record_tells_whether_it_has_an_end(tmp_path):
    (tmp_path / "file").write_bytes(b'1,2\n"3\n4",5')
    assert [record.ended for record in records(tmp_path / "file")] == [True, False]


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unreadable, match="not a regular file"):
        list(objects(tmp_path / "pipe"))


def test_a_file_that_cannot_be_opened_says_so(tmp_path):
    with pytest.raises(Unreadable, match="it cannot be read: No such file"):
        list(reading.lines(tmp_path / "nothing"))
