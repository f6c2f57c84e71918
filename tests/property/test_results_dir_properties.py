"""A directory of results: whatever bytes lie in it, everything is counted and nothing breaks."""

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from daemon.services.sweeping.judging.results_dir import load, summarize
from tests.results_kit import METRICS

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
metrics = st.dictionaries(st.sampled_from([*METRICS]), values | st.floats(-100, 100))
results = st.fixed_dictionaries(
    {"status": st.sampled_from(["success", "success", "error"]) | values},
    optional={
        "config": st.dictionaries(st.sampled_from(["tag", "min_spread_bps", "x"]), values) | values,
        "metrics": metrics | metrics.map(lambda some: METRICS | some) | values,
        "config_summary": st.fixed_dictionaries({"job_id": values}) | values,
        "error": values,
    },
)
files = st.binary(max_size=30) | (results | values).map(lambda value: json.dumps(value).encode())


@given(st.lists(files, max_size=6))
def test_everything_is_counted_and_nothing_breaks(contents):
    with tempfile.TemporaryDirectory() as name:
        for number, content in enumerate(contents):
            Path(name, f"{number}.json").write_bytes(content)
        loaded = load(Path(name))
        summary = summarize(loaded, max_results=3)
        again = summarize(load(Path(name)), max_results=3)
    assert summary.total_jobs == len(contents) == summary.success_jobs + summary.error_jobs
    left_out = sum(one.jobs for one in summary.left_out)
    assert len(summary.top) == min(3, len(contents) - left_out)
    assert summary.text() == again.text()
    assert all(line.isprintable() for line in summary.text().splitlines())
    json.dumps(summary.document(), allow_nan=False)
