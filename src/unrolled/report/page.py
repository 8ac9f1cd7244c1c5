"""A report as one HTML file that refers to nothing outside itself.

    page = Page("Weather", "temp, 24 hours ahead")
    page.section("Scores", Text("Lower is better."), Table(["model", "MAE"], [["lstm", "1.2"]]))
    path.write_text(page.html())

Every text is escaped; only `Picture.svg`, which `figures.inline_svg` makes, goes in as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from .figures import PALETTE


@dataclass(frozen=True)
class Text:
    """A paragraph; `tone` is "", "lead" (the sentence to remember), "bad" or "quiet"."""

    kind: ClassVar[str] = "text"
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Items:
    """A list of short texts."""

    kind: ClassVar[str] = "items"
    texts: Sequence[str]


@dataclass(frozen=True)
class Tile:
    """One number to see first: what it is, the number, and what to compare it with."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Tiles:
    """Numbers side by side."""

    kind: ClassVar[str] = "tiles"
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Table:
    """Rows of texts under a header; the first `names` columns hold words, the rest numbers.

    `strong` holds (row, column) of the cells to print in bold.
    """

    kind: ClassVar[str] = "table"
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    names: int = 1
    strong: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Key:
    """One entry of a legend; `look` is "line", "dashed", "dotted", "dashdot" or "band"."""

    label: str
    colour: str
    look: str = "line"


@dataclass(frozen=True)
class Picture:
    """A figure as `figures.inline_svg` returns it, and what it shows."""

    svg: str
    caption: str
    keys: Sequence[Key] = ()


@dataclass(frozen=True)
class Pictures:
    """Figures side by side where there is room, with one legend for all."""

    kind: ClassVar[str] = "pictures"
    pictures: Sequence[Picture]
    keys: Sequence[Key] = ()


@dataclass(frozen=True)
class Code:
    """Text to copy."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Facts:
    """Names and what they are."""

    kind: ClassVar[str] = "facts"
    facts: Sequence[tuple[str, str]]


Block = Text | Items | Tiles | Table | Pictures | Code | Facts


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]


@dataclass
class Page:
    """Title, opening blocks, and sections in the order in which they are added."""

    title: str
    subtitle: str = ""
    opening: Sequence[Block] = ()
    sections: list[Section] = field(default_factory=list)

    def section(self, title: str, *blocks: Block) -> "Page":
        """Add a section; returns the page."""
        self.sections.append(Section(title, blocks))
        return self

    def html(self) -> str:
        """The whole file."""
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        text = environment.get_template("page.html").render(page=self, palette=PALETTE)
        return text.strip() + "\n"
