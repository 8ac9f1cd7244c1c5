"""Mermaid and Graphviz."""

import re

import pytest

from graph.drawn import LISTED, graph_of
from unrolled.graph import Graph
from unrolled.graph.build import Builder
from unrolled.graph.drawing.operators import dot, mermaid
from unrolled.graph.drawing.operators.elements import drawing_of

_MERMAID_NODE = re.compile(r'(\w+)(?:\(\("|\["|\(\[")[^"]*(?:"\)\)|"\]|"\]\)):::\w+')
_MERMAID_LINK = re.compile(r'(\w+) (?:-->|-\.->\|"delay"\|) (\w+)')
_DOT_NODE = re.compile(r'(\w+) \[label="(?:[^"\\]|\\.)*", shape=\w+, fillcolor="#\w{6}"\]')
_DOT_LINK = re.compile(r'(\w+) -> (\w+)(?: \[label="delay", style=dashed, constraint=false\])?')


def _odd() -> Graph:
    """A graph whose names hold what the two languages treat as their own."""
    ops = Builder()
    x, h = ops.input("x", 4), ops.input("h", 4)
    weight = ops.parameter('a "quoted" #1 <b>\\n', (4, 4))
    made = ops.select(ops.less(h, 0), ops.affine(weight, x), h)
    return Graph(name='say "h"', inputs=(x, h), outputs={"h": made})


@pytest.mark.parametrize("steps", [None, 2])
@pytest.mark.parametrize("name", [*LISTED, "odd"])
def test_mermaid_is_a_flowchart(name: str, steps: int | None) -> None:
    made = _odd() if name == "odd" else graph_of(name)
    first, *lines = [line.strip() for line in mermaid(made, steps).splitlines()]
    assert first == "flowchart LR"
    other = re.compile(r'subgraph step\d+ \["t = \d+"\]|end|classDef \w+ fill:#\w+,.*')
    nodes = [m[1] for line in lines if (m := _MERMAID_NODE.fullmatch(line))]
    links = [m.groups() for line in lines if (m := _MERMAID_LINK.fullmatch(line))]
    rest = [line for line in lines if not _MERMAID_NODE.fullmatch(line)]
    assert all(_MERMAID_LINK.fullmatch(line) or other.fullmatch(line) for line in rest)
    _check_markup(nodes, links, made, steps)
    assert sum(line.startswith("subgraph") for line in lines) == lines.count("end") == (steps or 0)


@pytest.mark.parametrize("steps", [None, 2])
@pytest.mark.parametrize("name", [*LISTED, "odd"])
def test_dot_is_a_digraph(name: str, steps: int | None) -> None:
    made = _odd() if name == "odd" else graph_of(name)
    text = dot(made, steps)
    first, *lines = [line.strip() for line in text.splitlines()]
    assert re.fullmatch(r'digraph "(?:[^"\\]|\\.)*" \{', first)
    other = re.compile(r'subgraph cluster_\d+ \{|\}|label="t = \d+"|rankdir=LR|node \[.*\]')
    nodes = [m[1] for line in lines if (m := _DOT_NODE.fullmatch(line))]
    nodes = [node for node in nodes if node != "node"]
    links = [m.groups() for line in lines if (m := _DOT_LINK.fullmatch(line))]
    rest = [line for line in lines if not _DOT_NODE.fullmatch(line)]
    assert all(_DOT_LINK.fullmatch(line) or other.fullmatch(line) for line in rest)
    _check_markup(nodes, links, made, steps)
    assert lines.count("}") == 1 + (steps or 0)


def _check_markup(nodes, links, made: Graph, steps: int | None) -> None:
    """Every element is declared once and every link is between declared ones."""
    drawing = drawing_of(made, steps)
    assert sorted(nodes) == sorted(element.key for element in drawing.elements)
    assert sorted(links) == sorted((link.source, link.target) for link in drawing.links)
