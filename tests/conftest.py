"""Shared by all tests: one seed, and few threads, so that numbers repeat."""

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
