"""Sentences of words with a tag each, out of the files that taggers are given.

    read_tagged("train.conllu")               a file, or several
    read_tagged("snips/")                     all files of a folder

columns     one word a line, its tag in another column, a blank line between sentences; columns
            are separated by tabs, or by spaces if some line has no tab
conllu      the ten columns of Universal Dependencies, with comments
json        {intent: [{"data": [{"text": ..., "entity": ...}, ...]}, ...]}, as SNIPS has it: text is
            cut at white space, slots become B- and I- tags, the intent is the sentence's label
jsonl       a line {"tokens": [...], "tags": [...]} each, a "label" if every line has one; or
            a list of them
text        a sentence a line, cut into words as `coders.words` does; it has no tags

Columns of CoNLL files that are not words or tags are left out. What else is left out, replaced
or guessed is one of the findings, with its count.

References:
    Tjong Kim Sang and De Meulder, "Introduction to the CoNLL-2003 shared task", CoNLL 2003.
    Universal Dependencies, "CoNLL-U format", universaldependencies.org/format.html.
    Coucke et al., "Snips voice platform", arXiv 1805.10190, 2018.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..naming import counted, one_of
from .errors import DataError
from .series import Finding
from .splitting import both_sides, held_out
from .tagging.columns import read_columns
from .tagging.conllu import read_conllu
from .tagging.files import decoded, files_at, format_of
from .tagging.json import read_json, read_lines
from .tagging.plain import read_text_lines, words_of
from .tagging.sentences import Sentences, Wanted

_READERS = {
    "columns": read_columns,
    "conllu": read_conllu,
    "json": read_json,
    "jsonl": read_lines,
    "text": read_text_lines,
}
Source = str | os.PathLike[str]

_MOST_IN_SUMMARY = 4
# A sentence of more words is more often a file without blank lines.
_LONG = 1000


@dataclass(frozen=True)
class TaggedSentence:
    """One sentence: words, their tags, and where it comes from: "dev.conllu, sentence 12"."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    name: str


@dataclass(frozen=True, repr=False)
class TaggedSentences:
    """Sentences as they were read.

    Attributes:
        words: of every sentence.
        tags: one for each word; empty for each sentence if they were read without.
        labels: one for each sentence, such as its intent; None if there are none.
        name: of the file, in summaries.
        findings: what was found, left out or replaced.
        names: where each sentence comes from; by default its place.
        reading: arguments with which `read_tagged` reads another source in the same way; JSON
            can hold them.
    """

    words: tuple[tuple[str, ...], ...]
    tags: tuple[tuple[str, ...], ...]
    labels: tuple[str, ...] | None = None
    name: str = "sentences"
    findings: tuple[Finding, ...] = ()
    names: tuple[str, ...] = ()
    reading: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, place: int) -> TaggedSentence:
        name = self.names[place] if self.names else f"sentence {place + 1}"
        return TaggedSentence(self.words[place], self.tags[place], name)

    def __iter__(self) -> Iterator[TaggedSentence]:
        return (self[place] for place in range(len(self)))

    def __repr__(self) -> str:
        return f"TaggedSentences({self.summary()})"

    @property
    def tagged(self) -> bool:
        """Whether the words have tags."""
        return any(self.tags)

    def tag_counts(self) -> Counter[str]:
        """How many words have each tag."""
        return Counter(tag for sentence in self.tags for tag in sentence)

    def select(self, places: Sequence[int] | np.ndarray) -> TaggedSentences:
        """Some of the sentences, by their places."""
        lists = ("words", "tags", "labels", "names")
        there = {name: values for name in lists if (values := getattr(self, name))}
        chosen = {name: tuple(v[int(place)] for place in places) for name, v in there.items()}
        return replace(self, **chosen)

    def split(self, share: float, seed: int = 0) -> tuple[TaggedSentences, TaggedSentences]:
        """All but a share of the sentences, and that share, each in the order of the source.

        Raises:
            ValueError: the share is not between 0 and 1.
            DataError: one of the parts would be empty.
        """
        held = held_out(len(self), share, seed)
        return both_sides(self, held, share, counted(len(self), "sentence"))

    def summary(self) -> str:
        """One line: what there is, and what was left out or replaced."""
        different = len({word for sentence in self.words for word in sentence})
        total = sum(map(len, self.words))
        parts = [
            counted(len(self), "sentence"),
            f"{counted(total, 'word')} ({different:,} different)",
            f"the longest of {max(map(len, self.words)):,}",
        ]
        if any(self.tags):
            parts.append(counted(len(self.tag_counts()), "tag"))
        if self.labels:
            parts.append(counted(len(set(self.labels)), "label"))
        return f"{self.name}  {', '.join(parts)}; {self._repairs()}"

    def _repairs(self) -> str:
        order = {"warning": 0, "repaired": 1, "ignored": 2}
        told = [finding for finding in self.findings if finding.kind in order]
        told.sort(key=lambda finding: (order[finding.kind], -finding.count))
        texts = [finding.text for finding in told[:_MOST_IN_SUMMARY]] or ["nothing to repair"]
        rest = len(told) - _MOST_IN_SUMMARY
        return ", ".join(texts) + (f" and {rest} more findings" if rest > 0 else "")


def sentences_of(
    words: Sequence[str | Sequence[str]],
    tags: Sequence[Sequence[str]] | None = None,
    name: str = "sentences",
) -> TaggedSentences:
    """Sentences that are in memory.

    Arguments:
        words: of each sentence; without tags it may be a text, which `coders.words` cuts.
        tags: one for each word; None: there are none.
        name: in summaries.

    Raises:
        DataError: there is no sentence, one has no words, or tags do not fit.
    """
    if isinstance(words, str) or not len(words):
        raise DataError(f"{name} must be a list of sentences, got {words!r}")
    texts = [isinstance(each, str) for each in words]
    if tags is not None and (any(texts) or len(tags) != len(words)):
        count = f"{len(tags):,} for {counted(len(words), 'sentence')}"
        raise DataError(f"tags must be a list for each list of words, got {count}")
    cut = [words_of(each) if isinstance(each, str) else list(map(str, each)) for each in words]
    given = [[]] * len(cut) if tags is None else [list(map(str, each)) for each in tags]
    for place, (sentence, its) in enumerate(zip(cut, given, strict=True), start=1):
        if not all(sentence) or not sentence:
            raise DataError(f"sentence {place:,} of {name} has no words, or an empty one")
        if tags is not None and len(its) != len(sentence):
            raise DataError(
                f"sentence {place:,} of {name} has {counted(len(sentence), 'word')} but "
                f"{counted(len(its), 'tag')}; every word needs one tag"
            )
    names = tuple(f"sentence {place:,}" for place in range(1, len(cut) + 1))
    return TaggedSentences(tuple(map(tuple, cut)), tuple(map(tuple, given)), name=name, names=names)


def read_tagged(
    source: Source | Sequence[Source],
    word: str | int | None = None,
    tag: str | int | None = None,
    *,
    format: str | None = None,
    tagged: bool = True,
    encoding: str | None = None,
    name: str | None = None,
) -> TaggedSentences:
    """Read sentences of tagged words; several files are read one after the other.

    Args:
        source: path of a file or of a folder, or several. Of a folder the files are read that end
            in .conllu, .conll, .iob, .bio, .tsv, .txt, .json, .jsonl or .ndjson.
        word: where the words are. In columns a number, from 0, or the name in a header line; by
            default the first. In CoNLL-U the name of a column, by default "FORM". In JSON lines a
            key, by default "tokens". SNIPS has no choice of words or tags.
        tag: where the tags are, in the same way. In columns by default the last (-1). In CoNLL-U
            a column, by default "UPOS", or a feature such as "Number", "_" for words without it.
            In JSON lines by default "tags".
        format: "columns", "conllu", "json", "jsonl" or "text"; by default told by name and content.
        tagged: whether there are tags; False reads words to be tagged.
        encoding: of the files, such as "latin2". By default UTF-8, and bytes that are not one by
            one as Windows-1252 (cp1252).
        name: in summaries; by default that of the first file.

    Raises:
        DataError: a file that cannot be read as it is; the message says where, and what to do.
        ValueError: an unknown format, or a tag asked for with `tagged=False`.
    """
    if format is not None:
        one_of(format, _READERS, "format")
    if not tagged and tag is not None:
        raise ValueError(f"tagged=False reads no tags, but tag is {tag!r}; leave one out")
    several = not isinstance(source, str | os.PathLike)
    given = [Path(path) for path in source] if several else [Path(source)]
    if not given:
        raise DataError("source names no file; give at least one path")
    wanted, findings = Wanted(word, tag, tagged), list[Finding]()
    paths = [path for each in given for path in files_at(each, findings)]
    read = [_read_file(path, wanted, format, encoding) for path in paths]
    more = f" and {len(given) - 1:,} more" if len(given) > 1 else ""
    first = given[0].resolve().name if given[0].is_dir() else given[0].name.split(".")[0]
    whole = _together(read, paths, wanted, name or first + more)
    reading = {"word": word, "tag": tag, "format": format, "encoding": encoding}
    return replace(whole, findings=(*findings, *whole.findings), reading=reading)


def _read_file(path: Path, wanted: Wanted, format: str | None, encoding: str | None) -> Sentences:
    found = Sentences([], [], [], [])
    text = decoded(path, encoding, found)
    chosen = format or format_of(path, text, wanted.tagged)
    _READERS[chosen](text, path, wanted, found)
    if not found.words:
        raise DataError(f"{path} holds no sentence; expected {_EXPECTED[chosen]}")
    return found


_EXPECTED = {
    "columns": "one word and its tag a line, and a blank line between sentences",
    "conllu": "lines of ten columns, separated by tabs",
    "json": 'intents with "data": lists of {"text": ..., "entity": ...}',
    "text": "a sentence a line",
    "jsonl": 'lines such as {"tokens": ["Paris", "sleeps"], "tags": ["B-city", "O"]}',
}


def _together(
    read: list[Sentences], paths: list[Path], wanted: Wanted, name: str
) -> TaggedSentences:
    findings = _findings_of(read, paths)
    labels = [label for found in read for label in found.labels]
    known = tuple(label for label in labels if label is not None)
    if known and len(known) < len(labels):
        missing = len(labels) - len(known)
        text = f"labels left out: {counted(missing, 'sentence')} without one"
        findings.append(Finding("ignored", text, missing))
    names = (
        f"{path.name}, sentence {place:,}"
        for path, found in zip(paths, read, strict=True)
        for place in range(1, len(found.words) + 1)
    )
    whole = TaggedSentences(
        tuple(words for found in read for words in found.words),
        tuple(tags for found in read for tags in found.tags),
        known if known and len(known) == len(labels) else None,
        name,
        names=tuple(names),
    )
    return replace(whole, findings=(*findings, *_warnings(whole, wanted)))


def _findings_of(read: list[Sentences], paths: list[Path]) -> list[Finding]:
    """What was found in all files; findings that differ in their numbers alone are told once."""
    if len(paths) == 1:
        return read[0].findings
    alike: defaultdict[tuple[str, str], list[tuple[Path, Finding]]] = defaultdict(list)
    for path, found in zip(paths, read, strict=True):
        for finding in found.findings:
            what = re.sub(r"[\d,]+ (\w+?)s?\b", r"\1", finding.text)
            alike[finding.kind, what].append((path, finding))
    return [_together_told(group) for group in alike.values()]


def _together_told(group: list[tuple[Path, Finding]]) -> Finding:
    (path, first), *others = group
    text, count = f"{path.name}: {first.text}", sum(finding.count for _, finding in group)
    if others:
        total = f", {count:,} in all" if count else ""
        text += f"; {counted(len(others), 'more file')} alike{total}"
    return Finding(first.kind, text, count)


def _warnings(data: TaggedSentences, wanted: Wanted) -> list[Finding]:
    found = []
    if len(data) == 1 and len(data.words[0]) > _LONG:
        total = len(data.words[0])
        text = f"all {total:,} words are one sentence; a blank line ends a sentence"
        found.append(Finding("warning", text, total))
    if wanted.tagged and len(data.tag_counts()) == 1:
        only = next(iter(data.tag_counts()))
        total = sum(map(len, data.words))
        found.append(Finding("warning", f"every word has the tag {only!r}", total))
    return found
