"""What every cell of a model read, did, and had of the loss's gradient, on one batch.

Any model is recorded that runs its cells by `unrolled.unroll`, as all of unrolled's layers do,
whatever the engine.

Shapes: B batch, T time, S all entries of a cell's state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..cells import Cell
from ..engines import Engine, Problem
from ..nn.within import backward_cells, cells_of
from ..training.losses import Total
from ..unroll import Trajectory, observing, unroll

# L from a model and a batch: a number, or a `Total`, of which the mean is taken.
Loss = Callable[[Any, Any], Tensor | Total]


@dataclass(frozen=True, eq=False)
class Recording:
    """One unroll of one cell.

    Attributes:
        name: of the cell in its model, as in `named_modules`; "cell" of a cell alone.
        problem: what was unrolled.
        run: its trajectory, as the model went on with it.
        backwards: whether the cell reads each sequence from its end. All else is in the order in
            which it reads.
        direct: the gradient of the loss that reaches each state by no later step of this cell,
            [B, T, S]: all that comes down from later layers and from the readout. None without
            a loss.
    """

    name: str
    problem: Problem
    run: Trajectory
    backwards: bool = False
    direct: Tensor | None = None

    @property
    def cell(self) -> Cell:
        return self.problem.cell

    @property
    def x(self) -> Tensor:
        """What the cell read, [B, T, I]."""
        return self.problem.inputs.detach()

    @property
    def before(self) -> Tensor:
        """The state as every step read it, [B, T, S]."""
        return torch.cat(self.problem.before(self.run.states), dim=-1).detach()

    @property
    def after(self) -> Tensor:
        """The state after every step, [B, T, S]."""
        return torch.cat(list(self.run.states.values()), dim=-1).detach()

    @property
    def valid(self) -> Tensor:
        """True at the steps inside each sequence's length, [B, T]."""
        valid = self.problem.valid
        if valid is not None:
            return valid
        return torch.ones(self.x.shape[:2], dtype=torch.bool, device=self.x.device)

    @property
    def ends(self) -> Tensor:
        """Each sequence's last valid step, [B]; -1 where it has none."""
        return self.valid.sum(1) - 1

    @property
    def forced(self) -> Tensor | None:
        """True where an entry was overwritten before the step, [B, T, S]; None where nothing was.

        What is forced depends on no earlier state.
        """
        if not self.problem.forced:
            return None
        batch, time = self.x.shape[:2]
        parts = []
        for name, size in self.cell.state_sizes.items():
            forcing = self.problem.forced.get(name)
            if forcing is None or forcing.mask is None:
                part = torch.full((batch, time), forcing is not None, device=self.x.device)
            else:
                part = forcing.mask
            parts.append(part[:, :, None].expand(-1, -1, size))
        return torch.cat(parts, dim=-1)

    def with_gradients(self, states: Sequence[Tensor], final: Sequence[Tensor]) -> Recording:
        """The same with those of the states after every step, and of the final ones."""
        rows = torch.arange(len(self.x), device=self.x.device)
        direct = torch.cat(list(states), dim=-1).masked_fill(~self.valid[:, :, None], 0)
        last = torch.cat(list(final), dim=-1).masked_fill((self.ends < 0)[:, None], 0)
        direct = direct.index_put((rows, self.ends.clamp(min=0)), last, accumulate=True)
        return replace(self, direct=direct)


def record(
    model: nn.Module, batch: Any, loss: Loss | None = None, engine: str | Engine = "auto"
) -> list[Recording]:
    """Run a model on a batch, in evaluation mode, and record every unroll in it.

    Arguments:
        model: a cell, or a module that runs cells.
        batch: what the loss takes. Without a loss: the inputs, a tuple of arguments, or a dict of
            them by name: of a module those of its call, of a cell those of `unroll`.
        loss: L of the model on the batch; its gradient is `Recording.direct`.
        engine: of a cell alone; a module has its own.

    Raises:
        TypeError: `model` is no module, or the loss cannot be called.
        ValueError: no cell was unrolled, a state is not finite, or the loss is no number that has
            a gradient.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a cell or another module, got {type(model).__name__}")
    if loss is not None and not callable(loss):
        raise TypeError(f"loss must be a function (model, batch) -> L, got {loss!r}")
    made: list[tuple[Problem, Trajectory]] = []

    def keep(problem: Problem, run: Trajectory) -> Trajectory:
        own = _of_its_own(run)
        made.append((problem, own))
        return own

    # The module behind a compiled one: programs of torch.compile run without being seen.
    model = getattr(model, "_orig_mod", model)
    with evaluating(model), torch.enable_grad():
        with observing(keep):
            value = _run(model, batch, loss, engine)
        found = _named(made, model)
        return found if value is None else _with_gradients(found, value)


def _run(model: Any, batch: Any, loss: Loss | None, engine: str | Engine) -> Tensor | None:
    """Run the model on the batch; the loss, where there is one."""
    if loss is not None:
        return _number(loss(model, batch))
    if isinstance(model, Cell):
        _call(lambda *given, **named: unroll(model, *given, engine=engine, **named), batch)
    else:
        _call(model, batch)
    return None


def _named(made: Sequence[tuple[Problem, Trajectory]], model: nn.Module) -> list[Recording]:
    """What was recorded, by the names of the cells.

    Raises:
        ValueError: nothing was, or there is nothing to be measured.
    """
    if not made:
        raise ValueError(
            f"{type(model).__name__} unrolled no cell on this batch; models of unrolled's layers "
            "or of unrolled.unroll are recorded, torch's own layers are not: "
            "unrolled.nn.from_torch makes layers with cells of them"
        )
    names = _names([problem.cell for problem, _ in made], model)
    backwards = backward_cells(model)
    found = [
        Recording(name, problem, run, problem.cell in backwards)
        for name, (problem, run) in zip(names, made, strict=True)
    ]
    for each in found:
        _check_measurable(each)
    return found


def _number(value: Tensor | Total) -> Tensor:
    """A loss as one number that has a gradient."""
    value = value.mean if isinstance(value, Total) else value
    if not torch.is_tensor(value) or value.numel() != 1:
        came = list(value.shape) if torch.is_tensor(value) else type(value).__name__
        raise ValueError(f"loss must give one number, got {came}")
    if not value.requires_grad:
        raise ValueError("loss has no gradient; it must be computed from what the model gives")
    return value


def _with_gradients(found: Sequence[Recording], value: Tensor) -> list[Recording]:
    """The recordings with the gradients of their states; those of parameters are left alone."""
    tensors = [s for each in found for s in (*each.run.states.values(), *each.run.final)]
    gradients = torch.autograd.grad(value.sum(), tensors, allow_unused=True)
    known = iter(
        torch.zeros_like(t) if g is None else g for t, g in zip(tensors, gradients, strict=True)
    )
    return [
        each.with_gradients(
            [next(known) for _ in each.run.states], [next(known) for _ in each.run.final]
        )
        for each in found
    ]


def _of_its_own(run: Trajectory) -> Trajectory:
    """The trajectory in tensors whose gradient is of what reads them, and of nothing else."""
    states = {name: _apart(steps) for name, steps in run.states.items()}
    return replace(run, states=states, final=tuple(map(_apart, run.final)))


def _apart(tensor: Tensor) -> Tensor:
    # Never a leaf: who reads it may write into it.
    own = tensor if tensor.requires_grad else tensor.detach().requires_grad_()
    return own.view_as(own)


def _check_measurable(recording: Recording) -> None:
    """Raise ValueError where there is nothing to measure: no step, or NaN, which has no size."""
    if not bool(recording.valid.any()):
        raise ValueError(f"no sequence that {recording.name} read has a valid step")
    bad = ~recording.after.isfinite().all(-1) & recording.valid
    if not bool(bad.any()):
        return
    step = int(bad.any(0).nonzero()[0])
    parameters = [n for n, p in recording.cell.named_parameters() if not bool(p.isfinite().all())]
    if parameters:
        why = f"its parameters {', '.join(parameters)} hold numbers that are not finite"
    elif not bool(recording.x.isfinite().all()):
        why = "what it reads holds numbers that are not finite"
    else:
        why = "it leaves all bounds; take fewer steps, or scale the recurrence down"
    raise ValueError(f"the states of {recording.name} are not finite from step {step} on: {why}")


def _call(model: Callable[..., Any], batch: Any) -> None:
    if isinstance(batch, Mapping):
        model(**batch)
    elif isinstance(batch, (tuple, list)):
        model(*batch)
    else:
        model(batch)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model without what training draws; afterwards every part is in its own mode again."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _names(cells: Sequence[Cell], model: nn.Module) -> list[str]:
    """What each unrolled cell is called in its model."""
    known = {id(cell): name for name, cell in cells_of(model).items()}
    seen: Counter[str] = Counter()
    names = []
    for cell in cells:
        inner: Any = cell
        # A cell with noise in evaluation is made around that of the model.
        while id(inner) not in known and isinstance(getattr(inner, "cell", None), Cell):
            inner = inner.cell
        name = known.get(id(inner), cell.title)
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}, run {seen[name]}")
    return names
