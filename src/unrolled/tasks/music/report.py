"""What a model of rolls adds to the report: pieces with what was expected, and new music."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...data.rolls import Rolls
from ...report import Key, Picture, Pictures, Text
from ...report.charts import Line, lines_chart
from ...report.figures import inline_svg
from ...report.page import Block
from ..supervised import Evaluation, Parts
from .metrics import three_decimals
from .results import Details, Drawn
from .rolls_chart import EXPECTED, TRUTH, height_of, roll_chart

GENERATED = 64


class MusicParts(Parts):
    """Sections and words of the report of a model of rolls."""

    title = "{data}: the next step"
    limits = (
        "It knows which keys follow which in music, or whatever it learned from, on the grid of "
        "its training. Keys of one step are drawn independently of one another, so that "
        "what it writes has wrong notes where it is in doubt between chords. A key that stays on "
        "is one note: a roll does not tell it from a note that is struck again."
    )
    usage = 'model.write("new.mid", model.generate(length=200, seed=0))'
    predict = "--output new.mid"

    def scores(self, model: Any, found: Evaluation) -> Sequence[Block]:
        details: Details = found.details
        drawn = [_expected(details.typical, model, "The piece whose loss is the median")]
        blocks: list[Block] = [Pictures(drawn, [TRUTH, EXPECTED])]
        if len(details.by_piece) > 1:
            blocks.append(Pictures([_by_piece(details.by_piece)]))
        return blocks

    def worst(self, model: Any, found: Evaluation) -> Sequence[Block]:
        worst: Drawn | None = found.details.worst
        if worst is None:
            return super().worst(model, found)
        drawn = _expected(worst, model, "The piece with the largest loss")
        return [*super().worst(model, found), Pictures([drawn], [TRUTH, EXPECTED])]

    def sections(
        self, model: Any, data: Rolls, found: Evaluation | None
    ) -> Sequence[tuple[str, Sequence[Block]]]:
        frames = model.generate(GENERATED, seed=0)
        coding, title = model.fitted_.coding, "What it writes"
        svg = inline_svg(roll_chart(frames, coding.keys), "A roll.", height_of(frames))
        on = frames.sum() / len(frames)
        text = (
            f"{GENERATED} steps, each drawn from what came before, from an opening of training on; "
            f"{on:.2f} keys are on at a step, in training {coding.density:.2f}."
        )
        picture = Picture(svg, "Seed 0, temperature 1.")
        return [(title, [Text(text), Pictures([picture])])]


def _expected(drawn: Drawn, model: Any, what: str) -> Picture:
    """The beginning of a piece over what was expected of it."""
    keys = model.fitted_.coding.keys
    paint = roll_chart(drawn.truth, keys, drawn.probabilities, first=2)
    svg = inline_svg(paint, f"Roll of {drawn.name}", height_of(drawn.truth, drawn.probabilities))
    return Picture(
        svg,
        f"{what}, {drawn.name} (NLL {three_decimals(drawn.nll)}): outlined what is on; the darker, "
        "the likelier it was held one step before.",
    )


def _by_piece(losses: Sequence[float]) -> Picture:
    """The loss of every piece, in order."""
    key = Key("NLL", "blue")
    line = Line(key, range(1, len(losses) + 1), losses)
    paint = lines_chart([line], "pieces, the best first", "NLL")
    return Picture(inline_svg(paint, "NLL of every piece."), "NLL of every piece of the test part.")
