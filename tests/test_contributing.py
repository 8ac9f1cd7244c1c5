"""The recipes of CONTRIBUTING.md, walked through."""

import importlib
import sys
import types
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

import unrolled as ur
from forecast.tables import series
from unrolled import cells, cli, tasks
from unrolled.engines import Eager
from unrolled.training import Optimisation, TrainingSettings
from unrolled.training.settings import SCHEDULES


class Leaky(ur.Cell):
    """A new cell: h(t) = (1 - a) h(t-1) + a tanh(U x(t) + W h(t-1))."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, {"h": hidden_size})
        self.both = nn.Linear(input_size + hidden_size, hidden_size)

    def step(self, x, h):
        return (0.9 * h + 0.1 * torch.tanh(self.both(torch.cat([x, h], dim=-1))),)


def test_a_cell_in_the_table_of_names_is_known_everywhere(monkeypatch) -> None:
    monkeypatch.setitem(cells.BY_NAME, "leaky", Leaky)
    data = series(steps=120)
    model = ur.Forecaster("leaky", horizon=6, updates=4, epochs=1).fit(data)
    assert model.fitted_.architecture.cell == "leaky"
    assert model.predict().point.shape == (2, 6)


CHOOSE = sys.modules["unrolled.engines.choose"]


class Backwards(Eager):
    """A new engine, which only says that it is another."""

    name = "backwards"

    def refusal(self, problem):
        return None if problem.lengths is None else "it takes no lengths"

    def advantage(self, problem):
        return "a test"


def test_an_operator_with_a_rule_is_known_to_the_graph(monkeypatch) -> None:
    def swing(x):
        return torch.asinh(x) * 2

    x = torch.randn(5, 3, dtype=torch.float64)
    with pytest.raises(ur.UnsupportedOperator, match=r"aten\.asinh"):
        ur.graph(swing, x)
    table = importlib.import_module("unrolled.graph.lowering.pointwise")
    monkeypatch.setitem(table.RULES, "asinh", partial(table._pointwise, "asinh"))
    monkeypatch.setitem(table.POINTWISE, "asinh", lambda ops, a: a * 2)
    # A rule is checked against torch whenever it is used.
    with pytest.raises(ur.UnsupportedOperator, match="value of swing differs"):
        ur.graph(swing, x)
    rule = lambda ops, a: ops.log(a + ops.sqrt(a * a + 1))  # noqa: E731, as the table has them
    monkeypatch.setitem(table.POINTWISE, "asinh", rule)
    torch.testing.assert_close(ur.graph(swing, x).evaluate(x)[0], swing(x))


def test_an_engine_in_the_list_is_asked_and_can_be_named(monkeypatch) -> None:
    monkeypatch.setattr(CHOOSE, "ENGINES", (Backwards(), *CHOOSE.ENGINES))
    monkeypatch.setitem(CHOOSE.BY_NAME, "backwards", Backwards())
    cell, x = cells.GRU(2, 3), torch.randn(2, 3, 2)
    assert ur.unroll(cell, x).engine == "backwards"
    assert ur.unroll(cell, x, engine="backwards").why == "asked for: a test"
    run = ur.unroll(cell, x, lengths=[3, 2])
    assert (run.engine, "not backwards: it takes no lengths" in run.why) == ("vendor", True)


def test_a_schedule_in_the_table_is_known_to_the_loop(monkeypatch) -> None:
    monkeypatch.setitem(SCHEDULES, "half", lambda done, warm_up: 0.5)
    how = Optimisation(schedule="half", warm_up=0.1)
    settings = TrainingSettings(epochs=1, updates=10, optimisation=how)
    assert [settings.rate_at(update) for update in (0, 1, 9)] == [1.0, 0.5, 0.5]


def test_a_task_in_the_table_has_its_commands(monkeypatch, capsys, tmp_path) -> None:
    package, commands = types.ModuleType("count"), types.ModuleType("count.commands")

    def predict(run: Path, twice: bool = False) -> None:
        print(f"counted {run.name}", twice)

    commands.predict = predict
    monkeypatch.setitem(sys.modules, "count", package)
    monkeypatch.setitem(sys.modules, "count.commands", commands)
    monkeypatch.setitem(tasks.TASKS, "count", ("count", "Counter"))
    (tmp_path / "config.json").write_text('{"format": 1, "task": "count"}')
    assert cli.run(["predict", str(tmp_path), "--twice"]) == 0
    assert capsys.readouterr().out == f"counted {tmp_path.name} True\n"
