"""The inside of a step as a lecture shows it: gates, elementwise operators, the state line.

| file | what |
|---|---|
| blocks.py | the gates and operators of a step |
| coefficients.py | what scales and is added in them |
| placing.py | where they stand |
| wiring.py | their lines: one step, drawn |
| step.py | the drawn step with its state coming back, or in a row of steps |
"""

from .step import has_inside, inside_picture

__all__ = ["has_inside", "inside_picture"]
