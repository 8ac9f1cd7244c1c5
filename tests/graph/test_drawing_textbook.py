"""Textbook drawings: what they hold and join, that nothing in them collides, their files."""

import ast
import os
from dataclasses import replace
from functools import cache
from itertools import combinations, zip_longest
from pathlib import Path

import matplotlib
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import nn

import unrolled as ur
from unrolled.graph import Graph, drawing, graph
from unrolled.graph.drawing import draw, geometry, painting, picture_of
from unrolled.graph.drawing.networks import folded_and_unrolled
from unrolled.graph.drawing.picture import Picture, Shape


class Leaky(ur.Cell):
    def __init__(self) -> None:
        super().__init__(3, {"h": 4})
        self.input, self.recurrent = nn.Linear(3, 4), nn.Linear(4, 4, bias=False)

    def step(self, x, h):
        return (0.9 * h + 0.1 * torch.tanh(self.input(x) + self.recurrent(h)),)


class Minimal(ur.Cell):
    def __init__(self) -> None:
        super().__init__(3, {"h": 4})
        self.forget, self.new = nn.Linear(7, 4), nn.Linear(7, 4)

    def step(self, x, h):
        forget = torch.sigmoid(self.forget(torch.cat([x, h], -1)))
        new = torch.tanh(self.new(torch.cat([x, forget * h], -1)))
        return ((1 - forget) * h + forget * new,)


class Peephole(ur.Cell):
    def __init__(self) -> None:
        super().__init__(3, {"h": 4, "c": 4})
        self.input, self.recurrent = nn.Linear(3, 16), nn.Linear(4, 16, bias=False)
        self.peep = nn.Parameter(torch.randn(3, 4))

    def step(self, x, h, c):
        i, f, g, o = (self.input(x) + self.recurrent(h)).chunk(4, -1)
        i, f = torch.sigmoid(i + self.peep[0] * c), torch.sigmoid(f + self.peep[1] * c)
        c = f * c + i * torch.tanh(g)
        return torch.sigmoid(o + self.peep[2] * c) * torch.tanh(c), c


class Normalised(ur.Cell):
    """Three components, one line along the top and two below."""

    def __init__(self) -> None:
        super().__init__(3, {"h": 4, "c": 4, "n": 4})
        self.input, self.recurrent = nn.Linear(3, 16), nn.Linear(4, 16, bias=False)

    def step(self, x, h, c, n):
        i, f, g, o = (self.input(x) + self.recurrent(h)).chunk(4, -1)
        i, f = torch.exp(i), torch.sigmoid(f)
        c, n = f * c + i * torch.tanh(g), f * n + i
        return torch.sigmoid(o) * c / n, c, n


class Multiplicative(ur.Cell):
    """An inner value that every gate reads, one of them beyond an operator of its level."""

    def __init__(self) -> None:
        super().__init__(3, {"h": 4, "c": 4})
        self.input, self.recurrent = nn.Linear(3, 4), nn.Linear(4, 4, bias=False)
        self.drive, self.inner = nn.Linear(3, 16), nn.Linear(4, 16, bias=False)

    def step(self, x, h, c):
        m = self.input(x) * self.recurrent(h)
        i, f, g, o = (self.drive(x) + self.inner(m)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class Autonomous(ur.Cell):
    def __init__(self) -> None:
        super().__init__(0, {"s": 2})
        self.matrix = nn.Linear(2, 2)

    def step(self, x, s):
        return (s + 0.1 * self.matrix(s),)


class LongNames(ur.Cell):
    def __init__(self) -> None:
        super().__init__(3, {"memory_slow": 4})
        self.input, self.recurrent = nn.Linear(3, 4), nn.Linear(4, 4)

    def step(self, x, memory):
        return (torch.tanh(self.input(x) + self.recurrent(memory)),)


class OddNames(ur.Cell):
    """Names that are not mathematics, and an input that the state line takes up as it is."""

    def __init__(self) -> None:
        super().__init__(4, {"50% of {a}": 4, "$b^2_x y": 4})

    def step(self, x, a, b):
        return x + 0.5 * a, torch.tanh(a * b)


class Deep(ur.Cell):
    """More blocks than a drawing from inside takes."""

    def __init__(self) -> None:
        super().__init__(3, {"h": 4, "c": 4})
        self.input = nn.Linear(3, 4)

    def step(self, x, h, c):
        for _ in range(15):
            h = torch.sin(h) * c
        return h + self.input(x), c + h


CELLS = {
    "elman": lambda: ur.cells.Elman(3, 4),
    "jordan": lambda: ur.cells.Jordan(3, 4, 2),
    "jordan softmax": lambda: ur.cells.Jordan(3, 4, 2, output="softmax"),
    "lstm": lambda: ur.cells.LSTM(3, 4),
    "gru": lambda: ur.cells.GRU(3, 4),
    "gru before": lambda: ur.cells.GRU(3, 4, reset_after=False),
    "leaky": Leaky,
    "minimal": Minimal,
    "peephole": Peephole,
    "normalised": Normalised,
    "multiplicative": Multiplicative,
    "autonomous": Autonomous,
    "long names": LongNames,
    "odd names": OddNames,
    "deep": Deep,
}
# Cell, steps, network; "+ o" adds a readout.
FIGURES = [
    ("elman", None, "every"),
    ("elman", 3, "every"),
    ("elman + o", None, "every"),
    ("elman + o", 1, "every"),
    ("elman + o", 3, "every"),
    ("elman", None, "last"),
    ("elman", 4, "last"),
    ("elman", None, "bidirectional"),
    ("elman", 3, "bidirectional"),
    ("elman", None, "encoder-decoder"),
    ("elman", 3, "encoder-decoder"),
    ("jordan", None, "every"),
    ("jordan", 3, "every"),
    ("jordan softmax", 2, "every"),
    ("jordan", 3, "last"),
    ("lstm", None, "every"),
    ("lstm", 3, "every"),
    ("lstm + o", None, "every"),
    ("lstm + o", 3, "every"),
    ("gru", None, "every"),
    ("gru", 2, "every"),
    ("gru before", None, "every"),
    ("leaky", None, "every"),
    ("minimal", None, "every"),
    ("peephole", None, "every"),
    ("normalised", None, "every"),
    ("normalised", 3, "every"),
    ("multiplicative", None, "every"),
    ("autonomous", None, "every"),
    ("long names", 3, "every"),
    ("long names", 2, "bidirectional"),
    ("odd names", None, "every"),
    ("odd names", 3, "every"),
    ("lstm", 1, "every"),
    ("deep", 2, "every"),
]


@cache
def graph_of(name: str) -> Graph:
    cell, _, readout = name.partition(" + ")
    made = graph(CELLS[cell]())
    return with_readout(made) if readout else made


def with_readout(cell: Graph) -> Graph:
    h = cell.outputs["h"]
    o = h.ops.affine(h.ops.parameter("V", (2, h.size)), h, h.ops.parameter("c", (2,)))
    return replace(cell, outputs={**cell.outputs, "o": o})


@cache
def figure(name: str, steps: int | None, network: str = "every") -> Picture:
    return picture_of(graph_of(name), steps, network=network)


def texts(picture: Picture, kind: str = "circle") -> list[str]:
    return [shape.text for shape in picture.shapes if shape.kind == kind]


def edges(picture: Picture) -> set[tuple[str, str, str]]:
    """(from, to, label) of the lines between two shapes."""
    return {
        (line.ends[0].text, line.ends[1].text, line.label.text if line.label else "")
        for line in picture.lines
        if isinstance(line.ends[0], Shape) and isinstance(line.ends[1], Shape)
    }


def at(name: str, time: str) -> str:
    letter = name if name == "L" else rf"\mathbf{{{name}}}"
    return f"${letter}^{{({time})}}$"


BEFORE, NOW, AFTER = "t{-}1", "t", "t{+}1"
U, V, W = (rf"$\mathbf{{{letter}}}$" for letter in "UVW")


# What a drawing holds


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_every_step_has_its_circles(steps: int) -> None:
    circles = texts(figure("elman + o", steps))
    for row in "xhoLy":
        drawn = [text for text in circles if text.startswith(at(row, "")[:-4])]
        assert len(drawn) == steps + 2 * (row == "h"), row
        assert at(row, NOW) in drawn


def test_elman_recurs_from_the_hidden_state() -> None:
    drawn = edges(figure("elman + o", 3))
    assert {
        (at("x", NOW), at("h", NOW), U),
        (at("h", NOW), at("o", NOW), V),
        (at("h", BEFORE), at("h", NOW), W),
        (at("h", NOW), at("h", AFTER), W),
        (at("o", NOW), at("L", NOW), ""),
        (at("y", NOW), at("L", NOW), ""),
        (at("h", r"\ldots"), at("h", BEFORE), W),
        (at("h", AFTER), at("h", r"\ldots"), W),
    } <= drawn


def test_jordan_recurs_from_the_output() -> None:
    drawn = edges(figure("jordan", 3))
    assert (at("o", BEFORE), at("h", NOW), W) in drawn
    assert (at("o", NOW), at("h", AFTER), W) in drawn
    assert not [edge for edge in drawn if edge[:2] == (at("h", BEFORE), at("h", NOW))]


def test_a_squashed_output_feeds_back_as_an_estimate_of_y() -> None:
    starts = {start for start, _, label in edges(figure("jordan softmax", 2)) if label == W}
    assert r"$\hat{\mathbf{y}}^{(t)}$" in starts


def test_a_cell_without_readout_has_inputs_and_states_only() -> None:
    assert texts(figure("elman", 1)) == [at("h", NOW), at("x", NOW)] + [at("h", r"\ldots")] * 2


def test_folded_recurrences_lead_through_a_delay() -> None:
    for name, source in (("elman + o", r"$\mathbf{h}$"), ("jordan", r"$\mathbf{o}$")):
        picture = figure(name, None)
        (delay,) = (shape for shape in picture.shapes if shape.kind == "delay")
        (out,) = (line for line in picture.lines if line.ends[1] is delay)
        (back,) = (line for line in picture.lines if line.ends[0] is delay)
        circles = {shape.text: shape for shape in picture.shapes if shape.kind == "circle"}
        assert nearest(circles, out.points[0]) == source
        assert nearest(circles, back.points[-1]) == r"$\mathbf{h}$"
        assert W in [text.text for text in picture.texts]


def nearest(circles: dict[str, Shape], point: tuple[float, float]) -> str:
    return min(circles, key=lambda text: abs(complex(*point) - complex(*circles[text].centre)))


def test_one_output_at_the_last_step() -> None:
    circles = texts(figure("elman", 4, "last"))
    of_output = [text for text in circles if not text.startswith((r"$\mathbf{x}", r"$\mathbf{h}"))]
    assert of_output == [at(row, r"\tau") for row in "oLy"]
    assert len([text for text in circles if text.startswith(r"$\mathbf{x}")]) == 4


def test_bidirectional_states_run_both_ways_into_the_output() -> None:
    drawn = edges(figure("elman", 3, "bidirectional"))
    assert (at("h", BEFORE), at("h", NOW), r"$\mathbf{W}_{h}$") in drawn
    assert (at("g", AFTER), at("g", NOW), r"$\mathbf{W}_{g}$") in drawn
    assert {(at("h", NOW), at("o", NOW), ""), (at("g", NOW), at("o", NOW), "")} <= drawn


def test_encoder_hands_its_last_state_to_every_step_of_the_decoder() -> None:
    drawn = edges(figure("elman", 3, "encoder-decoder"))
    assert (at("h", "n_x"), "$C$", "") in drawn
    assert {end for start, end, _ in drawn if start == "$C$"} == {
        at("s", time) for time in ("1", "2", "n_y")
    }


def test_a_cell_of_two_components_has_two_lines_between_steps() -> None:
    labels = [text.text for text in figure("lstm + o", 3).labels]
    assert {at(name, time) for name in "hc" for time in (BEFORE, NOW)} <= set(labels)


def test_folded_beside_unrolled_holds_both() -> None:
    both = folded_and_unrolled(graph_of("elman + o"), 3)
    parts = texts(figure("elman + o", None)) + texts(figure("elman + o", 3))
    assert sorted(texts(both)) == sorted(parts)
    assert "unfold" in [text.text for text in both.labels]


# From inside


def names_of_gates(picture: Picture) -> list[str]:
    """Names beside the boxes, from left to right."""
    small = [text for text in picture.texts if text.font == 9]
    return [text.text for text in sorted(small, key=lambda text: text.centre[0])]


@pytest.mark.parametrize(
    ("name", "gates"), [("lstm", "figo"), ("gru", "zrn"), ("gru before", "zrn"), ("leaky", "")]
)
def test_gates_carry_their_names(name: str, gates: str) -> None:
    assert names_of_gates(figure(name, None)) == [rf"$\mathbf{{{gate}}}$" for gate in gates]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("lstm", [r"$\times$", "$+$"]),
        ("gru", [r"$\times$", "$+$"]),
        ("leaky", [r"${\times}0.9$", "$+$"]),
        ("minimal", [r"$\times$", "$+$"]),
        ("autonomous", ["$+$"]),
    ],
)
def test_the_state_line_runs_along_the_top(name: str, line: list[str]) -> None:
    operators = [shape for shape in figure(name, None).shapes if shape.kind == "operator"]
    top = max(shape.centre[1] for shape in operators)
    along = sorted((s for s in operators if s.centre[1] == top), key=lambda s: s.centre[0])
    assert [shape.text for shape in along] == line


def test_lstm_blocks_are_joined_as_its_equations_say() -> None:
    drawn = edges(figure("lstm", None))
    assert {
        (r"$\sigma$", r"$\times$", ""),
        (r"$\tanh$", r"$\times$", ""),
        (r"$\times$", "$+$", ""),
    } == drawn
    boxes = [s.text for s in figure("lstm", None).shapes if s.kind == "box"]
    assert sorted(boxes) == [r"$\sigma$"] * 3 + [r"$\tanh$"]


def test_unrolled_details_the_middle_step_alone() -> None:
    picture = figure("lstm", 3)
    assert texts(picture, "box").count("LSTM") == 2
    assert len(picture.frames) == 1
    assert texts(picture) == [at("x", time) for time in (BEFORE, NOW, AFTER)]
    for state in "hc":
        labels = [text.text for text in picture.labels if rf"\mathbf{{{state}}}" in text.text]
        assert labels == [at(state, time) for time in ("t{-}2", BEFORE, NOW, AFTER)]


def test_a_large_cell_is_one_box() -> None:
    assert texts(figure("deep", 2), "box").count("Deep") == 2


# Nothing collides


@pytest.mark.parametrize(("name", "steps", "network"), FIGURES)
def test_nothing_written_collides(name: str, steps: int | None, network: str) -> None:
    picture = figure(name, steps, network)
    boxes = rendered(name, steps, network)
    for (one, first), (other, second) in combinations(boxes, 2):
        assert not first.overlaps(second), f"{one} over {other}"
    # The texts of shapes are painted first, in the order of the shapes.
    holders = [shape for shape in picture.shapes if shape.text]
    for (text, box), own in zip_longest(boxes, holders):
        below = [shape for shape in picture.shapes if box.overlaps(extents(shape))]
        assert below == ([own] if own else []), f"{text} on {below}"
        assert not any(crosses(line.points, box) for line in picture.lines), f"line over {text}"


@pytest.mark.parametrize(("name", "steps", "network"), FIGURES)
def test_shapes_stand_apart_and_hold_their_text(name: str, steps: int | None, network: str) -> None:
    picture = figure(name, steps, network)
    for one, other in combinations(picture.shapes, 2):
        assert not one.overlaps(other), f"{one.text} over {other.text}"
    boxes = rendered(name, steps, network)
    for (_, box), shape in zip(boxes, filter(has_text, picture.shapes), strict=False):
        assert shape.left < box.x0
        assert box.x1 < shape.right
        assert shape.bottom < box.y0
        assert box.y1 < shape.top


def has_text(shape: Shape) -> bool:
    return bool(shape.text)


@pytest.mark.parametrize(("name", "steps", "network"), FIGURES)
def test_no_line_runs_through_a_shape(name: str, steps: int | None, network: str) -> None:
    picture = figure(name, steps, network)
    for line in picture.lines:
        places = [geometry.along(line.points, part / 100)[0] for part in range(2, 99)]
        for shape in picture.shapes:
            if shape not in line.ends:
                assert not any(map(shape.holds, places)), shape.text


def test_rising_lines_of_different_blocks_share_no_stretch() -> None:
    """i and g of this cell read m over the heads of f and i: not on the level of i times g."""
    picture = figure("multiplicative", None)
    levels = {shape.centre[1]: shape.text for shape in picture.shapes if shape.text == r"$\times$"}
    assert len(levels) == 4


@pytest.mark.parametrize(("name", "steps", "network"), FIGURES)
def test_arrows_end_on_the_border_of_what_they_lead_to(
    name: str, steps: int | None, network: str
) -> None:
    for line in figure(name, steps, network).lines:
        for end, point in zip(line.ends, (line.points[0], line.points[-1]), strict=True):
            if isinstance(end, Shape):
                # 1e-6 cm: the border is found by halving forty times.
                assert abs(complex(*end.border(point)) - complex(*point)) < 1e-6


@cache
def rendered(name: str, steps: int | None, network: str):
    """Every text with the box that its letters cover, in the picture's unit."""
    picture = figure(name, steps, network)
    with painting._style():
        page = painting.paint(picture)
        renderer = FigureCanvasAgg(page).get_renderer()
        axes = page.axes[0]
        turned = axes.transData.inverted()
        return [
            (text.get_text(), text.get_window_extent(renderer).transformed(turned))
            for text in axes.texts
        ]


def extents(shape: Shape):
    return matplotlib.transforms.Bbox.from_extents(shape.left, shape.bottom, shape.right, shape.top)


def crosses(points, box) -> bool:
    return matplotlib.path.Path(points).intersects_bbox(box, filled=False)


# Files and arguments


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_a_drawing_is_the_same_bytes_whatever_the_callers_settings(
    tmp_path: Path, suffix: str
) -> None:
    first = draw(graph_of("lstm"), tmp_path / f"first{suffix}")
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": "other", "text.color": "red"}):
        second = draw(graph_of("lstm"), tmp_path / f"second{suffix}")
    assert first.read_bytes() == second.read_bytes()


def test_a_drawing_leaves_the_callers_settings() -> None:
    before = dict(matplotlib.rcParams)
    painting.text_size.cache_clear()
    picture_of(graph_of("elman")).extent  # noqa: B018 - measuring is what could change them
    assert dict(matplotlib.rcParams) == before


def test_pages_are_no_wider_than_paper_until_letters_get_small() -> None:
    narrow, wide, endless = (painting.paint(figure("elman", n)) for n in (2, 6, 12))
    assert narrow.axes[0].texts[0].get_fontsize() == 11
    assert wide.get_figwidth() * 2.54 == pytest.approx(16)
    assert endless.axes[0].texts[0].get_fontsize() == 8
    assert endless.get_figwidth() * 2.54 > 16


def test_a_failure_leaves_neither_half_a_file_nor_a_temporary_one(tmp_path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("disk full")

    old = tmp_path / "cell.svg"
    old.write_text("old")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        draw(graph_of("elman"), old)
    assert [path.name for path in tmp_path.iterdir()] == ["cell.svg"]
    assert old.read_text() == "old"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "cell.jpg"}, r"cannot draw 'cell.jpg': the name must end in one of .svg, .png"),
        ({"steps": 0}, "steps must be a whole number from 1 up, or None, got 0"),
        ({"steps": 2.0}, "steps must be a whole number from 1 up, or None, got 2.0"),
        ({"steps": True}, "steps must be a whole number from 1 up, or None, got True"),
        ({"level": "textbok"}, "level is 'textbok'; did you mean 'textbook'"),
        ({"network": "bidirectonal"}, "did you mean 'bidirectional'"),
        ({"network": "last", "level": "operators"}, "leave out network|textbook"),
        ({"network": "last", "path": "cell.mmd"}, "leave out network"),
    ],
)
def test_a_bad_argument_is_named(tmp_path: Path, arguments: dict, message: str) -> None:
    path = tmp_path / arguments.pop("path", "cell.svg")
    with pytest.raises(ValueError, match=message) as raised:
        draw(graph_of("elman"), path, **arguments)
    assert "\n" not in str(raised.value)
    assert not path.exists()


def test_two_recurrences_of_an_output_that_feeds_back_are_refused() -> None:
    with pytest.raises(ValueError, match="Jordan, whose output feeds back"):
        picture_of(graph_of("jordan"), network="bidirectional")


def test_a_function_has_nothing_to_unroll() -> None:
    product = graph(lambda x, y: x * y, torch.ones(2), torch.ones(2))
    with pytest.raises(ValueError, match="carries no state"):
        picture_of(product, steps=2)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        draw(graph_of("elman"), tmp_path / "nowhere" / "cell.svg")


def test_matplotlib_is_imported_by_drawing_alone() -> None:
    for path in Path(drawing.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "matplotlib" not in ast.unparse(node), path.name
