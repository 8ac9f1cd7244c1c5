"""A fitted model run over records: simulations, predictions one step ahead, residuals.

Shapes: T samples of a record, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ...data.errors import DataError
from ...data.series import Finding
from ...data.systems import SystemData
from ...report.numbers import percent
from .encoded import Batch, EncodedSystem
from .measures import Predicted

if TYPE_CHECKING:
    from .model import SystemIdentifier

# Steps of records that are run side by side, at most.
AT_ONCE = 400_000


def checked(model: SystemIdentifier, data: SystemData) -> SystemData:
    """The data.

    Raises:
        DataError: they have not as many inputs or outputs as the model.
    """
    coding = model.fitted_.coding
    for what in ("inputs", "outputs"):
        came, wanted = getattr(data, what), getattr(coding, what)
        if came and len(came) != len(wanted):
            raise DataError(
                f"the model has {len(wanted)} {what} ({', '.join(wanted)}), {data.name} has "
                f"{len(came)}"
            )
    return data


def predicted(model: SystemIdentifier, data: SystemData) -> Predicted:
    """What the model says of every record, in original units; one step ahead where it can."""
    encoded, scale = model.encode(model.fitted_.coding, data), model.fitted_.coding.output_scale
    simulate = lambda n, b: n.simulate(b["inputs"], b["lengths"])  # noqa: E731
    ahead = lambda n, b: n.one_step(b["inputs"], b["outputs"], b["lengths"])  # noqa: E731
    runs = (simulate, ahead) if data.outputs else (simulate,)
    found = [[scale.undo(v.double().numpy()) for v in _each(model, encoded, run)] for run in runs]
    return Predicted(*found)


def residuals_of(model: SystemIdentifier, data: SystemData) -> list[Tensor]:
    """What a simulation is off by, standardised, [T, O] of each record."""
    encoded = model.encode(model.fitted_.coding, data)
    off = lambda n, b: b["outputs"] - n.simulate(b["inputs"], b["lengths"])  # noqa: E731
    return _each(model, encoded, off)


def _each(
    model: SystemIdentifier, encoded: EncodedSystem, run: Callable[[Any, Batch], Tensor]
) -> list[Tensor]:
    """What a run of the network gives of every record, [T, O], on the CPU."""

    def rows(network: Any, batch: Batch) -> list[Tensor]:
        found = run(network, batch).cpu()
        return [v[:n] for v, n in zip(found, batch["lengths"].tolist(), strict=True)]

    return model.for_each(model.fitted_.network, encoded, rows, at_once(encoded))


def at_once(encoded: EncodedSystem) -> int:
    """Records that are run side by side."""
    return max(1, AT_ONCE // int(encoded.lengths.max()))


def as_given(inputs: Any, found: Sequence[np.ndarray] | None) -> Any:
    """A list of arrays where a list of experiments was given, else the one array."""
    assert found is not None, "what is asked for has been predicted"
    several = isinstance(inputs, (list, tuple)) and len(inputs) > 0 and np.ndim(inputs[0]) > 0
    return list(found) if several else found[0]


def beyond_training(model: SystemIdentifier, data: SystemData) -> tuple[Finding, ...]:
    """Whether the input goes beyond the range that was learned from."""
    scale = model.fitted_.coding.input_scale
    beyond = sum(scale.outside(record.inputs) for record in data)
    if not beyond:
        return ()
    share = percent(beyond / len(data))
    text = f"samples whose input is beyond the range of training: {beyond:,} ({share})"
    return (Finding("warning", text, beyond),)
