"""What was heard: answers with their probabilities, and what is to be said of many of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from ...data import Recording
from ...report import Table
from ..classify.metrics import Confusion
from ..edits import error_rate
from ..supervised.scores import hundredths
from .metrics import confusion, score_classes, score_transcripts

WORST = 8
# Groups of so many names at most are told apart in a table.
MOST_GROUPS = 30


@dataclass(frozen=True)
class Prediction:
    """What one recording is heard to say.

    Attributes:
        name: of the recording.
        text: the class or the transcript.
        probability: of `text`, given the recording.
    """

    name: str
    text: str
    probability: float


@dataclass(frozen=True, eq=False)
class Heard:
    """A labelled recording beside what was heard.

    Attributes:
        recording: with its label.
        found: what was heard.
        probability: that the model gives the label; 0 where it does not know it.
        features: that the network read, [T, M].
    """

    recording: Recording
    found: Prediction
    probability: float
    features: Tensor

    @property
    def label(self) -> str:
        return self.recording.label or ""

    @property
    def is_right(self) -> bool:
        return self.found.text.split() == self.label.split()


@dataclass(frozen=True, eq=False)
class Details:
    """What a report draws from.

    Attributes:
        heard: all recordings.
        is_sequence: whether labels are transcripts.
    """

    heard: Sequence[Heard]
    is_sequence: bool

    @property
    def classes(self) -> list[str]:
        """The classes that occur, among labels or answers."""
        return sorted({text for each in self.heard for text in (each.label, each.found.text)})

    @property
    def confusion(self) -> Confusion:
        """Of `classes`."""
        answers = [each.found.text for each in self.heard]
        return confusion(answers, [each.label for each in self.heard], self.classes)

    def worst(self, count: int = WORST) -> list[Heard]:
        """Wrong ones: classes by how sure the answer was, transcripts by errors a character."""
        wrong = [each for each in self.heard if not each.is_right]
        return sorted(wrong, key=lambda each: -self._badness(each))[:count]

    def _badness(self, each: Heard) -> float:
        if not self.is_sequence:
            return each.found.probability - each.probability
        return error_rate([each.found.text], [each.label], "character").rate

    def worst_table(self) -> Table | None:
        """The same for people to read."""
        rows = [
            [
                each.recording.name,
                each.label,
                each.found.text or "(nothing)",
                hundredths(each.found.probability),
                hundredths(each.probability),
                f"{each.recording.seconds:.2f}",
            ]
            for each in self.worst()
        ]
        wrong = sum(not each.is_right for each in self.heard)
        caption = f"{wrong:,} of {len(self.heard):,} are wrong. p is the model's probability."
        header = ["recording", "label", "heard", "p(heard)", "p(label)", "seconds"]
        return Table(header, rows, caption, names=3) if rows else None

    def by_group(self) -> Iterator[Table]:
        """Scores by speaker, or whatever else the names tell."""
        for group in _groups(self.heard):
            parts: dict[str, list[Heard]] = {}
            for each in self.heard:
                parts.setdefault(each.recording.groups[group], []).append(each)
            scored = {name: self._scores(part) for name, part in sorted(parts.items())}
            keys = list(next(iter(scored.values())))
            rows = [
                [name, f"{len(parts[name]):,}", *(hundredths(found[key]) for key in keys)]
                for name, found in scored.items()
            ]
            yield Table([group, "recordings", *keys], rows, f"Scores by {group}.")

    def _scores(self, part: Sequence[Heard]) -> dict[str, float]:
        answers, labels = [each.found.text for each in part], [each.label for each in part]
        return (score_transcripts if self.is_sequence else score_classes)(answers, labels)

    def by_class(self) -> Table:
        """Precision, recall and F1 of every class."""
        table = self.confusion
        columns = (table.precision, table.recall, table.f1)
        rows = [
            [name, f"{int(table.support[k]):,}", *(hundredths(float(each[k])) for each in columns)]
            for k, name in enumerate(self.classes)
        ]
        return Table(["class", "recordings", "precision", "recall", "F1"], rows)


def _groups(heard: Sequence[Heard]) -> list[str]:
    """The groups that all recordings have, of several names but not one each."""
    shared = set.intersection(*(set(each.recording.groups) for each in heard))
    found = []
    for group in sorted(shared):
        names = {each.recording.groups[group] for each in heard}
        if 1 < len(names) <= MOST_GROUPS and 2 * len(names) <= len(heard):
            found.append(group)
    return found
