"""A page is one file, escaped throughout, whatever it is made of."""

import re
from html.parser import HTMLParser

from unrolled.report import (
    Code,
    Facts,
    Items,
    Key,
    Page,
    Picture,
    Pictures,
    Table,
    Text,
    Tile,
    Tiles,
)
from unrolled.report.figures import PALETTE

NASTY = "<b>&\"'</b><script>alert(1)</script>"
VOID = {"meta", "path", "br", "img", "link", "rect", "use"}


class Balance(HTMLParser):
    """Collects the text and checks that every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def every_block(text: str) -> Page:
    page = Page(text, text, [Text(text, "lead"), Tiles([Tile(text, text, text)])])
    return page.section(
        text,
        Items([text]),
        Table([text, text], [[text, text]], text, strong=frozenset({(0, 1)})),
        Pictures([Picture("<svg></svg>", text, [Key(text, "blue", "band")])], [Key(text, "ink")]),
        Code(text),
        Facts([(text, text)]),
    )


def test_every_text_is_escaped() -> None:
    html = every_block(NASTY).html()
    assert "<b>" not in html
    assert "<script" not in html
    parser = Balance()
    parser.feed(html)
    # Title and subtitle 3, first blocks 4, heading and link 2, list 1, table 5, figure 3,
    # code 1, facts 2.
    assert "".join(parser.text).count(NASTY) == 21


def test_elements_are_balanced() -> None:
    parser = Balance()
    parser.feed(every_block("x").html())
    assert parser.open == []


def test_cells_to_stress_are_strong_and_no_others() -> None:
    table = Table(["a", "b"], [["x", "1"], ["y", "2"]], strong=frozenset({(1, 1)}))
    html = Page("t").section("s", table).html()
    assert re.findall("<strong>(.*?)</strong>", html) == ["2"]


def test_both_schemes_have_every_colour() -> None:
    html = Page("t").html()
    for name, (light, dark) in PALETTE.items():
        assert f"--{name}: {light};" in html
        assert f"--{name}: {dark};" in html


def test_sections_are_linked_in_order() -> None:
    html = Page("t").section("One").section("Two").html()
    assert re.findall(r'<a href="#part-(\d)">(\w+)</a>', html) == [("1", "One"), ("2", "Two")]
    assert re.findall(r'<section id="part-(\d)">', html) == ["1", "2"]
