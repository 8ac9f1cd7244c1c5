"""Find a cell by what a person types: a name, or a class in a file of their own."""

import importlib.util
import inspect
import sys
from pathlib import Path

from . import by_name
from .cell import Cell


def cell_class(what: str) -> type[Cell]:
    """The cell class that `what` names: "lstm", "gru", ..., or "mine.py:Leaky".

    Only for what a person types: a file is executed, and no saved run may name one.

    Raises:
        ValueError: there is no such cell, file or class.
    """
    return from_file(what) if ".py" in what else by_name(what)


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
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file!r} is not a Python file; name a cell as FILE.py:Class")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    found = {
        key: value
        for key, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Cell) and value.__module__ == path.stem
    }
    if not name and len(found) == 1:
        return next(iter(found.values()))
    if name not in found:
        names = ", ".join(found) or "none"
        raise ValueError(f"{file} defines the cells {names}; name one as {file}:Class")
    return found[name]
