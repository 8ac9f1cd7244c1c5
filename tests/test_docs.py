"""The examples of the documentation, run."""

import doctest
import re
from pathlib import Path

import pytest

from unrolled.engines.native.build import compiler

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(DOCS.glob("*.md"))
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_print_what_the_page_says(page) -> None:
    text = page.read_text()
    if page.stem == "native-engine" and compiler() is None:
        pytest.skip("there is no C++ compiler")
    examples = "\n".join(block for block in BLOCK.findall(text) if ">>>" in block)
    test = doctest.DocTestParser().get_doctest(examples, {}, page.name, str(page), 0)
    assert test.examples
    said: list[str] = []
    doctest.DocTestRunner().run(test, out=said.append)
    assert not said, "".join(said)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_figures_are_there(page) -> None:
    for figure in re.findall(r"!\[.*?\]\((.*?)\)", page.read_text()):
        assert (DOCS / figure).is_file(), figure
