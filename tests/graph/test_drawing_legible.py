"""No figure is muddled: texts, shapes and lines keep clear of each other."""

from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.path import Path
from matplotlib.transforms import Bbox

from graph.drawn import OPERATORS, TEXTBOOK, figure
from unrolled.graph.drawing.picture import Line, Rectangle, Shape, geometry, looks, painting

every_figure = pytest.mark.parametrize("drawn", [*TEXTBOOK, *OPERATORS], ids=str)


def lettering(shape: Shape) -> Rectangle:
    """What a shape's text covers."""
    return Rectangle(shape.centre, *looks.text_size(shape.text, shape.font))


def around(line: Line) -> Rectangle:
    """The smallest rectangle that holds a line, and a little, since a level line has no height."""
    held = Rectangle.around(Rectangle(point, 0, 0) for point in line.points)
    return Rectangle(held.centre, held.width + 0.02, held.height + 0.02)


@every_figure
def test_nothing_written_collides(drawn) -> None:
    picture = figure(*drawn)
    written = [*picture.texts, *picture.labels]
    rooms = [(line, around(line)) for line in picture.lines]
    for one, other in combinations(written, 2):
        assert not one.overlaps(other), f"{one.text} over {other.text}"
    for text in written:
        below = [shape.text for shape in picture.shapes if text.overlaps(shape)]
        assert not below, f"{text.text} on {below}"
        box = Bbox.from_extents(text.left, text.bottom, text.right, text.top)
        for line, room in rooms:
            if text.overlaps(room):
                crossed = Path(line.points).intersects_bbox(box, filled=False)
                assert not crossed, f"line over {text.text}"


@every_figure
def test_shapes_stand_apart_and_hold_their_text(drawn) -> None:
    picture = figure(*drawn)
    for one, other in combinations(picture.shapes, 2):
        assert not one.overlaps(other), f"{one.text} over {other.text}"
    for shape in picture.shapes:
        text = lettering(shape)
        assert shape.left < text.left
        assert text.right < shape.right
        assert shape.bottom < text.bottom
        assert text.top < shape.top


@every_figure
def test_lines_run_from_border_to_border_and_through_no_shape(drawn) -> None:
    picture = figure(*drawn)
    for line in picture.lines:
        for end, point in zip(line.ends, (line.points[0], line.points[-1]), strict=True):
            if isinstance(end, Shape):
                # 1e-6 cm: the border is found by halving forty times.
                assert abs(complex(*end.border(point)) - complex(*point)) < 1e-6
        room = around(line)
        others = [s for s in picture.shapes if s.overlaps(room) and s not in line.ends]
        places = [geometry.along(line.points, part / 50)[0] for part in range(1, 50) if others]
        for shape in others:
            assert not any(map(shape.holds, places)), shape.text


@pytest.mark.parametrize(
    "drawn", [("odd names", None), ("lstm", None, "every", "operators")], ids=str
)
def test_letters_cover_what_the_picture_reckons_with(drawn) -> None:
    """The other tests go by sizes measured beforehand; here letters are painted."""
    picture = figure(*drawn)
    reckoned = [(shape.text, lettering(shape)) for shape in picture.shapes if shape.text]
    reckoned += [(text.text, text) for text in (*picture.texts, *picture.labels)]
    with looks.style():
        page = painting.paint(picture)
        page.set_dpi(720)
        renderer, axes = FigureCanvasAgg(page).get_renderer(), page.axes[0]
        turned = axes.transData.inverted()
        for text, (name, box) in zip(axes.texts, reckoned, strict=True):
            assert text.get_text() == name
            painted = text.get_window_extent(renderer).transformed(turned)
            # Letters are moved and widened to whole pixels, of which a centimetre has 283.
            near = pytest.approx((box.left, box.bottom, box.right, box.top), abs=0.02)
            assert painted.extents == near
