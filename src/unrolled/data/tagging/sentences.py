"""What the readers of tagged sentences share: what is asked of them, and what they fill."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...naming import counted
from ..series import Finding


@dataclass(frozen=True)
class Wanted:
    """What to read of a file: the arguments of `read_tagged`."""

    word: str | int | None
    tag: str | int | None
    tagged: bool


@dataclass
class Sentences:
    """The sentences of one file while they are read, and the findings."""

    words: list[tuple[str, ...]]
    tags: list[tuple[str, ...]]
    labels: list[str | None]
    findings: list[Finding]

    def add(self, words: Sequence[str], tags: Sequence[str], label: str | None = None) -> None:
        self.words.append(tuple(words))
        self.tags.append(tuple(tags))
        self.labels.append(label)

    def note(self, kind: str, text: str, count: int = 0) -> None:
        self.findings.append(Finding(kind, text, count))

    def skipped(self, count: int, what: str) -> None:
        if count:
            self.note("ignored", f"skipped {counted(count, what)}", count)
