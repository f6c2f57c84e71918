"""The project as these tests see it: its files, and its documents by section."""

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def files() -> tuple[Path, ...]:
    """Every file that is tracked, or would be if everything were added now."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:  # unpacked from an archive
        found = (path for path in ROOT.rglob("*") if "/." not in path.as_posix())
    else:
        found = (ROOT / name for name in listed.stdout.split("\0") if name)
    return tuple(sorted(path for path in found if path.is_file()))


def named(path: Path) -> str:
    """Write a path as a reader of the project knows it."""
    return path.relative_to(ROOT).as_posix()


def python_files(*folders: str) -> list[Path]:
    return [
        path
        for path in files()
        if path.suffix == ".py" and named(path).startswith(tuple(f"{name}/" for name in folders))
    ]


def documents() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


def prose(path: Path) -> str:
    """Read a document with its code blocks blotted out, every other character in its place."""
    return re.sub(
        r"^ *(`{3,}).*?^ *\1",
        lambda block: re.sub(r"[^\n]", " ", block[0]),
        path.read_text(),
        flags=re.DOTALL | re.MULTILINE,
    )


def headings(path: Path) -> list[str]:
    return re.findall(r"^#+ +(.*?) *#*$", prose(path), flags=re.MULTILINE)


def section(path: Path, title: str) -> str:
    """Read what stands under the heading of this; arguments may follow it in capitals."""
    name = re.compile(rf"(?<![\w.-]){re.escape(title)}(?![\w.-]| [a-z])")
    found = [*re.finditer(r"^(#+) .*$", prose(path), flags=re.MULTILINE)]
    for number, heading in enumerate(found):
        if name.search(heading[0]):
            after = (h.start() for h in found[number + 1 :] if len(h[1]) <= len(heading[1]))
            return path.read_text()[heading.start() : next(after, None)]
    return ""


def preface(path: Path) -> str:
    """Read what stands before the second heading and holds for the whole document."""
    found = [*re.finditer(r"^#+ ", prose(path), flags=re.MULTILINE)]
    return path.read_text()[: found[1].start()]
