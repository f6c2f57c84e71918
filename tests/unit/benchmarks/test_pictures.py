import json
from xml.etree import ElementTree as ET

import pictures
import pytest
from pictures import PICTURES, false_keeps, gains, main
from svg import Axis, number


def parsed(picture):
    return ET.fromstring(str(picture))


def words(picture):
    return [part.text for part in parsed(picture).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", ["two-windows", "toggling"])
def test_a_picture_is_the_same_whenever_it_is_drawn(name):
    first, again = PICTURES[name](), PICTURES[name]()
    assert str(first) == str(again)
    assert parsed(first).find("{http://www.w3.org/2000/svg}title").text


def test_the_typical_windows_are_called_what_the_text_says():
    headings = [text for text in words(PICTURES["two-windows"]()) if "apart" in text]
    assert ["called the same" in text for text in headings] == [True, False]


def test_every_curve_of_the_tests_has_its_name(monkeypatch):
    monkeypatch.setattr(pictures, "MEMORIES", (0.0, 0.9))
    shown = words(false_keeps(20))
    assert {"Welch's t", "fixed threshold"} <= set(shown)


def test_the_comparison_shows_medians_and_keeps_what_is_too_low_on_the_sheet():
    runs = [
        {"plant": plant, "policy": "pattern", "gain": gain}
        for plant, gain in (("linear", 0.9), ("linear", 0.8), ("cliff", -40.0), ("none", None))
    ]
    sheet = gains({"runs": runs})
    assert {"linear", "cliff", "pattern"} <= set(words(sheet))
    places = [
        float(part.get("cx")) for part in parsed(sheet).iter("{http://www.w3.org/2000/svg}circle")
    ]
    assert all(0 < place < sheet.width for place in places)


def test_pictures_are_written_where_wished(tmp_path):
    file = tmp_path / "runs.json"
    file.write_text(json.dumps({"runs": [{"plant": "lag", "policy": "pid", "gain": 0.5}]}))
    assert main(["--folder", str(tmp_path), "--only", "toggling", "--decisions", str(file)]) == 0
    assert {path.name for path in tmp_path.glob("*.svg")} == {"toggling.svg", "gains.svg"}


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (-0.01, "0"), (10, "10"), (1.25, "1.2"), (100.04, "100")]
)
def test_coordinates_are_short(value, text):
    assert number(value) == text


def test_an_axis_may_run_backwards():
    assert Axis(0, 4).share(1) == pytest.approx(0.25)
    assert Axis(4, 0).share(1) == pytest.approx(0.75)
