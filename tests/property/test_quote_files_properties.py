"""Reading in words is reading one by one; and where a file is cut into blocks does not show."""

import math
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.adapters.quotes.files import comma
from daemon.adapters.quotes.files.comma import Faults, Table
from daemon.adapters.quotes.files.decimals import Text, number, numbers
from daemon.adapters.quotes.files.moments import moment, moments
from daemon.clock import MAX_MICROS, iso

digits = st.text("0123456789", max_size=18)
decimals = st.builds(lambda whole, point, rest: whole + point + rest, digits,
                     st.sampled_from(["", "."]), digits)  # fmt: skip
strange = st.text("0123456789.-+eE nax/:\"'_,\0é", max_size=20)
written = decimals | st.floats().map(repr) | st.integers(-(10**20), 10**20).map(str) | strange


def laid_out(texts):
    """Lay texts one behind the other, as bytes; give where each begins and ends."""
    parts = [text.encode() for text in texts]
    ends = np.cumsum([len(part) + 1 for part in parts]) - 1
    starts = ends - [len(part) for part in parts]
    return Text(np.frombuffer(b",".join([*parts, b""]), np.uint8)), starts, ends


@given(st.lists(written, min_size=1, max_size=30))
def test_numbers_read_together_are_those_read_one_by_one(texts):
    found = numbers(*laid_out(texts))
    for text, value, good in zip(texts, found.values(), found.good, strict=True):
        if good:
            assert value == number(text) == float(text)
        elif 0 < len(text) < 16 and text.replace(".", "", 1).isdigit() and text.isascii():
            assert float(text) * 10 ** text[::-1].find(".") >= 2**53, "a plain number was left over"


@given(st.floats())
def test_every_number_can_be_read_as_it_is_shown(value):
    assert number(repr(value)) == value or math.isnan(value)


moments_of = st.integers(0, MAX_MICROS) | st.integers(1_600_000_000, 1_800_000_000).map(
    lambda seconds: seconds * 1_000_000
)


@st.composite
def stamps(draw):
    """A moment, written in one of many ways, or spoiled."""
    at_us = draw(moments_of)
    text = iso(at_us)
    way = draw(st.sampled_from(["iso", "short", "cut", "offset", "s", "ms", "us", "ns", "spoiled"]))
    plain = {
        "iso": text,
        "short": text[:19].replace("T", " "),
        "cut": text[: draw(st.integers(16, 26))],
        "offset": text[:19] + draw(st.sampled_from(["+00:00", "+05:30", "-0800", "+14:00", "Z"])),
        "s": f"{at_us // 10**6}" + draw(st.sampled_from(["", ".5", ".123456", ".1234567"])),
        "ms": str(at_us // 1000),
        "us": str(at_us),
        "ns": f"{at_us}{draw(st.integers(0, 999)):03}",
    }
    if way != "spoiled":
        return plain[way]
    place = draw(st.integers(0, 19))
    return text[:place] + draw(st.sampled_from("0259x:-. ")) + text[place + 1 : 20]


def test_a_moment_too_far_from_utc_is_none():
    _, good = moments(*laid_out(["2023-03-01T00:00:00+31:00"] * 2))
    assert not good.any()


@given(st.lists(stamps(), min_size=1, max_size=20))
def test_moments_read_together_are_those_read_one_by_one(texts):
    at_us, good = moments(*laid_out(texts))
    for text, found, sound in zip(texts, at_us.tolist(), good.tolist(), strict=True):
        if sound:
            assert found == moment(text)


@pytest.mark.parametrize("text", ["2023-03-01T00:00:00Z", "2023-03-01 00:00", "1677628800",
                                  "1677628800000", "1677628800000000000", "1677628800.25",
                                  "2023-03-01T00:00:00.123456+01:00"])  # fmt: skip
def test_common_moments_are_read_together(text):
    _, good = moments(*laid_out([text, text]))
    assert good.all()


# ── blocks ───────────────────────────────────────────────────────────────────
cells = st.sampled_from(["1", "2.5", "1234.5678", "x", "", "nan", " 3", "1e5", '"7"', '"a,b"', '"'])
lines = st.lists(cells, min_size=5, max_size=5) | st.lists(cells, max_size=6)
HEADER = "best_bid_a,timestamp,best_ask_a,best_bid_b,best_ask_b"


@given(
    st.lists(lines, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.integers(1, 80),
)
def test_where_a_file_is_cut_does_not_show(rows, end, ended, size):
    text = end.join([HEADER, *(",".join(cells) for cells in rows)]) + (end if ended else "")
    whole, cut = all_of(text, 1 << 19), all_of(text, size)
    assert cut == whole


def all_of(text, size):
    """Read a file in blocks of some size: prices, moments and faults."""
    kept = comma.BLOCK, comma.RECORDS
    comma.BLOCK, comma.RECORDS = size, size // 4 + 1
    try:
        faults = Faults("file", skip=True)
        parts = list(Table(BytesIO(text.encode()), faults).rows())
    finally:
        comma.BLOCK, comma.RECORDS = kept
    prices = [
        repr([value for part in parts for value in part.prices[place].tolist()])
        for place in range(4)
    ]
    timed = [at_us for part in parts if part.at_us is not None for at_us in part.at_us.tolist()]
    return prices, timed, faults.count, faults.examples


# ── lines that are alike ─────────────────────────────────────────────────────
STAMPS = ["2023-03-01T00:00:00Z", "2023-03-01 00:00", "2024-02-29T23:59:59.123456+01:00",
          "2023-03-01T07:08:09.5", "1999-12-31T12:30:45.123456789Z", "1677628800"]  # fmt: skip


@st.composite
def alike_files(draw):
    """Lines with digits in the same places; some moments cannot be, and some bytes are wrong."""
    stamp = draw(st.sampled_from(STAMPS))
    ends = [place for place, sign in enumerate(stamp) if sign.isdigit()][-draw(st.integers(1, 9)) :]
    shapes = draw(
        st.lists(st.tuples(st.integers(0, 11), st.integers(-1, 8)), min_size=4, max_size=5)
    )
    names = ["best_bid_a", "best_ask_a", "best_bid_b", "best_ask_b", "more"][: len(shapes)]
    first = draw(st.integers(0, len(shapes)))
    lines = [",".join([*names[:first], "timestamp", *names[first:]])]
    for _ in range(draw(st.integers(1, 16))):
        moment = list(stamp)
        for place in draw(st.lists(st.sampled_from(ends), max_size=3)) if len(lines) > 1 else []:
            moment[place] = draw(st.sampled_from("0123459"))
        cells = [
            draw(st.text("0123456789", min_size=whole, max_size=whole))
            + ("" if rest < 0 else "." + draw(st.text("0123456789", min_size=rest, max_size=rest)))
            for whole, rest in shapes
        ]
        lines.append(",".join([*cells[:first], "".join(moment), *cells[first:]]))
    for line in draw(st.lists(st.integers(1, len(lines) - 1), max_size=3)):
        place = draw(st.integers(0, len(lines[line])))
        cut = draw(st.integers(0, 1))
        wrong = draw(st.sampled_from(["", ".", ",", "0", "-", " ", "x", "\r", ":", "/", "é"]))
        lines[line] = lines[line][:place] + wrong + lines[line][place + cut :]
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines) + draw(st.sampled_from(["", "\n"]))


@given(alike_files(), st.integers(20, 400))
def test_lines_read_under_one_another_are_those_read_as_they_come(text, size):
    kept = comma.ALIKE_MIN, comma.ODD_SHARE, comma.TRIES
    try:
        comma.ALIKE_MIN, comma.ODD_SHARE = 1, 1
        together = all_of(text, size)
        comma.TRIES = 0
        assert together == all_of(text, size)
    finally:
        comma.ALIKE_MIN, comma.ODD_SHARE, comma.TRIES = kept


def test_a_file_with_few_odd_lines_is_read_under_one_another():
    rows = [f"2023-03-01T00:{n // 60:02}:{n % 60:02}Z,{n + 100}.25,1.5,2.5,3.5" for n in range(300)]
    rows[200] = rows[200].replace(".25", "")
    text = "\n".join(["timestamp,best_bid_a,best_ask_a,best_bid_b,best_ask_b", *rows, ""])
    table = Table(BytesIO(text.encode()), Faults("file", skip=False))
    kept, comma.BLOCK = comma.BLOCK, 4096
    try:
        found = [value for part in table.rows() for value in part.prices[0].tolist()]
    finally:
        comma.BLOCK = kept
    assert found == [n + (0.0 if n == 200 else 0.25) + 100 for n in range(300)]
    assert table._pattern is not None
