"""Rules that a program holds which answers GET and takes PUT."""

from daemon.adapters.controls.http.client import Client, token_from_file, token_from_variable
from daemon.adapters.controls.http.controls import HttpControls
from daemon.adapters.controls.http.shape import Shape

__all__ = ["Client", "HttpControls", "Shape", "token_from_file", "token_from_variable"]
