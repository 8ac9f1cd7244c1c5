"""What an evaluation shows besides its scores: the worst cases, scores by length, examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...report import Table
from .decoding import Written
from .metrics import METRICS, References, errors_of, scores_of, sentence_chrf

WORST, EXAMPLES = 12, 6
# Sources that are ranked by how badly they were translated, at most.
MOST_RANKED = 5_000
# Groups of sources by length, and sources of each at least.
GROUPS, FEWEST = 6, 10
# Tokens of an example, written and read together: a picture shows no more.
MOST_SHOWN = 60


@dataclass(frozen=True)
class Details:
    """What the report of an evaluation draws from.

    Attributes:
        by_length: scores by the length of the source; None where there are too few sources.
        examples: sources with what was written for them, and its references.
        signatures: how sacrebleu counted.
        beam: what was searched with.
    """

    by_length: Table | None
    examples: Sequence[tuple[Written, Sequence[str]]]
    signatures: Sequence[str]
    beam: int


def examples_of(written: Sequence[Written]) -> list[str]:
    """Some sources that a picture has room for, from the first to the last."""
    short = [w.source for w in written if w.read and len(w.read) + len(w.tokens) <= MOST_SHOWN]
    places = np.unique(np.linspace(0, len(short) - 1, min(len(short), EXAMPLES)).round())
    return [short[k] for k in places.astype(int)]


def worst_table(kind: str, written: Sequence[Written], references: References) -> Table | None:
    """The sources whose translations are farthest from their references; None for none."""
    some = list(zip(written, references, strict=True))[:MOST_RANKED]
    errors = kind in ("symbols", "characters")
    ranked = [(_badness(kind, each.text, allowed), each, allowed) for each, allowed in some]
    ranked = [row for row in ranked if row[0] > 0]
    ranked.sort(key=lambda row: -row[0])
    if not ranked:
        return None
    rows = [
        [each.source, each.text, told(allowed), f"{bad:.0f}" if errors else f"{100 - bad:.0f}"]
        for bad, each, allowed in ranked[:WORST]
    ]
    last = "errors" if errors else "chrF"
    among = f" among the first {MOST_RANKED:,} sources" if len(written) > MOST_RANKED else ""
    caption = f"The worst by {last} to the nearest reference{among}."
    return Table(["source", "written", "references", last], rows, caption, names=3)


def by_length(kind: str, written: Sequence[Written], references: References) -> Table | None:
    """Scores of sources of about equal length; None where there are too few."""
    lengths = np.array([len(each.read) for each in written])
    groups = min(GROUPS, len(lengths) // FEWEST)
    if groups < 2:
        return None
    bounds = np.unique(np.quantile(lengths, np.linspace(0, 1, groups + 1)).round().astype(int))
    bounds[-1] += 1
    rows = []
    for low, high in pairwise(bounds.tolist()):
        places = np.flatnonzero((lengths >= low) & (lengths < high)).tolist()
        if places:
            own = scores_of(
                kind, [written[k].text for k in places], [references[k] for k in places]
            )
            shown = [metric.show(own[metric.key]) for metric in METRICS[kind]]
            span = f"{low:,}" if high == low + 1 else f"{low:,} to {high - 1:,}"
            rows.append([span, f"{len(places):,}", *shown])
    header = ["tokens of the source", "sources", *(metric.key for metric in METRICS[kind])]
    return Table(header, rows, "Scores by the length of the source.")


def _badness(kind: str, text: str, allowed: Sequence[str]) -> float:
    """How far a text is from its references; 0 where it equals one."""
    if text in allowed:
        return 0.0
    if kind in ("symbols", "characters"):
        return float(errors_of(kind, text, allowed).errors)
    return 100 - sentence_chrf(text, allowed)


def told(allowed: Sequence[str]) -> str:
    """References in a line, the first of them."""
    return " | ".join(allowed[:3]) + (f" | {len(allowed) - 3} more" if len(allowed) > 3 else "")
