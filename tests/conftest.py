"""Shared by all tests: one seed, and one thread, so that numbers repeat."""

import pytest
import torch

# Two threads that share a busy core wait for each other at every small operation.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
