"""Data as sequences: tables of time series, text, pairs, samples, tagged sentences, recordings.

series.py      Series, SeriesSet, Schema, Finding: what a forecaster learns from
table.py       read_series: any table to a SeriesSet
frequency.py   Frequency: the regular grid of time
season.py      detect_season: after how many steps the data repeat
calendar.py    calendar_features: hour of day, day of week, ...
reading/       the stages of read_series, in their order
text.py        read_text; vocabulary.py: tokens, ids and back; coders.py: how
samples.py     read_samples: labelled texts and sequences; collecting/: from which files
pairs.py       read_pairs: a sequence and its translation
tagged.py      read_tagged: words and their tags; tagging/: the formats
audio.py       read_audio: recordings; audio_labels.py: what was said
errors.py      DataError: one clear line for bad input
"""

from .audio import Recordings, read_audio
from .calendar import calendar_features
from .errors import DataError
from .frequency import Frequency
from .pairs import Pair, Pairs, read_pairs
from .samples import Sample, Samples, read_samples, samples_of, without_accents
from .season import detect_season
from .series import Finding, Schema, Series, SeriesSet
from .table import read_series
from .tagged import TaggedSentences, read_tagged
from .text import Text, read_text
from .vocabulary import Vocabulary

__all__ = [
    "DataError",
    "Finding",
    "Frequency",
    "Pair",
    "Pairs",
    "Recordings",
    "Sample",
    "Samples",
    "Schema",
    "Series",
    "SeriesSet",
    "TaggedSentences",
    "Text",
    "Vocabulary",
    "calendar_features",
    "detect_season",
    "read_audio",
    "read_pairs",
    "read_samples",
    "read_series",
    "read_tagged",
    "read_text",
    "samples_of",
    "without_accents",
]
