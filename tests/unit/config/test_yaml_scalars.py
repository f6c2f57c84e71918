import pytest

from daemon.config.yaml_safe import read_yaml
from daemon.config.yaml_scalars import DIGITS_MAX, ScalarError, resolve

READ = {
    "null": None,
    "~": None,
    "Null": None,
    "true": True,
    "False": False,
    "0": 0,
    "-0": 0,
    "+1": 1,
    "-17": -17,
    "0x1F": 31,
    "9" * DIGITS_MAX: int("9" * DIGITS_MAX),
    "-" + "9" * DIGITS_MAX: -int("9" * DIGITS_MAX),
    "0x" + "f" * DIGITS_MAX: 16**DIGITS_MAX - 1,
    "+0.008": 0.008,
    "-0.005": -0.005,
    ".5": 0.5,
    "-.5": -0.5,
    "1.": 1.0,
    "1e3": 1000.0,
    "1.5E-7": 1.5e-7,
    "1e-999": 0.0,
}

TEXT = """
yes no on off Yes NO y n tRUE nULL None 010 -01 1_000 1:30 12:30:45 0o17 0b11 -0x1F 0x
2026-11-21 2026-11-21T10:00:00Z 1.2.3 1e 1e+ . + - -- 5s 5% 1,5 01.5 \u0661 \xbd infinite nano
.infinity -.5e =
"""

REFUSED = """
.nan .NaN .NAN .inf .Inf -.INF +.inf nan NaN inf -inf Infinity -Infinity INFINITY
1e999 -1e999 1e99999999
"""


@pytest.mark.parametrize(("word", "value"), READ.items())
def test_words_that_mean_something(word, value):
    read = resolve(word)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("word", TEXT.split())
def test_everything_doubtful_stays_text(word):
    assert resolve(word) == word


@pytest.mark.parametrize(
    "word", [*REFUSED.split(), "1" * (DIGITS_MAX + 1), "0x" + "f" * (DIGITS_MAX + 1)]
)
def test_what_looks_like_a_number_and_may_not_be_one(word):
    with pytest.raises(ScalarError) as caught:
        resolve(word)
    assert caught.value.hint


@pytest.mark.parametrize("word", [*READ, *REFUSED.split(), "", "<<", "=", "!x", "*x", "&x"])
@pytest.mark.parametrize("quote", ["'", '"'])
def test_what_is_quoted_is_text(word, quote):
    assert read_yaml(f"{quote}{word}{quote}", name="f").value == word


@pytest.mark.parametrize("header", ["|-", ">-"])
def test_a_block_of_text_is_text(header):
    assert read_yaml(f"a: {header}\n  .nan\n", name="f").value == {"a": ".nan"}
