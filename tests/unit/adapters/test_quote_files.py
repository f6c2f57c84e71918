"""Files of quotes: every way in which people write them, and every way in which they are broken."""

import gzip
import math
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from daemon.adapters.quotes.files import QuoteFiles
from daemon.adapters.quotes.files.comma import FAULTS_MAX
from daemon.clock import parse_iso
from daemon.errors import InputError, MissingExtra
from daemon.market.quotes import PRICES

HEADER = "timestamp,best_bid_a,best_ask_a,best_bid_b,best_ask_b\n"
ROWS = "2023-03-01T00:00:00Z,1.5,2,3.25,4\n2023-03-01T00:01:00Z,10.5,20,30.25,40\n"
FIRST = [[1.5, 10.5], [2, 20], [3.25, 30.25], [4, 40]]
TIMES = [1_677_628_800_000_000, 1_677_628_860_000_000]


@pytest.fixture
def file(tmp_path):
    """Write a file of quotes."""

    def write(text, name="quotes.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def prices(quotes):
    return [column.tolist() for column in quotes.prices]


def read(path, **how):
    return QuoteFiles().load(path, **how)


# ── as people write them ─────────────────────────────────────────────────────
def test_columns_are_numbers_and_moments(file):
    loaded = read(file(HEADER + ROWS))
    assert prices(loaded.quotes) == FIRST
    assert loaded.quotes.at_us.tolist() == TIMES
    assert (loaded.skipped, loaded.cached) == (0, False)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER + ROWS,
        (HEADER + ROWS).replace("\n", "\r\n"),
        HEADER + ROWS.rstrip("\n"),
        (HEADER + ROWS).replace("\n", "\r\n").rstrip(),
        HEADER + "\n" + ROWS.replace("\n", "\n\n"),
        HEADER + "\r\n" + ROWS.replace("\n", "\r\n\r\n"),
        HEADER + ROWS.replace(",", " , "),
        HEADER.replace(",", ", ") + ROWS,
        HEADER + '"' + ROWS.replace(",", '","').replace("\n", '"\n"').rstrip('"'),
        HEADER + '"' + ROWS.replace(",", '","').replace("\n", '"\r\n"').rstrip('"'),
        '"' + HEADER.strip().replace(",", '","') + '"\n' + ROWS,
        HEADER + ROWS.replace("1.5,", "15e-1,").replace("40", "+4.0E+1"),
        HEADER + ROWS.replace("1.5,", "1.5000000000000000000000,"),
        HEADER + ROWS.replace(",2,", ",2.,").replace("0.5", "0.50000000"),
    ],
    ids=range(14),
)
def test_it_does_not_matter_how_they_are_written(file, text):
    loaded = read(file(text))
    assert prices(loaded.quotes) == FIRST
    assert loaded.quotes.at_us.tolist() == TIMES


def test_columns_stand_in_any_order_among_others(file):
    text = (
        "volume,best_ask_b,best_bid_b,note,timestamp,best_ask_a,best_bid_a\n"
        "7,4,3.25,x,2023-03-01T00:00:00Z,2,1.5\n,40,30.25,,2023-03-01T00:01:00Z,20,10.5\n"
    )
    assert prices(read(file(text)).quotes) == FIRST


def test_a_quoted_field_may_hold_commas_line_ends_and_quotation_marks(file):
    body = ROWS.replace("4\n", '4,"a,b"\n').replace("40\n", '40,"say ""no""\nor, yes"\n')
    loaded = read(file(HEADER.replace("\n", ",note\n") + body.replace('"a,b"\n', '"a,b"\n', 1)))
    assert prices(loaded.quotes) == FIRST


def test_prices_that_are_no_numbers_on_purpose_are_read(file):
    loaded = read(file(HEADER + ROWS.replace(",2,", ",nan,").replace(",20,", ",-Infinity,")))
    assert math.isnan(loaded.quotes.best_ask_a[0])
    assert loaded.quotes.best_ask_a[1] == -math.inf


EDGES = [
    "0.1",
    "23149.18",
    "12345678.12345678",
    "9007199254740991",
    "9007199254740993",
    "0.000000000000001",
    "123456789012345.6",
    "1e22",
    "1e-320",
    "179769313486231570000",
    ".5",
    "00001.50",
]


@pytest.mark.parametrize("number", EDGES)
def test_numbers_are_read_to_the_last_digit(file, number):
    quotes = read(file(HEADER + ROWS.replace(",2,", f",{number},"))).quotes
    assert quotes.best_ask_a[0] == float(number)


def test_packed_files_are_unpacked(file):
    for name in ("quotes.csv.gz", "quotes.csv"):
        assert prices(read(file(gzip.compress((HEADER + ROWS).encode()), name)).quotes) == FIRST


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2023-03-01T00:00:00Z", "2023-03-01T00:01:00Z"),
        ("2023-03-01 00:00:00", "2023-03-01 00:01:00"),
        ("2023-03-01T00:00", "2023-03-01T00:01"),
        ("2023-03-01T05:30:00+05:30", "2023-03-01T05:31:00+05:30"),
        ("2023-02-28T19:00:00-0500", "2023-02-28T19:01:00-0500"),
        ("2023-03-01T00:00:00.000Z", "2023-03-01T00:01:00.000000"),
        ("2023-03-01T00:00:00+00:00", "2023-03-01T01:01:00+01:00"),
        ("1677628800", "1677628860"),
        ("1677628800.0", "1677628860.000000"),
        ("1677628800000", "1677628860000"),
        ("1677628800000000", "1677628860000000"),
        ("1677628800000000123", "1677628860000000456"),
        ("1.6776288e9", "1677628860"),
    ],
)
def test_moments_are_read_however_they_are_written(file, first, second):
    text = HEADER + f"{first},1,2,3,4\n{second},1,2,3,4\n"
    assert read(file(text)).quotes.at_us.tolist() == TIMES


def test_fractions_of_seconds_count(file):
    text = HEADER + "".join(
        f"2024-02-29T23:59:59.{decimals}Z,1,2,3,4\n" for decimals in ("5", "123456", "123456789")
    )
    start = parse_iso("2024-02-29T23:59:59")
    assert (read(file(text)).quotes.at_us - start).tolist() == [500_000, 123_456, 123_456]


def test_a_timestamp_that_is_no_moment_is_a_name_and_no_fault(file):
    loaded = read(file(HEADER + "tick 1,1.5,2,3.25,4\n2023-03-01,10.5,20,30.25,40\n"))
    assert loaded.quotes.at_us is None
    assert prices(loaded.quotes) == FIRST


# ── broken ───────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("\n" + HEADER, "line 1 is empty"),
        (HEADER, "it has a header and no rows"),
        (HEADER + "\n\n", "it has a header and no rows"),
        (ROWS, ":1: there is no column timestamp, best_bid_a"),
        (HEADER.replace("_b\n", "_c\n") + ROWS, ":1: there is no column best_ask_b"),
        (HEADER.strip() + ",best_bid_a\n", ":1: there are two columns best_bid_a"),
        ((HEADER + ROWS).encode("utf-16"), "is UTF-16"),
        ((HEADER + ROWS).replace("\n", "\r"), ":1: lines end in a carriage return alone"),
        ("x" * 200_000 + "\n" + HEADER, ":1: field larger than field limit"),
        (HEADER + ROWS.replace("10.5", "ten"), ":3: best_bid_a is 'ten': a number is wanted"),
        (HEADER + ROWS.replace("10.5", ""), ":3: best_bid_a is empty: a number is wanted"),
        (HEADER + ROWS.replace("10.5", "1_0"), ":3: best_bid_a is '1_0': a number is wanted"),
        (HEADER + ROWS.replace("10.5", "1.2.3"), ":3: best_bid_a is '1.2.3'"),
        (HEADER + ROWS.replace("10.5", "."), ":3: best_bid_a is '.'"),
        (HEADER + ROWS.replace("10.5", "--1"), ":3: best_bid_a is '--1'"),
        (HEADER + ROWS.replace("10.5", "0x10"), ":3: best_bid_a is '0x10'"),
        (HEADER + ROWS.replace("10.5", "1 0"), ":3: best_bid_a is '1 0'"),
        (HEADER + ROWS.replace("T00:01", "T24:01"), ":3: timestamp is '2023-03-01T24:01:00Z'"),
        (HEADER + ROWS.replace("03-01T00:01", "02-29T00:01"), ":3: timestamp is '2023-02-29"),
        (HEADER + ROWS.replace("T00:01", "T00x01"), ":3: timestamp is '2023-03-01T00x01"),
        (HEADER + ROWS.replace("2023-03-01T00:01:00Z", "1e99"), ":3: timestamp is '1e99'"),
        (HEADER + ROWS.replace("2023-03-01T00:01:00Z", "-5"), ":3: timestamp is '-5'"),
        (HEADER + ROWS.replace("40\n", "40,5\n"), ":3: 6 fields, 5 are wanted"),
        (HEADER + ROWS.replace(",40\n", "\n"), ":3: 4 fields, 5 are wanted"),
        (HEADER + ROWS.replace("40\n", '40"x"\n'), ":3: best_ask_b is '40\"x\"'"),
        (HEADER + ROWS + '2023-03-01T00:02:00Z,1,2,3,"4', ":4: unexpected end of data"),
    ],
)
def test_what_is_no_table_of_quotes_is_refused_and_says_where(file, text, reason):
    path = file(text)
    with pytest.raises(InputError) as refused:
        read(path)
    assert str(path) in refused.value.message
    assert reason in refused.value.message


def test_there_must_be_a_file(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match=str(path)) as refused:
            read(path)
        assert refused.value.exit_code == 2


def test_a_file_that_was_packed_only_in_part_is_refused(file):
    whole = gzip.compress((HEADER + ROWS * 100).encode())
    for broken in (whole[:-20], whole[:40] + bytes(30) + whole[70:]):
        with pytest.raises(InputError, match="cannot be unpacked"):
            read(file(broken, "quotes.csv.gz"))


def test_a_line_without_end_is_no_line(file):
    with pytest.raises(InputError, match=":2: the line does not end"):
        read(file(HEADER + "1" * 2_000_000))


def test_a_file_of_nothing_but_faults_is_given_up_early(file):
    with pytest.raises(InputError) as refused:
        read(file(HEADER + "nonsense\n" * 1000))
    assert refused.value.message.count("1 fields, 5 are wanted") == FAULTS_MAX
    assert refused.value.message.endswith("and more")
    assert "--skip-bad-rows" in refused.value.hint


BAD = (
    HEADER + ROWS + "x,1,2,3,4\n2023-03-01T00:03:00Z,1,,3,4\nshort\n" + ROWS.replace("-01T", "-02T")
)


@pytest.mark.parametrize("text", [BAD, BAD.replace("short", '"sh,ort"')])
def test_bad_rows_can_be_left_out_and_are_counted(file, text):
    loaded = read(file(text), skip_bad_rows=True)
    assert loaded.skipped == 3
    lines = [example.partition(".csv:")[2].partition(":")[0] for example in loaded.examples]
    assert lines == ["4", "5", "6"]
    assert prices(loaded.quotes) == [column * 2 for column in FIRST]
    assert len(loaded.quotes.at_us) == 4


# ── while it is read ─────────────────────────────────────────────────────────
def test_a_file_that_is_written_to_while_it_is_read_is_refused(file, tmp_path):
    path = file(HEADER + ROWS)

    class Meddler(QuoteFiles):
        def _known(self, source, *, skip):
            with path.open("a") as more:
                more.write(ROWS)
            return super()._known(source, skip=skip)

    with pytest.raises(InputError, match="was written to while it was read"):
        Meddler(tmp_path / "cache").load(path)


# ── Parquet ──────────────────────────────────────────────────────────────────
def test_without_its_library_parquet_is_refused_in_words(file):
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        sys.modules["pyarrow"] = None
        from daemon.adapters.quotes.files import QuoteFiles
        from daemon.errors import MissingExtra
        try:
            QuoteFiles().load(Path(sys.argv[1]))
        except MissingExtra as error:
            print(error.message, error.hint)
    """)
    path = file(b"PAR1 and so on")
    told = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert "which needs pyarrow" in told.stdout
    assert MissingExtra.exit_code == 78


@pytest.mark.parametrize("kind", ["moments", "text", "whole", "names"])
def test_parquet_holds_the_same_quotes(file, tmp_path, kind):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    stamps = {
        "moments": arrow.array(TIMES, arrow.timestamp("us", tz="UTC")),
        "text": arrow.array(["2023-03-01T00:00:00Z", "2023-03-01T00:01:00Z"]),
        "whole": arrow.array([value // 1000 for value in TIMES]),
        "names": arrow.array(["one", "two"]),
    }[kind]
    table = {"timestamp": stamps} | dict(zip(PRICES, map(arrow.array, FIRST), strict=True))
    path = tmp_path / "quotes.parquet"
    parquet.write_table(arrow.table(table), path)
    quotes = read(path).quotes
    plain = HEADER + (ROWS.replace("2023-", "x-") if kind == "names" else ROWS)
    assert quotes.digest == read(file(plain)).quotes.digest


def test_parquet_with_holes_or_without_a_column_is_refused(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = {"timestamp": TIMES} | dict(zip(PRICES, FIRST, strict=True))
    path = Path(tmp_path / "quotes.parquet")
    parquet.write_table(arrow.table(table | {"best_bid_a": [1.5, None]}), path)
    with pytest.raises(InputError, match=":2: a value is missing"):
        read(path)
    assert read(path, skip_bad_rows=True).skipped == 1
    del table["best_ask_b"]
    parquet.write_table(arrow.table(table), path)
    with pytest.raises(InputError, match="there is no column best_ask_b"):
        read(path)
    path.write_bytes(b"PAR1" + bytes(50))
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read(path)
