"""Which files a program may name from outside: those below one folder, wherever links lead."""

from __future__ import annotations

from pathlib import Path

from daemon.errors import InputError, Problem

HINT = "name a file below `sweeps.data_root`, relative to it and without `..`"


class Outside(InputError):  # noqa: N818 - says where the file is
    """A file that may not be read from here."""


def below(root: Path, file: str) -> Path:
    """Find a file below a folder; the path that comes back has no links in it.

    Raises:
        Outside: it leads elsewhere, or there is no such file.
    """
    if "\0" in file or ".." in Path(file).parts:
        raise Outside(f"{file!r} leads out of the folder that files are read from", hint=HINT)
    folder = root.resolve()
    try:
        found = (folder / file).resolve()
        inside = found.is_relative_to(folder)
        here = inside and found.is_file()
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "its links go round in a circle"
        raise Outside(f"{file!r} cannot be found: {reason}", hint=HINT) from None
    if not inside:
        raise Outside(f"{file!r} leads out of the folder that files are read from", hint=HINT)
    if not here:
        raise Outside(f"there is no file {file!r} below the folder of the data", hint=HINT)
    return found


def strays(root: Path, files: list[str], *, several: bool) -> list[Problem]:
    """Say which files of a study may not be read, by the names of its keys."""
    found = []
    for number, file in enumerate(files):
        try:
            below(root, file)
        except Outside as error:
            key = f"data_files.{number}.file" if several else "data_file"
            found.append(Problem(error.message, key=key, hint=error.hint))
    return found
