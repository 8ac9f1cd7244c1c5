"""The network of a classifier beside torch's layers, and what padding does to it."""

import numpy as np
import pytest
import torch
from torch import nn

from unrolled.nn import Recurrent
from unrolled.tasks.classify.network import ClassifierNetwork, NumberInput, TokenInput
from unrolled.tasks.classify.numbers import EncodedNumbers, NumberCoding
from unrolled.tasks.classify.pooling import POOLINGS


def network(pooling: str = "mean+max", cell: str = "lstm", **options) -> ClassifierNetwork:
    torch.manual_seed(0)
    recurrent = Recurrent(cell, 5, 6, bidirectional=True, engine="eager")
    return ClassifierNetwork(TokenInput(9, 5), recurrent, 3, pooling, **options)


def batch(lengths=(4, 7, 1)) -> dict[str, torch.Tensor]:
    tokens = torch.randint(1, 9, (len(lengths), max(lengths)))
    return {"tokens": tokens, "lengths": torch.tensor(lengths)}


def test_it_is_torchs_layers_one_after_another() -> None:
    model = network().double()
    lstm = nn.LSTM(5, 6, batch_first=True, bidirectional=True).double()
    for cell, end in zip(model.recurrent.cells, ("", "_reverse"), strict=True):
        for name, weight in cell.named_parameters():
            getattr(lstm, f"{name}_l0{end}").data = weight.data
    given = batch()
    scores = model(given)
    for row, length in enumerate(given["lengths"]):
        outputs = lstm(model.reads.embedding(given["tokens"][row, :length]))[0]
        expected = model.readout(torch.cat([outputs.mean(0), outputs.amax(0)]))
        # Sums of a dozen products in float64.
        torch.testing.assert_close(scores[row], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_is_not_read(pooling) -> None:
    model, given = network(pooling), batch()
    tokens = given["tokens"].clone()
    tokens[0, 4:], tokens[2, 1:] = 0, 8
    # The same numbers, whatever stands behind the end.
    assert torch.equal(model({**given, "tokens": tokens}), model(given))
    alone = model({"tokens": given["tokens"][:1, :4], "lengths": torch.tensor([4])})
    # Sums in float32 in another order.
    torch.testing.assert_close(model(given)[:1], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", ["elman", "gru", "mgu", "min-lstm"])
def test_any_cell_learns(cell) -> None:
    model, given = network(cell=cell), batch()
    model(given).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_gradients_of_numbers() -> None:
    values = [np.random.default_rng(0).normal(size=(n, 2)) for n in (4, 3)]
    coding = NumberCoding.learn(values, "xy", differences=True, plane=(0, 1), longest=9)
    reads = NumberInput(coding).double()
    recurrent = Recurrent("gru", reads.output_size, 3, engine="eager")
    model = ClassifierNetwork(reads, recurrent, 2, "mean").double()
    given = EncodedNumbers(coding, values).batch([0, 1])
    numbers = given["values"].double().requires_grad_()
    # The second sequence's padding has no gradient, by differences and by numbers.
    assert torch.autograd.gradcheck(
        lambda x: model({**given, "values": x}), numbers, atol=1e-6, rtol=1e-4
    )
