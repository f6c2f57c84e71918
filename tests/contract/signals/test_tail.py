"""Files that grow: rotated, cut short, half written, gone, and read again after a restart."""

import pytest

from daemon.adapters.signals.tail import follow
from daemon.ports import SourceFault
from tests.contract.signals.growing import HEADER, S0, File


@pytest.fixture
def file(tmp_path):
    made = File(tmp_path)
    yield made
    made.source.close()


# ── where it begins ──────────────────────────────────────────────────────────
def test_what_is_there_already_is_left_out_or_not_as_one_likes(tmp_path):
    file = File(tmp_path)
    file.append(3)
    assert file.poll() == []
    file.append()
    assert file.poll() == [4]
    everything = File(tmp_path, None, from_end=False)
    assert everything.poll() == [1, 2, 3, 4]


def test_a_file_that_comes_later_is_read_from_its_beginning(tmp_path):
    file = File(tmp_path, None)
    for _ in range(2):
        with pytest.raises(SourceFault, match="is not there"):
            file.poll()
    file.path.write_text(HEADER)
    file.append(2)
    assert file.poll() == [1, 2]


def test_a_line_counts_when_it_is_finished(file):
    assert file.poll() == []
    file.append(end="")
    assert file.poll() == []
    with file.path.open("a") as more:
        more.write(".5\n")
    file.append()
    assert file.poll() == [1, 2]
    assert file.unreadable == 0


def test_a_line_that_is_half_written_at_the_start_is_not_left_out(tmp_path):
    file = File(tmp_path)
    file.append(2)
    file.append(end="")
    assert file.poll() == []
    with file.path.open("a") as more:
        more.write("\n")
    assert file.poll() == [3]


def test_a_long_file_without_the_end_of_a_line_is_waited_out(tmp_path):
    file = File(tmp_path, HEADER + "x" * (2 * follow.LINE_MAX))
    assert file.poll() == []
    with file.path.open("a") as more:
        more.write("\n")
    file.append()
    assert file.poll() == [1]


# ── rotation ─────────────────────────────────────────────────────────────────
def rotate(file, text=HEADER):
    old = file.path.with_name("metrics.csv.1")
    file.path.rename(old)
    if text is not None:
        file.path.write_text(text)
    return old


def test_a_renamed_file_is_finished_before_the_new_one_is_begun(file):
    file.poll()
    file.append(2)
    old = rotate(file)
    file.append(2, old)  # whoever writes it has not noticed yet
    file.append(2)
    assert file.poll() == [1, 2, 3, 4]
    file.append(1, old)
    assert file.poll() == [7]
    assert file.poll() == []  # one more look, in case it goes on
    assert file.poll() == [5, 6]
    file.append()
    assert file.poll() == [8]


def test_a_renamed_file_is_read_on_while_nothing_stands_in_its_place(file):
    file.poll()
    old = rotate(file, None)
    file.append(1, old)
    assert file.poll() == [1]
    assert file.poll() == []
    file.path.write_text(HEADER)
    file.append()
    assert [file.poll(), file.poll()] == [[], [2]]


def test_a_line_that_was_never_finished_is_counted(file):
    file.poll()
    file.append(1, end="")
    rotate(file)
    file.append()
    assert file.poll() == []
    assert file.poll() == [2]
    assert file.unreadable == 1


def test_a_deleted_file_is_read_to_its_end(file):
    file.poll()
    file.append(2)
    file.path.unlink()
    assert file.poll() == [1, 2]
    file.path.write_text(HEADER)
    file.append()
    assert [file.poll(), file.poll()] == [[], [3]]


def test_the_new_file_may_have_other_columns(file):
    file.poll()
    rotate(file, "b,other,ts,alpha\n")
    with file.path.open("a") as more:
        more.write(f"0,x,{S0},7\n")
    assert [file.poll(), file.poll()] == [[], [7]]


# ── cut short ────────────────────────────────────────────────────────────────
def test_a_file_that_was_cut_is_begun_anew(file):
    file.poll()
    file.append(3)
    assert file.poll() == [1, 2, 3]
    file.path.write_text(HEADER)
    file.append()
    assert file.poll() == [4]


def test_it_is_noticed_also_when_it_is_longer_again(file):
    file.poll()
    file.append(3)
    file.poll()
    file.path.write_text(HEADER)
    file.append(9)
    assert file.poll() == [4, 5, 6, 7, 8, 9, 10, 11, 12]


def test_a_file_that_goes_on_without_a_header_keeps_the_one_it_had(file):
    file.poll()
    file.append(3)
    file.poll()
    file.path.write_text("")
    file.append(2)
    assert file.poll() == [4, 5]
    file.start(file.mark)
    file.append()
    assert file.poll() == [6]


# ── after a restart ──────────────────────────────────────────────────────────
def test_nothing_is_lost_or_repeated_over_a_rotation_while_nobody_looked(file):
    file.poll()
    file.append(2)
    assert file.poll() == [1, 2]
    file.append(2)
    rotate(file)
    file.append(2)
    file.start(file.mark)
    assert file.poll() == [3, 4]
    assert [file.poll(), file.poll()] == [[], [5, 6]]


def test_a_file_in_the_place_of_one_that_is_gone_is_read_from_its_beginning(file):
    file.append()
    file.poll()
    file.append()
    file.poll()
    file.path.unlink()
    file.path.write_text(HEADER)
    file.append(2)
    file.start(file.mark)
    assert file.poll() == [3, 4]


def test_another_file_with_the_number_of_the_old_one_is_told_apart(file):
    file.append()
    file.poll()
    file.append(5)
    file.poll()
    mark = file.mark
    text = file.path.read_text().replace("0\n", "9\n")
    file.path.write_text(text)  # the same inode, other content
    file.start(mark)
    assert file.poll() == [1, 2, 3, 4, 5, 6]


def test_a_half_written_line_survives_a_restart(file):
    file.poll()
    file.append()
    file.append(end="")
    assert file.poll() == [1]
    file.start(file.mark)
    with file.path.open("a") as more:
        more.write("\n")
    assert file.poll() == [2]
