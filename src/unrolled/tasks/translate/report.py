"""What translation adds to the report of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...report import Items, Pictures, Table, Text
from ...report.page import Block
from ..supervised import Evaluation, Parts
from .maps import attention_picture
from .results import Details, told


class TranslateParts(Parts):
    """Scores by length, sacrebleu's signatures, and where the decoder looked."""

    title = "{data}: a translator"
    limits = (
        "It knows the kind of texts that it learned from, and writes something for others too, "
        "which may read well and be wrong. Longer sources than those that it learned from, and "
        "characters that it never saw, are read at its own risk; the command line says where they "
        "occur."
    )
    usage = (
        'model.translate(["..."])              # a text for each source\n'
        'model.attend("...").draw("map.svg")   # where it looked\n'
        'model.evaluate("more.tsv").scores'
    )
    predict = "sources.txt"

    def scores(self, model: Any, found: Evaluation) -> Sequence[Block]:
        """Scores by length, and how they were counted."""
        details: Details = found.details
        search = (
            "the likeliest token at every step"
            if details.beam == 1
            else (f"a beam of {details.beam}")
        )
        blocks: list[Block] = [Text(f"Written with {search}.", "quiet")]
        if details.signatures:
            blocks.append(Text("As sacrebleu counts:", "quiet"))
            blocks.append(Items(details.signatures))
        return [*blocks, *([details.by_length] if details.by_length else [])]

    def sections(
        self, model: Any, data: Any, found: Evaluation | None
    ) -> Sequence[tuple[str, Sequence[Block]]]:
        """Examples, and the attention of each."""
        if found is None or not found.details.examples:
            return []
        rows = [[w.source, w.text, told(allowed)] for w, allowed in found.details.examples]
        listed = Table(["source", "written", "references"], rows, names=3)
        pictures = [
            attention_picture(each.read, each.tokens, each.weights, each.source)
            for each, _ in found.details.examples
            if each.weights is not None
        ]
        looked = (
            "Where the decoder looked: a row for each token that was written, a column for each "
            "token of the source, darker where it has more weight."
        )
        shown: list[Block] = [Text(looked), Pictures(pictures)] if pictures else []
        return [("Examples", [listed, *shown])]
