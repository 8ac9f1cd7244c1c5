"""A table on its way to the network, and what is said of too little history."""

import numpy as np
import polars as pl
import pytest

from unrolled import cli


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    t = np.arange(120)
    y = 5 + np.sin(2 * np.pi * t / 12)
    pl.DataFrame({"step": t, "y": y}).write_csv("waves.csv")
    pl.DataFrame({"step": t[:4], "y": y[:4]}).write_csv("short.csv")
    return tmp_path


def test_check_shows_the_way_to_tensors(folder, capsys) -> None:
    assert cli.run(["check", "forecast", "waves.csv", "--horizon", "6", "--show"]) == 0
    said = capsys.readouterr().out
    values = (5 + np.sin(2 * np.pi * np.arange(120) / 12))[:102]
    for line in (
        "values    " + " ".join(f"{value:.4g}" for value in values[-8:]),
        "inputs    [chunks, steps, features] = [32, 84, ",
        "targets   [forecasts, horizon, quantiles] = [768, 6, 3]",
        "masked    0 steps",
    ):
        assert line in said, said


def test_too_little_history_is_said(folder, capsys) -> None:
    small = ["--updates", "10", "--epochs", "1", "--engine", "eager", "--quiet"]
    assert cli.run(["train", "forecast", "waves.csv", "--horizon", "6", *small]) == 0
    place = capsys.readouterr().out.strip()
    assert cli.run(["predict", place, "waves.csv"]) == 0
    assert "fewer" not in capsys.readouterr().err
    assert cli.run(["predict", place, "short.csv"]) == 0
    said = capsys.readouterr()
    assert "steps that a forecast reads: 1 (" in said.err
    assert len(said.out.splitlines()) == 7
