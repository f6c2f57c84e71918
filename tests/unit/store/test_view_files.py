"""The files of the views: one each, readable, and the same words in the revision that made them."""

import re
from importlib import resources

import pytest

from daemon.store import views
from daemon.store.views import ORDER, VIEWS, create_statement, render


def test_every_file_is_a_view_and_every_view_is_a_file():
    folder = resources.files(views)
    files = {entry.name.removesuffix(".sql") for entry in folder.iterdir() if "sql" in entry.name}
    assert files == set(ORDER) == set(VIEWS)


@pytest.mark.parametrize("name", ORDER)
def test_a_view_says_in_its_first_line_what_it_is_for(name):
    first = VIEWS[name].splitlines()[0]
    assert re.fullmatch(r"-- [A-Z].*[.?]", first) or first.endswith("sample.")


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize("name", ORDER)
def test_no_word_of_a_template_is_left_in_a_statement(name, dialect):
    statement = create_statement(name, dialect)
    assert statement.startswith(f"CREATE VIEW {name} AS\n")
    assert "@" not in statement
    assert not statement.endswith("\n")


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_moment_is_written_out_wherever_it_is_named(dialect):
    once = render("@iso(a.b_us)", dialect)
    assert once.count("(a.b_us)") == 2
    assert render("@iso(x), @iso(y)", dialect).count("1000000") == 2 * once.count("1000000")


def test_an_open_change_is_found_by_the_words_of_its_index():
    expected = "c.state IN ('applying', 'observing', 'rolling_back', 'stuck')"
    assert render("c.@open", "sqlite") == expected
