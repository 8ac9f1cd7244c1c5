"""The tests of system identification are about numbers, not speed: their kernels are not optimised.

Those of `tests/engines` are compiled as a user's are. A model that a module shares is made by the
same kernels as the others.
"""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _quickly_compiled() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXXFLAGS", "-O0")
        yield
