"""Commands that run by the calendar, as an operator writes them."""

import pytest

from daemon.config.settings import load_settings
from daemon.errors import ConfigError
from daemon.services.duties.children import jobs

SOUND = "cron: '0 2 * * *', run: session run configs/sessions/night.yaml"


def load(tmp_path, one):
    path = tmp_path / "daemon.yaml"
    path.write_text(f"schedule: {{night: {{{one}}}}}")
    return load_settings(path, {})


def refused(tmp_path, one):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, one)
    return [(problem.key, problem.reason) for problem in caught.value.problems]


def test_when_and_what_is_enough(tmp_path):
    (job,) = jobs(load(tmp_path, SOUND).settings.schedule)
    assert job.name == "night"
    assert job.words == ["session", "run", "configs/sessions/night.yaml"]
    assert job.timer.words == "0 2 * * *"
    assert (job.window, job.priority, job.timeout_s) == (None, 10, 21_600)


def test_everything_that_can_be_said(tmp_path):
    said = f"{SOUND}, window: 01:00-05:00, priority: 20, timeout_s: 60"
    (job,) = jobs(load(tmp_path, said).settings.schedule)
    assert (job.window.opens_min, job.window.closes_min) == (60, 300)
    assert (job.priority, job.timeout_s) == (20, 60)


def test_words_in_quotes_are_one_word(tmp_path):
    (job,) = jobs(
        load(tmp_path, """cron: '0 2 * * *', run: 'data check "my file.csv"'""").settings.schedule
    )
    assert job.words == ["data", "check", "my file.csv"]


def test_what_is_not_enabled_does_not_run(tmp_path):
    assert jobs(load(tmp_path, f"{SOUND}, enabled: false").settings.schedule) == []


MISTAKES = {
    "run: db check": ("schedule.night.cron", "is missing"),
    "cron: '0 2 * *', run: db check": (
        "schedule.night.cron",
        "'0 2 * *' is not a recurring moment: it has not 5 fields with spaces between them",
    ),
    "cron: '0 25 * * *', run: db check": (
        "schedule.night.cron",
        (
            "'0 25 * * *' is not a recurring moment: Error validating expression '25':"
            " the last value (25) is higher than the maximum value (23)"
        ),
    ),
    "cron: '0 0 30 2 *', run: db check": (
        "schedule.night.cron",
        "'0 0 30 2 *' is not a recurring moment: such a day never comes",
    ),
    "cron: '0 0 * * 8', run: db check": (
        "schedule.night.cron",
        "'0 0 * * 8' is not a recurring moment: '8' is no day of the week",
    ),
    "cron: '0 0 * * fr', run: db check": (
        "schedule.night.cron",
        "'0 0 * * fr' is not a recurring moment: 'fr' is no day of the week",
    ),
    "cron: '@daily', run: db check": (
        "schedule.night.cron",
        "'@daily' is not a recurring moment: it has not 5 fields with spaces between them",
    ),
    "cron: '0 2; * * *', run: db check": (
        "schedule.night.cron",
        "'0 2; * * *' is not a recurring moment: '2;' is no field of one",
    ),
    "cron: '0 0 * * mon/0', run: db check": (
        "schedule.night.cron",
        "'0 0 * * mon/0' is not a recurring moment: 'mon/0' is no day of the week",
    ),
    "cron: '0 2 * * L', run: db check": (
        "schedule.night.cron",
        "'0 2 * * L' is not a recurring moment: 'l' is no day of the week",
    ),
    "cron: 5, run: db check": ("schedule.night.cron", "must be text, not 5"),
    f"{SOUND}, window: 1-5": ("schedule.night.window", "'1-5' is no window of a day"),
    f"{SOUND}, window: 05:00-05:00": (
        "schedule.night.window",
        "'05:00-05:00' is no window of a day",
    ),
    "cron: '0 2 * * *', run: ''": ("schedule.night.run", "is no command"),
    "cron: '0 2 * * *', run: 'daemon db check'": (
        "schedule.night.run",
        "begins with `daemon`, which goes without saying",
    ),
    "cron: '0 2 * * *', run: run": (
        "schedule.night.run",
        "would start `daemon run` inside the daemon",
    ),
    "cron: '0 2 * * *', run: 'db check > out.txt'": (
        "schedule.night.run",
        "is written for a shell, and none reads it",
    ),
    "cron: '0 2 * * *', run: 'data check \"x'": (
        "schedule.night.run",
        "has a quote that is not closed",
    ),
    f"{SOUND}, priority: 101": ("schedule.night.priority", "must be at most 100, not 101"),
    f"{SOUND}, timeout_s: 0": ("schedule.night.timeout_s", "must be above 0, not 0"),
    f"{SOUND}, timeout: 5": ("schedule.night.timeout", "is not a key that exists here"),
}


@pytest.mark.parametrize(("one", "words"), MISTAKES.items())
def test_a_mistake_is_told_with_its_key(tmp_path, one, words):
    assert refused(tmp_path, one) == [words]


def test_a_name_that_nobody_could_type_is_refused(tmp_path):
    path = tmp_path / "daemon.yaml"
    path.write_text(f"schedule: {{'my night': {{{SOUND}}}}}")
    with pytest.raises(ConfigError, match="is not a name that can be given here"):
        load_settings(path, {})


def test_more_time_than_its_window_has_is_a_warning(tmp_path):
    loaded = load(tmp_path, f"{SOUND}, window: 01:00-02:00, timeout_s: 7200")
    (warning,) = loaded.warnings
    assert warning.key == "schedule.night.timeout_s"
    assert warning.reason == "is 7200 s, and its window only 3600 s long"
    assert load(tmp_path, f"{SOUND}, window: 01:00-02:00").warnings == ()
