"""Sentences of words with a tag each, out of the files that taggers are given.

columns     one word a line, its tag in another column, a blank line between sentences; columns
            are separated by tabs, or by spaces if some line has no tab
conllu      the ten columns of Universal Dependencies, with comments
json        {intent: [{"data": [{"text": ..., "entity": ...}, ...]}, ...]}, as SNIPS has it: text is
            cut at white space, slots become B- and I- tags, the intent is the sentence's label
jsonl       a line {"tokens": [...], "tags": [...]} each, a "label" if every line has one; or
            a list of them

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
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..naming import nearest, one_of
from .errors import DataError
from .series import Finding
from .tagging.columns import read_columns
from .tagging.conllu import read_conllu
from .tagging.json import read_json, read_lines
from .tagging.sentences import Sentences, Wanted, counted

_READERS = {
    "columns": read_columns,
    "conllu": read_conllu,
    "json": read_json,
    "jsonl": read_lines,
}
Source = str | os.PathLike[str]

_MOST_IN_SUMMARY = 4
# A sentence of more words is more often a file without blank lines.
_LONG = 1000


@dataclass(frozen=True, repr=False)
class TaggedSentences:
    """Sentences as they were read.

    Attributes:
        words: of every sentence.
        tags: one for each word; empty for each sentence if they were read without.
        labels: one for each sentence, such as its intent; None if there are none.
        name: of the file, in summaries.
        findings: what was found, left out or replaced.
    """

    words: tuple[tuple[str, ...], ...]
    tags: tuple[tuple[str, ...], ...]
    labels: tuple[str, ...] | None = None
    name: str = "sentences"
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.words)

    def __repr__(self) -> str:
        return f"TaggedSentences({self.summary()})"

    def tag_counts(self) -> Counter[str]:
        """How many words have each tag."""
        return Counter(tag for sentence in self.tags for tag in sentence)

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


def read_tagged(
    source: Source | Sequence[Source],
    word: str | int | None = None,
    tag: str | int | None = None,
    *,
    format: str | None = None,
    tagged: bool = True,
    name: str | None = None,
) -> TaggedSentences:
    """Read sentences of tagged words; several files are read one after the other.

    Args:
        source: path of a file, or several.
        word: where the words are. In columns a number, from 0, or the name in a header line; by
            default the first. In CoNLL-U the name of a column, by default "FORM". In JSON lines a
            key, by default "tokens". SNIPS has no choice of words or tags.
        tag: where the tags are, in the same way. In columns by default the last (-1). In CoNLL-U
            a column, by default "UPOS", or a feature such as "Number", "_" for words without it.
            In JSON lines by default "tags".
        format: "columns", "conllu", "json" or "jsonl"; by default told by the name and content.
        tagged: whether there are tags; False reads words to be tagged, one a line in columns.
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
    paths = [Path(path) for path in source] if several else [Path(source)]
    if not paths:
        raise DataError("source names no file; give at least one path")
    wanted = Wanted(word, tag, tagged)
    read = [_read_file(path, wanted, format) for path in paths]
    return _together(read, paths, wanted, name)


def _read_file(path: Path, wanted: Wanted, format: str | None) -> Sentences:
    found = Sentences([], [], [], [])
    text = _decoded(path, found)
    chosen = format or _format_of(path, text)
    _READERS[chosen](text, path, wanted, found)
    if not found.words:
        raise DataError(f"{path} holds no sentence; expected {_EXPECTED[chosen]}")
    return found


_EXPECTED = {
    "columns": "one word and its tag a line, and a blank line between sentences",
    "conllu": "lines of ten columns, separated by tabs",
    "json": 'intents with "data": lists of {"text": ..., "entity": ...}',
    "jsonl": 'lines such as {"tokens": ["Paris", "sleeps"], "tags": ["B-city", "O"]}',
}


def _decoded(path: Path, found: Sentences) -> str:
    """The text of a file; bytes that are not UTF-8 are read as Windows-1252 (cp1252)."""
    try:
        data = path.read_bytes()
    except OSError as problem:
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = "" if path.exists() else nearest(path.name, siblings)
        raise DataError(f"{path} cannot be read: {hint}{problem.strerror}") from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:
        raise DataError(f"{path} is not text in UTF-8; save it as text in UTF-8")
    text = data.decode("utf-8-sig", "surrogateescape")
    if not text.strip():
        raise DataError(f"{path} is empty; expected sentences of tagged words")
    # A byte b that is not UTF-8 has become the code point 0xDC00 + b.
    text, count = re.subn("[\udc80-\udcff]", _from_cp1252, text)
    if count:
        found.note("repaired", f"{counted(count, 'byte')} not in UTF-8, read as cp1252", count)
    return text


def _from_cp1252(match: re.Match[str]) -> str:
    return bytes([ord(match[0]) - 0xDC00]).decode("cp1252", "replace")


def _format_of(path: Path, text: str) -> str:
    kind = path.suffix.lower().removeprefix(".")
    if kind in ("conllu", "jsonl"):
        return kind
    start = text.lstrip()
    if kind in ("json", "ndjson") or re.match(r'\{\s*"', start):
        # Intents hold lists of objects, sentences lists of words.
        is_intents = re.match(r'\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\[\s*\{', start)
        return "json" if is_intents else "jsonl"
    ten = re.search(r"^1(-\d+)?(\t[^\t\n]*){9}\r?$", text, re.MULTILINE)
    return "conllu" if ten else "columns"


def _together(
    read: list[Sentences], paths: list[Path], wanted: Wanted, name: str | None
) -> TaggedSentences:
    findings = [
        Finding(f.kind, f"{path.name}: {f.text}" if len(paths) > 1 else f.text, f.count)
        for path, found in zip(paths, read, strict=True)
        for f in found.findings
    ]
    labels = [label for found in read for label in found.labels]
    known = tuple(label for label in labels if label is not None)
    if known and len(known) < len(labels):
        missing = len(labels) - len(known)
        text = f"labels left out: {counted(missing, 'sentence')} without one"
        findings.append(Finding("ignored", text, missing))
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    whole = TaggedSentences(
        tuple(words for found in read for words in found.words),
        tuple(tags for found in read for tags in found.tags),
        known if known and len(known) == len(labels) else None,
        name or paths[0].name.split(".")[0] + more,
    )
    findings += _warnings(whole, wanted)
    return TaggedSentences(whole.words, whole.tags, whole.labels, whole.name, tuple(findings))


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
