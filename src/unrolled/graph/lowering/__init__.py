"""Turn traced aten operators into the values of a graph.

| file | operators |
|---|---|
| sample.py | what every rule shares: tensors with a batch axis, broadcasting, rows |
| pointwise.py | arithmetic, activations, comparisons |
| shapes.py | views, slices, concatenation, expansion |
| products.py | matrix products with parameters, dot products |
| reductions.py | sum, mean, maximum, softmax, norms, layer norm |
| lower.py | walks the trace and applies the rules |
"""

from .lower import lower

__all__ = ["lower"]
