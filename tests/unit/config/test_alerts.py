"""Who is told, and with which secret."""

import pytest

from daemon.config.effective import rows
from daemon.config.settings import load_settings
from daemon.errors import ConfigError
from daemon.log import MASK

SECRET = "5ecret-of-the-receiver"
SOUND = "url: https://a.example/hook, secret_file: s"


def written(tmp_path, text):
    path = tmp_path / "daemon.yaml"
    path.write_text(text)
    return path


def settings(tmp_path, webhook, environ=None):
    text = f"alerts: {{webhooks: {{pager: {{{webhook}}}}}}}"
    return load_settings(written(tmp_path, text), environ or {}).settings


def refused(tmp_path, webhook):
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, webhook)
    return [(problem.key, problem.reason, problem.hint) for problem in caught.value.problems]


def test_a_receiver_needs_a_place_and_a_secret(tmp_path):
    webhook = settings(tmp_path, SOUND).alerts.webhooks["pager"]
    assert webhook.url.get_secret_value() == "https://a.example/hook"
    assert (webhook.min_severity, webhook.timeout_s) == ("warn", 10)
    assert not webhook.allow_insecure
    assert not webhook.allow_private


def test_without_receivers_all_is_said_in_the_log(tmp_path):
    alerts = load_settings(written(tmp_path, "alerts:\n  webhooks:\n"), {}).settings.alerts
    assert alerts.webhooks == {}
    assert alerts.per_minute == 20


PLACES = {
    "ftp://a.example/": "is not the URL of a place that can be called",
    "https:///hook": "is not the URL of a place that can be called",
    "a.example": "is not the URL of a place that can be called",
    "https://a:x/": "has a host or a port that cannot be read",
    "https://a:0/": "is not the URL of a place that can be called",
    "https://[::1/": "has a host or a port that cannot be read",
    "https://u:p@a.example/": "has a user or a password in it",
    "https://a.example/#top": "ends with a '#' and what no server is told",
    "https://a.example/a b": "has spaces in it, or characters that a URL writes with %",
    "https://a.example/é": "has spaces in it, or characters that a URL writes with %",
    "http://a.example/": "is plain http, which everybody on the way can read",
    "http://127.0.0.1:9/": "leads to this machine, and `allow_private` is false",
    "https://localhost/": "leads to this machine, and `allow_private` is false",
}


@pytest.mark.parametrize(("url", "reason"), PLACES.items())
def test_a_place_that_cannot_be_called_is_refused(tmp_path, url, reason):
    problems = refused(tmp_path, f"url: '{url}', secret_file: s")
    assert [problem[:2] for problem in problems] == [("alerts.webhooks.pager.url", reason)]
    assert problems[0][2]


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:9/", "allow_private"),
        ("http://[::1]:9/", "allow_private"),
        ("http://a.example/", "allow_insecure"),
    ],
)
def test_what_is_allowed_is_no_problem(tmp_path, url, allowed):
    settings(tmp_path, f"url: '{url}', secret_file: s, {allowed}: true")


def test_one_secret_and_not_two(tmp_path):
    assert refused(tmp_path, "url: https://a.example/") == [
        (
            "alerts.webhooks.pager",
            "has no secret: nobody could tell our alerts from anybody else's",
            "name a `secret_file`, or a `secret_variable`",
        )
    ]
    assert refused(tmp_path, f"{SOUND}, secret_variable: X") == [
        (
            "alerts.webhooks.pager.secret_variable",
            "is given, and so is `secret_file`: one secret, two places",
            "remove one of the two",
        )
    ]
    (problem,) = refused(tmp_path, "url: https://a.example/, secret_variable: 'A B'")
    assert problem[1:] == ("is not a name for a variable", "as in ALERTS_SECRET")


def test_the_secret_is_fetched_from_its_file(tmp_path):
    (tmp_path / "s").write_text(f"{SECRET}\nand a remark\n")
    webhook = f"url: https://a.example/, secret_file: '{tmp_path / 's'}'"
    assert settings(tmp_path, webhook).alerts.webhooks["pager"].secret("pager", {}) == SECRET


def test_the_secret_is_fetched_from_its_variable(tmp_path):
    webhook = settings(tmp_path, "url: https://a.example/, secret_variable: PAGER").alerts
    assert webhook.webhooks["pager"].secret("pager", {"PAGER": f" {SECRET} "}) == SECRET


@pytest.mark.parametrize(
    ("webhook", "words"),
    [
        ("secret_variable: PAGER", "alerts.webhooks.pager.secret_variable: is not set"),
        ("secret_file: none", "there is no such file"),
        ("secret_file: short", "holds 5 characters, which is no secret"),
        ("secret_file: large", "is larger than 4,096 bytes"),
    ],
)
def test_a_secret_that_is_not_there_is_a_problem(tmp_path, monkeypatch, webhook, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short").write_text("guess\n")
    (tmp_path / "large").write_text("x" * 5_000)
    pager = settings(tmp_path, f"url: https://a.example/, {webhook}").alerts.webhooks["pager"]
    with pytest.raises(ConfigError) as caught:
        pager.secret("pager", {})
    assert words in str(caught.value)
    assert "guess" not in str(caught.value)


def test_only_the_host_of_a_receiver_is_shown(tmp_path):
    text = "alerts: {webhooks: {pager: {url: 'https://a.example:8/T0/k3y?x=1', secret_file: s}}}"
    loaded = load_settings(written(tmp_path, text), {})
    shown = {key: value for key, value, _ in rows(loaded.settings, loaded.origins)}
    assert shown["alerts.webhooks.pager.url"] == f"https://a.example:8/{MASK}"
    assert "k3y" not in repr(loaded.settings)
