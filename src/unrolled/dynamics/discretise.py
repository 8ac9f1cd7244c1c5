"""From a differential equation to a cell: one step of an explicit Runge-Kutta method.

    ds/dt = g(s, x, t)

    euler    s(t+h) = s(t) + h k1                           order 1
    heun     s(t+h) = s(t) + h/2 (k1 + k2)                  order 2
    rk4      s(t+h) = s(t) + h/6 (k1 + 2 k2 + 2 k3 + k4)    order 4

where k1 = g(s, x, t) and every further slope is g at a place that the one before leads to:

    heun     k2 = g(s + h k1, x, t + h)
    rk4      k2 = g(s + h/2 k1, x, t + h/2),  k3 = g(s + h/2 k2, x, t + h/2),
             k4 = g(s + h k3, x, t + h)

A method of order p has an error of O(h^p) after a fixed time, where g is smooth.

x is given once per step, so it is held over the step (a zero-order hold). Where it samples a
signal x(t) at the start of each step, the holding alone makes an error of O(h), whatever the
method; sampled at the middle, of O(h^2). A signal that is known as a function of time keeps the
method's order when it is part of g: a g(s, x, t) that computes it from t.

Shapes: B batch, I features of x that g reads.

References:
    Hairer, Nørsett and Wanner, "Solving Ordinary Differential Equations I", 2nd edition, 1993,
        sections I.7 (Euler) and II.1 (Runge, Heun, Kutta).
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..cells.cell import Cell
from ..cells.elapsed import split_elapsed
from ..cells.ranges import check_number
from ..naming import one_of

State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Method:
    """An explicit Runge-Kutta method, each slope of which depends on the one before only.

    Attributes:
        order: p of the error O(h^p).
        nodes: where each slope is taken, in parts of h: along the slope before it.
        weights: how much each counts; the step goes along their weighted mean.
    """

    order: int
    nodes: tuple[float, ...]
    weights: tuple[int, ...]


METHODS = {
    "euler": Method(1, (0,), (1,)),
    "heun": Method(2, (0, 1), (1, 1)),
    "rk4": Method(4, (0, 1 / 2, 1 / 2, 1), (1, 2, 2, 1)),
}
FORMS = ("(s)", "(s, x)", "(s, x, t)")


class Discretised(Cell):
    """One step of ds/dt = g(s, x, t); made by `discretise`, which documents the arguments.

    State: that of g, and where g takes the time a last component `t` [B, 1], the time itself,
    which every step advances by h. Parameters: those of g, named `g.*`, if it is a module.

    Attributes:
        g: the right-hand side.
        h: size of a step; None where it is the last feature of x.
        method: "euler", "heun" or "rk4".
    """

    def __init__(
        self,
        g: Callable[..., Any],
        h: float | None,
        method: str,
        state: int | Mapping[str, int],
        input_size: int,
    ):
        takes = _arguments_of(g)
        if h is not None:
            check_number("h", h)
        sizes = dict(state) if isinstance(state, Mapping) else {"s": state}
        if takes == 3 and "t" in sizes:
            raise ValueError("state names a component t, which is the time that g takes; rename it")
        # Sizes are checked before 1 is added to one of them.
        super().__init__(input_size, sizes)
        if (takes == 1 and input_size) or (takes == 2 and not input_size):
            names = ", ".join(sizes)
            advice = f"; s is one argument, the tuple ({names})" if takes == len(sizes) > 1 else ""
            raise ValueError(
                f"g takes {FORMS[takes - 1]} and input_size is {input_size}; a g that reads x "
                f"takes (s, x), with input_size above 0{advice}"
            )
        self.g, self.h = g, h
        self.method = one_of(method, METHODS, "method")
        self.reads_time = h is None
        self.input_size = input_size + self.reads_time
        self._takes, self._nested = takes, isinstance(state, Mapping)
        if takes == 3:
            self.state_sizes["t"] = 1

    def step(self, x: Tensor, *state: Tensor) -> State:
        x, h = split_elapsed(x, "input" if self.h is None else self.h)
        s, t = (state[:-1], state[-1]) if self._takes == 3 else (state, None)
        method = METHODS[self.method]
        slopes: list[State] = []
        for node in method.nodes:
            there = _along(s, node * h, slopes[-1]) if slopes else s
            slopes.append(self._slope(there, x, None if t is None else t + node * h))
        s = _along(s, h / sum(method.weights), _weighted(method.weights, slopes))
        return s if t is None else (*s, t + h)

    def _slope(self, s: State, x: Tensor, t: Tensor | None) -> State:
        """g, checked: a result of another shape would broadcast into another state."""
        slope = self.g(*(s if self._nested else s[0], x, t)[: self._takes])
        slopes = (tuple(slope) if isinstance(slope, list) else slope) if self._nested else (slope,)
        if not isinstance(slopes, tuple) or not all(isinstance(k, Tensor) for k in slopes):
            names = ", ".join(list(self.state_sizes)[: len(s)])
            wanted = f"a tuple of tensors, d/dt of ({names},)" if self._nested else "a tensor"
            raise TypeError(f"g must return {wanted}, got {type(slope).__name__}")
        shapes, wanted = ([list(k.shape) for k in several] for several in (slopes, s))
        if shapes != wanted:
            raise ValueError(f"g must return tensors of the shapes of s, {wanted}, got {shapes}")
        return slopes

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, h={self.h}, method={self.method!r}"


def discretise(
    g: Callable[..., Any],
    h: float | None,
    method: str = "euler",
    *,
    state: int | Mapping[str, int] | None = None,
    input_size: int | None = None,
) -> Discretised:
    """The differential equation ds/dt = g as a cell like any other.

        decay = discretise(lambda s: -s, h=0.1, state=1)
        driven = discretise(lambda s, x, t: torch.cos(t) - s, h=0.1, method="rk4", state=1)
        swing = discretise(Oscillator(), h=0.1, method="heun")

    Arguments:
        g: ds/dt, a function or an nn.Module, whose parameters become the cell's. It takes (s),
            (s, x) or (s, x, t), told by how many arguments it has, those with a default aside;
            s is [B, size], x [B, I], t [B, 1]. It returns a tensor like s. (Where it is a
            function, parameters that it holds are trained by the eager engine only.)
        h: the size of a step, above 0; or None: the last feature of x is the time since the
            previous step, for every sample its own. g does not read that feature.
        method: "euler", "heun" or "rk4".
        state: the size of s; or sizes by name, as {"s": 1, "v": 1}: then s is a tuple of tensors
            in that order, and so is what g returns. Default `g.state_sizes`.
        input_size: I, the features of x that g reads. With h=None the cell's own `input_size`
            is one more. Default `g.input_size`, or 0 where g has none.

    Step k reads x(k), holds it, and gives the state at the step's end. With a number h, x(k)
    belongs to the step's start, as in the textbooks' Euler method; with h=None it is held
    over the time that comes with it.

    Where g takes t, the state has a last component `t`, which starts at 0 unless a state is
    given. It is a sum of steps, rounded at every step: in float32 100 000 steps of 0.01 come to
    1000.7, a million to 9865. For long runs use float64, or pass the signal as x.

    Raises:
        TypeError: g is no function, takes something else, or (at a step) returns something else.
        ValueError: h, method, a size or a name out of range; g reads x and input_size is 0, or
            the other way round; (at a step) g returns another shape.
    """
    state = getattr(g, "state_sizes", None) if state is None else state
    if state is None:
        raise ValueError('state is missing; pass the size of s, or sizes by name, as {"s": 1}')
    read = getattr(g, "input_size", 0) if input_size is None else input_size
    return Discretised(g, h, method, state, read)


def _arguments_of(g: Callable[..., Any]) -> int:
    """How many of s, x, t the right-hand side takes."""
    if isinstance(g, type) or not callable(g):
        given = g.__name__ + ", a class" if isinstance(g, type) else type(g).__name__
        raise TypeError(f"g must be a function or a module that is made, got {given}")
    name = getattr(g, "__name__", type(g).__name__)
    try:
        parameters = inspect.signature(g.forward if isinstance(g, nn.Module) else g).parameters
    except ValueError as error:
        raise TypeError(f"what {name} takes cannot be told; pass lambda s: {name}(s)") from error
    needed = [p for p in parameters.values() if p.default is p.empty and p.kind != p.VAR_KEYWORD]
    names = [p.name for p in needed]
    by_place = all(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in needed)
    if not by_place or not 1 <= len(names) <= 3 or "t" in names[:2]:
        raise TypeError(
            f"g must take {', '.join(FORMS)}, in this order; {name} takes ({', '.join(names)})"
        )
    return len(names)


def _along(s: State, h: Tensor | float, slopes: State) -> State:
    return tuple(value + h * slope for value, slope in zip(s, slopes, strict=True))


def _weighted(weights: tuple[int, ...], slopes: list[State]) -> State:
    """The sum of weight times slope, component by component."""
    first, *others = zip(weights, slopes, strict=True)
    total = tuple(first[0] * k for k in first[1])
    for weight, slope in others:
        total = _along(total, weight, slope)
    return total
