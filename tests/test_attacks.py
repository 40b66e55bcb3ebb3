"""What benchmarks/security.py tries on the running app, but for what takes long."""

import pytest

from benchmarks import security
from tests.conftest import ROOT


@pytest.mark.parametrize("attack", [security.traversals, security.addresses, security.headers])
def test_nothing_gives(app, attack):
    found = attack(app)
    assert any(name in security.MUST_BE_ZERO for name in found)
    assert {name: number for name, number in found.items() if name in security.MUST_BE_ZERO and number} == {}, found


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no history to look through")
def test_no_secret_was_ever_committed():
    assert security.secrets()["keys, tokens and passwords"] == 0
