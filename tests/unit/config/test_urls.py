"""Which database URLs hold, and how one is shown."""

import pytest
from pydantic import SecretStr

from daemon.config.settings import Settings, masked_url, settings_from
from daemon.errors import ConfigError

GOOD_URLS = (
    "sqlite:///var/daemon.db",
    "sqlite:////srv/my data/daemon.db",
    "postgresql://u@h/db",
    "postgresql+psycopg://u:p%40w@h:5432/db?sslmode=require",
    "postgres://h/db",
    "postgresql:///db?host=/run/postgresql",
    "postgresql://u:p@[::1]:5432/db",
)
BAD_URLS = {
    "sqlite://var/daemon.db": "does not begin with sqlite:///",
    "sqlite:var/daemon.db": "does not begin with sqlite:///",
    "sqlite:///": "names no file",
    "sqlite:///var/": "names no file",
    "sqlite:///:memory:": "is a database that is forgotten when the process ends",
    "sqlite:///x.db?mode=ro": "has a '?' or a '#' in the path of the file",
    "postgresql://": "has a host or a port that cannot be read",
    "postgresql://u@h:port/db": "has a host or a port that cannot be read",
    "postgresql://u:p@w@h/db": "has a space or a second '@' in it",
    "postgresql://u:p w@h/db": "has a space or a second '@' in it",
    "postgresql+asyncpg://h/db": "is not the URL of a SQLite file or of a Postgres database",
    "mysql://h/db": "is not the URL of a SQLite file or of a Postgres database",
    "var/daemon.db": "is not the URL of a SQLite file or of a Postgres database",
    " postgres://h/db": "has spaces at its ends, or characters that nobody sees",
    "postgres://h/\u200bdb": "has spaces at its ends, or characters that nobody sees",
}


@pytest.mark.parametrize("url", GOOD_URLS)
def test_urls_that_hold(url):
    loaded = settings_from(None, None, {"DAEMON_DATABASE_URL": url})
    assert loaded.settings.database.url.get_secret_value() == url


@pytest.mark.parametrize(("url", "reason"), BAD_URLS.items())
def test_urls_that_do_not_hold(url, reason):
    with pytest.raises(ConfigError) as caught:
        settings_from(None, None, {"DAEMON_DATABASE_URL": url})
    (problem,) = caught.value.problems
    assert str(problem) == f"DAEMON_DATABASE_URL: database.url: {reason}"
    assert problem.hint


def test_a_url_is_shown_without_its_password():
    url = "postgresql://u:secret@h:5432/db?sslmode=require&password=secret"
    shown = "postgresql://u:***@h:5432/db?sslmode=require&password=***"
    assert masked_url(url) == masked_url(SecretStr(url)) == shown
    assert masked_url("sqlite:///var/daemon.db") == "sqlite:///var/daemon.db"
    assert Settings().database.masked_url() == "sqlite:///var/daemon.db"
