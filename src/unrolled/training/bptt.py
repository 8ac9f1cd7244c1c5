"""Back-propagation through time, with every gradient of the textbook in hand.

Forward from left to right, backward from right to left: with L the sum of the losses L(t), the
derivative of the step's graph carries the gradient of h(t) to the gradient of h(t-1),

    grad h(t) = (dh(t+1)/dh(t))' grad h(t+1) + V' grad o(t),

and leaves the vectors whose products, summed over all steps, are the gradients of the
parameters. Truncation to k steps lets every L(t) reach back k steps: to h(t), ..., h(t-k+1).

Autograd gives the same gradients of the parameters faster; this is for those who want to see
all of them, and for tests.

Shapes: B batch, T time, I input_size, O output_size.

References:
    Werbos, "Backpropagation through time: what it does and how to do it", Proc. IEEE 78, 1990.
    Williams and Peng, "An efficient gradient-based algorithm for on-line training of recurrent
        network trajectories", Neural Computation 2, 1990 (truncation).
    Goodfellow, Bengio and Courville, "Deep Learning", section 10.2.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..cells import Cell
from ..engines import Engine, Problem, choose
from ..graph import Graph, graph
from ..graph.derivative import Derivative
from ..graph.nodes import Affine, Fixed, Node
from ..graph.roles import roles
from ..nn import Network
from ..unroll import problem_of
from .losses import LOSSES, Loss


@dataclass(frozen=True, eq=False, repr=False)
class Gradients(Mapping[str, Tensor]):
    """The gradients of a loss, by the textbook's symbols.

    `gradients["U"]`, `["W"]`, `["b"]`, `["V"]`, `["c"]`; for a gate `["U_f"]`, and so on.

    Attributes:
        loss: the sum over samples and valid steps.
        steps: the gradients of x(t), of every state, of o(t), and where the readout is inside
            the cell of its hidden layer h(t), each [B, T, size].
        initial: of the state before the first step, each [B, size].
        parameters: by qualified name.
        symbols: by the textbook's symbol.
    """

    loss: Tensor
    steps: Mapping[str, Tensor]
    initial: Mapping[str, Tensor]
    parameters: Mapping[str, Tensor]
    symbols: Mapping[str, Tensor]

    def __getitem__(self, symbol: str) -> Tensor:
        return self.symbols[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self.symbols)

    def __len__(self) -> int:
        return len(self.symbols)

    def __repr__(self) -> str:
        over_time = ", ".join(f"{name}(t)" for name in self.steps)
        return f"Gradients(loss={self.loss.item():.6g}, {over_time}, {', '.join(self.symbols)})"


def bptt(
    model: Cell | Network,
    inputs: Tensor,
    targets: Tensor,
    *,
    state: Tensor | Sequence[Tensor] | Mapping[str, Tensor] | None = None,
    lengths: Tensor | Sequence[int] | None = None,
    forced: Mapping[str, Tensor | tuple[Tensor, Tensor]] | None = None,
    steps: int | None = None,
    loss: Loss | None = None,
    engine: str | Engine = "auto",
) -> Gradients:
    """The loss of a model on sequences, and its gradients by back-propagation through time.

    Arguments:
        model: a `Network`; or a cell, whose output is its first state component.
        inputs, state, lengths, forced, engine: as `unrolled.unroll` takes them.
        targets: for softmax class numbers [B, T] or probabilities [B, T, O]; else [B, T, O].
            Without T for a network with one output at the end.
        steps: how many steps back each L(t) reaches; None: to the beginning.
        loss: L(t) of each step from o(t) and its target, [..., O] -> [...]; default the
            negative log-likelihood that belongs to the output (`training.losses`).

    Raises:
        ValueError: an argument does not fit.
        UnsupportedOperator: the graph does not know an operator of the step.
    """
    if steps is not None and steps < 1:
        raise ValueError(f"steps must be a whole number from 1 up, or None, got {steps}")
    cell = model.cell if isinstance(model, Network) else model
    problem = problem_of(cell, inputs, state, lengths, forced)
    network = _with_output(graph(model), model)
    with torch.no_grad():
        walk = _Walk(network, problem, engine)
        o = walk.outputs()
    loss = loss or LOSSES.get(getattr(model, "output", "identity"))
    if loss is None:
        raise ValueError(
            f"no loss belongs to the output {getattr(model, 'output', '')!r}; pass loss="
        )
    last = getattr(model, "at", "every") == "last"
    total, from_loss = _loss_and_gradient(problem, o, targets, loss, last)
    with torch.no_grad():
        over_time = walk.back(from_loss, steps)
    return walk.gradients(total, over_time)


def _with_output(step: Graph, model: Cell | Network) -> Graph:
    """The step's graph with the output pre-activation as output "o", in place of y."""
    outputs = {name: step.outputs[name] for name in model.state_sizes}
    if isinstance(model, Network):
        outputs["o"] = step.outputs[model.emits[0]]
    readouts = [node for node, role in roles(step).items() if role.letter == "V"]
    if hasattr(model, "output") and "o" not in outputs and readouts:
        # A cell that feeds its output back holds its readout inside.
        outputs["o"] = readouts[-1]
    return replace(step, outputs=outputs)


def _loss_and_gradient(
    problem: Problem, o: Tensor, targets: Tensor, loss: Loss, last: bool
) -> tuple[Tensor, Tensor]:
    """The loss, and its gradient with respect to o, [B, T, O]."""
    valid = problem.valid
    reached = None if valid is None else valid.any(1) if last else valid
    with torch.enable_grad():
        leaf = o.detach().requires_grad_()
        read = problem.last(leaf, leaf.new_zeros(len(leaf), leaf.shape[-1])) if last else leaf
        targets = _checked_targets(read, targets, reached, loss is LOSSES["softmax"])
        each = loss(read, targets)
        total = (each if reached is None else each.masked_fill(~reached, 0)).sum()
        return total.detach(), torch.autograd.grad(total, leaf)[0]


def _checked_targets(
    read: Tensor, targets: Tensor, reached: Tensor | None, classes: bool
) -> Tensor:
    """The targets, zero where no loss is taken."""
    numbers = classes and not targets.is_floating_point()
    wanted = list(read.shape[:-1] if numbers else read.shape)
    if list(targets.shape) != wanted:
        raise ValueError(f"targets must be {wanted}, got {list(targets.shape)}")
    if reached is not None:
        # What stands in the padding may be no target at all, such as -100.
        wide = reached.reshape(*reached.shape, *(1,) * (targets.dim() - reached.dim()))
        targets = targets.masked_fill(~wide, 0)
    if numbers and not bool(((targets >= 0) & (targets < read.shape[-1])).all()):
        raise ValueError(
            f"targets must be class numbers from 0 to {read.shape[-1] - 1}, "
            f"got {targets.min().item()} to {targets.max().item()}"
        )
    return targets


class _Walk:
    """The states of a model over time, and the way back through them."""

    def __init__(self, step: Graph, problem: Problem, engine: str | Engine):
        self.step, self.problem = step, problem
        self.derivative: Derivative = step.derivative()
        chosen, _ = choose(engine, problem)
        states = chosen.solve(problem).states
        self.names = list(problem.cell.state_sizes)
        before = [
            self._before(name, start, states[name])
            for name, start in zip(self.names, problem.state, strict=True)
        ]
        self.values: list[Tensor] = [problem.inputs, *before]  # each [B, T, size]
        self.fixed = step.fixed_values(step.read_tensors())
        self.loss_at = "o" if "o" in step.outputs else self.names[0]

    def outputs(self) -> Tensor:
        """What the loss is a function of, at every step, [B, T, O]."""
        known = self.step.values(dict(zip(self.step.inputs, self.values, strict=True)))
        node = self.step.outputs[self.loss_at]
        return known[node].expand(*self.values[0].shape[:2], node.size)

    def back(self, from_loss: Tensor, reach: int | None) -> dict[Node, Tensor]:
        """Every value of the derivative that is asked for, at every step, [B, T, size]."""
        return self._to_the_start(from_loss) if reach is None else self._back(from_loss, reach)

    def gradients(self, loss: Tensor, over_time: Mapping[Node, Tensor]) -> Gradients:
        """Name the gradients, and sum the deferred ones over samples and steps."""
        totals: dict[Fixed, Tensor] = {}
        for fixed, terms in self.derivative.deferred.items():
            totals[fixed] = torch.stack([term.value(over_time) for term in terms]).sum(0)
        steps = {name: over_time[node] for name, node in self._watched().items()}
        initial = {name: self._carried(over_time)[name][:, 0] for name in self.names}
        parameters = self.derivative.to_parameters(totals)
        return Gradients(loss, steps, initial, parameters, _symbols(self.derivative, totals))

    def _before(self, name: str, start: Tensor, after: Tensor) -> Tensor:
        """A state component as the steps read it."""
        before = torch.cat([start[:, None], after[:, :-1]], dim=1)
        forcing = self.problem.forced.get(name)
        if forcing is None:
            return before
        if forcing.mask is None:
            return forcing.values
        return torch.where(forcing.mask[:, :, None], forcing.values, before)

    def _watched(self) -> dict[str, Node]:
        """The values whose gradients are given at every step."""
        adjoints, outputs = self.derivative.adjoints, self.step.outputs
        zero = {name: self.step.ops.number(0, node.size) for name, node in outputs.items()}
        x = self.step.inputs[0].name
        found = {x: self.derivative.outputs[f"grad_{x}"]}
        found |= {name: adjoints.get(node, zero[name]) for name, node in outputs.items()}
        readout = outputs.get("o")
        if isinstance(readout, Affine) and "h" not in found:
            found["h"] = adjoints[readout.vector]
        return found

    def _wanted(self) -> list[Node]:
        return [*self.derivative.roots, *self._watched().values()]

    def _evaluated(self, at: Any, incoming: Mapping[str, Tensor]) -> dict[Node, Tensor]:
        """The derivative at one step, or at all of them."""
        values: list[Tensor] = [value[:, at] for value in self.values]
        gradients = [incoming[name] for name in self.step.outputs]
        given = dict(zip(self.derivative.inputs, [*values, *gradients], strict=True))
        known = self.derivative.values({**given, **self.fixed}, wanted=self._wanted())
        leading = values[0].shape[:-1]
        return {node: known[node].expand(*leading, node.size) for node in self._wanted()}

    def _incoming(self, carried: Mapping[str, Tensor], from_loss: Tensor) -> dict[str, Tensor]:
        incoming = dict(carried)
        if self.loss_at in incoming:
            incoming[self.loss_at] = incoming[self.loss_at] + from_loss
        else:
            incoming[self.loss_at] = from_loss
        return incoming

    def _carried(self, known: Mapping[Node, Tensor], at: Any = slice(None)) -> dict[str, Tensor]:
        """The gradients of the states before a step; what is forced depends on no earlier one."""
        carried = {name: known[self.derivative.outputs[f"grad_{name}"]] for name in self.names}
        for name, forcing in self.problem.forced.items():
            free = 0 if forcing.mask is None else ~forcing.mask[:, at, None]
            carried[name] = carried[name] * free
        return carried

    def _nothing(self, at: Any) -> dict[str, Tensor]:
        """Zero gradients of the states, at one step or at all."""
        states = zip(self.names, self.values[1:], strict=True)
        return {name: torch.zeros_like(value[:, at]) for name, value in states}

    def _to_the_start(self, from_loss: Tensor) -> dict[Node, Tensor]:
        steps = self.values[0].shape[1]
        carried = {
            name: torch.zeros_like(v[:, 0])
            for name, v in zip(self.names, self.values[1:], strict=True)
        }
        collected = []
        for t in reversed(range(steps)):
            known = self._evaluated(t, self._incoming(carried, from_loss[:, t]))
            carried = self._carried(known, t)
            collected.append(known)
        return {
            node: torch.stack([known[node] for known in reversed(collected)], dim=1)
            for node in self._wanted()
        }

    def _back(self, from_loss: Tensor, reach: int) -> dict[Node, Tensor]:
        """All losses walk back together: pass j holds, at step t, what L(t + j) sends there."""
        everything, forward = slice(None), set(self.step.nodes)
        carried = {
            name: torch.zeros_like(v) for name, v in zip(self.names, self.values[1:], strict=True)
        }
        total: dict[Node, Tensor] = {}
        for lag in range(min(reach, from_loss.shape[1])):
            sent = from_loss if lag == 0 else torch.zeros_like(from_loss)
            known = self._evaluated(everything, self._incoming(carried, sent))
            for node, value in known.items():
                # Values of the step itself are the same in every pass; gradients add up.
                total[node] = value if node in forward or node not in total else total[node] + value
            earlier = self._carried(known)
            carried = {name: _one_step_earlier(value) for name, value in earlier.items()}
        return total


def _one_step_earlier(gradients: Tensor) -> Tensor:
    """The gradients of the states before each step, as those after the step before it."""
    return torch.cat([gradients[:, 1:], torch.zeros_like(gradients[:, :1])], dim=1)


def _symbols(derivative: Derivative, totals: Mapping[Fixed, Tensor]) -> dict[str, Tensor]:
    """The gradients by the textbook's symbols."""
    found: dict[str, Tensor] = {}
    terms: dict[str, Any] = {}
    named = roles(derivative.of)
    for letter in "UWV":
        for node, role in named.items():
            if role.letter != letter or node.matrix not in totals:
                continue
            found[role.symbol] = totals[node.matrix]
            if node.bias is not None and node.bias in totals:
                # Biases that are only ever added together have one gradient and one symbol.
                term = derivative.deferred[node.bias]
                same = terms.setdefault(role.bias, term) == term
                symbol = role.bias if same else role.bias.replace("_", "_h", 1)
                found[symbol] = totals[node.bias]
    for letter in "UWb":
        parts = [found.get(f"{letter}_{gate}") for gate in derivative.gates]
        if parts and all(part is not None for part in parts):
            found[letter] = torch.cat([part for part in parts if part is not None])
    return found
