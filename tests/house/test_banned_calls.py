"""Each call that the house forbids is planted, and lint must find it with our words."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
BANNED = LINT["flake8-tidy-imports"]["banned-api"]

PLANTS = {
    "datetime.datetime.now": "import datetime\ndatetime.datetime.now(datetime.UTC)\n",
    "datetime.datetime.utcnow": "from datetime import datetime\ndatetime.utcnow()\n",
    "datetime.datetime.today": "from datetime import datetime as d\nd.today()\n",
    "datetime.date.today": "from datetime import date\ndate.today()\n",
    "time.time": "import time\ntime.time()\n",
    "time.time_ns": "import time as t\nt.time_ns()\n",
    "time.monotonic": "from time import monotonic\n",
    "time.monotonic_ns": "from time import monotonic_ns as elapsed\n",
    "time.perf_counter": "import time\nclock = time.perf_counter\n",
    "time.sleep": "import time\n\n\ndef wait():\n    time.sleep(1)\n",
    "random": "import random\n",
    "numpy.random.seed": "import numpy as np\nnp.random.seed(1)\n",
    "secrets": "from secrets import token_hex\n",
    "uuid.uuid4": "import uuid\nuuid.uuid4()\n",
}


def findings(path: str, text: str) -> list[dict]:
    """Lint a text as if it stood at this path of the project."""
    return lint("--stdin-filename", path, "-", folder=ROOT, text=text)


def lint(*where: str, folder: Path, text: str = "") -> list[dict]:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "TID251"]
    done = subprocess.run(
        [*command, "--output-format", "json", *where],
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr, done.stderr
    return json.loads(done.stdout)


def test_every_banned_call_has_a_plant():
    assert set(PLANTS) == set(BANNED), "plant what is banned, and only that"


@pytest.mark.parametrize("call", PLANTS)
def test_a_planted_call_is_found_with_our_words(call):
    found = findings("daemon/tuning/planted.py", PLANTS[call])
    assert [finding["code"] for finding in found] == ["TID251"]
    assert found[0]["message"].endswith(BANNED[call]["msg"])


def test_only_the_clock_may_read_the_clock(tmp_path):
    everything = "".join(PLANTS.values())
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    rooms = {path.relative_to(ROOT) for path in (ROOT / "daemon").rglob("*.py")}
    for room in rooms:
        (tmp_path / room).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / room).write_text(everything)
    found = {
        Path(finding["filename"]).relative_to(tmp_path) for finding in lint(".", folder=tmp_path)
    }
    assert rooms - found == {Path("daemon/clock.py")}


def test_no_line_of_the_package_excuses_itself():
    excused = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in (ROOT / "daemon").rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "noqa" in line and "TID251" in line
    ]
    assert not excused, f"take time and randomness as arguments in {', '.join(excused)}"
