"""What a tagger adds to the report: scores of each tag, spans, confusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...data.tagged import TaggedSentences
from ...report import Table
from ...report.numbers import percent
from ...report.page import Block
from ..supervised import Evaluation, Parts
from ..supervised.scores import hundredths
from .results import Details
from .spans import Score

# Tags, or types of spans, that a table has at most.
ROWS = 30


class TaggerParts(Parts):
    """Sections and words of a tagger's report."""

    title = "{data}: a tagger"
    limits = (
        "It tags words as those of its training sentences were, in sentences like those. It reads "
        "words that it has not seen by their letters. A text is cut into words by rules; where the "
        "training sentences were cut otherwise, give it lists of words."
    )
    usage = 'model.predict(["show me the flights", ["or", "lists", "of", "words"]])'
    predict = "TEXTFILE"

    def data(self, model: Any, data: TaggedSentences) -> Sequence[Block]:
        counts = data.tag_counts()
        rows = [[tag, f"{n:,}", percent(n / counts.total())] for tag, n in counts.most_common(ROWS)]
        return [Table(["tag", "words", "share"], rows, _left_out(len(counts)))]

    def scores(self, model: Any, found: Evaluation) -> Sequence[Block]:
        details: Details = found.details
        blocks: list[Block] = []
        if details.spans is not None:
            caption = "Spans: right where type, first and last word are."
            blocks.append(_table("span", details.spans.by_type, caption))
        blocks.append(_table("tag", details.by_tag, "Words by their tags."))
        if details.confusions:
            rows = [
                [c.true, c.predicted, ", ".join(c.words), f"{c.count:,}"]
                for c in details.confusions
            ]
            caption = "Which tags are taken for which, most often first, and words it happens to."
            blocks.append(Table(["true", "this model", "words", "times"], rows, caption, names=3))
        return blocks


def _table(what: str, scores: Mapping[str, Score], caption: str) -> Table:
    """Precision, recall and F1 of each, the commonest first."""
    ranked = sorted(scores, key=lambda name: (-scores[name].true, name))[:ROWS]
    rows = [
        [
            name,
            hundredths(scores[name].precision),
            hundredths(scores[name].recall),
            hundredths(scores[name].f1),
            f"{scores[name].true:,}",
            f"{scores[name].predicted:,}",
        ]
        for name in ranked
    ]
    header = [what, "precision", "recall", "F1", "true", "predicted"]
    return Table(header, rows, f"{caption} {_left_out(len(scores))}".strip())


def _left_out(count: int) -> str:
    """What a table does not show of so many rows."""
    return f"The {count - ROWS:,} rarest are left out." if count > ROWS else ""
