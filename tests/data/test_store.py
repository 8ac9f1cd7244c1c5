"""Series as arrays and back."""

import json

import numpy as np
import polars as pl
import pytest

from unrolled.data import SeriesSet, read_series
from unrolled.data.store import from_arrays, to_arrays


def _tables() -> list[SeriesSet]:
    time = np.datetime64("2024-01-01", "us") + np.arange(5) * np.timedelta64(1, "h")
    dated = pl.DataFrame(
        {
            "time": np.concatenate([time, time[:4]]),
            "name": ["a"] * 5 + ["b"] * 4,
            "y": [1.0, None, 3, None, None, 5, 6, 7, 8],
            "load": [1.0, 2, 3, 4, 5, None, 7, 8, 9],
            "promo": [0.0, 1, 0, 1, 1, 0, 0, 1, 1],
            "size": [2.5] * 5 + [1.5] * 4,
        }
    )
    first = read_series(dated, target="y", future=["promo"], season=1)
    counted = pl.DataFrame({"step": [3, 4, 5, 6], "y": [1.0, 2, 3, 4]})
    return [first, read_series(counted, target="y", season=1)]


@pytest.mark.parametrize("data", _tables(), ids=["dated", "counted"])
def test_series_come_back_whole(data) -> None:
    arrays, beside = to_arrays(data)
    back = from_arrays(arrays, json.loads(json.dumps(beside)), data.schema)
    assert (back.name, back.schema, len(back)) == (data.name, data.schema, len(data))
    for ours, theirs in zip(back, data, strict=True):
        assert (ours.name, ours.start, ours.frequency) == (
            theirs.name,
            theirs.start,
            theirs.frequency,
        )
        for part in ("target", "past", "future", "static"):
            np.testing.assert_array_equal(getattr(ours, part), getattr(theirs, part))
