"""How well recordings are recognised: their classes, or their transcripts.

    accuracy     share of the recordings whose class is right
    macro F1     mean over classes of 2 precision recall / (precision + recall)
    CER, WER     errors of all transcripts over all their characters, or words
    exact match  share of the transcripts without an error

Shapes: C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..classify.metrics import Confusion
from ..edits import error_rate
from ..supervised import Metric
from ..supervised.scores import hundredths

ACCURACY = Metric("accuracy", show=hundredths, meaning="share of the recordings that are right")
MACRO_F1 = Metric("macro F1", show=hundredths, meaning="mean F1 of the classes")
CER = Metric(
    "CER", higher=False, show=hundredths, meaning="character error rate, of the corpus as a whole"
)
WER = Metric("WER", higher=False, show=hundredths, meaning="word error rate, likewise")
EXACT = Metric("exact match", show=hundredths, meaning="share of transcripts without an error")
OF_CLASSES, OF_SEQUENCES = (ACCURACY, MACRO_F1), (CER, WER, EXACT)


def confusion(answers: Sequence[str], labels: Sequence[str], classes: Sequence[str]) -> Confusion:
    """Answers beside labels; each is one of `classes`."""
    places = {label: place for place, label in enumerate(classes)}
    true, given = (np.array([places[each] for each in some]) for some in (labels, answers))
    return Confusion.of(true, given, len(classes))


def score_classes(answers: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """Accuracy, and macro F1 over the classes that are among labels or answers."""
    table = confusion(answers, labels, sorted({*answers, *labels}))
    return {ACCURACY.key: table.accuracy, MACRO_F1.key: table.macro_f1}


def score_transcripts(answers: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """Character and word error rates, and the share of transcripts without an error."""
    answers, labels = [_plain(each) for each in answers], [_plain(each) for each in labels]
    characters = error_rate(answers, labels, "character")
    words = error_rate(answers, labels, "word")
    rates = {CER.key: characters.rate, WER.key: words.rate}
    return {**rates, EXACT.key: 1 - characters.sequence_rate}


def _plain(text: str) -> str:
    """Blanks in a row as one: they are not heard."""
    return " ".join(text.split())
