"""`unrolled inspect` on forecasting runs: the verdict, the page, bad input."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import unrolled as ur
from forecast.tables import hourly, series
from unrolled import cli
from unrolled.tasks.forecast.forecaster import Forecaster
from unrolled.tasks.forecast.inspection import last_chunks, loss_of, subject
from unrolled.tasks.forecast.model import quantile_loss
from unrolled.tasks.forecast.windows import Windows
from unrolled.tasks.inspection import verdict, write_inspection
from unrolled.tasks.runs import RunError

QUICK = ["--horizon", "6", "--updates", "8", "--epochs", "2", "--hidden-size", "4"]
COMMAND = ["train", "forecast", "table.csv", "--target", "y", "--series", "name", *QUICK]


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hourly(steps=24 * 20).write_csv("table.csv")


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = cli.run(list(arguments))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.mark.parametrize("extra", [[], ["--cell", "gru", "--decoder", "feedback"]])
def test_a_run_has_a_verdict_and_a_page(table, capsys, extra) -> None:
    assert run(capsys, *COMMAND, *extra)[0] == 0
    status, out, err = run(capsys, "inspect", "runs/table-1")
    assert (status, err) == (0, "")
    assert "memory" in out
    assert "largest Lyapunov exponent" in out
    # A word, two blanks at least, and a sentence.
    assert all(re.match(r"\S.*?  +\S|  +\S", line) for line in out.splitlines())
    page = Path("runs/table-1/inspect.html").read_text()
    titles = ("Memory", "Gates on real examples", "Units", "Spectrum", "Stability", "Training")
    for title in titles:
        assert f">{title}</h2>" in page
    # Steps are called by their times, the curve of training is that of the run.
    assert "2024-01-2" in page
    assert "Ended after" in page
    assert ("decoder, over the horizon" in page) == bool(extra)
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_page_of_ones_own_choice(table, capsys) -> None:
    run(capsys, *COMMAND)
    assert run(capsys, "inspect", "runs/table-1", "--output", "seen/inside.html")[0] == 0
    assert Path("seen/inside.html").exists()
    assert not Path("runs/table-1/inspect.html").exists()
    status, _, err = run(capsys, "inspect", "runs/table-1", "--output", "inside.pdf")
    assert (status, err) == (2, "unrolled: cannot write inside.pdf: the name must end in .html\n")
    status, _, err = run(capsys, "inspect", "runs")
    assert status == 2
    assert "is not a run folder" in err


def test_a_run_without_a_log_is_looked_into_all_the_same(tmp_path) -> None:
    model = Forecaster("elman", horizon=6, updates=8, epochs=2, hidden_size=4).fit(series())
    model.save(tmp_path)
    found = subject(tmp_path, model)
    assert found.log is None
    page = write_inspection(tmp_path / "page.html", found).read_text()
    assert "holds no log of training" in page
    (tmp_path / "metrics.json").write_text(json.dumps({"command": "by hand"}))
    assert subject(tmp_path, model).log is None


def test_it_looks_at_the_end_of_the_table_and_at_the_loss_of_training() -> None:
    model = Forecaster("lstm", horizon=6, updates=8, epochs=2, hidden_size=4).fit(series())
    fitted = model.fitted_
    batch = last_chunks(fitted)
    ends = [fitted.history[int(s)].n - 1 - 6 for s in batch.series]
    assert int(batch.positions[:, -1].max()) == max(ends)
    assert set(batch.series.tolist()) == {0, 1}
    quantiles, truth = [], []
    frame = fitted.frame(fitted.history)
    for s, row in zip(batch.series.tolist(), batch.positions.tolist(), strict=True):
        origins = [row[int(k)] for k in batch.scored]
        windows = Windows(np.full(len(origins), s), np.array(origins), 6)
        i, t = torch.full((len(origins),), s), torch.tensor(origins)
        units = fitted.quantiles(frame, windows)
        offset, size = frame.units[s]
        scaled = torch.from_numpy((units - offset) / size).float()
        quantiles.append(frame.normalised(i, t, scaled.flatten(1)).view_as(scaled))
        truth.append(frame.targets(i, t)[0])
    both = torch.cat(quantiles), torch.cat(truth)
    expected = quantile_loss(both[0], fitted.model.levels, both[1], torch.ones_like(both[1]) > 0)
    found = loss_of(fitted.model.eval(), batch, frame)
    # Chunks begin elsewhere than those of a forecast, so the states have warmed up differently.
    assert found.mean.item() == pytest.approx(expected.mean.item(), rel=0.02)


def test_a_network_that_was_made_ill_is_told(tmp_path) -> None:
    model = Forecaster("elman", horizon=6, updates=8, epochs=2, hidden_size=4).fit(series())
    cell = model.fitted_.model.stack.cells[0]
    with torch.no_grad():
        cell.weight_ih.mul_(300)
        cell.weight_hh.zero_()
    told = dict(verdict(subject(tmp_path, model)))
    assert "saturated units" in told
    assert "layer 1" in told["saturated units"]


def test_a_network_without_memory_is_told(tmp_path) -> None:
    model = Forecaster("elman", horizon=6, updates=8, epochs=2, hidden_size=4).fit(series())
    with torch.no_grad():
        for cell in model.fitted_.model.stack.cells:
            cell.weight_hh.zero_()
    told = dict(verdict(subject(tmp_path, model)))
    # Every layer, also the one whose step is a day, keeps nothing for a single step.
    assert "the season is 24" in told["vanishing gradient"]
    assert "--initialisation" not in told["vanishing gradient"]
    assert "'orthogonal'" in told["vanishing gradient"]


def test_a_decoder_that_feeds_back_is_not_ill_by_its_error(tmp_path) -> None:
    model = Forecaster("gru", horizon=6, updates=8, epochs=2, hidden_size=8, decoder="feedback")
    model.fit(series())
    found = subject(tmp_path, model)
    decoder = found.examination.layers[-1]
    assert decoder.label == "decoder, over the horizon"
    assert not decoder.of_context
    assert set(decoder.trace.gates) == {"r", "z", "n"}
    assert "idle units" not in dict(verdict(found))


def test_a_reservoir_forecasts_and_is_looked_into(tmp_path) -> None:
    model = Forecaster("echo-state", horizon=6, updates=8, epochs=2, hidden_size=8).fit(series())
    assert model.engine_[0] in ("native", "vendor", "eager")
    assert "memory" in dict(verdict(subject(tmp_path, model)))


def test_a_damaged_log_is_told(tmp_path) -> None:
    model = Forecaster("gru", horizon=6, updates=4, epochs=1, hidden_size=4).fit(series())
    (tmp_path / "metrics.json").write_text('{"epochs": [], "updates": []}')
    with pytest.raises(RunError, match="its log cannot be read"):
        subject(tmp_path, model)


def test_a_table_too_short_to_look_at(tmp_path) -> None:
    model = Forecaster("gru", horizon=40, updates=4, epochs=1, hidden_size=4)
    model.fit(series(steps=24 * 8)).save(tmp_path)
    loaded = ur.load(tmp_path)
    short = series(steps=80)
    with pytest.raises(ValueError, match="nothing to look at"):
        subject(tmp_path, loaded.go_on_from(short))
