"""Calibration: the recorded past is measured, the answer is kept, and live mode asks for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS, iso
from daemon.config.tuning_policy import as_policy
from daemon.errors import InputError, Problem, StoreError
from daemon.store import calibrations
from daemon.store.blocks import HOUR_S, stream_blocks
from daemon.tuning import figures
from daemon.tuning.block import BLOCK_US
from daemon.tuning.calibration import Calibration, calibrate
from daemon.tuning.model import blocks_of
from daemon.tuning.state import Quiet
from daemon.tuning.windows import Blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from daemon.clock import Clock
    from daemon.config.policy_file import LoadedPolicy
    from daemon.store.calibrations import Movement
    from daemon.store.store import Store, Tx
    from daemon.tuning.model import Policy

VALID_DAYS = 30
"""Noise changes: an older calibration is asked for again before going live."""

DAY_US = 86_400 * MICROS
COMMAND = "daemon ctl calibrate"


class Readiness(StrEnum):
    """Whether a policy may go live, as far as calibration goes."""

    GREEN = "green"
    OVERRIDDEN = "overridden"
    RED = "red"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Ready:
    """The answer, why it is so, and what to do about it."""

    state: Readiness
    why: str
    hint: str | None = None

    def __bool__(self) -> bool:
        return self.state in {Readiness.GREEN, Readiness.OVERRIDDEN}


class Calibrator:
    """Measures what a policy can tell, on the past that a database has recorded."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    def hours(self, loaded: LoadedPolicy, hours: float) -> int:
        """Count the hours that measuring will read.

        Raises:
            InputError: nothing was recorded.
        """
        with self.store.read() as view:
            start, end = _range(view, as_policy(loaded), hours, self.clock.now_us())
        return -(-(end - start) // (HOUR_S * MICROS))

    def measure(
        self, loaded: LoadedPolicy, hours: float, on_hour: Callable[[int], None] | None = None
    ) -> Calibration:
        """Measure a policy on the newest hours of what was recorded; writes nothing.

        Raises:
            InputError: nothing was recorded.
        """
        policy = replace(as_policy(loaded), digest=loaded.meaning)
        with self.store.read() as view:
            start, end = _range(view, policy, hours, self.clock.now_us())
            first = -(-start // BLOCK_US)
            past = Blocks.empty(policy.signals(), first, keep=max(end // BLOCK_US - first, 1))
            for chunk in stream_blocks(view, policy.signals(), start, end):
                past = past.extend(chunk.first, chunk.mean, chunk.count)
                if on_hour is not None:
                    on_hour(1)
            gap = round(policy.settle_s * MICROS) + BLOCK_US
            moved = calibrations.movements(view, start - gap, end)
        return calibrate(policy, past, quiet_spans(policy, past.first, past.end, moved))

    def record(
        self, found: Calibration, override_reason: str | None = None, actor: str | None = None
    ) -> Ready:
        """Keep the answer, and who goes on although it is not green; says whether live may start.

        Where it is green there is nothing to go on regardless of, and the reason is dropped.
        """
        accepted = override_reason is not None and not found.green
        row = calibrations.Calibration(
            at_us=self.clock.now_us(),
            policy=found.policy,
            outcome="green" if found.green else "red",
            from_us=found.from_us,
            to_us=found.to_us,
            quiet_s=found.quiet_s,
            placebos=found.placebos,
            false_keep=found.false_keep.share if found.false_keep else None,
            false_worse=found.false_worse.share if found.false_worse else None,
            reasons=[asdict(reason) for reason in found.reasons],
            warnings=[asdict(warning) for warning in found.warnings],
            signals=[asdict(one) for one in found.signals],
            override_reason=override_reason if accepted else None,
            override_by=actor if accepted else None,
        )
        with self.store.write() as tx:
            calibrations.record(tx, row)
            return ready_for_live(tx, found.policy, row.at_us)


def ready_for_live(tx: Tx, digest: str, now_us: int, *, valid_days: float = VALID_DAYS) -> Ready:
    """Say whether the newest calibration of a policy lets it go live."""
    row = calibrations.latest(tx, digest)
    if row is None:
        return _never(tx)
    if now_us - row.at_us > valid_days * DAY_US:
        why = f"the calibration of {iso(row.at_us)[:10]} is older than {valid_days:g} days"
        return Ready(Readiness.STALE, why, f"noise changes; run: {COMMAND}")
    if row.outcome == "green":
        return Ready(Readiness.GREEN, f"calibrated {iso(row.at_us)[:16]}Z, and nothing against it")
    why = "; ".join(reason["what"] for reason in row.reasons)
    if row.override_reason is not None:
        said = f"{row.override_by} goes on regardless: {row.override_reason}"
        return Ready(Readiness.OVERRIDDEN, f"{said} ({why})")
    hint = "; ".join(reason["hint"] for reason in row.reasons)
    return Ready(Readiness.RED, why, f"{hint}; or go on with: {COMMAND} --accept-anyway REASON")


def _never(tx: Tx) -> Ready:
    """Tell a policy that was altered since from a daemon that never calibrated."""
    other = calibrations.latest(tx)
    if other is None:
        return Ready(Readiness.MISSING, "nothing was ever calibrated", f"run: {COMMAND}")
    why = f"the policy changed since the calibration of {iso(other.at_us)[:16]}Z"
    return Ready(Readiness.STALE, why, f"run: {COMMAND}")


def _range(view: Tx, policy: Policy, hours: float, now_us: int) -> tuple[int, int]:
    """Find the newest hours in which all signals were recorded."""
    known = calibrations.recorded(view, policy.signals(), 0)
    if known is None:
        names = ", ".join(policy.signals())
        raise InputError(
            f"nothing was recorded of {names}: there is no noise to measure",
            hint="let the daemon watch first (a dry run does), or import the signals' history;"
            " `daemon db query signal_health` shows which signals there are",
        )
    end = min((known[1] // BLOCK_US + 1) * BLOCK_US, now_us // BLOCK_US * BLOCK_US)
    start = max(end - round(hours * HOUR_S * MICROS), 0)
    since = calibrations.recorded(view, policy.signals(), start)
    return (start, end) if since is None else (max(since[0], start), end)


def quiet_spans(policy: Policy, first: int, end: int, moved: Sequence[Movement]) -> list[Quiet]:
    """Cut a past where something was moved, and leave the settle gap after each out."""
    setting: dict[str, float] = {}
    for movement in reversed(moved):
        if movement.rule is not None and movement.old is not None:
            setting[movement.rule] = movement.old
    settle, start, spans = blocks_of(policy.settle_s), first, []
    for movement in moved:
        block = movement.at_us // BLOCK_US
        if block > start:
            spans.append(Quiet(first=start, end=block, setting=_setting(policy, setting)))
        start = max(start, block + 1 + settle)
        if movement.rule is not None and movement.new is not None:
            setting[movement.rule] = movement.new
    if end > start:
        spans.append(Quiet(first=start, end=end, setting=_setting(policy, setting)))
    return spans


def _setting(policy: Policy, known: Mapping[str, float]) -> tuple[float, ...]:
    """Name a setting; a rule that was never moved is the same everywhere."""
    return tuple(known.get(rule.name, 0.0) for rule in policy.rules)


# ── what lint asks ───────────────────────────────────────────────────────────
def doubts(store: Store, policies: Iterable[LoadedPolicy]) -> list[Problem]:
    """Warn of thresholds that recorded noise hides; nothing is said where nothing is known."""
    found = []
    try:
        with store.read() as view:
            for loaded in policies:
                known = calibrations.last_heard(view, loaded.policy.safety.good)
                found += _doubts(loaded, known)
    except StoreError:
        return []
    return found


def _doubts(loaded: LoadedPolicy, known: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    heard = {name: figures.Heard(**plain) for name, plain in known.items()}
    problems = []
    for signal, finding in figures.doubts(as_policy(loaded), heard):
        key = f"safety.good.{signal}"
        said = [loaded.origins.get(f"{key}.{bound}", "default") for bound in ("min", "max")]
        line = next(origin.rpartition(":")[2] for origin in said if origin != "default")
        problems.append(
            Problem(
                finding.what,
                file=str(loaded.path),
                line=int(line),
                key=key,
                hint=finding.hint,
                warning=True,
            )
        )
    return problems
