"""Matrices whose spectra are known, in float64."""

import math

import torch


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def rotation(period, size=1.0):
    angle = 2 * math.pi / period
    row = [math.cos(angle), math.sin(angle)]
    return size * torch.tensor([[row[0], -row[1]], row[::-1]], dtype=torch.float64)


def orthogonal(size):
    return torch.linalg.qr(normal(size, size)).Q


def shift(size):
    """Nilpotent: every entry moves by one place, the last is lost."""
    return torch.ones(size - 1, dtype=torch.float64).diag(-1)


def assert_same_set(found, expected, atol):
    """Complex numbers in any order."""
    apart = (found[:, None] - torch.as_tensor(expected)[None]).abs()
    assert len(found) == len(expected)
    assert apart.amin(0).max() < atol
    assert apart.amin(1).max() < atol
