"""Layers built on `unroll`."""

from .dilated import DilatedStack, unroll_dilated
from .network import Network

__all__ = ["DilatedStack", "Network", "unroll_dilated"]
