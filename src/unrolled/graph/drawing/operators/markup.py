"""A graph's operators as text for other programs to draw: Mermaid and Graphviz.

Mermaid is drawn by GitHub, GitLab, Jupyter and most documentation systems; Graphviz by `dot`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...graph import Graph
from ..picture import FILLS as COLOURS
from ..picture import INK
from .elements import FILLS, PLACES, Drawing, Element, Link, drawing_of

# Of the kinds that are no plain boxes.
_MERMAID_SHAPES = {**dict.fromkeys(PLACES, ('(("', '"))')), "function": ('(["', '"])')}
_DOT_SHAPES = {**dict.fromkeys(PLACES, "circle"), "function": "ellipse"}


def mermaid(graph: Graph, steps: int | None = None) -> str:
    """A Mermaid flowchart of the graph, folded or unrolled over that many steps."""
    drawing = drawing_of(graph, steps)
    lines = ["flowchart LR"]
    for step, elements in _by_step(drawing):
        inside = [f"  {_mermaid_node(element)}" for element in elements]
        if step:
            lines += [f'  subgraph step{step} ["t = {step}"]', *_indented(inside), "  end"]
        else:
            lines += inside
    lines += [f"  {_mermaid_link(link)}" for link in drawing.links]
    for kind, fill in FILLS.items():
        lines.append(f"  classDef {kind} fill:{COLOURS[fill]},stroke:{INK},color:{INK}")
    return "\n".join(lines) + "\n"


def dot(graph: Graph, steps: int | None = None) -> str:
    """The graph in Graphviz' language, folded or unrolled over that many steps."""
    drawing = drawing_of(graph, steps)
    lines = [f"digraph {_dot_text(graph.name)} {{", "  rankdir=LR", '  node [style="filled"]']
    for step, elements in _by_step(drawing):
        inside = [f"  {_dot_node(element)}" for element in elements]
        if step:
            title = f"    label={_dot_text(f't = {step}')}"
            lines += [f"  subgraph cluster_{step} {{", title, *_indented(inside), "  }"]
        else:
            lines += inside
    lines += [f"  {_dot_link(link)}" for link in drawing.links]
    return "\n".join([*lines, "}"]) + "\n"


def _by_step(drawing: Drawing) -> list[tuple[int, list[Element]]]:
    """The elements of every step; step 0 holds those that belong to none."""
    steps = sorted({element.step or 0 for element in drawing.elements})
    return [(s, [e for e in drawing.elements if (e.step or 0) == s]) for s in steps]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _label(element: Element, escaped: Callable[[str], str], line_break: str) -> str:
    """The text with the size of what comes and goes, and the name of a gate."""
    text = element.text
    if element.kind in PLACES:
        text = f"{text} [{element.size}]"
    elif element.name:
        text = f"{element.name} = {text}"
    return line_break.join(escaped(line) for line in text.split("\n"))


def _mermaid_node(element: Element) -> str:
    start, end = _MERMAID_SHAPES.get(element.kind, ('["', '"]'))
    label = _label(element, _mermaid_escaped, "<br>")
    return f"{element.key}{start}{label}{end}:::{element.kind}"


def _mermaid_link(link: Link) -> str:
    arrow = '-.->|"delay"|' if link.delayed else "-->"
    return f"{link.source} {arrow} {link.target}"


def _mermaid_escaped(text: str) -> str:
    # An entity is written with # in place of &, and so # itself comes first.
    for character, entity in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        text = text.replace(character, entity)
    return text.replace("`", "#96;")


def _dot_node(element: Element) -> str:
    label = _label(element, _dot_escaped, "\\n")
    shape, fill = _DOT_SHAPES.get(element.kind, "box"), COLOURS[FILLS[element.kind]]
    return f'{element.key} [label="{label}", shape={shape}, fillcolor="{fill}"]'


def _dot_link(link: Link) -> str:
    # A delayed arrow leads back, so it takes no part in the ranking.
    options = ' [label="delay", style=dashed, constraint=false]' if link.delayed else ""
    return f"{link.source} -> {link.target}{options}"


def _dot_text(text: str) -> str:
    return f'"{_dot_escaped(text)}"'


def _dot_escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
