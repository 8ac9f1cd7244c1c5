"""What is recorded of cells whose next input depends on their last state."""

from functools import partial

import pytest
import torch
from torch.autograd.functional import jacobian

from unrolled.dynamics import examine
from unrolled.dynamics.recording import record
from unrolled.nn import Decoder, LuongAttention

LENGTHS = torch.tensor([5, 3, 1])


def decoder(attention, layers: int) -> Decoder:
    torch.manual_seed(0)
    return Decoder.of_tokens(
        7, 4, 6, embedding_size=3, cell="lstm", num_layers=layers, attention=attention
    ).double()


def loss_of(memory, targets):
    def loss(model, batch):
        return model(targets, memory, lengths=LENGTHS).loss(targets)

    return loss


FED_BACK = {
    "bahdanau": "bahdanau",
    "luong, its output fed": partial(LuongAttention, input_feeding=True),
}


@pytest.mark.parametrize("attention", FED_BACK.values(), ids=FED_BACK)
@pytest.mark.parametrize("layers", [1, 2])
def test_steps_that_read_the_last_output(monkeypatch, attention, layers):
    """Total gradients, by autograd, are what is recorded as direct and what the cell hands back."""
    model = decoder(attention, layers).eval()
    memory, targets = torch.randn(3, 4, 6).double(), torch.randint(1, 7, (3, 5))
    loss = loss_of(memory, targets)

    found = record(model, None, loss)
    assert [each.cell for each in found] == list(model.recurrent.cells)

    given = {cell: [] for cell in model.recurrent.cells}
    for cell in model.recurrent.cells:
        plain = cell.step

        def kept(x, *state, cell=cell, plain=plain):
            # Apart from what the step itself reads of them, as h = o tanh(c) does.
            after = tuple(part.clone() for part in plain(x, *state))
            for part in after:
                part.retain_grad()
            given[cell].append((x, after))
            return after

        monkeypatch.setattr(cell, "step", kept)
    loss(model, None).backward()
    monkeypatch.undo()

    for each in found:
        after = [torch.cat(parts, 1) for _, parts in given[each.cell]]
        # Nothing reads the last c.
        total = [
            torch.cat([torch.zeros_like(p) if p.grad is None else p.grad for p in parts], 1)
            for _, parts in given[each.cell]
        ]
        for row, length in enumerate(LENGTHS.tolist()):
            for t in range(length):
                torch.testing.assert_close(each.after[row, t], after[t][row])
                torch.testing.assert_close(each.x[row, t], given[each.cell][t][0][row])
                wanted = each.direct[row, t]
                if t + 1 < length:
                    x = each.x[row, t + 1 : t + 2]
                    step = lambda s, x=x, c=each.cell: torch.cat(c.step(x, *s.split(4, 1)), 1)  # noqa: E731
                    turned = jacobian(step, each.after[row, t : t + 1])[0, :, 0]
                    wanted = wanted + total[t + 1][row] @ turned
                # Sums of float64 in another order.
                torch.testing.assert_close(total[t][row], wanted, rtol=1e-9, atol=1e-12)
        beyond = ~each.valid
        assert not each.after[beyond].any()
        assert not each.direct[beyond].any()


def test_what_is_shown_changes_nothing():
    model = decoder("bahdanau", 1)
    memory, targets = torch.randn(3, 4, 6).double(), torch.randint(1, 7, (3, 5))
    loss = loss_of(memory, targets)
    loss(model, None).backward()
    plain = [p.grad.clone() for p in model.parameters()]
    record(model, None, loss)
    for parameter, before in zip(model.parameters(), plain, strict=True):
        assert torch.equal(parameter.grad, before)


def test_a_decoder_with_attention_before_its_steps_is_examined():
    model = decoder("bahdanau", 1)
    memory, targets = torch.randn(3, 4, 6).double(), torch.randint(1, 7, (3, 5))
    [layer] = examine(model, None, loss_of(memory, targets)).layers
    assert {"i", "f", "g", "o"} <= set(layer.trace.gates)
    assert layer.flow.loss is not None
