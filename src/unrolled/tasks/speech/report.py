"""What the report of a speech recogniser shows besides: confusions, groups, what was misheard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ...report import Picture, Pictures, Text
from ...report.confusion import confusion_chart
from ...report.figures import Paint, colour, inline_svg
from ...report.page import Block
from ..supervised import Evaluation, Parts
from .results import Details, Heard

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# More classes have no room for their counts.
MOST_CLASSES = 40
DRAWN = 6
# White and dark are so many spreads of a band below and above its mean.
SPREADS = 2


class SpeechParts(Parts):
    """Sections of speech."""

    title = "{data}: a speech recogniser"
    limits = (
        "It knows the classes, or the characters and words, that it was trained on, spoken as they "
        "were there: other speakers, rooms and microphones are heard less well unless they were "
        "among the training recordings. A recording of anything else is given a label all the "
        "same. There is no language model: transcripts are spelled as they sound."
    )
    usage = 'model.predict("one.wav")'
    predict = "RECORDING"

    def data(self, model: Any, data: Any) -> Sequence[Block]:
        """One recording as the network reads it."""
        made, one = model.fitted_.coding.features, data[0]
        caption = f"{one.name}, {one.label!r}: log-mel features, low bands at the bottom."
        return [Pictures([_picture(made(one.samples), made.hop, caption)])]

    def scores(self, model: Any, found: Evaluation) -> Sequence[Block]:
        details = found.details
        assert isinstance(details, Details)
        blocks: list[Block] = [] if details.is_sequence else _classes(details)
        return [*blocks, *details.by_group()]

    def worst(self, model: Any, found: Evaluation) -> Sequence[Block]:
        details = found.details
        assert isinstance(details, Details)
        if found.worst is None:
            return [Text("None is wrong.")]
        hop = model.fitted_.coding.features.hop
        drawn = [_picture(each.features, hop, _told(each)) for each in details.worst(DRAWN)]
        return [found.worst, Pictures(drawn)]


def _classes(details: Details) -> list[Block]:
    names, counts = details.classes, details.confusion.counts
    if len(names) > MOST_CLASSES:
        return [details.by_class()]
    svg = inline_svg(confusion_chart(counts, names), "Labels by answers.", height=220)
    caption = "Recordings by label (row) and answer (column); darker is a larger share of the row."
    return [Pictures([Picture(svg, caption)]), details.by_class()]


def _told(each: Heard) -> str:
    heard = each.found.text or "nothing"
    return f"{each.recording.name}: {each.label!r}, heard as {heard!r}."


def _picture(features: Tensor, hop: float, caption: str) -> Picture:
    return Picture(inline_svg(log_mel_chart(features, hop), caption, height=110), caption)


def log_mel_chart(features: Tensor, hop: float) -> Paint:
    """Features [T, M], time to the right and pitch upwards, loud dark.

    Arguments:
        hop: seconds from frame to frame.
    """

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.imshow(
            features.T.numpy(),
            aspect="auto",
            origin="lower",
            extent=(0, hop * len(features), 0, features.shape[1]),
            cmap=_shades(),
            vmin=-SPREADS,
            vmax=SPREADS,
        )
        axes.set_xlabel("seconds")
        axes.set_yticks([])
        axes.grid(visible=False)

    return paint


def _shades() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("loud", [colour("paper"), colour("blue")])
