"""What the report of a classifier shows besides: classes, confusions, worst cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...report import Picture, Pictures, Table
from ...report.confusion import confusion_chart
from ...report.figures import Paint, colour, inline_svg
from ...report.numbers import percent
from ...report.page import Block
from ..supervised import Evaluation, Parts
from .numbers import NumberCoding, Plane
from .results import Details

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# More classes have no room in a picture.
MOST_CLASSES = 40
# Numeric sequences that are drawn.
DRAWN = 6


class ClassifyParts(Parts):
    """Sections of classification."""

    title = "{data}: a classifier"
    limits = (
        "It knows the classes that it was trained on and gives one of them to anything. Its "
        "probabilities are those of samples like the ones it was trained on, in the same "
        "proportions; the calibration error says how far they were off on the test part."
    )
    usage = "model.predict([...])          # a list of texts, or of arrays [steps, features]"
    predict = "INPUT"

    def data(self, model: Any, data: Any) -> Sequence[Block]:
        """How many samples each class has."""
        rows = [
            [name, f"{count:,}", percent(count / len(data))] for name, count in data.counts.items()
        ]
        return [Table(["class", "samples", "share"], rows, "All samples by class.")]

    def scores(self, model: Any, found: Evaluation) -> Sequence[Block]:
        details = found.details
        assert isinstance(details, Details)
        blocks: list[Block] = [details.by_class()]
        if len(details.classes) <= MOST_CLASSES:
            height = min(120 + 14 * len(details.classes), 320)
            chart = confusion_chart(details.confusion.counts, details.classes)
            svg = inline_svg(chart, "Confusions.", height=height)
            caption = "Samples by true class (row) and given class (column); darker is more."
            blocks.insert(0, Pictures([Picture(svg, caption)]))
        most = details.confusions()
        return blocks if most is None else [*blocks, most]

    def worst(self, model: Any, found: Evaluation) -> Sequence[Block]:
        """The table, and numbers drawn."""
        details, reads = found.details, model.fitted_.coding.reads
        assert isinstance(details, Details)
        blocks = list(super().worst(model, found))
        if isinstance(reads, NumberCoding):
            drawn = [_drawn(details, place, reads.plane) for place in details.worst(DRAWN)]
            blocks.append(Pictures(drawn))
        return blocks


def _drawn(details: Details, place: int, plane: Plane) -> Picture:
    sample = details.data[place]
    given = details.classes[int(details.given[place])]
    names = details.data.features
    svg = inline_svg(sequence_chart(sample.values, plane), f"Sample {sample.name}.", height=130)
    what = f"the path of {names[plane[0]]} and {names[plane[1]]}" if plane else "all features"
    return Picture(svg, f"{sample.name}: {sample.label!r}, given {given!r}; {what}.")


def sequence_chart(values: Any, plane: Plane) -> Paint:
    """Numbers [T, F] over their steps; points in a plane as a path, its start marked."""

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        if plane is None:
            axes.plot(values, linewidth=1.0)
            axes.set_xlabel("step")
            return
        x, y = values[:, plane[0]], values[:, plane[1]]
        axes.plot(x, y, color=colour("blue"), linewidth=1.5)
        axes.plot(x[:1], y[:1], "o", color=colour("ink"), markersize=4)
        axes.set_aspect("equal")

    return paint
