"""Tables that tests make: small, seeded, with known structure."""

import numpy as np
import polars as pl

from unrolled.data import SeriesSet, read_series


def hourly(
    names: tuple[str, ...] = ("a", "b"), steps: int = 24 * 30, seed: int = 0, noise: float = 0.1
) -> pl.DataFrame:
    """Daily waves of different height and level, with noise: columns time, name, y."""
    draw = np.random.default_rng(seed)
    time = np.datetime64("2024-01-01", "us") + np.arange(steps) * np.timedelta64(1, "h")
    frames = []
    for k, name in enumerate(names):
        wave = np.sin(2 * np.pi * np.arange(steps) / 24)
        y = 10 * (k + 1) + (k + 1) * (wave + noise * draw.standard_normal(steps))
        frames.append(pl.DataFrame({"time": time, "name": [name] * steps, "y": y}))
    return pl.concat(frames)


def with_gaps(frame: pl.DataFrame, seed: int = 1) -> pl.DataFrame:
    """The same with rows absent, values missing, rows doubled, and in another order."""
    rng = np.random.default_rng(seed)
    frame = frame.filter(pl.Series(rng.random(len(frame)) > 0.03))
    missing = pl.Series(rng.random(len(frame)) < 0.03)
    frame = frame.with_columns(pl.when(missing).then(None).otherwise(pl.col("y")).alias("y"))
    return pl.concat([frame, frame.head(5)]).sample(fraction=1.0, shuffle=True, seed=seed)


def series(**arguments) -> SeriesSet:
    """`hourly` as series."""
    return read_series(hourly(**arguments), target="y")
