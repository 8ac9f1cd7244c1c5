"""Find a cell by what a person types: a name, or a class in a file of their own."""

import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from . import by_name
from .cell import Cell


def cell_class(what: str) -> type[Cell]:
    """The cell class that `what` names: "lstm", "gru", ..., or "mine.py:Leaky".

    Only for what a person types: a file is executed, and no saved run may name one.

    Raises:
        ValueError: there is no such cell, file or class.
    """
    if ".py" in what or ":" in what:
        return from_file(what)
    return by_name(what)


def make_cell(what: str, input_size: int, hidden_size: int) -> Cell:
    """A cell of the class that `what` names, of the given sizes.

    Raises:
        ValueError: there is no such class, or it does not take (input_size, hidden_size).
    """
    kind: Any = cell_class(what)
    try:
        return kind(input_size, hidden_size)
    except TypeError as error:
        raise ValueError(
            f"{kind.__name__} must be made as {kind.__name__}(input_size, hidden_size): {error}"
        ) from error


def from_file(where: str) -> type[Cell]:
    """The cell class of `FILE.py:Class`, or of `FILE.py` if it defines one only.

    The file is executed, as `python FILE.py` would, but not as `__main__`.

    Raises:
        ValueError: there is no such file or class.
    """
    file, _, name = where.partition(":")
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"{file!r} is no file; name a cell as FILE.py:Class")
    # A name that no module of the person's or of Python's has.
    private = f"_unrolled_cells_of_{path.stem}"
    spec = importlib.util.spec_from_file_location(private, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file!r} is not a Python file; name a cell as FILE.py:Class")
    module = importlib.util.module_from_spec(spec)
    sys.modules[private] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{file} cannot be run: {type(error).__name__}: {error}") from error
    found = {
        key: value
        for key, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Cell) and value.__module__ == private
    }
    if not name and len(found) == 1:
        return next(iter(found.values()))
    if name not in found:
        names = ", ".join(found) or "none"
        raise ValueError(f"{file} defines the cells {names}; name one as {file}:Class")
    return found[name]
