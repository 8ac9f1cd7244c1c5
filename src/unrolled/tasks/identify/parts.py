"""Which part of the data is learned from, validated on, tested on: stretches of time.

"0.2"        the last fifth of all samples
"0:40000"    rows of the source, counted from 0; the rest is what comes before and after
"test.csv"   further data, read as the first
"0"          none
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ...data.errors import DataError
from ...data.systems import SystemData
from .measures import stretch_of


def held_out(
    data: SystemData, asked: str, option: str, read: Callable[[str], SystemData]
) -> tuple[SystemData, SystemData | None]:
    """The rest, and the part that is asked for; None for none.

    Raises:
        ValueError: it is no share, no rows and no path.
        DataError: a part is empty, or the path cannot be read.
    """
    if re.fullmatch(r"\s*\d*:\d*\s*", asked):
        return _rows(data, asked, option)
    try:
        share = float(asked)
    except ValueError:
        share = None
    if share == 0:
        return data, None
    if share is not None and 0 < share < 1:
        return data.split(share)
    if share is None and Path(asked).exists():
        return data, read(asked)
    raise ValueError(
        f"--{option} must be a share below 1, rows such as 0:40000, or a file that is there, "
        f"got {asked}"
    )


def _rows(data: SystemData, asked: str, option: str) -> tuple[SystemData, SystemData]:
    wanted = stretch_of(asked, option)
    part = data.between(wanted.first, wanted.stop)
    rest = data.without(wanted.first, wanted.stop)
    for side, what in ((part, "none of them"), (rest, "all of them")):
        if not len(side):
            raise DataError(f"--{option} {asked} takes {what}: {data.name} has {data.rows()}")
    return rest, part
