"""The pictures of the README: python docs/pictures.py.

docs/forecast.svg is a 24-hour forecast of New York's temperature from the test part of the
demo: the window whose error is the median of all.
"""

from pathlib import Path

import numpy as np

import unrolled as ur
from unrolled.tasks.forecast.report import forecast_figure


def main() -> None:
    data = ur.read_series("nyc_weather", target="temp")
    start = round(data.series[0].n / 8)
    model = ur.Forecaster("lstm", horizon=24).fit(data.before(start))
    backtest = model.backtest(data, start)
    ranked = backtest.worst(len(backtest.windows))
    window = int(ranked[len(ranked) // 2])
    path = forecast_figure(backtest, window, Path(__file__).parent / "forecast.svg")
    error = np.nanmean(np.abs(backtest.truth - backtest.point)[window])
    print(f"{path}: window {window}, {backtest.times[window]}, mean absolute error {error:.2f}")


if __name__ == "__main__":
    main()
