"""Names as mathematics: x(t), h(t-1), U, in the notation of matplotlib's mathtext."""

from __future__ import annotations

import re

ELLIPSIS = r"\ldots"
TIMES, MINUS = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"
# What elementwise functions are written as, where not by their names.
SIGNS = {
    "add": "+",
    "sub": MINUS,
    "mul": TIMES,
    "div": "\N{DIVISION SIGN}",
    "neg": MINUS,
    "sigmoid": "\N{GREEK SMALL LETTER SIGMA}",
    "relu": "ReLU",
    "maximum": "max",
    "minimum": "min",
    "less": "<",
    "less_equal": "\N{LESS-THAN OR EQUAL TO}",
    "equal": "=",
}


def sign(function: str) -> str:
    """An elementwise function by its sign as mathematics, or by its name."""
    written = SIGNS.get(function, function)
    return written if written.isascii() and written.isalnum() else f"${written}$"


def vector(name: str, time: str = "") -> str:
    """A vector at a time, as "h" at "t-1": bold, with the time in brackets above."""
    return f"${bold(name)}{_at(time)}$"


def scalar(name: str, time: str = "") -> str:
    return f"${name}{_at(time)}$"


def matrix(symbol: str) -> str:
    """A parameter, as "U" or "U_f"."""
    return f"${bold(symbol)}$"


def bold(name: str) -> str:
    """A name in bold; what follows its first underscore becomes a subscript."""
    name, _, below = name.partition("_")
    letters = rf"\mathbf{{{_plain(name)}}}" if name else ""
    return letters + (f"_{{{_upright(below)}}}" if below else "")


def shifted(steps: int) -> str:
    """The time that many steps from t, as "t-1", "t", "t+1"."""
    # Braces make the sign an ordinary letter, without space around it.
    sign = "+" if steps > 0 else "-"
    return f"t{{{sign}}}{abs(steps)}" if steps else "t"


def times(steps: int) -> list[str]:
    """That many times in a row, t in their middle."""
    return [shifted(step - (steps - 1) // 2) for step in range(steps)]


def hat(name: str, time: str = "") -> str:
    """A vector that estimates another."""
    return rf"$\hat{{{bold(name)}}}{_at(time)}$"


def _at(time: str) -> str:
    return f"^{{({time})}}" if time else ""


def _upright(text: str) -> str:
    return text if re.fullmatch(r"\w|\d+", text) else rf"\mathrm{{{_plain(text)}}}"


def _plain(text: str) -> str:
    """A name with what mathematics would take for a sign of its own made an ordinary letter."""
    return re.sub(r"[$%&#_{} ]", r"\\\g<0>", re.sub(r"[\\^~]", " ", text))
