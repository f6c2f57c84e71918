from pathlib import Path

import pytest
from pydantic import ValidationError

from daemon.config.settings import DEFAULT_PATH, Settings, load_settings
from daemon.errors import ConfigError

SHIPPED = Path(__file__).parents[3] / "configs" / "daemon.yaml"


def written(tmp_path, text):
    path = tmp_path / "daemon.yaml"
    path.write_text(text)
    return path


def refused(tmp_path, text, environ=None):
    with pytest.raises(ConfigError) as caught:
        load_settings(written(tmp_path, text), environ or {})
    return [
        (problem.line, problem.key, problem.reason, problem.hint)
        for problem in caught.value.problems
    ]


# ── where settings come from ─────────────────────────────────────────────────
def test_without_a_file_the_defaults_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = load_settings(None, {})
    assert loaded.settings == Settings()
    assert loaded.path is None
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.warnings == ()


def test_the_default_file_is_found_from_the_current_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / DEFAULT_PATH).write_text("retention: {raw_days: 3}\n")
    loaded = load_settings(None, {})
    assert loaded.path == DEFAULT_PATH
    assert loaded.settings.retention.raw_days == 3
    assert loaded.origins["retention.raw_days"] == "configs/daemon.yaml:1"
    assert loaded.origins["retention.slice_rows"] == "default"


def test_a_file_that_was_named_must_be_there(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        load_settings(tmp_path / "none.yaml", {})


def test_the_shipped_file_says_what_the_defaults_say():
    settings = load_settings(SHIPPED, {}).settings
    assert settings.model_copy(update={"signals": {}}) == Settings()
    assert set(settings.signals) == {"phase_diff", "creative_band", "risk_band", "entropy_rate"}


def test_the_environment_overrules_the_file(tmp_path):
    path = written(tmp_path, "database:\n  pool_size: 3\n  auto_upgrade: false\n")
    environ = {
        "DAEMON_DATABASE_POOL_SIZE": " 7 ",
        "DAEMON_DATABASE_URL": "postgresql://u@h/db",
        "DAEMON_POLICY_FILE": "other.yaml",
        "DAEMON_LOG_LEVEL": "WARNING",
        "DAEMON_SIGNALS": "{a: , b: {unit: ms}}",
        "HOME": "/x",
    }
    loaded = load_settings(path, environ)
    assert loaded.settings.database.pool_size == 7
    assert loaded.settings.database.url.get_secret_value() == "postgresql://u@h/db"
    assert loaded.settings.policy_file == Path("other.yaml")
    assert loaded.settings.log.level == "warning"
    assert {name: signal.unit for name, signal in loaded.settings.signals.items()} == {
        "a": None,
        "b": "ms",
    }
    assert loaded.origins["database.pool_size"] == "env DAEMON_DATABASE_POOL_SIZE"
    assert loaded.origins["database.auto_upgrade"] == f"{path}:3"
    assert loaded.origins["signals.b.unit"] == "env DAEMON_SIGNALS"
    assert loaded.warnings == ()


def test_a_section_without_a_line_is_a_section_of_defaults(tmp_path):
    text = "database:\nsignals:\nretention:\nlog:\n  # level: debug\n"
    assert load_settings(written(tmp_path, text), {}).settings == Settings()
    environ = {"DAEMON_DATABASE_POOL_SIZE": "2"}
    assert load_settings(written(tmp_path, text), environ).settings.database.pool_size == 2


def test_a_signal_needs_no_more_than_a_name(tmp_path):
    text = "signals:\n  a:\n  b: {unit: ms}\n"
    assert list(load_settings(written(tmp_path, text), {}).settings.signals) == ["a", "b"]


def test_settings_do_not_change(tmp_path):
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.policy_file = Path("x")


def test_the_environment_does_not_hide_a_section_of_the_wrong_shape(tmp_path):
    environ = {"DAEMON_DATABASE_POOL_SIZE": "2"}
    (problem,) = refused(tmp_path, "database: here\n", environ)
    assert problem[:3] == (1, "database", "must be a mapping of keys to values, not text")


def test_the_environment_repairs_a_wrong_value_of_the_file(tmp_path):
    path = written(tmp_path, "database: {pool_size: many}\n")
    assert load_settings(path, {"DAEMON_DATABASE_POOL_SIZE": "2"}).settings.database.pool_size == 2


# ── what does not hold ───────────────────────────────────────────────────────
MISTAKES = {
    "database: {pool_size: 0}": (
        "database.pool_size",
        "must be at least 1, not 0",
        "Connections kept for reading",
    ),
    "database: {pool_size: 101}": (
        "database.pool_size",
        "must be at most 100, not 101",
        "Connections kept for reading",
    ),
    "database: {pool_size: 5.0}": (
        "database.pool_size",
        "must be a whole number, not 5.0",
        "write 5",
    ),
    "database: {pool_size: true}": (
        "database.pool_size",
        "must be a whole number, not true",
        "Connections kept for reading",
    ),
    "retention: {raw_days: 0}": (
        "retention.raw_days",
        "must be above 0, not 0",
        "Days for which single samples are kept; their summaries stay",
    ),
    "retention: {raw_days: 7d}": (
        "retention.raw_days",
        "must be a number, not text '7d'",
        "write 7: a value carries no unit, its key names it",
    ),
    "retention: {raw_days: }": (
        "retention.raw_days",
        "must be a number, not nothing",
        "Days for which single samples are kept; their summaries stay",
    ),
    "retention: {raw_days: '7'}": (
        "retention.raw_days",
        "must be a number, not text '7'",
        "remove the quotes",
    ),
    "retention:\n  raw_days: 0,5": (
        "retention.raw_days",
        "must be a number, not text '0,5'",
        "write 0.5",
    ),
    "retention:\n  slice_rows: 10,000": (
        "retention.slice_rows",
        "must be a whole number, not text '10,000'",
        "write 10000",
    ),
    "retention: {slice_rows: 10_000}": (
        "retention.slice_rows",
        "must be a whole number, not text '10_000'",
        "write 10000",
    ),
    "retention: {slice_rows: 0500}": (
        "retention.slice_rows",
        "must be a whole number, not text '0500'",
        "write 500",
    ),
    "retention: {slice_rows: [1]}": (
        "retention.slice_rows",
        "must be a whole number, not a list",
        "Rows deleted in one transaction when samples are pruned",
    ),
    "retention: {slice_rows: 2000000}": (
        "retention.slice_rows",
        "must be at most 1,000,000, not 2000000",
        "Rows deleted in one transaction when samples are pruned",
    ),
    "database: {auto_upgrade: 'true'}": (
        "database.auto_upgrade",
        "must be true or false, not text 'true'",
        "remove the quotes",
    ),
    "database: {auto_upgrade: maybe}": (
        "database.auto_upgrade",
        "must be true or false, not text 'maybe'",
        "Whether a start brings an older schema up to date",
    ),
    "signals: {a: {unit: 5}}": (
        "signals.a.unit",
        "must be text, not 5",
        "put it in quotes",
    ),
    "signals: {a: {unit: " + "u" * 41 + "}}": (
        "signals.a.unit",
        "must have at most 40 characters",
        "The unit that values are shown with",
    ),
    "signals: {a b: {}}": (
        "signals.a b",
        "is not a name for a signal",
        "1 to 200 characters that can be seen, and no spaces",
    ),
    'signals: {"a\\u202eb": {}}': (
        "signals.a\\u202eb",
        "is not a name for a signal",
        "1 to 200 characters that can be seen, and no spaces",
    ),
    "signals: {" + "x" * 201 + ": {}}": (
        "signals." + "x" * 80,
        "is not a name for a signal",
        "1 to 200 characters that can be seen, and no spaces",
    ),
    "log: {level: verbose}": (
        "log.level",
        "must be debug, info, warning or error, not text 'verbose'",
        "The least important event that is told",
    ),
    "log: {level: 10}": (
        "log.level",
        "must be debug, info, warning or error, not 10",
        "The least important event that is told",
    ),
    "policy_file: https://x/y.yaml": (
        "policy_file",
        "is a URL, not the path of a file",
        "name a file: configs/self_tuning.yaml",
    ),
    "policy_file: 7": (
        "policy_file",
        "must be a path, as text, not 7",
        "The file that says what should be reached and what may be moved",
    ),
    "[1]": (None, "must be a mapping of keys to values, not a list", None),
    "words": (None, "must be a mapping of keys to values, not text", None),
    "dattabase: {}": ("dattabase", "is not a key that exists here", "did you mean `database`?"),
    "url: x": ("url", "is not a key that exists here", "`url` belongs under `database`"),
    "log: {policy_file: x}": (
        "log.policy_file",
        "is not a key that exists here",
        "`policy_file` belongs at the top",
    ),
    "log: {colour: x}": (
        "log.colour",
        "is not a key that exists here",
        "known: `format`, `level`",
    ),
    "{log: {level:debug}}": (
        "log.level:debug",
        "is not a key that exists here",
        "a space is missing after the colon: write `level: …`",
    ),
}


@pytest.mark.parametrize(("text", "words"), MISTAKES.items())
def test_a_mistake_is_told_with_its_key_and_a_hint(tmp_path, text, words):
    problems = refused(tmp_path, "\n" + text)
    assert problems[0][1:] == words
    assert problems[0][0] == text.count("\n") + 2


def test_all_mistakes_of_file_and_environment_come_together(tmp_path):
    text = "log:\n  level: 1\n  colour: 2\ndatabase: {pool_size: x}\nlog: {}\npolicy_file: .nan\n"
    problems = refused(tmp_path, text, {"DAEMON_RETENTION_RAW_DAYS": "0"})
    assert [(line, key) for line, key, *_ in problems] == [
        (None, "retention.raw_days"),
        (2, "log.level"),
        (3, "log.colour"),
        (4, "database.pool_size"),
        (5, "log"),
        (6, "policy_file"),
    ]
