"""The space of a search: which hyper-parameters are searched, and among which values.

    hidden-size=8..128          whole numbers
    learning-rate=1e-3..3e-2    numbers; on a logarithmic scale, as the ends are a decade apart
    cell=lstm,gru               one of these

Names and types of the values are those of a task's command-line options.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from types import NoneType
from typing import Any, get_args, get_type_hints

from ..naming import one_of
from .arguments import arguments_of

# From this ratio of its ends on, a range is searched on a logarithmic scale.
DECADE = 10
# Sampled numbers are used and shown with so many digits, so that they can be typed again.
DIGITS = 3


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, whole ones where both ends are.

    Raises:
        ValueError: `low` is not below `high`, or one is not finite.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not -math.inf < self.low < self.high < math.inf:
            raise ValueError(f"a range goes from a number to a larger one, got {self}")

    def __str__(self) -> str:
        return f"{self.low!r}..{self.high!r}"

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def is_logarithmic(self) -> bool:
        return self.low > 0 and self.high / self.low >= DECADE

    def nearest(self, value: Any) -> float:
        """The value of the range that is nearest to `value`."""
        return min(max(value, self.low), self.high)

    def short(self, value: float) -> float:
        """A sampled value with few digits, still in the range."""
        return value if self.is_whole else self.nearest(float(f"{value:.{DIGITS}g}"))

    def values(self) -> Iterable[Any]:
        """All values, in order; endless where they are not whole."""
        return range(int(self.low), int(self.high) + 1) if self.is_whole else itertools.count()

    @property
    def count(self) -> float:
        return int(self.high) - int(self.low) + 1 if self.is_whole else math.inf


@dataclass(frozen=True)
class Choices:
    """One of several values.

    Raises:
        ValueError: there are fewer than two, or one stands twice.
    """

    options: tuple[Any, ...]

    def __post_init__(self) -> None:
        if len(set(self.options)) < max(len(self.options), 2):
            raise ValueError(f"choices are two or more different values, got {self}")

    def __str__(self) -> str:
        return ",".join(str(option) for option in self.options)

    def nearest(self, value: Any) -> Any:
        """`value` if it is a choice, else None."""
        return value if value in self.options else None

    def short(self, value: Any) -> Any:
        """`value`, as it was given."""
        return value

    def values(self) -> Iterable[Any]:
        """All of them, in order."""
        return self.options

    @property
    def count(self) -> float:
        return len(self.options)


Part = Range | Choices
Space = Mapping[str, Part]


def option_name(name: str) -> str:
    """`hidden-size` of `hidden_size`."""
    return name.replace("_", "-")


def searchable(group: type, names: Iterable[str]) -> dict[str, type]:
    """The type of the values, int, float or str, of some fields of a group of options."""
    hints = get_type_hints(group)
    said = {field.name: told["kind"] for field, told in arguments_of(group)}
    known = {field.name for field in fields(group)}
    kinds = {name: said.get(name) or hints[name] for name in names if name in known}
    return {
        name: next((k for k in get_args(kind) if k is not NoneType), kind)
        for name, kind in kinds.items()
    }


def parse_space(texts: Iterable[str], kinds: Mapping[str, type]) -> dict[str, Part]:
    """A space as it is written on a command line.

    Arguments:
        texts: `NAME=A..B` or `NAME=A,B,C` each.
        kinds: the names that may be searched, with the type of their values.

    Raises:
        ValueError: a text is none of these, or a name stands twice.
    """
    space: dict[str, Part] = {}
    for text in texts:
        option, equals, spec = text.partition("=")
        if not equals:
            raise ValueError(
                f"--search takes NAME=SPEC, as hidden-size=8..128 or cell=lstm,gru, got {text!r}"
            )
        option = one_of(option_name(option.strip()), map(option_name, kinds), "--search")
        name = option.replace("-", "_")
        if name in space:
            raise ValueError(f"--search {option} stands twice; give it once")
        try:
            space[name] = _part(spec, kinds[name])
        except ValueError as error:
            raise ValueError(f"--search {text}: {error}") from None
    return space


def _part(spec: str, kind: type) -> Part:
    if kind is not str and ".." in spec:
        low, _, high = spec.partition("..")
        return Range(_number(low, kind), _number(high, kind))
    values = [value.strip() for value in spec.split(",") if value.strip()]
    if len(values) < 2:
        among = "A,B,C" if kind is str else "A..B or A,B,C"
        raise ValueError(f"there is nothing to search in; write {among}")
    return Choices(tuple(value if kind is str else _number(value, kind) for value in values))


def _number(text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise ValueError(f"{text.strip()!r} is not {wanted}") from None


def combinations(space: Space, most: int) -> list[dict[str, Any]] | None:
    """All points of a space, in order; None where there are more than `most`."""
    if math.prod(part.count for part in space.values()) > most:
        return None
    values = itertools.product(*(part.values() for part in space.values()))
    return [dict(zip(space, point, strict=True)) for point in values]


def corners(space: Space) -> list[dict[str, Any]]:
    """All choices, with all ranges at their low end, and with all at their high end."""
    found = []
    for end in ("low", "high"):
        ends = [
            part.options if isinstance(part, Choices) else (getattr(part, end),)
            for part in space.values()
        ]
        found += [dict(zip(space, point, strict=True)) for point in itertools.product(*ends)]
    return found
