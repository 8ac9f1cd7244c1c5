"""The pictures of README and docs: python docs/pictures.py.

docs/forecast.svg is a 24-hour forecast of New York's temperature from the test part of the
demo: the window whose error is the median of all. docs/forcing.svg shows the losses of three
decoders on the same table that read their own last forecast, by what they read in training.
"""

from pathlib import Path

import numpy as np

import unrolled as ur
from unrolled.data import SeriesSet
from unrolled.report.figures import colour, save_figure
from unrolled.report.training import FORCED
from unrolled.tasks.forecast.report import forecast_figure

FOLDER = Path(__file__).parent
FORCINGS = {"teacher": "blue", "scheduled": "green", "free": "orange"}


def forecast(data: SeriesSet, start: int) -> None:
    model = ur.Forecaster("lstm", horizon=24).fit(data.before(start))
    backtest = model.backtest(data, start)
    ranked = backtest.worst(len(backtest.windows))
    window = int(ranked[len(ranked) // 2])
    path = forecast_figure(backtest, window, FOLDER / "forecast.svg")
    error = np.nanmean(np.abs(backtest.truth - backtest.point)[window])
    print(f"{path}: window {window}, {backtest.times[window]}, mean absolute error {error:.2f}")


def forcing(data: SeriesSet, start: int) -> None:
    def paint(figure) -> None:
        axes = figure.add_subplot(xlabel="epoch", ylabel="loss on validation")
        for name, hue in FORCINGS.items():
            free = [figures["loss"] for figures in found[name]]
            forced = [figures[FORCED] for figures in found[name]]
            axes.plot(free, color=colour(hue), label=f"trained {name}")
            axes.plot(forced, ":", color=colour(hue))
        axes.plot([], ":", color=colour("ink"), label="fed with the truth")
        axes.legend()

    found = {}
    for name in FORCINGS:
        model = ur.Forecaster("lstm", horizon=24, decoder="feedback", forcing=name, patience=12)
        history = model.fit(data.before(start)).history_
        found[name] = [epoch.validation for epoch in history.epochs]
        best, last = history.best, history.epochs[-1].validation
        print(
            f"{name:10} best {best.validation['loss']:.3f} (epoch {best.epoch}), at the end "
            f"{last['loss']:.3f} free, {last[FORCED]:.3f} fed with the truth"
        )
    save_figure(paint, FOLDER / "forcing.svg", white=True)


def main() -> None:
    data = ur.read_series("nyc_weather", target="temp")
    start = round(data.series[0].n / 8)
    forecast(data, start)
    forcing(data, start)


if __name__ == "__main__":
    main()
