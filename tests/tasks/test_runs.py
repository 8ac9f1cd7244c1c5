"""Run folders: numbered, written whole or not at all, and honest about damage."""

import json

import pytest
import torch

import unrolled as ur
from unrolled import files
from unrolled.tasks import runs
from unrolled.tasks.runs import RunError


def test_folders_are_numbered(tmp_path) -> None:
    made = [runs.new_run_folder(tmp_path / "runs", "air") for _ in range(3)]
    assert [folder.name for folder in made] == ["air-1", "air-2", "air-3"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path) -> None:
    path = tmp_path / "file"
    files.write_text(path, "old")

    def half(beside):
        beside.write_text("ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        files.write_atomically(path, half)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_no_nan(tmp_path) -> None:
    files.write_json(tmp_path / "a.json", {"a": [float("nan"), 1.5], "b": {"c": float("inf")}})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [None, 1.5], "b": {"c": None}}


def test_tensors_come_back(tmp_path) -> None:
    tensors = {"a": torch.randn(2, 3), "b": torch.arange(6).view(2, 3).T}
    files.write_tensors(tmp_path / "t", tensors)
    back = runs.read_tensors(tmp_path / "t")
    assert all(torch.equal(back[name], tensor) for name, tensor in tensors.items())


CONFIGS = [
    (None, "not a run folder"),
    ("", "damaged"),
    ("{", "damaged"),
    ("[1]", "no JSON object"),
    ('{"task": "forecast"}', "names no task or no format"),
    ('{"task": "forecast", "format": 99, "unrolled": "7.0"}', "unrolled 7.0"),
    ('{"task": "telepathy", "format": 1}', "telepathy"),
]


@pytest.mark.parametrize(("config", "words"), CONFIGS)
def test_what_is_no_run_is_said(tmp_path, config, words) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(RunError, match=words):
        ur.load(tmp_path)
