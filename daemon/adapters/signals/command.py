"""What a program prints: a number, a JSON object, or lines of a name and a number."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Literal

from daemon.adapters.signals import Layout, Misread, Provider, shown
from daemon.clock import MICROS, SystemClock
from daemon.ports import Polled, SourceFault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.adapters.signals import Profile
    from daemon.clock import Clock

Output = Literal["number", "json", "lines"]

OUTPUT_MAX = 256 * 1024
"""Bytes that a program may print."""

_AT_ONCE = 64 * 1024
_WORLD = SystemClock()
"""Time-outs are those of the world, also where the daemon's own time runs faster."""

_HIDDEN = "DAEMON_"
"""Variables of ours: passwords among them, and none of the program's business."""


class CommandSource(Provider):
    """Runs a program at every look, in a process group of its own, and ends all of it in time."""

    def __init__(  # noqa: PLR0913 - each is a setting
        self,
        profile: Profile,
        argv: Sequence[str],
        places: Mapping[str, str],
        clock: Clock,
        *,
        timeout_s: float = 5.0,
        output: Output = "number",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(profile, clock)
        self.argv = list(argv)
        self.timeout_s = timeout_s
        self.output = output
        self._layout = Layout(places=places, time_field=None)
        given = os.environ if environ is None else environ
        self._environ = {key: value for key, value in given.items() if not key.startswith(_HIDDEN)}

    def poll(self) -> Polled:
        """Run the program and read what it prints.

        Raises:
            SourceFault: it cannot be started, takes too long, fails, or prints too much.
        """
        printed = self._run()
        try:
            fields = self._fields(printed)
            row = self._layout.read(fields, self.clock.now_us())
        except Misread as why:
            return Polled(unreadable=1, example=f"{self.argv[0]}: {why}")
        missing = self._layout.lacking(fields)
        example = row.complaint or (f"says nothing of {shown(missing[0])}" if missing else None)
        return Polled(
            readings=row.readings,
            unreadable=len(missing),
            example=example and f"{self.argv[0]}: {example}",
        )

    def _fields(self, printed: str) -> Mapping[str, Any]:
        if not printed.strip():
            raise Misread("prints nothing")
        if self.output == "number":
            return dict.fromkeys(self._layout.places.values(), printed.strip())
        if self.output == "lines":
            lines = [line.split() for line in printed.splitlines() if line.strip()]
            bad = next((line for line in lines if len(line) != 2), None)  # noqa: PLR2004 - a pair
            if bad is not None:
                raise Misread(f"{shown(' '.join(bad))} is not a name and a number")
            return dict(lines)
        try:
            found = json.loads(printed)
        except (ValueError, RecursionError):
            raise Misread(f"prints no JSON: {shown(printed.strip())}") from None
        if not isinstance(found, dict):
            raise Misread(f"prints no JSON object: {shown(printed.strip())}")
        return found

    # ── the program ──────────────────────────────────────────────────────────
    def _run(self) -> str:
        try:
            child = subprocess.Popen(  # noqa: S603 - no shell; the operator wrote it
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environ,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it has a NUL character in it"
            raise self._fault(f"cannot be started: {why}") from None
        with child:
            try:
                said, complaint = self._listen(child)
            finally:
                self._end(child)
        if child.returncode:
            lines = complaint.decode(errors="replace").strip().splitlines()
            more = f": {shown(lines[-1])}" if lines else ""
            code = child.returncode
            how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
            raise self._fault(f"{how}{more}")
        try:
            return said.decode()
        except UnicodeDecodeError:
            raise self._fault("printed what is not UTF-8 text") from None

    def _listen(self, child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """Read both streams until the program has ended, whoever else still holds them."""
        assert child.stdout is not None  # noqa: S101 - they are pipes
        assert child.stderr is not None  # noqa: S101 - same
        streams = (child.stdout.fileno(), child.stderr.fileno())
        said = dict.fromkeys(streams, b"")
        deadline_us = _WORLD.elapsed_us() + round(self.timeout_s * MICROS)
        ended = os.pidfd_open(child.pid)
        try:
            with selectors.DefaultSelector() as selector:
                for fd in (*streams, ended):
                    selector.register(fd, selectors.EVENT_READ)
                while self._heard(selector, said, max(self._left_s(deadline_us), 0.0), ended):
                    if self._left_s(deadline_us) <= 0:
                        raise self._fault(f"took longer than {self.timeout_s:g} s and was ended")
                while self._heard(selector, said, 0.0):
                    pass  # what was printed last
        finally:
            os.close(ended)
        return said[streams[0]], said[streams[1]]

    def _heard(
        self,
        selector: selectors.BaseSelector,
        said: dict[int, bytes],
        patience_s: float,
        ended: int | None = None,
    ) -> bool:
        """Read what is there; tell whether to go on: until the end, or while something comes."""
        ready = [key.fd for key, _ in selector.select(patience_s)]
        heard = False
        for fd in (fd for fd in ready if fd in said):
            data = os.read(fd, _AT_ONCE)
            said[fd] += data
            heard = heard or bool(data)
            if not data:
                selector.unregister(fd)
            if len(said[fd]) > OUTPUT_MAX:
                raise self._fault(f"printed more than {OUTPUT_MAX:,} bytes and was ended")
        return heard if ended is None else ended not in ready

    def _left_s(self, deadline_us: int) -> float:
        return (deadline_us - _WORLD.elapsed_us()) / MICROS

    @staticmethod
    def _end(child: subprocess.Popen[bytes]) -> None:
        """End all that the program started; until it is waited for, its number is nobody else's."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def _fault(self, why: str) -> SourceFault:
        return SourceFault(f"{self.argv[0]} {why}", hint="run it by hand, as the daemon's user")
