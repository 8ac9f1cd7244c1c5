"""Shared by all tests: one seed, and one thread, so that numbers repeat."""

import os
from pathlib import Path

import pytest
import torch

# Two threads that share a busy core wait for each other at every small operation.
torch.set_num_threads(1)


# Kernels are kept beside the tests, not in the folder of whoever runs them.
os.environ.setdefault("UNROLLED_CACHE", str(Path(__file__).parent.parent / ".kernels"))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
