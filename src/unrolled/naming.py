"""Words that people type and read: names checked against those that exist; how many of what."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, choices: Iterable[str]) -> str:
    """A hint `did you mean 'tanh'? ` for a mistyped name, or the empty string."""
    by_lower = {choice.lower(): choice for choice in choices}
    close = get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.5)
    return f"did you mean {by_lower[close[0]]!r}? " if close else ""


def counted(count: int, one: str, many: str | None = None) -> str:
    """ "1 window", "1,200 windows"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def one_of(name: str, choices: Iterable[str], what: str) -> str:
    """Return `name` if it is one of `choices`.

    Raises:
        ValueError: naming the argument (`what`), the choices and the nearest of them.
    """
    choices = list(choices)
    if name in choices:
        return name
    raise ValueError(
        f"{what} is {name!r}; {nearest(name, choices)}choose from {', '.join(choices)}"
    )
