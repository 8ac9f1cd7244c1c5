"""Published recurrences, one per file, and the class that every cell extends.

| cell | recurrence | paper |
|---|---|---|
| Elman | the hidden state feeds back | Elman 1990 |
| Jordan | the output feeds back | Jordan 1986 |
| LSTM | gated memory | Hochreiter and Schmidhuber 1997, Gers et al. 2000 |
| GRU | gated update, reset after or before the product | Cho et al. 2014 |
"""

from ..naming import one_of
from .cell import Cell
from .elman import Elman
from .gru import GRU
from .jordan import Jordan
from .lstm import LSTM
from .wrapped import WrappedCell

BY_NAME: dict[str, type[Cell]] = {"elman": Elman, "gru": GRU, "jordan": Jordan, "lstm": LSTM}

__all__ = ["BY_NAME", "GRU", "LSTM", "Cell", "Elman", "Jordan", "WrappedCell", "by_name"]


def by_name(name: str) -> type[Cell]:
    """The cell class called `name` on the command line ("lstm", "gru", ...).

    Raises:
        ValueError: no cell has that name; the nearest is suggested.
    """
    return BY_NAME[one_of(name.lower(), BY_NAME, "cell")]
