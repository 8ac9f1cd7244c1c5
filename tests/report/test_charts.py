"""Figures say what they show, follow the page's colours, and come out the same each time."""

import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from unrolled.data import DataError, Frequency
from unrolled.report import Key
from unrolled.report.charts import (
    Fan,
    Line,
    calibration_chart,
    fan_chart,
    lines_chart,
    stacked_chart,
)
from unrolled.report.figures import PALETTE, inline_svg, save_figure

LINE = Line(Key("a", "blue"), [0, 1, 2], [1.0, np.nan, 2.0])


def make_fan(steps: int = 4, levels: tuple[float, ...] = (0.1, 0.5, 0.9), freq: str = "1h") -> Fan:
    frequency = Frequency.parse(freq)
    start = 0 if frequency.kind == "integer" else np.datetime64("2020-01-31")
    times = frequency.times(start, 0, 6 + steps)
    middle = np.linspace(1, 2, steps)
    return Fan(
        seen_times=times[:6],
        seen=np.arange(6.0),
        times=times[6:],
        truth=middle + 0.1,
        quantiles=middle[:, None] + np.array(levels) - 0.5,
        levels=levels,
        others={Key("naive", "orange", "dashed"): np.full(steps, 1.5)},
    )


@pytest.mark.parametrize("steps", [1, 2, 24, 300])
@pytest.mark.parametrize("freq", ["1", "1h", "1mo", "1bd", "1y"])
def test_fans_of_any_length_and_frequency_are_drawn(steps: int, freq: str) -> None:
    assert inline_svg(fan_chart(make_fan(steps, freq=freq), "y"), "a fan").endswith("</svg>")


@pytest.mark.parametrize(
    ("levels", "bands"),
    [
        ((0.5,), []),
        ((0.1, 0.5, 0.9), ["10 to 90 %"]),
        ((0.5, 0.9), ["50 to 90 %"]),
        ((0.025, 0.25, 0.5, 0.75, 0.975), ["2.5 to 97.5 %", "25 to 75 %"]),
    ],
)
def test_a_fan_has_a_band_for_each_pair_of_levels(
    levels: tuple[float, ...], bands: list[str]
) -> None:
    fan = make_fan(levels=levels)
    assert [key.label for key in fan.legend() if key.look == "band"] == bands
    assert inline_svg(fan_chart(fan, "y"), "").count("fill-opacity") == len(bands)


def test_the_median_is_drawn_where_it_is() -> None:
    from matplotlib.figure import Figure

    figure, fan = Figure(), make_fan()
    fan_chart(fan, "y")(figure)
    drawn = [line.get_ydata() for line in figure.axes[0].lines]
    assert any(np.array_equal(y, fan.quantiles[:, 1]) for y in drawn)
    assert any(np.array_equal(y, [*fan.seen, *fan.truth]) for y in drawn)


def test_a_point_without_neighbours_is_marked() -> None:
    long = np.full(40, np.nan)
    long[[3, 10, 11]] = 1.0
    line = Line(Key("a", "blue"), range(40), long)
    svg = inline_svg(lines_chart([line], "x", "y"), "")
    assert svg.count("<use") == 1


def test_colours_are_those_of_the_page() -> None:
    svg = inline_svg(lines_chart([LINE], "x", "y", (0, 1.0, "best")), "")
    assert "var(--blue)" in svg
    assert not [light for light, _ in PALETTE.values() if light in svg]


def test_an_inline_figure_is_an_element_that_says_what_it_shows() -> None:
    svg = inline_svg(lines_chart([LINE], "a & b", "$y <i>"), 'A "quoted" <b>')
    assert svg.startswith("<svg viewBox=")
    assert 'aria-label="A &quot;quoted&quot; &lt;b&gt;"' in svg
    assert "$y &lt;i&gt;" in svg
    assert "http" not in svg
    assert not re.search(r'<g id="', svg)


def test_figures_are_the_same_in_every_process() -> None:
    code = (
        "from unrolled.report import Key; from unrolled.report.charts import Line, stacked_chart;"
        "from unrolled.report.figures import inline_svg;"
        "print(inline_svg(stacked_chart([Line(Key('a', 'blue'), [0, 1], [1, 2])], 'x'), 'alt'))"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    paint = stacked_chart([Line(Key("a", "blue"), [0, 1], [1, 2])], "x")
    assert elsewhere.stdout.decode() == inline_svg(paint, "alt") + "\n"


def test_the_user_keeps_their_own_settings() -> None:
    with mpl.rc_context({"font.size": 31, "svg.hashsalt": "mine"}):
        inline_svg(calibration_chart([0.5], [0.4]), "")
        assert mpl.rcParams["font.size"] == 31
        assert mpl.rcParams["svg.hashsalt"] == "mine"


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_figure_goes_to_a_file(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"fan.{ending}"
    paint = fan_chart(make_fan(), "y", legend=True)
    first = save_figure(paint, path, white=True).read_bytes()
    assert save_figure(paint, path, white=True).read_bytes() == first
    assert save_figure(paint, path).read_bytes() != first


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must end in \.svg or \.png"):
        save_figure(calibration_chart([0.5], [0.5]), tmp_path / "fan.jpg")
