"""Rules that are read and set by running programs.

No shell is between: the arguments are a list, and nothing in a value is
expanded. The program is told twice what to do, by its arguments and by its
environment, and answers by its exit code: 0 done, 75 refused, 76 a newer leader
has taken over; after anything else nobody knows what was done.

Who set a value is told by the stamp, if the program that writes keeps it
(``DAEMON_CHANGE``, ``DAEMON_EPOCH``, ``DAEMON_CHECKSUM``) and the program that
reads gives it back. If not, only this process can know its own writing, as with
``http``.
"""

from __future__ import annotations

import json
import math
import os
import re
import selectors
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.log import mask, printable
from daemon.ports import ControlsFault, ControlsFenced, ControlsRefused, Held, Order
from daemon.tuning.stamp import Stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.clock import Clock

OUTPUT_MAX = 64 * 1024
"""Bytes that a program may print before it is ended."""

REFUSED = 75
FENCED = 76
OURS = "DAEMON_"
"""How variables begin that are ours: a program gets those named here and no others."""

_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_COMPLAINT_MAX = 4096
_TICK_S = 0.05
"""Seconds after which it is noticed that a program ended and left its output open to another."""


@dataclass(frozen=True, slots=True)
class Commands:
    """What is run, as programs and their arguments."""

    read: Sequence[str]
    write: Sequence[str]
    take_over: Sequence[str] | None = None


class CommandControls:
    """The values of rules behind one command that reads and one that writes."""

    def __init__(
        self,
        commands: Commands,
        clock: Clock,
        *,
        name: str = "command",
        timeout_s: float = 5.0,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._commands = commands
        self._clock = clock
        self._timeout_s = timeout_s
        inherited = os.environ if environ is None else environ
        self._environ = {k: v for k, v in inherited.items() if not k.startswith(OURS)}
        self._epoch = 0
        self._mine: dict[str, Order] = {}

    @property
    def name(self) -> str:
        """Its name in the settings."""
        return self._name

    def take_over(self, epoch: int) -> None:
        """Run the command for it, if there is one, and refuse older epochs here in any case."""
        self._check_epoch(epoch)
        if (command := self._commands.take_over) is not None:
            self._run(command, {"epoch": str(epoch)})
        self._epoch = epoch

    def read(self, rules: Sequence[str]) -> Mapping[str, Held]:
        """Run the reading command for every rule; one that prints nothing was never set."""
        found = {}
        for rule in rules:
            said = self._run(self._commands.read, {"rule": rule})
            value, stamp = _meaning(rule, said)
            mine = self._mine.get(rule)
            if stamp is None and mine is not None:
                stamp = mine.stamp()
            if value is not None:
                found[rule] = Held.stamped(rule, value, stamp)
        return found

    def write(self, orders: Sequence[Order]) -> None:
        """Run the writing command for every rule; what was set before a refusal stays unknown."""
        for order in orders:
            self._check_epoch(order.epoch)
            if not math.isfinite(order.value):
                raise ControlsRefused(f"{order.rule} cannot be set to {order.value}")
        done: list[str] = []
        for order in orders:
            try:
                self._run(self._commands.write, _words(order))
            except ControlsRefused as error:
                if not done:
                    raise
                raise ControlsFault(
                    f"{', '.join(done)} was set, then: {error.message}", hint=error.hint
                ) from error
            self._mine[order.rule] = order
            done.append(order.rule)

    def held(self) -> str | None:
        """Nobody can ask a command for peace: that is what a file named HOLD is for."""
        return None

    def close(self) -> None:
        """Nothing is kept running."""

    def _check_epoch(self, epoch: int) -> None:
        if epoch < self._epoch:
            raise ControlsFenced(
                f"{self._name} was taken over by epoch {self._epoch}; this leader has epoch {epoch}"
            )

    # ── one run ──────────────────────────────────────────────────────────────
    def _run(self, command: Sequence[str], words: Mapping[str, str]) -> bytes:
        """Run a program to its end, or to the end of its time; returns what it printed.

        Raises:
            ControlsFault: it did not start, end in time or end well, or it said too much.
        """
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator's own command, and no shell
                [_filled(part, words) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env={**self._environ, **{OURS + k.upper(): v for k, v in words.items()}},
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ControlsRefused(
                f"{_shown(command)} cannot be run: {reason}",
                hint="check the path of the program, and that the daemon may run it",
            ) from error
        with process:
            try:
                return self._watch(process, command).check(command)
            finally:
                if process.poll() is None:
                    _end(process)

    def _watch(self, process: subprocess.Popen[bytes], command: Sequence[str]) -> _Run:
        deadline_us = self._clock.elapsed_us() + round(self._timeout_s * 1e6)
        said = {"out": b"", "err": b""}
        with selectors.DefaultSelector() as streams:
            for stream, key in ((process.stdout, "out"), (process.stderr, "err")):
                if stream is not None:
                    os.set_blocking(stream.fileno(), False)
                    streams.register(stream, selectors.EVENT_READ, key)
            while streams.get_map() or process.poll() is None:
                if self._clock.elapsed_us() >= deadline_us:
                    raise ControlsFault(
                        f"{_shown(command)} took longer than {self._timeout_s:g} s and was ended",
                        hint="what became of it is not known until it is read again",
                    )
                has_ended = process.poll() is not None
                if not _listen(streams, said) and has_ended:
                    break  # another process holds its output open; it will say nothing for this one
                if len(said["out"]) > OUTPUT_MAX:
                    raise ControlsFault(f"{_shown(command)} printed too much and was ended")
        return _Run(process.returncode, said["out"], said["err"])


@dataclass(frozen=True, slots=True)
class _Run:
    """How a program ended."""

    code: int
    out: bytes
    err: bytes

    def check(self, command: Sequence[str]) -> bytes:
        """Return what it printed, or say what its exit code means."""
        if self.code == 0:
            return self.out
        lines = self.err.decode("utf-8", "replace").strip().splitlines()
        why = f": {mask(printable(lines[-1]))}" if lines else ""
        text = f"{_shown(command)} ended with {self.code}{why}"
        if self.code == FENCED:
            raise ControlsFenced(text)
        if self.code == REFUSED:
            raise ControlsRefused(text)
        raise ControlsFault(text, hint="what became of it is not known until it is read again")


def _listen(streams: selectors.BaseSelector, said: dict[str, bytes]) -> bool:
    """Take what was printed, if anything; tell whether there was."""
    ready = streams.select(_TICK_S)
    for key, _ in ready:
        chunk = os.read(key.fd, OUTPUT_MAX)
        said[key.data] += chunk
        if not chunk:
            streams.unregister(key.fileobj)
    said["err"] = said["err"][-_COMPLAINT_MAX:]
    return bool(ready)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it started in its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _words(order: Order) -> dict[str, str]:
    """Say what is ordered, as arguments and variables."""
    return {
        "rule": order.rule,
        "value": repr(float(order.value)),
        "epoch": str(order.epoch),
        "change": "" if order.change_id is None else str(order.change_id),
        "checksum": order.stamp().checksum,
    }


def _filled(part: str, words: Mapping[str, str]) -> str:
    for word, meaning in words.items():
        part = part.replace(f"{{{word}}}", meaning)
    return part


def _shown(command: Sequence[str]) -> str:
    return f"the command `{mask(printable(' '.join(command)))}`"


# ── what was printed ─────────────────────────────────────────────────────────
def _meaning(rule: str, said: bytes) -> tuple[float | None, Stamp | None]:
    """Understand a number, or JSON with a number and perhaps a stamp; nothing is not set."""
    text = said.decode("utf-8", "replace").strip()
    if not text:
        return None, None
    stamp = None
    try:
        # as many tools print it: `.5`, `5.`
        plain = _NUMBER.fullmatch(text)
        found = float(text) if plain else json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        stamp = Stamp.read(found.get("stamp"))
        found = found.get("value")
        if found is None:
            return None, None
    value = _number(found)
    if value is None:
        raise ControlsFault(
            f"the value of {rule} was read as something that is no number",
            hint=f"the command printed: {mask(printable(text[:100]))}",
        )
    return value, stamp


def _number(found: Any) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    with suppress(OverflowError):
        if math.isfinite(value := float(found)):
            return value
    return None


def _refuse_constant(name: str) -> float:
    raise ValueError(name)
