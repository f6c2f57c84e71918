"""``python -m daemon`` is the command ``daemon``."""

from daemon.cli.main import main

main()
