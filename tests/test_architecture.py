"""Imports point one way, and importing costs little."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import unrolled

ROOT = Path(unrolled.__file__).parent

# Each layer may import from the layers before it, and from itself.
ORDER = ["naming", "files", "graph", "cells", "engines", "unroll", "nn", "training", "tasks", "cli"]
# Side branches: what they may import; only the layers named in USERS may import them.
BRANCHES = {
    "data": ["naming"],
    "report": ["naming", "data"],
    "dynamics": [*ORDER[: ORDER.index("tasks")], "data", "report"],
}
USERS = ["tasks", "cli"]


def _layer(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0].removesuffix(".py")


def _imported_layers(path: Path) -> set[str]:
    package = ["unrolled", *path.relative_to(ROOT).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            names = [*base, *(node.module or "").split(".")] if node.module else base
            targets = [[*names, alias.name] for alias in node.names]
        elif isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        else:
            continue
        found |= {t[1] for t in targets if t[0] == "unrolled" and len(t) > 1}
    return found


def _allowed(layer: str) -> set[str]:
    if layer in BRANCHES:
        return {layer, *BRANCHES[layer]}
    before = ORDER[: ORDER.index(layer) + 1]
    return {*before, *(BRANCHES if layer in USERS else ())}


def test_imports_point_one_way() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {layer}"
        for path in ROOT.rglob("*.py")
        if _layer(path) not in ("__init__", "__main__")
        for layer in _imported_layers(path) - {"__version__"}
        if layer not in _allowed(_layer(path))
    ]
    assert wrong == []


def test_importing_loads_no_table_reader_or_plotter() -> None:
    heavy = ["polars", "sklearn", "matplotlib", "narwhals", "typer", "scipy", "pandas"]
    heavy += ["tokenizers", "soundfile", "mido", "PIL", "sacrebleu"]
    code = (
        f"import json, sys, unrolled;print(json.dumps([m for m in {heavy!r} if m in sys.modules]))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert json.loads(loaded.stdout) == []
