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
audio.py       read_audio: recordings; audio_labels.py: what was said; recordings.py: in memory
images.py      read_images: images and captions
rolls.py       read_rolls: piano rolls; midi.py: MIDI files; rolling/: the formats
systems.py     read_system: inputs and outputs of a dynamical system
errors.py      DataError: one clear line for bad input
"""

from .audio import read_audio
from .calendar import calendar_features
from .errors import DataError
from .frequency import Frequency
from .images import CaptionedImages, images_of, read_images
from .midi import write_midi
from .pairs import Pair, Pairs, read_pairs
from .recordings import Recording, Recordings, recordings_of
from .rolls import Rolls, read_rolls
from .samples import Sample, Samples, read_samples, samples_of, without_accents
from .season import detect_season
from .series import Finding, Schema, Series, SeriesSet
from .systems import Record, SystemData, read_system, system_of
from .table import read_series
from .tagged import TaggedSentences, read_tagged
from .text import Text, read_text
from .vocabulary import Vocabulary

__all__ = [
    "CaptionedImages",
    "DataError",
    "Finding",
    "Frequency",
    "Pair",
    "Pairs",
    "Record",
    "Recording",
    "Recordings",
    "Rolls",
    "Sample",
    "Samples",
    "Schema",
    "Series",
    "SeriesSet",
    "SystemData",
    "TaggedSentences",
    "Text",
    "Vocabulary",
    "calendar_features",
    "detect_season",
    "images_of",
    "read_audio",
    "read_images",
    "read_pairs",
    "read_rolls",
    "read_samples",
    "read_series",
    "read_system",
    "read_tagged",
    "read_text",
    "recordings_of",
    "samples_of",
    "system_of",
    "without_accents",
    "write_midi",
]
