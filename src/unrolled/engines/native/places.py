"""What a kernel is compiled for, and where values lie in its memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Factors deep, and vectors of right entries wide, is what a product of gradients takes in at once:
# that stays in the first cache.
DEPTH, WIDE = 128, 4


@dataclass(frozen=True)
class Target:
    """What the code is compiled for.

    Attributes:
        real: "float" or "double".
        lanes: numbers in a vector register.
        registers: vector registers.
        half: whether products take their factors in bfloat16, two at a time; sums are in `real`.
    """

    real: str
    lanes: int
    registers: int
    half: bool = False

    @property
    def high(self) -> int:
        """Left entries in a tile of the products that make gradients."""
        return self.registers * 3 // 4 // WIDE

    @property
    def block(self) -> int:
        """Rows that a product of gradients takes in at once."""
        return 2 * DEPTH if self.half else DEPTH

    def depth(self, size: int) -> int:
        """The factors that a row of numbers makes."""
        return -(-size // 2) if self.half else size

    def padded(self, size: int) -> int:
        """A row's length in memory, a whole number of vectors."""
        return -(-size // self.lanes) * self.lanes


@dataclass(frozen=True)
class Place:
    """Where a value of every sample and step lies in memory.

    Attributes:
        array: name of the array.
        time, batch: from one step, and from one sample, to the next.
        offset: of the value in its row.
        ahead: steps ahead of the current one.
        by_turns: whether odd and even steps write over one another.
    """

    array: str
    time: str
    batch: str
    offset: int = 0
    ahead: int = 0
    by_turns: bool = False

    @property
    def pointer(self) -> str:
        """The address at step t of sample b."""
        step = f"(t + {self.ahead})" if self.ahead else "t"
        if self.by_turns:
            step = f"({step} & 1)"
        parts = [f"a.{self.array}", f"{step} * {self.time}", f"b * {self.batch}", str(self.offset)]
        return " + ".join(part for part in parts if part != "0" and "* 0" not in part)

    @property
    def strides(self) -> tuple[str, str, str]:
        """The address at step 0 of sample 0, and from one step and sample to the next."""
        start = f"a.{self.array} + {self.ahead} * {self.time} + {self.offset}"
        return start, self.time, self.batch


Pointer = Callable[[Place], str]
Value = Callable[[Pointer, str], str]


def as_it_is(pointer: Pointer, entry: str) -> str:
    return "{v}"


@dataclass(frozen=True)
class Store:
    """A value written to memory as soon as it is computed.

    Attributes:
        place: where to.
        value: what is written, as an expression of {v}, of places and of the entry.
        when: a condition.
        part: where the value starts in the place and its size, where it is a part of what lies
            there; a whole vector may be written behind any other.
    """

    place: Place
    value: Value = as_it_is
    when: str = ""
    part: tuple[int, int] | None = None
