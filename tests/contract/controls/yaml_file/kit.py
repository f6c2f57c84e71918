"""Orders, and controls on a file, as every process would open them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.adapters.controls.yaml_file import YamlControls
from daemon.clock import SystemClock
from daemon.ports import Order

if TYPE_CHECKING:
    from pathlib import Path


def order(rule: str, value: float, epoch: int = 1, change_id: int | None = 1) -> Order:
    return Order(rule=rule, value=value, epoch=epoch, change_id=change_id)


def opened(path: Path, **more: Any) -> YamlControls:
    return YamlControls(path, SystemClock(), **more)
