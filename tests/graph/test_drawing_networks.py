"""Networks in a row: what they hold and join."""

import pytest

import unrolled as ur
from graph.drawn import AFTER, BEFORE, NOW, U, V, W, at, edges, figure, graph_of, texts
from unrolled.graph import graph
from unrolled.graph.drawing import picture_of
from unrolled.graph.drawing.networks import folded_and_unrolled
from unrolled.graph.drawing.picture import Shape


@pytest.mark.parametrize("steps", [1, 2, 4])
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


def test_two_recurrences_of_an_output_that_feeds_back_are_refused() -> None:
    with pytest.raises(ValueError, match="Jordan, whose output feeds back"):
        picture_of(graph_of("jordan"), network="bidirectional")


@pytest.mark.parametrize(
    ("name", "box", "carried"),
    [
        ("gru", "GRU", "h"),
        ("lstm", "LSTM", "hc"),
        ("minimal", "Minimal", "h"),
    ],
)
def test_a_cell_of_several_layers_is_a_box_with_its_name(name, box, carried) -> None:
    picture = figure(f"{name} in network", 3)
    drawn = edges(picture)
    assert texts(picture, "box").count(box) == 3
    assert {(box, at("o", NOW), V), (at("o", NOW), at("L", NOW), "")} <= drawn
    assert not [edge for edge in drawn if edge[2] == W]
    labels = {label.text for label in picture.labels}
    assert {at(state, time) for state in carried for time in (BEFORE, NOW)} <= labels
    # One U for the several maps of x would name none of them.
    assert U not in labels


@pytest.mark.parametrize("draw", [picture_of, folded_and_unrolled])
def test_a_network_whose_output_feeds_back_is_drawn_as_its_cell(draw) -> None:
    cell = ur.cells.Jordan(3, 4, 2)
    alone, network = draw(graph(cell), 3), draw(graph(ur.nn.Network(cell)), 3)
    assert texts(network) == texts(alone)
    assert edges(network) == edges(alone)


@pytest.mark.parametrize("name", ["elman", "leaky"])
def test_a_cell_of_one_layer_is_a_circle_in_a_network(name: str) -> None:
    drawn = edges(figure(f"{name} in network", 3))
    assert {(at("h", BEFORE), at("h", NOW), W), (at("x", NOW), at("h", NOW), U)} <= drawn


@pytest.mark.parametrize("draw", [picture_of, folded_and_unrolled])
def test_a_network_that_reads_the_last_step_is_drawn_so_by_itself(draw) -> None:
    made = graph(ur.nn.Network(ur.cells.Elman(3, 4), 2, at="last"))
    assert texts(draw(made, 3)) == texts(draw(made, 3, network="last"))
    assert texts(draw(made, 3)).count(at("o", NOW)) == 0
    assert texts(draw(made, 3, network="every")).count(at("o", NOW)) == 1
