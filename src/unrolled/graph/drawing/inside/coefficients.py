"""What scales or is added to in a step, as mathematics: numbers, parameters, short formulas."""

from __future__ import annotations

import re

from ...graph import Graph
from ...names import fresh, named
from ...nodes import Fixed, Node, Number
from ...notation import LOOSE, Formulas
from .. import symbols

# A formula of more characters than this is called as in the listing.
_LONGEST = 16
_NAME = re.compile(r"(?<![\w.])[A-Za-z_][\w.]*")
_PART = re.compile(r"select\(([\w.]+), 0, (\d+)\)")
_SCALED = re.compile(r"([\w.]+) \* ([\d.e-]+)")
_POWER = re.compile(r" \^ ([\w.]+)")
_TOKEN = re.compile(r"([A-Za-z_]\w*)(?=\()|((?<![\w.])[A-Za-z_][\w.]*)|( \* )|(?<! )(-)|([$%&#])")


class Coefficients:
    """Writes the values of a graph that are the same at every step."""

    def __init__(self, graph: Graph):
        self._formulas = Formulas(graph, {})
        names = named(graph)
        self._names: dict[Node, str] = {n: names[n] for n in names if isinstance(n, Fixed)}

    def written(self, node: Node, least: int = LOOSE) -> str:
        """A coefficient as mathematics; "" for what is computed at every step.

        Arguments:
            least: how firmly it must hold together, as in `notation`.
        """
        if isinstance(node, Number):
            return f"{node.value:.3g}"
        return self._fixed(node, least) if isinstance(node, Fixed) else ""

    def _fixed(self, node: Fixed, least: int) -> str:
        formula = _PART.sub(r"\1[\2]", self._formulas.written(node, least))
        if _is_name(formula):
            return symbols.bold(formula.split(".")[-1])
        if _SCALED.fullmatch(formula):
            formula = _SCALED.sub(r"\2 * \1", formula)
        if len(_plain(formula)) > _LONGEST:
            formula = self._by_name(node)
        return _mathematics(formula)

    def _by_name(self, node: Fixed) -> str:
        """As the listing calls it; what has no line there gets a name here."""
        formula = self._formulas.renamed(self._names).written(node)
        if len(_plain(formula)) <= _LONGEST:
            return formula
        self._names[node] = fresh("p", self._names.values())
        return self._names[node]


def _is_name(formula: str) -> bool:
    return _NAME.fullmatch(formula) is not None


def _plain(formula: str) -> str:
    """As long as it is drawn: parameters without the module that they belong to."""
    return _NAME.sub(lambda match: match[0].split(".")[-1], formula).replace(" * ", " ")


def _mathematics(formula: str) -> str:
    """Functions upright, parameters bold, a product without a sign, a power above."""
    written = _TOKEN.sub(_token, _POWER.sub(r"^{\1}", formula))
    return re.sub(r" ([+/-]) ", r"\1", written)


def _token(match: re.Match[str]) -> str:
    call, name, times, minus, odd = match.groups()
    if call:
        return rf"\mathrm{{{call}}}".replace("_", r"\_")
    if name:
        return symbols.bold(name.split(".")[-1])
    if times:
        return r"\,"
    return "{-}" if minus else rf"\{odd}"
