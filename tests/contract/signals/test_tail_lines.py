"""Lines of a file that cannot be read, and files that are none."""

import json
import os

import pytest

from daemon.adapters.signals import Layout
from daemon.adapters.signals.tail import follow
from daemon.adapters.signals.tail.jsonl_tail import JsonlTail
from daemon.clock import MICROS
from daemon.ports import Reading, SourceFault
from tests.contract.signals.growing import HEADER, S0, File
from tests.contract.signals.kits import PROFILE, T0, WallByHand


@pytest.fixture
def file(tmp_path):
    made = File(tmp_path)
    yield made
    made.source.close()


def test_bad_lines_are_counted_and_the_first_is_quoted_with_its_place(tmp_path):
    file = File(tmp_path, from_end=False)
    file.append()
    with file.path.open("a") as more:
        more.write("soon,1,2\n1,2\n\n   \n")
    file.append()
    assert file.poll() == [1, 2]
    assert file.unreadable == 2
    assert file.example == (
        f"{file.path}:3: 'soon' is not a moment between the years 1970 and 9999"
    )


def test_a_bad_cell_spoils_its_own_signal_only(tmp_path):
    file = File(tmp_path, from_end=False)
    with file.path.open("a") as more:
        more.write(f"{S0},much,3\n")
    polled = file.source.poll()
    nan, sound = polled.readings
    assert (nan.signal, nan.value != nan.value) == ("a", True)
    assert sound == Reading("b", T0, 3.0)
    assert (polled.unreadable, polled.example) == (0, f"{file.path}:2: a: 'much' is not a number")


def test_a_line_number_is_told_where_it_is_known(tmp_path):
    file = File(tmp_path)
    file.append(3)
    file.start()
    file.poll()
    with file.path.open("a") as more:
        more.write("soon,1,2\n")
    file.poll()
    assert file.example.startswith(f"{file.path}:5: 'soon'")


def test_nobody_counts_the_lines_of_a_long_file_for_it(tmp_path):
    file = File(tmp_path)
    file.append(follow.LINE_MAX // 10)
    file.start()
    file.poll()
    with file.path.open("a") as more:
        more.write("soon,1,2\n")
    file.poll()
    assert file.example.startswith(f"{file.path}: 'soon'")


def test_a_file_without_the_columns_is_a_fault_until_it_has_them(tmp_path):
    file = File(tmp_path, "time,alpha\n1,2\n", from_end=False)
    for _ in range(2):
        with pytest.raises(SourceFault, match="no column 'ts' in its first line") as caught:
            file.poll()
    assert "signals" in caught.value.hint
    file.path.write_text(HEADER)
    file.append()
    assert file.poll() == [1]


def test_what_is_no_file_is_a_fault(tmp_path):
    (tmp_path / "metrics.csv").mkdir()
    with pytest.raises(SourceFault, match="cannot be read"):
        File(tmp_path, None).poll()
    (tmp_path / "metrics.csv").rmdir()
    os.mkfifo(tmp_path / "metrics.csv")
    with pytest.raises(SourceFault, match="not a file of lines"):
        File(tmp_path, None).poll()


def test_a_look_is_bounded_and_says_that_there_is_more(tmp_path):
    file = File(tmp_path, from_end=False)
    file.append(20_000)
    polled = file.source.poll()
    assert polled.more
    assert 0 < len(polled.readings) < 2 * 20_000
    rest = file.poll()
    assert rest[-1] == 20_000
    assert len(rest) + len(polled.readings) / 2 == 20_000


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    file = File(tmp_path, "\ufeff" + HEADER, from_end=False)
    file.append()
    assert file.poll() == [1]


def test_a_line_of_json_that_is_about_something_else_says_nothing(tmp_path):
    path = tmp_path / "events.jsonl"
    layout = Layout(places={"a": "stats.latency", "b": "b"})
    source = JsonlTail(PROFILE, path, layout, WallByHand(), from_end=False)
    rows = [
        {"event": "started"},
        {"ts": "2027-01-15T08:00:00Z", "stats": {"latency": 12, "n": 3}},
        {"ts": "2027-01-15T08:00:01+00:00", "stats": 7, "b": None},
        {"ts": "2027-01-15T08:00:02", "stats.latency": "13.5", "b": True},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    polled = source.poll()
    source.close()
    assert [one for one in polled.readings if one.signal == "a"] == [
        Reading("a", T0, 12.0),
        Reading("a", T0 + 2 * MICROS, 13.5),
    ]
    assert polled.unreadable == 0
    assert polled.example == f"{path}:4: b: 'True' is not a number"


def test_a_header_that_is_no_csv_is_a_fault(tmp_path):
    file = File(tmp_path, 'ts,"alpha\n', from_end=False)
    with pytest.raises(SourceFault, match="no column 'ts'"):
        file.poll()


def test_a_record_with_an_open_quote_is_counted(tmp_path):
    file = File(tmp_path, from_end=False)
    with file.path.open("a") as more:
        more.write('1,"2,3\n')
    file.append()
    assert file.poll() == [1]
    assert file.example.startswith(f"{file.path}:2: is not CSV: ")


def test_only_a_record_of_the_old_form_makes_up_for_a_missing_header(file):
    file.poll()
    file.append(2)
    file.poll()
    for text in ("1,2\n", "soon,1,2\n"):
        file.path.write_text(text)
        with pytest.raises(SourceFault, match="no column 'ts'"):
            file.poll()


def test_a_header_that_is_not_finished_is_waited_for(tmp_path):
    file = File(tmp_path, "ts,alp", from_end=False)
    assert file.poll() == []
    with file.path.open("a") as more:
        more.write("ha,b\n")
    file.append()
    assert file.poll() == [1]


def test_lines_that_are_longer_than_any_are_counted_and_left_out(tmp_path):
    file = File(tmp_path, from_end=False)
    with file.path.open("a") as more:
        more.write("y" * (follow.LINE_MAX + 1) + "\n" + "z" * (follow.CHUNK + 7) + "\n")
    file.append()
    assert file.poll() == [1]
    assert file.unreadable == 2


def test_what_is_no_text_is_counted(tmp_path):
    file = File(tmp_path, from_end=False)
    with file.path.open("ab") as more:
        more.write(b"\xff\xfe,1,2\n")
    file.append()
    assert file.poll() == [1]
    assert file.unreadable == 1
    assert file.example == f"{file.path}:2: is not UTF-8 text"
