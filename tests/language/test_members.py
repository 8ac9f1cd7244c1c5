"""Several language models that predict as one; and the state that a training carries on."""

import numpy as np
import pytest
import torch

import unrolled as ur
from language.test_model import SMALL, TEXT
from unrolled.nn import Recurrent
from unrolled.nn.ensemble import members_of
from unrolled.tasks.language.inspection import subject
from unrolled.tasks.language.model import LanguageModel
from unrolled.tasks.language.network import LanguageEnsemble, LanguageNetwork
from unrolled.tasks.language.objective import StreamLoss, text_losses
from unrolled.tasks.language.results import MODEL
from unrolled.training import Chunk

TOKENS = torch.arange(40).reshape(2, 20) % 5


def network(seed: int, cell: str = "lstm", layers: int = 1) -> LanguageNetwork:
    torch.manual_seed(seed)
    layer = Recurrent(cell, 4, 6, layers, batch_first=True, engine="eager")
    return LanguageNetwork(5, layer)


def test_the_probability_is_the_mean_of_theirs() -> None:
    models = [network(0), network(1, "gru")]
    together = LanguageEnsemble(models).eval()
    with torch.no_grad():
        shares = torch.stack([torch.softmax(one(TOKENS)[0], -1) for one in models]).mean(0)
        log_p, state = together(TOKENS)
        torch.testing.assert_close(log_p.exp(), shares)
        # The states go on: two halves are the whole.
        _, state = together(TOKENS[:, :8])
        second, _ = together(TOKENS[:, 8:], state)
    torch.testing.assert_close(second, log_p[:, 8:])
    targets = (TOKENS + 1) % 5
    losses, _ = together.losses(TOKENS, targets)
    expected = -shares.log().gather(2, targets[..., None])[..., 0]
    torch.testing.assert_close(losses, expected)
    # Jensen: the mean of the losses, which training has, is never less.
    alone, _ = together.train().losses(TOKENS, targets)
    assert (alone > losses - 1e-6).all()
    each = [one.losses(TOKENS, targets)[0] for one in models]
    torch.testing.assert_close(alone, (each[0] + each[1]) / 2)


def test_a_text_is_scored_by_the_mean_in_parts(monkeypatch) -> None:
    monkeypatch.setattr("unrolled.tasks.language.objective.PART", 7)
    models, ids = [network(0), network(1)], TOKENS[0].numpy()
    with torch.no_grad():
        shares = torch.stack([torch.softmax(m(TOKENS[:1, :-1])[0], -1) for m in models]).mean(0)
    expected = -shares[0].log().gather(1, TOKENS[0, 1:, None])[:, 0].numpy()
    found = text_losses(LanguageEnsemble(models).eval(), ids)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman", "scrn"])
@pytest.mark.parametrize("count", [1, 2])
def test_the_state_of_a_stream_is_saved_and_gone_on_with(cell, count) -> None:
    models = [network(k, cell, layers=2) for k in range(count)]
    model = models[0] if count == 1 else LanguageEnsemble(models)
    chunk = Chunk((TOKENS, (TOKENS + 1) % 5), torch.zeros(2, 20, dtype=torch.bool), "all")
    whole = StreamLoss(restart=0.0)
    whole(model, chunk, 0.0)
    resumed = StreamLoss(restart=0.0)
    resumed.load_state_dict(whole.state_dict())
    after = [loss(model, chunk, 0.0).total for loss in (whole, resumed)]
    assert torch.equal(*after)
    fresh = StreamLoss(restart=0.0)
    fresh.load_state_dict({})
    assert fresh.state is None


@pytest.mark.parametrize("tied", [False, True])
def test_several_are_saved_opened_and_looked_into(tied, tmp_path) -> None:
    model = LanguageModel(**{**SMALL, "members": 2, "passes": 2, "tied": tied}).fit(TEXT)
    assert len(members_of(model.fitted_.network)) == 2
    opened = ur.load(model.save(tmp_path / "run"))
    assert opened.generate("the", 20, seed=3) == model.generate("the", 20, seed=3)
    loss, again = (each.evaluate(TEXT).scores[MODEL].loss for each in (model, opened))
    assert again == pytest.approx(loss, rel=1e-6)
    inside = subject(tmp_path / "run", opened)
    assert inside.subtitle.endswith("; the first of 2 networks")
