"""The whole service out of one settings file, and one command carried out without it."""

from contextlib import closing
from pathlib import Path

import pytest
import yaml

from daemon.app import build
from daemon.errors import ConfigError, Exit, NotLeader
from daemon.store import commands
from daemon.store.lease import Lease, held_by
from tests.contract.lease_kit import HandClock
from tests.recording import write_policy


def everything(folder: Path) -> dict:
    """Name one of each kind, and how all of it is to run."""
    return {
        "policy_file": str(folder / "policy.yaml"),
        "grace_s": 0.5,
        "signals": {name: {} for name in ("latency", "errors", "a", "b", "c", "d", "e")},
        "sources": {
            "metrics": {"kind": "csv", "path": str(folder / "m.csv"), "signals": {"latency": None}},
            "lines": {
                "kind": "jsonl",
                "path": str(folder / "l"),
                "signals": {"errors": None},
            },
            "door": {"kind": "push", "signals": {"a": None}, "buffer": 500},
            "prom": {"kind": "prometheus", "url": "http://127.0.0.1:9", "signals": {"b": "up"}},
            "page": {"kind": "openmetrics", "url": "http://127.0.0.1:9", "signals": {"c": {}}},
            "table": {
                "kind": "sql",
                "database": f"sqlite:///{folder}/theirs.db",
                "query": "SELECT 1 AS ts, 2 AS d",
                "signals": {"d": None},
            },
            "program": {"kind": "command", "argv": ["echo", "1"], "signals": {"e": None}},
        },
        "controls": {
            "file": {"kind": "yaml", "path": str(folder / "rules.yaml")},
            "shop": {"kind": "http", "url": "http://127.0.0.1:9/{rule}", "rules": ["h"]},
            "scripts": {"kind": "command", "read": ["true"], "write": ["true"], "rules": ["s"]},
            "base": {"kind": "postgres", "server": "postgresql://127.0.0.1:9/x", "rules": ["p"]},
        },
        "alerts": {
            "per_minute": 5,
            "webhooks": {
                "pager": {"url": "https://example.net/hook", "secret_variable": "HOOK_SECRET"}
            },
        },
        "schedule": {
            "night": {"cron": "0 2 * * *", "run": "calibrate", "window": "01:00-04:00"},
            "off": {"cron": "0 3 * * *", "run": "calibrate", "enabled": False},
        },
    }


@pytest.fixture
def make(sqlite_backend, tmp_path, monkeypatch):
    """Build the daemon on a database that is ready, from what a settings file says."""
    monkeypatch.setenv("HOOK_SECRET", "a secret that nobody guesses, ever")
    write_policy(tmp_path)

    def made(**words):
        with sqlite_backend.lend() as url:
            path = tmp_path / "daemon.yaml"
            wanted = {"policy_file": str(tmp_path / "policy.yaml"), **words}
            wanted["database"] = {"url": url}
            wanted.setdefault(
                "controls", {"file": {"kind": "yaml", "path": str(tmp_path / "rules.yaml")}}
            )
            path.write_text(yaml.safe_dump(wanted))
            yield build(str(path), {"HOOK_SECRET": "a secret that nobody guesses, ever"})

    opened = []

    def make(**words):
        opened.append(made(**words))
        return next(opened[-1])

    yield make
    for one in opened:
        next(one, None)


def filed(app, kind, **args) -> int:
    with app.open_store() as store, store.write() as tx:
        now_us = app.clock.now_us()
        asked = commands.NewCommand(key=kind, kind=kind, actor="ann", at_us=now_us, args=args)
        return commands.file(tx, asked)


def answer(app, command) -> commands.Command:
    with app.open_store() as store, store.read() as view:
        return commands.get(view, command)


# ── the service ──────────────────────────────────────────────────────────────
def test_one_file_names_all_that_the_service_is_made_of(make, tmp_path):
    with make(**everything(tmp_path)).service() as service:
        parts = service.engine.parts
        with closing(parts.board):
            names = {"metrics", "lines", "door", "prom", "page", "table", "program"}
            assert parts.intake.health().keys() == names
            assert service.inbox is not None
            reading = parts.board.read(["workers"])
            assert "workers" not in reading.unreadable
            assert parts.board.read(["h"]).unreadable.keys() == {"h"}
            assert parts.traits["a"].source == "door"
            assert parts.children.next_us().keys() == {"night"}
            assert parts.grace_s == 0.5
            assert service.lease is parts.lease
            assert parts.ballast.path.name.endswith(".ballast")
            assert service.engine.parts.policy().policy.rules.keys() == {"workers", "batch"}
            assert service.status()["epoch"] == 0


def test_without_a_source_that_is_pushed_to_there_is_no_door(make):
    with make().service() as service:
        assert service.inbox is None
        assert service.engine.parts.intake.health() == {}


def test_two_services_never_have_the_same_name(make):
    app = make()
    with app.service() as one, app.service() as other:
        assert one.lease.holder != other.lease.holder


def test_a_secret_that_is_missing_is_told_before_anything_runs(make, tmp_path, monkeypatch):
    monkeypatch.delenv("HOOK_SECRET")
    app = make(**everything(tmp_path))
    with pytest.raises(ConfigError), app.service():
        pass


def test_in_a_time_lapse_the_lease_lives_as_long_for_the_world(make):
    lapse = {"time_lapse": {"speed": 60, "since": "2026-01-01T00:00:00Z"}}
    with make(**lapse).service() as service:
        assert service.lease.ttl_s == 60 * 15.0
        assert service.clock.now_us() >= 1_767_225_600_000_000


# ── one command without it ───────────────────────────────────────────────────
def test_the_lease_is_held_for_one_command_and_then_let_go(make, tmp_path):
    app = make()
    command = filed(app, "rollback", rule="workers", to=5.0)
    with app.acting() as engine:
        with app.open_store() as store:
            assert held_by(store).running
        engine.carry_out(command)
    assert answer(app, command).exit_code == Exit.DONE
    assert yaml.safe_load((tmp_path / "rules.yaml").read_text())["rules"] == {"workers": 5.0}
    with app.open_store() as store:
        holder = held_by(store)
    assert (holder.running, holder.released, holder.epoch) == (False, True, 1)


def test_the_lease_is_let_go_also_where_the_command_fails(make):
    app = make()
    with pytest.raises(RuntimeError), app.acting():
        raise RuntimeError
    with app.acting() as engine:
        assert engine.parts.lease.epoch == 2


def test_nobody_acts_while_somebody_leads(make):
    app = make()
    with app.open_store() as store:
        leader = Lease(store, "the service", HandClock())
        assert leader.acquire() == 1
        with pytest.raises(NotLeader, match="somebody else leads"), app.acting():
            pass
        leader.release()
    with app.acting() as engine:
        assert engine.parts.lease.epoch == 2


def test_a_policy_that_does_not_hold_is_told_and_the_lease_let_go(make, tmp_path):
    app = make()
    (tmp_path / "policy.yaml").write_text("rules: [")
    with pytest.raises(ConfigError), app.acting():
        pass
    with app.open_store() as store:
        assert held_by(store).released


# ── what may be asked of it ──────────────────────────────────────────────────
def test_the_controls_are_read_for_whoever_checks_every_promise(make, tmp_path):
    app = make()
    command = filed(app, "rollback", rule="workers", to=5.0)
    with app.acting() as engine:
        engine.carry_out(command)
    with app.inquiry() as inquiry:
        assert inquiry.broken(full=True) == []
    text = (tmp_path / "rules.yaml").read_text()
    assert "workers: 5" in text
