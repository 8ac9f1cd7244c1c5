"""The forecaster's default model on four tables, beside the published numbers.

    python benchmarks/forecast.py m4 --data FOLDER       Hourly-train.csv and Hourly-test.csv of
                                                         the M4 competition
    python benchmarks/forecast.py ett --data ETTh1.csv   of zhouhaoyi/ETDataset
    python benchmarks/forecast.py nyc                    comes with unrolled
    python benchmarks/forecast.py air                    comes with unrolled

Every run prints one row a seed: the figure of the published table, the baselines in the same
figure on the same windows, and the seconds from reading the file to the score.
"""

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import torch

import unrolled as ur
from unrolled.tasks.forecast import Backtest, Forecaster
from unrolled.tasks.forecast.metrics import Scored, all_metrics

Row = dict[str, float]


def m4(forecaster: Forecaster, data: str) -> Row:
    """M4 Hourly, official test: 414 series, 48 hours."""
    train, test = (_m4_rows(Path(data) / f"Hourly-{part}.csv") for part in ("train", "test"))
    rows = [
        pl.DataFrame({"series": name, "step": np.arange(len(y)), "value": y})
        for name, y in train.items()
    ]
    table = ur.read_series(
        pl.concat(rows), target="value", time="step", series="series", season=24, name="M4 Hourly"
    )
    forecaster.fit(table)
    forecast = forecaster.predict()
    truth = np.stack([test[name] for name in forecast.series])
    scales = np.array([forecaster.fitted_.seasonal_scales[name] for name in forecast.series])
    order = np.arange(len(truth))
    naive = np.stack([np.tile(train[name][-24:], 2) for name in forecast.series])
    model = all_metrics(
        Scored(truth, forecast.point, order, scales, forecast.quantiles, forecast.levels)
    )
    simple = all_metrics(Scored(truth, naive, order, scales))
    return {
        "MASE": model["MASE"],
        "sMAPE": model["sMAPE"],
        "coverage": model["coverage"],
        "seasonal naive MASE": simple["MASE"],
        "seasonal naive sMAPE": simple["sMAPE"],
    }


def nyc(forecaster: Forecaster, data: str) -> Row:
    """New York temperature, 24 hours ahead, the last eighth of 2013."""
    table = ur.read_series("nyc_weather", target="temp")
    start = round(table.series[0].n / 8)
    backtest = forecaster.fit(table.before(start)).backtest(table, start)
    model = backtest.scores["model"]
    interval = {"pinball": model["pinball"], "coverage": model["coverage"]}
    return _scores(backtest, "RMSE") | interval


def air(forecaster: Forecaster, data: str) -> Row:
    """AirPassengers: the last point of every 6-month forecast from 1959-01 on, in percent."""
    table = ur.read_series("air_passengers")
    backtest = forecaster.fit(table.before("1959-01")).backtest(table, "1959-01")
    return {f"{name} MAPE": s["MAPE"][-1] for name, s in backtest.by_horizon.items()}


def ett(forecaster: Forecaster, data: str) -> Row:
    """ETTh1 oil temperature, 24 hours: 12, 4 and 4 months, standardised by the first 12."""
    month = 30 * 24
    frame = pl.read_csv(data).head(20 * month).select("date", "OT")
    table = ur.read_series(frame, target="OT", season=24, name="ETTh1")
    forecaster.set_params(validation=4 * month)
    backtest = forecaster.fit(table.before(4 * month)).backtest(table, 4 * month)
    variance = float(table.series[0].target[: 12 * month].var())
    return {name: value**2 / variance for name, value in _scores(backtest, "RMSE").items()}


# The benchmark, its horizon, and what others have reached.
BENCHMARKS: dict[str, tuple[Callable[[Forecaster, str], Row], int, str]] = {
    "m4": (m4, 48, "ES-RNN, the winner: MASE 0.893, sMAPE 9.328"),
    "nyc": (nyc, 24, "none published"),
    "air": (air, 6, "darts, LSTM: MAPE 2.71 %"),
    "ett": (ett, 24, "Informer 0.098, DeepAR 0.107, LSTMa 0.114 (Informer paper)"),
}


def _scores(backtest: Backtest, metric: str) -> Row:
    return {name: scores[metric] for name, scores in backtest.scores.items()}


def _m4_rows(path: Path) -> dict[str, np.ndarray]:
    rows = [line.split(",") for line in path.read_text().replace('"', "").splitlines()[1:]]
    return {row[0]: np.array([float(v) for v in row[1:] if v not in ("", "NA")]) for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmark", choices=BENCHMARKS)
    parser.add_argument("--data", default="", help="file or folder, where not bundled")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--decoder", default="direct")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--members", type=int, help="networks that are averaged; default by data")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    run, horizon, published = BENCHMARKS[asked.benchmark]
    print(f"{run.__doc__}\npublished: {published}")
    print(f"torch {torch.__version__}, {asked.threads} threads, {platform.processor() or 'cpu'}")
    for seed in range(asked.seeds):
        forecaster = Forecaster(
            asked.cell,
            horizon=horizon,
            decoder=asked.decoder,
            members=asked.members,
            seed=seed,
            engine=asked.engine,
        )
        began = time.perf_counter()
        row = run(forecaster, asked.data)
        seconds = time.perf_counter() - began
        best = forecaster.history_.best.epoch
        figures = ", ".join(f"{name} {value:.4g}" for name, value in row.items())
        print(f"seed {seed}: {figures}; best epoch {best}, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
