"""Samples of a classifier, from every kind of source."""

import json

import numpy as np
import polars as pl
import pytest

from unrolled.data import DataError, read_tagged, samples_of
from unrolled.tasks.classify.reading import as_samples, has_content, in_memory, without_classes

INTENTS = {
    "Weather": [["will it ", "rain", " today"], ["is it ", "cold", ""]],
    "Music": [["play ", "jazz", " now"]],
}


@pytest.fixture
def snips(tmp_path):
    """Files of sentences by intent, as SNIPS has them: parts of text with and without a slot."""
    folder = tmp_path / "snips"
    folder.mkdir()
    for part in ("train", "validate"):
        for intent, sentences in INTENTS.items():
            data = [
                {"data": [{"text": a}, {"text": b, "entity": "slot"}, {"text": c}]}
                for a, b, c in sentences
            ]
            (folder / f"{part}_{intent}.json").write_text(json.dumps({intent: data}))
    return folder


def test_a_folder_of_labelled_sentences(snips) -> None:
    data = as_samples(snips)
    assert data.counts == {"Music": 2, "Weather": 4}
    assert {sample.values for sample in data if sample.label == "Music"} == {"play jazz now"}
    names = [sample.name for sample in data]
    assert sum(name.startswith("validate_Weather.json") for name in names) == 2
    assert "6 sentences" in data.findings[0].text
    again = as_samples(read_tagged(snips))
    assert [s.values for s in again] == [s.values for s in data]
    unlabelled = without_classes(snips, {})
    assert unlabelled.classes == ()
    assert len(unlabelled) == 6


def test_sentences_without_labels_are_refused(tmp_path) -> None:
    path = tmp_path / "tags.json"
    path.write_text(json.dumps([{"tokens": ["a", "b"], "tags": ["X", "Y"]}]))
    with pytest.raises(DataError, match="have no labels to learn from"):
        as_samples(path)


def test_json_lines_are_a_table(tmp_path) -> None:
    path = tmp_path / "reviews.jsonl"
    rows = [("a good film, all in all", "pos"), ("a bad one", "neg"), ("good", "pos")] * 2
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    path.write_text("\n".join(lines))
    data = as_samples(path)
    assert data.counts == {"neg": 2, "pos": 4}
    found = without_classes(path, data.reading)
    assert [sample.values for sample in found] == [text for text, _ in rows]
    path.write_text('{"text": "a", "label": "b"}\n{"text": \n')
    with pytest.raises(DataError, match="is not lines of JSON objects"):
        as_samples(path)


def test_samples_of_known_classes_stay(tmp_path) -> None:
    data = samples_of(["a", "b", "c"], ["x", "y", "x"])
    assert as_samples(data) is data
    wider = as_samples(data, classes=("w", "x", "y"))
    assert wider.targets.tolist() == [1, 2, 1]
    with pytest.raises(DataError, match="does not know the classes y; drop them"):
        as_samples(data, classes=("x",))


def test_a_text_file_has_a_sample_a_line(tmp_path) -> None:
    path = tmp_path / "new.txt"
    path.write_text("call me\n\nwin, win\n")
    reading = {"text": "message", "label": "kind", "header": True, "quotes": None}
    found = without_classes(path, reading)
    assert [(s.name, s.values) for s in found] == [("line 1", "call me"), ("line 3", "win, win")]
    assert [f.count for f in found.findings if f.kind == "ignored"] == [1]


def test_a_dataframe_of_the_same_columns() -> None:
    frame = pl.DataFrame({"message": ["call me", "win"], "kind": ["ham", "spam"]})
    data = as_samples(frame, text="message", label="kind")
    assert data.classes == ("ham", "spam")
    found = without_classes(frame.select("message"), data.reading)
    assert [s.values for s in found] == ["call me", "win"]


def test_what_is_in_memory() -> None:
    assert in_memory(("a", "b")) == ["a", "b"]
    values = in_memory(np.zeros((2, 3, 4)))
    assert [v.shape for v in values] == [(3, 4), (3, 4)]
    for wrong in ("a text", 7, {"a": 1}):
        with pytest.raises(TypeError, match="a list of texts or of arrays"):
            in_memory(wrong)


def test_what_has_content() -> None:
    assert has_content("a")
    assert not has_content(" \n")
    assert has_content(np.zeros(3))
    assert not has_content(np.zeros((0, 2)))
    assert not has_content(np.full(3, np.nan))
    assert has_content(np.zeros(3, dtype=int))
