"""Settings from the environment."""

import pytest

from daemon.config.environment import OTHERS, variables
from daemon.config.settings import Settings, load_settings
from daemon.errors import ConfigError


def written(tmp_path, text):
    path = tmp_path / "daemon.yaml"
    path.write_text(text)
    return path


def test_every_setting_has_a_variable_of_its_own():
    names = variables(Settings)
    assert {name: key.dotted for name, key in names.items()} == {
        "DAEMON_DATABASE_URL": "database.url",
        "DAEMON_GRACE_S": "grace_s",
        "DAEMON_DATABASE_AUTO_UPGRADE": "database.auto_upgrade",
        "DAEMON_DATABASE_BUSY_TIMEOUT_S": "database.busy_timeout_s",
        "DAEMON_DATABASE_STATEMENT_TIMEOUT_S": "database.statement_timeout_s",
        "DAEMON_DATABASE_POOL_SIZE": "database.pool_size",
        "DAEMON_DATABASE_DISK_FLOOR_MB": "database.disk_floor_mb",
        "DAEMON_DATABASE_LEASE_TTL_S": "database.lease_ttl_s",
        "DAEMON_POLICY_FILE": "policy_file",
        "DAEMON_SIGNALS": "signals",
        "DAEMON_SOURCES": "sources",
        "DAEMON_CONTROLS": "controls",
        "DAEMON_RETENTION_RAW_DAYS": "retention.raw_days",
        "DAEMON_RETENTION_SLICE_ROWS": "retention.slice_rows",
        "DAEMON_HTTP_ENABLED": "http.enabled",
        "DAEMON_HTTP_HOST": "http.host",
        "DAEMON_HTTP_PORT": "http.port",
        "DAEMON_HTTP_TOKEN_FILE": "http.token_file",
        "DAEMON_HTTP_NAMES": "http.names",
        "DAEMON_ALERTS_WEBHOOKS": "alerts.webhooks",
        "DAEMON_ALERTS_PER_MINUTE": "alerts.per_minute",
        "DAEMON_SCHEDULE": "schedule",
        "DAEMON_SWEEPS_CACHE_DIR": "sweeps.cache_dir",
        "DAEMON_SWEEPS_CACHE_MB": "sweeps.cache_mb",
        "DAEMON_SWEEPS_DATA_ROOT": "sweeps.data_root",
        "DAEMON_SWEEPS_WORKERS": "sweeps.workers",
        "DAEMON_SWEEPS_ROWS_MAX": "sweeps.rows_max",
        "DAEMON_SWEEPS_MAX_CELLS": "sweeps.max_cells",
        "DAEMON_LOG_LEVEL": "log.level",
        "DAEMON_LOG_FORMAT": "log.format",
        "DAEMON_TIME_LAPSE_SPEED": "time_lapse.speed",
        "DAEMON_TIME_LAPSE_SINCE": "time_lapse.since",
    }
    assert not {name + "_FILE" for name in names} & {*names, *OTHERS}


def test_a_value_may_stand_in_a_file_of_its_own(tmp_path):
    secret = tmp_path / "url"
    secret.write_text("postgresql://u:p%20w@h/db\n")
    loaded = load_settings(written(tmp_path, "{}"), {"DAEMON_DATABASE_URL_FILE": str(secret)})
    assert loaded.settings.database.url.get_secret_value() == "postgresql://u:p%20w@h/db"
    assert loaded.origins["database.url"] == "env DAEMON_DATABASE_URL_FILE"


def environment_problems(tmp_path, environ):
    with pytest.raises(ConfigError) as caught:
        load_settings(written(tmp_path, "{}"), environ)
    return [(str(problem), problem.hint) for problem in caught.value.problems]


ENVIRONMENT = {
    "DAEMON_DATABASE_POOL_SIZE=many": (
        "DAEMON_DATABASE_POOL_SIZE: database.pool_size: must be a whole number, not text 'many'",
        "Connections kept for reading",
    ),
    "DAEMON_DATABASE_AUTO_UPGRADE=yes": (
        (
            "DAEMON_DATABASE_AUTO_UPGRADE: database.auto_upgrade:"
            " must be true or false, not text 'yes'"
        ),
        "write true: `yes` is text here",
    ),
    "DAEMON_RETENTION_RAW_DAYS=inf": (
        (
            "DAEMON_RETENTION_RAW_DAYS: retention.raw_days:"
            " infinity and 'not a number' are no values here"
        ),
        "write a finite number, or quote the word if it is text",
    ),
    "DAEMON_LOG_LEVEL=": (
        "DAEMON_LOG_LEVEL: log.level: is set, but empty",
        "unset DAEMON_LOG_LEVEL to get the file's value or the default",
    ),
    "DAEMON_SIGNALS=[a": (
        "DAEMON_SIGNALS:1: column 3: a list that is not closed, or lacks a ',' (opened in line 1)",
        "close the list with ']' and put a ',' between its items",
    ),
    "DAEMON_SIGNALS={a: 1, a: 2}": (
        "DAEMON_SIGNALS:1: a: the key stands here for the second time (first in line 1)",
        "remove one of the two",
    ),
    "DAEMON_SIGNALS=a": (
        "DAEMON_SIGNALS: signals: must be a mapping of names to values, not text 'a'",
        "The signals that the sources provide",
    ),
    "DAEMON_LOG_LEVEL_FILE=none.txt": (
        "DAEMON_LOG_LEVEL_FILE: names the file none.txt: there is no such file",
        "check the path and the directory",
    ),
}


@pytest.mark.parametrize(("assignment", "words"), ENVIRONMENT.items())
def test_a_problem_of_the_environment_names_the_variable(tmp_path, assignment, words):
    name, _, value = assignment.partition("=")
    assert environment_problems(tmp_path, {name: value}) == [words]


def test_two_values_for_one_setting_are_refused(tmp_path):
    environ = {"DAEMON_LOG_LEVEL": "info", "DAEMON_LOG_LEVEL_FILE": "x"}
    assert environment_problems(tmp_path, environ) == [
        (
            (
                "DAEMON_LOG_LEVEL: log.level: is set, and so is DAEMON_LOG_LEVEL_FILE:"
                " one setting, two values"
            ),
            "unset one of them",
        )
    ]


def test_a_variable_that_means_nothing_is_a_warning(tmp_path):
    environ = {
        "DAEMON_LOG_LEVLE": "debug",
        "DAEMON_X": "1",
        "DAEMON_CONFIG": "x",
        "DAEMON_DEBUG": "1",
        "daemon_log_level": "debug",
    }
    warnings = load_settings(written(tmp_path, "{}"), environ).warnings
    assert [(str(warning), warning.hint, warning.warning) for warning in warnings] == [
        (
            "DAEMON_LOG_LEVLE: is set, but no setting has this variable: it is ignored",
            "did you mean `DAEMON_LOG_LEVEL`?",
            True,
        ),
        (
            "DAEMON_X: is set, but no setting has this variable: it is ignored",
            "unset it; `daemon config schema` names every setting",
            True,
        ),
    ]
