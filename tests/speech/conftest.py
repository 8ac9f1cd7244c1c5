"""The tests of speech are about numbers, not speed: their kernels are not optimised.

Those of `tests/engines` are compiled as a user's are.
"""

import pytest


@pytest.fixture(autouse=True)
def _quickly_compiled(monkeypatch) -> None:
    monkeypatch.setenv("CXXFLAGS", "-O0")
