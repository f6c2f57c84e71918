"""The file of rules: what stands in it, what is refused, and HOLD beside it."""

import subprocess

import pytest
import yaml

from daemon.ports import Author, ControlsFault, ControlsFenced, ControlsRefused, Held
from tests.contract.controls.yaml_file.kit import opened, order


# ── what stands in it ────────────────────────────────────────────────────────
def test_any_reader_finds_the_values_by_name(path, controls):
    controls.write([order("b", 1e-7), order("no", 0.5), order("1.5", 3.0), order("e", 1e300)])
    found = yaml.safe_load(path.read_text())
    assert found["rules"] == {"1.5": 3.0, "a": 1.0, "b": 1e-7, "e": 1e300, "no": 0.5}
    assert list(found["rules"]) == sorted(found["rules"])
    assert found["epoch"] == 1
    assert set(found["stamps"]) == set(found["rules"])


def test_its_last_line_vouches_for_the_others(path, controls):
    script = "head -n -1 rules.yaml | sha256sum | cut -c1-64; tail -n 1 rules.yaml | cut -c20-"
    done = subprocess.run(
        ["sh", "-c", script], cwd=path.parent, capture_output=True, text=True, check=True
    )
    computed, written = done.stdout.split()
    assert computed == written


def test_nothing_was_ever_set_where_there_is_no_file(path):
    controls = opened(path)
    assert controls.read(["a"]) == {}
    controls.take_over(3)
    assert not path.exists()  # a reader that finds a file finds values in it
    assert controls.read(["a"]) == {}


def test_a_file_that_a_person_wrote_from_scratch_is_read_and_taken_care_of(path):
    path.parent.mkdir()
    path.write_text("# mine\nrules:\n  a: 5\n  b: .25\n  c: 1e3\n")
    controls = opened(path)
    held = controls.read(["a", "b", "c"])
    assert held == {"a": Held(value=5.0), "b": Held(value=0.25), "c": Held(value=1000.0)}
    controls.take_over(1)
    controls.write([order("b", 0.5)])
    assert "  a: 5\n  b: 0.5\n  c: 1e3\n" in path.read_text()
    assert controls.read(["a"])["a"].author is Author.PERSON


def test_rules_whose_lines_are_all_gone_are_none(path, controls):
    path.write_text("rules:\n  # a: 1\n")
    assert controls.read(["a"]) == {}


def test_a_person_may_rewrite_it_with_another_tool(path, controls):
    content = yaml.safe_load(path.read_text())
    content["rules"]["a"] = 1.5
    path.write_text(yaml.safe_dump(content))
    held = controls.read(["a", "b"])
    assert held["a"] == Held(value=1.5)
    assert held["b"].author is Author.DAEMON


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "5",
        "[]",
        "{}",
        "{change_id: 1, epoch: 1, checksum: 7}",
        "{change_id: x, epoch: 1, checksum: ''}",
        "{change_id: 1, epoch: -1, checksum: ''}",
        "{change_id: [1], epoch: 1, checksum: ''}",
    ],
)
def test_what_is_no_stamp_makes_the_value_a_persons(path, controls, stamp):
    text = path.read_text()
    start = text.index("  a: {change_id")
    path.write_text(f"{text[:start]}  a: {stamp}\n{text[text.index(chr(10), start) + 1 :]}")
    if stamp.startswith("[") or "[" in stamp:
        with pytest.raises(ControlsFault, match="list"):
            controls.read(["a"])
    else:
        assert controls.read(["a"])["a"] == Held(value=1.0)


# ── what is refused ──────────────────────────────────────────────────────────
HOSTILE = {
    "nothing": "",
    "only a comment": "# rules: {a: 1}\n",
    "words": "rules",
    "a list": "- a: 1\n",
    "no rules": "epoch: 3\n",
    "a misspelt key": "rules: {a: 1}\nrulse: {b: 1}\n",
    "a list of rules": "rules: [a, b]\n",
    "a number of rules": "rules: 5\n",
    "text": "rules: {a: fast}\n",
    "a quoted number": "rules: {a: '1'}\n",
    "truth": "rules: {a: true}\n",
    "nothing for a value": "rules: {a: }\n",
    "a mapping for a value": "rules: {a: {b: 1}}\n",
    "not a number": "rules: {a: .nan}\n",
    "infinity": "rules: {a: 1e999}\n",
    "octal": "rules: {a: 010}\n",
    "digits without end": "rules: {a: " + "1" * 5000 + "}\n",
    "a bad name": "rules: {A B: 1}\n",
    "a rule twice": "rules: {a: 1, a: 2}\n",
    "an alias": "rules: {a: &x 1, b: *x}\n",
    "a merge key": "x: &x {a: 1}\nrules: {<<: *x}\n",
    "a tag": "rules: {a: !!float 1}\n",
    "a python tag": "rules: !!python/object/apply:os.system [ls]\n",
    "two documents": "rules: {a: 1}\n---\nrules: {a: 2}\n",
    "a tag line": "%TAG !e! tag:x,2000:\n---\nrules: {a: 1}\n",
    "a complex key": "? {a: 1}\n: 1\n",
    "an open bracket": "rules: {a: 1\n",
    "a tab": "rules:\n\ta: 1\n",
    "an epoch that is none": "rules: {a: 1}\nepoch: soon\n",
    "a control character": "rules: {a: 1}\n# \x00\n",
    "too large": "rules: {a: 1}\n" + "#" * 600_000,
    "too many": "rules: {" + ", ".join(f"r{n}: 1" for n in range(11_000)) + "}\n",
    "too deep": "{a: " * 3000,
    "laughs": "a: &a {x: 1}\nb: &b {y: *a, z: *a}\nrules: *b\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_file_that_makes_no_sense_is_told_with_its_place_and_left_alone(path, controls, text):
    path.write_text(text)
    with pytest.raises(ControlsFault, match=r"rules\.yaml") as caught:
        controls.read(["a"])
    assert caught.value.hint
    with pytest.raises(ControlsFault):
        controls.write([order("a", 3.0)])
    assert path.read_text() == text


def test_the_place_is_a_line(path, controls):
    path.write_text("rules:\n  a: 1\n  b: fast\n")
    with pytest.raises(ControlsFault, match=r"rules\.yaml:3: b must be a number, not 'fast'"):
        controls.read(["a"])


def test_bytes_that_are_no_text_are_told_with_their_line(path, controls):
    path.write_bytes(b"rules:\n  a: 1\n  b: \xff\n")
    with pytest.raises(ControlsFault, match=r"rules\.yaml:3: is not UTF-8"):
        controls.read(["a"])


def test_a_file_that_was_cut_off_anywhere_is_never_taken_for_whole(path, controls):
    whole = path.read_bytes()
    for length in (
        *range(0, len(whole) - 1, 7),
        len(whole) - 2,
    ):  # without its last line break it is still complete
        path.write_bytes(whole[:length])
        with pytest.raises(ControlsFault):
            controls.read(["a", "b"])
    path.write_bytes(whole[:-1])
    assert controls.read(["a", "b"])["b"].author is Author.DAEMON


def test_a_new_epoch_holds_even_where_the_file_cannot_be_read(path, controls):
    whole = path.read_bytes()
    path.write_text("rules: [")
    with pytest.raises(ControlsFault):
        opened(path).take_over(2)
    path.write_bytes(whole)
    with pytest.raises(ControlsFenced):
        controls.write([order("a", 3.0, epoch=1)])


def test_an_epoch_survives_a_person_who_writes_the_file_anew(path, controls):
    opened(path).take_over(4)
    path.write_text("rules: {a: 1}\n")
    with pytest.raises(ControlsFenced, match="epoch 4"):
        controls.write([order("a", 3.0, epoch=3)])


def test_the_epoch_in_the_file_holds_where_the_lock_was_removed(path, controls):
    opened(path).take_over(4)
    path.with_name(".lock").unlink()
    with pytest.raises(ControlsFenced, match="epoch 4"):
        controls.write([order("a", 3.0, epoch=3)])
    with pytest.raises(ControlsFenced, match="epoch 4"):
        controls.take_over(3)


@pytest.mark.parametrize("name", ["", "A", "a b", "a:", "../a", "a" * 65, "a\n"])
def test_a_name_that_is_none_is_never_written(path, controls, name):
    before = path.read_bytes()
    with pytest.raises(ControlsRefused, match="cannot be set"):
        controls.write([order(name, 1.0)])
    assert path.read_bytes() == before


def test_it_does_not_grow_without_end(path, controls):
    with pytest.raises(ControlsRefused, match="larger than"):
        controls.write([order(f"{'r' * 50}{number}", 1.0) for number in range(5000)])
    assert controls.read(["a"])["a"].value == 1.0


# ── HOLD ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "HOLD is there"),
        ("\n\n", "HOLD is there"),
        ("release night\nuntil six\n", "release night"),
        ("\n  two a.m. \n", "two a.m."),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("x" * 1000, "x" * 200),
    ],
)
def test_hold_gives_its_first_line_as_the_reason(path, controls, content, reason):
    (path.parent / "HOLD").write_text(content)
    held = controls.held()
    assert held.endswith(reason)
    (path.parent / "HOLD").unlink()
    assert controls.held() is None


def test_hold_may_be_anything_at_all(path, controls):
    hold = path.parent / "HOLD"
    hold.mkdir()
    assert controls.held().endswith("HOLD is there")
    hold.rmdir()
    hold.symlink_to("nowhere")
    assert controls.held().endswith("HOLD is there")
    hold.unlink()
    hold.symlink_to("HOLD")
    assert "cannot be read" in controls.held()


def test_nothing_is_held_where_there_is_no_folder(tmp_path):
    assert opened(tmp_path / "none" / "rules.yaml").held() is None
