"""``controls`` in the settings: the kinds, who holds which rule, and what does not hold."""

from pathlib import Path

import pytest

from daemon.config import effective, shape
from daemon.config.controls import Command, Http, Postgres, YamlFile, holder
from daemon.config.lint import lint_in_force
from daemon.config.settings import Settings, load_settings
from daemon.errors import ConfigError

POLICY = """\
targets: { p95: { max: 1 } }
rules:
  a: { init: 0, min: 0, max: 1, lr: 0.1 }
  b: { init: 0, min: 0, max: 1, lr: 0.1 }
"""
ALL = """\
controls:
  app:
    kind: http
    url: http://127.0.0.1:8080/tuning/{rule}
    headers: {X-Team: hunter2canary}
    token_file: /etc/app.token
    rules: [a]
    timeout_s: 2
  queue:
    kind: command
    read: [queuectl, get, "{rule}"]
    write: [queuectl, set, "{rule}", "{value}"]
    rules: [queue.workers]
  database:
    kind: postgres
    server: postgresql://tuner:hunter2canary@db/postgres
    settings: {work_mem: {unit: MB}, other: }
    rules: [work_mem, other]
  rest: {kind: yaml, path: elsewhere/rules.yaml}
"""


@pytest.fixture
def write(tmp_path):
    def to(text, name="daemon.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return to


def problems(path, environ=None):
    with pytest.raises(ConfigError) as caught:
        load_settings(path, environ or {})
    return [
        (problem.line, problem.key, problem.reason, problem.hint)
        for problem in caught.value.problems
    ]


# ── what is in force ─────────────────────────────────────────────────────────
@pytest.mark.parametrize("text", ["{}", "controls:", "controls: {}", "controls:\n  # app: {}\n"])
def test_where_nothing_is_said_one_file_holds_everything(write, text):
    controls = load_settings(write(text), {}).settings.controls
    assert controls == {"file": YamlFile(kind="yaml")}
    assert controls["file"].path == Path("controls/rules.yaml")
    assert holder(controls, "anything") == "file"


def test_every_kind_is_read_as_what_it_is(write):
    controls = load_settings(write(ALL), {}).settings.controls
    assert [type(control) for control in controls.values()] == [Http, Command, Postgres, YamlFile]
    assert controls["queue"].write == ["queuectl", "set", "{rule}", "{value}"]
    assert controls["database"].settings["work_mem"].unit == "MB"
    assert controls["database"].settings["other"].unit is None
    assert (controls["app"].timeout_s, controls["queue"].timeout_s) == (2, 5)


def test_a_rule_is_held_where_it_is_named_and_the_rest_by_who_names_none(write):
    controls = load_settings(write(ALL), {}).settings.controls
    assert [holder(controls, rule) for rule in ("a", "work_mem", "b")] == [
        "app",
        "database",
        "rest",
    ]
    del controls["rest"]
    assert holder(controls, "b") is None


def test_the_environment_may_hold_all_of_it(write):
    environ = {"DAEMON_CONTROLS": "{q: {kind: command, read: [r], write: [w]}}"}
    loaded = load_settings(write(ALL), environ)
    assert list(loaded.settings.controls) == ["q"]
    assert loaded.origins["controls.q.read"] == "env DAEMON_CONTROLS"


def test_every_value_in_force_is_shown_with_its_place_and_no_secret(write):
    path = write(ALL)
    loaded = load_settings(path, {})
    shown = {
        key: (value, who) for key, value, who in effective.rows(loaded.settings, loaded.origins)
    }
    assert shown["controls.app.url"] == ("http://127.0.0.1:8080/tuning/{rule}", f"{path}:4")
    assert shown["controls.app.headers.X-Team"] == ("***", f"{path}:5")
    assert shown["controls.database.server"][0] == "postgresql://tuner:***@db/postgres"
    assert shown["controls.queue.timeout_s"] == (5.0, "default")
    assert "canary" not in repr(loaded)
    for name, _ in effective.flatten(loaded.settings):
        assert shape.find(Settings, name) is not None


def test_what_several_kinds_call_by_one_name_is_one_key_everywhere():
    kinds = shape.kinds_of(shape.find(Settings, ("controls", "x")).annotation)
    assert list(kinds) == ["yaml", "http", "command", "postgres"]
    for name in set.intersection(*(set(kind.model_fields) for kind in kinds.values())):
        fields = [kind.model_fields[name] for kind in kinds.values()]
        assert len({field.description for field in fields}) == 1
        assert len({repr(field.default) for field in fields}) == 1
    counted = [key.dotted for key in shape.keys(Settings)]
    assert len(counted) == len(set(counted))


# ── what does not hold ───────────────────────────────────────────────────────
MISTAKES = {
    "{}": ("kind", "is missing", "write `kind:` and yaml, http, command or postgres"),
    "{kind: htpp}": (
        "kind",
        "must be yaml, http, command or postgres, not text 'htpp'",
        "write `kind:` and yaml, http, command or postgres",
    ),
    "{kind: 7}": (
        "kind",
        "must be yaml, http, command or postgres, not 7",
        "write `kind:` and yaml, http, command or postgres",
    ),
    "7": (
        "",
        "must be a mapping of keys to values, not a number",
        "Where the governed system reads the values of its rules",
    ),
    "{kind: yaml, url: x}": (
        "url",
        "is not a key that exists here",
        "only the kind http has it",
    ),
    "{kind: yaml, pth: x}": ("pth", "is not a key that exists here", "did you mean `path`?"),
    "{kind: yaml, timeout_s: 0}": (
        "timeout_s",
        "must be above 0, not 0",
        "Seconds after which a read or a write is given up",
    ),
    "{kind: yaml, rules: a}": (
        "rules",
        "must be a list, not text 'a'",
        "The rules that these controls hold",
    ),
    "{kind: yaml, rules: [a, B]}": (
        "rules[1]",
        "is not a name for a rule",
        "1 to 64 of the characters a-z 0-9 _ . -",
    ),
    "{kind: yaml, rules: [a, 7]}": ("rules[1]", "must be text, not 7", "put it in quotes"),
    "{kind: http}": ("url", "is missing", "Where an `http` holds the values"),
    "{kind: http, url: ftp://x/}": (
        "url",
        "is not the URL of an HTTP server",
        "write http://host:port/path; {rule} stands for the name of the rule",
    ),
    "{kind: http, url: 'http://h:99999/'}": (
        "url",
        "is not the URL of an HTTP server",
        "write http://host:port/path; {rule} stands for the name of the rule",
    ),
    "{kind: http, url: 'http://u:hunter2canary@h/'}": (
        "url",
        "carries a user or a password",
        "give a token by `token_file`",
    ),
    "{kind: http, url: 'http://h/#x'}": (
        "url",
        "has a '#', which no server ever sees",
        "write http://host:port/path; {rule} stands for the name of the rule",
    ),
    "{kind: http, url: 'http://h/{rule}', headers: {a b: hunter2canary}}": (
        "headers.a b",
        "is not a name for a header",
        "as in X-Team: letters, digits and -",
    ),
    '{kind: http, url: "http://h/{rule}", headers: {a: "hunter2canary\\n"}}': (
        "headers.a",
        "has characters that no header may have",
        "printable ASCII, in one line",
    ),
    "{kind: http, url: 'http://h/', token_variable: 'A B'}": (
        "token_variable",
        "is not a name for a variable",
        "as in CONTROLS_TOKEN",
    ),
    "{kind: http, url: 'http://h/{rule}', token_file: a, token_variable: B}": (
        "token_variable",
        "is given, and so is `token_file`: one token, two places",
        "remove one of the two",
    ),
    "{kind: http, url: 'http://h/', field: value}": (
        "field",
        "names the rule nowhere, and neither does `url`",
        "put {rule} into one of them",
    ),
    "{kind: command, write: [w], read: []}": (
        "read",
        "must name at least one",
        (
            "What a `command` runs to read a value: the program and its arguments,"
            " in which {rule} stands for the name"
        ),
    ),
    "{kind: command, read: [r]}": (
        "write",
        "is missing",
        "What a `command` runs to set a value; {rule}, {value}, {epoch} and {change} are put in",
    ),
    "{kind: postgres, server: 'mysql://hunter2canary'}": (
        "server",
        "is not the URL of a Postgres database",
        "write postgresql://user@host/database",
    ),
    "{kind: postgres, server: 'postgresql://h/d', stamp_schema: 'a-b'}": (
        "stamp_schema",
        "is not a name for a schema",
        "as in public",
    ),
    "{kind: postgres, server: 'postgresql://h/d', settings: {a: {name: 'a b'}}}": (
        "settings.a.name",
        "is not a name for a setting",
        "as in work_mem",
    ),
    "{kind: postgres, server: 'postgresql://h/d', settings: {a: {unit: pB}}}": (
        "settings.a.unit",
        "must be B, kB, MB, GB, TB, us, ms, s, min, h or d, not text 'pB'",
        "The unit of the rule's values; that of the server unless said",
    ),
}


@pytest.mark.parametrize(("control", "words"), MISTAKES.items())
def test_a_mistake_is_told_with_its_line_key_and_hint(write, control, words):
    key, reason, hint = words
    found = problems(write(f"controls:\n  one: {control}\n"))
    assert found == [(2, f"controls.one.{key}".rstrip("."), reason, hint)]
    assert "canary" not in str(found)


def test_a_name_for_controls_has_few_letters(write):
    (found,) = problems(write("controls:\n  My App: {kind: yaml}\n"))
    assert found[:3] == (2, "controls.My App", "is not a name that can be given here")


def test_a_rule_that_is_named_twice_is_refused_with_both_places(write):
    text = ALL.replace("rules: [queue.workers]", "rules: [queue.workers, a]")
    assert problems(write(text)) == [
        (
            13,
            "controls.queue.rules[1]",
            "`a` stands in controls.app.rules[0] already: two would hold its value",
            "remove one of the two",
        )
    ]


def test_only_one_may_hold_the_rest(write):
    assert problems(write(ALL + "  more: {kind: yaml, path: x}\n")) == [
        (
            20,
            "controls.more",
            "names no rules, and neither does `rest`: both would hold the rest",
            "list the rules of one of them under `rules`",
        )
    ]


# ── together with the policy ─────────────────────────────────────────────────
def linted(write, controls):
    policy = write(POLICY, "policy.yaml")
    text = f"policy_file: {policy}\nsignals: {{p95: }}\ncontrols:\n{controls}"
    return lint_in_force(write(text), {})


def test_a_rule_that_nobody_holds_is_refused_where_the_policy_names_it(write):
    report = linted(write, "  one: {kind: yaml, rules: [a]}\n")
    (problem,) = report.problems
    assert (Path(problem.file).name, problem.line, problem.key) == ("policy.yaml", 4, "rules.b")
    assert problem.reason == "no controls hold it: its value could not be set"
    assert "configs/daemon.yaml" in problem.hint


def test_a_rule_that_is_misspelt_is_a_warning(write):
    controls = "  one: {kind: yaml, path: x, rules: [a, bb]}\n  rest: {kind: yaml}\n"
    report = linted(write, controls)
    assert report.problems == []
    (warning,) = report.warnings
    assert warning.key == "controls.one.rules"
    assert warning.reason == "names `bb`, which is no rule of the policy"
    assert warning.file.endswith("daemon.yaml:4")


def test_rules_that_all_have_a_place_are_accepted(write):
    report = linted(write, "  one: {kind: yaml, path: x, rules: [a]}\n  rest: {kind: yaml}\n")
    assert (report.problems, report.warnings) == ([], [])
