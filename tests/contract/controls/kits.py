"""Four governed systems to try controls on: each can be read, edited by hand, and made to fail."""

from __future__ import annotations

import errno
import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from daemon.adapters.controls.command import CommandControls, Commands
from daemon.adapters.controls.http import Client, HttpControls, Shape
from daemon.adapters.controls.postgres import Named, PostgresControls
from daemon.adapters.controls.yaml_file import YamlControls
from daemon.adapters.controls.yaml_file.disk import Disk, locked
from daemon.clock import SystemClock
from tests.contract.controls.program import COST, WORK, Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.ports import Controls

IMPATIENT_S = 0.3


class Kit:
    """A governed system, and how to open controls on it: each is as if in another process."""

    never = "never"
    """A rule that may be held and was never set."""

    unknown: str | None = None
    """A rule that the governed system does not know, where it knows its rules."""

    is_atomic = True
    """Whether several rules are set at once."""

    patience_s = 5.0
    """How long is waited for a refusal: it comes at once, but where it is itself a wait."""

    def __init__(self) -> None:
        self._opened: list[Controls] = []

    def make(self, timeout_s: float) -> Controls:
        raise NotImplementedError

    def open(self, timeout_s: float = 5.0) -> Controls:
        controls = self.make(timeout_s)
        self._opened.append(controls)
        return controls

    def by_hand(self, rule: str, value: float) -> None:
        raise NotImplementedError

    @contextmanager
    def failing(self, fault: str) -> Iterator[None]:
        """Make it fail in one of its ways for a while."""
        raise NotImplementedError

    def close(self) -> None:
        for controls in self._opened:
            controls.close()


# ── a file ───────────────────────────────────────────────────────────────────
class FaultyDisk(Disk):
    """A disk on which any step may fail, be left out, or be the last that happens."""

    def __init__(self) -> None:
        self.fails: dict[str, BaseException] = {}
        self.lies: set[str] = set()
        self.steps: list[str] = []

    def _meets(self, step: str) -> bool:
        self.steps.append(step)
        if step in self.fails:
            raise self.fails[step]
        return step in self.lies

    def put(self, descriptor, data):
        if not self._meets("put"):
            super().put(descriptor, data)

    def sync(self, descriptor):
        if not self._meets("sync"):
            super().sync(descriptor)

    def rename(self, source, target):
        if not self._meets("rename"):
            super().rename(source, target)

    def settle(self, folder):
        if not self._meets("settle"):
            super().settle(folder)


class YamlKit(Kit):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "controls" / "rules.yaml"
        self.disk = FaultyDisk()

    def make(self, timeout_s):
        return YamlControls(self.path, SystemClock(), timeout_s=timeout_s, disk=self.disk)

    def by_hand(self, rule, value):
        text = self.path.read_text()
        edited, count = re.subn(rf"(?m)^  {rule}: [^{{\n]+$", f"  {rule}: {value!r}", text)
        assert count == 1
        self.path.write_text(edited)

    @contextmanager
    def failing(self, fault):
        if fault == "silence":
            with locked(self.path.with_name(".lock"), SystemClock(), 1.0, Disk()):
                yield
            return
        if fault == "lie":
            self.disk.lies = {"rename"}
        else:
            self.disk.fails = {"put": OSError(errno.ENOSPC, "No space left on device")}
        yield
        self.disk.lies, self.disk.fails = set(), {}


# ── a program that answers GET and PUT ───────────────────────────────────────
class HttpKit(Kit):
    unknown = "nobody.knows"
    is_atomic = False

    def __init__(self) -> None:
        super().__init__()
        self.program = Program()
        self.path = "/rules/{rule}"

    def make(self, timeout_s):
        url = self.program.url + self.path
        return HttpControls(
            url,
            shape=Shape.of(url),
            fence_url=f"{self.program.url}/fence",
            client=Client(timeout_s=timeout_s),
        )

    def by_hand(self, rule, value):
        path = self.path.replace("{rule}", rule)
        self.program.set(path, {**self.program.documents[path], "value": value})

    @contextmanager
    def failing(self, fault):
        self.program.fault = fault
        yield
        self.program.peace.set()
        self.program.fault = None

    def close(self):
        super().close()
        self.program.end()


class SharedHttpKit(HttpKit):
    """One JSON object holds all rules."""

    unknown = None
    is_atomic = True

    def __init__(self) -> None:
        super().__init__()
        self.path = "/all"

    def by_hand(self, rule, value):
        self.program.set("/all", {**self.program.documents["/all"], rule: value})


# ── two commands ─────────────────────────────────────────────────────────────
READ = """#!/bin/sh
cat "$1/$DAEMON_RULE" 2>/dev/null || true
"""
WRITE = """#!/bin/sh
fault=$(cat "$1/fault" 2>/dev/null)
case "$fault$2" in
  refuse*) echo "not today" >&2; exit 75 ;;
  lie*) exit 0 ;;
  silence*) sleep 30 ;;
  partialcost) echo "broke in the middle" >&2; exit 1 ;;
esac
case "$2" in work | cost | never) ;; *) echo "no rule $2" >&2; exit 75 ;; esac
newest=$(cat "$1/epoch" 2>/dev/null || echo 0)
if [ "$DAEMON_EPOCH" -lt "$newest" ]; then echo "epoch $newest leads" >&2; exit 76; fi
stamp="{\\"change_id\\": ${DAEMON_CHANGE:-null}, \\"epoch\\": $4,"
stamp="$stamp \\"checksum\\": \\"$DAEMON_CHECKSUM\\"}"
printf '{"value": %s, "stamp": %s}' "$3" "$stamp" > "$1/.new" && mv "$1/.new" "$1/$2"
"""
TAKE_OVER = """#!/bin/sh
newest=$(cat "$1/epoch" 2>/dev/null || echo 0)
if [ "$2" -lt "$newest" ]; then exit 76; fi
echo "$2" > "$1/epoch"
"""


class CommandKit(Kit):
    unknown = "nobody.knows"
    is_atomic = False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder / "governed"
        self.folder.mkdir()
        self.programs = {}
        for name, text in (("read", READ), ("write", WRITE), ("take_over", TAKE_OVER)):
            self.programs[name] = folder / name
            self.programs[name].write_text(text)
            self.programs[name].chmod(0o755)

    def make(self, timeout_s):
        read, write, take_over = (str(path) for path in self.programs.values())
        where = str(self.folder)
        commands = Commands(
            [read, where],
            [write, where, "{rule}", "{value}", "{epoch}"],
            [take_over, where, "{epoch}"],
        )
        return CommandControls(commands, SystemClock(), timeout_s=timeout_s)

    def by_hand(self, rule, value):
        held = json.loads((self.folder / rule).read_text())
        (self.folder / rule).write_text(json.dumps({**held, "value": value}))

    @contextmanager
    def failing(self, fault):
        (self.folder / "fault").write_text(fault)
        yield
        (self.folder / "fault").unlink()


# ── a PostgreSQL server ──────────────────────────────────────────────────────
class PostgresKit(Kit):
    never = "nobody.set_this"
    unknown = "nobody.knows"
    patience_s = 1.0

    def __init__(self, url: str) -> None:
        super().__init__()
        self.settings = {WORK: Named("work_mem", "MB"), COST: Named("random_page_cost")}
        self.url = url
        self.dsn = url.replace("+psycopg", "", 1)
        self.admin = psycopg.connect(self.dsn, autocommit=True)
        self.touched = {one.name for one in self.settings.values()}

    def make(self, timeout_s):
        return PostgresControls(
            self.url, SystemClock(), settings=self.settings, timeout_s=timeout_s
        )

    def alter(self, name: str, text: str) -> None:
        """Set a setting as a person would, and wait until it holds."""
        self.touched.add(name)
        statement = sql.SQL("ALTER SYSTEM SET {} = {}")
        self.admin.execute(statement.format(sql.Identifier(name), sql.Literal(text)))
        self.admin.execute("SELECT pg_reload_conf()")
        query = "SELECT setting = %s FROM pg_settings WHERE name = %s"
        while self.admin.execute(query, (text, name)).fetchone() != (True,):
            pass

    def by_hand(self, rule, value):
        is_work = rule == WORK
        self.alter(self.settings[rule].name, f"{int(value * 1024) if is_work else value:g}")

    @contextmanager
    def failing(self, fault):
        with psycopg.connect(self.dsn) as other:
            if fault == "refuse":
                other.execute("SELECT pg_advisory_lock(1398031427)")
            else:
                other.execute("LOCK TABLE self_tuning_stamps IN ACCESS EXCLUSIVE MODE")
            yield

    def close(self):
        super().close()
        for name in self.touched:
            self.admin.execute(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))
        self.admin.execute("DROP TABLE IF EXISTS self_tuning_stamps")
        self.admin.execute("SELECT pg_reload_conf()")
        self.admin.close()
