import yaml
from pydantic import Field

from daemon.config.policy_file import PolicyFile
from daemon.config.problems import Finding, did_you_mean, nearest, validate
from daemon.config.section import Section
from daemon.config.yaml_syntax import explain


class Even(Section):
    """A model with a rule that no file of ours has."""

    number: int = Field(multiple_of=2, description="Something even. It costs nothing.")
    size: float = Field(default=1.0, description="Something finite. It costs nothing.")
    names: list[str] = Field(default_factory=list, description="Some names. They cost nothing.")


def test_a_complaint_without_words_of_ours_keeps_those_of_pydantic():
    assert validate(Even, {"number": 3})[1] == [
        Finding(("number",), "does not hold: input should be a multiple of 2", "Something even")
    ]


def test_what_no_file_can_say_is_refused_all_the_same():
    findings = validate(Even, {"number": 2, "size": float("inf")})[1]
    assert findings == [Finding(("size",), "must be a finite number", "Something finite")]


def test_an_item_of_a_list_has_its_place():
    (finding,) = validate(Even, {"number": 2, "names": ["a", 3]})[1]
    assert finding.path == ("names", 1)


def test_what_holds_is_a_model():
    model, findings = validate(Even, {"number": 2})
    assert (model, findings) == (Even(number=2), [])


def test_names_are_suggested_when_they_are_near():
    assert did_you_mean("Rsik", {"risk", "phase"}) == "did you mean `risk`?"
    assert did_you_mean("zzz", {"b", "a"}) == "known: `a`, `b`"
    assert did_you_mean("zzz", [f"n{number:02}" for number in range(20)]) == (
        "known: " + ", ".join(f"`n{number:02}`" for number in range(12)) + ", …"
    )
    assert did_you_mean("x", ()) is None


def test_the_search_for_a_near_name_is_bounded():
    assert nearest("risk" * 21, ["risk" * 21]) is None
    assert nearest("risk", [f"risk{number}" for number in range(201)]) is None


def test_a_number_that_a_file_may_not_hold_is_no_suggestion():
    policy = {"targets": {"a": {"max": ".inf"}}, "rules": {}}
    findings = validate(PolicyFile, policy)[1]
    assert findings[0].reason == "must be a number, not text '.inf'"
    assert findings[0].hint == ("The signal should be at most this")


def test_long_values_are_cut():
    findings = validate(Even, {"number": "x" * 100})[1]
    assert findings[0].reason == f"must be a whole number, not text '{'x' * 40}…'"


def test_a_parser_that_names_no_place_is_answered_all_the_same():
    complaint = explain(yaml.YAMLError("?"), "a: 1")
    assert (complaint.line, complaint.reason) == (1, "the structure of the file breaks here")
