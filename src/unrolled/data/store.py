"""A set of series as plain arrays, and back: how a run folder keeps the end of its table."""

from dataclasses import replace
from typing import Any

import numpy as np

from .series import Schema, Series, SeriesSet

PARTS = ("target", "past", "future", "static")


def to_arrays(data: SeriesSet) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays with the parts of all series end to end, and what JSON holds beside them."""
    arrays = {
        part: np.concatenate([np.atleast_1d(getattr(series, part)) for series in data])
        for part in PARTS
    }
    lengths = {part: [len(getattr(series, part)) for series in data] for part in PARTS}
    beside = {
        "name": data.name,
        "series": [series.name for series in data],
        "starts": [str(series.start) for series in data],
        "lengths": lengths,
    }
    return arrays, beside


def from_arrays(arrays: dict[str, np.ndarray], beside: dict[str, Any], schema: Schema) -> SeriesSet:
    """The inverse of `to_arrays`. The findings are not kept."""
    ends = {part: np.cumsum(beside["lengths"][part])[:-1] for part in PARTS}
    parts = {part: np.split(arrays[part], ends[part]) for part in PARTS}
    series = [
        Series(
            name=name,
            frequency=schema.frequency,
            start=_start(start, schema),
            **{part: parts[part][k] for part in PARTS},
        )
        for k, (name, start) in enumerate(zip(beside["series"], beside["starts"], strict=True))
    ]
    return replace(SeriesSet(tuple(series), schema), name=beside["name"])


def _start(start: str, schema: Schema) -> np.datetime64 | int:
    return int(start) if schema.frequency.kind == "integer" else np.datetime64(start, "us")
