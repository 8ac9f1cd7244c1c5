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

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..cells import Cell
from ..cells.jordan import OutputRecurrent
from ..engines import Engine, Problem, choose
from ..graph import Graph, graph
from ..graph.derivative import Derivative
from ..graph.nodes import Affine, Fixed, Input, Node, Number
from ..graph.roles import roles
from ..nn import Network
from ..unroll import problem_of
from .gradients import Gradients, symbols_of
from .losses import LOSSES, Loss, step_by_step


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
    if steps is not None and (not isinstance(steps, int) or steps < 1):
        raise ValueError(f"steps must be a whole number from 1 up, or None, got {steps!r}")
    cell = model.cell if isinstance(model, Network) else model
    problem = problem_of(cell, inputs, state, lengths, forced)
    network = _with_output(graph(model), model)
    with torch.no_grad():
        walk = _Walk(network, problem, engine)
        o = walk.outputs()
    last = isinstance(model, Network) and model.at == "last"
    each, from_loss = _loss_and_gradient(problem, o, targets, loss or _loss_of(model), last)
    with torch.no_grad():
        found = walk.gradients(each, walk.back(from_loss, steps))
    return _with_learned_start(found, model, problem)


def _loss_of(model: Cell | Network) -> Loss:
    output = model.output if isinstance(model, (Network, OutputRecurrent)) else "identity"
    if output not in LOSSES:
        raise ValueError(f"no loss belongs to the output {output!r}; pass loss=")
    return LOSSES[output]


def _with_learned_start(found: Gradients, model: Cell | Network, problem: Problem) -> Gradients:
    """The gradients of parameters with what reaches them through the initial state."""
    leaves = {n: p for n, p in model.named_parameters() if p.requires_grad}
    starts = zip(problem.state, found.initial.values(), strict=True)
    reached = [(start, gradient) for start, gradient in starts if start.requires_grad]
    if not reached or not leaves:
        return found
    outputs, incoming = zip(*reached, strict=True)
    through = torch.autograd.grad(outputs, list(leaves.values()), incoming, allow_unused=True)
    parameters = dict(found.parameters)
    for name, gradient in zip(leaves, through, strict=True):
        if gradient is not None:
            parameters[name] = parameters.get(name, 0) + gradient
    return replace(found, parameters=parameters)


def _with_output(step: Graph, model: Cell | Network) -> Graph:
    """The step's graph with the output pre-activation as output "o", in place of y."""
    outputs = {name: step.outputs[name] for name in model.state_sizes}
    if isinstance(model, Network):
        outputs["o"] = step.outputs[model.emits[0]]
    readouts = [node for node, role in roles(step).items() if role.letter == "V"]
    if isinstance(model, OutputRecurrent) and readouts:
        # A cell that feeds its output back holds its readout inside.
        outputs["o"] = readouts[-1]
    return replace(step, outputs=outputs)


def _loss_and_gradient(
    problem: Problem, o: Tensor, targets: Tensor, loss: Loss, last: bool
) -> tuple[Tensor, Tensor]:
    """L(t) of every step, and the gradient of their sum with respect to o, [B, T, O]."""
    valid = problem.valid
    reached = None if valid is None else valid.any(1) if last else valid
    with torch.enable_grad():
        leaf = o.detach().requires_grad_()
        read = problem.last(leaf, leaf.new_zeros(len(leaf), leaf.shape[-1])) if last else leaf
        each = step_by_step(loss, read, targets, reached)
        return each.detach(), torch.autograd.grad(each.sum(), leaf)[0]


class _Walk:
    """The states of a model over time, and the way back through them."""

    def __init__(self, step: Graph, problem: Problem, engine: str | Engine):
        self.step, self.problem = step, problem
        self.derivative: Derivative = step.derivative()
        chosen, _ = choose(engine, problem)
        states = chosen.solve(problem).states
        self.x = step.inputs[0].name
        self.names = list(problem.cell.state_sizes)
        before = [
            self._before(name, start, states[name])
            for name, start in zip(self.names, problem.state, strict=True)
        ]
        self.states = [states[name] for name in self.names]
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

    def gradients(self, each: Tensor, over_time: Mapping[Node, Tensor]) -> Gradients:
        """Name the gradients, and sum the deferred ones over samples and steps."""
        totals: dict[Fixed, Tensor] = {}
        for fixed, terms in self.derivative.deferred.items():
            totals[fixed] = torch.stack([term.value(over_time) for term in terms]).sum(0)
        carried = self._carried(over_time)
        names = [self.x, *self.step.outputs]
        states = [*self.states, *([] if self.loss_at in self.names else [self.outputs()])]
        return Gradients(
            loss=each.sum(),
            losses=each,
            trajectory=dict(zip(names, [self.values[0], *states], strict=True)),
            steps={name: over_time[node] for name, node in self._watched().items()},
            initial={name: carried[name][:, 0] for name in self.names},
            parameters=self.derivative.to_parameters(totals),
            symbols=symbols_of(self.derivative, totals),
        )

    def _before(self, name: str, start: Tensor, after: Tensor) -> Tensor:
        """A state component as the steps read it."""
        before = torch.cat([start[:, None], after], dim=1)
        steps = torch.arange(after.shape[1], device=after.device).expand(len(after), -1)
        if self.problem.lengths is not None:
            # Beyond its length a sequence keeps its last state, where the step has a derivative.
            steps = steps.minimum(self.problem.lengths[:, None])
        before = before.gather(1, steps[:, :, None].expand(-1, -1, after.shape[2]))
        forcing = self.problem.forced.get(name)
        if forcing is None:
            return before
        if forcing.mask is None:
            return forcing.values
        return torch.where(forcing.mask[:, :, None], forcing.values, before)

    def _watched(self) -> dict[str, Node]:
        """The values whose gradients are given at every step."""
        incoming = {n.name: n for n in self.derivative.inputs}
        found = {self.x: self.derivative.outputs[f"grad_{self.x}"]}
        for name, node in self.step.outputs.items():
            # What a step hands on as it got it is another value than the one that it got.
            own = not isinstance(node, (Input, Fixed, Number))
            found[name] = self.derivative.adjoints[node] if own else incoming[f"grad_{name}'"]
        readout = self.step.outputs.get("o")
        inside = isinstance(readout, Affine) and readout.vector not in self.step.outputs.values()
        if isinstance(readout, Affine) and inside and "h" not in found:
            found["h"] = self.derivative.adjoints[readout.vector]
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
        valid = self.problem.valid
        found = {node: known[node].expand(*leading, node.size) for node in self._wanted()}
        if valid is None:
            return found
        beyond = ~valid[:, at, None]
        forward = set(self.step.nodes)
        # Zero times what may not be finite there.
        return {n: v if n in forward else v.masked_fill(beyond, 0) for n, v in found.items()}

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
            mask = torch.ones_like(carried[name], dtype=torch.bool)
            cut = mask if forcing.mask is None else forcing.mask[:, at, None]
            carried[name] = carried[name].masked_fill(cut, 0)
        return carried

    def _nothing(self, at: Any) -> dict[str, Tensor]:
        """Zero gradients of the states, at one step or at all."""
        states = zip(self.names, self.values[1:], strict=True)
        return {name: torch.zeros_like(value[:, at]) for name, value in states}

    def _to_the_start(self, from_loss: Tensor) -> dict[Node, Tensor]:
        steps = self.values[0].shape[1]
        carried = self._nothing(0)
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
        carried = self._nothing(everything)
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
