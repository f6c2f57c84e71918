"""The token that everybody is asked for: read before a door is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.errors import ConfigError, Problem

if TYPE_CHECKING:
    from daemon.config.http import Http

TOKEN_LENGTHS = range(16, 1025)


def read_token(http: Http) -> str | None:
    """Read the token that is asked for; None where none is.

    Raises:
        ConfigError: the file cannot be read, or what it holds is no token.
    """
    if http.token_file is None:
        return None
    try:
        with http.token_file.open(encoding="ascii") as file:
            token = file.read(TOKEN_LENGTHS.stop + 1).partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not plain ASCII"
        raise _bad_token(f"{http.token_file}: {reason}") from error
    if len(token) not in TOKEN_LENGTHS or not token.isprintable() or " " in token:
        raise _bad_token(f"{http.token_file}: its first line is no token")
    return token


def _bad_token(reason: str) -> ConfigError:
    shortest, longest = TOKEN_LENGTHS.start, TOKEN_LENGTHS.stop - 1
    hint = f"one line of {shortest} to {longest} letters, digits and signs, readable by the daemon"
    return ConfigError([Problem(reason, key="http.token_file", hint=hint)])
