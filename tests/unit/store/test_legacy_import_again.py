"""Importing again: the same files, files that have grown, files that were read half."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.clock import MICROS
from daemon.errors import StoreError
from daemon.store import history, migrate
from daemon.store.changes import Move, NewChange, open_change
from daemon.store.engine import Options
from daemon.store.legacy import import_directory
from daemon.store.legacy.importer import MAX_WEIGHT
from daemon.store.store import Store
from daemon.store.tables import (
    changes,
    imported_lines,
    risk_ledger,
    rule_history,
    sample_faults,
)
from daemon.tuning.vocabulary import ChangeState
from tests.shelf import in_memory
from tests.unit.store.legacy_kit import (
    NOW_US,
    TS,
    TS_US,
    assert_chained,
    bring_in,
    counts,
    exported,
    jsonl,
    rows,
    write,
)

pytestmark = pytest.mark.unmeasured  # tests of a few lines measure what an import reaches

SHIPPED = Path(__file__).parents[3] / "data" / "legacy"
EFFECTS = "rule_ts,actor,rule,old,new,pre_s,post_s,d_phase,d_entropy,d_creative,d_risk"
PATIENT = Options(busy_timeout_s=60)
LINE = {"ts": TS, "actor": "mara", "rule": "r", "old": 1, "new": 2, "note": "n"}


@pytest.fixture
def store():
    with in_memory() as opened:
        yield opened


def test_twice_imported_is_once_imported(store, tmp_path):
    first = bring_in(store, SHIPPED)
    before = exported(store, tmp_path / "before")
    second = bring_in(store, SHIPPED)
    assert (second.imported, second.known) == (0, first.imported)
    assert exported(store, tmp_path / "after") == before
    assert rows(store, sample_faults) == []


def test_the_sample_data_is_sound(store):
    report = bring_in(store, SHIPPED)
    assert report.problems == ()
    assert counts(report) == {
        "rules_effects": (12, 12, 0, 0),
        "rules_history": (12, 12, 0, 0),
        "quotes_bank": (5, 5, 0, 0),
        "risk_ledger": (6, 6, 0, 0),
        "tuning_decisions": (29, 29, 0, 0),
        "metrics": (7_020, 7_020, 0, 0),
    }
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 300_000


def test_a_file_that_has_grown_brings_in_its_new_lines_only(store, tmp_path):
    text = jsonl(LINE, LINE, {**LINE, "new": 3})
    bring_in(store, write(tmp_path, rules_history=text + '{"ts": 5, "rul'))
    grown = text + jsonl({"ts": 5, "rule": "r", "new": 4}, LINE)
    report = bring_in(store, write(tmp_path, rules_history=grown))
    assert counts(report) == {"rules_history": (5, 2, 3, 0)}
    assert [row["new"] for row in rows(store, rule_history)] == [2, 2, 3, 4, 2]


def test_the_same_line_in_another_wording_is_the_same_line(store, tmp_path):
    bring_in(store, write(tmp_path / "a", rules_history=jsonl(LINE)))
    other = {name: LINE[name] for name in reversed(LINE)}
    again = jsonl({**other, "ts": TS_US // MICROS, "old": "1.0", "extra": None})
    report = bring_in(store, write(tmp_path / "b", rules_history=again))
    assert counts(report) == {"rules_history": (1, 1, 0, 0)}, "an extra field makes another line"
    again = jsonl({**other, "ts": TS_US // MICROS, "old": "1.0"})
    report = bring_in(store, write(tmp_path / "b", rules_history=again))
    assert counts(report) == {"rules_history": (1, 0, 1, 0)}


class KilledError(Exception):
    pass


class Killer:
    """Breaks the import off after so many words of progress."""

    def __init__(self, patience):
        self.patience = patience

    def __call__(self, file, lines):
        self.patience -= 1
        if self.patience < 0:
            raise KilledError(file, lines)


@pytest.fixture(scope="module")
def three_files(tmp_path_factory):
    """A directory whose files take several transactions each, and the export of all of it."""
    folder = tmp_path_factory.mktemp("three")
    history_lines = [{**LINE, "ts": second, "note": str(second % 700)} for second in range(1_100)]
    effects = [f"{TS},a,r,{n},2,90,90,{n % 3},,,\n" for n in range(1_050)]
    metrics = [f"{second},0.5,{second}\n" for second in range(2_100)]
    write(
        folder / "in",
        rules_history=jsonl(*history_lines),
        rules_effects=EFFECTS + "\n" + "".join(effects),
        metrics="ts,a,b\n" + "".join(metrics),
    )
    with in_memory() as whole:
        assert bring_in(whole, folder / "in").imported == 1_100 + 1_050 + 2_100
        return folder / "in", exported(whole, folder / "out")


@pytest.mark.parametrize("patience", [0, 1, 4, 6, 7])
def test_an_import_that_was_killed_is_completed_by_another(store, tmp_path, three_files, patience):
    directory, whole = three_files
    with pytest.raises(KilledError):
        import_directory(store, directory, NOW_US, on_progress=Killer(patience))
    bring_in(store, directory)
    assert exported(store, tmp_path / "out") == whole
    assert_chained(store)


@pytest.mark.parametrize(
    "database", ["sqlite_url", pytest.param("postgres_url", marks=pytest.mark.postgres)]
)
def test_two_imports_at_once_are_one_import(request, database):
    url = request.getfixturevalue(database)
    with Store.open(url, PATIENT) as one, Store.open(url, PATIENT) as two:
        migrate.upgrade(one)
        with ThreadPoolExecutor() as pool:
            reports = list(pool.map(lambda store: bring_in(store, SHIPPED), (one, two)))
        assert sum(report.imported for report in reports) == 7_084
        assert sum(report.known for report in reports) == 7_084
        assert [report.problems for report in reports] == [(), ()]
        assert rows(one, sample_faults) == []
        assert_chained(one)


class Torn:
    """A store that dies with a transaction at its end."""

    def __init__(self, store, patience):
        self.store, self.patience, self.dialect = store, patience, store.dialect

    @contextmanager
    def write(self):
        with self.store.write() as tx:
            yield tx
            self.patience -= 1
            if self.patience < 0:
                raise StoreError("the disk is full")


@pytest.mark.parametrize("patience", [0, 1, 3, 5])
def test_a_batch_goes_in_whole_or_not_at_all(store, tmp_path, three_files, patience):
    directory, whole = three_files
    with pytest.raises(StoreError, match="the disk is full"):
        bring_in(Torn(store, patience), directory)
    noted = len(rows(store, imported_lines))
    assert noted == len(rows(store, rule_history)) + len(rows(store, changes))
    bring_in(store, directory)
    assert exported(store, tmp_path / "out") == whole


def test_heavy_lines_make_small_batches(store, tmp_path):
    heavy = {**LINE, "note": "x" * (MAX_WEIGHT // 8)}
    write(tmp_path, rules_history=jsonl(*({**heavy, "ts": second} for second in range(20))))
    heard = []
    import_directory(store, tmp_path, NOW_US, on_progress=lambda *said: heard.append(said))
    assert heard == [("rules_history.jsonl", lines) for lines in (8, 16, 20, 20)]


def test_an_export_read_back_into_its_own_database_changes_nothing(store, tmp_path):
    bring_in(store, SHIPPED)
    with store.write() as tx:
        history.append(tx, history.RuleSet(at_us=1, rule="r", new=1, actor="x", epoch=3))
        move = Move(at_us=TS_US, cause="c")
        change = NewChange(idempotency_key="k", rule="r", old=1, new=2, opened_at_us=TS_US)
        open_change(tx, change, ChangeState.APPLYING, move)
        tx.execute(risk_ledger.insert().values(at_us=1, severity="info", note="\0"))
        tx.execute(risk_ledger.insert().values(at_us=1, severity="info", note="n"))
    before = exported(store, tmp_path / "a")
    report = bring_in(store, tmp_path / "a")
    assert (report.imported, report.bad) == (0, 1), "a NUL cannot come back"
    assert exported(store, tmp_path / "b") == before


def test_a_place_that_another_row_has_is_not_home(store, tmp_path):
    with store.write() as tx:
        history.append(tx, history.RuleSet(at_us=1, rule="r", new=1, actor="x"))
        tx.execute(risk_ledger.insert().values(at_us=1, severity="info", note="\0"))
    places = [1, 2, 1.5, True, -1, 10**30]
    write(
        tmp_path,
        rules_history=jsonl(*({**LINE, "row": place} for place in places)),
        risk_ledger=jsonl({"ts": 1, "severity": "info", "row": 1}),
    )
    assert bring_in(store, tmp_path).imported == len(places) + 1
