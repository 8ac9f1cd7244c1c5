"""A network as circles x, h, o, L, y in a row, folded and unrolled.

| file | what |
|---|---|
| network.py | which network, and the folded one beside the unrolled |
| rows.py | one recurrence: an output at every step, or at the last |
| pairs.py | two recurrences: in both directions, or from sequence to sequence |
| parts.py | what they share |
"""

from .network import folded_and_unrolled, network_picture

__all__ = ["folded_and_unrolled", "network_picture"]
