"""How good captions are, beside the captions that are right for each image.

    BLEU             n-grams shared with the references, of the whole, by sacrebleu
    exact match      share of the captions that equal a reference, word by word
    word error rate  words wrong, absent or too many, by the words of the nearest reference

References:
    Papineni, Roukos, Ward and Zhu, "BLEU: a method for automatic evaluation of machine
        translation", ACL 2002.
    Post, "A call for clarity in reporting BLEU scores", WMT 2018 (sacrebleu).
"""

from __future__ import annotations

from collections.abc import Sequence

from ...data.coders import words
from ..edits import Edits, nearest_edits
from ..supervised import Metric
from ..supervised.scores import hundredths
from ..translate.metrics import bleu

BLEU, EXACT, ERRORS = "BLEU", "exact match", "word error rate"


def _points(value: float) -> str:
    return f"{value:.2f}"


METRICS = (
    Metric(BLEU, True, _points, "n-grams shared with the captions, 0 to 100, by sacrebleu"),
    Metric(EXACT, True, hundredths, "share that equals a caption of the image, word by word"),
    Metric(ERRORS, False, hundredths, "words wrong, absent or too many, by those of the nearest"),
)


def scores_of(
    texts: Sequence[str], references: Sequence[Sequence[str]], lower: bool = True
) -> dict[str, float]:
    """The scores of one text an image, beside all captions of it.

    Arguments:
        lower: whether capital letters count as small ones.
    """
    pairs = zip(texts, references, strict=True)
    total = sum((errors_of(text, several, lower) for text, several in pairs), Edits())
    compared = [" ".join(compared_words(text, lower)) for text in texts]
    allowed = [[" ".join(compared_words(t, lower)) for t in several] for several in references]
    return {
        BLEU: bleu(compared, allowed),
        EXACT: 1 - total.sequence_rate,
        ERRORS: total.rate,
    }


def errors_of(text: str, references: Sequence[str], lower: bool = True) -> Edits:
    """The errors of one text, to the nearest of its references."""
    own = compared_words(text, lower)
    return nearest_edits(own, [compared_words(each, lower) for each in references])


def compared_words(caption: str, lower: bool) -> list[str]:
    """A caption as it is compared: words, numbers, and other characters alone."""
    return words(caption.lower() if lower else caption)
