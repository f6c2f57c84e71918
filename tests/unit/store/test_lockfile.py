"""A lock on a file: held by one, seen by all, gone with its holder."""

import fcntl
import os

import pytest

from daemon.errors import StoreUnavailable
from daemon.store.lockfile import FileLock, is_held


def test_one_holds_it_until_it_lets_go(tmp_path):
    path = tmp_path / "deep" / "x.lock"
    first = FileLock.take(path)
    assert first.held
    assert first.still_ours()
    assert FileLock.take(path) is None
    assert is_held(path) is True
    first.release()
    assert not first.held
    assert not first.still_ours()
    assert is_held(path) is False
    second = FileLock.take(path)
    assert second.still_ours()
    first.release()
    assert second.still_ours(), "letting go twice is letting go once"
    second.release()


def test_a_file_that_is_not_there_is_held_by_nobody_and_is_not_made_by_looking(tmp_path):
    path = tmp_path / "x.lock"
    assert is_held(path) is False
    assert not path.exists()


def test_what_cannot_be_looked_at_is_not_known(tmp_path):
    (tmp_path / "file").touch()
    assert is_held(tmp_path / "file" / "x.lock") is None


def test_two_that_look_do_not_take_each_other_for_a_holder(tmp_path):
    path = tmp_path / "x.lock"
    path.touch()
    with path.open() as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        assert is_held(path) is False


def test_a_file_that_is_deleted_or_replaced_is_not_ours_any_more(tmp_path):
    path = tmp_path / "x.lock"
    lock = FileLock.take(path)
    path.unlink()
    assert not lock.still_ours()
    other = FileLock.take(path)
    assert other.still_ours()
    assert not lock.still_ours()
    lock.release()
    other.release()


def test_a_lock_is_not_left_behind_on_a_file_that_was_deleted_while_it_was_taken(
    tmp_path, monkeypatch
):
    """The deletion falls between opening and locking: what is locked then protects nothing."""
    path = tmp_path / "x.lock"
    flock, deleted = fcntl.flock, []

    def delete_first(number, how):
        if not deleted:
            deleted.append(path.unlink())
        flock(number, how)

    monkeypatch.setattr(fcntl, "flock", delete_first)
    lock = FileLock.take(path)
    assert lock.still_ours()
    assert os.path.samestat(os.fstat(lock._number), path.stat())
    lock.release()


def test_a_place_where_no_file_can_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="cannot be taken"):
        FileLock.take(tmp_path / "file" / "x.lock")
