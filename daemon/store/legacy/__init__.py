"""The files that users bring along: read into the database, and written back in the same formats.

`values.py` knows what a cell or a JSON value may be, `lines.py` reads files a
line at a time, `formats.py` and `columns.py` give a line its normal form, and
`stored.py` finds that form again in the tables. Importing and exporting meet in
it: whatever export writes, import reads back, and the next export repeats.
"""

from daemon.store.legacy.exporter import export_directory
from daemon.store.legacy.importer import import_directory
from daemon.store.legacy.report import (
    ExportedFile,
    ExportReport,
    FileReport,
    ImportReport,
    OnProgress,
)

__all__ = [
    "ExportReport",
    "ExportedFile",
    "FileReport",
    "ImportReport",
    "OnProgress",
    "export_directory",
    "import_directory",
]
