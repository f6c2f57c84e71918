"""Room that is kept for rollbacks: taken in where there is plenty, given up when there is none."""

import errno
import os
import shutil
import subprocess

import pytest

from daemon.services.living.ballast import BALLAST_BYTES, ROOM_AFTER_BYTES, Ballast, is_full
from daemon.store.store import Store


def mounted(folder, megabytes):
    """Mount a file system in memory; skip where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root mounts file systems")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    return folder


@pytest.fixture
def disk(tmp_path):
    """Give file systems of a size."""
    made = []

    def disk(megabytes):
        made.append(tmp_path / f"disk{len(made)}")
        return mounted(made[-1], megabytes)

    yield disk
    for one in made:
        subprocess.run(["umount", str(one)], capture_output=True, check=False)


def fill(folder, leave=0):
    """Fill a file system but for some bytes."""
    size = shutil.disk_usage(folder).free - leave
    handle = os.open(folder / "filler", os.O_CREAT | os.O_WRONLY)
    try:
        os.posix_fallocate(handle, 0, size)
    finally:
        os.close(handle)


def test_it_is_taken_in_once_and_is_really_there(disk):
    ballast = Ballast(disk(100) / "x.ballast")
    before = ballast.free_bytes()
    assert ballast.take_in()
    assert before - ballast.free_bytes() >= BALLAST_BYTES
    inode = ballast.path.stat().st_ino
    assert ballast.take_in()
    assert ballast.path.stat().st_ino == inode


def test_where_there_is_little_room_none_is_taken(disk):
    folder = disk(100)
    fill(folder, ROOM_AFTER_BYTES - 2**20)
    ballast = Ballast(folder / "x.ballast")
    assert not ballast.take_in()
    assert not ballast.path.exists()


def test_on_a_full_disk_giving_it_up_makes_room_for_a_database(disk):
    folder = disk(100)
    ballast = Ballast(folder / "x.ballast")
    ballast.take_in()
    with Store.open(f"sqlite:///{folder}/x.db") as store:
        with store.write() as tx:
            tx.exec_driver_sql("CREATE TABLE t (x BLOB)")
        fill(folder)
        with pytest.raises(Exception, match="full") as told, store.write() as tx:
            tx.exec_driver_sql("INSERT INTO t VALUES (randomblob(2000000))")
        assert is_full(told.value.message)
        assert ballast.drop()
        with store.write() as tx:
            tx.exec_driver_sql("INSERT INTO t VALUES (randomblob(2000000))")
    assert not ballast.drop(), "there is nothing more to give up"


def test_one_that_was_cut_short_is_filled_again(tmp_path):
    ballast = Ballast(tmp_path / "x.ballast")
    ballast.path.write_bytes(b"short")
    assert ballast.take_in()
    assert ballast.path.stat().st_size == BALLAST_BYTES


def test_where_the_database_is_no_file_there_is_nothing_to_do():
    ballast = Ballast(None)
    assert (ballast.free_bytes(), ballast.take_in(), ballast.drop()) == (None, False, False)


def test_where_the_folder_is_gone_nothing_is_claimed(tmp_path):
    ballast = Ballast(tmp_path / "gone" / "x.ballast")
    assert (ballast.free_bytes(), ballast.take_in(), ballast.drop()) == (None, False, False)


def test_a_folder_that_nobody_may_write_to_ends_nothing(tmp_path):
    (tmp_path / "x.ballast").mkdir()
    ballast = Ballast(tmp_path / "x.ballast")
    assert not ballast.take_in()
    assert not ballast.drop()


@pytest.mark.parametrize(
    ("message", "full"),
    [
        ("sqlite:///x.db: database or disk is full", True),
        (f"could not extend file: {os.strerror(errno.ENOSPC)}", True),
        (f"could not extend file: {os.strerror(errno.EDQUOT)}", True),
        ("database is locked", False),
        ("disk I/O error", False),
    ],
)
def test_what_databases_say_of_a_full_disk_is_understood(message, full):
    assert is_full(message) is full
