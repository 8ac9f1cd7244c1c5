"""Steps from inside: gates, the state line, what comes and goes."""

from dataclasses import replace

import pytest

from graph.drawn import (
    AFTER,
    BEFORE,
    CELLS,
    NOW,
    SIGMA,
    TIMES,
    at,
    edges,
    figure,
    graph_of,
    texts,
)
from unrolled.graph.drawing.picture import Picture, geometry


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
        ("lstm", [TIMES, "$+$"]),
        ("gru", [TIMES, "$+$"]),
        ("leaky", ["${\N{MULTIPLICATION SIGN}}0.9$", "$+$"]),
        ("minimal", [TIMES, "$+$"]),
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
        (SIGMA, TIMES, ""),
        ("tanh", TIMES, ""),
        (TIMES, "$+$", ""),
    } == drawn
    boxes = [s.text for s in figure("lstm", None).shapes if s.kind == "box"]
    assert sorted(boxes) == [SIGMA] * 3 + ["tanh"]


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


def test_rising_lines_of_different_blocks_share_no_stretch() -> None:
    """i and g of this cell read m over the heads of f and i: not on the level of i times g."""
    picture = figure("multiplicative", None)
    levels = {shape.centre[1]: shape.text for shape in picture.shapes if shape.text == TIMES}
    assert len(levels) == 4


def test_outputs_that_no_step_reads_leave_every_step() -> None:
    circles = texts(figure("unread", 3))
    times = (BEFORE, NOW, AFTER)
    assert sorted(circles) == sorted(at(name, time) for name in "xhd" for time in times)
    arrows = [line for line in figure("unread", None).lines if line.head and line.label]
    assert {line.label.text for line in arrows if line.label} == {at("h", NOW), at("d", NOW)}


def test_a_value_kept_within_bounds_is_one_block() -> None:
    boxes = texts(figure("hard", None), "box")
    assert sorted(boxes) == ["clip $-1$, $1$", "clip $-3$, $3$"]


def test_a_coefficient_is_written_as_what_it_is() -> None:
    """As a short formula, or else by its name in the listing."""
    operators = texts(figure("decaying", None), "operator")
    rate, slope = (rf"\mathbf{{{name}}}" for name in ("rate", "slope"))
    assert rf"${TIMES[1:-1].join('{}')}\mathrm{{exp}}({{-}}\mathrm{{exp}}({rate}))$" in operators
    assert rf"${TIMES[1:-1].join('{}')}0.01\,{slope}$" in operators
    gain = next(
        line.split(" = ")[0].strip()
        for line in str(graph_of("decaying")).splitlines()
        if "= sigmoid" in line
    )
    assert rf"${TIMES[1:-1].join('{}')}\mathbf{{{gain}}}$" in operators


@pytest.mark.parametrize("name", ["matrix", "readouts", "stacked"])
@pytest.mark.parametrize("steps", [None, 3])
@pytest.mark.parametrize("around", ["", " in network"])
def test_every_component_of_the_state_appears(name: str, steps: int | None, around: str) -> None:
    picture = figure(name + around, steps)
    written = [text.text for text in (*picture.shapes, *picture.texts, *picture.labels)]
    for component in CELLS[name]().state_sizes:
        assert any(text.startswith(rf"$\mathbf{{{component}}}") for text in written), component


def test_no_state_runs_along_the_top_through_a_nonlinearity() -> None:
    picture = figure("stacked", None)
    boxes = [shape for shape in picture.shapes if shape.kind == "box"]
    assert [shape.text for shape in boxes] == ["tanh", "tanh"]
    for box in boxes:
        room = replace(box, width=box.width + 0.2, height=box.height - 0.1)
        for line in picture.lines:
            if not any(end in boxes for end in line.ends):
                places = [geometry.along(line.points, part / 100)[0] for part in range(101)]
                assert not any(map(room.holds, places))


def test_an_arrow_leads_from_x_into_every_step() -> None:
    picture = figure("lstm", 3)
    inputs = [shape for shape in picture.shapes if shape.kind == "circle"]
    heads = [line.head for line in picture.lines if line.ends[0] in inputs]
    # The line into the step in detail goes on inside.
    assert sorted(heads) == [False, True, True]
