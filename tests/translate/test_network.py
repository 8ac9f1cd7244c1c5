"""The network: its loss by hand, padding without effect, decoding in batches and alone."""

import numpy as np
import pytest
import torch

from unrolled.cells import BY_NAME
from unrolled.nn import Scheduled
from unrolled.tasks.translate import pairs_of
from unrolled.tasks.translate.coding import Coding, Tokens, encode, learn_coding
from unrolled.tasks.translate.decoding import Search, noticed, shown
from unrolled.tasks.translate.network import ATTENTIONS, build, loss_of
from unrolled.tasks.translate.plan import BATCHES, Plan, plan_for

PAIRS = pairs_of(["abc", "ca", "b", "bb", "abca"], ["X Y Z", "Z X", "Y", "Y Y", "X Y Z X"])
CODING = learn_coding(PAIRS, Tokens("characters", "symbols"))


def plan(**given) -> Plan:
    sizes = {"hidden_size": 8, "embedding_size": 5, "num_layers": 1, "dropout": 0.0, "tied": False}
    rates = {"smoothing": 0.0, "learning_rate": 0.01, "weight_decay": 0.0}
    return Plan(**{**sizes, **rates, "epochs": 2, "batch_size": 4, **given})


def network(coding: Coding = CODING, cell="lstm", **given):
    asked = {name: given.pop(name) for name in ("attention", "bidirectional") if name in given}
    return build(coding, plan(**given), cell, engine="eager", **asked).double()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_smoothed_cross_entropy_over_the_tokens(smoothing: float) -> None:
    net, encoded = network(), encode(CODING, PAIRS)
    found = loss_of(net, encoded.batch(range(5)), smoothing)
    total, count, size = 0.0, 0, len(CODING.target)
    for place in range(5):
        batch = encoded.batch([place])
        log_p = torch.log_softmax(net(batch["source"], batch["target"]).logits[0].detach(), dim=-1)
        for row, token in zip(log_p, batch["target"][0], strict=True):
            wanted = torch.full((size,), smoothing / size, dtype=torch.double)
            wanted[token] += 1 - smoothing
            total -= float((wanted * row).sum())
            count += 1
    # Batch and single sequences differ by rounding in float64.
    assert found.total.item() == pytest.approx(total, abs=1e-9)
    assert int(found.count) == count == sum(len(p.target.split()) + 1 for p in PAIRS)


def test_what_padding_holds_has_no_effect() -> None:
    net, batch = network(), encode(CODING, PAIRS).batch(range(5))
    before = loss_of(net, batch, 0.1).total
    beyond = torch.arange(batch["source"].shape[1]) >= batch["lengths"][:, None]
    other = {**batch, "source": batch["source"].masked_fill(beyond, 5)}
    assert loss_of(net, other, 0.1).total.item() == before.item()


def test_the_encoder_has_both_directions_in_the_hidden_size() -> None:
    net = network(hidden_size=10)
    assert net.encoder.memory_size == 10
    assert net.decoder.recurrent.output_size == 10
    assert network(bidirectional=False).encoder.recurrent.bidirectional is False
    assert network(tied=True).decoder.readout._embedding[0] is not None


def test_nothing_is_known_of_unknown_tokens() -> None:
    net = network()
    assert CODING.source.unknown is not None
    assert not net.encoder.embedding.weight[CODING.source.unknown].any()


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("forcing", ["teacher", "free", Scheduled(0.5)])
def test_every_attention_and_forcing_learns(attention: str, forcing) -> None:
    net, batch = network(attention=attention, cell="gru"), encode(CODING, PAIRS).batch(range(5))
    optimiser = torch.optim.Adam(net.parameters(), 0.04)
    first = loss_of(net, batch, forcing=forcing).mean.item()
    for _ in range(25):
        optimiser.zero_grad()
        loss_of(net, batch, forcing=forcing).mean.backward()
        optimiser.step()
    assert loss_of(net, batch, forcing=forcing).mean.item() < 0.5 * first


@pytest.mark.parametrize("cell", sorted(BY_NAME))
def test_any_cell_reads_and_writes(cell: str) -> None:
    net = build(CODING, plan(), cell, engine="eager")
    loss_of(net, encode(CODING, PAIRS).batch(range(5))).mean.backward()
    written = Search(2)(net, CODING, ["abc"])
    assert set(written[0].text.split()) <= set(CODING.target.tokens)


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    net, batch = network(), encode(CODING, PAIRS).batch(range(5))
    optimiser = torch.optim.Adam(net.parameters(), 0.05)
    for _ in range(60):
        optimiser.zero_grad()
        loss_of(net, batch).mean.backward()
        optimiser.step()
    return net


@pytest.mark.parametrize("beam", [1, 3])
def test_texts_are_written_in_their_order_whatever_stands_beside(beam: int, trained) -> None:
    net, search = trained, Search(beam, weights=True)
    texts = ["abc", "", "abcabcabc", "b", "xyz", "ca", "  abca "]
    together = search(net, CODING, texts)
    for text, found in zip(texts, together, strict=True):
        (alone,) = search(net, CODING, [text])
        assert found.source == text
        assert (found.text, found.tokens, found.read) == (alone.text, alone.tokens, alone.read)
        if found.weights is None:
            assert not text.strip()
            continue
        # Rounding in float64.
        assert found.log_probability == pytest.approx(alone.log_probability, abs=1e-9)
        assert found.weights.shape == (len(found.tokens), len(found.read))
        np.testing.assert_allclose(found.weights.sum(1), 1, atol=1e-9)
        np.testing.assert_allclose(found.weights, alone.weights, atol=1e-9)
    assert [w.text for w in search(net, CODING, [p.source for p in PAIRS])] == [
        p.target for p in PAIRS
    ]


def test_the_probability_is_that_of_the_loss(trained) -> None:
    net = trained
    for found in Search(1)(net, CODING, ["abc", "bb"]):
        batch = encode(CODING, pairs_of([found.source], [found.text])).batch([0])
        # Rounding in float64.
        assert found.log_probability == pytest.approx(-loss_of(net, batch).total.item(), abs=1e-9)


def test_what_is_noticed_is_counted() -> None:
    net = network()
    texts = ["abcß", "", " ", "ab" * 40, "c"]
    found = noticed(CODING, written := Search(1)(net, CODING, texts))
    assert [finding.kind for finding in found[:3]] == ["warning"] * 3
    told = {finding.text: finding.count for finding in found}
    # 4 + 80 + 1 tokens, of which one is unknown.
    assert told["unknown to the vocabulary: 1 of 85 tokens (1.18%), 1 of them distinct: 'ß'"] == 1
    assert told["sources without content, which give nothing: 2"] == 2
    long = "sources of more than 32 tokens, read up to there (those that were learned from have "
    assert told[f"{long}4 at most): 1"] == 1
    assert [w.text for w in written][1:3] == ["", ""]
    assert len(written[3].read) == 32
    cut = sum(not w.ended for w in written)
    assert sum(f.count for f in found if "came to no end" in f.text) == cut


def test_tokens_are_shown_with_their_blanks() -> None:
    pairs = pairs_of(["go on go on now"] * 9, ["los los"] * 9)
    coding = learn_coding(pairs, Tokens("subwords", "words"))
    assert "_on" in shown(coding.source, coding.source.encode("go on"))
    assert shown(coding.target, [*coding.target.encode("los"), 2]) == ("los", "<eos>")


def test_plans_by_the_amount_of_data() -> None:
    sizes = [plan_for(CODING, pairs).batch_size for pairs in (100, 1_000, 20_000, 100_000)]
    assert sizes == [16, 32, 64, 128] == [size for _, size in reversed(BATCHES)]
    assert plan_for(CODING, 100_000_000).epochs < plan_for(CODING, 100_000).epochs
    sentences = learn_coding(PAIRS, Tokens("subwords", "subwords"))
    assert plan_for(sentences, 1_000).tied
