"""Edit distance between sequences, and the error rates made of it: word, character, phoneme.

    errors = substitutions + insertions + deletions,    rate = errors / length of the reference

with the fewest errors that turn the reference into the hypothesis; among alignments with as few,
that with the most substitutions, so that the three counts are unique. Rates of many sequences
are those of a corpus: all errors over all lengths, not the mean of rates. A rate exceeds 1 where
a hypothesis is too long.

Shapes: N items of the hypothesis, M of the reference.

References:
    Levenshtein, "Binary codes capable of correcting deletions, insertions and reversals",
        Soviet Physics Doklady 10(8), 1966.
    Wagner and Fischer, "The string-to-string correction problem", JACM 21(1), 1974.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from ..naming import one_of

# What a text is cut into. Phonemes are written with spaces between them: "K AE T".
UNITS = {"word": str.split, "character": list, "phoneme": str.split}


@dataclass(frozen=True)
class Edits:
    """Errors of some sequences; `+` adds two.

    Attributes:
        substitutions, insertions, deletions: items that are wrong, too many, absent.
        length: items of the references.
        wrong, sequences: sequences with an error, and all of them.
    """

    substitutions: int = 0
    insertions: int = 0
    deletions: int = 0
    length: int = 0
    wrong: int = 0
    sequences: int = 0

    def __add__(self, other: "Edits") -> "Edits":
        return Edits(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def errors(self) -> int:
        return self.substitutions + self.insertions + self.deletions

    @property
    def rate(self) -> float:
        """Errors an item; infinite where there are errors and the references are empty."""
        return _share(self.errors, self.length)

    @property
    def sequence_rate(self) -> float:
        """Share of the sequences that have an error."""
        return _share(self.wrong, self.sequences)


def edits(hypothesis: Sequence[Hashable], reference: Sequence[Hashable]) -> Edits:
    """Errors of one sequence: [N] against [M]. A string is a sequence of characters."""
    same_head = _common(hypothesis, reference)
    ours, theirs = hypothesis[same_head:], reference[same_head:]
    same_tail = _common(ours[::-1], theirs[::-1])
    ours, theirs = ours[: len(ours) - same_tail], theirs[: len(theirs) - same_tail]
    errors, shifts = _fewest(ours, theirs)
    # Insertions less deletions is how much longer the hypothesis is.
    insertions = (shifts + len(ours) - len(theirs)) // 2
    return Edits(
        substitutions=errors - shifts,
        insertions=insertions,
        deletions=shifts - insertions,
        length=len(reference),
        wrong=int(errors > 0),
        sequences=1,
    )


def nearest_edits(
    hypothesis: Sequence[Hashable], references: Sequence[Sequence[Hashable]]
) -> Edits:
    """Errors against the reference with the fewest; of several, the first.

    Raises:
        ValueError: if there is no reference.
    """
    if not references:
        raise ValueError("references must be one sequence or more, got none")
    return min((edits(hypothesis, each) for each in references), key=lambda found: found.errors)


def error_rate(
    hypotheses: Sequence[str], references: Sequence[str | Sequence[str]], unit: str = "word"
) -> Edits:
    """Errors of a corpus of texts; its `rate` is the word, character or phoneme error rate.

    Arguments:
        hypotheses: one text a sample.
        references: as many; each is a text, or several that are equally right.
        unit: "word", "character" or "phoneme".

    Raises:
        ValueError: if the numbers of both differ, or `unit` is another.
    """
    if len(hypotheses) != len(references):
        raise ValueError(
            f"references must be {len(hypotheses)}, one a hypothesis, got {len(references)}"
        )
    cut = UNITS[one_of(unit, UNITS, "unit")]
    total = Edits()
    for hypothesis, allowed in zip(hypotheses, references, strict=True):
        several = [allowed] if isinstance(allowed, str) else allowed
        total += nearest_edits(cut(hypothesis), [cut(text) for text in several])
    return total


def _fewest(ours: Sequence[Hashable], theirs: Sequence[Hashable]) -> tuple[int, int]:
    """The fewest errors [N] against [M], and how many of them insert or delete."""
    numbers = {item: place for place, item in enumerate(dict.fromkeys([*ours, *theirs]))}
    row_items = np.array([numbers[item] for item in theirs], dtype=np.int64)
    # One error costs `unit`, an insertion or a deletion 1 more: fewest errors come first, then
    # fewest of those two, and both can be read off the cost.
    unit = len(ours) + len(theirs) + 1
    shift = unit + 1
    ramp = np.arange(len(theirs) + 1) * shift
    row = ramp  # [M + 1], costs of the first j items of the reference
    for item in ours:
        cost = row + shift
        cost[1:] = np.minimum(cost[1:], row[:-1] + unit * (row_items != numbers[item]))
        # Deletions run along the row: the least of cost[i] + (j - i) * shift over i <= j.
        row = np.minimum.accumulate(cost - ramp) + ramp
    errors, shifts = divmod(int(row[-1]), unit)
    return errors, shifts


def _common(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """How many items both begin with."""
    for place, (ours, theirs) in enumerate(zip(a, b, strict=False)):
        if ours != theirs:
            return place
    return min(len(a), len(b))


def _share(part: int, whole: int) -> float:
    if whole:
        return part / whole
    return math.inf if part else 0.0
