"""A canary in every place where a password may be written, and in every mistake around it."""

import json
import traceback
from pathlib import Path

import pytest

from daemon.cli.main import run
from daemon.config.lint import lint_files, lint_in_force
from daemon.config.policy_file import policy_in_force
from daemon.config.settings import load_settings
from daemon.errors import ConfigError

CANARY = "hunter2canary"
GOOD = f"postgresql://u:{CANARY}@h/db"

FILES = {
    "sound": f"database: {{url: '{GOOD}'}}",
    "password as an option": f"database: {{url: 'postgresql://u@h/db?password={CANARY}'}}",
    "other scheme": f"database:\n  url: mysql://u:{CANARY}@h/db",
    "port": f"database:\n  url: postgresql://u:{CANARY}@h:x/db",
    "two ats": f"database:\n  url: postgresql://u:a@{CANARY}@h/db",
    "space": f"database:\n  url: postgresql://u:a {CANARY}@h/db",
    "slash": f"database:\n  url: postgresql://u:a/{CANARY}@h/db",
    "no url at all": f"database: {{url: {CANARY}}}",
    "list": f"database: {{url: ['{GOOD}']}}",
    "mapping": f"database: {{url: {{'{GOOD}': 1}}}}",
    "instead of the section": f"database: {GOOD}",
    "instead of the file": GOOD,
    "wrong section": f"dattabase: {{url: '{GOOD}'}}",
    "wrong key": f"database: {{uri: '{GOOD}'}}",
    "wrong level": f"url: {GOOD}",
    "separate key": f"database: {{password: {CANARY}}}",
    "as a path": f"policy_file: {GOOD}",
    "as a level": f"log: {{level: '{GOOD}'}}",
    "as a number": f"database: {{pool_size: '{GOOD}'}}",
    "as a unit": f"signals: {{a: {{unit: 'password={CANARY}{'x' * 40}'}}}}",
    "receiver": f"alerts: {{webhooks: {{a: {{url: 'https://h/{CANARY}', secret_file: s}}}}}}",
    "receiver with a password": f"alerts: {{webhooks: {{a: {{url: 'https://u:{CANARY}@h/'}}}}}}",
    "receiver that is no URL": f"alerts: {{webhooks: {{a: {{url: {CANARY}, secret_file: s}}}}}}",
    "receiver in plain words": f"alerts: {{webhooks: {{a: {{url: 'http://h/{CANARY}'}}}}}}",
    "receiver as a list": f"alerts: {{webhooks: {{a: {{url: ['https://h/{CANARY}']}}}}}}",
    "secret in its place": f"alerts: {{webhooks: {{a: {{url: 'https://h/', secret: {CANARY}}}}}}}",
    "twice": f"database:\n  url: {GOOD}\n  url: {GOOD}x",
    "as a key, twice": f"{GOOD}: 1\n{GOOD}: 2",
    "open quote": f'database:\n  url: "{GOOD}\n  pool_size: 3\n',
    "text after a quote": f"database:\n  url: 'x' {GOOD}\n",
    "colon": f"database:\n  url: {GOOD}: x\n",
    "tab": f"database:\n\turl: {GOOD}\n",
    "alias": f"database: {{url: *{CANARY}}}",
    "anchor": f"database: {{url: &{CANARY} x}}",
    "tag": f"database: {{url: !{CANARY} x}}",
    "escape": f'database: {{url: "{GOOD}\\q"}}',
    "control character": f"database: {{url: '{GOOD}\x07'}}",
    "not text": f"database: {{url: '{GOOD}\udcff'}}",
    "controls": f"controls: {{a: {{kind: postgres, server: '{GOOD}'}}}}",
    "controls of another scheme": f"controls: {{a: {{kind: postgres, server: '{CANARY}'}}}}",
    "controls of another kind": f"controls: {{a: {{kind: '{GOOD}', server: '{GOOD}'}}}}",
    "header": f"controls: {{a: {{kind: http, url: 'http://h', headers: {{X: {CANARY}}}}}}}",
    "header, twice": f"controls: {{a: {{kind: http, headers: {{X: {CANARY}, X: '{CANARY}'}}}}}}",
    "user of a program": f"controls: {{a: {{kind: http, url: 'http://u:{CANARY}@h/'}}}}",
    "a source": f"sources: {{s: {{kind: sql, database: '{GOOD}', query: q, signals: {{a: }}}}}}",
    "a source's other scheme": f"sources: {{s: {{kind: sql, database: 'x://u:{CANARY}@h/d'}}}}",
    "a source's URL": f"sources: {{s: {{kind: prometheus, url: 'http://u:{CANARY}@h/'}}}}",
    "a source of another kind": f"sources: {{s: {{kind: csv, database: '{GOOD}'}}}}",
    "a source of no kind": f"sources: {{s: {{database: '{GOOD}'}}}}",
    "in place of a source": f"sources: {{s: '{GOOD}'}}",
    "flow": f"database: {{url: {GOOD}, pool_size 3}}",
}

VARIABLES = {
    "sound": {"DAEMON_DATABASE_URL": GOOD},
    "misspelt": {"DAEMON_DATABSE_URL": GOOD},
    "other scheme": {"DAEMON_DATABASE_URL": f"redis://:{CANARY}@h"},
    "bare": {"DAEMON_DATABASE_URL": CANARY},
    "file and value": {"DAEMON_DATABASE_URL": GOOD, "DAEMON_DATABASE_URL_FILE": "x"},
    "value in place of a file": {"DAEMON_DATABASE_URL_FILE": GOOD},
    "wrong setting": {"DAEMON_DATABASE_POOL_SIZE": GOOD},
    "signals": {"DAEMON_SIGNALS": GOOD},
    "policy": {"DAEMON_POLICY_FILE": GOOD},
    "receivers": {
        "DAEMON_ALERTS_WEBHOOKS": f"{{a: {{url: 'https://h/{CANARY}', secret_file: s}}}}"
    },
    "receivers misspelt": {"DAEMON_ALERTS_WEBHOOKS": f"{{a: {{url: {CANARY}}}"},
}


def everything_told(path, environ):
    """All that the configuration says of itself, tracebacks included."""
    told = []
    try:
        loaded = load_settings(path, environ)
        told += [repr(loaded), str(loaded.settings), loaded.settings.model_dump_json()]
        policy_in_force(loaded)
    except ConfigError as error:
        told += [str(error), repr(error), *traceback.format_exception(error)]
        chained = error
        while chained := chained.__cause__ or chained.__context__:
            told.append(repr(chained.args))
    for report in (lint_in_force(path, environ), lint_files([path], None, path, environ)):
        told += [repr(report.rows()), repr(report.lines()), repr(report)]
    return "\n".join(told)


def write(tmp_path, text):
    path = tmp_path / "daemon.yaml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    return path


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_no_word_about_a_file_repeats_the_password(tmp_path, text):
    assert CANARY not in everything_told(write(tmp_path, text), {})


@pytest.mark.parametrize("environ", VARIABLES.values(), ids=VARIABLES)
def test_no_word_about_the_environment_repeats_the_password(tmp_path, environ):
    assert CANARY not in everything_told(write(tmp_path, "{}"), environ)


def test_a_path_that_is_a_url_by_mistake_is_masked():
    with pytest.raises(ConfigError) as caught:
        load_settings(Path(GOOD), {})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_no_command_prints_the_password(tmp_path, capsys, monkeypatch, text):
    monkeypatch.setenv("DAEMON_DEBUG", "1")
    path = str(write(tmp_path, text))
    for arguments in (["show"], ["show", "-o", "json"], ["lint"], ["lint", "-o", "yaml"]):
        run(["config", *arguments, "--config", path])
        shown = capsys.readouterr()
        assert CANARY not in shown.out + shown.err, arguments


def test_the_schema_is_of_no_file(tmp_path, capsys):
    run(["config", "schema", "--config", str(write(tmp_path, FILES["sound"]))])
    assert CANARY not in "".join(capsys.readouterr())


def test_the_canary_would_be_noticed(tmp_path):
    loaded = load_settings(write(tmp_path, FILES["sound"]), {})
    assert CANARY in loaded.settings.database.url.get_secret_value()
    assert CANARY in json.dumps(FILES)
