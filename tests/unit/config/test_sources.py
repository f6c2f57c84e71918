"""Where samples come from: what an operator may write, and what must fit together."""

from pathlib import Path

import pytest

from daemon.config.policy_file import policy_in_force
from daemon.config.settings import load_settings
from daemon.config.sources import OpenMetricsSource, SqlSource
from daemon.errors import ConfigError

EVERY = """\
sources:
  csv: {kind: csv, path: var/a.csv, signals: {a: , a2: second}, delimiter: "\\t", start: beginning}
  jsonl: {kind: jsonl, path: var/b.jsonl, signals: {b: stats.b}, layout: long, time_unit: ms}
  push: {kind: push, signals: {c: }, buffer: 1000, period_s: 0.2}
  prometheus: {kind: prometheus, url: "http://h:9090/x", signals: {d: "rate(d[1m])"}, catch_up_s: 0}
  metrics:
    kind: openmetrics
    url: https://h/metrics
    token_file: /etc/token
    signals:
      e: {metric: e_total, labels: {code: "500"}, rate: true}
      f:
  sql:
    kind: sql
    database: postgresql://u:p@h/d
    query: select ts, g from m where ts > :since
    time_unit: iso
    expect_s: 30
    signals: {g: }
  now: {kind: sql, database: "sqlite:///x.db", query: select h, time_field: null, signals: {h: }}
  command: {kind: command, argv: [/bin/x, -y], output: lines, signals: {i: , j: other}}
"""


def loaded(tmp_path, text, environ=None):
    path = tmp_path / "daemon.yaml"
    path.write_text(text)
    return load_settings(path, environ or {})


def refused(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    return [(one.line, one.key, one.reason, one.hint) for one in caught.value.problems]


def test_every_kind_is_read(tmp_path):
    settings = loaded(tmp_path, EVERY).settings
    assert settings.provided() == {"a", "a2", *"bcdefghij"}
    sources = settings.sources
    assert {name: section.kind for name, section in sources.items()} == {
        "csv": "csv",
        "jsonl": "jsonl",
        "push": "push",
        "prometheus": "prometheus",
        "metrics": "openmetrics",
        "sql": "sql",
        "now": "sql",
        "command": "command",
    }
    assert sources["csv"].path == Path("var/a.csv")
    assert sources["csv"].places() == {"a": "a", "a2": "second"}
    assert sources["csv"].delimiter == "\t"
    assert sources["push"].expected_s() == 0.2
    assert isinstance(sources["metrics"], OpenMetricsSource)
    assert sources["metrics"].signals["e"].labels == {"code": "500"}
    assert sources["metrics"].signals["f"].metric is None
    assert isinstance(sources["sql"], SqlSource)
    assert (sources["sql"].expected_s(), sources["sql"].period_s) == (30.0, 1.0)
    assert sources["now"].time_field is None


def test_the_environment_may_give_them_all_from_a_file(tmp_path):
    secret = tmp_path / "sources"
    secret.write_text(EVERY.partition("\n")[2])
    settings = loaded(tmp_path, "{}", {"DAEMON_SOURCES_FILE": str(secret)})
    assert len(settings.settings.sources) == 8
    assert settings.origins["sources.csv.path"] == "env DAEMON_SOURCES_FILE"


def test_without_sources_the_list_of_signals_says_what_a_policy_may_name(tmp_path):
    assert loaded(tmp_path, "sources:\nsignals: {a: }\n").settings.provided() == {"a"}


def test_with_sources_only_what_they_provide_counts(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "targets: {b: {max: 1}}\nrules: {r: {init: 0, min: 0, max: 1, lr: 0.1}}\n"
        "safety: {warn: {c: {min: 1}}}\n"
    )
    text = (
        f"policy_file: {policy}\nsignals: {{a: , b: , c: }}\n"
        "sources: {s: {kind: push, signals: {a: , c: }}}\n"
    )
    settings = loaded(tmp_path, text)
    assert [(one.line, one.key, one.reason, one.warning) for one in settings.warnings] == [
        (2, "signals.b", "no source provides it", True)
    ]
    with pytest.raises(ConfigError) as caught:
        policy_in_force(settings)
    assert [problem.key for problem in caught.value.problems] == ["targets.b"]


LISTED = (
    "The signals that it provides, and where each is found: a column, a field, a query, a metric;"
    " nothing if it is called the same there"
)
KINDS = "csv, jsonl, push, prometheus, openmetrics, sql or command"
PUSH = "kind: push, signals: {a: }"
HTTP = "kind: prometheus, signals: {a: }"
SQL = "kind: sql, database: 'sqlite:///x.db', signals: {a: }"
MISTAKES = {
    "x: {signals: {a: }}": ("x.kind", "is missing", f"write `kind:` and {KINDS}"),
    "x: {kind: tsv}": ("x.kind", f"must be {KINDS}, not text 'tsv'", f"write `kind:` and {KINDS}"),
    "X y: {kind: push, signals: {a: }}": (
        "X y",
        "is not a name that can be given here",
        "1 to 64 of the characters a-z 0-9 _ . -",
    ),
    "x: {kind: push}": (
        "x.signals",
        "is missing",
        LISTED,
    ),
    "x: {kind: push, signals: {}}": (
        "x.signals",
        "must name at least one",
        LISTED,
    ),
    "x: {kind: push, signals: {a b: }}": (
        "x.signals.a b",
        "is not a name for a signal",
        "1 to 200 characters that can be seen, and no spaces",
    ),
    f"x: {{{PUSH}, period_s: 0}}": (
        "x.period_s",
        "must be at least 0.05, not 0",
        "Seconds between two looks",
    ),
    f"x: {{{PUSH}, bufer: 9}}": (
        "x.bufer",
        "is not a key that exists here",
        "did you mean `buffer`?",
    ),
    "x: {kind: csv, signals: {a: }, path: 'file://x'}": (
        "x.path",
        "is a URL, not the path of a file",
        "name a file: var/metrics.csv",
    ),
    "x: {kind: csv, signals: {a: }, path: x, delimiter: '||'}": (
        "x.delimiter",
        "is not one character",
        'one character, such as "," or ";" or "\\t"',
    ),
    **{
        f"x: {{{HTTP}, url: '{url}'}}": (
            "x.url",
            "is not a URL that can be asked",
            "write http://host:port/path or https://host/path",
        )
        for url in ("h:9090", "ftp://h/", "http://", "http://h:x/", "http://h :1/", "http://[/")
    },
    f"x: {{{HTTP}, url: 'http://u:pw@h/'}}": (
        "x.url",
        "has a user in it, who would be shown with it",
        "give a token by `token_file`",
    ),
    f"x: {{{HTTP}, url: 'http://h/', token_file: f, token_variable: V}}": (
        "x.token_variable",
        "is given, and so is `token_file`: one token, two places",
        "remove one of the two",
    ),
    f"x: {{{HTTP}, url: 'http://h/', token_variable: 'A B'}}": (
        "x.token_variable",
        "is not a name for a variable",
        "as in METRICS_TOKEN",
    ),
    "x: {kind: openmetrics, url: 'http://h/', signals: {a: {rate: yes}}}": (
        "x.signals.a.rate",
        "must be true or false, not text 'yes'",
        "write true: `yes` is text here",
    ),
    "x: {kind: sql, database: 'mysql://h/d', query: q, signals: {a: }}": (
        "x.database",
        "is not the URL of a SQLite file or of a Postgres database",
        "write sqlite:///var/daemon.db or postgresql://user@host/database",
    ),
    f"x: {{{SQL}, query: 'select :since'}}": (
        "x.query",
        "asks for `:since`, but nobody says how moments are written there",
        "set time_unit: with iso `:since` is text or a timestamp, else a number",
    ),
    f"x: {{{SQL}, query: 'select :since', time_unit: s, time_field: null}}": (
        "x.query",
        "asks for `:since`, but no row has a moment",
        "name the column that holds it: time_field",
    ),
    "x: {kind: command, argv: [], signals: {a: }}": (
        "x.argv",
        "must name at least one",
        "The program and its arguments; no shell reads them",
    ),
    "x: {kind: command, argv: run me, signals: {a: }}": (
        "x.argv",
        "must be a list, not text 'run me'",
        "The program and its arguments; no shell reads them",
    ),
    "x: {kind: command, argv: [y], signals: {a: , b: }}": (
        "x.output",
        "is one number, but the source is to provide several signals",
        "write json or lines, or keep one signal",
    ),
    f"{{x: {{{PUSH}}}, y: {{{PUSH}}}}}": (
        "y.signals.a",
        "is provided by the source `x` as well",
        "one signal has one source: rename or remove one",
    ),
}


@pytest.mark.parametrize(("text", "words"), MISTAKES.items())
def test_a_mistake_is_told_with_its_key_and_a_hint(tmp_path, text, words):
    key, *rest = words
    assert refused(tmp_path, f"sources:\n  {text}\n") == [(2, f"sources.{key}", *rest)]


def test_a_signal_that_the_list_does_not_have_is_refused(tmp_path):
    text = "signals: {latency: }\nsources:\n  x: {kind: push, signals: {latncy: }}\n"
    found = refused(tmp_path, text)
    assert found == [
        (
            3,
            "sources.x.signals.latncy",
            "is not in the list under `signals`",
            "did you mean `latency`?",
        )
    ]


def test_a_password_in_a_source_is_not_shown(tmp_path):
    settings = loaded(tmp_path, EVERY.replace("u:p@h", "u:hunter2canary@h")).settings
    assert "hunter2canary" not in repr(settings) + settings.model_dump_json()
