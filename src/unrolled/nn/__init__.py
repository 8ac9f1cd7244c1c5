"""Layers built on `unroll`."""

from .dilated import DilatedStack, unroll_dilated

__all__ = ["DilatedStack", "unroll_dilated"]
