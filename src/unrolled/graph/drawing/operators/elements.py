"""What a drawing of a graph's operators holds: one element for a value, and arrows.

A parameter that one value uses is named in that value's label, `weight_ih[0:4] x`; one that
several use is an element of its own. In the graph of a function every parameter is, and an
affine map is a product and a sum, as in Goodfellow, Bengio and Courville, "Deep Learning",
figure 6.8.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...graph import Graph
from ...names import fresh, is_cell, named, output_name
from ...nodes import Affine, Concat, Fixed, Input, Node, Number, Pointwise, Reduce, Slice
from ...notation import Formulas
from ...views import is_transpose, spread
from ..symbols import MINUS, SIGNS, TIMES

# What a value without a name is called while a formula is written.
_UNNAMED, MIDDLE = "\0", "\N{MIDDLE DOT}"
# The kinds of elements where a value comes in or goes out.
PLACES = ("input", "state", "output")
# The colour of every kind, as a picture calls it.
FILLS = {
    "input": "input",
    "state": "state",
    "output": "output",
    "parameter": "frame",
    "map": "function",
    "function": "operator",
    "shape": "paper",
    "reduction": "operator",
}


@dataclass(frozen=True)
class Element:
    """A value, or the place of an input, an output or a parameter.

    Attributes:
        key: made of letters, digits and underscores, unique in the drawing.
        kind: "input", "state", "output", "parameter", "map" (affine), "function" (pointwise),
            "shape" (a part, a concatenation) or "reduction".
        text: what is written in it, on one line or more.
        size: entries of the value.
        name: of an input or output, without a time; of a value that labels refer to; else "".
        step: 1, 2, ... in an unrolled drawing; 0 for the state before the first step.
    """

    key: str
    kind: str
    text: str
    size: int
    name: str = ""
    step: int | None = None


@dataclass(frozen=True)
class Link:
    """An arrow between two elements.

    Attributes:
        delayed: whether it leads to the next step, in a folded drawing.
    """

    source: str
    target: str
    delayed: bool = False


@dataclass(frozen=True)
class Drawing:
    """The elements of a drawing in the order of computing, and its arrows."""

    elements: tuple[Element, ...]
    links: tuple[Link, ...]


def drawing_of(graph: Graph, steps: int | None = None) -> Drawing:
    """The elements of a graph, folded or unrolled over that many steps."""
    once = _Elements(graph).drawing()
    return once if steps is None else _unrolled(once, steps)


class _Elements:
    """Collects the elements of one step."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.formulas = Formulas(graph, {})
        self.outputs = set(graph.outputs.values())
        self.split = not is_cell(graph)
        self.own = self._own_parameters()
        self.names = self._names()
        self.keys: dict[Node, str] = {}
        self.elements: list[Element] = []
        self.links: list[Link] = []
        # The values that a label calls by name.
        self.called: set[Node] = set()

    def drawing(self) -> Drawing:
        for node in self.graph.nodes:
            if isinstance(node, Input) or node in self.own:
                self._leaf(node)
            elif not isinstance(node, (Fixed, Number)):
                self._value(node)
        for name, node in self.graph.outputs.items():
            self._output(name, node)
        elements = [self._with_needed_name(element) for element in self.elements]
        return Drawing(tuple(elements), tuple(dict.fromkeys(self.links)))

    def _with_needed_name(self, element: Element) -> Element:
        """Without the name of an inner value that no label calls and that is no gate."""
        known = {name for node, name in self.names.items() if node in self.called}
        kept = element.kind in PLACES or element.name in known or element.name in self.graph.gates
        return element if kept else replace(element, name="")

    def _names(self) -> dict[Node, str]:
        """The values that labels call by name: inputs, and what the listing names."""
        names = {node: node.name for node in self.graph.inputs} | named(self.graph)
        for node in self.graph.steps:
            # Where a label would leave out two values, it calls them by names of their own.
            unnamed = [arg for arg in self._values_of(node) if arg not in names]
            if len(unnamed) > 1 and not self._is_plain(node):
                for arg in unnamed:
                    names[arg] = fresh("t", names.values())
        return names

    def _own_parameters(self) -> set[Node]:
        """The fixed values that are elements."""
        users = Counter(arg for node in self.graph.steps for arg in dict.fromkeys(node.args))
        fixed = {node: count for node, count in users.items() if isinstance(node, Fixed)}
        return {node for node, count in fixed.items() if self.split or count > 1}

    def _leaf(self, node: Node) -> None:
        if isinstance(node, Input):
            kind = "state" if node.name in self.graph.outputs else "input"
            self._add(node, kind, node.name, node.name)
        else:
            # A product does not tell W from its transpose, which the sizes do.
            shown = node.args[0] if is_transpose(node) and self.split else node
            self._add(node, "parameter", self.formulas.written(shown))

    def _value(self, node: Node) -> None:
        if isinstance(node, Affine) and self.split:
            self._product_and_sum(node)
            return
        name = self.names.get(node, "") if node not in self.outputs else ""
        target = self._add(node, _KINDS[type(node)], self._text(node), name)
        given = [arg for arg in dict.fromkeys(node.args) if self._is_element(arg)]
        self.links += [Link(self.keys[arg], target) for arg in given]

    def _values_of(self, node: Node) -> list[Node]:
        """The different values that arrows bring to a node, parameters left out."""
        fixed = (Fixed, Number)
        return [arg for arg in dict.fromkeys(node.args) if not isinstance(arg, fixed)]

    def _product_and_sum(self, node: Affine) -> None:
        """matmul, then + where there is a bias."""
        name = self.names.get(node, "") if node not in self.outputs else ""
        bare = node.bias is None
        product = self._add(node, "map", "matmul", name if bare else "")
        self.links += [Link(self.keys[part], product) for part in (node.matrix, node.vector)]
        if node.bias is not None:
            total = self._add(node, "function", "+", name)
            self.links += [Link(product, total), Link(self.keys[node.bias], total)]

    def _output(self, name: str, node: Node) -> None:
        text = output_name(self.graph, name)
        if not self._is_element(node):
            text = f"{text} = {self.formulas.written(node)}"
        key = self._key()
        self.elements.append(Element(key, "output", text, node.size, name))
        if self._is_element(node):
            self.links.append(Link(self.keys[node], key))
        given = next((n for n in self.graph.inputs if n.name == name and n in self.keys), None)
        if given is not None:
            self.links.append(Link(key, self.keys[given], delayed=True))

    def _is_element(self, node: Node) -> bool:
        return node in self.own or not isinstance(node, (Fixed, Number))

    def _add(self, node: Node, kind: str, text: str, name: str = "") -> str:
        key = self._key()
        self.elements.append(Element(key, kind, text, node.size, name))
        self.keys[node] = key
        return key

    def _key(self) -> str:
        return f"n{len(self.elements)}"

    def _text(self, node: Node) -> str:
        """The function's sign, or the formula of the values that it is applied to."""
        if isinstance(node, Slice):
            return f"[{node.start}:{node.start + node.size}]"
        if isinstance(node, Reduce):
            return node.kind
        if spread(node) is not None:
            return f"repeat {node.size}"
        if isinstance(node, Pointwise) and self._is_plain(node):
            return SIGNS.get(node.function.name, node.function.name)
        if isinstance(node, Pointwise) and _is_square(node):
            return "square"
        given = self._values_of(node)
        called = {arg: self.names.get(arg, _UNNAMED) for arg in given}
        self.called.update(given)
        formulas = self.formulas.renamed(called)
        if isinstance(node, Affine):
            bias = [f"+ {formulas.written(node.bias)}"] if node.bias is not None else []
            return "\n".join([_without_unnamed(formulas.product(node)), *bias])
        return _without_unnamed(formulas.definition(node))

    def _is_plain(self, node: Node) -> bool:
        """Whether a function's sign says all: distinct operands by arrows, in any order."""
        if not isinstance(node, Pointwise):
            return False
        distinct = set(node.operands)
        by_arrow = all(self._is_element(operand) for operand in distinct)
        free = node.function.commutes or len(node.operands) == 1
        return by_arrow and free and len(distinct) == len(node.operands)


def _is_square(node: Pointwise) -> bool:
    return node.function.name == "mul" and len(set(node.operands)) == 1


def _without_unnamed(formula: str) -> str:
    """A formula as an operation on what an arrow brings: "W" of W v, "1 -" of 1 - v."""
    operation = formula
    for sign in ("*", "+"):
        # The operands of these are in any order, and the sign comes first.
        for piece in (f" {sign} {_UNNAMED}", f"{_UNNAMED} {sign} "):
            if piece in operation:
                operation = f"{sign} {operation.replace(piece, '')}"
    operation = re.sub(rf"\[{_UNNAMED} (.+)\]|\[(.+) {_UNNAMED}\]", r"\1\2", operation)
    operation = operation.removeprefix(f"{_UNNAMED} ").removesuffix(f" {_UNNAMED}")
    return _signed(operation.replace(_UNNAMED, MIDDLE))


def _signed(formula: str) -> str:
    """With the signs of mathematics; the minus of 1e-05 stays."""
    times = re.sub(r"(?<!\S)\*(?!\S)", TIMES, formula)
    return re.sub(r"(?<!\w)-", MINUS, times)


_KINDS: Mapping[type[Node], str] = {
    Affine: "map",
    Pointwise: "function",
    Slice: "shape",
    Concat: "shape",
    Reduce: "reduction",
}


def _unrolled(once: Drawing, steps: int) -> Drawing:
    """Copies of a step, the state of each given by the one before; parameters are shared."""
    carried = {link.target: link.source for link in once.links if link.delayed}
    elements = [replace(e, text=f"{e.name}(0)", step=0) for e in once.elements if e.key in carried]
    elements += [e for e in once.elements if e.kind == "parameter"]
    links: list[Link] = []
    current = {e.key: e.key for e in elements}
    for step in range(1, steps + 1):
        for element in once.elements:
            if element.key not in carried and element.kind != "parameter":
                elements.append(_at_step(element, step))
                current[element.key] = elements[-1].key
        forward = [link for link in once.links if not link.delayed]
        links += [replace(k, source=current[k.source], target=current[k.target]) for k in forward]
        # What this step has computed is the state of the next.
        current |= {given: current[made] for given, made in carried.items()}
    return Drawing(tuple(elements), tuple(links))


def _at_step(element: Element, step: int) -> Element:
    text = f"{element.name}({step})" if element.kind in ("input", "output") else element.text
    return replace(element, key=f"{element.key}_{step}", text=text, step=step)
