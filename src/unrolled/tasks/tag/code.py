"""Lines of Python's own library, each word tagged with what it is: text that is always at hand.

    return   self       .         _cache     .         get     (         key        )
    keyword  variable   operator  attribute  operator  method  operator  variable   operator

`tokenize` cuts the lines into words; `ast` knows what a name is: a variable, a parameter, a
function that is called. A line does not tell all of that, so a tagger must learn to guess.
"""

from __future__ import annotations

import ast
import keyword
import tokenize
from collections.abc import Iterable, Iterator
from importlib import import_module
from inspect import getsource
from io import StringIO

from ...data.tagged import TaggedSentences, sentences_of

MODULES = ("argparse", "configparser", "csv", "dataclasses", "difflib", "fractions", "gzip")
MODULES += ("heapq", "inspect", "json.decoder", "json.encoder", "optparse", "shlex", "statistics")
# What a line holds, by the kind of token; names are told by `ast`.
_KINDS = {tokenize.NUMBER: "number", tokenize.STRING: "string", tokenize.OP: "operator"}
# What says no more than that there is a string.
_STRING = "'...'"

# Where a name begins: line and column.
Place = tuple[int, int]


def lines_of_code(modules: Iterable[str] = MODULES) -> TaggedSentences:
    """The lines of modules of the standard library, a sentence each; every line once."""
    sources = [getsource(import_module(name)) for name in modules]
    lines = dict.fromkeys(line for source in sources for line in tagged_lines(source))
    words = [[word for word, _ in line] for line in lines]
    tags = [[tag for _, tag in line] for line in lines]
    return sentences_of(words, tags, name="python code")


def tagged_lines(source: str) -> Iterator[tuple[tuple[str, str], ...]]:
    """The logical lines of a module as words with tags; those of one word are left out."""
    roles, before = dict(_roles(ast.parse(source))), ""
    line: list[tuple[str, str]] = []
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type == tokenize.NEWLINE:
            if len(line) > 1:
                yield tuple(line)
            line = []
        elif token.type == tokenize.NAME:
            line.append((token.string, _role_of(token.string, before, roles.get(token.start))))
        elif token.type in _KINDS:
            shown = _STRING if token.type == tokenize.STRING else token.string
            line.append((shown, _KINDS[token.type]))
        before = token.string


def _role_of(name: str, before: str, role: str | None) -> str:
    if keyword.iskeyword(name):
        return "keyword"
    return {"def": "function", "class": "class"}.get(before, role or "variable")


def _roles(tree: ast.AST) -> Iterator[tuple[Place, str]]:
    """What names are that are no variables, by where they begin."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield _last(node, node.attr), "attribute"
        elif isinstance(node, ast.arg):
            yield (node.lineno, node.col_offset), "parameter"
        elif isinstance(node, ast.keyword) and node.arg is not None:
            yield (node.lineno, node.col_offset), "keyword argument"
        elif isinstance(node, ast.alias):
            yield (node.lineno, node.col_offset), "import"
    # After the attributes and names, of which these are some.
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute):
            yield _last(called, called.attr), "method"
        elif isinstance(called, ast.Name):
            yield (called.lineno, called.col_offset), "call"


def _last(node: ast.Attribute, name: str) -> Place:
    """Where the name at the end of a node begins."""
    return node.end_lineno or 0, (node.end_col_offset or 0) - len(name)
