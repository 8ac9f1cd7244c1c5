"""Drawings as files, and the arguments of `draw`."""

import ast
import os
from pathlib import Path

import matplotlib
import pytest
import torch

from graph.drawn import figure, graph_of
from unrolled.graph import drawing, graph
from unrolled.graph.drawing import draw, picture_of
from unrolled.graph.drawing.picture import looks, painting


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_a_drawing_is_the_same_bytes_whatever_the_callers_settings(
    tmp_path: Path, suffix: str
) -> None:
    first = draw(graph_of("leaky"), tmp_path / f"first{suffix}")
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": "other", "text.color": "red"}):
        second = draw(graph_of("leaky"), tmp_path / f"second{suffix}")
    assert first.read_bytes() == second.read_bytes()


def test_a_drawing_leaves_the_callers_settings() -> None:
    before = dict(matplotlib.rcParams)
    looks.text_size.cache_clear()
    picture_of(graph_of("elman")).extent  # noqa: B018 - measuring is what could change them
    assert dict(matplotlib.rcParams) == before


def test_pages_are_no_wider_than_paper_until_letters_get_small() -> None:
    narrow, wide, endless = (painting.paint(figure("elman", n)) for n in (2, 5, 9))
    assert narrow.axes[0].texts[0].get_fontsize() == 11
    assert wide.get_figwidth() * 2.54 == pytest.approx(16)
    assert endless.axes[0].texts[0].get_fontsize() == 8
    assert endless.get_figwidth() * 2.54 > 16


def test_a_failure_leaves_neither_half_a_file_nor_a_temporary_one(tmp_path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("disk full")

    old = tmp_path / "cell.svg"
    old.write_text("old")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        draw(graph_of("elman"), old)
    assert [path.name for path in tmp_path.iterdir()] == ["cell.svg"]
    assert old.read_text() == "old"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "cell.jpg"}, r"cannot draw 'cell.jpg': the name must end in one of .svg, .png"),
        ({"steps": 0}, "steps must be a whole number from 1 up, or None, got 0"),
        ({"steps": 2.0}, "steps must be a whole number from 1 up, or None, got 2.0"),
        ({"steps": True}, "steps must be a whole number from 1 up, or None, got True"),
        ({"level": "textbok"}, "level is 'textbok'; did you mean 'textbook'"),
        ({"network": "bidirectonal"}, "did you mean 'bidirectional'"),
        ({"network": "last", "level": "operators"}, "leave out network|textbook"),
        ({"network": "last", "path": "cell.mmd"}, "leave out network"),
    ],
)
def test_a_bad_argument_is_named(tmp_path: Path, arguments: dict, message: str) -> None:
    path = tmp_path / arguments.pop("path", "cell.svg")
    with pytest.raises(ValueError, match=message) as raised:
        draw(graph_of("elman"), path, **arguments)
    assert "\n" not in str(raised.value)
    assert not path.exists()


def test_a_function_has_nothing_to_unroll() -> None:
    product = graph(lambda x, y: x * y, torch.ones(2), torch.ones(2))
    with pytest.raises(ValueError, match="carries no state"):
        picture_of(product, steps=2)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        draw(graph_of("elman"), tmp_path / "nowhere" / "cell.svg")


def test_matplotlib_is_imported_by_drawing_alone() -> None:
    for path in Path(drawing.__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "matplotlib" not in ast.unparse(node), path.name
