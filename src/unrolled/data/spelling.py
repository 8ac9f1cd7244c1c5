"""How people spell a frequency: "15min", "H", "quarterly", "W-SUN", "2mo".

`parse_spelling` gives the kind of grid, its size and whether it sits on month ends;
`spell` is its inverse. Aliases of pandas are accepted; of those that differ only by case,
"M" is the month and "m" is refused, because half of its users mean minutes.
"""

import re

from ..naming import nearest
from .errors import DataError
from .grids import DAY, HOUR, MINUTE, SECOND, WEEK

Spacing = tuple[str, int, bool]  # kind of grid, size, on month ends

# Canonical unit, then everything else that means it. Upper-case aliases are those of pandas.
_UNITS: dict[str, tuple[Spacing, tuple[str, ...]]] = {
    "us": (("duration", 1, False), ("U", "microsecond", "microseconds")),
    "ms": (("duration", 1000, False), ("L", "millisecond", "milliseconds")),
    "s": (("duration", SECOND, False), ("S", "sec", "second", "seconds")),
    "min": (("duration", MINUTE, False), ("T", "minute", "minutes", "minutely")),
    "h": (("duration", HOUR, False), ("H", "hour", "hours", "hourly")),
    "d": (("duration", DAY, False), ("D", "day", "days", "daily")),
    "w": (("duration", WEEK, False), ("W", "week", "weeks", "weekly")),
    "mo": (("months", 1, False), ("MS", "month", "months", "monthly")),
    "mo-end": (("months", 1, True), ("M", "ME")),
    "q": (("months", 3, False), ("QS", "quarter", "quarters", "quarterly")),
    "q-end": (("months", 3, True), ("Q", "QE")),
    "y": (("months", 12, False), ("YS", "AS", "year", "years", "yearly", "annual")),
    "y-end": (("months", 12, True), ("Y", "YE", "A")),
    "bd": (("business", 1, False), ("B", "business day", "business days", "business")),
}
_EXACT = {name: unit for unit, (_, names) in _UNITS.items() for name in (unit, *names)}
# Lower case is tried last, so that "MS" stays month start although "ms" is a millisecond.
_ANY_CASE = {name.lower(): unit for name, unit in _EXACT.items() if len(name) > 2}
_PATTERN = re.compile(r"(\d*)\s*([A-Za-z][A-Za-z -]*)?")
_ANCHOR = re.compile(r"^(W|QS|QE|Q|YS|YE|Y|AS|A)-[A-Za-z]{3}$")


def parse_spelling(text: str) -> Spacing:
    """Kind, size and month end of a spelled frequency; a bare number is integer steps."""
    match = _PATTERN.fullmatch(text.strip())
    count, unit = match.groups() if match else ("", None)
    if not count and not unit:
        raise _unknown(text)
    if count and int(count) == 0:
        raise DataError(f"frequency {text!r} has steps of length zero; write 1 or more")
    if not unit:
        return "integer", int(count), False
    kind, size, month_end = _UNITS[_canonical_unit(unit, text)][0]
    return kind, size * int(count or 1), month_end


def spell(spacing: Spacing) -> str:
    """The shortest spelling that `parse_spelling` reads back: "15min", "1mo-end", "1y"."""
    kind, size, month_end = spacing
    if kind == "integer":
        return str(size)
    fitting = [
        (unit_size, unit)
        for unit, ((unit_kind, unit_size, end), _) in _UNITS.items()
        if unit_kind == kind
        and end == month_end
        and size % unit_size == 0
        # A quarter is spelled as three months, which needs no explanation.
        and unit[0] != "q"
    ]
    unit_size, unit = max(fitting)
    return f"{size // unit_size}{unit}"


def _canonical_unit(unit: str, text: str) -> str:
    # The first time of a series says on which weekday or month a grid starts, so the
    # anchors of pandas ("W-SUN", "QS-OCT") carry nothing more.
    anchored = _ANCHOR.match(unit.strip())
    unit = anchored.group(1) if anchored else unit.strip()
    if unit == "m":
        raise DataError(f"frequency {text!r} is ambiguous; write min for minutes, mo for months")
    found = _EXACT.get(unit) or _EXACT.get(unit.lower()) or _ANY_CASE.get(unit.lower())
    if found is None:
        raise _unknown(text, unit)
    return found


def _unknown(text: str, unit: str = "") -> DataError:
    hint = nearest(unit, [*_ANY_CASE, *_UNITS]) if len(unit) > 2 else ""
    known = "15min, 1h, 1d, 1bd, 1w, 1mo, 1q, 1y, or a plain number of steps"
    return DataError(f"frequency {text!r} is not known; {hint}write one such as {known}")
