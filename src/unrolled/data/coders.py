"""From text to tokens and ids and back, one class a kind of token.

    Characters   every Unicode code point is a token
    Words        words, numbers, line ends, and every other character alone
    Symbols      what blanks part, whole: phonemes ("K AE1 T"), glosses, note names
    Subwords     byte-pair encoding over the bytes of UTF-8

Words are runs of letters, their combining marks, digits and inner apostrophes ("don't"); numbers
keep their separators ("1,234.5"). White space other than line ends only parts tokens and is not
kept: `decode` puts one blank between tokens, none before closing and after opening punctuation,
none around hyphens, slashes and line ends, and takes straight quotes in turn as opening and
closing, line by line. Encoding that text again gives the same tokens.

References:
    Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units",
    ACL 2016.
    Radford et al., "Language models are unsupervised multitask learners", 2019 (over bytes).
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from .errors import DataError

Merges = tuple[tuple[str, str], ...]

# What stands for an unknown character in decoded text.
_REPLACEMENT = 0xFFFD
# \u2018, \u2019: single quotation marks; the second is also the typographic apostrophe.
_CLOSING = frozenset(".,;:!?)]}%…»”\u2019-/\n")
_OPENING = frozenset("([{¿¡«“\u2018$€£#@-/\n")
_QUOTES = frozenset("\"'")
# Zero width: inside words they join or part letters, as combining marks do.
_JOINERS = "\u200c\u200d"
# A blank goes with the word behind it, so that a word is one token wherever it stands.
_PIECES = r"'(?:[sdmt]|ll|ve|re)| ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|\s+(?!\S)|\s+"


class Coder(Protocol):
    """Ids [T] are int64 and never those of special tokens."""

    def tokenize(self, text: str) -> list[str]: ...
    def encode(self, text: str) -> np.ndarray: ...
    def decode(self, ids: np.ndarray) -> str: ...


class Characters:
    """One table from code points to ids, and one back.

    Args:
        tokens: all tokens, at the place of their ids.
        unknown: the id of the unknown token; the characters begin behind it.
    """

    def __init__(self, tokens: Sequence[str], unknown: int) -> None:
        known = np.array([ord(token) for token in tokens[unknown + 1 :]], dtype="<u4")
        self.points = np.full(len(tokens), _REPLACEMENT, dtype="<u4")
        self.points[unknown + 1 :] = known
        # The last place stands for all code points beyond the largest known.
        self.ids = np.full(int(known.max()) + 2, unknown, dtype=np.int64)
        self.ids[known] = np.arange(unknown + 1, len(tokens))

    def tokenize(self, text: str) -> list[str]:
        return list(text)

    def encode(self, text: str) -> np.ndarray:
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        return self.ids[np.minimum(points, len(self.ids) - 1)]

    def decode(self, ids: np.ndarray) -> str:
        return self.points[ids].tobytes().decode("utf-32-le", "surrogatepass")


class Words:
    """Words by their ids; the arguments are those of `Characters`."""

    def __init__(self, tokens: Sequence[str], unknown: int) -> None:
        self.tokens, self.unknown = tokens, unknown
        self.ids = {token: k for k, token in enumerate(tokens)}

    def tokenize(self, text: str) -> list[str]:
        return words(text)

    def encode(self, text: str) -> np.ndarray:
        ids, unknown = self.ids, self.unknown
        return np.array([ids.get(word, unknown) for word in words(text)], dtype=np.int64)

    def decode(self, ids: np.ndarray) -> str:
        return join(self.tokens[k] for k in map(int, ids))


class Symbols(Words):
    """What stands between blanks, by its id; the arguments are those of `Characters`."""

    def tokenize(self, text: str) -> list[str]:
        return text.split()

    def encode(self, text: str) -> np.ndarray:
        return np.array([self.ids.get(s, self.unknown) for s in text.split()], dtype=np.int64)

    def decode(self, ids: np.ndarray) -> str:
        return " ".join(self.tokens[k] for k in map(int, ids))


class Subwords:
    """Byte-pair encoding by `tokenizers`.

    Special tokens stay outside of it: it would find their names in the text.

    Args:
        tokens: all tokens, at the place of their ids.
        first: the id of the first subword, behind the special tokens.
        merges: pairs of subwords that become one, in their order.
    """

    def __init__(self, tokens: Sequence[str], first: int, merges: Merges) -> None:
        from tokenizers.models import BPE

        learned = {token: k for k, token in enumerate(tokens[first:])}
        self.first = first
        self.tokenizer = _byte_level(BPE(vocab=learned, merges=list(merges)))

    def tokenize(self, text: str) -> list[str]:
        return self._encoding(text).tokens

    def encode(self, text: str) -> np.ndarray:
        return np.array(self._encoding(text).ids, dtype=np.int64) + self.first

    def decode(self, ids: np.ndarray) -> str:
        return self.tokenizer.decode((ids - self.first).tolist(), skip_special_tokens=False)

    def _encoding(self, text: str) -> Any:
        _check_encodable(text)
        return self.tokenizer.encode(text)


def words(text: str) -> list[str]:
    """A text as words, numbers, line ends and single other characters."""
    marks = {c for c in set(text) if _is_mark(c)}
    return _word_pattern("".join(sorted(marks))).findall(text)


@lru_cache(maxsize=64)
def _word_pattern(marks: str) -> re.Pattern[str]:
    """Python's \\w knows no combining marks, so those that a text holds are given."""
    word, mark = rf"[\w{marks}]+", f"[{marks}]*" if marks else ""
    return re.compile(rf"\n|\d+(?:[.,:]\d+)+|{word}(?:['\u2019]{word})*|[^\s\w]{mark}")


def _is_mark(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character)[0] == "M"


def join(tokens: Iterable[str]) -> str:
    """Words as a text that reads well; `words` of it gives the same words."""
    parts: list[str] = []
    opened: set[str] = set()
    tight = True
    for token in tokens:
        closes, opens = token in _CLOSING, token in _OPENING
        if token in _QUOTES:
            closes, opens = token in opened, token not in opened
            opened ^= {token}
        elif token == "\n":
            opened.clear()
        # A mark would become part of a token that it follows directly.
        fuses = _is_mark(token[0]) and parts and parts[-1] != "\n"
        parts.append(token if closes or (tight and not fuses) else f" {token}")
        tight = opens
    return "".join(parts)


def learn_subwords(documents: Sequence[str], least: int, size: int) -> tuple[list[str], Merges]:
    """The tokens and merges of byte-pair encoding.

    Args:
        documents: to learn from.
        least: how often a pair must be seen to be merged.
        size: tokens at most: the 256 bytes, then the result of each merge.

    Raises:
        DataError: if there is no text, or half a surrogate pair in it.
    """
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer

    if not any(documents):
        raise DataError("the texts are empty, so there is nothing to learn subwords from")
    for text in documents:
        _check_encodable(text)
    tokenizer = _byte_level(BPE())
    trainer = BpeTrainer(
        vocab_size=size,
        min_frequency=least,
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return tokens, tuple((left, right) for left, right in model["merges"])


def _byte_level(model: Any) -> Any:
    from tokenizers import Regex, Tokenizer, decoders
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    tokenizer: Any = Tokenizer(model)
    parts = Split(Regex(_PIECES), behavior="isolated")
    letters = ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = Sequence([parts, letters])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _check_encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as problem:
        raise DataError(
            f"the text holds U+{ord(text[problem.start]):04X} at {problem.start:,}, half a "
            "surrogate pair and no character; read it again in the encoding it was written in"
        ) from None
