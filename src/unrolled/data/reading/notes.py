"""A running record of everything that was inferred or repaired."""

from collections.abc import Sequence

from ..series import Finding

_MOST_NAMES = 5


class Notes(list[Finding]):
    """Findings in the order in which they were made; a count of zero repairs adds none."""

    def found(self, text: str) -> None:
        self.append(Finding("found", text))

    def repaired(self, text: str, count: int) -> None:
        """`text` holds `{}` where the count goes: "dropped {} rows without a time"."""
        if count:
            self.append(Finding("repaired", _counted(text, count), count))

    def ignored(self, text: str, names: Sequence[str]) -> None:
        """`text` follows the names: "empty" becomes "columns a, b: empty"."""
        if names:
            columns = "column" if len(names) == 1 else "columns"
            self.append(Finding("ignored", f"{columns} {listed(names)}: {text}", len(names)))

    def left_out(self, text: str, count: int) -> None:
        if count:
            self.append(Finding("ignored", _counted(text, count), count))

    def warned(self, text: str, count: int) -> None:
        if count:
            self.append(Finding("warning", _counted(text, count), count))


def listed(names: Sequence[str]) -> str:
    """ "a, b, c" with the rest counted: "a, b, c, d, e and 12 more"."""
    shown = ", ".join(names[:_MOST_NAMES])
    rest = len(names) - _MOST_NAMES
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def _counted(text: str, count: int) -> str:
    text = text.replace("{}", f"{count:,}")
    return text.replace(" rows", " row").replace(" values", " value") if count == 1 else text
