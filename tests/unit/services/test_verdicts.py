"""How changes stand, as a script is told that waited for them."""

import pytest

from daemon.errors import Exit
from daemon.services.asking.requests import _code


@pytest.mark.parametrize(
    ("states", "ended_by", "code"),
    [
        ({"kept"}, "keep", Exit.DONE),
        ({"rolled_back"}, "rollback", Exit.ROLLED_BACK),
        ({"rolled_back"}, "revert", Exit.INCONCLUSIVE),
        ({"rolled_back"}, None, Exit.INCONCLUSIVE),
        ({"superseded"}, None, Exit.INCONCLUSIVE),
        ({"kept", "superseded"}, "keep", Exit.INCONCLUSIVE),
        ({"failed"}, None, Exit.FAILED),
        ({"failed", "rolled_back"}, None, Exit.FAILED),
        ({"stuck"}, "rollback", Exit.UNVERIFIED),
        ({"inconsistent"}, None, Exit.UNVERIFIED),
        ({"observing"}, None, Exit.INCONCLUSIVE),
        ({"observing", "kept"}, None, Exit.INCONCLUSIVE),
        (set(), None, Exit.INCONCLUSIVE),
    ],
)
def test_the_exit_code_of_what_became_of_changes(states, ended_by, code):
    assert _code(states, ended_by) == code
