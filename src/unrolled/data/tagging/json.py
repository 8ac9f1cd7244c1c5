"""Tagged sentences in JSON: intents with slots, as SNIPS has them, and lists of tokens and tags.

Both readers add to the sentences and findings that they are given.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...naming import counted
from ..errors import DataError
from .sentences import Sentences, Wanted

_SNIPS = '{intent: [{"data": [{"text": ..., "entity": ...}]}]}'


def read_json(text: str, path: Path, wanted: Wanted, found: Sentences) -> None:
    """Intents of utterances in pieces; the pieces that are slots become B- and I- tags."""
    if wanted.word is not None or wanted.tag is not None:
        raise DataError(f"{path} holds slots; word= and tag= choose among columns, leave them out")
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as problem:
        line = getattr(problem, "lineno", 1)
        raise DataError(f"{path}, line {line}: not JSON: {problem}") from None
    if not isinstance(content, dict) or not all(isinstance(c, list) for c in content.values()):
        raise DataError(f"{path} does not hold {_SNIPS}; JSON lines are read by format='jsonl'")
    empty = cut = slots = 0
    for intent, utterances in content.items():
        for place, utterance in enumerate(utterances, start=1):
            pieces = _pieces(utterance, f"{path}, intent {intent}, utterance {place}")
            words, tags = _tagged(pieces)
            cut += _cuts(pieces)
            empty += not words
            slots += sum(tag.startswith("B-") for tag in tags)
            if words:
                found.add(words, tags if wanted.tagged else [], intent)
    kinds = f"{counted(len(content), 'intent')} with {counted(slots, 'slot')}"
    found.note("found", f"{kinds}, tagged B- and I-")
    if cut:
        found.note("found", f"{counted(cut, 'word')} cut where a slot begins or ends", cut)
    if empty:
        found.note("ignored", f"dropped {counted(empty, 'utterance')} without words", empty)


def _pieces(utterance: Any, where: str) -> list[tuple[str, str | None]]:
    """Texts in order, each with the slot that it fills, if any."""
    data = utterance.get("data") if isinstance(utterance, dict) else None
    if not isinstance(data, list):
        raise DataError(f'{where}: expected {{"data": [...]}} in {_SNIPS}')
    pieces = []
    for piece in data:
        text = piece.get("text") if isinstance(piece, dict) else None
        slot = piece.get("entity") if isinstance(piece, dict) else None
        if not isinstance(text, str) or not isinstance(slot, str | None):
            raise DataError(f'{where}: expected {{"text": "...", "entity": "..."}}, got {piece!r}')
        pieces.append((text, slot or None))
    return pieces


def _tagged(pieces: list[tuple[str, str | None]]) -> tuple[list[str], list[str]]:
    words, tags = [], []
    for text, slot in pieces:
        found = text.split()
        words += found
        tags += [f"B-{slot}" if first else f"I-{slot}" for first in _firsts(found)] if slot else []
        tags += [] if slot else ["O"] * len(found)
    return words, tags


def _firsts(words: list[str]) -> list[bool]:
    return [place == 0 for place in range(len(words))]


def _cuts(pieces: list[tuple[str, str | None]]) -> int:
    """How many pieces begin within what white space alone would make one word."""
    texts = [text for text, _ in pieces if text]
    return sum(
        not before[-1].isspace() and not after[0].isspace() for before, after in pairwise(texts)
    )


def read_lines(text: str, path: Path, wanted: Wanted, found: Sentences) -> None:
    """An object with lists of tokens and of tags a line, or a list of such objects."""
    word, tag = wanted.word or "tokens", wanted.tag or "tags"
    empty = 0
    for where, entry in _entries(text, path):
        words = _texts(entry, word, "word", where)
        tags = _texts(entry, tag, "tag", where) if wanted.tagged else []
        if wanted.tagged and len(words) != len(tags):
            raise DataError(
                f"{where}: {counted(len(words), 'word')} but {counted(len(tags), 'tag')}; "
                "every word needs one tag"
            )
        empty += not words
        label = entry.get("label")
        if words:
            found.add(words, tags, None if label is None else str(label))
    told = f"words in {word!r}" + (f", tags in {tag!r}" if wanted.tagged else "")
    found.note("found", f"JSON lines: {told}")
    if empty:
        found.note("ignored", f"dropped {counted(empty, 'sentence')} without words", empty)


def _entries(text: str, path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Objects with where they are."""
    if text.lstrip().startswith("["):
        content = _parsed(text, str(path))
        entries = [(f"{path}, entry {n}", entry) for n, entry in enumerate(content, start=1)]
    else:
        # Not splitlines: it also cuts at code points that JSON leaves as they are.
        lines = [(f"{path}, line {n}", x) for n, x in enumerate(text.split("\n"), start=1)]
        entries = [(where, _parsed(line, where)) for where, line in lines if line.strip()]
    for where, entry in entries:
        if not isinstance(entry, dict):
            raise DataError(f'{where}: expected {{"tokens": [...], "tags": [...]}}, got {entry!r}')
    return entries


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as problem:
        raise DataError(f"{where}: not JSON: {problem}") from None


def _texts(entry: dict[str, Any], key: str | int, what: str, where: str) -> list[str]:
    """A list of texts; tags may be numbers too."""
    values = entry.get(str(key))
    if not isinstance(values, list):
        keys = ", ".join(map(repr, entry)) or "none"
        raise DataError(f"{where}: no list {key!r}, the keys are {keys}; choose with {what}=")
    for value in values:
        fits = (isinstance(value, str) and value != "") or (
            what == "tag" and isinstance(value, int)
        )
        if not fits:
            raise DataError(f"{where}: a {what} must be a text that is not empty, got {value!r}")
    return [str(value) for value in values]
