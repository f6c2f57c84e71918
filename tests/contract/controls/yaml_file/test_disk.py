"""The file of rules on its disk: never torn, never half, and nobody loses it."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from daemon.adapters.controls.yaml_file.disk import Disk, locked
from daemon.clock import SystemClock
from daemon.ports import ControlsFault, ControlsRefused
from tests.contract.controls.kits import FaultyDisk
from tests.contract.controls.yaml_file.kit import opened, order

ROOT = Path(__file__).parents[4]


def others(path):
    """Files beside the rules, but for those that are meant to be there."""
    return {one.name for one in path.parent.iterdir()} - {path.name, ".lock", ".rules.yaml.spare"}


# ── what the disk does ───────────────────────────────────────────────────────
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("step", ["put", "sync", "rename"])
def test_what_fails_before_the_rename_changed_nothing(path, controls, step, code):
    disk = FaultyDisk()
    failing = opened(path, disk=disk)
    disk.fails = {step: OSError(code, os.strerror(code))}
    before = path.read_bytes()
    with pytest.raises(ControlsRefused, match=os.strerror(code)) as caught:
        failing.write([order("a", 3.0), order("b", 4.0)])
    assert caught.value.hint
    assert path.read_bytes() == before
    assert not others(path)
    disk.fails = {}
    failing.write([order("a", 3.0), order("b", 4.0)])
    assert {held.value for held in controls.read(["a", "b"]).values()} == {3.0, 4.0}


def test_what_fails_after_the_rename_is_unknown(path, controls):
    disk = FaultyDisk()
    disk.fails = {"settle": OSError(errno.EIO, "Input/output error")}
    with pytest.raises(ControlsFault, match="not for certain") as caught:
        opened(path, disk=disk).write([order("a", 3.0)])
    assert not isinstance(caught.value, ControlsRefused)
    assert controls.read(["a"])["a"].value == 3.0


def test_the_order_of_steps_is_file_rename_folder(path, controls):
    disk = FaultyDisk()
    opened(path, disk=disk).write([order("a", 3.0)])
    assert disk.steps == ["put", "sync", "rename", "settle", "sync"]


@pytest.mark.parametrize("step", ["put", "sync", "rename", "settle"])
def test_a_process_that_is_killed_leaves_the_old_file_or_the_new_one(path, controls, step):
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from daemon.adapters.controls.yaml_file.controls import YamlControls
from daemon.adapters.controls.yaml_file.disk import Disk
from daemon.clock import SystemClock
from daemon.ports import Order

class Deadly(Disk):
    def {step}(self, *arguments):
        os.kill(os.getpid(), signal.SIGKILL)

orders = [Order(rule="a", value=3.0, epoch=1), Order(rule="b", value=4.0, epoch=1)]
YamlControls(Path({str(path)!r}), SystemClock(), disk=Deadly()).write(orders)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    found = {rule: held.value for rule, held in controls.read(["a", "b"]).items()}
    assert found == ({"a": 3.0, "b": 4.0} if step == "settle" else {"a": 1.0, "b": 2.0})
    controls.write([order("a", 5.0), order("b", 6.0)])
    assert controls.read(["a"])["a"].value == 5.0


def test_what_a_killed_process_left_is_cleared_away(path, controls):
    path.with_name(".rules.yaml.99999999").write_text("half of a fi")
    controls.write([order("a", 3.0)])
    assert not others(path)


def test_room_is_set_aside_for_the_next_value(path, controls):
    spare = path.with_name(".rules.yaml.spare")
    assert spare.stat().st_blocks * 512 >= 16 * 1024
    inode = spare.stat().st_ino
    controls.write([order("a", 3.0)])
    assert path.stat().st_ino == inode  # the room that was there, and so no new one
    assert path.stat().st_size < 1000


# ── who reads and writes it ──────────────────────────────────────────────────
def test_nobody_ever_sees_half_of_it(path, controls):
    """Four writers and a reader: every look finds a whole file, and no value is lost."""
    names = [f"r{number}" for number in range(4)]
    failed = []

    def write(name):
        mine = opened(path, timeout_s=60)
        try:
            for number in range(20):
                mine.write([order(name, float(number)), order(f"{name}.twin", float(number))])
        except ControlsFault as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for name in names:
            pair = controls.read([name, f"{name}.twin"])
            assert len({held.value for held in pair.values()}) <= 1
    for thread in threads:
        thread.join()
    assert not failed
    held = controls.read([*names, "a"])
    assert [held[name].value for name in names] == [19.0] * 4
    assert held["a"].value == 1.0


def test_mode_and_owner_of_the_file_are_kept(path, controls):
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 12345, 23456)
    before = path.stat()
    controls.write([order("a", 3.0)])
    after = path.stat()
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)


class ForeignDisk(Disk):
    """A disk on which the file is somebody else's, and this process may give nothing away."""

    def __init__(self, mode, *, is_our_group=False):
        self.mode = mode
        self.is_our_group = is_our_group

    def status(self, path):
        found = list(super().status(path))
        found[stat.ST_MODE] = stat.S_IFREG | self.mode
        found[stat.ST_UID] = os.geteuid() + 1
        found[stat.ST_GID] = os.getegid() + (not self.is_our_group)
        return os.stat_result(found)

    def give(self, descriptor, owner, group):
        return False


def test_a_file_is_not_taken_away_from_its_readers(path, controls):
    for disk in (ForeignDisk(0o600), ForeignDisk(0o640), ForeignDisk(0o600, is_our_group=True)):
        with pytest.raises(ControlsRefused, match="owner cannot be kept") as caught:
            opened(path, disk=disk).write([order("a", 3.0)])
        assert "owner" in caught.value.hint
        assert not others(path)
    assert controls.read(["a"])["a"].value == 1.0


def test_a_file_that_its_readers_can_still_read_may_change_hands(path, controls):
    for disk in (ForeignDisk(0o644), ForeignDisk(0o640, is_our_group=True)):
        opened(path, disk=disk).write([order("a", 3.0)])
        assert stat.S_IMODE(path.stat().st_mode) == disk.mode


class BusyDisk(Disk):
    """A disk on which a person saves their edit while the daemon is writing."""

    def __init__(self, path, text):
        self.path, self.text = path, text

    def sync(self, descriptor):
        super().sync(descriptor)
        self.path.write_text(self.text)


@pytest.mark.parametrize("act", ["write", "take_over"])
def test_an_edit_at_the_very_moment_of_writing_is_not_lost(path, controls, act):
    mine = "rules: {a: 7, b: 2}\n"
    busy = opened(path, disk=BusyDisk(path, mine))
    with pytest.raises(ControlsRefused, match="same moment") as caught:
        busy.write([order("b", 3.0)]) if act == "write" else busy.take_over(2)
    assert "next look" in caught.value.hint
    assert path.read_text() == mine
    assert not others(path)


def test_a_first_file_that_a_person_writes_at_that_moment_is_not_lost(tmp_path):
    path = tmp_path / "rules.yaml"
    with pytest.raises(ControlsRefused, match="same moment"):
        opened(path, disk=BusyDisk(path, "rules: {a: 7}\n")).write([order("a", 3.0)])
    assert path.read_text() == "rules: {a: 7}\n"


def test_a_link_is_followed_and_stays_one(path, controls, tmp_path):
    real = tmp_path / "elsewhere" / "rules.yaml"
    real.parent.mkdir()
    path.rename(real)
    path.symlink_to(real)
    controls.write([order("a", 3.0)])
    assert path.is_symlink()
    assert opened(real).read(["a"])["a"].value == 3.0
    assert (real.parent / ".lock").exists()


def test_a_lock_that_is_held_is_waited_for(path, controls):
    released = threading.Event()

    def hold():
        with locked(path.with_name(".lock"), SystemClock(), 1.0, Disk()):
            released.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    timer = threading.Timer(0.05, released.set)
    timer.start()
    controls.write([order("a", 3.0)])
    holder.join()
    timer.join()
    assert controls.read(["a"])["a"].value == 3.0


def test_what_is_in_the_way_of_the_file_is_told(tmp_path):
    (tmp_path / "controls").write_text("a file where the folder belongs")
    controls = opened(tmp_path / "controls" / "rules.yaml")
    with pytest.raises(ControlsFault, match="cannot be read"):
        controls.read(["a"])
    with pytest.raises(ControlsRefused, match="cannot be written"):
        controls.write([order("a", 1.0)])
    (tmp_path / "folder").mkdir()
    with pytest.raises(ControlsFault, match="cannot be read"):
        opened(tmp_path / "folder").read(["a"])
