"""Tables of time series, read into regular grids.

series.py      Series, SeriesSet, Schema, Finding: what a model learns from
table.py       read_series: any table to a SeriesSet
frequency.py   Frequency: the regular grid of time
season.py      detect_season: after how many steps the data repeat
calendar.py    calendar_features: hour of day, day of week, ...
errors.py      DataError: one clear line for bad input
reading/       the stages of read_series, in their order
"""

from .calendar import calendar_features
from .errors import DataError
from .frequency import Frequency
from .season import detect_season
from .series import Finding, Schema, Series, SeriesSet
from .table import read_series

__all__ = [
    "DataError",
    "Finding",
    "Frequency",
    "Schema",
    "Series",
    "SeriesSet",
    "calendar_features",
    "detect_season",
    "read_series",
]
